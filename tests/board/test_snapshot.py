"""Plugins that are known without being imported: nothing comes out otherwise, and nothing stale is believed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegboard import flags as flag_words
from pegboard._board import kept
from pegboard._board.acceptance import AcceptedPacks
from pegboard._board.asleep import _tool
from pegboard._board.fingerprint import fingerprint
from pegboard._board.manifest import _of_tool, _of_word, commands_in, surfaces_in
from pegboard._board.snapshot import Snapshot
from pegboard.context import Command, NoServiceError
from pegboard.declares import ALL
from pegboard.egress import Surface
from pegboard.host import Host, Options
from pegboard.tools import Claims, Tool
from pegboard_builtins import scripted_model

PACK = '''
"""A pack that brings one of everything that can be known."""

from pathlib import Path

from pydantic import BaseModel

from pegboard import Claims, Decision, Declares, Layer, ResultPatch, Section, flag, hookimpl, tool

declares = Declares(permissions=["approve", "context", "rewrite"])
LOUD = flag("acme.loud", True, help="Louder.", choices=(), metadata={"team": "a"})


class AcmeSettings(BaseModel):
    limit: int = 3
    on: bool = False


@tool(read_only=True, claims=lambda given, cwd: Claims.read(Path(given["path"])), egress=("shop",), timeout=3)
def count(path: str, least: int = 1) -> str:
    """Count something.

    Args:
        path: What to count.
    """
    return f"{path} {least}"


@hookimpl
def register(registry):
    registry.settings(AcmeSettings)
    registry.add_section(Section(name="acme", text="Count well.", flag="acme.loud"))
    registry.add_command("acme", "acme_pack:app", help="Counts.", chat="acme_pack:said")
    registry.add_health_check("acme is well", lambda: "it is not well")
    registry.add_view("counts", lambda records: sum(1 for _ in records))


@hookimpl(guard=True, before="zoo", matcher="count")
def pre_tool(call, ctx):
    return Decision.allow(f"limit {ctx.settings.limit}")


@hookimpl(when="on")
def prompt_submit(prompt):
    raise RuntimeError("it is off")


@hookimpl(after="*", timeout=lambda call: 4.0)
async def post_tool(outcome):
    return ResultPatch(context="counted")
'''

EVERYTHING = Tool(
    "count",
    lambda path: path,
    "Counts.",
    read_only=True,
    repeatable=True,
    claims=lambda given, cwd: Claims(),
    timeout=3.0,
    flag="acme.loud",
    egress=("shop",),
    max_output=5,
    normalise=lambda given, cwd: {**given, "seen": "normalise"},
    preview=lambda given, cwd: f"+{given['path']}",
    where=("pyproject.toml",),
    deferred=True,
    needs_person=True,
)
"""A tool that says everything there is to say of one."""

MARK = "\nimport sys as _sys; _sys.modules['__main__'].__dict__.setdefault('imports_of_packs', []).append(__name__)\n"


class Place:
    """A folder on the path where packs are installed, and hosts that look there."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.site = root / "site"
        self.site.mkdir()
        self.project = root / "project"
        self.project.mkdir()
        self.state = root / "state"
        monkeypatch.syspath_prepend(str(self.site))
        monkeypatch.delenv("PEGBOARD_SNAPSHOT", raising=False)
        self._monkeypatch = monkeypatch

    def install(self, text: str, name: str = "acme", version: str = "1.0") -> Path:
        """Put a pack where pip would have put it an hour ago."""
        (module := self.site / f"{name}_pack.py").write_text(text + MARK)
        (self.site / "__pycache__").mkdir(exist_ok=True)  # as pip leaves it: no import changes the folder then
        for old in self.site.glob(f"{name}_pack-*.dist-info"):
            shutil.rmtree(old)
        info = self.site / f"{name}_pack-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-pack\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[pegboard]\n{name} = {name}_pack\n")
        self.accept(name)
        self.age()
        return module

    def accept(self, name: str = "acme") -> None:
        """Trust a pack as it is now."""
        (info,) = self.site.glob(f"{name}_pack-*.dist-info")
        facts = {"permissions": sorted(ALL)}
        AcceptedPacks(self.state).accept(f"{name}-pack", str(fingerprint(str(info))), facts)

    def age(self, seconds: int = 3600) -> None:
        """Let everything that was written be some time ago, each time another: what is new is not relied on."""
        self._age = getattr(self, "_age", seconds + 1000) - 10
        for path in [*self.site.rglob("*.py"), *self.site.rglob("*.txt"), self.site]:
            now = path.stat().st_mtime
            if now > path.stat().st_ctime - 5:  # written now, not yet aged
                os.utime(path, (now - self._age, now - self._age))

    def host(self, **options: Any) -> Host:
        """Return an open host, for which no pack is imported yet."""
        for name in [name for name in sys.modules if name.endswith("_pack")]:
            del sys.modules[name]
        self.imported.clear()
        options.setdefault("strict", False)
        quiet = {"session": {"fsync": "off"}, "memory": {"on": False}}  # what remembers would leave a daemon behind
        options["command_line"] = quiet | options.get("command_line", {})
        return Host(
            self.project, state_dir=self.state, config_dir=self.root / "config", environment={}, **options
        ).open()

    @property
    def imported(self) -> list[str]:
        """The packs that were imported since the last host was opened."""
        found: list[str] = vars(sys.modules["__main__"]).setdefault("imports_of_packs", [])
        return found

    @property
    def kept(self) -> dict[str, Any]:
        """What the file says of plugins."""
        (file,) = (self.state / "snapshot").glob("plugins-*")
        found: dict[str, Any] = kept.load(str(file))["plugins"]
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield Place(tmp_path, monkeypatch)
    for name in [name for name in sys.modules if name.endswith("_pack")]:
        del sys.modules[name]


def brought(host: Host) -> dict[str, Any]:
    """Return all that a host knows of its plugins."""
    board = host.board
    return {
        "records": [(r.name, str(r.status), r.reason, r.distribution, r.version, [*r.hooks]) for r in board.records],
        "tools": [
            (t.name, t.owner, t.description, t.read_only, t.timeout, t.egress, t.is_async, t.wants_ctx, t.input_schema)
            for t in board.tools.values()
        ],
        "specs": [tool.spec.model_dump_json() for tool in board.tools.values()],
        "flags": {name: repr(flag) for name, flag in board.flags.items()},
        "gates": board.gates,
        "commands": board.commands,
        "models": board.models,
        "sections": board.sections,
        "orders": {hook: board.ordered(hook) for hook in ("pre_tool", "post_tool", "prompt_submit")},
        "surfaces": board.surfaces,
        "checks": [check for check, *_ in [(c.name,) for x in board.contributions.values() for c in x.checks]],
        "views": [view.name for one in board.contributions.values() for view in one.views],
        "keys": {name: dict(one.described_keys()) for name, one in board.contributions.items()},
    }


CALLS = [{"text": "I count.", "call": [{"name": "count", "input": {"path": "a", "least": 2}}]}, {"text": "Done."}]


async def conversation(host: Host, turns: list[dict[str, Any]] = CALLS) -> list[dict[str, Any]]:
    """Run a turn, and return the journal without times and random names."""
    model = scripted_model.play("snapshot", turns)
    number = len(list(host.state_dir.rglob("*.jsonl")))
    async with host, host.session(Options(model=model), session_id=f"s{number}") as session:
        await session.run("count")
    lines = [json.loads(line) for line in session.path.read_text().splitlines()]
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"<{len(names)}>")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if key not in TIMES}
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, str):
            value = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|toolu?_\w+|\bs\d+\b", name, value)
            return re.sub(r"\d+\.\d+ ms", "ms", value)
        return value

    return [plain(line) for line in lines]


TIMES = {"timestamp", "duration_ms", "first_ms", "ns", "pid", "ms"}


# --- not imported --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_pack_is_imported_when_something_of_it_is_first_used(place):
    place.install(PACK)
    first = brought(place.host())
    assert place.imported == ["acme_pack"]
    host = place.host()
    assert brought(host) == first
    assert place.imported == []
    await conversation(host, [{"text": "nothing to count"}])
    assert place.imported == []
    host = place.host()
    await conversation(host)
    assert place.imported == ["acme_pack"]
    assert not host.board.asleep.keys() & {"acme"}
    assert brought(host) == first


@pytest.mark.anyio
async def test_a_conversation_is_the_same_with_a_cold_a_warm_and_no_snapshot(place, monkeypatch):
    place.install(PACK)
    cold = await conversation(place.host())
    warm = await conversation(place.host())
    assert place.kept["acme-pack acme"]["manifest"]["tools"]
    monkeypatch.setenv("PEGBOARD_SNAPSHOT", "off")
    none = await conversation(place.host())
    assert cold == warm == none
    assert any(line["type"] == "hook" and line["outcome"] == "allow" for line in none)
    assert any("counted" in json.dumps(line) for line in none)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "guard": st.booleans(),
        "rewrites": st.booleans(),
        "before": st.sampled_from(["'*'", "'b'", "('a', 'c')"]),
        "after": st.sampled_from(["'*'", "'a'"]),
        "matcher": st.sampled_from(["'count'", "'x|count'", "'^c'"]),
        "timeout": st.sampled_from(["3", "lambda call: 3.0"]),
        "when": st.sampled_from(["'on'", "lambda ctx: True", "lambda ctx: False"]),
        "flag": st.sampled_from(["'p.one'", "'p.two'"]),
    },
)
HOOKS = st.dictionaries(
    st.sampled_from(["pre_tool", "post_tool", "prompt_submit", "next_step", "prepare_request", "lifecycle"]),
    st.tuples(OPTIONS, st.booleans()),
    max_size=4,
)


HEAD = """
from pydantic import BaseModel

from pegboard.flags import flag
from pegboard.hookspecs import hookimpl
from pegboard.requests import Layer, Section
from pegboard.tools import tool

class S(BaseModel):
    on: bool = False
"""
TOOL = """
one = flag("p.one", True)
two = flag("p.two", False)

@tool(read_only=True)
async def count(path: str, least: int = 1) -> str:
    "Count."
    return path
"""


def a_pack(name: str, hooks: dict[str, tuple[dict[str, Any], bool]], extra: list[str]) -> str:
    lines = [HEAD, TOOL * (name == "a")]
    body = "".join(f"    {line}\n" for line in extra)
    lines += [f"@hookimpl\ndef register(registry):\n    registry.settings(S)\n{body}"]
    for hook, (options, is_async) in hooks.items():
        said = ", ".join(f"{key}={value}" for key, value in options.items())
        argument = {"pre_tool": "call", "post_tool": "call", "prompt_submit": "prompt", "next_step": "state"}
        given = {**argument, "prepare_request": "draft", "lifecycle": "event"}[hook]
        lines += [f"@hookimpl({said})\n{'async ' * is_async}def {hook}({given}, ctx):\n    return None"]
    return "\n".join(lines)


EXTRA = st.lists(
    st.sampled_from(
        [
            "registry.add_section(Section(name='s', text='Said by a pack.', flag='p.one'))",
            "registry.add_section(Section(name='t', text='Session.', stability='session', layer=Layer.USER))",
            "registry.add_command('verb', 'x:y')",
            "registry.gate(flag='p.two')",
            "registry.host",
            "registry.each_time('it says so')",
        ]
    ),
    max_size=3,
    unique=True,
)


@pytest.mark.anyio
async def test_a_pack_that_is_not_imported_is_asked_whether_it_has_nothing_to_say(place):
    said = "def next_step(state):\n    raise RuntimeError(state)"
    place.install(f"{PACK}\n@hookimpl(unless=lambda ctx: True)\n{said}\n")
    lines = [await conversation(place.host()) for _ in range(2)]
    assert lines[0] == lines[1]
    assert not [line for line in lines[1] if line["type"] == "hook" and line["point"] == "next_step"]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(packs=st.fixed_dictionaries({name: st.tuples(HOOKS, EXTRA) for name in "abc"}))
def test_any_packs_come_to_the_same_with_a_cold_a_warm_and_no_snapshot(place, monkeypatch, packs):
    for name, (hooks, extra) in packs.items():
        place.install(a_pack(name, hooks, extra), name)
    shutil.rmtree(place.state / "snapshot", ignore_errors=True)
    monkeypatch.delenv("PEGBOARD_SNAPSHOT", raising=False)
    found = []
    for _ in range(2):
        host = place.host()
        found.append((brought(host), asyncio.run(conversation(host))))
    monkeypatch.setenv("PEGBOARD_SNAPSHOT", "off")
    host = place.host()
    found.append((brought(host), asyncio.run(conversation(host))))
    assert found[0] == found[2]
    assert found[1] == found[2]


@pytest.mark.anyio
async def test_an_import_is_no_part_of_a_hooks_time(place):
    slow = "import time, sys\nif 'acme_slow' in sys.modules: time.sleep(1.5)\nsys.modules['acme_slow'] = sys\n"
    place.install(slow + PACK.replace("guard=True", "timeout=1.0"))
    sys.modules.pop("acme_slow", None)
    try:
        place.host()
        lines = await conversation(place.host())
    finally:
        sys.modules.pop("acme_slow", None)
    assert [line["outcome"] for line in lines if line["type"] == "hook" and line["point"] == "pre_tool"] == ["allow"]


def test_checks_services_and_settings_wake_their_plugin(place):
    place.install(PACK + "\n\n@hookimpl(specname='lifecycle')\ndef told(event):\n    return None\n")
    place.host()
    host = place.host()
    assert host.view.declared(without=["acme"]).keys() & {"acme"} == set()
    assert place.imported == []
    assert "acme" in host.view.models
    assert place.imported == ["acme_pack"]
    host = place.host()
    assert [found[0].text for plugin, _, found in host.health() if plugin == "acme"] == ["it is not well"]
    assert place.imported == ["acme_pack"]
    host = place.host()
    assert host.board.contributions["acme"].views[0].build(iter([1, 2])) == 2
    assert host.plugin_settings("acme", flag_words.FlagView(flag_words.FlagSnapshot.of({}))).limit == 3


@pytest.mark.anyio
async def test_a_service_opens_as_ever(place):
    place.install(
        "from contextlib import asynccontextmanager\nfrom pegboard import hookimpl\n"
        "@asynccontextmanager\nasync def shop():\n    yield 'open'\n"
        "@hookimpl\ndef register(registry):\n    registry.add_service('shop', shop)\n"
    )
    place.host()
    async with place.host() as host:
        assert place.imported == []
        assert await host.service("shop") == "open"
        with pytest.raises(NoServiceError):
            await host.service("market")


# --- by import -----------------------------------------------------------------------------------------

SMALL = """
import os
from pegboard import Declares, hookimpl, tool
declares = Declares(permissions=["rewrite"])
@tool
def small() -> str:
    'Be small.'
    return ''
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FOUND = os.environ.get('ACME')", "reads the environment (ACME)"),
        ("@hookimpl\ndef register(registry):\n    'ACME' in os.environ", "reads the environment (ACME)"),
        ("def f():\n    return dict(os.environ)\nf()", "reads the environment"),
        ("@hookimpl\ndef register(registry):\n    registry.host", "asks the host"),
        ("@tool\ndef odd(what: type(os)) -> str:\n    'Be odd.'\n    return ''", "cannot be written down"),
        ("@hookimpl(when='nowhere')\ndef pre_tool(call):\n    return None", "cannot be written down"),
        ("@hookimpl\ndef register(registry):\n    registry.all_settings()", "other settings than its own"),
        ("@hookimpl\ndef register(registry):\n    registry.each_time('it counts files')", "it counts files"),
        ("@hookimpl\ndef register(registry):\n    registry.add_filter('*', lambda s, p: p)", "filters ways out"),
    ],
)
def test_a_plugin_that_may_register_something_else_is_imported_each_time(place, text, reason):
    place.install(SMALL + text)
    for _ in range(3):
        host = place.host()
        assert place.imported == ["acme_pack"]
        assert "small" in host.board.tools
    assert reason in host.snapshot.imported_each_time()["acme"]


def test_who_is_imported_each_time_has_nothing_written_each_time(place):
    text = "from pegboard import hookimpl\n@hookimpl\ndef register(registry):\n    registry.host.project\n"
    place.install(text)
    place.host()
    (file,) = place.state.glob("snapshot/plugins-*")
    before = file.stat()
    place.imported.clear()
    place.host()
    assert place.imported == ["acme_pack"]
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_library_reads_while_it_is_imported_does_not_count(place):
    (place.site / "shelf.py").write_text("import os\nHOME = os.environ.get('HOME')\n")
    place.install("import shelf\n" + SMALL)
    sys.modules.pop("shelf", None)
    place.host()
    place.host()
    assert place.imported == []


def test_a_plugin_whose_settings_somebody_wrote_is_imported_and_told_what_is_wrong(place):
    place.install(PACK)
    place.host()
    file = place.root / "config" / "settings.toml"
    file.parent.mkdir()
    file.write_text("[acme]\nlimit = 'many'\n")
    host = place.host()
    assert place.imported == ["acme_pack"]
    assert host.board.record("acme").status == "config_error"
    assert f"{file}:2" in host.board.record("acme").reason
    file.unlink()
    place.host()
    assert place.imported == []  # what was known is still known


def test_a_table_is_known_by_name_while_its_plugin_sleeps(place):
    place.install(PACK)
    place.host()
    host = place.host(command_line={"akme": {"x": 1}})
    assert place.imported == []
    assert "Did you mean 'acme'?" in str(host.problems[0])


# --- never stale ---------------------------------------------------------------------------------------


def test_a_changed_source_is_imported_anew(place):
    place.install(SMALL)
    place.host()
    place.install(SMALL.replace("def small", "def tiny"))
    host = place.host()
    assert place.imported == ["acme_pack"]
    assert "tiny" in host.board.tools
    assert "small" not in host.board.tools
    assert dict(host.snapshot.read_anew())["acme"] == "its source has changed"


def test_what_changed_just_now_is_not_relied_on(place):
    module = place.install(SMALL)
    os.utime(module)
    place.host()
    place.host()
    assert place.imported == ["acme_pack"]


def test_what_pip_puts_in_takes_out_or_replaces_shows_at_once(place):
    place.install(SMALL)
    place.host()
    place.install(SMALL.replace("small", "zoo"), "zoo")
    assert {"small", "zoo"} <= place.host().board.tools.keys()
    for version in ("1.1", "1.2"):
        place.install(SMALL, version=version)
        assert place.host().board.record("acme").version == version
    shutil.rmtree(next(place.site.glob("acme_pack-*.dist-info")))
    assert place.host().board.record("acme") is None


def test_an_entry_point_that_is_edited_in_place_shows_at_once(place):
    place.install(SMALL)
    place.host()
    points = next(place.site.glob("*.dist-info")) / "entry_points.txt"
    points.write_text("[pegboard]\nother = acme_pack\n")
    assert place.host().board.record("other").status == "untrusted"
    place.accept()
    host = place.host()
    assert host.board.record("acme") is None
    assert host.board.record("other").status == "active"


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(["found", "plugins"]),
    cut=st.floats(0, 1),
    flipped=st.floats(0, 1) | st.none(),
    other=st.sampled_from([None, b"", b"[]", b"pegboard", kept.HEAD + bytes(4)]),
)
def test_a_file_that_is_torn_or_something_else_counts_as_absent(place, kind, cut, flipped, other):
    if not list(place.site.glob("*.dist-info")):
        place.install(PACK)
    shutil.rmtree(place.state / "snapshot", ignore_errors=True)
    whole = brought(place.host())
    (file,) = (place.state / "snapshot").glob(f"{kind}-*")
    text = file.read_bytes()
    torn = bytearray(text[: int(cut * (len(text) - 1))])
    if flipped is not None:
        torn = bytearray(text)
        torn[int(flipped * (len(text) - 1))] ^= 1
    file.write_bytes(torn if other is None else other)
    assert kept.load(str(file)) == {}
    assert brought(place.host()) == whole
    assert kept.load(str(file)).keys() == kept.load(_put(file, text)).keys()  # and is written anew


def _put(file: Path, text: bytes) -> str:
    beside = file.with_name("as-it-was")
    beside.write_bytes(text)
    return str(beside)


def test_what_is_kept_comes_back_as_it_was_and_what_nobody_wrote_for_long_is_taken_away(tmp_path):
    held = {"a": [1, 2.5, None, True, ("b", "ü")], "c": {"d": {}}}
    old, young = tmp_path / "of-a-gone-environment", tmp_path / "young"
    for file in (old, young):
        kept.save(str(file), held)
        assert kept.load(str(file)) == held
    os.utime(old, (0, 0))
    kept.save(str(young), {})
    assert [file.name for file in tmp_path.iterdir()] == ["young"]
    assert kept.load(str(young)) == kept.load(str(old)) == {}


def test_a_manifest_of_the_wrong_shape_is_no_crash(place):
    place.install(PACK)
    whole = brought(place.host())
    (file,) = (place.state / "snapshot").glob("plugins-*")
    said = kept.load(str(file))
    said["plugins"]["acme-pack acme"]["manifest"]["tools"] = [{"name": 3}]
    kept.save(str(file), said)
    assert brought(place.host()) == whole


def test_doctor_says_what_each_start_imports(place, monkeypatch):
    from pegboard._cli.doctor import examine

    place.install(SMALL)
    place.install(SMALL.replace("small", "zoo") + "os.environ.get('ZOO')\n", "zoo")
    place.host()
    found = {(one.area, one.subject): one for one in examine(place.host())}
    assert found["snapshot", "zoo"].text == "each start imports it: it reads the environment (ZOO)"
    assert ("snapshot", "acme") not in found
    monkeypatch.setenv("PEGBOARD_SNAPSHOT", "off")
    assert "switched off" in {(one.area, one.subject): one for one in examine(place.host())}["snapshot", ""].text


def test_listings_import_nothing_that_is_known_and_say_the_same(place, monkeypatch, capsys):
    from pegboard._cli import settings, tools

    place.install(PACK)
    monkeypatch.chdir(place.project)
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(place.state))
    said = []
    for _ in range(2):
        for name in [name for name in sys.modules if name.endswith("_pack")]:
            del sys.modules[name]
        place.imported.clear()
        tools.list_tools(as_json=True)
        settings.schema()
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert '"acme"' in said[1]
    assert place.imported == []


def test_a_manifest_that_a_wheel_carries_spares_the_first_import(place, monkeypatch, capsys):
    from pegboard._cli.plugins import manifest

    place.install(PACK)
    whole = brought(place.host())
    monkeypatch.chdir(place.project)
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(place.state))
    manifest("acme")
    carried = place.site / "acme_pack.pegboard.json"
    carried.write_text(capsys.readouterr().out)
    for _ in range(2):
        shutil.rmtree(place.state / "snapshot")
        assert brought(place.host()) == whole
        assert place.imported == []
    assert brought(place.host()) == whole  # this time from the snapshot
    assert place.imported == []


@pytest.mark.parametrize("key", ["pegboard", "pydantic", "version", "entry_point", "source", "manifest"])
def test_a_manifest_that_was_made_of_something_else_is_not_believed(place, key):
    place.install(PACK)
    host = place.host()
    said = host.board.to_carry("acme")
    said[key] = {"acme_pack.py": "0" * 64} if key == "source" else "another"
    (place.site / "acme_pack.pegboard.json").write_text(json.dumps(said))
    shutil.rmtree(place.state / "snapshot")
    assert brought(place.host()) == brought(host)
    assert place.imported == ["acme_pack"]


def test_a_state_folder_that_cannot_be_written_is_no_error(place):
    place.install(SMALL)
    shutil.rmtree(place.state)
    place.state.write_text("in the way")
    snapshot = Snapshot(place.state / "snapshot")
    assert "acme" in [point.name for point in snapshot.points()]
    snapshot.keep("acme-pack", "1.0", "acme", "acme_pack", {})
    snapshot.save()


@pytest.mark.anyio
async def test_a_plugin_that_registers_something_else_than_it_did_is_forgotten(place):
    (place.root / "which").write_text("1")
    place.install(
        SMALL + f"if open({str(place.root / 'which')!r}).read() == '2':\n"
        "    @tool\n    def more() -> str:\n        'Be more.'\n        return ''\n"
    )
    place.host()
    (place.root / "which").write_text("2")
    host = place.host()
    assert "more" not in host.board.tools
    host.board.wake("acme")
    assert "more" in host.board.tools
    place.host()
    assert place.imported == ["acme_pack"]


BREAKS = """
import sys
if "acme_breaks" in sys.modules:
    raise RuntimeError("it broke")
sys.modules["acme_breaks"] = sys
"""


@pytest.mark.anyio
async def test_a_guard_that_cannot_be_imported_any_more_refuses(place):
    place.install(BREAKS + PACK)
    sys.modules.pop("acme_breaks", None)
    try:
        place.host()
        host = place.host()
        lines = await conversation(host)
    finally:
        sys.modules.pop("acme_breaks", None)
    (result,) = [line for line in lines if line["type"] == "user" and line["kind"] == "result"]
    assert "cannot be imported: RuntimeError: it broke" in json.dumps(result)
    assert host.board.record("acme").status == "load_error"


def test_a_tool_that_is_asleep_has_all_that_the_tool_itself_has() -> None:
    said = {one.name for one in fields(Tool) if getattr(EVERYTHING, one.name)}
    assert said == {one.name for one in fields(Tool)} - {"owner"}, "EVERYTHING does not say all of it"

    class Board:
        contributions: ClassVar = {"acme": SimpleNamespace(tools=[EVERYTHING])}

        def wake(self, name: str) -> None: ...

        def alias_of(self, plugin: str, tool: str) -> str:
            return tool

    facts = json.loads(json.dumps(_of_tool(EVERYTHING)))
    asleep = _tool("acme", facts, Board())  # type: ignore[arg-type]  # what of a board a tool needs
    for one in fields(Tool):
        real, there = getattr(EVERYTHING, one.name), getattr(asleep, one.name)
        assert callable(there) if callable(real) else there == real, one.name
    assert asleep.preview is not None
    assert asleep.preview({"path": "a"}, Path()) == "+a"
    assert asleep.normalised({"path": "a"}, Path()) == {"path": "a", "seen": "normalise"}


def test_a_verb_and_a_way_out_survive_being_written_down_with_all_that_they_say() -> None:
    verb = Command("acme", "acme:app", "Counts.", "acme:said")
    surface = Surface("shop", "What the shop is told.", inside=True, reserved=True)
    written = json.loads(json.dumps({"commands": [_of_word(verb)], "surfaces": [_of_word(surface)]}))
    assert (commands_in(written), surfaces_in(written)) == ([verb], [surface])
