"""What the daemon and its clients say to each other: a JSON object per line, a request with an id, its answer."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pegboard import __version__
from pegboard_builtins.memory.events import (
    Event,
    Hit,
    MemoryFailure,
    NotKeptError,
    StoreBusyError,
    UnfitEventError,
)
from pegboard_builtins.memory.lines import event_of, facts_of

PROTOCOL = 1
MAX_LINE = 32_000_000
"""Bytes of one message; who sends more is cut off."""

OPERATIONS: dict[str, tuple[str, str]] = {
    "hello": ("", "`build`, `pid`, `protocol` of the daemon"),
    "put": ("`events`", "their numbers, once they are durable"),
    "search": (
        "`project`, `query`; `limit`, `neighbours`, `worktree`, `origins`, `kinds`",
        "hits: `event`, `score`, `neighbours`",
    ),
    "read": ("`project`; `first`, `last`", "events"),
    "forget": ("`project`; `numbers`, `session`, `match`, `dry_run`", "what is gone, and what was looked through"),
    "shared": ("`project`", "numbers of the events that are the whole project's"),
    "merge": ("`project`, `worktree`", "how many events that were"),
    "reindex": ("`project`", "how many events are indexed"),
    "verify": ("`project` or nothing", "what each project's files look like"),
    "gc": ("`quota`, `retention_days`; `dry_run`", "the segments that had their time"),
    "import": ("", "how many events were in the spool"),
    "status": ("", "what `pegboard memory status --json` prints"),
    "drain": ("", "`pid`; then the daemon finishes and ends"),
}
"""What can be asked: the fields of the request (after a semicolon those that may be left out), and the answer."""

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
KINDS: dict[str, type[MemoryFailure]] = {
    kind.__name__: kind for kind in (MemoryFailure, UnfitEventError, NotKeptError, StoreBusyError)
}


def build() -> list[Any]:
    """Return what the code here is: the protocol, the version, and when the newest of its files was written.

    Lists of it can be compared: the larger one is newer.
    """
    version = [int(part) for part in __version__.split(".") if part.isdigit()]
    newest = max(path.stat().st_mtime_ns for path in Path(__file__).parent.glob("*.py"))
    return [PROTOCOL, version, newest]


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as its line."""
    return _ENCODE(message).encode("utf-8", "replace") + b"\n"


def facts_of_all(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Return events as they are sent."""
    return [facts_of(event, with_project=True) for event in events]


def events_of(facts: Iterable[dict[str, Any]]) -> list[Event]:
    """Return the events that were sent. Raises UnfitEventError."""
    try:
        return [event_of(one) for one in facts]
    except (ValueError, TypeError) as error:
        raise UnfitEventError(f"what was sent is no event: {error}") from None


def hit_facts(hit: Hit) -> dict[str, Any]:
    """Return a hit as it is sent."""
    return {
        "event": facts_of(hit.event, with_project=True),
        "score": hit.score,
        "neighbours": facts_of_all(hit.neighbours),
    }


def hit_of(facts: dict[str, Any]) -> Hit:
    """Return the hit that was sent."""
    return Hit(event_of(facts["event"]), facts["score"], tuple(events_of(facts["neighbours"])))


def error_facts(error: Exception) -> dict[str, Any]:
    """Return an error as it is sent: its kind and its words, never what was to be kept."""
    if isinstance(error, NotKeptError):
        return {"kind": "NotKeptError", "path": str(error.path), "reason": error.reason}
    if isinstance(error, MemoryFailure):
        return {"kind": type(error).__name__, "text": str(error)}
    return {"kind": "MemoryFailure", "text": f"the daemon failed: {type(error).__name__}; see `pegboard memory logs`"}


def error_of(facts: dict[str, Any]) -> MemoryFailure:
    """Return the error that was sent, to be raised."""
    if facts.get("kind") == "NotKeptError":
        return NotKeptError(Path(facts["path"]), facts["reason"])
    kind = KINDS.get(facts.get("kind", ""), MemoryFailure)
    made = kind.__new__(kind)
    Exception.__init__(made, facts.get("text", "the daemon failed"))
    return made


def peer_uid(connection: socket.socket) -> int:
    """Return who is at the other end of a unix socket, as the kernel knows it."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        return int(uid)
    # LOCAL_PEERCRED of macOS and the BSDs: struct xucred, whose second word is the uid
    xucred = connection.getsockopt(0, 1, 76)
    return int(struct.unpack("2i", xucred[:8])[1])


def is_ours(connection: socket.socket) -> bool:
    """Whether the other end belongs to the same user; root may look after everybody's."""
    return peer_uid(connection) in (os.geteuid(), 0)
