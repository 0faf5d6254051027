"""Tasks: made, changed and done, unless a hook minds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard.decisions import Answer
from pegboard.hookspecs import hookimpl
from pegboard.messages import Outcome, OutcomeKind
from pegboard.records import Event
from pegboard.testing import HostFixture

pytestmark = pytest.mark.anyio


def host_in(folder: Path) -> HostFixture:
    host = HostFixture(folder=folder)
    host.settings["flags"] = {"values": {"tasks": True}}
    host.builtin("planning_tools", "flags")
    return host


def minds(event_name: str) -> Any:
    """A hook that refuses what an event tells of."""

    @hookimpl(matcher=event_name)
    def lifecycle(event: Event) -> Answer:
        return Answer(block=True, reason="not now")

    return lifecycle


def data(outcome: Outcome) -> dict[str, Any]:
    assert outcome.kind is OutcomeKind.OK, outcome.result.content
    return dict(outcome.result.data)


async def make(host: HostFixture, *subjects: str) -> None:
    for subject in subjects:
        data(await host.invoke("TaskCreate", subject=subject, description=f"{subject} wholly."))


async def test_a_task_goes_its_way_and_is_told_of(tmp_path: Path) -> None:
    async with host_in(tmp_path) as host:
        await make(host, "Write", "Test")
        changed = data(await host.invoke("TaskUpdate", taskId="1", status="in_progress", subject="Write it"))
        assert changed["updatedFields"] == ["subject", "status"]
        assert changed["statusChange"] == {"from": "pending", "to": "in_progress"}
        data(await host.invoke("TaskUpdate", taskId="2", addBlockedBy=["1"]))
        listed = await host.invoke("TaskList")
        assert str(listed.result.content) == "#1 [in_progress]: Write it\n#2 [pending, waits for #1]: Test"
        data(await host.invoke("TaskUpdate", taskId="1", status="completed"))
        assert "#2 [pending]: Test" in str((await host.invoke("TaskList")).result.content)
        shown = str((await host.invoke("TaskGet", taskId="1")).result.content)
        assert shown == "Task #1: Write it\n[completed]\n\nWrite wholly."


async def test_without_the_flag_there_is_no_such_tool(tmp_path: Path) -> None:
    async with HostFixture(folder=tmp_path) as host:
        host.builtin("planning_tools", "flags")
        assert (await host.invoke("TaskList")).kind is OutcomeKind.ERROR


async def test_a_task_that_a_hook_minds_is_not_made_and_its_number_is_free(tmp_path: Path) -> None:
    async with host_in(tmp_path) as host:
        host.load(minds("TaskCreated"), name="strict")
        outcome = await host.invoke("TaskCreate", subject="Write", description="It.")
        assert outcome.kind is OutcomeKind.ERROR
        assert "TaskCreated hook feedback:\nnot now" in str(outcome.result.content)
        assert str((await host.invoke("TaskList")).result.content) == "There are no tasks."


async def test_a_task_that_a_hook_does_not_hold_for_done_stays_as_it_was(tmp_path: Path) -> None:
    async with host_in(tmp_path) as host:
        host.load(minds("TaskCompleted"), name="strict")
        await make(host, "Write")
        outcome = await host.invoke("TaskUpdate", taskId="1", status="completed", subject="Other")
        assert str(outcome.result.content) == "TaskCompleted hook feedback:\nnot now"
        assert data(outcome)["success"] is False
        assert str((await host.invoke("TaskList")).result.content) == "#1 [pending]: Write"


async def test_what_was_deleted_is_waited_for_by_nobody(tmp_path: Path) -> None:
    async with host_in(tmp_path) as host:
        await make(host, "Write", "Test")
        data(await host.invoke("TaskUpdate", taskId="1", addBlocks=["2"], status="deleted"))
        assert str((await host.invoke("TaskList")).result.content) == "#2 [pending]: Test"
        await make(host, "Again")
        assert "#3" in str((await host.invoke("TaskList")).result.content), "a number was given twice"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({"taskId": "9", "status": "completed"}, "no task '9'. The ids on the list: 1, 2", id="unknown"),
        pytest.param({"taskId": "1", "addBlockedBy": ["7"]}, "no task '7'", id="waits for one that is unknown"),
        pytest.param({"taskId": "1", "addBlockedBy": ["1"]}, "cannot wait for '1'", id="waits for itself"),
    ],
)
async def test_what_cannot_be_is_an_error_and_changes_nothing(tmp_path: Path, given: Any, said: str) -> None:
    async with host_in(tmp_path) as host:
        await make(host, "Write", "Test")
        before = data(await host.invoke("TaskList"))
        outcome = await host.invoke("TaskUpdate", **given)
        assert outcome.kind is OutcomeKind.ERROR
        assert said in str(outcome.result.content)
        assert data(await host.invoke("TaskList")) == before


@settings(deadline=None, max_examples=20)
@given(waits=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=12))
async def test_no_task_ever_waits_for_itself(tmp_path_factory: Any, waits: list[tuple[int, int]]) -> None:
    async with host_in(tmp_path_factory.mktemp("tasks")) as host:
        await make(host, *"abcde")
        for one, other in waits:
            await host.invoke("TaskUpdate", taskId=str(one), addBlockedBy=[str(other)])
        blocked = {task["id"]: task["blockedBy"] for task in data(await host.invoke("TaskList"))["tasks"]}
    free = set[str]()
    while more := {name for name, others in blocked.items() if name not in free and free.issuperset(others)}:
        free |= more
    assert free == blocked.keys(), f"a circle in {blocked}"
