"""Plugins that nobody installs: single files and plugin folders, found without an import, with status and reason."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegboard._board.discovery import Status
from pegboard.host import Host
from pegboard.plugin_folders import PluginFolderError, read_plugin_folder
from pegboard.testing import call

TOOL = """
import builtins
builtins.imported_here = getattr(builtins, "imported_here", 0) + 1
from pegboard import tool

@tool(read_only=True)
def count(text: str) -> int:
    \"\"\"Count.\"\"\"
    return len(text)
"""

HOOKIMPL = "from pegboard import hookimpl\n"
Open = Callable[..., Host]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("project/.pegboard/plugins", "config/plugins", "state"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def host(place: Path) -> Open:
    def make(**options: Any) -> Host:
        return Host(
            place / "project",
            state_dir=place / "state",
            config_dir=place / "config",
            environment={},
            **{"entry_points": (), "strict": False, **options},
        )

    return make


def status(host: Host, name: str) -> tuple[Status, str]:
    [record] = [record for record in host.find() if record.name == name]
    return record.status, record.reason


def consent(host: Host) -> None:
    host.open()
    host.trust.trust(host.cwd)
    host.trust.consent(host.cwd, host.wanted())


# --- single files --------------------------------------------------------------------------------------


def test_a_file_of_the_user_takes_part_and_is_not_imported_to_be_found(place: Path, host: Open) -> None:
    (place / "config" / "plugins" / "acme.py").write_text("raise SystemExit(1)")
    assert status(host(), "acme") == (Status.FOUND, "")
    (place / "config" / "plugins" / "acme.py").write_text(TOOL)
    assert sorted(host().open().board.tools) == ["count"]


def test_a_file_of_the_project_takes_part_only_with_consent_to_its_content(place: Path, host: Open) -> None:
    file = place / "project" / ".pegboard" / "plugins" / "acme.py"
    file.write_text(TOOL)
    assert status(host(), "acme")[0] is Status.UNTRUSTED
    assert "pegboard trust" in host().find()[0].mend
    consent(host())
    assert sorted(host().open().board.tools) == ["count"]
    file.write_text(TOOL + "# changed")
    assert status(host(), "acme")[0] is Status.UNTRUSTED


def test_no_plugins_leaves_files_and_folders_out(place: Path, host: Open) -> None:
    (place / "config" / "plugins" / "acme.py").write_text("1 / 0")
    (place / "one").mkdir()
    command_line = {"plugins": {"folders": [str(place / "one")]}}
    without = host(no_plugins="", command_line=command_line)
    assert {record.status for record in without.open().board.records} == {Status.DISABLED}
    assert without.view.plugin_folders == ()
    named = host(no_plugins="acme", command_line=command_line).open()
    assert {record.name: str(record.status) for record in named.board.records} == {"acme": "disabled", "one": "active"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("x = 1\ndef def", "acme.py, line 2", id="no Python"),
        pytest.param("x = 1\n\n1 / 0", "acme.py:3", id="raises"),
        pytest.param("import sys\nsys.exit(3)", "acme.py:2", id="exits"),
        pytest.param(
            "from pegboard import hookimpl\n@hookimpl\ndef pre_tol(call): ...", "pre_tool", id="a misspelt hook"
        ),
    ],
)
def test_an_error_names_the_file_and_the_line(place: Path, host: Open, text: str, said: str) -> None:
    (place / "config" / "plugins" / "acme.py").write_text(text)
    record = host().open().board.record("acme")
    assert record is not None
    assert record.status is Status.LOAD_ERROR
    assert said in record.reason


def test_what_is_installed_has_a_name_before_a_file(place: Path, host: Open, pack: Any) -> None:
    (place / "config" / "plugins" / "acme.py").write_text(TOOL)
    opened = host(entry_points=[pack(TOOL, "acme")]).open()
    assert [(r.status, bool(r.path)) for r in opened.board.records] == [
        (Status.ACTIVE, False),
        (Status.LOAD_ERROR, True),
    ]
    assert "acme-pack 1.0 has this name, too" in opened.board.records[1].reason


def test_a_file_with_a_name_that_cannot_be_one_says_so_and_hidden_ones_are_none(place: Path, host: Open) -> None:
    for name in ("my-tool.py", "_private.py", ".hidden.py", "notes.txt"):
        (place / "config" / "plugins" / name).write_text("")
    assert [(r.name, r.status) for r in host().find()] == [("my-tool", Status.LOAD_ERROR)]


def test_a_file_is_known_from_the_snapshot_and_imported_when_it_is_used(
    place: Path, host: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place / "config" / "plugins" / "sleepy.py"
    file.write_text(TOOL)
    import os

    os.utime(file, (1_700_000_000, 1_700_000_000))
    monkeypatch.setattr("pegboard._board.discovery.installed_entry_points", list)
    for _ in range(2):
        opened = host(entry_points=None, no_plugins=None)
        opened.snapshot.points = lambda group="pegboard": []  # type: ignore[union-attr,method-assign]
        opened.open()
        assert "count" in opened.board.tools
        last = "sleepy" in opened.board.asleep
        for name in [name for name in sys.modules if name.startswith("pegboard_file_sleepy")]:
            del sys.modules[name]
    assert last


# --- folders -------------------------------------------------------------------------------------------


def folder(root: Path, manifest: Any = None, files: dict[str, str] | None = None) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    if manifest is not None:
        (root / ".claude-plugin").mkdir(exist_ok=True)
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        (root / ".claude-plugin" / "plugin.json").write_text(text)
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_folder_that_the_user_names_takes_part_under_the_name_of_its_manifest(place: Path, host: Open) -> None:
    folder(place / "somewhere", {"name": "helper-kit", "version": "2.1"})
    (place / "config" / "settings.toml").write_text(f'[plugins]\nfolders = ["{place}/somewhere"]\n')
    opened = host().open()
    record = opened.board.record("helper-kit")
    assert record is not None
    assert (record.status, record.version) == (Status.ACTIVE, "2.1")
    assert [one.name for one in opened.view.plugin_folders] == ["helper-kit"]


def test_a_folder_of_the_project_waits_for_consent_to_all_of_its_files(place: Path, host: Open) -> None:
    root = folder(place / "project" / "tools" / "kit", {"name": "kit"}, {"bin/run": "#!/bin/sh\n"})
    (place / "project" / ".pegboard" / "settings.toml").write_text('[plugins]\nfolders = ["../tools/kit"]\n')
    assert host().find() == []  # the settings of an untrusted folder do not count at all
    first = host()
    first.trust.trust(first.cwd)
    assert status(host(), "kit")[0] is Status.UNTRUSTED
    assert host().open().view.plugin_folders == ()
    consent(host())
    assert status(host(), "kit")[0] is Status.FOUND
    (root / "bin" / "run").write_text("#!/bin/sh\nrm -rf /\n")
    assert status(host(), "kit")[0] is Status.UNTRUSTED


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        pytest.param('{\n"name": x}', "plugin.json:2: is no JSON", id="no JSON"),
        pytest.param("[]", "is no JSON object", id="a list"),
        pytest.param({"name": 3}, "`name` is int", id="a name that is none"),
        pytest.param({"name": "a/b"}, "'a/b' is no name", id="a path as a name"),
        pytest.param({"name": "k", "hooks": 3}, "`hooks` is int", id="hooks of a wrong type"),
    ],
)
def test_a_folder_with_a_wrong_manifest_is_a_load_error_with_file_and_line(
    place: Path, host: Open, manifest: Any, said: str
) -> None:
    folder(place / "one", manifest)
    opened = host(command_line={"plugins": {"folders": [str(place / "one")]}}).open()
    assert opened.board.records[0].status is Status.LOAD_ERROR
    assert said in opened.board.records[0].reason


def test_a_folder_that_is_not_there_says_so(place: Path, host: Open) -> None:
    found = host(command_line={"plugins": {"folders": [str(place / "nowhere")]}}).find()
    assert "there is no such plugin folder" in found[0].reason


def test_two_folders_of_one_name_are_told_apart(place: Path, host: Open) -> None:
    paths = [str(folder(place / name, {"name": "kit"})) for name in ("one", "two")]
    opened = host(command_line={"plugins": {"folders": paths}}).open()
    assert [r.status for r in opened.board.records] == [Status.ACTIVE, Status.LOAD_ERROR]
    assert len(opened.view.plugin_folders) == 1


def test_parts_lie_where_the_manifest_says_and_never_outside(place: Path) -> None:
    (place / "out.md").write_text("")
    root = folder(
        place / "kit",
        {"name": "kit", "commands": ["./other", "../out.md"], "skills": "./more", "mcpServers": "./servers.json"},
        dict.fromkeys(("commands/a.md", "other/b.md", "skills/s/SKILL.md", "more/t/SKILL.md"), ""),
    )
    (root / "servers.json").write_text('{"mcpServers": {"one": {"command": "x"}}}')
    (root / ".mcp.json").write_text('{"two": {"url": "http://127.0.0.1/"}}')
    read = read_plugin_folder(root)
    assert [path.name for path in read.paths("commands")] == ["other"]
    assert sorted(path.name for path in read.paths("skills")) == ["more", "skills"]
    assert read.outside() == [str(place / "out.md")]
    assert sorted(name for name, _, _ in read.servers()) == ["one", "two"]
    assert read.has("servers")
    assert not read.has("hooks")
    (root / ".mcp.json").write_text('{"two": 3}')
    with pytest.raises(PluginFolderError, match="'two' is no object"):
        list(read.servers())


@pytest.mark.anyio
async def test_a_pack_can_bring_a_folder(place: Path, host: Open, pack: Any) -> None:
    folder(place / "packs" / "brought", {"name": "brought"}, {"commands/hi.md": "Say hi to $1."})
    text = "from pegboard import hookimpl\n@hookimpl\ndef register(registry): registry.add_folder('brought')\n"
    opened = host(entry_points=[pack(text, "acme")]).open()
    assert [(one.name, one.owner) for one in opened.view.plugin_folders] == [("brought", "acme")]
    assert opened.board.record("brought").status is Status.ACTIVE  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_commands_and_skills_of_a_folder_have_its_name_before_theirs(place: Path) -> None:
    from pegboard.testing import HostFixture

    root = folder(place / "kit", {"name": "kit"}, {"commands/hi.md": "Hi $1 from ${CLAUDE_PLUGIN_ROOT}."})
    folder(root / "skills" / "deep", None)
    (root / "skills" / "deep" / "SKILL.md").write_text("---\ndescription: Deep.\n---\nThink in ${CLAUDE_PLUGIN_ROOT}.")
    async with HostFixture(settings={"plugins": {"folders": [str(root)]}}) as room:
        room.builtin("commands")
        room.model.script("done", call("Skill", skill="kit:deep"), "done", "done")
        for prompt in ("/kit:hi you", "use it", "/hi me"):
            await room.prompt(prompt)
        text = str(room.messages)
        assert f"Hi you from {root}." in text
        assert f"Hi me from {root}." in text
        assert f"Think in {root}." in text
        assert "- kit:deep: Deep." in str(room.records("system"))
