"""Settings: layers, origins, and what an untrusted folder may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from pegboard.errors import SettingsError
from pegboard.settings import (
    HOST_TABLES,
    LOWERING,
    LayerFile,
    SettingsLayer,
    SettingsView,
    find_line,
    load_settings,
    parse_value,
)


def view_of(tmp_path: Path, *, trusted: bool = True, **files: str) -> SettingsView:
    """Write files by layer name (user, project, local, pyproject, managed) and load them."""
    places = {
        "user": tmp_path / "config" / "settings.toml",
        "project": tmp_path / "project" / ".pegboard" / "settings.toml",
        "local": tmp_path / "project" / ".pegboard" / "settings.local.toml",
        "pyproject": tmp_path / "project" / "pyproject.toml",
        "managed": tmp_path / "managed.toml",
    }
    for name, text in files.items():
        if name in places:
            places[name].parent.mkdir(parents=True, exist_ok=True)
            places[name].write_text(text)
    return load_settings(
        tmp_path / "project",
        config_dir=tmp_path / "config",
        trusted=trusted,
        environment={},
        managed=places["managed"],
    )


def test_a_higher_layer_wins_key_by_key(tmp_path: Path) -> None:
    view = view_of(
        tmp_path,
        user="[model]\nname = 'user:x'\nmax_tokens = 5\n",
        project="[model]\nname = 'project:x'\n",
        local="[model]\nname = 'local:x'\n",
    )
    assert view.model.name == "local:x"
    assert view.model.max_tokens == 5


def test_managed_settings_win_over_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "managed.toml").write_text("[model]\nname = 'managed:x'\n")
    view = load_settings(
        tmp_path,
        config_dir=tmp_path,
        trusted=True,
        environment={"PEGBOARD_MODEL__NAME": "environment:x"},
        command_line={"model": {"name": "option:x"}},
        managed=tmp_path / "managed.toml",
    )
    assert view.model.name == "managed:x"


def test_tables_within_a_table_are_merged(tmp_path: Path) -> None:
    view = view_of(tmp_path, user="[model.params]\na = 1\nb = 1\n", project="[model.params]\nb = 2\n")
    assert view.model.params == {"a": 1, "b": 2}


def test_every_value_knows_its_file_and_line(tmp_path: Path) -> None:
    view = view_of(tmp_path, user="# first\n\n[session]\nmax_steps = 7\n\n[model]\nname = 'a:b'\n")
    origin = view.origin("model", "name")
    assert (origin.layer, origin.file, origin.line) == ("user", str(tmp_path / "config" / "settings.toml"), 7)
    assert str(view.origin("session", "max_time")) == "default"


def test_a_variable_is_an_origin_too() -> None:
    view = load_settings(
        Path("/nowhere"), config_dir=Path("/nowhere"), trusted=True, environment={"PEGBOARD_SESSION__MAX_STEPS": "9"}
    )
    assert view.session.max_steps == 9
    assert str(view.origin("session", "max_steps")) == "environment (PEGBOARD_SESSION__MAX_STEPS)"


def test_the_table_in_pyproject_is_of_the_project_layer(tmp_path: Path) -> None:
    view = view_of(tmp_path, pyproject="[project]\nname = 'x'\n\n[tool.pegboard.model]\nname = 'a:b'\n")
    assert view.model.name == "a:b"
    assert (view.origin("model", "name").layer, view.origin("model", "name").line) == ("project", 5)


def test_a_file_that_is_no_toml_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        view_of(tmp_path, user="[model]\nname = \n")
    assert error.value.line == 2
    assert str(tmp_path / "config" / "settings.toml") in str(error.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        pytest.param("[session]\nmax_step = 3\n", 2, "Did you mean 'max_steps'?", id="unknown key"),
        pytest.param("[session]\n\nmax_steps = 'many'\n", 3, "session.max_steps", id="wrong type"),
        pytest.param("[session]\nfsync = 'now'\n", 2, "session.fsync", id="not one of the words"),
    ],
)
def test_a_wrong_value_is_an_error_with_line_and_hint(tmp_path: Path, text: str, line: int, words: str) -> None:
    view = view_of(tmp_path, user=text)
    with pytest.raises(SettingsError) as error:
        view.session  # noqa: B018
    assert error.value.line == line
    assert words in str(error.value)


def test_a_table_that_nobody_owns_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    view = view_of(tmp_path, user="[model]\n[sesion]\nmax_steps = 1\n")
    with pytest.raises(SettingsError, match=r"\[sesion\]. Did you mean 'session'\?") as error:
        view.check_tables(["permissions"])
    assert error.value.line == 2


# --- trust ---------------------------------------------------------------------------------------------


class Rules(BaseModel):
    model_config = ConfigDict(extra="forbid")

    allow: list[str] = []
    deny: list[str] = []
    command: str = ""


LOOSENING = [
    pytest.param("model", "name", "'evil:x'", id="model"),
    pytest.param("model", "params", "{ base_url = 'http://evil' }", id="parameters"),
    pytest.param("plugins", "disabled", "['permissions']", id="switching a plugin off"),
    pytest.param("plugins", "aliases", "{ 'a.B' = 'C' }", id="aliases"),
    pytest.param("session", "mode", "'bypassPermissions'", id="mode"),
    pytest.param("session", "fsync", "'off'", id="durability"),
    pytest.param("session", "output_limit", "100000", id="output limit"),
    pytest.param("session", "tool_timeout", "1e9", id="tool timeout"),
    pytest.param("session", "max_steps", "100000", id="more steps"),
    pytest.param("session", "max_time", "-1", id="nonsense as a ceiling"),
    pytest.param("session", "max_continuations", "0", id="no limit at all"),
    pytest.param("rules", "allow", "['Bash']", id="an allow rule"),
    pytest.param("rules", "command", "'evil.sh'", id="a helper command"),
    pytest.param("unknown_pack", "anything", "1", id="a table of a pack"),
]


@pytest.mark.parametrize("layer", ["project", "local", "pyproject"])
@pytest.mark.parametrize(("table", "key", "value"), LOOSENING)
def test_an_untrusted_folder_cannot_loosen(tmp_path: Path, layer: str, table: str, key: str, value: str) -> None:
    prefix = "tool.pegboard." if layer == "pyproject" else ""
    view = view_of(tmp_path, trusted=False, **{layer: f"[{prefix}{table}]\n{key} = {value}\n"})
    view.declare("rules", Rules, tightening=["deny"])
    assert key not in view.table(table)
    assert [name for name, _ in view.held_back] == [f"{table}.{key}"]


def test_every_key_of_the_host_is_either_held_back_or_a_ceiling_that_only_falls(tmp_path: Path) -> None:
    for table, model in HOST_TABLES.items():
        for key in model.model_fields:
            if table == "session" and key in LOWERING:
                continue
            view = SettingsView([LayerFile(SettingsLayer.PROJECT, {table: {key: 1}})], trusted=False)
            assert view.table(table) == {}, f"{table}.{key} counts from a folder that nobody trusts"


def test_an_untrusted_folder_can_tighten(tmp_path: Path) -> None:
    view = view_of(tmp_path, trusted=False, project="[session]\nmax_steps = 3\n[rules]\ndeny = ['Bash']\n")
    view.declare("rules", Rules, tightening=["deny"])
    assert view.session.max_steps == 3
    assert view.parse("rules", Rules).deny == ["Bash"]
    assert view.held_back == []


def test_a_trusted_folder_may_say_anything(tmp_path: Path) -> None:
    view = view_of(tmp_path, trusted=True, project="[session]\nmax_steps = 100000\nmode = 'plan'\n")
    assert view.session.max_steps == 100_000
    assert view.session.mode == "plan"
    assert view.held_back == []


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_an_untrusted_ceiling_is_never_above_the_users(users: int, folders: int) -> None:
    files = [
        LayerFile(SettingsLayer.USER, {"session": {"max_steps": users}}),
        LayerFile(SettingsLayer.PROJECT, {"session": {"max_steps": folders}}),
    ]
    assert SettingsView(files, trusted=False).session.max_steps == min(users, folders)


# --- small parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("true", True), ("anthropic:x", "anthropic:x"), ("['a']", ["a"]), ("yes", "yes"), ('"3"', "3")],
)
def test_a_variable_is_toml_where_it_can_be(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("a", "x"), 2),
        (("a", "b", "y"), 4),
        (("c", "d"), 6),
        (("quoted name", "z"), 8),
        (("missing",), None),
    ],
)
def test_lines_are_found(path: tuple[str, ...], line: int | None) -> None:
    text = '[a]\nx = 1\n[a.b]\ny = 2\n[c]\nd = 3\n["quoted name"]\nz = 1\n'
    assert find_line(text, path) == line


def test_a_table_that_nobody_wrote_has_the_values_that_a_check_would_give():
    from pydantic import BaseModel, Field, field_validator

    class Plain(BaseModel):
        size: int = Field(default=3, ge=0)
        names: list[str] = Field(default_factory=list)

    class Strict(Plain):
        @field_validator("size")
        @classmethod
        def _never(cls, value: int) -> int:
            raise ValueError("never")

    class Required(BaseModel):
        size: int

    class Tested(BaseModel):
        size: int = Field(default=-1, ge=0, validate_default=True)

    view = SettingsView()
    assert view.parse("plain", Plain) == Plain.model_validate({})
    assert view.parse("plain", Plain).names is not view.parse("plain", Plain).names
    assert view.parse("strict", Strict).size == 3  # a validator is asked about what was said, and nothing was
    for model in (Required, Tested):
        with pytest.raises(SettingsError, match="size"):
            view.parse("other", model)
