"""Settings files as teams really have them: torn, of wrong types, in other encodings. Each is told with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from talk import outcomes

from pegboard.errors import SettingsError
from pegboard.testing import call
from pegboard_builtins.wire_hooks.load import LONGEST, HookTable
from pegboard_builtins.wire_hooks.sources import read_named

HANDLER = {"type": "command", "command": "true"}


def one(**entry: Any) -> dict[str, Any]:
    return {"hooks": {"PreToolUse": [{"hooks": [{**HANDLER, **entry}]}]}}


def table_of(path: Path, text: str | bytes | dict[str, Any]) -> HookTable:
    """Return the hooks of a file with this in it."""
    said = json.dumps(text, indent=1) if isinstance(text, dict) else text
    path.write_bytes(said if isinstance(said, bytes) else said.encode())
    return read_named(path)


# --- values that no entry can have ---------------------------------------------------------------------


@pytest.mark.parametrize("seconds", ["NaN", "-1", "0", "true", '"10"'])
def test_a_timeout_that_is_no_number_of_seconds_costs_its_own_entry_alone(tmp_path: Path, seconds: str) -> None:
    text = json.dumps({"hooks": {"PreToolUse": [{"hooks": [{**HANDLER, "timeout": 5}, HANDLER | {"command": "b"}]}]}})
    found = table_of(tmp_path / "x.json", text.replace("5", seconds))
    assert [entry.handler.command for entry in found.entries] == ["b"]
    [problem] = found.problems
    assert "it must be seconds" in problem.text


@pytest.mark.parametrize("seconds", ["1" + "0" * 400, "Infinity", "1e400", "1e300"])
def test_a_timeout_beyond_all_numbers_is_a_very_long_one(tmp_path: Path, seconds: str) -> None:
    text = json.dumps({"hooks": {"PreToolUse": [{"hooks": [{**HANDLER, "timeout": 5}]}]}})
    found = table_of(tmp_path / "x.json", text.replace("5", seconds))
    assert [handler.timeout for handler in found.active] == [LONGEST]
    assert not found.problems


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        pytest.param("disableAllHooks", "false", "true or false", id="a switch in a text"),
        pytest.param("disableAllHooks", 1, "true or false", id="a number for a switch"),
        pytest.param("allowManagedHooksOnly", "no", "true or false", id="managed only"),
        pytest.param("allowedHttpHookUrls", "https://x/*", "a list of texts", id="a text for a list"),
        pytest.param("allowedHttpHookUrls", 5, "a list of texts", id="a number for a list"),
        pytest.param("allowedHttpHookUrls", [5], "a list of texts", id="numbers in a list"),
        pytest.param("httpHookAllowedEnvVars", {"a": 1}, "a list of texts", id="an object for a list"),
    ],
)
def test_a_switch_of_the_wrong_type_is_told_and_no_hook_is_lost(
    tmp_path: Path, key: str, value: Any, words: str
) -> None:
    found = table_of(tmp_path / "x.json", {**one(), key: value})
    [problem] = found.problems
    assert f"`{key}`" in problem.text
    assert words in problem.text
    assert len(found.active) == 1


@pytest.mark.parametrize("key", ["allowedHttpHookUrls", "httpHookAllowedEnvVars"])
def test_a_bound_that_cannot_be_read_lets_nothing_through(tmp_path: Path, key: str) -> None:
    found = table_of(tmp_path / "x.json", {**one(), key: "https://x/*"})
    ours = {"allowedHttpHookUrls": "allowed_urls", "httpHookAllowedEnvVars": "allowed_variables"}[key]
    assert found.switches[ours] == ()


def test_a_list_in_our_own_file_that_is_a_text_is_told_too(tmp_path: Path) -> None:
    found = table_of(
        tmp_path / "x.toml", '[hooks]\ndisabled = "mine"\n[[hooks.Stop]]\ntype="command"\ncommand="true"\n'
    )
    [problem] = found.problems
    assert ("`disabled`" in problem.text, problem.where.line) == (True, 2)
    assert len(found.active) == 1


@pytest.mark.anyio
async def test_a_switch_of_the_wrong_type_does_not_stop_a_session(project, host_of):
    project.declare({"PreToolUse": [project.hook("h")]}, allowedHttpHookUrls=5, disableAllHooks="false")
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert (project.ran, outcomes(host)) == (["h"], ["ok"])
        assert any("`allowedHttpHookUrls`" in notice for notice in host.notices)


# --- text that is no JSON ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words", "mend"),
    [
        pytest.param(b"", "is empty", "Write {}", id="empty"),
        pytest.param(b" \r\n", "is empty", "Write {}", id="blank"),
        pytest.param(json.dumps(one()).encode("utf-16"), "UTF-16", "UTF-8", id="UTF-16"),
        pytest.param(json.dumps(one(), indent=1)[:60].encode(), "is no JSON", "breaks off", id="torn"),
        pytest.param(b'{"hooks": {}, // mine\n}', "is no JSON", "Comments", id="a comment"),
        pytest.param(b'{"hooks": {},}', "is no JSON", "trailing commas", id="a trailing comma"),
        pytest.param(b'{"hooks": {}}\n{"hooks": {}}', "is no JSON", "is one object", id="two objects"),
    ],
)
def test_a_file_that_is_no_json_is_told_with_its_own_mend(
    typed: Any, project: Any, content: bytes, words: str, mend: str
) -> None:
    path = project.declare({}, where="user")
    path.write_bytes(content)
    [finding] = typed.json("hooks", "check")["findings"]
    assert words in finding["text"]
    assert mend in finding["mend"]
    assert (finding["file"], typed.code) == (str(path), 1)


def test_what_is_not_utf_8_is_told_with_its_line(typed: Any, project: Any) -> None:
    path = project.declare({"Stop": ["echo cafe"]}, where="user")
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    [finding] = typed.json("hooks", "check")["findings"]
    assert "UTF-8" in finding["text"]
    assert path.read_bytes().split(b"\n")[finding["line"] - 1].find(b"\xe9") > 0


# --- what is lost silently -----------------------------------------------------------------------------


def test_a_key_that_stands_twice_is_told_since_only_the_last_counts(tmp_path: Path) -> None:
    group = json.dumps([{"hooks": [HANDLER]}])
    found = table_of(
        tmp_path / "x.json", f'{{"hooks": {{\n"Stop": {group},\n"PreToolUse": {group},\n"Stop": {group}}}}}'
    )
    assert len(found.entries) == 2
    [problem] = found.problems
    assert "`Stop` stands twice" in problem.text


def test_a_key_of_an_entry_that_stands_twice_is_told(tmp_path: Path) -> None:
    text = '{"hooks": {"Stop": [{"hooks": [\n{"type": "command", "command": "a", "command": "b"}]}]}}'
    found = table_of(tmp_path / "x.json", text)
    [problem] = found.problems
    assert ("`command` stands twice" in problem.text, problem.where.line) == (True, 2)


@pytest.mark.parametrize("entry", [{"command": " "}, {"type": "prompt", "prompt": ""}])
def test_an_entry_with_nothing_to_run_is_found(typed: Any, project: Any, entry: dict[str, Any]) -> None:
    project.declare({"Stop": [{"type": "command", **entry}]}, where="user")
    [finding] = typed.json("hooks", "check")["findings"]
    assert (finding["kind"], finding["level"]) == ("empty", "wrong")


def test_a_command_that_no_system_could_start_is_found_without_reading_it_for_minutes(typed: Any, project: Any) -> None:
    project.declare({"Stop": [{"command": "echo " + "y" * 2_000_000}]}, where="user")
    [finding] = typed.json("hooks", "check")["findings"]
    assert (finding["kind"], "128 KB" in finding["text"]) == ("broken", True)


@pytest.mark.parametrize("name", ["x.json", "x.toml"])
def test_a_number_of_thousands_of_digits_is_an_error_of_its_file(tmp_path: Path, name: str) -> None:
    number = "1" + "0" * 5000
    text = json.dumps(one(timeout=5)).replace("5", number)
    if name == "x.toml":
        text = f'[[hooks.Stop]]\ntype = "command"\ncommand = "true"\ntimeout = {number}\n'
    with pytest.raises(SettingsError, match=r"x\.(json|toml)"):
        table_of(tmp_path / name, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"hooks": {\n"Stop": "x"}}', "Stop is no list"),
        ('{"hooks": {\n"Stop": ["x"]}}', "Stop, group 1"),
        ('{"hooks": {\n"Stop": [{"hooks": [{"command": "x"}]}]}}', "it has no `type`"),
    ],
)
def test_what_has_no_place_of_its_own_has_that_of_what_holds_it(tmp_path: Path, text: str, words: str) -> None:
    [problem] = table_of(tmp_path / "x.json", text).problems
    assert words in problem.text
    assert problem.where.line
