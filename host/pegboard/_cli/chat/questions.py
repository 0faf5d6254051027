"""Questions of the model with answers to choose from: the tool AskUserQuestion, answered in the terminal."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from pegboard._cli.chat import drawing
from pegboard._cli.chat.shapes import Asking
from pegboard.context import Ctx
from pegboard.decisions import Resolution
from pegboard.hookspecs import Ask
from pegboard.output import readable

TOOL = "AskUserQuestion"
OWN_WORDS = "Something else, in my own words"
NO_ANSWER = "No answer: let it decide by itself"
ENOUGH = "That is all"


def questions_in(ask: Ask) -> list[dict[str, Any]]:
    """Return the questions of a call that the model has for the person; none for any other call."""
    found = ask.call.input.get("questions") if ask.call.name == TOOL else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


async def answered(ask: Ask, ctx: Ctx, face: Asking) -> Resolution:
    """Put the questions, one after another; the answers become a part of the call. Raises EgressClosedError."""
    answers: dict[str, str] = {}
    for question in questions_in(ask):
        text = str(question.get("question", ""))
        face.draw(Text.assemble(("? ", "bold yellow"), drawing.shown_exactly(str(ctx.emit("text", text)), "bold")))
        answer = await _answer(question, ctx, face)
        face.draw(Text(f"answered: {readable(answer)}" if answer else "no answer", style="dim"))
        if answer:
            answers[text] = answer
    if not answers:
        return Resolution(allow=False, reason="the user gave no answer: decide yourself, and say what you assumed")
    given = {**ask.call.input, "answers": answers}
    return Resolution(allow=True, reason="the user has answered", updated_input=given)


async def _answer(question: dict[str, Any], ctx: Ctx, face: Asking) -> str:
    options = [option for option in question.get("options", []) if isinstance(option, dict)]
    labels = [str(option.get("label", "")) for option in options]
    chosen: list[str] = []
    while True:
        left = [(label, option) for label, option in zip(labels, options, strict=True) if label not in chosen]
        shown = [readable(str(ctx.emit("text", _described(label, option)))) for label, option in left]
        last = [OWN_WORDS, ENOUGH if chosen else NO_ANSWER]
        at = await face.choose([*shown, *last])
        if at < len(left):
            chosen.append(left[at][0])
        elif at == len(left):
            words = (await face.line("your answer")).strip()
            chosen += [words] if words else []
        if at > len(left) or not question.get("multiSelect") or len(chosen) == len(labels):
            return ", ".join(chosen)


def _described(label: str, option: dict[str, Any]) -> str:
    description = str(option.get("description", ""))
    return f"{label}: {description}" if description else label
