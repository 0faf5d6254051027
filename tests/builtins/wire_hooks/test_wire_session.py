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


class Flags:
    """Declares what hooks hang from here."""

    from pegboard import flag, hookimpl

    on = flag("hooks.on", True)
    off = flag("hooks.off", False)
    shadow = flag("hooks.shadow", "shadow", choices=("off", "shadow", "warn", "enforce"))

    @hookimpl
    def register(self, registry):
        registry.add_flag(Flags.on, Flags.off, Flags.shadow)


@pytest.mark.parametrize(
    ("entry", "outcome", "status"),
    [
        pytest.param({"flag": "hooks.on"}, "denied", "ran", id="a flag that is on"),
        pytest.param({"flag": "hooks.off"}, "ok", "disabled", id="a flag that is off"),
        pytest.param({"flag": "hooks.of"}, "denied", "ran", id="a flag that nobody declared"),
        pytest.param({"ramp": "hooks.shadow"}, "ok", "ran", id="a ramp in shadow"),
    ],
)
async def test_a_hook_counts_as_far_as_its_flag_says(project, host_of, entry, outcome, status):
    project.declare({"PreToolUse": [{"command": project.hook("h", exit=2, stderr="no"), **entry}]})
    async with host_of() as host:
        host.load(Flags(), name="flags_here")
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert [record.tool.outcome for record in host.records("user") if record.tool] == [outcome]
        [record] = host.records("declared")
        assert record.rows[0].status == status
        shadows = host.records("shadow")
        assert [(one.verdict, one.flag) for one in shadows] == ([("deny", "hooks.shadow")] if "ramp" in entry else [])
        if entry.get("flag") == "hooks.of":
            assert any("Did you mean 'hooks.o" in notice for notice in host.notices)


async def test_a_status_message_is_told_while_its_hook_runs(project, host_of):
    project.declare({"PreToolUse": [{"command": project.hook("h"), "statusMessage": "Looking closely"}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        assert "Looking closely" in host.notices


@pytest.mark.parametrize(("values", "told"), [({}, False), ({"hooks.off": True}, True)], ids=["as declared", "one set"])
async def test_a_hook_is_sent_the_flags_snapshot_where_a_flag_was_set(project, host_of, values, told):
    project.declare({"PreToolUse": [project.hook("h")]})
    settings = {"hooks": {"trust_project": True}, "permissions": {"allow": ["Bash"]}, "flags": {"values": values}}
    async with host_of(settings=settings) as host:
        host.builtin("flags")
        host.load(Flags(), name="flags_here")
        host.model.script(call("Bash", command="true"), "Done.")
        await host.prompt("Go.")
        [(_, sent)] = project.seen
        assert ("flags_snapshot" in sent) is told
        if told:
            assert sent["flags_snapshot"] == host.session.flags.snapshot_id
