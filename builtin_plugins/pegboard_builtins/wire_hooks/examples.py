"""A harmless event of each kind, made up or completed from what somebody says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegboard.errors import PegboardError
from pegboard_builtins.wire_hooks.events import EventRow, row_of
from pegboard_builtins.wire_hooks.inputs import Given, Input

NOBODY = "00000000-0000-4000-8000-000000000000"

INPUTS: dict[str, dict[str, Any]] = {
    "Bash": {"command": "true", "description": "Do nothing"},
    "PowerShell": {"command": "$null"},
    "Write": {"file_path": "{cwd}/example.txt", "content": "hello\n"},
    "Edit": {"file_path": "{cwd}/example.txt", "old_string": "a", "new_string": "b", "replace_all": False},
    "MultiEdit": {"file_path": "{cwd}/example.txt", "edits": [{"old_string": "a", "new_string": "b"}]},
    "NotebookEdit": {"notebook_path": "{cwd}/example.ipynb", "cell_id": "c1", "new_source": "1"},
    "Read": {"file_path": "{cwd}/example.txt"},
    "Glob": {"pattern": "*.txt"},
    "Grep": {"pattern": "hello"},
    "WebFetch": {"url": "http://localhost/", "prompt": "What is there?"},
    "WebSearch": {"query": "hello"},
    "Agent": {"description": "nothing", "prompt": "Do nothing.", "subagent_type": "general-purpose"},
}
"""What the tools of the contract's vocabulary are called with, in an example."""

RESPONSES: dict[str, Any] = {
    "Bash": {"stdout": "", "stderr": "", "interrupted": False, "isImage": False, "noOutputExpected": True},
    "Write": {"type": "create", "filePath": "{cwd}/example.txt", "content": "hello\n", "structuredPatch": []},
    "Read": {"type": "text", "file": {"filePath": "{cwd}/example.txt", "content": "hello\n", "numLines": 1}},
}

_OWN: dict[str, dict[str, Any]] = {
    "SessionStart": {"source": "startup"},
    "Setup": {"trigger": "init"},
    "InstructionsLoaded": {
        "file_path": "{cwd}/CLAUDE.md",
        "memory_type": "Project",
        "load_reason": "session_start",
    },
    "UserPromptSubmit": {"prompt": "Say hello."},
    "UserPromptExpansion": {
        "expansion_type": "slash_command",
        "command_name": "hello",
        "command_args": "",
        "prompt": "/hello",
    },
    "MessageDisplay": {"turn_id": NOBODY, "message_id": NOBODY, "index": 0, "final": True, "delta": "Hello."},
    "PermissionDenied": {"reason": "an example"},
    "PostToolUse": {"duration_ms": 1.0},
    "PostToolUseFailure": {"error": "Exit code 1", "is_interrupt": False, "duration_ms": 1.0},
    "PostToolBatch": {
        "tool_calls": [
            {"tool_name": "Bash", "tool_input": INPUTS["Bash"], "tool_use_id": "toolu_example", "tool_response": ""}
        ]
    },
    "Notification": {"message": "Somebody is wanted", "notification_type": "idle_prompt"},
    "SubagentStart": {"agent_id": "a1", "agent_type": "general-purpose"},
    "SubagentStop": {
        "agent_id": "a1",
        "agent_type": "general-purpose",
        "stop_hook_active": False,
        "agent_transcript_path": "",
        "last_assistant_message": "Hello.",
    },
    "TaskCreated": {"task_id": "1", "task_subject": "Say hello"},
    "TaskCompleted": {"task_id": "1", "task_subject": "Say hello"},
    "TeammateIdle": {"teammate_name": "somebody"},
    "Stop": {"stop_hook_active": False, "last_assistant_message": "Hello."},
    "StopFailure": {"error": "server_error", "last_assistant_message": "API Error: 529"},
    "ConfigChange": {"source": "project_settings", "file_path": "{cwd}/.claude/settings.json"},
    "CwdChanged": {"old_cwd": "{cwd}", "new_cwd": "{cwd}"},
    "DirectoryAdded": {"directory": "{cwd}", "source": "slash_command"},
    "FileChanged": {"file_path": "{cwd}/example.txt", "event": "change"},
    "WorktreeCreate": {"name": "example"},
    "WorktreeRemove": {"worktree_path": "{cwd}/example"},
    "PreCompact": {"trigger": "manual", "custom_instructions": ""},
    "PostCompact": {"trigger": "manual", "compact_summary": "Somebody said hello."},
    "Elicitation": {"mcp_server_name": "example", "message": "Who?", "mode": "form"},
    "ElicitationResult": {"mcp_server_name": "example", "action": "cancel"},
    "SessionEnd": {"reason": "other"},
    "PreModelSwitch": {"from_model": "a", "to_model": "b", "source": "command"},
    "PostModelSwitch": {"from_model": "a", "to_model": "b", "source": "command"},
}


class WrongEventError(PegboardError):
    """What was given is no event of the kind that it should be."""


def example(
    row: EventRow, cwd: Path, *, tool: str = "", tool_input: Mapping[str, Any] | None = None, **fields: Any
) -> Given:
    """Return an event with these fields, all others made up. Raises WrongEventError for a field of a wrong type."""
    facts: dict[str, Any] = {
        "session_id": NOBODY,
        "transcript_path": str(cwd / "transcript.jsonl"),
        "cwd": str(cwd),
        "prompt_id": NOBODY,
        "permission_mode": "default",
        "hook_event_name": row.name,
        **_placed(_OWN.get(row.name, {}), cwd),
    }
    if row.tool:
        name = tool or "Bash"
        facts["tool_name"] = name
        facts["tool_input"] = _placed(INPUTS.get(name, {}), cwd) if tool_input is None else dict(tool_input)
        if row.name != "PermissionRequest":
            facts["tool_use_id"] = "toolu_example"
        if row.name == "PostToolUse":
            facts["tool_response"] = _placed(RESPONSES.get(name, ""), cwd)
    elif tool or tool_input is not None:
        raise WrongEventError(f"{row.name} is about no tool call, so it has no --tool and no --input")
    facts.update(fields)
    return checked(row, facts)


def completed(row: EventRow, facts: Mapping[str, Any], cwd: Path) -> Given:
    """Return an event that somebody gave whole or in part; what is missing is made up."""
    name = facts.get("hook_event_name", row.name)
    if name != row.name:
        raise WrongEventError(f"the event says that it is {name}, and {row.name} was asked for")
    rest = dict(facts)
    tool, given = rest.pop("tool_name", ""), rest.pop("tool_input", None)
    if given is not None and not isinstance(given, dict):
        raise WrongEventError(f"tool_input is {given!r}; it must be an object")
    return example(row, cwd, tool=str(tool), tool_input=given, **rest)


def event_of(facts: Mapping[str, Any]) -> Given:
    """Return an event that was recorded. Raises PegboardError if it says no event that there is."""
    return Given({**facts, "hook_event_name": row_of(str(facts.get("hook_event_name", ""))).name})


def checked(row: EventRow, facts: Mapping[str, Any]) -> Given:
    """Return the event; fields that the contract does not have are let through, those of a wrong type are not."""
    from pydantic import ValidationError

    model: type[Input] = row.input
    try:
        model.model_validate({key: value for key, value in facts.items() if key in model.model_fields})
    except ValidationError as wrong:
        error = wrong.errors()[0]
        place = ".".join(str(part) for part in error["loc"])
        raise WrongEventError(f"{row.name}: {place}: {error['msg']} (it is {error['input']!r:.80})") from None
    return Given(_ordered(model, facts))


def _ordered(model: type[Input], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields in their order on the wire; those that the contract does not know come last."""
    known = [key for key in model.model_fields if key in facts]
    return {key: facts[key] for key in (*known, *(key for key in facts if key not in model.model_fields))}


def _placed(value: Any, cwd: Path) -> Any:
    if isinstance(value, str):
        return value.replace("{cwd}", str(cwd))
    if isinstance(value, Mapping):
        return {key: _placed(inner, cwd) for key, inner in value.items()}
    return [_placed(inner, cwd) for inner in value] if isinstance(value, list) else value
