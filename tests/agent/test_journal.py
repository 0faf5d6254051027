"""The journal: appended in whole lines, locked, private, and read back whatever was done to the file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from agent_room import AllowAll, load_tools
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_conversations import conversations

from pegboard import hookimpl, tool
from pegboard._agent.journal import Journal, read_lines, read_records, recover, timestamp
from pegboard._agent.store import open_journal
from pegboard._agent.validate import check_messages
from pegboard.errors import JournalError, SessionLockedError
from pegboard.flags import FlagDetails, FlagLayer, FlagSnapshot
from pegboard.messages import EndReason, TextBlock, ToolResultBlock
from pegboard.records import (
    AssistantLine,
    HookRecord,
    Notice,
    RequestRecord,
    ResponseRecord,
    SessionEnded,
    SessionStarted,
    StateRecord,
    ToolStarted,
    TurnEnded,
    TurnStarted,
    UserLine,
)
from pegboard.requests import CompactionResult
from pegboard.testing import HostFixture, call

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


# --- appending -----------------------------------------------------------------------------------------


def test_a_journal_that_somebody_has_closed_says_so(tmp_path):
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    journal.write(Notice(level="info", text="one"))
    journal.close()
    with pytest.raises(JournalError, match=r"Bad file descriptor\. A plugin has closed a file that is not its own"):
        journal.write(Notice(level="info", text="two"))
    assert journal.seq == 1


def test_a_record_is_one_line_and_one_write(tmp_path, monkeypatch):
    writes = []
    real = os.write
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    monkeypatch.setattr(os, "write", lambda fd, data: (writes.append(data), real(fd, data))[1])
    for number in range(5):
        journal.write(Notice(level="info", text=f"line\n{number}"))
    journal.close()
    assert len(writes) == 5
    assert all(data.endswith(b"\n") and data.count(b"\n") == 1 for data in writes)
    lines = [json.loads(line) for line in (tmp_path / "j.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]) for line in lines)


def test_put_writes_what_write_writes(tmp_path):
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    facts = {"message": {"role": "user", "content": (TextBlock(text="é"),)}, "kind": "prompt", "origins": (("user",),)}
    journal.write(UserLine(**facts))
    journal.put(UserLine, facts)
    journal.close()
    one, two = [raw for _, _, _, raw in read_lines(tmp_path / "j.jsonl")]
    assert UserLine(**{**one, "seq": 0, "timestamp": ""}) == UserLine(**{**two, "seq": 0, "timestamp": ""})


def test_a_journal_is_private(tmp_path):
    old = os.umask(0)
    try:
        Journal(tmp_path / "new" / "j.jsonl").close()
    finally:
        os.umask(old)
    assert (tmp_path / "new" / "j.jsonl").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("policy", "expected"), [("record", 4), ("turn", 2), ("off", 0)])
def test_the_disk_is_waited_for_as_often_as_the_policy_says(tmp_path, monkeypatch, policy, expected):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    journal = Journal(tmp_path / "j.jsonl", fsync=policy)
    journal.write(TurnStarted(turn=1))
    journal.write(Notice(level="info", text="x"))
    journal.write(TurnEnded(turn=1, reason="completed"))
    journal.write(SessionEnded())
    journal.close()
    assert len(synced) == expected


def test_a_flag_read_is_written_before_the_next_record(tmp_path):
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    voted = FlagDetails("b", 3, variant="some", layer=FlagLayer.USER, rule="all", reason="TARGETING_MATCH")
    snapshot = FlagSnapshot({"a": FlagDetails("a", True), "b": voted})
    told = journal.reads_of(snapshot)
    for one in (*snapshot.details.values(), snapshot.details["a"]):
        told(one)
    journal.write(Notice(level="info", text="x"))
    journal.write(Notice(level="info", text="y"))
    told(snapshot.details["a"])
    journal.write(Notice(level="info", text="z"))
    journal.close()
    lines = [raw for _, _, _, raw in read_lines(tmp_path / "j.jsonl")]
    assert [(raw["seq"], raw["type"]) for raw in lines] == list(
        enumerate(["flags", "notice", "notice", "flags", "notice"], 1)
    )
    assert lines[0] | {"timestamp": ""} == {
        "seq": 1,
        "timestamp": "",
        "type": "flags",
        "snapshot": snapshot.id,
        "reads": {"a": True, "b": 3},
        "facts": {"b": ["user", "some", "all", "TARGETING_MATCH"]},
    }
    assert lines[3]["reads"] == {"a": True}
    assert lines[3]["facts"] == {}
    assert len(list(read_records(tmp_path / "j.jsonl"))) == len(lines)


def test_records_have_the_time_at_which_they_were_written(tmp_path, monkeypatch):
    moments = [0, 7, 999, 1_000, 1_000, 86_400_123, 1_767_225_599_999, 1_767_225_600_000, 5]
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    for moment in moments:
        monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment * 1_000_000)
        journal.write(Notice(level="info", text="x"))
    journal.close()
    written = [raw["timestamp"] for _, _, _, raw in read_lines(tmp_path / "j.jsonl")]
    assert written == [timestamp(moment).decode() for moment in moments]


def test_what_a_flag_says_cannot_be_taken_for_a_line_of_the_model(tmp_path):
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    told = journal.reads_of(FlagSnapshot())
    told(FlagDetails("a", {"role": "assistant", "said": "half \udcff"}))
    journal.write(Notice(level="info", text="x"))
    journal.close()
    assert b'"role":"assistant"' not in (tmp_path / "j.jsonl").read_bytes()
    assert next(read_records(tmp_path / "j.jsonl")).reads["a"]["role"] == "assistant"


def test_half_a_character_does_not_break_the_journal(tmp_path):
    journal = Journal(tmp_path / "j.jsonl", fsync="off")
    journal.write(Notice(level="info", text="name \udcff."))
    journal.put(UserLine, {"message": {"role": "user", "content": (TextBlock(text="\ud83d"),)}})
    journal.close()
    assert [raw["type"] for _, _, _, raw in read_lines(tmp_path / "j.jsonl")] == ["notice", "user"]


# --- the lock ------------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    program = (
        "import sys, os; from pathlib import Path; from pegboard._agent.journal import Journal\n"
        "from pegboard.records import SessionStarted\n"
        "j = Journal(Path(sys.argv[1])); j.write(SessionStarted(sessionId='s', cwd='/', pid=os.getpid()))\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    path = tmp_path / "j.jsonl"
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "ready\n"
        before = path.read_bytes()
        with pytest.raises(SessionLockedError) as locked:
            Journal(path)
        assert locked.value.pid == other.pid
        assert str(other.pid) in str(locked.value)
        assert path.read_bytes() == before
    finally:
        other.communicate()
    Journal(path).close()  # the lock went with the process


# --- a full disk ---------------------------------------------------------------------------------------

FULL = """
import asyncio, json, resource, sys
from pathlib import Path
from pegboard.errors import JournalError
from pegboard.testing import HostFixture, call
sys.path.insert(0, sys.argv[2])
from agent_room import AllowAll, load_tools

async def main():
    async with HostFixture(folder=Path(sys.argv[1])) as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script([call("look", name="a"), call("look", name="b" * 60_000), call("look", name="c")], "Done.")
        session = await host.open()
        await asyncio.to_thread(lambda: None)
        size = session.path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[3]), resource.RLIM_INFINITY))
        try:
            result = await host.prompt("Go.")
            print(json.dumps({"error": result.detail, "path": str(session.path)}), flush=True)
        except JournalError as error:
            print(json.dumps({"error": str(error), "path": str(session.path)}), flush=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

asyncio.run(main())
"""


@pytest.mark.parametrize("room", [0, 700, 70_000, 95_000])
def test_a_full_disk_ends_the_file_at_the_last_good_record_and_says_so(tmp_path, room):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "host"), str(Path(__file__).parent), str(room)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    told = json.loads(done.stdout.splitlines()[0])
    assert "takes no more records: File too large. Free some space, then resume." in told["error"]
    path = Path(told["path"])
    assert path.read_bytes().endswith(b"\n")
    assert all(raw is not None for _, _, _, raw in read_lines(path))
    numbers = [raw["seq"] for _, _, _, raw in read_lines(path)]
    assert numbers == list(range(1, len(numbers) + 1))


# --- damage --------------------------------------------------------------------------------------------


def written(path: Path, texts: list[str]) -> Path:
    journal = Journal(path, fsync="off")
    for text in texts:
        journal.write(Notice(level="info", text=text))
    journal.close()
    return path


def test_a_torn_tail_is_cut_and_kept_beside_the_file(tmp_path):
    path = written(tmp_path / "j.jsonl", ["a", "b", "c"])
    whole = path.read_bytes()
    for number in (1, 2):
        path.write_bytes(whole[:-7])
        good = whole[: whole[:-1].rindex(b"\n") + 1]
        seen = []
        damage = recover(path, seen.append)
        assert [raw["text"] for raw in seen] == ["a", "b"]
        assert path.read_bytes() == good
        assert damage.kept == tmp_path / f"j.jsonl.torn-{number}"
        assert damage.kept.read_bytes() == whole[len(good) : -7]
        assert damage.kept.stat().st_mode & 0o777 == 0o600
        assert damage.tail_bytes == len(whole) - 7 - len(good)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\x00\x00\x00\x00", id="zeros"),
        pytest.param(b'{"seq":2,"timestamp":"x","type":"notice","le', id="half"),
        pytest.param(b"[1,2]", id="no object"),
        pytest.param(b'{"seq":2}', id="no type"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b'{"seq":2,"type":"user"}', id="a user line without a message"),
        pytest.param(b'{"seq":2,"type":"user","message":{"role":"user","content":[{"type":"tex"}]}}', id="a bad block"),
    ],
)
def test_a_damaged_line_in_the_middle_is_skipped_and_reported(tmp_path, line):
    path = written(tmp_path / "j.jsonl", ["a", "b", "c"])
    lines = path.read_bytes().splitlines()
    lines[1] = line
    path.write_bytes(b"\n".join(lines) + b"\n")
    before = path.read_bytes()
    journal, replay, damage = open_journal(path, fsync="off")
    journal.close()
    assert replay.seq == 3
    assert damage.skipped == [2]
    assert damage.skipped_bytes == len(line) + 1
    assert damage.tail_bytes == 0
    assert path.read_bytes() == before
    assert [record.where for record in damage.records()] == ["line 2"]


def journal_of(messages, path: Path) -> None:
    """Write the journal that a session with this conversation would have, with records of other kinds between."""
    journal = Journal(path, fsync="off")
    journal.write(SessionStarted(sessionId="s", cwd="/", project="/", model="m", pid=1))
    turn = request = 0
    for place, message in enumerate(messages):
        if message.role == "assistant":
            request += 1
            name = f"r{request}"
            journal.write(RequestRecord(request=name, purpose="turn", model="m", hash="0" * 8, messages=place))
            for block in message.content:
                journal.write(AssistantLine(message={"role": "assistant", "content": [block]}, request=name))
            journal.write(ResponseRecord(request=name, stop_reason="end_turn"))
            continue
        is_prompt = not any(isinstance(block, ToolResultBlock) for block in message.content)
        if is_prompt:
            turn += 1
            if turn > 1:
                journal.write(TurnEnded(turn=turn - 1, reason="completed"))
            journal.write(TurnStarted(turn=turn))
        for block in message.content:
            facts = None
            if isinstance(block, ToolResultBlock):
                journal.write(HookRecord(point="pre_tool", plan="p", subject=block.tool_use_id, ns=(1,)))
                journal.write(ToolStarted(call=block.tool_use_id, name="Bash", input="{}", input_hash="0"))
                facts = {"id": block.tool_use_id, "name": "Bash", "outcome": "ok"}
            origins = tuple(str(label) for label in block.origins)
            journal.write(UserLine(message={"role": "user", "content": [block]}, origins=(origins,), tool=facts))
        journal.write(StateRecord(plugin="p", key=str(place), value_json="1"))
    journal.close()


def assert_can_go_on(replay) -> None:
    """What is left is a valid conversation once every call that has no result is given one."""
    conversation = replay.conversation
    for request in conversation.unfinished_requests:
        conversation.drop_request(request)
    for block in conversation.open_calls:
        conversation.add_user(ToolResultBlock(tool_use_id=block.id, content="lost"))
    conversation.add_user(TextBlock(text="Go on."))
    check_messages(list(conversation.view()))


def small(messages):
    """The same with short texts: the number of bytes is the number of cases."""
    cut = []
    for message in messages[:8]:
        blocks = []
        for block in message.content:
            if isinstance(block, TextBlock):
                block = block.model_copy(update={"text": block.text[:40]})
            elif isinstance(block, ToolResultBlock) and isinstance(block.content, str):
                block = block.model_copy(update={"content": block.content[:40]})
            blocks.append(block)
        cut.append(replace(message, content=tuple(blocks)))
    return cut


def test_a_journal_cut_at_any_byte_goes_on_or_says_what_was_lost(tmp_path, full, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of times is a matter of minutes

    @given(conversations(ends=("prompt", "results", "answer")))
    @settings(QUIET, max_examples=40 if full else 3, database=None)
    def holds(messages):
        for old in tmp_path.iterdir():
            old.unlink()
        path = tmp_path / "j.jsonl"
        journal_of(small(messages), path)
        data = path.read_bytes()
        assume(len(data) < 6_000)
        ends = [0, *[place + 1 for place, byte in enumerate(data) if byte == 10]]
        for size in range(len(data) + 1):
            path.write_bytes(data[:size])
            good = max(end for end in ends if end <= size)
            journal, replay, damage = open_journal(path, fsync="off")
            journal.close()
            assert path.read_bytes() == data[:good]
            assert damage.tail_bytes == size - good
            assert not damage.skipped
            assert replay.seq == ends.index(good)
            if damage.tail_bytes:
                assert damage.kept.read_bytes() == data[good:size]
                damage.kept.unlink()
            else:
                assert damage.kept is None
                assert_can_go_on(replay)

    holds()


def test_a_journal_that_lost_any_line_goes_on_and_says_which(tmp_path, full):
    @given(conversations(ends=("prompt", "results", "answer")), st.binary(max_size=8))
    @settings(QUIET, max_examples=60 if full else 5, database=None)
    def holds(messages, rubbish):
        for old in tmp_path.iterdir():
            old.unlink()
        path = tmp_path / "j.jsonl"
        journal_of(messages[-16:] if messages[-16:][0].role == "user" else messages[:9], path)
        lines = path.read_bytes().splitlines(keepends=True)
        for place in range(len(lines) - 1):
            path.write_bytes(b"".join([*lines[:place], rubbish.replace(b"\n", b"") + b"\n", *lines[place + 1 :]]))
            journal, replay, damage = open_journal(path, fsync="off")
            journal.close()
            assert damage.skipped == [place + 1]
            assert_can_go_on(replay)

    holds()


@pytest.mark.anyio
async def test_a_session_whose_journal_was_cut_anywhere_goes_on(tmp_path, count):
    """The same through the host: the damage is journaled, told, and the next prompt is answered."""
    async with HostFixture(folder=tmp_path / "host") as host:
        load_tools(host)
        host.load(AllowAll)
        host.model.script(call("look", name="a"), [call("alone", name="b"), call("look", name="c")], "Done.")
        await host.prompt("Go.")
        path = host.session.path
    data = path.read_bytes()
    for number in range(count(300)):
        size = (number * 7919 + 13) % len(data)
        path.write_bytes(data[:size])
        async with HostFixture(folder=tmp_path / "host") as host:
            load_tools(host)
            host.load(AllowAll)
            host.model.script(*["Done."] * 9)
            host._session_id = path.stem
            result = await host.prompt("And now?")
            assert result.reason is EndReason.COMPLETED, (size, result)
            check_messages(host.messages, ending=False)
            lost = size - (data[:size].rfind(b"\n") + 1)
            assert [record.bytes for record in host.records("damaged")] == ([lost] if lost else [])
            assert any("journal was damaged" in text for text in host.notices) is bool(lost)
            assert [raw["seq"] for _, _, _, raw in read_lines(path)] == list(range(1, len(host.records()) + 1))


# --- hook-contract C87 ---------------------------------------------------------------------------------

NASTY = '{"role":"assistant","x":"\\"role\\":\\"assistant\\""}'


@pytest.mark.anyio
async def test_grep_finds_assistant_lines_and_nothing_else():
    from pegboard import Answer, Decision, PromptDecision, ResultPatch, StepDecision
    from pegboard.flags import Flag

    @tool
    async def say(role: str = "assistant", more: dict | None = None) -> dict:
        """Give back an object that looks like a message."""
        return {"role": "assistant", "content": NASTY, "more": more}

    class Nasty:
        @hookimpl
        def register(self, registry):
            registry.add_flag(Flag(name="nasty", default={"role": "assistant"}))

        @hookimpl
        def prompt_submit(self, prompt, ctx):
            ctx.flags.get("nasty")
            return PromptDecision(context=NASTY)

        @hookimpl
        def pre_tool(self, call, ctx):
            ctx.state["role"] = {"role": "assistant"}
            return Decision(verdict="allow", reason=NASTY, context=NASTY)

        @hookimpl
        def post_tool(self, call, outcome):
            return ResultPatch(data={"role": "assistant"}, context=NASTY, reason=NASTY)

        @hookimpl
        def next_step(self, state):
            return StepDecision(inject=NASTY, reason=NASTY)

        @hookimpl
        def lifecycle(self, event):
            return Answer(context=NASTY, notice=NASTY, reason=NASTY)

        @hookimpl
        def compact(self, job):
            return CompactionResult(
                messages=job.messages[-2:], strategy=NASTY, summary=NASTY, handles={"role": "assistant"}
            )

    async with HostFixture() as host:
        host.load(say)
        host.load(Nasty)
        host.model.script(
            [NASTY, call("say", role=NASTY, more={"role": "assistant"}), call("say", more={"role": "assistant"})],
            "Done.",
            "Again.",
        )
        await host.prompt(NASTY)
        await host.invoke("say", role=NASTY, more={"role": "assistant"})
        assert await host.session.compact(NASTY)
        await host.prompt(NASTY)
        kinds = set()
        for line in host.session.path.read_text().splitlines():
            record = json.loads(line)
            kinds.add(record["type"])
            assert ('"role":"assistant"' in line) is (record["type"] == "assistant"), line
            if record["type"] in ("assistant", "user"):
                assert record["message"]["role"] == record["type"]
                assert len(record["message"]["content"]) == 1
        assert {"assistant", "user", "compaction", "hook", "state", "flags", "tool_start", "tool_attempt"} <= kinds


def test_the_models_of_the_records_have_no_place_for_an_unescaped_role():
    """Whatever may hold messages, inputs or other objects is kept as a JSON string; the two that do not are known."""
    from typing import get_args

    from pegboard import records

    union = get_args(get_args(records.AnyRecord)[0])
    loose = {
        kind.model_fields["type"].default
        for kind in union
        for field in kind.model_fields.values()
        if "dict" in str(field.annotation) or "Any" in str(field.annotation)
    }
    assert loose == {"user", "assistant", "plan", "flags", "flag_snapshot", "compaction"}
