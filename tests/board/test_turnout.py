"""Who takes part in a turn: implementations that are not needed cost nothing, and say for how long."""

from __future__ import annotations

import pytest

from pegboard import Answer, hookimpl
from pegboard.testing import HostFixture

pytestmark = pytest.mark.anyio


class Choosy:
    """Takes part when it is told to."""

    said: object = True
    asked = 0

    @staticmethod
    def when(ctx):
        Choosy.asked += 1
        if isinstance(Choosy.said, BaseException):
            raise Choosy.said
        return Choosy.said

    def __init__(self):
        Choosy.asked = 0
        self.saw = []

    @hookimpl(when=lambda ctx: Choosy.when(ctx))
    def lifecycle(self, event):
        self.saw.append(event.name)
        return Answer(context="heard")


@pytest.mark.parametrize(
    ("said", "saw"),
    [
        pytest.param(True, ["SessionStart", "TurnEnd"], id="True: all of it"),
        pytest.param(False, [], id="False: nothing"),
        pytest.param("TurnEnd|StopFailure", ["TurnEnd"], id="a text: what it matches"),
        pytest.param(ValueError("no"), ["SessionStart", "TurnEnd"], id="a failure: all of it"),
        pytest.param(SystemExit(3), ["SessionStart", "TurnEnd"], id="an exit: all of it"),
    ],
)
async def test_an_implementation_takes_part_as_it_says(said, saw):
    Choosy.said = said
    async with HostFixture() as host:
        plugin = Choosy()
        host.load(plugin)
        host.model.script("Done.")
        await host.prompt("Go.")
        assert plugin.saw == saw


async def test_it_is_asked_anew_at_each_turn():
    Choosy.said = False
    async with HostFixture() as host:
        plugin = Choosy()
        host.load(plugin)
        host.model.script("One.", "Two.")
        await host.prompt("Go.")
        Choosy.said = True
        await host.prompt("Go on.")
        assert plugin.saw == ["TurnEnd"]
        assert Choosy.asked == 3  # once when the session opened
