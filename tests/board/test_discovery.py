"""Entry points become records, and three switches decide who takes part before anything is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from pegboard._board.discovery import Selection, Status, find_plugins, installed_entry_points
from pegboard._board.order import Tier

MARK = "import sys\nsys.modules.setdefault('board_was_imported', sys)\n"


class Point:
    def __init__(self, name: str, distribution: str = "acme-pack") -> None:
        self.name = name
        self.value = f"{name}_module"
        self.dist: Any = type("Dist", (), {"name": distribution, "version": "1.2"})()


# --- the three switches --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "variable", "disabled", "left"),
    [
        pytest.param(None, None, {}, ["own", "acme", "zoo"], id="none of them"),
        pytest.param("", None, {}, ["own"], id="--no-plugins leaves our own"),
        pytest.param("acme,own", None, {}, ["zoo"], id="--no-plugins=a,b leaves out built-ins too"),
        pytest.param(" acme , ", None, {}, ["own", "zoo"], id="blanks do not count"),
        pytest.param(None, "1", {}, ["own"], id="PEGBOARD_NO_PLUGINS=1"),
        pytest.param(None, "", {}, ["own", "acme", "zoo"], id="an empty variable says nothing"),
        pytest.param(None, "zoo", {}, ["own", "acme"], id="PEGBOARD_NO_PLUGINS=a"),
        pytest.param("acme", "zoo", {}, ["own"], id="option and variable add up"),
        pytest.param(None, None, {"own": "the settings say so"}, ["acme", "zoo"], id="plugins.disabled"),
        pytest.param("", None, {"own": "the settings say so"}, [], id="all of them"),
        pytest.param("nobody", None, {}, ["own", "acme", "zoo"], id="a name that is not there"),
    ],
)
def test_who_takes_part(option: str | None, variable: str | None, disabled: dict[str, str], left: list[str]) -> None:
    points = [Point("zoo", "zoo-pack"), Point("own", "pegboard"), Point("acme")]
    selection = Selection.of(option=option, variable=variable, disabled=disabled)
    records = find_plugins(points, selection)
    assert [record.name for record in records if record.status is Status.FOUND] == left
    assert all(record.reason and record.mend for record in records if record.status is Status.DISABLED)


def test_who_is_left_out_is_told_by_whom() -> None:
    selection = Selection.of(option="a", variable="b", disabled={"c": "plugins.disabled names it (user)"})
    reasons = {record.name: record.reason for record in find_plugins(map(Point, "abc"), selection)}
    assert reasons == {
        "a": "--no-plugins leaves it out",
        "b": "PEGBOARD_NO_PLUGINS leaves it out",
        "c": "plugins.disabled names it (user)",
    }


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        pytest.param({}, Status.ACTIVE, "", id="not left out"),
        pytest.param({"no_plugins": ""}, Status.DISABLED, "--no-plugins", id="--no-plugins"),
        pytest.param({"no_plugins": "x,acme"}, Status.DISABLED, "--no-plugins", id="--no-plugins=a,b"),
        pytest.param(
            {"environment": {"PEGBOARD_NO_PLUGINS": "acme"}}, Status.DISABLED, "PEGBOARD_NO_PLUGINS", id="variable"
        ),
        pytest.param(
            {"tables": {"plugins": {"disabled": ["acme"]}}}, Status.DISABLED, "command line", id="plugins.disabled"
        ),
    ],
)
def test_who_is_left_out_is_not_even_imported(
    make_host: Any, pack: Any, options: dict[str, Any], status: Status, reason: str
) -> None:
    sys.modules.pop("board_was_imported", None)
    with_pack = make_host(pack(MARK), **options).open()
    record = with_pack.board.record("acme")
    assert (record.status, reason in record.reason) == (status, True)
    assert ("board_was_imported" in sys.modules) is (status is Status.ACTIVE)
    sys.modules.pop("board_was_imported", None)


def test_a_folder_without_trust_cannot_switch_a_plugin_off(make_host: Any, pack: Any) -> None:
    host = make_host(pack("x = 1\n"))
    settings = host.cwd / ".pegboard" / "settings.toml"
    settings.parent.mkdir()
    settings.write_text('[plugins]\ndisabled = ["acme"]\n')
    assert host.open().board.record("acme").status is Status.ACTIVE
    assert any("plugins.disabled" in line for line in host.held_back())


# --- records -------------------------------------------------------------------------------------------


def test_our_own_distribution_comes_first_and_others_by_their_name() -> None:
    points = [Point("b", "b-pack"), Point("c", "a-pack"), Point("a", "b-pack"), Point("z", "pegboard")]
    records = find_plugins(points, Selection())
    assert [record.name for record in records] == ["z", "c", "a", "b"]
    assert [record.tier for record in records] == [Tier.HOST, Tier.USER, Tier.USER, Tier.USER]
    assert {record.version for record in records} == {"1.2"}


def test_two_entry_points_of_one_name_are_both_left_out_and_name_both_owners() -> None:
    records = find_plugins([Point("acme", "a-pack"), Point("acme", "b-pack"), Point("zoo")], Selection())
    assert [record.status for record in records] == [Status.LOAD_ERROR, Status.FOUND, Status.LOAD_ERROR]
    for record in records[::2]:
        assert "a-pack 1.2 and b-pack 1.2" in record.reason
        assert record.mend.startswith('give one another name in the settings, [plugins.aliases] "b-pack:acme" = ')
        assert record.mend.endswith("pegboard plugins uninstall b-pack")


def test_a_pack_with_the_name_of_a_built_in_switches_nothing_off() -> None:
    records = find_plugins([Point("permissions", "a-pack"), Point("permissions", "pegboard")], Selection())
    assert [(one.distribution, one.status) for one in records] == [
        ("pegboard", Status.FOUND),
        ("a-pack", Status.LOAD_ERROR),
    ]
    assert records[1].reason == "is shipped by pegboard 1.2 and a-pack 1.2, so that of pegboard 1.2 stands"
    assert records[1].mend.startswith(
        'give one another name in the settings, [plugins.aliases] "a-pack:permissions" = '
    )


def test_an_alias_of_the_settings_lets_two_plugins_of_one_name_live() -> None:
    points = [Point("acme", "a-pack"), Point("acme", "B.Pack"), Point("permissions", "pegboard")]
    aliases = {"b-pack:acme": "acme_b", "a.acme": "no_tool_is_meant", "c:acme": "nobody", "pegboard:permissions": "x"}
    records = find_plugins(points, Selection(), aliases=aliases)
    assert [(one.name, one.point, str(one.status)) for one in records] == [
        ("permissions", "", "found"),  # what guards is called what its rules and settings call it
        ("acme_b", "acme", "found"),
        ("acme", "", "found"),
    ]
    (first, second) = find_plugins(points[:2], Selection(), aliases={"a-pack:acme": "same", "b-pack:acme": "same"})
    assert (first.status, second.status) == (Status.LOAD_ERROR, Status.LOAD_ERROR)
    assert '"a-pack:acme"' in first.mend


def test_a_rival_that_takes_no_part_is_no_rival() -> None:
    records = find_plugins([Point("acme", "pegboard"), Point("acme", "b-pack")], Selection(only_own=True))
    assert [record.status for record in records] == [Status.FOUND, Status.DISABLED]


def test_every_installed_entry_point_is_found_and_none_is_imported() -> None:
    code = (
        "import sys\n"
        "from pegboard._board.discovery import installed_entry_points as found\n"
        "print(sorted({point.name for point in found()}))\n"
        "assert not [name for name in sys.modules if name.startswith('pegboard_builtins')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted({point.name for point in installed_entry_points()}))
