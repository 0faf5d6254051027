"""Declared hooks in a whole session: real processes, the scripted model, the host's own loop."""

from __future__ import annotations

import pytest

from pegboard.messages import EndReason, ToolResultBlock
from pegboard.testing import call

pytestmark = pytest.mark.anyio


def specific(event, **facts):
    return {"hookSpecificOutput": {"hookEventName": event, **facts}}


def told(host):
    """All that the model was told: texts and results of user messages."""
    parts = []
    for message in host.messages:
        if message.role == "user":
            for block in message.content:
                parts.append(block.content if isinstance(block, ToolResultBlock) else block.text)
    return "\n".join(map(str, parts))


async def test_a_hook_that_exits_with_2_keeps_a_tool_from_running(project, host_of):
    project.declare({"PreToolUse": [project.hook("guard", exit=2, stderr="no such thing")]})
    async with host_of() as host:
        host.model.script(call("Bash", command="touch ran"), "Done.")
        result = await host.prompt("Go.")
        assert result.reason is EndReason.COMPLETED
        assert "no such thing" in told(host)
        assert not (project.root / "ran").exists()
        (name, sent), *_ = project.seen
        assert (name, sent["hook_event_name"], sent["tool_name"]) == ("guard", "PreToolUse", "Bash")
        assert sent["tool_input"] == {"command": "touch ran"}
        assert list(sent)[:5] == ["session_id", "transcript_path", "cwd", "prompt_id", "permission_mode"]
        [record] = host.records("declared")
        assert (record.event, record.outcome, record.winner) == ("PreToolUse", "deny", record.rows[0].id)
