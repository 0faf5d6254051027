"""Flags in sessions: frozen, journaled, handed on, gating, held back by a ramp, and moved by kill switches alone."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import anyio
import pytest
from pydantic import BaseModel, ConfigDict, Field

from pegboard import Decision, Section, flag, hookimpl, tool
from pegboard.errors import PegboardError
from pegboard.flags import FlagLayer, UnknownFlagError, ramp
from pegboard.host import Host, Options
from pegboard.records import FlagReads, FlagSnapshotRecord, PlanRecord, ShadowRecord
from pegboard.testing import HostFixture, assert_allowed, assert_denied, call

pytestmark = pytest.mark.anyio

LIMIT = flag("t.limit", 8)
SWITCH = flag("t.on", True)
KILL = flag("t.kill", True, live=True, safe=False)
TABLE = flag("t.table", {"a": [1]})


class Declares:
    """A pack with flags, and a hook that reads them."""

    def __init__(self, *flags):
        self.flags = flags
        self.seen: list[object] = []

    @hookimpl
    def register(self, registry):
        registry.add_flag(*self.flags)

    @hookimpl
    def pre_tool(self, call, ctx):
        self.seen.append({name: ctx.flags[name] for name in ctx.flags})


def pack(name: str, **attributes):
    return type(name, (), attributes)()


async def test_every_layer_may_be_rewritten_and_no_reader_sees_it(count):
    """Host, hook, thread and forked child read 10,000 times each while files, variables and options change."""
    reader = Declares(LIMIT, SWITCH, KILL, TABLE)
    async with HostFixture() as host:
        host.builtin("flags")
        host.load(reader)
        session = await host.open()
        before = dict(session.flags)
        view, reads, rounds = session.flags, count(10_000), count(100)
        host.config_dir.mkdir(parents=True, exist_ok=True)
        threads: list[dict] = []

        def rewrite(number: int) -> None:
            text = f'[flags.values]\n"t.limit" = {number}\n"t.on" = {str(number % 2 == 0).lower()}\n'
            (host.config_dir / "settings.toml").write_text(text)
            host.file(".pegboard/settings.toml", text)
            host.file(".pegboard/settings.local.toml", text)
            folder = host.state_dir / "flags" / "sessions"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{session.session_id}.json").write_text('{"t.limit": 77}')
            os.environ["PEGBOARD_FLAG_T_LIMIT"] = str(number)

        def in_thread() -> None:
            for _ in range(reads):
                threads.append({name: view[name] for name in view}) if dict(view) != before else None

        worker = threading.Thread(target=in_thread)
        worker.start()
        try:
            for number in range(rounds):
                rewrite(number)
                view.begin_turn()
                for _ in range(reads // rounds):
                    assert {name: view[name] for name in view} == before
                if number % 25 == 0:
                    await host.fire("pre_tool", tool="Any", input={})
        finally:
            os.environ.pop("PEGBOARD_FLAG_T_LIMIT", None)
            worker.join()
        assert threads == []
        assert reader.seen
        assert all(seen == before for seen in reader.seen)
        assert child_reads(view, before, reads) == 0
        (host.state_dir / "flags" / "live.json").write_text(
            json.dumps({"t.kill": {"value": False}, "t.limit": {"value": 1}})
        )
        assert dict(view) == {**before, "t.kill": False}
        assert child_reads(view, {**before, "t.kill": False}, 10) == 0
        (host.state_dir / "flags" / "live.json").write_text(json.dumps({"t.kill": {"value": True}}))
        assert dict(view) == {**before, "t.kill": False}


def child_reads(view, expected, reads: int) -> int:
    """Read everything in a forked child; return its exit code."""
    child = os.fork()
    if child == 0:
        try:
            good = all(view[name] == value for _ in range(reads) for name, value in expected.items())
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def test_reads_are_journaled_with_who_said_so():
    async with HostFixture(settings={"flags": {"values": {"t.limit": "3"}}}) as host:
        host.builtin("flags")
        host.load(Declares(LIMIT, SWITCH))
        host.model.script("One.", "Two.")

        @hookimpl
        def prompt_submit(prompt, ctx):
            assert ctx.flags["t.limit"] == ctx.flags["t.limit"] == 3

        host.load(pack("Reads", prompt_submit=staticmethod(prompt_submit)))
        await host.prompt("a")
        await host.prompt("b")
        reads = [record for record in host.records() if isinstance(record, FlagReads)]
        (taken,) = [record for record in host.records() if isinstance(record, FlagSnapshotRecord)]
        assert [record.reads for record in reads] == [{"t.limit": 3}] * len(reads)
        assert 1 <= len(reads) <= 2
        assert reads[0].facts["t.limit"][0] == "command line"
        assert reads[0].snapshot == taken.snapshot == host.session.flags.snapshot_id
        assert taken.values == {"t.limit": 3, "t.on": True}


async def test_a_session_that_is_resumed_keeps_its_flags(tmp_path):
    def host_with(values):
        return Host(
            tmp_path / "p",
            state_dir=tmp_path / "s",
            config_dir=tmp_path / "c",
            environment={},
            plugins=[("declares", Declares(LIMIT, SWITCH))],
            command_line={"flags": {"values": values}} if values else None,
        )

    (tmp_path / "p").mkdir()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "settings.toml").write_text('[flags.values]\n"t.limit" = 2\n')
    async with host_with({}) as host, host.session() as session:
        assert session.flags["t.limit"] == 2
    (tmp_path / "c" / "settings.toml").write_text('[flags.values]\n"t.limit" = 5\n"t.on" = false\n')
    async with host_with({}) as host:
        async with host.resume(session.session_id) as again:
            assert (again.flags["t.limit"], again.flags["t.on"]) == (2, True)
            assert again.flags.snapshot_id == session.flags.snapshot_id
        async with host.session() as other:
            assert other.flags["t.limit"] == 5
    async with host_with({"t.limit": "9"}) as host, host.resume(session.session_id) as third:
        assert (third.flags["t.limit"], third.flags["t.on"]) == (9, True)
        sources = [record.source for record in third.journal if isinstance(record, FlagSnapshotRecord)]
        assert sources == ["resolved", "changed"]


async def test_a_sub_agent_has_the_snapshot_of_who_started_it():
    async with HostFixture(settings={"flags": {"values": {"t.limit": "3"}}}) as host:
        host.builtin("flags")
        host.load(Declares(LIMIT))
        session = await host.open()
        (host.config_dir).mkdir(exist_ok=True)
        below = host.host.session(Options(flags=session.flags.snapshot))
        async with below:
            assert below.flags.snapshot_id == session.flags.snapshot_id
            assert below.flags["t.limit"] == 3


async def test_a_process_of_the_session_has_its_flags(place, tmp_path):
    """`pegboard` in a process that a session starts, whatever its files and variables say."""
    environment = dict(place.environment)
    host = Host(
        place.project,
        state_dir=place.state,
        config_dir=place.config,
        environment=environment,
        command_line={"flags": {"values": {"shop.limit": "3"}}},
    )
    async with host, host.session() as session:
        variables = session.ctx("flags").child_environment()
        assert json.loads(Path(variables["PEGBOARD_FLAGS_FILE"]).read_text())["values"]["shop.limit"] == 3
        assert Path(variables["PEGBOARD_FLAGS_FILE"]).stat().st_mode & 0o777 == 0o600
        place.user('[flags.values]\n"shop.limit" = 30\n')
        said = place.run("flags", "get", "shop.limit", PEGBOARD_FLAG_SHOP_LIMIT="31", **variables)
        assert said.stdout == "3\n"
        below = Host(
            place.project,
            state_dir=place.state,
            config_dir=place.config,
            environment={**environment, **variables, "PEGBOARD_FLAG_SHOP_LIMIT": "31"},
        )
        async with below, below.session() as child:
            assert child.flags.snapshot_id == session.flags.snapshot_id
            (record,) = [one for one in child.journal if isinstance(one, FlagSnapshotRecord)]
            assert record.source == "inherited"
    assert place.run("flags", "get", "shop.limit", PEGBOARD_FLAG_SHOP_LIMIT="31").stdout == "31\n"


@pytest.mark.parametrize("harm", ["gone", "changed", "torn", "no id"])
async def test_a_snapshot_that_is_not_what_it_was_is_not_believed(place, harm):
    host = Host(place.project, state_dir=place.state, config_dir=place.config, environment=place.environment)
    async with host, host.session() as session:
        variables = dict(session.ctx("flags").child_environment())
    file = Path(variables["PEGBOARD_FLAGS_FILE"])
    if harm == "gone":
        file.unlink()
    elif harm == "changed":
        file.write_text(file.read_text().replace('"shop.limit": 8', '"shop.limit": 9').replace(": 8", ": 9"))
    elif harm == "torn":
        file.write_text(file.read_text()[:40])
    else:
        variables["PEGBOARD_FLAGS_SNAPSHOT"] = "../../x"
    below = Host(
        place.project,
        state_dir=place.state,
        config_dir=place.config,
        environment={**place.environment, **variables},
    )
    async with below, below.session() as child:
        assert child.flags["shop.limit"] == 8
        notices = [one.text for one in child.journal if one.type == "notice"]
        assert any("PEGBOARD_FLAGS_SNAPSHOT" in text for text in notices)


# --- gating --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", [True, False])
async def test_a_flag_gates_hook_tool_section_setting_and_pack(on):
    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        level: int = Field(default=1, json_schema_extra={"flag": "t.on"})
        other: int = 1

    @tool(flag="t.on", read_only=True)
    def gated_tool() -> str:
        """Do nothing."""
        return "x"

    @tool(read_only=True)
    def packed_tool() -> str:
        """Do nothing."""
        return "x"

    class Gated:
        @hookimpl
        def register(self, registry):
            registry.settings(Settings)
            registry.add_flag(flag("t.on", on))
            registry.add_tool(gated_tool)
            registry.add_section(Section(name="gated", text="Only where it is on.", flag="t.on"))

        @hookimpl(flag="t.on")
        def pre_tool(self, call):
            return Decision.deny("gated")

    class Packed:
        @hookimpl
        def register(self, registry):
            registry.gate(flag="t.on")
            registry.add_tool(packed_tool)

        @hookimpl
        def next_step(self, state):
            return None

    async with HostFixture(settings={"gated": {"level": 5, "other": 5}}) as host:
        host.load(Gated, "gated")
        host.load(Packed, "packed")
        host.model.script("Done.")
        await host.prompt("Go.")
        session = host.session
        assert set(session.tools()) == ({"gated_tool", "packed_tool"} if on else set())
        assert (session.ctx("gated").settings.level, session.ctx("gated").settings.other) == (5 if on else 1, 5)
        assert ("Only where it is on." in "".join(next(r for r in host.records("system")).system)) is on
        hooks = [record for record in host.records() if isinstance(record, PlanRecord)][-1].hooks
        assert ("gated" in hooks.get("pre_tool", ())) is on
        assert ("packed" in hooks.get("next_step", ())) is on
        gates = {(gate.kind, gate.name) for gate in host.host.board.gates}
        assert gates == {
            ("hook", "pre_tool"),
            ("tool", "gated_tool"),
            ("section", "gated"),
            ("setting", "gated.level"),
            ("plugin", "packed"),
        }


async def test_a_gate_that_nobody_declares_takes_its_plugin_out():
    class Slip:
        @hookimpl
        def register(self, registry):
            registry.add_flag(flag("t.switch", True))

        @hookimpl(flag="t.swich")
        def pre_tool(self, call):
            return None

    async with HostFixture(allow_broken=True) as host:
        host.load(Slip, "slip")
        record = host.plugins["slip"]
        assert record.status == "load_error"
        assert "Did you mean 't.switch'" in record.reason or "there is no flag 't.swich'" in record.reason


def test_two_plugins_with_one_flag_are_a_load_error_that_names_both():
    with HostFixture(allow_broken=True) as host:
        host.load(Declares(LIMIT), "one")
        host.load(Declares(LIMIT), "two")
        statuses = {name: record.status for name, record in host.plugins.items()}
        assert sorted(statuses.values()) == ["active", "load_error"]
        assert "'one'" in host.plugins["two"].reason


# --- kill switches -------------------------------------------------------------------------------------


async def test_a_kill_switch_stops_hook_and_tool_in_a_session_that_runs():
    @tool(flag="t.kill", read_only=True)
    def danger() -> str:
        """Do something."""
        return "done it"

    class Pack:
        @hookimpl
        def register(self, registry):
            registry.add_flag(KILL)
            registry.add_tool(danger)

        @hookimpl(flag="t.kill")
        def post_tool(self, call, outcome):
            return None

    async with HostFixture() as host:
        host.builtin("flags")
        host.load(Pack, "danger")
        host.model.script(call("danger"), "One.", call("danger"), "Two.")
        await host.prompt("a")
        assert "done it" in str(host.messages[-2])
        from pegboard_builtins.flags.state import FlagState

        FlagState(host.state_dir).throw("t.kill", False)
        await host.prompt("b")
        assert "was switched off (t.kill)" in str(host.messages[-2])
        assert any("switched off: t.kill" in text for text in host.notices)
        plans = [record.hooks for record in host.records() if isinstance(record, PlanRecord)]
        assert ["danger" in plan.get("post_tool", ()) for plan in plans] == [True, False]
        assert host.session.flags.details("t.kill").layer is FlagLayer.LIVE


# --- ramps ---------------------------------------------------------------------------------------------


class Strict:
    """Refuses everything, as far as its ramp lets it."""

    def __init__(self, how: str) -> None:
        self.how = how

    @hookimpl
    def register(self, registry):
        registry.add_flag(ramp("t.strict", self.how))

    @hookimpl(ramp="t.strict", guard=True)
    def pre_tool(self, call):
        if call.input.get("text") == "break":
            raise ValueError("broken")
        return Decision.deny("too strict")

    @hookimpl(ramp="t.strict")
    def prompt_submit(self, prompt):
        from pegboard import PromptDecision

        return PromptDecision.refuse("no prompts") if "secret" in prompt else None


@tool(read_only=True)
def word(text: str) -> str:
    """Say a word."""
    return text


@pytest.mark.parametrize("how", ["off", "shadow", "warn", "enforce"])
async def test_a_ramp_says_how_far_a_hook_counts(how):
    async with HostFixture() as host:
        host.load(Strict(how), "strict")
        host.load(word)
        decided = await host.fire("pre_tool", tool="word", input={"text": "a"})
        if how == "enforce":
            assert_denied(decided, match="too strict")
        else:
            assert decided.verdict is None
        shadows = [record for record in host.records() if isinstance(record, ShadowRecord)]
        if how in ("shadow", "warn"):
            (one,) = shadows
            assert (one.point, one.by, one.flag, one.mode) == ("pre_tool", "strict", "t.strict", how)
            assert (one.verdict, one.reason) == ("deny", "too strict")
        else:
            assert shadows == []
        assert any("would have said deny" in text for text in host.notices) is (how == "warn")


async def test_a_guard_in_shadow_that_breaks_refuses_nothing_and_says_so():
    async with HostFixture() as host:
        host.load(Strict("shadow"), "strict")
        host.load(word)
        decided = await host.fire("pre_tool", tool="word", input={"text": "break"})
        assert decided.verdict is None
        (one,) = [record for record in host.records() if isinstance(record, ShadowRecord)]
        assert one.verdict == "deny"
        assert any("broken" in text for text in host.notices)


async def test_a_frame_of_the_model_cannot_have_a_ramp():
    class Frame:
        @hookimpl(ramp="t.strict")
        def model_call(self, request, call_next):
            return call_next(request)

    async with HostFixture(allow_broken=True) as host:
        host.load(Frame, "frame")
        assert "ramp=" in host.plugins["frame"].reason


async def test_a_whole_pack_may_have_a_ramp():
    class Pack:
        @hookimpl
        def register(self, registry):
            registry.add_flag(ramp("t.pack", "shadow"))
            registry.gate(ramp="t.pack")
            registry.add_tool(word)

        @hookimpl
        def pre_tool(self, call):
            return Decision.deny("pack")

    @tool(read_only=True)
    def other(text: str) -> str:
        """Say it."""
        return text

    async with HostFixture() as host:
        host.load(Pack, "packed")
        host.load(other)
        assert (await host.fire("pre_tool", tool="other", input={"text": "a"})).verdict is None
        assert "word" not in host.session.tools()
        assert [one.flag for one in host.records() if isinstance(one, ShadowRecord)] == ["t.pack"]


async def test_report_counts_how_often_shadow_disagreed(flags, place):
    host = Host(
        place.project,
        state_dir=place.state,
        config_dir=place.config,
        environment=place.environment,
        plugins=[("strict", Strict("shadow")), ("mild", pack("Mild", pre_tool=staticmethod(says_deny)))],
    )
    async with host, host.session() as session:
        for text in ("a", "b", "deny"):
            await session.dispatcher.pre_tool(a_call(text), batch(), can_defer=False)
    code, said = flags("report", "--json")
    assert code == 0
    (row,) = json.loads(said)
    assert (row["flag"], row["by"], row["asked"], row["said"], row["disagreed"]) == ("t.strict", "strict", 3, 3, 2)
    assert row["share"] == "66.7 %"
    code, said = flags("audit", "t.strict", "--json")
    assert json.loads(said)[0]["mattered"] == "held 3 answers back"


@hookimpl
def says_deny(call):
    return Decision.deny("denied anyway") if call.input["text"] == "deny" else None


def a_call(text: str):
    from pegboard.messages import ToolCall, input_hash

    return ToolCall(id=f"c-{text}", name="word", input={"text": text}, input_hash=input_hash({"text": text}))


def batch():
    from pegboard.messages import Batch

    return Batch()


async def test_a_handler_may_say_what_it_would_have_said():
    """What declared hooks use: the word for a ramp, and the record of what it held back."""
    from pegboard.flags import Ramp, ramp_of

    class Handlers:
        @hookimpl
        def register(self, registry):
            registry.add_flag(ramp("t.handler", "warn"))

        @hookimpl
        def pre_tool(self, call, ctx):
            how = ramp_of(ctx.flags, "t.handler")
            if how in (Ramp.SHADOW, Ramp.WARN):
                ctx.shadow("pre_tool", call.id, "deny", "no", flag="t.handler", by="check.sh", warn=how is Ramp.WARN)

    async with HostFixture() as host:
        host.load(Handlers, "hooks")
        host.load(word)
        await host.fire("pre_tool", tool="word", input={"text": "a"})
        (one,) = [record for record in host.records() if isinstance(record, ShadowRecord)]
        assert (one.by, one.mode, one.verdict) == ("hooks: check.sh", "warn", "deny")
        assert [list(record.reads) for record in host.records() if isinstance(record, FlagReads)] == [["t.handler"]]
        assert any("check.sh would have said deny" in text for text in host.notices)


async def test_audit_and_diff_tell_which_session_ran_with_what(flags, place):
    reader = Declares()
    for value in ("3", "8"):
        host = Host(
            place.project,
            state_dir=place.state,
            config_dir=place.config,
            environment=place.environment,
            plugins=[("reader", reader)],
            command_line={"flags": {"values": {"shop.limit": value}}},
        )
        async with host, host.session(session_id=f"s{value}") as session:
            if value == "3":
                assert session.flags["shop.limit"] == 3
    rows = json.loads(flags("audit", "shop.limit", "--json")[1])
    assert {(row["session"], row["value"], row["reads"], row["mattered"]) for row in rows} == {
        ("s3", 3, 1, "code read it"),
        ("s8", 8, 0, ""),
    }
    code, said = flags("diff", "s3", "s8", "--json")
    assert code == 1
    assert [(one["name"], one["left"], one["right"]) for one in json.loads(said)] == [("shop.limit", 3, 8)]
    assert flags("diff", "s8", "s8") == (0, "No difference.\n")
    shown = json.loads(flags("snapshot", "show", "s3", "--json")[1])
    assert shown["flags"]["shop.limit"] == {"value": 3, "layer": "command line", "variant": "", "rule": ""}
    assert len(json.loads(flags("snapshot", "list", "--json")[1])) == 2


# --- lint ----------------------------------------------------------------------------------------------


def test_lint_finds_slips_in_code_expired_and_never_read_flags(flags, place):
    code = place.project / "acme.py"
    code.write_text(
        "from pegboard import hookimpl\n"
        "@hookimpl(flag='shop.kil')\n"
        "def pre_tool(call, ctx):\n"
        "    if ctx.flags['shop.limti'] > ctx.flags.integer('shop.limit'):\n"
        "        return client.get_boolean_value('shop.lockd', False)\n"
    )
    status, said = flags("lint", str(code), "--json")
    assert status == 1
    found = json.loads(said)
    slips = {(one["line"], one["flag"], one["suggestion"]) for one in found if one["kind"] == "unknown"}
    assert slips == {
        (2, "shop.kil", "shop.kill"),
        (4, "shop.limti", "shop.limit"),
        (5, "shop.lockd", "shop.locked"),
    }
    assert [one["flag"] for one in found if one["kind"] == "expired"] == ["shop.trial"]
    never = {one["flag"] for one in found if one["kind"] == "never read"}
    assert "shop.ratio" in never
    assert "shop.limit" not in never


def test_lint_has_nothing_to_say_of_the_flags_of_the_built_ins(place):
    found = json.loads(place.run("flags", "lint", "--json").stdout)
    assert [one for one in found if not one["flag"].startswith("shop.")] == []


async def test_an_unknown_flag_in_a_hook_is_that_hooks_failure():
    async with HostFixture() as host:

        @hookimpl
        def pre_tool(call, ctx):
            return Decision.deny("x") if ctx.flags["nothing"] else None

        host.load(pack("Slip", pre_tool=staticmethod(pre_tool)), "slip")
        host.load(word)
        decided = await host.fire("pre_tool", tool="word", input={"text": "a"})
        assert decided.verdict is None
        assert any("there is no flag 'nothing'" in text for text in host.notices)
        with pytest.raises(UnknownFlagError):
            host.session.flags["nothing"]


async def test_allowed_stays_allowed_with_a_decider_in_shadow():
    async with HostFixture() as host:
        host.load(Strict("shadow"), "strict")
        host.load(pack("Allows", pre_tool=staticmethod(hookimpl(lambda call: Decision.allow("fine")))), "allows")
        host.load(word)
        assert_allowed(await host.fire("pre_tool", tool="word", input={"text": "a"}))


# --- bisecting -----------------------------------------------------------------------------------------


class Careful:
    """Refuses what its two switches say together; another pack always allows."""

    @hookimpl
    def register(self, registry):
        registry.add_flag(flag("t.a", True), flag("t.b", True), flag("t.c", True))

    @hookimpl
    def pre_tool(self, call, ctx):
        if ctx.flags["t.a"] or ctx.flags["t.b"]:
            return Decision.deny("one of them is on")
        return None


async def a_session_with(place, plugins):
    from pegboard_builtins.scripted_model import play

    name = play("bisect", [{"call": [{"name": "word", "input": {"text": "a"}}]}, {"text": "Done."}])
    host = Host(
        place.project,
        state_dir=place.state,
        config_dir=place.config,
        environment=place.environment,
        plugins=plugins,
    )
    async with host, host.session(Options(model=name)) as session:
        result = await session.run("Say it.")
        assert result.reason == "completed", result
        return host, session


async def test_bisect_finds_the_smallest_set_that_flips_a_decision(place):
    import asyncio

    from pegboard.host import HostFace
    from pegboard_builtins.flags.bisecting import bisected

    allows = pack("Allows", pre_tool=staticmethod(hookimpl(lambda call: Decision.allow("fine"))))
    plugins = [("careful", Careful()), ("allows", allows), ("words", pack("Words", word=word))]

    class Words:
        @hookimpl
        def register(self, registry):
            registry.add_tool(word)

    plugins[2] = ("words", Words())
    host, session = await a_session_with(place, plugins)
    before = session.path.read_bytes()
    face = HostFace(host)
    (call_id,) = [
        block["id"]
        for record in session.journal
        if record.type == "assistant"
        for block in record.message["content"]
        if block["type"] == "tool_use"
    ]
    found = await asyncio.to_thread(bisected, face, session.session_id, f"allow on {call_id}")
    assert (found["recorded"], found["replayed"]) == ("deny", "deny")
    assert found["flips"] == [["without careful"]]
    none = await asyncio.to_thread(bisected, face, session.session_id, f"none on {call_id}")
    assert ["without careful", "without allows"] in none["flips"]
    both = await asyncio.to_thread(face.replay, session.path, call_id, flags={"t.a": False, "t.b": False})
    one = await asyncio.to_thread(face.replay, session.path, call_id, flags={"t.a": False})
    assert (both, one) == ("allow", "deny")
    same = await asyncio.to_thread(bisected, face, session.session_id, f"deny on {call_id}")
    assert same["flips"] == []
    assert session.path.read_bytes() == before
    for text, why in (("maybe", "no expectation"), ("allow on nothing", "no call 'nothing'")):
        with pytest.raises(PegboardError, match=why):
            await asyncio.to_thread(bisected, face, session.session_id, text)


async def test_a_replay_asks_no_model_and_runs_no_tool(place):
    import asyncio

    from pegboard.host import HostFace

    ran: list[str] = []

    @tool(read_only=True)
    def loud(text: str) -> str:
        """Make a noise."""
        ran.append(text)
        return text

    class Asks:
        @hookimpl
        def register(self, registry):
            registry.add_tool(word, loud)

        @hookimpl
        async def pre_tool(self, call, ctx):
            if call.name != "word":
                return None
            await ctx.invoke("loud", {"text": "x"})
            return Decision.deny("after asking")

    host, session = await a_session_with(place, [("asks", Asks())])
    (call_id,) = [
        block["id"]
        for record in session.journal
        if record.type == "assistant"
        for block in record.message["content"]
        if block["type"] == "tool_use"
    ]
    assert ran == ["x"]
    assert await asyncio.to_thread(HostFace(host).replay, session.path, call_id) == "none"
    assert ran == ["x"]


# --- what the built-ins declare ------------------------------------------------------------------------


async def test_tool_processes_and_declared_hooks_have_the_sessions_flags():
    async with HostFixture(settings={"permissions": {"allow": ["Bash"]}}) as host:
        host.file("hook.sh", 'echo "{\\"systemMessage\\": \\"$PEGBOARD_FLAGS_SNAPSHOT\\"}"')
        host.settings["hooks"] = {
            "PreToolUse": [{"hooks": [{"type": "command", "command": f"sh {host.project}/hook.sh"}]}]
        }
        host.builtin("flags", "shell_tool", "permissions", "wire_hooks")
        outcome = await host.invoke("Bash", command="echo $PEGBOARD_FLAGS_SNAPSHOT; cat $PEGBOARD_FLAGS_FILE")
        said = str(outcome.result.content)
        snapshot = host.session.flags.snapshot_id
        assert said.splitlines()[0] == snapshot
        assert json.loads(said.partition("\n")[2])["values"]["shell.background"] is True
        assert any(snapshot in text for text in host.notices)


async def test_the_kill_switch_of_background_commands_refuses_them():
    async with HostFixture(settings={"flags": {"values": {"shell.background": "off"}}}) as host:
        host.builtin("flags", "shell_tool")
        outcome = await host.invoke("Bash", command="sleep 9", run_in_background=True)
        assert outcome.result.is_error
        assert "shell.background is off" in str(outcome.result.content)
        assert "hi" in str((await host.invoke("Bash", command="echo hi")).result.content)


async def test_the_kill_switch_of_pages_takes_the_tool_away():
    async with HostFixture(settings={"flags": {"values": {"web.fetch": False}}}) as host:
        host.builtin("flags", "web_tools")
        assert "WebFetch" not in (await host.open()).tools()
    async with HostFixture() as host:
        host.builtin("flags", "web_tools")
        assert "WebFetch" in (await host.open()).tools()


@pytest.mark.parametrize("on", [True, False])
async def test_a_checkpoint_is_taken_only_where_its_flag_is_on(on):
    async with HostFixture(settings={"flags": {"values": {"git_safety.checkpoints": on}}}) as host:
        await anyio.run_process(["git", "init", "-q", str(host.project)])
        host.builtin("flags", "git_safety", "file_tools")
        await host.invoke("Write", file_path=str(host.project / "a.txt"), content="a")
        assert (host.state_dir / "git_safety").exists() is on


@pytest.mark.parametrize("kind", ["prompt", "agent"])
async def test_hooks_ask_no_model_where_their_flag_is_off(kind):
    async with HostFixture(settings={"flags": {"values": {"hooks.ask_models": False}}}) as host:
        host.settings["hooks"] = {"PreToolUse": [{"hooks": [{"type": kind, "prompt": "Is it fine?"}]}]}
        host.builtin("flags", "wire_hooks", "file_tools")
        await host.invoke("Glob", pattern="*")
        assert any("hooks.ask_models is off" in text for text in host.notices)


async def test_fallback_models_count_only_where_their_flag_is_on():
    async with HostFixture(settings={"retry": {"fallback": ["a:b"]}}) as host:
        host.builtin("flags", "retry")
        session = await host.open()
        assert session.ctx("retry").settings.fallback == ("a:b",)
    off = {"retry": {"fallback": ["a:b"]}, "flags": {"values": {"retry.fallback": "false"}}}
    async with HostFixture(settings=off) as host:
        host.builtin("flags", "retry")
        session = await host.open()
        assert session.ctx("retry").settings.fallback == ()


def test_slash_flags_in_a_conversation_shows_this_sessions_flags(place):
    (place.project / "s.toml").write_text('[[turn]]\ntext = "Never asked."\n')
    model = ("--model", "scripted:s.toml")
    said = place.run("run", "/flags", *model, "--flag", "shop.limit=3", check=True)
    assert "shop.limit = 3  (command line)" in said.stdout
    assert "Never asked" not in said.stdout
    one = place.run("run", "/flags shop.limit", *model, check=True)
    assert "default 8, owner shop" in one.stdout
    assert "Did you mean 'shop.limit'" in place.run("run", "/flags shop.limti", *model, check=True).stdout
    assert "Never asked" in place.run("run", "/nobody answers this", *model).stdout
