"""Sessions under a list of names: what is shown, what hooks get, what tools may do, and what happens when it breaks."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys

import pytest
from undercover_room import CANARIES, EXTERNAL, INTERNAL, leaks_in, make_repository, table, write_list

from pegboard import hookimpl, tool
from pegboard.errors import EgressClosedError
from pegboard.host import Options
from pegboard.records import EgressRecord, Notice
from pegboard.testing import HostFixture, call
from pegboard_builtins.undercover.engine import automaton, letters, matching, payload, shape, stream, views

ANSWER = "We move Qorvantix to zanthique_db_4.corp.example, and the velmora drift after it. " * 3
MASKED = "We move [internal] to [internal], and the [internal] after it. " * 3


@pytest.fixture
def names(tmp_path):
    return write_list(tmp_path / "secret")


def fixture(tmp_path, names, *, remote="", **more):
    folder = tmp_path / "host"
    make_repository(folder / "project", remote)
    return HostFixture(settings={"undercover": table(names, **more)} if names else {}, folder=folder)


async def run(host, *turns, stream=True, prompt="Tell me about Qorvantix."):
    name = host.model.script(*turns)
    await host.open()
    async with host.host.session(Options(model=name, stream=stream), show=host.shown.append) as session:
        result = await session.run(prompt)
        return result, session, list(session.messages())


def everything_shown(host):
    return json.dumps([[one.kind, one.text, one.data] for one in host.shown], default=str)


@pytest.mark.anyio
@pytest.mark.parametrize("remote", [EXTERNAL, INTERNAL], ids=["external", "internal"])
async def test_an_answer_is_masked_in_pieces_and_as_a_whole_but_not_for_the_model(tmp_path, names, remote):
    async with fixture(tmp_path, names, remote=remote) as host:
        host.builtin("undercover")
        result, _, messages = await run(host, ANSWER)
        deltas = "".join(one.text for one in host.shown if one.kind == "delta")
        texts = [one.text for one in host.shown if one.kind == "text"]
        wanted = MASKED if remote == EXTERNAL else ANSWER
        assert deltas == wanted
        assert texts == [wanted]
        assert result.text == wanted
        assert messages[-1].content[0].text == ANSWER, "the conversation keeps what was said"


@pytest.mark.anyio
async def test_the_person_is_told_once_what_was_masked_where(tmp_path, names):
    async with fixture(tmp_path, names, remote=EXTERNAL) as host:
        host.builtin("undercover")
        _, session, _ = await run(host, ANSWER)
        notices = [one.text for one in host.shown if one.kind == "notice"]
        told = [text for text in notices if text.startswith("masked in text: name#")]
        assert sum(text.count("name#") for text in told) == len(CANARIES)
        records = list(session.journal)
        assert any(isinstance(one, EgressRecord) and one.action == "changed" for one in records)
        assert any(isinstance(one, Notice) and one.plugin == "undercover" for one in records)


@tool(egress=("external",))
def publish(text: str) -> str:
    """Publish something."""
    return f"published {text}"


@tool(read_only=True, egress=())
def peek() -> str:
    """Look into the customer's folder."""
    return "Qorvantix pays on Mondays"


@pytest.mark.anyio
async def test_a_call_that_would_publish_a_name_does_not_run(tmp_path, names):
    async with fixture(tmp_path, names, remote=EXTERNAL) as host:
        host.builtin("undercover")
        host.load(publish)
        host.load(AllowAll())
        _, _, messages = await run(host, call("publish", text="Qorvantix!"), call("publish", text="nothing"), "done")
        outcomes = [(one.data["outcome"], one.text) for one in host.shown if one.kind == "result"]
        assert [outcome for outcome, _ in outcomes] == ["denied", "ok"]
        assert "Say it without the name" in outcomes[0][1]
        assert "name#" in str(messages[2])
        assert not leaks_in(everything_shown(host))


class AllowAll:
    @hookimpl
    def pre_tool(self, call):
        from pegboard import Decision

        return Decision.allow("a test")


@pytest.mark.anyio
async def test_results_notices_and_questions_are_shown_without_names(tmp_path, names):
    async with fixture(tmp_path, names, remote=EXTERNAL) as host:
        host.builtin("undercover")
        host.load(peek)
        _, _, messages = await run(host, call("peek"), "Qorvantix pays on Mondays.")
        assert not leaks_in(everything_shown(host))
        assert "Qorvantix pays" in str(messages), "the model reads the real thing"


@pytest.mark.anyio
async def test_what_declared_hooks_get_is_masked_and_still_json(tmp_path, names):
    async with fixture(tmp_path, names, remote=EXTERNAL, surfaces={"hook.http": "deny"}) as host:
        host.builtin("undercover")
        host.model.script("x")
        session = await host.open()
        event = {"tool_input": {"command": 'echo "Qorvantix"\n', "velmora drift": [1, None, True]}, "n": 1.5}
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        passed = session.emit("hook.command", line)
        assert passed.endswith(b"\n")
        assert json.loads(passed) == {
            "tool_input": {"command": 'echo "[internal]"\n', "[internal]": [1, None, True]},
            "n": 1.5,
        }
        clean = b'{"a" : "nothing" }\n'
        assert session.emit("hook.command", clean) is clean
        with pytest.raises(EgressClosedError, match="name#") as refused:
            session.emit("hook.http", line)
        assert refused.value.refused
        assert not leaks_in(str(refused.value))


@pytest.mark.anyio
async def test_logs_of_plugins_hold_no_names(tmp_path, names, caplog):
    caplog.set_level(logging.INFO)
    async with fixture(tmp_path, names) as host:
        host.builtin("undercover")
        host.model.script("x")
        session = await host.open()
        session.ctx("acme").log.warning("cannot reach %s", CANARIES[2])
        assert "cannot reach [internal]" in caplog.messages
        assert not leaks_in(caplog.text)


# --- nothing to do -------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_requests_are_the_same_bytes_with_and_without_it(tmp_path, names):
    seen = []

    class Sending:
        @hookimpl
        def model_call(self, request, call_next):
            seen.append((request.system, request.tools, [message.wire() for message in request.messages]))
            return call_next(request)

    for listed in (None, names):
        shutil.rmtree(tmp_path / "host", ignore_errors=True)
        async with fixture(tmp_path, listed) as host:
            if listed:
                host.builtin("undercover")
            host.load(peek)
            host.load(Sending())
            await run(host, call("peek"), "Nothing to hide.", prompt="Go on.")
    assert len(seen) == 4
    assert seen[:2] == seen[2:]


@pytest.mark.anyio
async def test_without_a_list_there_is_no_filter_and_nobody_is_asked(tmp_path):
    async with fixture(tmp_path, None) as host:
        host.builtin("undercover")
        host.load(peek)
        host.model.script(call("peek"), "done")
        session = await host.open()
        await session.run("go")
        assert host.host.board.filters == ()
        assert host.calls_of("pre_tool") == []


def test_without_a_list_nothing_of_the_engine_is_imported(tmp_path):
    program = (
        "import sys; from pathlib import Path; from pegboard.host import Host\n"
        f"host = Host(Path({str(tmp_path)!r}), environment={{}}, config_dir=Path({str(tmp_path)!r}), "
        f"state_dir=Path({str(tmp_path)!r})).open()\n"
        "assert host.board.record('undercover').status == 'active'\n"
        "print([name for name in sys.modules if 'ahocorasick' in name or 'undercover.engine' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


# --- broken --------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["gone", "open to others", "in the project", "no name"])
async def test_a_list_that_cannot_be_used_closes_every_way_out(tmp_path, names, how):
    if how == "gone":
        names.unlink()
    elif how == "open to others":
        names.chmod(0o644)
    elif how == "no name":
        names.write_text("# nothing\nab\n")
    elif how == "in the project":
        make_repository(names.parent)
    async with fixture(tmp_path, names) as host:
        host.builtin("undercover")
        host.load(publish)
        host.load(AllowAll())
        result, _, _ = await run(host, call("publish", text="nothing at all"), ANSWER)
        assert not leaks_in(everything_shown(host) + result.text)
        assert "closed" in result.text
        (done,) = [one for one in host.shown if one.kind == "result"]
        assert done.data["outcome"] == "denied"


STAGES = [
    (letters, "skeleton"),
    (matching, "skeleton"),
    (matching, "views_of"),
    (matching, "fits"),
    (matching, "readings"),
    (matching, "_in_order"),
    (automaton.Automaton, "find"),
    (stream, "_open_row"),
    (stream, "masked"),
    (payload, "masked"),
    (payload, "each_text"),
    (views, "_read"),
    (shape, "begins"),
    (matching, "may_become"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("place", "name"), STAGES, ids=[f"{p.__name__.rpartition('.')[2]}.{n}" for p, n in STAGES])
async def test_an_exception_at_any_stage_lets_nothing_out(tmp_path, names, monkeypatch, place, name):
    async with fixture(tmp_path, names, remote=EXTERNAL) as host:
        host.builtin("undercover")
        host.load(publish)
        host.load(AllowAll())
        host.model.script(call("publish", text="Qorvantix"), ANSWER)
        await host.open()

        def broken(*given, **more):
            raise ZeroDivisionError("Qorvantix")

        monkeypatch.setattr(place, name, broken)
        result, _, _ = await run(host)
        shown = [one for one in host.shown if one.kind != "notice"]
        assert not leaks_in(json.dumps([[one.kind, one.text, one.data] for one in shown], default=str))
        assert not leaks_in(result.text)
        outcomes = [one.data["outcome"] for one in host.shown if one.kind == "result"]
        assert "ok" not in outcomes
