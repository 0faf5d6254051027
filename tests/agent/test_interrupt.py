"""Ctrl-C: what was said is kept, what runs is ended with everything it started, and the session goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agent_room import AllowAll, Watch, assert_whole, calls, fold, load_tools, log, results, text_of, until

from pegboard import hookimpl
from pegboard._agent.journal import read_lines
from pegboard.messages import EndReason
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio

PROGRAM = "import sys; from pegboard._cli.main import main; sys.exit(main())"


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_partial_text_is_kept_and_the_next_prompt_is_answered():
    async with HostFixture() as host:
        host.model.script({"text": "word " * 600, "chunk_delay": 0.2}, "Done.", "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: [record for record in host.records() if record.type == "request"])
        await asyncio.sleep(0.5)
        started = time.monotonic()
        await session.interrupt()
        assert time.monotonic() - started < 20
        result = await running
        said = text_of(host.messages[-1])
        assert (result.reason, result.text, result.steps) == (EndReason.INTERRUPTED, said, 1)
        assert said.startswith("word word")
        assert len(said) < 3000
        assert host.records("response")[-1].stop_reason == "interrupted"
        assert_whole(host)
        assert (await session.run("Go on.")).text == "Done."
        assert_whole(host)


async def test_a_turn_that_is_interrupted_counts_all_its_steps():
    used = {"input_tokens": 7, "output_tokens": 3}
    async with HostFixture() as host:
        load_tools(host)
        host.model.script(
            {"call": [{"name": "look", "input": {"name": "a"}}], "text": "I look.", "usage": used},
            {"call": [{"name": "look", "input": {"name": "b", "seconds": 60}}], "usage": used},
            "Done.",
        )
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: "b+" in log)
        await session.interrupt()
        result = await running
        assert (result.reason, result.steps, result.text) == (EndReason.INTERRUPTED, 2, "I look.")
        (end,) = host.records("turn_end")
        assert [end.usage.input_tokens, result.usage.input_tokens, result.usage.output_tokens] == [14, 14, 6]
        host.model.script()


async def test_an_interrupted_answer_goes_on_without_a_prompt():
    async with HostFixture() as host:
        host.model.script({"text": "word " * 60, "chunk_delay": 0.2}, "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: host.records("request"))
        await asyncio.sleep(0.5)
        await session.interrupt()
        await running
        host._stale = True  # a new process
        result = await host.prompt(None)
        assert (result.reason, result.text) == (EndReason.COMPLETED, "Done.")
        assert "broken off" in text_of(host.messages[2])
        assert_whole(host)


async def test_a_call_that_was_streamed_but_not_begun_is_not_left_without_a_result():
    async with HostFixture() as host:
        load_tools(host)
        host.model.script(
            {"thinking": "Hm " * 30, "text": "I look. " * 30, "chunk_delay": 0.1, "call": [{"name": "look"}]}, "Done."
        )
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: host.records("request"))
        await asyncio.sleep(0.65)
        await session.interrupt()
        assert (await running).reason is EndReason.INTERRUPTED
        assert calls(host.messages) == []
        assert_whole(host)


@pytest.mark.parametrize("beside", [0, 1], ids=["single", "in a batch"])
async def test_a_command_is_ended_with_its_whole_process_group(beside):
    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.builtin("shell_tool")
        host.load(AllowAll)
        host.load(watch)
        command = "sleep 300 & echo $! > child; echo $$ > shell; (trap '' TERM; sleep 301 & echo $! > deaf; wait); wait"
        host.model.script([call("Bash", command=command), *[call("alone", name="b")] * beside], "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        files = [host.project / name for name in ("child", "shell", "deaf")]
        await until(lambda: all(file.exists() and file.read_text().strip() for file in files))
        pids = [int(file.read_text()) for file in files]
        assert all(map(is_alive, pids))
        await session.interrupt()
        assert (await running).reason is EndReason.INTERRUPTED
        await until(lambda: not any(map(is_alive, pids)))
        assert watch.kinds == ["cancelled"] * (1 + beside)
        assert results(host.messages)["toolu_1_1"].content == "[interrupted by the user]"
        assert log == []
        assert_whole(host)
        assert (await session.run("Go on.")).text == "Done."
        assert_whole(host)


async def test_calls_that_run_side_by_side_are_all_ended():
    watch = Watch()
    async with HostFixture() as host:
        load_tools(host)
        host.load(watch)
        host.model.script([call("look", name=name, seconds=30) for name in "abc"] + [call("fails")], "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: len(log) == 3 and watch.seen)
        await session.interrupt()
        await running
        assert sorted(watch.kinds) == ["cancelled"] * 3 + ["error"]
        assert sorted(log) == ["a+", "a-", "b+", "b-", "c+", "c-"]
        assert_whole(host)


async def test_an_interrupt_while_a_prompt_hook_thinks_sends_nothing():
    asked = asyncio.Event()

    class Thinker:
        @hookimpl
        async def prompt_submit(self, prompt):
            asked.set()
            await asyncio.sleep(0.2)

    async with HostFixture() as host:
        host.load(Thinker)
        host.model.script("Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await asked.wait()
        await session.interrupt()
        assert (await running).reason is EndReason.INTERRUPTED
        assert (host.messages, host.records("request")) == ([], [])
        assert (await session.run("Go.")).reason is EndReason.COMPLETED


async def test_cancelling_run_itself_ends_the_turn_in_good_order():
    async with HostFixture() as host:
        load_tools(host)
        host.model.script(call("look", name="a", seconds=30), "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: log == ["a+"])
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert host.records("turn_end")[-1].reason == "interrupted"
        assert_whole(host)


async def test_closing_a_session_ends_the_turn():
    async with HostFixture() as host:
        load_tools(host)
        host.model.script(call("look", name="a", seconds=30), "Done.")
        session = await host.open()
        running = asyncio.create_task(session.run("Go."))
        await until(lambda: log == ["a+"])
        await session.close()
        assert (await running).reason is EndReason.INTERRUPTED
        assert [raw["type"] for _, _, _, raw in read_lines(session.path)][-1] == "session_end"
        assert fold(session.path).conversation.open_calls == []


SCRIPT = """
[[turn]]
text = "I sleep."
[[turn.call]]
name = "Bash"
input = { command = "echo $$ > pid; sleep 300" }

[[turn]]
text = "Good morning."
"""


def test_sigint_ends_pegboard_run_with_130_and_the_session_goes_on(tmp_path):
    project, state = tmp_path / "project", tmp_path / "state"
    project.mkdir()
    (project / "script.toml").write_text(SCRIPT)
    environment = {**os.environ, "PEGBOARD_STATE_DIR": str(state), "PEGBOARD_CONFIG_DIR": str(state / "config")}
    arguments = [sys.executable, "-c", PROGRAM, "run", "--model", "scripted:script.toml", "--allow", "Bash"]

    def start(*words):
        return subprocess.Popen(
            [*arguments, *words],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start("Sleep.")
    pid = project / "pid"
    end = time.monotonic() + 30
    while not (pid.exists() and pid.read_text().strip()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert not is_alive(int(pid.read_text()))
    (journal,) = state.rglob("*.jsonl")
    assert f"pegboard run --resume {journal.stem}" in errors
    again = start("--resume", journal.stem[:8], "--output", "json")
    output, errors = again.communicate(timeout=30)
    assert again.returncode == 0, errors
    assert json.loads(output)["text"] == "Good morning."
    assert [raw["reason"] for _, _, _, raw in read_lines(journal) if raw["type"] == "turn_end"] == [
        "interrupted",
        "completed",
    ]
