"""AskUserQuestion: a question with answers to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.tools import Claims, tool


class Option(BaseModel):
    """One answer."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, description="In one to five words.")]
    description: Annotated[str, Field(description="What choosing it means.")] = ""


class Question(BaseModel):
    """One question."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=1, description="The whole question, with a question mark.")]
    header: Annotated[str, Field(max_length=40, description="Its subject in a word or two.")] = ""
    options: Annotated[list[Option], Field(min_length=2, max_length=4)]
    multiSelect: Annotated[bool, Field(description="Several answers may be chosen.")] = False


def _claims(given: dict[str, Any], cwd: Path) -> Claims:
    return Claims.write("person")  # who is asked two things at once answers neither


@tool(name="AskUserQuestion", claims=_claims, egress=(), needs_person=True)
async def ask_user_question(
    questions: Annotated[list[Question], Field(min_length=1, max_length=4)],
    answers: Annotated[
        dict[str, str] | None, Field(description="Never set this: it is filled in when the user has answered.")
    ] = None,
) -> ToolResult:
    """Ask the user to choose, where the answer changes what you do and nothing else tells.

    The user may also answer in words of his own. Without a person the call is refused: then decide yourself and say so.
    """
    if not answers:
        raise ToolError("The user gave no answer. Decide yourself what is most sensible, and say what you assumed.")
    known = [question.question for question in questions]
    unknown = sorted(set(answers) - set(known))
    if unknown:
        raise ToolError(f"There is an answer to a question that was not asked: {unknown[0]!r}.")
    lines = [f"{question}\n  {answers.get(question, '(no answer)')}" for question in known]
    facts = {"questions": [question.model_dump() for question in questions], "answers": answers}
    return ToolResult(content="The user has answered:\n" + "\n".join(lines), data=facts)
