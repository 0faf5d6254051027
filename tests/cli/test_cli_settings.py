"""`pegboard settings`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from pegboard.errors import PegboardError, SettingsError
from pegboard.settings_writing import with_key


def editor(terminal: Any, monkeypatch: pytest.MonkeyPatch, code: str, *, variable: str = "EDITOR") -> None:
    """Make a program the editor that has the file's path in `path`."""
    program = terminal.folder.parent / "editor.py"
    program.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[-1])\n{code}\n")
    monkeypatch.setenv(variable, f"{sys.executable} '{program}'")


def test_values_are_shown_with_file_and_line(terminal: Any) -> None:
    file = terminal.settings("[session]\n\nmax_steps = 7\n", where="user")
    shown = json.loads(terminal.fine("settings", "show", "--origin", "--json"))["tables"]["session"]
    assert shown["max_steps"] == {"value": 7, "origin": {"file": str(file), "layer": "user", "line": 3}}
    assert shown["fsync"]["origin"]["layer"] == "default"
    printed = terminal.fine("settings", "show", "--origin")
    assert f"user ({file}:3)" in printed
    assert json.loads(terminal.fine("settings", "show", "--json"))["tables"]["session"]["max_steps"] == 7


def test_an_untrusted_folder_is_shown_with_what_it_may_not_say(terminal: Any) -> None:
    terminal.settings('[permissions]\ndeny = ["Bash"]\nallow = ["Edit"]\n')
    shown = json.loads(terminal.fine("settings", "show", "--json"))
    assert shown["tables"]["permissions"] == {"deny": ["Bash"]}
    assert [held["key"] for held in shown["held_back"]] == ["permissions.allow"]
    assert "permissions.allow = ['Edit']" in terminal.fine("settings", "show")


def test_defaults_of_plugins_are_shown_with_all(acme: Any) -> None:
    assert "acme" not in json.loads(acme.fine("settings", "show", "--json"))["tables"]
    shown = json.loads(acme.fine("settings", "show", "--all", "--json"))["tables"]
    assert shown["acme"] == {"level": 1, "text": "a"}


def test_settings_are_shown_though_a_file_is_no_toml(terminal: Any) -> None:
    terminal.settings("[session\n", where="user")
    assert "settings.toml:1: is no TOML" in json.loads(terminal.fine("settings", "show", "--json"))["problems"][0]


def test_the_schema_covers_host_built_ins_and_packs(acme: Any) -> None:
    schema = json.loads(acme.fine("settings", "schema"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"session", "permissions", "acme"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    table = schema["$defs"][schema["properties"]["acme"]["$ref"].rpartition("/")[2]]
    assert table["properties"]["level"]["description"] == "How much of it."
    assert acme.fine("settings", "schema") == acme.fine("settings", "schema")


def test_two_tables_with_types_of_one_name_keep_apart(acme: Any) -> None:
    other = (
        "from pydantic import BaseModel\nfrom pegboard import hookimpl\n\n\nclass Settings(BaseModel):\n"
        "    colour: str = ''\n\n\n@hookimpl\ndef register(registry):\n    registry.settings(Settings)\n"
    )
    acme.install("acme-other", {"acme_other": "acme_other"}, acme_other=other)
    schema = json.loads(acme.fine("settings", "schema"))

    def keys(name: str) -> set[str]:
        return set(schema["$defs"][schema["properties"][name]["$ref"].rpartition("/")[2]]["properties"])

    assert (keys("acme"), keys("acme_other")) == ({"level", "text"}, {"colour"})


# --- set -----------------------------------------------------------------------------------------------


def test_setting_a_key_keeps_comments_and_everything_else(terminal: Any) -> None:
    text = '# mine\n[session]  # the session\nmax_steps = 1_000 # high\n\n[permissions]\ndeny = [ "Bash" ]\n'
    file = terminal.settings(text, where="user")
    terminal.fine("settings", "set", "session.max_steps", "7")
    assert file.read_text() == text.replace("1_000", "7")
    terminal.fine("settings", "set", "session.max_time", "2.5")
    assert "max_time = 2.5" in file.read_text()
    assert "# high" in file.read_text()


@pytest.mark.parametrize(
    ("option", "file"),
    [
        pytest.param("--user", "config/settings.toml", id="user"),
        pytest.param("--project", "project/.pegboard/settings.toml", id="project"),
        pytest.param("--local", "project/.pegboard/settings.local.toml", id="local"),
    ],
)
def test_a_key_is_set_in_the_file_that_is_named(terminal: Any, tmp_path: Path, option: str, file: str) -> None:
    terminal.fine("settings", "set", "model.name", "scripted:x", option)
    assert (tmp_path / file).read_text() == '[model]\nname = "scripted:x"\n'


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        pytest.param("session.max_step", "Did you mean 'max_steps'?", id="a key nobody has"),
        pytest.param("sesion.max_steps", "Did you mean 'session'?", id="a table nobody owns"),
        pytest.param("acme.levle", "Did you mean 'level'?", id="a key of a pack"),
        pytest.param("session.max_steps", "session.max_steps", id="a value that does not fit"),
    ],
)
def test_what_does_not_fit_is_not_written(acme: Any, key: str, problem: str) -> None:
    file = acme.settings("[session]\nmax_steps = 5\n", where="user")
    error = acme.error("settings", "set", key, "no number")
    assert isinstance(error, SettingsError)
    assert problem in str(error)
    assert file.read_text() == "[session]\nmax_steps = 5\n"


def test_a_value_that_looks_like_a_number_can_be_a_text(acme: Any) -> None:
    acme.fine("settings", "set", "acme.text", "3")
    acme.fine("settings", "set", "acme.level", "3")
    shown = json.loads(acme.fine("settings", "show", "--json"))["tables"]["acme"]
    assert shown == {"text": "3", "level": 3}


def test_a_quoted_key_may_have_dots(terminal: Any) -> None:
    terminal.fine("settings", "set", 'plugins.aliases."acme.touch"', "poke")
    shown = json.loads(terminal.fine("settings", "show", "--json"))["tables"]["plugins"]
    assert shown["aliases"] == {"acme.touch": "poke"}


@pytest.mark.parametrize("key", ["session", "", "a b.c", "session."])
def test_what_is_no_key_is_wrong_usage(terminal: Any, key: str) -> None:
    assert terminal.type("settings", "set", key, "1").exit_code == 2


def test_two_files_at_once_are_refused(terminal: Any) -> None:
    assert isinstance(terminal.error("settings", "set", "session.max_steps", "1", "--user", "--local"), SettingsError)


def test_setting_in_a_trusted_folder_says_that_consent_is_over(terminal: Any) -> None:
    terminal.settings("[session]\nmax_steps = 5\n")
    terminal.fine("trust", "--yes")
    printed = terminal.fine("settings", "set", "session.max_steps", "900", "--project")
    assert "no longer trusted" in printed
    assert json.loads(terminal.fine("settings", "show", "--json"))["tables"]["session"]["max_steps"] == 200


def test_a_link_stays_a_link(terminal: Any, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("")
    real.chmod(0o640)
    (terminal.config / "settings.toml").symlink_to(real)
    terminal.fine("settings", "set", "session.max_steps", "3")
    assert (terminal.config / "settings.toml").is_symlink()
    assert "max_steps = 3" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_table_that_is_written_inline_grows_inline() -> None:
    text = with_key("session = { max_steps = 1 } # short\n", ("session", "max_time"), 2)
    assert tomli.loads(text) == {"session": {"max_steps": 1, "max_time": 2}}
    assert text.endswith("} # short\n")


@pytest.mark.parametrize("text", ["session = 3\n", "[[session]]\nmax_steps = 1\n"])
def test_a_key_cannot_be_set_in_what_is_no_table(text: str) -> None:
    with pytest.raises(SettingsError, match="session is no table"):
        with_key(text, ("session", "max_steps"), 2)


# --- edit ----------------------------------------------------------------------------------------------


def test_an_edit_that_fits_takes_the_file_s_place(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = terminal.settings("[session]\nmax_steps = 5\n", where="user")
    editor(terminal, monkeypatch, "path.write_text(path.read_text().replace('5', '6'))")
    assert str(file) in terminal.fine("settings", "edit")
    assert file.read_text() == "[session]\nmax_steps = 6\n"


def test_visual_comes_before_editor(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(terminal, monkeypatch, "path.write_text('[session]\\nmax_steps = 6\\n')", variable="VISUAL")
    monkeypatch.setenv("EDITOR", "false")
    terminal.fine("settings", "edit", "--local")
    assert (terminal.folder / ".pegboard" / "settings.local.toml").exists()


def test_an_editor_that_is_not_there_is_named(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "no-such-editor --wait")
    error = terminal.error("settings", "edit")
    assert "'no-such-editor' cannot be started: No such file or directory" in str(error)


@pytest.mark.parametrize(
    ("written", "line", "problem"),
    [
        pytest.param("[session\\n", 1, "is no TOML", id="no TOML"),
        pytest.param("\\n[session]\\nmax_step = 1\\n", 3, "Did you mean 'max_steps'?", id="a key nobody has"),
        pytest.param("\\n\\n[sesion]\\n", 3, "Did you mean 'session'?", id="a table nobody owns"),
        pytest.param("session = 3\\n", 1, "write [session]", id="no table"),
        pytest.param("[acme]\\nlevel = 'x'\\n", 2, "acme.level", id="a value of a pack"),
    ],
)
def test_an_edit_that_is_wrong_changes_nothing_and_is_kept(
    acme: Any, monkeypatch: pytest.MonkeyPatch, written: str, line: int, problem: str
) -> None:
    file = acme.settings("[session]\nmax_steps = 5\n", where="user")
    editor(acme, monkeypatch, f"path.write_text({json.dumps(written)!s}.encode().decode('unicode_escape'))")
    error = acme.error("settings", "edit")
    assert isinstance(error, SettingsError)
    assert (error.file, error.line) == (file, line)
    assert problem in str(error)
    assert file.read_text() == "[session]\nmax_steps = 5\n"
    kept = Path(str(error).rpartition(" ")[2])
    assert kept.read_text() == written.encode().decode("unicode_escape")


def test_an_editor_that_fails_changes_nothing(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = terminal.settings("[session]\nmax_steps = 5\n", where="user")
    editor(terminal, monkeypatch, "path.write_text(''); sys.exit(3)")
    assert isinstance(terminal.error("settings", "edit"), PegboardError)
    assert file.read_text() == "[session]\nmax_steps = 5\n"


def test_an_edit_without_a_change_writes_nothing(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    editor(terminal, monkeypatch, "pass")
    assert "Nothing was changed" in terminal.fine("settings", "edit", "--project")
    assert not (terminal.folder / ".pegboard").exists()
