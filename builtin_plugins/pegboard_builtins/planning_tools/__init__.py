"""Tools that touch nothing but the conversation: TodoWrite, AskUserQuestion, ToolSearch, and a list of tasks."""

from __future__ import annotations

from pegboard.context import Registry
from pegboard.decisions import Decision
from pegboard.flags import Flag
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolCall
from pegboard_builtins.planning_tools.question import ask_user_question
from pegboard_builtins.planning_tools.tasks import FLAG, task_create, task_get, task_list, task_update
from pegboard_builtins.planning_tools.todo import todo_write
from pegboard_builtins.planning_tools.tool_search import tool_search


@hookimpl
def register(registry: Registry) -> None:
    """Add the tools, and the flag of those that keep tasks."""
    registry.add_flag(Flag(FLAG, default=False, help="Let the model keep tasks, which hooks can refuse."))
    registry.add_tool(todo_write, ask_user_question, tool_search)
    registry.add_tool(task_create, task_update, task_get, task_list)


@hookimpl(matcher="AskUserQuestion")
def pre_tool(call: ToolCall) -> Decision | None:
    """A question is always asked: no rule can answer it. Whoever resolves it puts the answers into the input."""
    return None if call.input.get("answers") else Decision.ask("the model has a question")
