"""The ways for systems that lack something: pidfd, memfd, large pipes, sessions from posix_spawn, /proc."""

from __future__ import annotations

import fcntl
import os
from typing import Any

import pytest
from wire_run_desk import RunDesk, command_handler

from pegboard_builtins.wire_hooks.runners import tree

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["pidfd_open", "memfd_create", "F_SETPIPE_SZ", "setsid", "/proc"])
def lacking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, desk: RunDesk) -> str:
    lacks: str = request.param
    monkeypatch.chdir(desk.folder)
    if lacks in ("pidfd_open", "memfd_create"):
        monkeypatch.delattr(os, lacks, raising=False)
    elif lacks == "F_SETPIPE_SZ":
        monkeypatch.delattr(fcntl, lacks, raising=False)
    elif lacks == "setsid":

        def refuse(*words: Any, **facts: Any) -> int:
            raise NotImplementedError

        monkeypatch.setattr(os, "posix_spawn", refuse)
    else:
        monkeypatch.setattr(tree, "_table", lambda: None)
    return lacks


async def test_a_program_runs_and_is_given_its_event(desk: RunDesk, lacking: str):
    for size in (10, 200_000, 2_000_000):
        job = desk.job({"text": "x" * size})
        result = await desk.run(command_handler("cat; exit 3"), job)
        assert (result.exit, result.stdout.encode()) == (3, job.line)


async def test_a_program_that_hangs_is_ended_with_its_group(desk: RunDesk, lacking: str):
    result = await desk.shell("trap '' TERM; sleep 60 & sleep 60", seconds=0.3)
    assert result.timed_out
    assert desk.still_running() == []


async def test_a_worker_is_asked_and_ended(desk: RunDesk, lacking: str):
    entry = command_handler("while read x; do echo '{}'; done", worker=True)
    for _ in range(2):
        assert (await desk.run(entry)).answer == {}
    dying = command_handler("read x; exit 3", worker=True, id="h2")
    assert (await desk.run(dying)).exit == 3
