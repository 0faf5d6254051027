"""Pegboard: an extensibility host for coding agents. This is its thin face: floors 1 to 4, imported when used."""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself takes longer to import than all of `--version`

__version__ = "0.1.0"

_FACE = {
    "decisions": (
        "Answer",
        "Decision",
        "PromptDecision",
        "Resolution",
        "ResultPatch",
        "Skip",
        "StepDecision",
        "Verdict",
    ),
    "declares": ("Declares",),
    "errors": ("PegboardError", "ToolError"),
    "flags": ("Flag", "FlagView", "flag"),
    "messages": (
        "Batch",
        "Message",
        "Origin",
        "Outcome",
        "OutcomeKind",
        "TextBlock",
        "ToolCall",
        "ToolResult",
        "Usage",
    ),
    "requests": (
        "CompactionJob",
        "CompactionResult",
        "Layer",
        "ModelInfo",
        "Request",
        "RequestDraft",
        "RequestPatch",
        "Section",
        "Stability",
        "StreamEvent",
    ),
    "records": ("Event", "Record"),
    "tools": ("Claims", "Tool", "tool"),
    "context": ("Ctx", "Registry"),
    "hookspecs": ("Ask", "State", "hookimpl"),
}
_HOME = {name: module for module, names in _FACE.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> object:
    """Import a word from its home when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'pegboard' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"pegboard.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


if TYPE_CHECKING:
    from pegboard.context import (
        Ctx as Ctx,
    )
    from pegboard.context import (
        Registry as Registry,
    )
    from pegboard.decisions import (
        Answer as Answer,
    )
    from pegboard.decisions import (
        Decision as Decision,
    )
    from pegboard.decisions import (
        PromptDecision as PromptDecision,
    )
    from pegboard.decisions import (
        Resolution as Resolution,
    )
    from pegboard.decisions import (
        ResultPatch as ResultPatch,
    )
    from pegboard.decisions import (
        Skip as Skip,
    )
    from pegboard.decisions import (
        StepDecision as StepDecision,
    )
    from pegboard.decisions import (
        Verdict as Verdict,
    )
    from pegboard.declares import (
        Declares as Declares,
    )
    from pegboard.errors import (
        PegboardError as PegboardError,
    )
    from pegboard.errors import (
        ToolError as ToolError,
    )
    from pegboard.flags import (
        Flag as Flag,
    )
    from pegboard.flags import (
        FlagView as FlagView,
    )
    from pegboard.flags import (
        flag as flag,
    )
    from pegboard.hookspecs import (
        Ask as Ask,
    )
    from pegboard.hookspecs import (
        State as State,
    )
    from pegboard.hookspecs import (
        hookimpl as hookimpl,
    )
    from pegboard.messages import (
        Batch as Batch,
    )
    from pegboard.messages import (
        Message as Message,
    )
    from pegboard.messages import (
        Origin as Origin,
    )
    from pegboard.messages import (
        Outcome as Outcome,
    )
    from pegboard.messages import (
        OutcomeKind as OutcomeKind,
    )
    from pegboard.messages import (
        TextBlock as TextBlock,
    )
    from pegboard.messages import (
        ToolCall as ToolCall,
    )
    from pegboard.messages import (
        ToolResult as ToolResult,
    )
    from pegboard.messages import (
        Usage as Usage,
    )
    from pegboard.records import (
        Event as Event,
    )
    from pegboard.records import (
        Record as Record,
    )
    from pegboard.requests import (
        CompactionJob as CompactionJob,
    )
    from pegboard.requests import (
        CompactionResult as CompactionResult,
    )
    from pegboard.requests import (
        Layer as Layer,
    )
    from pegboard.requests import (
        ModelInfo as ModelInfo,
    )
    from pegboard.requests import (
        Request as Request,
    )
    from pegboard.requests import (
        RequestDraft as RequestDraft,
    )
    from pegboard.requests import (
        RequestPatch as RequestPatch,
    )
    from pegboard.requests import (
        Section as Section,
    )
    from pegboard.requests import (
        Stability as Stability,
    )
    from pegboard.requests import (
        StreamEvent as StreamEvent,
    )
    from pegboard.tools import (
        Claims as Claims,
    )
    from pegboard.tools import (
        Tool as Tool,
    )
    from pegboard.tools import (
        tool as tool,
    )
