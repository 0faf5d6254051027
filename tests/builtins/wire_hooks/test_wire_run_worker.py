"""Warm workers: one program, a line in and a line out, and the cold way when that fails."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from wire_run_desk import RunDesk, command_handler

pytestmark = pytest.mark.anyio

PROGRAM = """
import json, os, sys
warm = os.environ.get("PEGBOARD_HOOK_WORKER") == "1"
def answer(event):
    what = event.get("do", "")
    facts = {"pid": os.getpid(), "warm": warm, "n": event.get("n"), "size": len(event.get("text", ""))}
    if what == "die": print("dying", file=sys.stderr); os._exit(3)
    if what == "die warm" and warm: os._exit(4)
    if what == "hang": __import__("time").sleep(60)
    if what == "hang warm" and warm: __import__("time").sleep(60)
    if what == "babble": print("no json"); sys.stdout.flush(); return None
    if what == "list": return [1]
    if what == "block": facts |= {"exit": 2, "stderr": "no!"}
    if what == "twice": print("{}"); return {}
    if what == "long": facts["text"] = "y" * 3_000_000
    if what == "nothing": return {}
    return facts
for line in (iter(sys.stdin.readline, "") if warm else [sys.stdin.read()]):
    said = answer(json.loads(line))
    if said is not None: print(json.dumps(said)); sys.stdout.flush()
"""


def worker(desk: RunDesk, **more: object):
    script = desk.file("worker.py", PROGRAM)
    return command_handler(f"{sys.executable} -I -S {script}", worker=True, **more)


async def test_events_go_to_one_program_that_stays_up(desk: RunDesk):
    handler = worker(desk)
    answers = [(await desk.run(handler, desk.job({"n": n}))).answer for n in range(5)]
    assert [answer["n"] for answer in answers if answer] == list(range(5))
    assert len({answer["pid"] for answer in answers if answer}) == 1
    assert all(answer["warm"] for answer in answers if answer)


async def test_an_answer_may_carry_an_exit_code_and_stderr_as_a_cold_one_would(desk: RunDesk):
    result = await desk.run(worker(desk), desk.job({"do": "block"}))
    assert (result.exit, result.stderr) == (2, "no!")
    assert result.answer is not None
    assert not {"exit", "stderr"} & set(result.answer)


async def test_nothing_to_say_is_an_empty_object(desk: RunDesk):
    result = await desk.run(worker(desk), desk.job({"do": "nothing"}))
    assert (result.exit, result.answer, result.error) == (0, {}, "")


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_events_and_answers_of_any_size_pass(desk: RunDesk, size: int):
    result = await desk.run(worker(desk), desk.job({"text": "x" * size, "do": "long"}))
    assert result.answer is not None
    assert (result.answer["size"], len(result.answer["text"])) == (size, 3_000_000)


async def test_events_that_come_together_are_answered_one_after_another(desk: RunDesk):
    handler = worker(desk)
    results = await asyncio.gather(*(desk.run(handler, desk.job({"n": n})) for n in range(30)))
    assert [result.answer["n"] for result in results if result.answer] == list(range(30))
    assert len({result.answer["pid"] for result in results if result.answer}) == 1


async def test_one_that_dies_is_run_cold_and_started_again(desk: RunDesk):
    handler = worker(desk)
    first = (await desk.run(handler)).answer
    result = await desk.run(handler, desk.job({"do": "die warm", "n": 7}))
    assert result.answer is None  # it was cold: its stdout is there to be read
    assert '"warm": false' in result.stdout
    assert '"n": 7' in result.stdout
    assert "exit code 4" in result.note
    again = (await desk.run(handler)).answer
    assert first is not None
    assert again is not None
    assert again["warm"]
    assert again["pid"] != first["pid"]


async def test_what_it_said_on_stderr_before_it_died_is_told(desk: RunDesk):
    result = await desk.run(worker(desk), desk.job({"do": "die"}))
    assert result.exit == 3
    assert "dying" in result.note


@pytest.mark.parametrize(("what", "why"), [("babble", "no JSON"), ("list", "no JSON object"), ("twice", "one line")])
async def test_one_that_does_not_keep_to_the_protocol_is_run_cold(desk: RunDesk, what: str, why: str):
    handler = worker(desk)
    result = await desk.run(handler, desk.job({"do": what}))
    if what == "twice" and not result.note:  # the second line came later: the next event finds it
        result = await desk.run(handler, desk.job({"n": 1}))
        assert '"n": 1' in result.stdout
    assert why in result.note


async def test_a_line_that_nobody_asked_for_is_not_the_answer_to_the_next_event(desk: RunDesk):
    program = """
import sys, time
for line in sys.stdin:
    print("{}", flush=True); time.sleep(0.1); print('{"a": 1}', flush=True)
"""
    script = desk.file("twice.py", program)
    handler = command_handler(f"{sys.executable} -I -S -u {script}", worker=True)
    assert (await desk.run(handler)).answer == {}
    await asyncio.sleep(0.3)
    assert (await desk.run(handler)).answer == {}


async def test_one_that_misses_the_deadline_is_ended_and_the_next_event_starts_another(desk: RunDesk):
    handler = worker(desk)
    await desk.run(handler)
    began = time.monotonic()
    result = await desk.run(handler, desk.job({"do": "hang"}, seconds=0.3))
    assert (result.exit, result.timed_out) == (None, True)
    assert time.monotonic() - began < 20
    assert (await desk.run(handler)).answer is not None


async def test_an_event_waits_for_its_turn_no_longer_than_its_deadline(desk: RunDesk):
    handler = worker(desk)
    await desk.run(handler)
    slow = asyncio.create_task(desk.run(handler, desk.job({"do": "hang"}, seconds=60)))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    result = await desk.run(handler, desk.job(seconds=0.2))
    assert result.timed_out
    assert "busy" in result.note
    assert time.monotonic() - began < 20
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_cancelled_event_does_not_leave_its_answer_to_the_next(desk: RunDesk):
    handler = worker(desk)
    await desk.run(handler)
    task = asyncio.create_task(desk.run(handler, desk.job({"do": "hang", "n": 1})))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await desk.run(handler, desk.job({"n": 2}))
    assert result.answer is not None
    assert result.answer["n"] == 2


async def test_after_three_failures_in_a_row_it_stays_cold_with_one_notice(desk: RunDesk):
    handler = worker(desk)
    for _ in range(5):
        result = await desk.run(handler, desk.job({"do": "die warm"}, ctx=desk.ctx))
        assert '"warm": false' in result.stdout
    assert len(desk.services.notices) == 1
    assert "3 times" in desk.services.notices[0]
    assert '"warm": false' in (await desk.run(handler)).stdout
    other = await desk.run(handler, desk.job(session_id="s2"))
    assert other.answer is not None  # another session tries anew


async def test_failures_that_are_not_in_a_row_do_not_count(desk: RunDesk):
    handler = worker(desk)
    for _ in range(4):
        await desk.run(handler, desk.job({"do": "die warm"}))
        assert (await desk.run(handler)).answer is not None


async def test_a_changed_script_starts_another_worker(desk: RunDesk):
    handler = worker(desk)
    first = (await desk.run(handler)).answer
    desk.file("worker.py", PROGRAM.replace('"warm": warm', '"warm": "new"'))
    second = (await desk.run(handler)).answer
    assert first is not None
    assert second is not None
    assert (first["warm"], second["warm"]) == (True, "new")


async def test_a_changed_entry_starts_another_worker_and_ends_the_old_one(desk: RunDesk):
    handler = worker(desk)
    first = (await desk.run(handler)).answer
    second = (await desk.run(replace(handler, command=handler.command + " x"))).answer
    assert first is not None
    assert second is not None
    assert first["pid"] != second["pid"]
    assert len(_alive(first["pid"], second["pid"])) == 1


async def test_sessions_have_workers_of_their_own_which_end_with_them(desk: RunDesk):
    handler = worker(desk)
    one = (await desk.run(handler, desk.job(session_id="a"))).answer
    two = (await desk.run(handler, desk.job(session_id="b"))).answer
    assert one is not None
    assert two is not None
    assert one["pid"] != two["pid"]
    await desk.runners.end_session("a")
    assert _alive(one["pid"], two["pid"]) == [two["pid"]]


async def test_one_that_is_killed_between_events_is_started_again(desk: RunDesk):
    handler = worker(desk)
    first = (await desk.run(handler)).answer
    assert first is not None
    os.kill(first["pid"], signal.SIGKILL)
    await asyncio.sleep(0.2)
    result = await desk.run(handler)
    assert result.answer is not None
    assert result.answer["pid"] != first["pid"]


async def test_one_that_ignores_the_end_of_its_stdin_is_ended_with_the_runners(desk: RunDesk):
    handler = command_handler("trap '' TERM; read x; echo {}; while :; do sleep 0.1; done", worker=True)
    assert (await desk.run(handler)).answer == {}
    await desk.runners.close()
    assert desk.still_running() == []


async def test_a_worker_that_is_broken_is_called_broken(desk: RunDesk):
    result = await desk.run(command_handler("python3 missing.py", worker=True))
    assert result.exit == 2
    assert "missing.py" in result.broken


async def test_it_inherits_what_a_cold_hook_does(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_X", "1")
    command = """read x; printf '{"a":"%s %s %s"}\\n' "$CLAUDE_PROJECT_DIR" "$OTEL_X" "$PWD"; cat >/dev/null"""
    result = await desk.run(command_handler(command, worker=True))
    assert result.answer == {"a": f"{desk.folder}  {desk.folder}"}


def _alive(*pids: int) -> list[int]:
    found = []
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            found.append(pid)
    return found
