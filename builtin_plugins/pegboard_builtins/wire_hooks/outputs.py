"""What a hook may answer: one model per event (hook-contract 1.5, 1.6). One wrong field voids the whole answer.

Unknown keys are tolerated, as the contract tolerates them; `unknown_keys` finds them for `hooks check`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pegboard.errors import did_you_mean


class Specific(BaseModel):
    """`hookSpecificOutput`: `hookEventName` must be the event's own."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)

    hookEventName: str


class Output(BaseModel):
    """What every event understands."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, populate_by_name=True, defer_build=True)

    continue_: bool = Field(default=True, alias="continue", description="false ends the turn after this hook.")
    stopReason: str = Field(default="", description="Why, for the user.")
    suppressOutput: bool = Field(default=False, description="Accepted; has no effect.")
    systemMessage: str = Field(default="", description="A warning for the user.")
    terminalSequence: str = Field(
        default="", description="A title, notification or bell for the terminal of a conversation: OSC 0-2, 9, 99, 777."
    )
    decision: Literal["approve", "block"] | None = None
    reason: str = ""
    hookSpecificOutput: Any = None


class _Context(Specific):
    additionalContext: str = Field(default="", description="Text for the model.")


class PreToolUseSpecific(_Context):
    """About the call."""

    hookEventName: Literal["PreToolUse"]
    permissionDecision: Literal["allow", "deny", "ask", "defer"] = Field(default="allow")
    permissionDecisionReason: str = ""
    updatedInput: dict[str, Any] = Field(default={}, description="Takes the place of the whole input.")


class Behavior(BaseModel):
    """The answer to a permission request."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, defer_build=True)

    behavior: Literal["allow", "deny"]
    message: str = ""
    interrupt: bool = False
    updatedInput: dict[str, Any] = {}
    updatedPermissions: list[dict[str, Any]] = []


class PermissionRequestSpecific(Specific):
    """Whether the call may run."""

    hookEventName: Literal["PermissionRequest"]
    decision: Behavior = Field(default=Behavior(behavior="deny"))


class PermissionDeniedSpecific(Specific):
    """Whether the model may be told to try again."""

    hookEventName: Literal["PermissionDenied"]
    retry: bool = False


class UserPromptSubmitSpecific(_Context):
    """About the prompt. `updatedPrompt` is ours."""

    hookEventName: Literal["UserPromptSubmit"]
    sessionTitle: str = ""
    suppressOriginalPrompt: bool = Field(default=False, description="Keep the prompt out of the message to the user.")
    updatedPrompt: str = Field(default="", description="Takes the prompt's place (Pegboard only).")


class UserPromptExpansionSpecific(_Context):
    """About the expanded prompt."""

    hookEventName: Literal["UserPromptExpansion"]


class PostToolUseSpecific(_Context):
    """About the result. `permissionDecision` is tolerated: published hooks send it here."""

    hookEventName: Literal["PostToolUse"]
    updatedToolOutput: Any = Field(default=None, description="Takes the place of the tool's output.")
    updatedMCPToolOutput: Any = Field(default=None, description="The older word, for MCP tools.")
    classifierContext: str = Field(default="", description="For auto mode's judge, which takes no consent from it.")


class PostToolUseFailureSpecific(_Context):
    """About the failure."""

    hookEventName: Literal["PostToolUseFailure"]


class PostToolBatchSpecific(_Context):
    """About the batch."""

    hookEventName: Literal["PostToolBatch"]


class StopSpecific(_Context):
    """Context lets the turn go on, too."""

    hookEventName: Literal["Stop"]


class SubagentStopSpecific(_Context):
    """Context lets the sub-agent go on, too."""

    hookEventName: Literal["SubagentStop"]


class SessionStartSpecific(_Context):
    """At the session's start."""

    hookEventName: Literal["SessionStart"]
    initialUserMessage: str = Field(default="", description="The first prompt, where none was given.")
    sessionTitle: str = ""
    watchPaths: list[str] | None = None
    reloadSkills: bool = Field(default=False, description="It has put skills in place: they are looked for again.")


class SetupSpecific(_Context):
    """At set-up."""

    hookEventName: Literal["Setup"]


class SubagentStartSpecific(_Context):
    """For the sub-agent."""

    hookEventName: Literal["SubagentStart"]


class CwdChangedSpecific(Specific):
    """Which files to watch from now on; an empty list clears it."""

    hookEventName: Literal["CwdChanged"]
    watchPaths: list[str] | None = None


class FileChangedSpecific(Specific):
    """Which files to watch from now on; an empty list clears it."""

    hookEventName: Literal["FileChanged"]
    watchPaths: list[str] | None = None


class MessageDisplaySpecific(Specific):
    """What is shown instead."""

    hookEventName: Literal["MessageDisplay"]
    displayContent: str | None = None


class PreCompactSpecific(_Context):
    """What the summary must keep (Pegboard only)."""

    hookEventName: Literal["PreCompact"]


class ElicitationSpecific(Specific):
    """The answer in the person's place."""

    hookEventName: Literal["Elicitation"]
    action: Literal["accept", "decline", "cancel"] = "accept"
    content: dict[str, Any] = {}


class ElicitationResultSpecific(Specific):
    """Another answer than the person's."""

    hookEventName: Literal["ElicitationResult"]
    action: Literal["accept", "decline", "cancel"] = "accept"
    content: dict[str, Any] = {}


class WorktreeCreateSpecific(Specific):
    """Where the worktree is."""

    hookEventName: Literal["WorktreeCreate"]
    worktreePath: str = ""


class PreModelSwitchSpecific(Specific):
    """Whether the model may be changed."""

    hookEventName: Literal["PreModelSwitch"]
    permissionDecision: Literal["allow", "deny", "ask"] = "allow"
    permissionDecisionReason: str = ""


class PostModelSwitchSpecific(_Context):
    """For the new model."""

    hookEventName: Literal["PostModelSwitch"]


NO_EFFECT = ("metrics", "rewakeMessage", "rewakeSummary")
BESIDE = frozenset({"async", "asyncTimeout", *NO_EFFECT})
"""Keys of the contract at the top of an answer that `Output` does not have: nobody who writes them has erred."""


def unknown_keys(given: dict[str, Any], specific: type[Specific] | None) -> list[str]:
    """Return the keys of an answer that nobody reads, each with the mend where there is one.

    Those of `hookSpecificOutput` have it and a dot before them.
    """
    known = {field.alias or name for name, field in Output.model_fields.items()} | BESIDE
    fields = list(specific.model_fields) if specific is not None else ["hookEventName"]
    found = [f"{key!r}{_mend(key, known, fields)}" for key in given if key not in known]
    inner = given.get("hookSpecificOutput")
    if isinstance(inner, dict):
        for key in inner:
            if key not in fields:
                hint = " (it belongs at the top)" if key in known else did_you_mean(key, fields).rstrip("?")
                found.append(f"'hookSpecificOutput.{key}'{hint}")
    return found


def _mend(key: str, known: Iterable[str], inner: Iterable[str]) -> str:
    if key in inner:
        return " (it belongs into hookSpecificOutput)"
    return did_you_mean(key, known).rstrip("?")
