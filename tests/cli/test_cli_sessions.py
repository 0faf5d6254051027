"""`pegboard sessions`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pegboard.errors import SessionLockedError, UnknownSessionError


def test_sessions_of_this_folder_are_listed_newest_first(acme: Any, tmp_path: Path) -> None:
    first, second = acme.session(prompt="the first"), acme.session(prompt="the second")
    for place, session in enumerate((second, first)):
        (journal,) = [path for path in acme.journals if path.stem == session]
        os.utime(journal, (1_000_000 - place, 1_000_000 - place))
    listed = json.loads(acme.fine("sessions", "list", "--json"))
    assert [info["id"] for info in listed] == [second, first]
    assert [info["prompt"] for info in listed] == ["the second", "the first"]
    assert listed[0]["end"] == "completed"
    printed = acme.fine("sessions", "list")
    assert second in printed
    assert "the first" in printed


def test_sessions_of_other_folders_need_all(acme: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = acme.session()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert json.loads(acme.fine("sessions", "list", "--json")) == []
    assert "There are no sessions of" in acme.fine("sessions", "list")
    assert session in acme.fine("sessions", "list", "--all")
    assert session in acme.fine("sessions", "list", "--cwd", str(acme.folder))


def test_show_has_a_line_for_each_record(acme: Any) -> None:
    session = acme.session()
    (journal,) = acme.journals
    told = json.loads(acme.fine("sessions", "show", session[:8], "--json"))
    assert told["session"]["id"] == session
    assert [record["seq"] for record in told["records"]] == list(range(1, len(journal.read_bytes().splitlines()) + 1))
    printed = acme.fine("sessions", "show", session)
    assert "hello" in printed
    assert len(printed.splitlines()) > len(told["records"])


def test_show_lets_no_escape_sequence_out(acme: Any) -> None:
    session = acme.session(prompt="\x1b[31mred \u202e and \x07bell")
    printed = acme.fine("sessions", "show", session) + acme.fine("sessions", "list") + acme.fine("trace")
    assert "\\x1b[31mred" in printed
    assert not {"\x1b", "\u202e", "\x07"} & set(printed)


def test_a_fork_takes_over_what_came_before(acme: Any) -> None:
    session = acme.session()
    told = json.loads(acme.fine("sessions", "fork", session, "--at", "5", "--json"))
    assert told["parent"] == session
    fork = json.loads(acme.fine("sessions", "show", told["id"], "--json"))
    assert fork["session"]["parent"] == session
    assert [record["seq"] for record in fork["records"]] == [1, 2, 3, 4, 5, 6]
    assert fork["records"][-1]["type"] == "forked"


def test_a_fork_at_a_record_that_is_not_there_makes_no_session(acme: Any) -> None:
    session = acme.session()
    last = len(json.loads(acme.fine("sessions", "show", session, "--json"))["records"])
    problem = acme.error("sessions", "fork", session, "--at", str(last + 1))
    assert f"there is no record {last + 1} in {session}, the last is {last}" in str(problem)
    assert acme.type("sessions", "fork", session, "--at", "0").exit_code == 2
    assert [journal.stem for journal in acme.journals] == [session]
    new = acme.fine("sessions", "fork", session, "--at", str(last)).splitlines()[0]
    records = json.loads(acme.fine("sessions", "show", new, "--json"))["records"]
    assert (records[-1]["parent_seq"], records[-1]["seq"], records[0]["parent_seq"]) == (last, last + 1, last)


def test_removing_takes_all_or_nothing(acme: Any) -> None:
    first, second = acme.session(), acme.session()
    assert isinstance(acme.error("sessions", "rm", first, "not-there"), UnknownSessionError)
    assert len(acme.journals) == 2
    assert json.loads(acme.fine("sessions", "rm", first, second, first[:9], "--json")) == {
        "removed": sorted([first, second])
    }
    assert acme.journals == []


def test_a_session_in_use_is_not_removed(acme: Any) -> None:
    from pegboard._agent.journal import Journal

    session = acme.session()
    (path,) = acme.journals
    journal = Journal(path)
    try:
        assert isinstance(acme.error("sessions", "rm", session), SessionLockedError)
    finally:
        journal.close()
    assert path.exists()


def test_sessions_are_looked_at_without_a_plugin(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    session = acme.session()
    for name in [name for name in sys.modules if name.startswith(("acme", "pegboard_builtins"))]:
        monkeypatch.delitem(sys.modules, name)
    for words in (
        ["sessions", "list"],
        ["sessions", "show", session],
        ["trace"],
        ["why", "last"],
        ["settings", "show"],
    ):
        acme.fine(*words)
    assert not [name for name in sys.modules if name.startswith(("acme", "pegboard_builtins"))]
