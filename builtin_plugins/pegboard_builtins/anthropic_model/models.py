"""What is known of Claude models: how much they read, and which of them can be made to call a tool."""

from __future__ import annotations

CONTEXT_WINDOWS = dict.fromkeys(
    (
        "claude-fable-5",
        "claude-fable-5-1",
        "claude-haiku-5-5",
        "claude-opus-4-6",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
    ),
    1_000_000,
) | dict.fromkeys(
    (
        "claude-haiku-4-5",
        "claude-haiku-4-5-20251001",
        "claude-opus-4-5",
        "claude-opus-4-5-20251101",
    ),
    200_000,
)
"""In tokens. A name that is not here counts as the smallest of them."""
