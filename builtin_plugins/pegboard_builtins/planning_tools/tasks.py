"""TaskCreate, TaskUpdate, TaskGet and TaskList: what is to be done, task by task, so that hooks can refuse one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from pegboard.context import Ctx
from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard.records import Event, TaskCompleted, TaskCreated
from pegboard.tools import Claims, tool

FLAG = "tasks"
STATE = "tasks"
"""The key of our state, in each agent's own session: `next`, the number of the next task, and `tasks` by their ids."""

Id = Annotated[str, Field(min_length=1, description="The id of the task, as TaskCreate has said it.")]
Subject = Annotated[str, Field(min_length=1, description="In a few words: Run the tests.")]
Description = Annotated[str, Field(description="What exactly is to be done, and when it is done.")]
Active = Annotated[str, Field(description="The subject while it is done: Running the tests.")]
Ids = tuple[str, ...]
Status = Literal["pending", "in_progress", "completed", "deleted"]


def _changes(given: dict[str, Any], cwd: Path) -> Claims:
    return Claims.write("session:tasks")


def _reads(given: dict[str, Any], cwd: Path) -> Claims:
    return Claims.read("session:tasks")


@tool(name="TaskCreate", read_only=True, claims=_changes, egress=(), flag=FLAG, deferred=True)
async def task_create(subject: Subject, description: Description, ctx: Ctx, activeForm: Active = "") -> ToolResult:
    """Put a task on the list, for work of three steps or more. It begins as pending.

    The list lasts as long as the session, through compaction and resume.
    """
    kept = _kept(ctx)
    name = str(kept["next"])
    task = {"subject": subject, "description": description, "activeForm": activeForm, "status": "pending"}
    kept = {"next": kept["next"] + 1, "tasks": {**kept["tasks"], name: {**task, "blockedBy": []}}}
    objection = await _objection(ctx, TaskCreated(task_id=name, subject=subject, description=description))
    if objection:
        raise ToolError(objection)
    ctx.state[STATE] = kept
    facts = {"task": {"id": name, "subject": subject, "description": description}}
    return ToolResult(content=f"Task #{name} is on the list: {subject}", data=facts)


@tool(name="TaskUpdate", read_only=True, claims=_changes, egress=(), flag=FLAG, deferred=True)
async def task_update(
    taskId: Id,
    ctx: Ctx,
    status: Annotated[Status | None, Field(description="deleted takes the task off the list.")] = None,
    subject: Subject | None = None,
    description: Description | None = None,
    activeForm: Active | None = None,
    addBlockedBy: Annotated[Ids, Field(description="Tasks that must be done before this one.")] = (),
    addBlocks: Annotated[Ids, Field(description="Tasks that must wait for this one.")] = (),
) -> ToolResult:
    """Change a task: its status before and after you work on it, its words, or what it waits for.

    Say completed as soon as it is done, and only if it wholly is.
    """
    kept = _kept(ctx)
    tasks = {name: dict(task) for name, task in kept["tasks"].items()}
    task = _one(tasks, taskId)
    before = dict(task)
    words = {"subject": subject, "description": description, "activeForm": activeForm, "status": status}
    task.update((name, value) for name, value in words.items() if value is not None)
    _let_wait(tasks, taskId, addBlockedBy)
    for other in addBlocks:
        _let_wait(tasks, other, (taskId,))
    if task["status"] == "completed" != before["status"]:
        done = TaskCompleted(task_id=taskId, subject=task["subject"], description=task["description"])
        objection = await _objection(ctx, done)
        if objection:
            return ToolResult(content=objection, data={"success": False, "taskId": taskId, "updatedFields": []})
    if status == "deleted":
        del tasks[taskId]
        for one in tasks.values():
            one["blockedBy"] = [name for name in one["blockedBy"] if name != taskId]
    if tasks != kept["tasks"]:
        ctx.state[STATE] = {**kept, "tasks": tasks}
    changed = [name for name in task if task[name] != before[name]] + ["blocks"] * bool(addBlocks)
    facts: dict[str, Any] = {"success": True, "taskId": taskId, "updatedFields": changed}
    if "status" in changed:
        facts["statusChange"] = {"from": before["status"], "to": task["status"]}
    return ToolResult(content=f"Task #{taskId}: {', '.join(changed) or 'nothing'} changed.", data=facts)


@tool(name="TaskGet", read_only=True, repeatable=True, claims=_reads, egress=(), flag=FLAG, deferred=True)
async def task_get(taskId: Id, ctx: Ctx) -> ToolResult:
    """Read a task whole: what is to be done, its status, and what it waits for."""
    task = _one(_kept(ctx)["tasks"], taskId)
    text = f"Task #{taskId}: {task['subject']}\n{_state_of(task)}\n\n{task['description']}"
    return ToolResult(content=text.rstrip(), data={"task": {"id": taskId, **task}})


@tool(name="TaskList", read_only=True, repeatable=True, claims=_reads, egress=(), flag=FLAG, deferred=True)
async def task_list(ctx: Ctx) -> ToolResult:
    """List all tasks with their status, and what each waits for."""
    tasks = _kept(ctx)["tasks"]
    lines = [f"#{name} {_state_of(_open(tasks, task))}: {task['subject']}" for name, task in tasks.items()]
    facts = {"tasks": [{"id": name, **task} for name, task in tasks.items()]}
    return ToolResult(content="\n".join(lines) or "There are no tasks.", data=facts)


def _kept(ctx: Ctx) -> dict[str, Any]:
    return ctx.state.get(STATE) or {"next": 1, "tasks": {}}


def _one(tasks: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in tasks:
        there = ", ".join(tasks) or "there are none"
        raise ToolError(f"There is no task {name!r}. The ids on the list: {there}.")
    found: dict[str, Any] = tasks[name]
    return found


def _let_wait(tasks: dict[str, Any], name: str, others: tuple[str, ...]) -> None:
    """Let a task wait for others. Raises ToolError where one is unknown, or waits for this one."""
    task = _one(tasks, name)
    for other in others:
        if name in _waits_for(tasks, other) | {other}:
            raise ToolError(f"Task {name!r} cannot wait for {other!r}, which waits for it.")
        task["blockedBy"] = list(dict.fromkeys([*task["blockedBy"], other]))


def _waits_for(tasks: dict[str, Any], name: str) -> set[str]:
    """Return all that a task waits for, directly or not."""
    found: set[str] = set()
    open_ones = list(_one(tasks, name)["blockedBy"])
    while open_ones:
        other = open_ones.pop()
        if other not in found:
            found.add(other)
            open_ones += _one(tasks, other)["blockedBy"]
    return found


def _open(tasks: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    """Return a task that waits only for what is not done yet."""
    return {**task, "blockedBy": [name for name in task["blockedBy"] if tasks[name]["status"] != "completed"]}


def _state_of(task: dict[str, Any]) -> str:
    waits = f", waits for {', '.join(f'#{name}' for name in task['blockedBy'])}" if task["blockedBy"] else ""
    return f"[{task['status']}{waits}]"


async def _objection(ctx: Ctx, event: Event) -> str:
    """Return what hooks have against it, for the model; empty where they let it pass."""
    reasons = [answer.reason or plugin for plugin, answer in await ctx.fire(event) if answer.block]
    return "\n".join(f"{event.name} hook feedback:\n{reason}" for reason in reasons)
