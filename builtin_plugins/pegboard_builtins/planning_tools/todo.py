"""TodoWrite: the list of what is to be done, kept in the session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pegboard.context import Ctx
from pegboard.messages import ToolResult
from pegboard.tools import Claims, tool

STATE = "todos"


class Todo(BaseModel):
    """One thing to do."""

    model_config = ConfigDict(extra="forbid")

    content: Annotated[str, Field(min_length=1, description="What is to be done: Run the tests.")]
    status: Literal["pending", "in_progress", "completed"]
    activeForm: Annotated[str, Field(min_length=1, description="The same while it is done: Running the tests.")]


def _claims(given: dict[str, Any], cwd: Path) -> Claims:
    return Claims.write("session:todos")


@tool(name="TodoWrite", read_only=True, repeatable=True, claims=_claims, egress=())
async def todo_write(todos: Annotated[list[Todo], Field(description="The whole list, anew.")], ctx: Ctx) -> ToolResult:
    """Keep a list of what is to be done, for work of three steps or more.

    Write the whole list each time. One thing at a time is in_progress; mark it completed as soon as it is, not before.
    The list lasts as long as the session, through compaction and resume.
    """
    key = f"{STATE}:{ctx.agent_id}"
    old = ctx.state.get(key, [])
    new = [todo.model_dump() for todo in todos]
    if new != old:
        ctx.state[key] = new
    busy = [todo.content for todo in todos if todo.status == "in_progress"]
    done = sum(todo.status == "completed" for todo in todos)
    note = f" {len(busy)} things are in progress; do one at a time." if len(busy) > 1 else ""
    text = f"The list has been written: {done} of {len(todos)} done.{note}"
    return ToolResult(content=text, data={"oldTodos": old, "newTodos": new})
