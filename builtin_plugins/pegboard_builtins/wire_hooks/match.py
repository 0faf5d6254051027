"""Which handlers an event is for: the contract's matchers (hook-contract 2.3), and `if`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.handlers import Handler

EXACT = re.compile(r"[A-Za-z0-9_\- ,|]*")
EXACT_NARROW = re.compile(r"[A-Za-z0-9_|]*")
"""Where only `|` parts names, `-`, space and comma make it a regular expression."""

Test = Callable[[str], bool]


def mismatch(handler: Handler, facts: Mapping[str, Any]) -> str:
    """Return why an event is not for a handler, looking at its matcher alone; empty if it is."""
    row = EVENTS[handler.event]
    if not row.matches or handler.matcher in (None, "", "*"):
        return ""
    value = str(facts.get(row.matches, ""))
    if row.name == "FileChanged":
        value = PurePath(value).name
    if matcher_test(handler.matcher or "", row.separators)(value):
        return ""
    return f"the matcher {handler.matcher!r} does not match {value!r}"


def is_pattern(handler: Handler) -> bool:
    """Whether its matcher is a regular expression."""
    row = EVENTS[handler.event]
    if not row.matches or handler.matcher in (None, "", "*"):
        return False
    return exact_names(handler.matcher or "", row.separators) is None


@lru_cache(maxsize=1024)
def matcher_test(matcher: str, separators: str = "|,") -> Test:
    """Return the test for a matcher: names in a list are exact, anything else is a JavaScript-like search.

    One that is no regular expression matches nothing (hook-behaviour, v_invalid_regex); `hooks check` names it.
    """
    names = exact_names(matcher, separators)
    if names is not None:
        return names.__contains__
    try:
        pattern = compiled(matcher)
    except re.error:
        return lambda value: False
    return lambda value: pattern.search(value) is not None


def compiled(matcher: str) -> re.Pattern[str]:
    """Return a matcher's JavaScript pattern as one of ours. Raises re.error."""
    with warnings.catch_warnings():
        # Of what a later Python may take for operations on sets; in JavaScript `[[:alpha:]]` is none.
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(to_python(matcher))


def exact_names(matcher: str, separators: str = "|,") -> frozenset[str] | None:
    """Return the names of an exact matcher, None for a regular expression."""
    narrow = separators == "|"
    if not (EXACT_NARROW if narrow else EXACT).fullmatch(matcher):
        return None
    return frozenset(name.strip() for name in re.split(f"[{re.escape(separators)}]", matcher))


def to_python(pattern: str) -> str:
    """Translate a JavaScript pattern: named groups, `$` for the very end, ASCII classes."""
    pattern = re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", pattern)
    pattern = re.sub(r"\\k<([A-Za-z_]\w*)>", r"(?P=\1)", pattern)
    return "(?a:" + _dollars(pattern) + ")"


def _dollars(pattern: str) -> str:
    """Replace each `$` that is neither escaped nor in a class by \\Z."""
    made, in_class, escaped = [], False, False
    for character in pattern:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "[":
            in_class = True
        elif character == "]":
            in_class = False
        elif character == "$" and not in_class:
            made.append(r"\Z")
            continue
        made.append(character)
    return "".join(made)


def watched_names(handler: Handler) -> tuple[str, ...]:
    """Return the file names that a FileChanged handler's matcher asks to watch: its parts between `|`, as they are."""
    if handler.matcher in (None, ""):
        return ()
    return tuple(part for part in (handler.matcher or "").split("|") if part)
