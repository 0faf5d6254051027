"""`pegboard plugins trust`: what is shown, what is asked, and what the rest says of a pack that nobody accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pegboard.errors import PluginError

LOUD = '''
import subprocess

from pegboard import Declares, flag, hookimpl, tool

declares = Declares(permissions=["rewrite", "context"], api=">=0.1")
RED = flag("acme.red", False, help="Red.")
open({marker!r}, "w").close()


@tool(read_only=True)
def look(path: str) -> str:
    """Look."""
    return path


@hookimpl(guard=True)
def pre_tool(call):
    return None
'''


@pytest.fixture
def new(terminal: Any) -> Any:
    """A terminal with a pack that nobody has accepted, which leaves a mark when it is imported."""
    terminal.marker = terminal.folder / "imported"
    text = LOUD.format(marker=str(terminal.marker))
    terminal.info = terminal.install("acme-pack", {"acme": "acme_loud"}, trusted=False, acme_loud=text)
    with (terminal.info / "METADATA").open("a") as file:
        file.write("Requires-Dist: left-pad>=1\n")
    return terminal


def status(terminal: Any) -> str:
    return str(json.loads(terminal.fine("plugins", "why", "acme", "--json"))["status"])


def test_what_it_declares_is_shown_without_running_it(new: Any) -> None:
    result = new.type("plugins", "trust", "acme", input="n\n")
    assert result.exit_code == 1
    for words in (
        "acme-pack 1.2 is new here",
        "plugin acme = acme_loud",
        "may      rewrite, context",
        "tools    look (reads, about ",
        "hooks    pre_tool (guard)",
        "flags    acme.red",
        "imports  subprocess (starts processes)",
        "needs left-pad>=1",
        "[y/N]",
    ):
        assert words in result.output, result.output
    assert not new.marker.exists()
    assert status(new) == "untrusted"


def test_once_accepted_it_takes_part_until_a_file_changes(new: Any) -> None:
    assert "is trusted" in new.fine("plugins", "trust", "acme-pack", input="y\n")
    assert status(new) == "active"
    assert "nothing has changed" in new.fine("plugins", "trust", "acme")
    (new.info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pack\nVersion: 1.2\n")
    assert status(new) == "untrusted"


def test_a_change_is_shown_as_one_and_asked_again(new: Any) -> None:
    new.fine("plugins", "trust", "--yes")
    module = new.site / "acme_loud.py"
    module.write_text(module.read_text().replace('["rewrite", "context"]', '["rewrite", "secret"]'))
    (new.info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pack\nVersion: 1.3\n")
    result = new.type("plugins", "trust", "acme", input="n\n")
    assert "acme-pack 1.3 has changed since you accepted 1.2" in result.output
    assert "-  may      rewrite, context" in result.output
    assert "+  may      rewrite, secret" in result.output
    assert "1.2 then, 1.3 now" in new.fine("plugins", "why", "acme")


def test_consent_can_be_taken_back(new: Any) -> None:
    new.fine("plugins", "trust", "--yes")
    assert "no longer" in new.fine("plugins", "trust", "--revoke", "acme")
    assert status(new) == "untrusted"
    assert "say whose" in str(new.error("plugins", "trust", "--revoke"))


def test_json_only_tells_unless_yes_is_given(new: Any) -> None:
    (told,) = json.loads(new.fine("plugins", "trust", "--json"))
    assert (told["trusted"], told["permissions"], told["requested"]) == (False, ["context", "rewrite"], False)
    assert status(new) == "untrusted"
    (told,) = json.loads(new.fine("plugins", "trust", "--json", "--yes"))
    assert told["trusted"] is True
    assert status(new) == "active"


def test_who_needs_it_is_told(new: Any) -> None:
    other = new.site / "suite-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Name: acme-suite\nVersion: 1.0\nRequires-Dist: ACME.pack>=1\n")
    assert "needed by acme-suite" in new.type("plugins", "trust", "acme", input="n\n").output


def test_an_unknown_name_is_an_error_with_the_nearest(new: Any) -> None:
    error = new.error("plugins", "trust", "acme-pakc")
    assert isinstance(error, PluginError)
    assert "acme-pack" in str(error)


def test_ours_need_no_trust(terminal: Any) -> None:
    assert "needs no trust" in terminal.fine("plugins", "trust")
    assert "is no pack" in str(terminal.error("plugins", "trust", "permissions"))


def test_a_list_of_tools_says_which_packs_are_left_out(new: Any) -> None:
    result = new.type("tools", "list")
    assert not [line for line in result.stdout.splitlines() if line.startswith("look ")]
    assert result.stderr.count("acme-pack") == 2  # the name, and the command
    assert "`pegboard plugins trust acme-pack`" in result.stderr


def test_a_run_says_it_once_and_goes_on_without(new: Any, capsys: Any) -> None:
    from pegboard._cli.main import main

    (new.folder / "script.toml").write_text('[[turn]]\ntext = "Done."\n')
    assert main(["run", "go", "--model", "scripted:script.toml"]) == 0
    said = capsys.readouterr()
    assert said.out == "Done.\n"
    assert said.err.count("not trusted") == 1
    assert not new.marker.exists()


def test_what_a_pack_says_cannot_write_on_the_terminal(terminal: Any) -> None:
    text = "from pegboard import tool\n@tool(name='\\x1b[2Jgone')\ndef f(): 'f'\n"
    info: Path = terminal.install("acme-pack", {"ac\x1b[31mme": "acme_loud"}, trusted=False, acme_loud=text)
    with (info / "METADATA").open("a") as file:
        file.write(f"Requires-Dist: {'x' * 10_000}\n")
    output = terminal.type("plugins", "trust", input="n\n").output
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) < 1_000


def test_a_pack_that_an_environment_has_lost_is_named_once(new: Any, capsys: Any) -> None:
    import shutil

    from pegboard._cli.main import main

    (new.folder / "script.toml").write_text('[[turn]]\ntext = "Done."\n')
    said = []
    for turn in range(3):
        if turn == 1:
            shutil.rmtree(new.info)
        assert main(["run", "go", "--model", "scripted:script.toml"]) == 0
        said.append("`pegboard plugins install acme-pack==1.2`" in capsys.readouterr().err)
    assert said == [False, True, False]
