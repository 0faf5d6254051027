"""`pegboard plugins enable|disable`: one file changes, nothing is imported, and what still wins is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pegboard.errors import PluginError, SettingsError

MINE = '# my own\n[plugins]\ndisabled = [\n  "retry", # too eager\n]\n'


def status(terminal: Any, name: str) -> str:
    listed = json.loads(terminal.fine("plugins", "list", "--json"))
    return next(str(one["status"]) for one in listed if one["name"] == name)


def test_a_plugin_goes_and_comes_back(terminal: Any) -> None:
    printed = terminal.fine("plugins", "disable", "retry", "compaction")
    assert f"Written: {terminal.config / 'settings.toml'}" in printed
    assert status(terminal, "retry") == status(terminal, "compaction") == "disabled"
    printed = terminal.fine("plugins", "enable", "retry")
    assert "retry takes part from the next session on." in printed
    assert (status(terminal, "retry"), status(terminal, "compaction")) == ("found", "disabled")
    terminal.fine("plugins", "enable", "compaction")
    assert "disabled" not in (terminal.config / "settings.toml").read_text()


def test_a_pack_that_leaves_at_import_is_switched_off(terminal: Any) -> None:
    terminal.install("acme-pack", {"acme": "acme_exits"}, acme_exits="import os; os._exit(9)\n")
    terminal.fine("plugins", "disable", "acme")
    assert status(terminal, "acme") == "disabled"


def test_comments_stay_and_doing_it_twice_changes_nothing(terminal: Any) -> None:
    path = terminal.settings(MINE, where="user")
    assert "Nothing had to be changed." in terminal.fine("plugins", "disable", "retry")
    terminal.fine("plugins", "disable", "compaction")
    assert path.read_text().startswith("# my own\n")
    assert '"retry", # too eager' in path.read_text()
    assert status(terminal, "retry") == "disabled"


def test_it_is_written_where_the_list_stands_now(terminal: Any) -> None:
    path = terminal.settings('[plugins]\ndisabled = ["retry"]\n')
    terminal.fine("trust", "--yes", str(terminal.folder))
    terminal.fine("plugins", "disable", "compaction")
    assert "compaction" in path.read_text()
    assert not (terminal.config / "settings.toml").exists()


def test_what_another_layer_says_is_named(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEGBOARD_PLUGINS__DISABLED", '["retry"]')
    assert "PEGBOARD_PLUGINS__DISABLED" in str(terminal.error("plugins", "enable", "retry"))
    printed = terminal.fine("plugins", "enable", "retry", "--user")
    assert "retry still takes no part: plugins.disabled names it (environment (PEGBOARD_PLUGINS__DISABLED))" in printed


def test_an_untrusted_folder_cannot_switch_off_and_that_is_said(terminal: Any) -> None:
    printed = terminal.fine("plugins", "disable", "retry", "--project")
    assert "retry still takes part. This folder is not trusted" in printed


def test_an_unknown_name_is_an_error_with_the_nearest(terminal: Any) -> None:
    error = terminal.error("plugins", "disable", "rety")
    assert isinstance(error, PluginError)
    assert "Did you mean 'retry'?" in str(error)
    assert not (terminal.config / "settings.toml").exists()


def test_a_name_that_was_uninstalled_can_be_taken_out_of_the_list(terminal: Any) -> None:
    terminal.settings('[plugins]\ndisabled = ["gone"]\n', where="user")
    [state] = json.loads(terminal.fine("plugins", "enable", "gone", "--json"))
    assert (state["name"], state["status"]) == ("gone", "not installed")


def test_a_file_that_is_no_toml_stays_as_it_is(terminal: Any) -> None:
    path = terminal.settings("[plugins\n", where="user")
    assert isinstance(terminal.error("plugins", "disable", "retry"), SettingsError)
    assert path.read_text() == "[plugins\n"


def test_a_read_only_file_stays_as_it_is(terminal: Any) -> None:
    path = terminal.settings(MINE, where="user")
    path.chmod(0o400)
    assert "read-only" in str(terminal.error("plugins", "disable", "compaction"))
    assert path.read_text() == MINE
