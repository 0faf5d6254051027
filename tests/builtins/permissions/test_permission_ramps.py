"""Rules that a flag holds back: in shadow they are journaled and decide nothing, and a wrong flag lets them count."""

from __future__ import annotations

import json

import pytest

from pegboard import flag, hookimpl
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


class Flags:
    """Declares the flag that holds the rule."""

    def __init__(self, value):
        self.flag = flag("house.no-touch", value, choices=("off", "shadow", "warn", "enforce"))

    @hookimpl
    def register(self, registry):
        registry.add_flag(self.flag)


@pytest.mark.parametrize(
    ("value", "outcome", "shadows"),
    [
        pytest.param("enforce", "denied", [], id="enforce"),
        pytest.param("warn", "ok", ["deny"], id="warn"),
        pytest.param("shadow", "ok", ["deny"], id="shadow"),
        pytest.param("off", "ok", [], id="off"),
    ],
)
async def test_a_rule_counts_as_far_as_its_flag_says(value, outcome, shadows):
    tables = {"allow": ["Bash"], "deny": ["Bash(touch *)"], "ramps": {"Bash(touch *)": "house.no-touch"}}
    async with HostFixture(settings={"permissions": tables}) as host:
        host.builtin("permissions", "shell_tool")
        host.load(Flags(value), name="house")
        host.model.script(call("Bash", command="touch x"), call("Bash", command="echo y"), "Done.")
        await host.prompt("Go.")
        assert [record.tool.outcome for record in host.records("user") if record.tool] == [outcome, "ok"]
        found = host.records("shadow")
        assert [one.verdict for one in found] == shadows
        assert [(one.by, one.flag) for one in found] == [("permissions: Bash(touch *)", "house.no-touch")] * len(
            shadows
        )
        assert any("would have said deny" in notice for notice in host.notices) is (value == "warn")


async def test_a_rule_with_a_flag_that_nobody_declared_counts_in_full_loudly():
    tables = {"allow": ["Bash"], "deny": ["Bash(touch *)"], "ramps": {"Bash(touch *)": "house.no-tuch"}}
    async with HostFixture(settings={"permissions": tables}) as host:
        host.builtin("permissions", "shell_tool")
        host.load(Flags("off"), name="house")
        host.model.script(call("Bash", command="touch x"), "Done.")
        await host.prompt("Go.")
        assert [record.tool.outcome for record in host.records("user") if record.tool] == ["denied"]
        assert any("'house.no-touch'" in notice for notice in host.notices)


async def test_a_folder_that_is_not_trusted_cannot_hold_a_rule_back():
    async with HostFixture(settings={"permissions": {"allow": ["Bash"]}}, trusted=False) as host:
        host.builtin("permissions", "shell_tool")
        host.load(Flags("off"), name="house")
        folder = host.project / ".pegboard"
        folder.mkdir()
        lines = [
            "[permissions]",
            'deny = ["Bash(touch *)"]',
            f"ramps = {{ {json.dumps('Bash(touch *)')} = 'house.no-touch' }}",
        ]
        (folder / "settings.toml").write_text("\n".join(lines))
        host.model.script(call("Bash", command="touch x"), "Done.")
        await host.prompt("Go.")
        assert [record.tool.outcome for record in host.records("user") if record.tool] == ["denied"]
