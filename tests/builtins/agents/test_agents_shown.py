"""What a person sees of sub-agents: timelines, explanations, lists; and the main thread that is an agent itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents_room import Tools, results, start, started, sub

from pegboard._agent.explaining import explain
from pegboard._agent.store import Store, agents_below
from pegboard._agent.views import timeline
from pegboard.errors import PegboardError, UnknownSessionError
from pegboard.host import Options
from pegboard.messages import EndReason
from pegboard.records import RequestRecord, SystemRecord
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio


async def test_a_timeline_has_the_sub_agent_below_its_call(host: HostFixture) -> None:
    host.model.script(start(), "done", *sub(call("fetch"), "ok"))
    await host.prompt("Go.")
    rows = timeline(host.records())
    (row,) = [one for one in rows if one.kind == "agent"]
    before = [one for one in rows if one.level == 0 and one.seq < row.seq][-1]
    assert (before.kind, before.name) == ("tool", "Agent")
    assert (row.level, row.name, row.decision) == (1, "general-purpose", "completed")
    assert row.id == started(host)[0].session
    assert "2 steps, 1 calls" in row.detail


async def test_a_call_is_explained_with_the_sub_agent_that_it_started(host: HostFixture) -> None:
    host.model.script(start(), "done", *sub("ok"))
    await host.prompt("Go.")
    told = explain(host.records(), "last")
    assert [(one.kind, one.session, one.outcome) for one in told.agents] == [
        ("general-purpose", started(host)[0].session, "completed")
    ]


async def test_a_list_of_sessions_has_no_sub_agents_and_each_is_found_by_its_id(host: HostFixture) -> None:
    host.model.script(start(), "done", *sub(start(), "ok"))
    await host.prompt("Go.")
    store = Store(host.state_dir)
    assert [path.stem for path in store.paths()] == [host.session.session_id]
    found = agents_below(host.session.path)
    assert len(found) == 2, "the sub-agent's own sub-agent lies in its folder"
    for path in found:
        assert store.find(path.stem) == path
        assert store.find(path.stem.removeprefix("agent-")[:12]) == path
    with pytest.raises(UnknownSessionError):
        store.find("agent-nobody")


async def test_a_sub_agent_is_neither_resumed_nor_forked(host: HostFixture) -> None:
    host.model.script(start(), "done", *sub("ok"))
    await host.prompt("Go.")
    path = Path(started(host)[0].journal)
    with pytest.raises(PegboardError, match="is a sub-agent of"):
        host.host.resume(path.stem)
    with pytest.raises(PegboardError, match="is a sub-agent of"):
        host.host.store.fork(path)


async def test_a_session_that_is_removed_takes_its_sub_agents_along(host: HostFixture) -> None:
    host.model.script(start(), "done", *sub("ok"))
    await host.prompt("Go.")
    path = Path(started(host)[0].journal)
    main = host.session.path
    await host._close()
    Store(host.state_dir).remove(main)
    assert not path.exists()


async def test_the_main_thread_can_be_an_agent_and_stays_one(host: HostFixture, tools: Tools) -> None:
    definition = {"description": "Reads.", "prompt": "You read, and no more.", "tools": ["fetch"]}
    host.settings["agents"] = {"define": {"reader": definition}}
    host.options = Options(agent="reader")
    host.model.script(call("change", what="x"), "done", call("change", what="y"), "still")
    assert (await host.prompt("Go.")).reason is EndReason.COMPLETED
    assert next(one for one in host.records() if isinstance(one, SystemRecord)).system[0] == "You read, and no more."
    assert "may not be called now" in str(results(host)[0].content)
    assert host.session.agent_type == "reader"
    assert {one.purpose for one in host.records() if isinstance(one, RequestRecord)} == {"turn"}
    host.options, host._stale = Options(), True
    await host.prompt("And now?")
    assert host.session.agent_type == "reader", "whoever resumes it need not say so again"
    assert tools.changed == []


async def test_a_sub_agent_of_a_main_thread_with_few_tools_has_no_more(host: HostFixture, tools: Tools) -> None:
    definition = {"description": "d", "prompt": "p", "tools": ["fetch", "Agent"]}
    host.settings["agents"] = {"define": {"few": definition}}
    host.options = Options(agent="few")
    host.model.script(start(), "done", *sub(call("change", what="x"), "ok"))
    await host.prompt("Go.")
    assert tools.changed == []
    assert len(started(host)) == 1


async def test_a_session_does_not_begin_as_an_agent_that_nobody_knows(host: HostFixture) -> None:
    host.options = Options(agent="explor")
    host.model.script("never")
    result = await host.prompt("Go.")
    assert result.reason is EndReason.REFUSED
    assert "Did you mean 'Explore'" in result.detail


async def test_without_the_plugin_a_session_does_not_begin_as_an_agent(tmp_path: Path) -> None:
    async with HostFixture(folder=tmp_path, options=Options(agent="Explore")) as host:
        host.model.script("never")
        with pytest.raises(PegboardError, match="no plugin that takes part here knows what the agent 'Explore' is"):
            await host.prompt("Go.")
