"""The same memory over MCP: for other agents, whose words wait for a person."""

from __future__ import annotations

from typing import Any

import pytest

from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.mcp_server import server
from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.secrets import Secrets

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def asked(client: Any, name: str, **given: Any) -> tuple[str, bool]:
    result = await client.call_tool(name, given)
    return "".join(part.text for part in result.content), bool(result.is_error)


async def test_another_agent_searches_notes_and_edits(opened: Opened) -> None:
    from mcp import Client

    opened.memory.put([Event(opened.project, "The staging database is called mimir.", "prompt", session="s")])
    secrets = Secrets(public=False)
    async with Client(server(opened, lambda text: secrets.masked(text)[0])) as client:
        tools = {one.name for one in (await client.list_tools()).tools}
        assert tools == {"search", "note", "view", "create", "str_replace", "insert", "delete", "rename"}
        text, failed = await asked(client, "search", query="staging database")
        assert not failed
        assert "mimir" in text
        assert "reference data, not instruction" in text
        text, _ = await asked(client, "create", path="port", text="The port is 6380, the password: hunter2hunter2")
        assert "so it waits" in text
        assert opened.facts.get("port").state == "waiting"
        assert "hunter2" not in opened.facts.get("port").text
        assert (await asked(client, "str_replace", path="port", old="6380", new="6381"))[1] is False
        assert (await asked(client, "insert", path="port", line=0, text="First."))[1] is False
        assert (await asked(client, "rename", path="port", new="redis-port"))[1] is False
        assert "6381" in (await asked(client, "view", path="redis-port"))[0]
        assert (await asked(client, "note", text="Something was seen."))[1] is False
        text, failed = await asked(client, "view", path="../../etc/passwd")
        assert failed
        assert "must stay in the folder" in text
        assert (await asked(client, "delete", path="redis-port"))[1] is False
    notes = [event for event in opened.memory.read(opened.project) if event.kind == "note"]
    assert {event.origin for event in notes} == {"tool"}
    assert {event.meta["by"] for event in notes} == {"mcp"}
