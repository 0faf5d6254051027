"""Skills and commands that say `context: fork`: a sub-agent does them, and its report is what comes back."""

from __future__ import annotations

import pytest
from agents_room import Tools, inside, results, start, started, sub

from pegboard.decisions import Decision
from pegboard.hookspecs import hookimpl
from pegboard.messages import EndReason, Origin, TextBlock, ToolCall
from pegboard.records import SystemRecord, UserLine
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio

SKILL = "---\nname: tidy\ndescription: Tidies up.\ncontext: fork\n{more}---\nTidy $ARGUMENTS up.\n"


def skill(host: HostFixture, more: str = "") -> None:
    host.file("../config/skills/tidy/SKILL.md", SKILL.format(more=more))
    host.builtin("commands")


async def test_a_skill_that_forks_is_done_by_a_sub_agent_and_its_report_is_the_result(host: HostFixture) -> None:
    skill(host)
    host.model.script(call("Skill", skill="tidy", args="the attic"), "done", *sub(call("fetch"), "It is tidy."))
    await host.prompt("Go.")
    (result,) = results(host)
    assert "It is tidy." in str(result.content)
    assert "Tidy the attic up." not in str(result.content)
    assert {Origin.SUBAGENT, Origin.WEB} <= set(result.origins)
    prompt = next(one for one in inside(host) if isinstance(one, UserLine))
    assert "Tidy the attic up." in prompt.message["content"][0]["text"]


async def test_it_is_done_by_the_agent_that_it_names(host: HostFixture) -> None:
    host.settings["agents"] = {"define": {"cleaner": {"description": "d", "prompt": "You clean.", "tools": ["fetch"]}}}
    skill(host, "agent: cleaner\n")
    host.model.script(call("Skill", skill="tidy"), "done", *sub("ok"))
    await host.prompt("Go.")
    assert [one.kind for one in started(host)] == ["cleaner"]
    assert next(one for one in inside(host) if isinstance(one, SystemRecord)).system[0] == "You clean."


async def test_one_that_is_typed_becomes_a_prompt_with_the_report_in_it(host: HostFixture) -> None:
    skill(host)
    host.model.script("Good.", *sub("It is tidy."))
    assert (await host.prompt("/tidy the attic")).text == "Good."
    block = host.messages[0].content[0]
    assert isinstance(block, TextBlock)
    assert "It is tidy." in block.text
    assert Origin.SUBAGENT in block.origins


async def test_one_whose_agent_there_is_not_is_refused_in_words(host: HostFixture) -> None:
    skill(host, "agent: explor\n")
    host.model.script(call("Skill", skill="tidy"), "done", "never")
    await host.prompt("Go.")
    assert results(host)[0].is_error
    assert "Did you mean 'Explore'" in str(results(host)[0].content)
    result = await host.prompt("/tidy")
    assert result.reason is EndReason.REFUSED
    assert "Did you mean 'Explore'" in result.detail


async def test_hooks_see_the_sub_agent_that_a_skill_starts(host: HostFixture, tools: Tools) -> None:
    class NoAgents:
        @hookimpl(guard=True, matcher="Agent")
        def pre_tool(self, call: ToolCall) -> Decision:
            return Decision.deny("no agents here")

    skill(host)
    host.load(NoAgents, "no_agents")
    host.model.script(call("Skill", skill="tidy"), start(), "done", *sub("never"))
    await host.prompt("Go.")
    assert started(host) == []
    assert all("no agents here" in str(result.content) for result in results(host))


async def test_without_the_tool_a_skill_that_forks_says_what_is_missing() -> None:
    async with HostFixture() as host:
        skill(host)
        host.model.script(call("Skill", skill="tidy"), "done")
        await host.prompt("Go.")
        assert "the tool Agent, which would do it, is not in this session" in str(results(host)[0].content)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param("agent: x\n", "`agent` means nothing without", id="an agent without a fork"),
        pytest.param("context: forked\n", "only `fork` means anything", id="a context that there is not"),
    ],
)
async def test_keys_that_cannot_be_meant_are_told_with_their_line(host: HostFixture, more: str, said: str) -> None:
    path = host.file("../config/skills/x/SKILL.md", f"---\nname: x\ndescription: d\n{more}---\nbody\n")
    host.builtin("commands")
    await host.open()
    found = next(each for _, check, each in host.host.health() if check == "commands and skills")
    assert [(one.where, said in one.text) for one in found] == [(f"{path.resolve()}:4", True)]
