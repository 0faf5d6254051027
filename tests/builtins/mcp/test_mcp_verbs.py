"""`pegboard mcp`: declare, list, try, take away; with good words for what is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_room import BARE, bare

from pegboard._board.trust import TrustStore
from pegboard._cli.main import main
from pegboard.context import Wanted

pytest.importorskip("mcp")

Verb = Callable[..., str]


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Run a verb of `pegboard mcp` in a folder of its own, and return what it prints."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(tmp_path / "config"))

    def run(*words: str, code: int = 0) -> str:
        ended = main(["mcp", *words])
        said = capsys.readouterr()
        assert ended == code, said
        return said.out + said.err

    return run


SERVER = [sys.executable, "-I", "-S", BARE]


def test_a_server_is_declared_listed_tried_and_taken_away(verb: Verb, tmp_path: Path) -> None:
    assert "No MCP server is declared" in verb("list")
    assert json.loads(verb("list", "--json")) == {"problems": [], "servers": []}
    assert "No MCP server is declared" in verb("test")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text("# mine\n[session]\nmax_steps = 9  # few\n")
    added = json.loads(verb("add", "one", "--env", "KEY=${HOME}", "--json", "--", *SERVER))
    assert added == {"file": str(tmp_path / "config" / "settings.toml"), "name": "one", "transport": "stdio"}
    text = (tmp_path / "config" / "settings.toml").read_text()
    assert "# mine" in text
    assert "# few" in text
    assert 'KEY = "${HOME}"' in text
    (listed,) = json.loads(verb("list", "--json"))["servers"]
    assert (listed["name"], listed["status"], listed["target"]) == ("one", "ready to start", " ".join(SERVER))
    tried = verb("test", "one")
    assert "one: 8 tools, started in" in tried
    assert "echo  (reads)  Say it again." in tried
    (facts,) = json.loads(verb("test", "--json"))
    assert facts["ok"]
    assert facts["tools"][0]["inputSchema"]["required"] == ["text"]
    assert "is taken out of" in verb("remove", "one")
    assert "No MCP server is declared" in verb("list")
    assert "# few" in (tmp_path / "config" / "settings.toml").read_text()


def test_the_projects_file_is_written_and_wants_consent(verb: Verb, tmp_path: Path) -> None:
    file = tmp_path / "project" / ".mcp.json"
    file.write_text('{"other": 1, "mcpServers": {"old": {"command": "x"}}}')
    assert "pegboard trust" in verb("add", "new", "--project", "--header", "X: ${Y}", "https://example.org/mcp")
    written = json.loads(file.read_text())
    assert written["other"] == 1
    assert written["mcpServers"]["new"] == {"url": "https://example.org/mcp", "headers": {"X": "${Y}"}}
    statuses = {one["name"]: one["status"] for one in json.loads(verb("list", "--json"))["servers"]}
    assert statuses == {"new": "needs consent", "old": "needs consent"}
    assert "consent with `pegboard trust`" in verb("test", "new", code=1)
    file.write_text(json.dumps({"mcpServers": {"one": bare()}}))
    text = json.dumps(bare(), indent=2, sort_keys=True)
    TrustStore(tmp_path / "state").consent(tmp_path / "project", [Wanted("MCP server one (.mcp.json)", text)])
    assert "one: 8 tools" in verb("test")
    verb("remove", "one")
    assert json.loads(file.read_text()) == {"mcpServers": {}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["add", "a b", "--", "x"], "cannot be part of a tool's", id="a bad name"),
        pytest.param(["add", "one", "https://x.y", "more"], "takes no arguments", id="a URL with arguments"),
        pytest.param(["add", "one", "--env", "KEY", "--", "x"], "no NAME=VALUE", id="a variable without a value"),
        pytest.param(["add", "one", "--header", "A: b", "--", "x"], "--header for a URL", id="a header for a program"),
        pytest.param(["add", "one", "--project", "--local", "--", "x"], "one of --project", id="two places"),
        pytest.param(["add", "broken", "--", "x"], "--force replaces it", id="there already"),
        pytest.param(["remove", "borken"], "Did you mean 'broken'?", id="remove what is not there"),
        pytest.param(["test", "borken"], "Did you mean 'broken'?", id="try what is not there"),
        pytest.param(["login", "broken"], "only one with a url has a login", id="log in to a program"),
        pytest.param(["test", "broken"], "no module named acme", id="one that does not start"),
    ],
)
def test_what_is_wrong_is_said(verb: Verb, words: list[str], said: str) -> None:
    verb("add", "broken", "--", *SERVER, "broken")
    assert said in verb(*words, code=1)


def test_one_that_is_disabled_takes_no_part_and_says_so(verb: Verb, tmp_path: Path) -> None:
    verb("add", "one", "--", *SERVER)
    (tmp_path / "project" / ".pegboard").mkdir()
    (tmp_path / "project" / ".pegboard" / "settings.toml").write_text('[mcp]\ndisabled = ["one"]\n')
    (listed,) = json.loads(verb("list", "--json"))["servers"]
    assert listed["status"] == "disabled"  # a folder that nobody trusts may do that
    assert "No MCP server" in verb("test")


def test_a_wrong_declaration_is_listed_with_its_line(verb: Verb, tmp_path: Path) -> None:
    (tmp_path / "project" / ".mcp.json").write_text('{"mcpServers": {\n "x": {"comand": "y"}}}')
    found: dict[str, Any] = json.loads(verb("list", "--json", code=1))
    assert "Did you mean 'command'?" in found["problems"][0]["text"]
    assert ".mcp.json:2" in found["problems"][0]["where"]
    (tmp_path / "project" / ".mcp.json").write_text('{"mcpServers": {\n "x": }')
    assert "is no JSON" in verb("list", code=1)
