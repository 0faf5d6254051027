"""A long output: the model reads head and tail, and all of it is in a file."""

from __future__ import annotations

import pytest
from agent_room import assert_whole, results

from pegboard import ResultPatch, hookimpl, tool
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio

LONG = "".join(f"line {number} é\n" for number in range(9_000))


@tool(read_only=True)
async def shout() -> str:
    """Say a lot."""
    return LONG


@tool(read_only=True, max_output=200)
async def mumble() -> str:
    """Say a lot, and be cut early."""
    return LONG


async def test_a_long_output_is_cut_in_the_middle_and_kept_whole():
    async with HostFixture() as host:
        host.load(shout)
        host.load(mumble)
        host.model.script([call("shout"), call("mumble"), call("shout")], "Done.")
        await host.prompt("Go.")
        told = results(host.messages)
        spilled = host.records("spill")
        assert len({record.path for record in spilled}) == 3
        for record in spilled:
            path = host.state_dir / record.path
            assert path.read_text() == LONG
            assert path.stat().st_mode & 0o777 == 0o600
            assert record.characters == len(LONG)
            text = told[record.call].content
            assert record.path in text
            assert text.startswith("line 0")
            assert text.endswith(LONG[-40:])
        assert 30_000 <= len(told["toolu_1_1"].content) <= 30_400
        assert len(told["toolu_1_2"].content) <= 600
        assert_whole(host)


async def test_an_output_at_the_limit_is_left_alone():
    @tool(read_only=True, max_output=100)
    async def exact(length: int) -> str:
        """Say so many characters."""
        return "x" * length

    async with HostFixture() as host:
        host.load(exact)
        host.model.script([call("exact", length=100), call("exact", length=101)], "Done.")
        await host.prompt("Go.")
        told = results(host.messages)
        assert told["toolu_1_1"].content == "x" * 100
        assert "characters left out" in told["toolu_1_2"].content
        assert len(host.records("spill")) == 1


async def test_a_hook_sees_what_the_model_would_read():
    seen = []

    class Look:
        @hookimpl
        def post_tool(self, call, outcome):
            seen.append(len(outcome.result.content))
            return ResultPatch(output="short")

    async with HostFixture() as host:
        host.load(shout)
        host.load(Look)
        host.model.script(call("shout"), "Done.")
        await host.prompt("Go.")
        assert seen[0] < 31_000
        assert results(host.messages)["toolu_1_1"].content == "short"
