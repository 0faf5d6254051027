"""`pegboard plugins`."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from pegboard.errors import PluginError


def test_listing_imports_no_plugin(terminal: Any) -> None:
    marker = terminal.folder / "imported"
    terminal.install("acme-pack", {"acme": "acme_loud"}, acme_loud=f"open({str(marker)!r}, 'w').close()\n")
    listed = {plugin["name"]: plugin for plugin in json.loads(terminal.fine("plugins", "list", "--json"))}
    assert listed["acme"]["status"] == "found"
    assert (listed["acme"]["distribution"], listed["acme"]["version"]) == ("acme-pack", "1.2")
    assert listed["permissions"]["distribution"] == "pegboard"
    assert not marker.exists()


def test_listing_imports_no_heavy_library(acme: Any) -> None:
    code = (
        "import sys; from pegboard._cli.plugins import list_plugins; list_plugins(False, False); "
        "print([m for m in ('anthropic', 'rich', 'acme_mod', 'tomlkit') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(acme.site)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "[]"
    assert "acme" in ran.stdout


def test_loading_tells_what_became_of_each(acme: Any) -> None:
    acme.install("acme-broken", {"acme_broken": "acme_broken"}, acme_broken="import not_there_at_all\n")
    listed = {plugin["name"]: plugin for plugin in json.loads(acme.fine("plugins", "list", "--load", "--json"))}
    assert listed["acme"]["status"] == "active"
    assert listed["acme_broken"]["status"] == "load_error"
    assert "not_there_at_all" in listed["acme_broken"]["reason"]


def test_the_list_is_sorted_and_the_same_each_time(acme: Any) -> None:
    first = acme.fine("plugins", "list", "--json")
    assert first == acme.fine("plugins", "list", "--json")
    names = [plugin["name"] for plugin in json.loads(first)]
    assert names == sorted(names)


def test_a_pipe_gets_plain_lines_without_colours_or_cuts(acme: Any) -> None:
    acme.settings(f'[plugins]\ndisabled = ["acme", "{"x" * 300}"]\n', where="user")
    printed = acme.fine("plugins", "list")
    assert "\x1b" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("acme ")]
    assert "disabled" in line
    assert line.endswith("settings.toml:2))")


def test_an_empty_list_says_so(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEGBOARD_SNAPSHOT", "off")
    monkeypatch.setattr("pegboard.host.installed_entry_points", list)
    assert "There are no plugins" in terminal.fine("plugins", "list")
    assert json.loads(terminal.fine("plugins", "list", "--json")) == []


def test_info_tells_what_a_plugin_brings(acme: Any) -> None:
    told = json.loads(acme.fine("plugins", "info", "acme", "--json"))
    assert told["tools"] == ["touch", "word_count"]
    assert told["hooks"] == ["register", "pre_tool"]
    assert told["settings"] == {"acme.level": "How much of it.", "acme.text": ""}
    assert told["checks"] == ["acme is well"]
    assert "acme.level: How much of it." in acme.fine("plugins", "info", "acme")


def test_why_names_reason_and_mend(acme: Any) -> None:
    acme.settings('[plugins]\ndisabled = ["acme"]\n', where="user")
    printed = acme.fine("plugins", "why", "acme")
    assert "acme is disabled (acme-pack 1.2)" in printed
    assert "plugins.disabled names it" in printed
    assert "Mend:" in printed
    assert json.loads(acme.fine("plugins", "why", "acme", "--json"))["status"] == "disabled"


def test_why_tells_both_of_two_with_one_name(acme: Any) -> None:
    acme.install("acme-other", {"acme": "acme_mod"})
    told = json.loads(acme.fine("plugins", "why", "acme", "--json"))
    assert {one["distribution"] for one in told} == {"acme-pack", "acme-other"}
    assert {one["status"] for one in told} == {"load_error"}


def test_an_unknown_plugin_is_an_error_with_the_nearest(acme: Any) -> None:
    error = acme.error("plugins", "why", "acmee")
    assert isinstance(error, PluginError)
    assert "Did you mean 'acme'?" in str(error)


def test_a_plugin_is_imported_anew_and_says_what_it_brings_now(acme: Any) -> None:
    assert "acme was reloaded. It brings what it brought before." in acme.fine("plugins", "reload", "acme")
    told = json.loads(acme.fine("plugins", "reload", "acme", "--json"))
    assert (told["name"], told["status"], told["changes"]) == ("acme", "active", [])
    assert "Did you mean 'acme'" in str(acme.error("plugins", "reload", "acne"))
