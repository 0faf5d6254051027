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
    from pegboard.context import Ctx, Registry
    from pegboard.decisions import (
        Answer,
        Decision,
        PromptDecision,
        Resolution,
        ResultPatch,
        Skip,
        StepDecision,
        Verdict,
    )
    from pegboard.errors import PegboardError, ToolError
    from pegboard.flags import Flag, FlagView, flag
    from pegboard.hookspecs import Ask, State, hookimpl
    from pegboard.messages import (
        Batch,
        Message,
        Origin,
        Outcome,
        OutcomeKind,
        TextBlock,
        ToolCall,
        ToolResult,
        Usage,
    )
    from pegboard.records import Event, Record
    from pegboard.requests import (
        CompactionJob,
        CompactionResult,
        Layer,
        ModelInfo,
        Request,
        RequestDraft,
        RequestPatch,
        Section,
        Stability,
        StreamEvent,
    )
    from pegboard.tools import Claims, Tool, tool
