"""Whole sessions: a deny of any layer is final, an ask is never silently an allow, and headless runs refuse.

Whatever else is there: hooks that allow, answers that were stored, a judge that allows, modes, and any order.
"""

from __future__ import annotations

import asyncio
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegboard import Decision, Resolution, hookimpl, tool
from pegboard.testing import HostFixture, Options, call

MODES = ["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"]
LAYERS = ["user", "project", "local", "claude", "claude local"]
ran: list[str] = []


@tool
def act(what: str) -> str:
    """Do something."""
    ran.append(what)
    return what


class Allows:
    """A hook that allows everything, as a declared one or a pack's may."""

    @hookimpl
    def pre_tool(self, call):
        return Decision.allow("sure")


class Silent:
    @hookimpl
    def pre_tool(self, call):
        return None


class Yes:
    """Somebody who says yes to every question, for ever, and to every rule that may be."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    @hookimpl(after="*")
    def resolve_ask(self, ask):
        self.asked.append(ask.call.input["what"])
        return Resolution(allow=True, remember="always", rules=("act", *ask.always))


JUDGE = {
    "purpose": "classifier",
    "call": [
        {
            "name": "verdicts",
            "input": {
                "verdicts": [
                    {"call": 1, "verdict": "allow", "category": "routine", "reason": "r", "consent": "do all of it"}
                ]
            },
        }
    ],
}
WORLDS = st.fixed_dictionaries(
    {
        "layer": st.sampled_from(LAYERS),
        "mode": st.sampled_from(MODES),
        "hooks": st.lists(st.sampled_from([Allows, Silent]), max_size=3),
        "names": st.permutations(["a", "m", "z"]),
        "allowed": st.booleans(),
        "judged": st.booleans(),
        "trusted": st.booleans(),
    }
)


def write_rule(host: HostFixture, layer: str, name: str, *, allowed: bool) -> None:
    lists = {name: ["act(what:x)"], **({"allow": ["act"]} if allowed and name != "allow" else {})}
    toml = "[permissions]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lists.items())
    at = {
        "user": host.config_dir / "settings.toml",
        "project": host.project / ".pegboard/settings.toml",
        "local": host.project / ".pegboard/settings.local.toml",
        "claude": host.project / ".claude/settings.json",
        "claude local": host.project / ".claude/settings.local.json",
    }[layer]
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(toml if at.suffix == ".toml" else json.dumps({"permissions": lists}))


async def played(world, rule: str, *, person: bool):
    """Two calls of x and one of y under one rule about x; return what ran, who was asked, and the journal's answers."""
    ran.clear()
    tables = {"flags": {"values": {"auto_mode": world["judged"]}}}
    options = Options(mode=world["mode"], interactive=person)
    yes = Yes()
    async with HostFixture(settings=tables, options=options, trusted=world["trusted"]) as host:
        write_rule(host, world["layer"], rule, allowed=world["allowed"])
        host.builtin("permissions", "auto_mode", "flags")
        host.load(act)
        for hook, name in zip(world["hooks"], world["names"], strict=False):
            host.load(hook, name=name)
        if person:
            host.load(yes, name="person")
        turn = [call("act", what="y"), call("act", what="x"), call("act", what="x")]
        judged = [JUDGE] * 6 if world["judged"] and world["mode"] == "auto" else []
        host.model.script(turn, *judged, "Done.")
        await host.prompt("Please do all of it.")
        return list(ran), yes.asked, host.records("ask")


few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@few
@given(WORLDS)
def test_a_deny_of_any_layer_is_final(world):
    did, asked, _ = asyncio.run(played(world, "deny", person=True))
    assert "x" not in did
    assert "x" not in asked


@few
@given(WORLDS)
def test_an_ask_is_never_silently_an_allow(world):
    did, asked, records = asyncio.run(played(world, "ask", person=True))
    if world["mode"] in ("plan", "dontAsk"):
        assert "x" not in did
        return
    questions = [record for record in records if record.reason and "act(what:x)" in record.reason]
    assert did.count("x") == sum(record.allowed for record in questions) == 2
    assert {record.by for record in questions} <= {"person", "permissions"}  # the second time by the stored answer
    assert asked.count("x") == 1


@few
@given(WORLDS)
def test_a_headless_run_refuses_what_a_person_would_have_been_asked(world):
    with_person, asked, _ = asyncio.run(played(world, "ask", person=True))
    alone, _, _ = asyncio.run(played(world, "ask", person=False))
    assert "x" not in alone
    assert set(alone) <= set(with_person)
    assert not set(asked) & set(alone)
