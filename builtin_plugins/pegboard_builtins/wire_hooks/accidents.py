"""Exit code 2 that no author meant: what interpreters, shells and argument parsers print when they give up."""

from __future__ import annotations

import re

_SIGNS = (
    (r"^\S*python[\d.]*: can't open file|^node:internal|^ruby: No such file|^Can't open perl script|^\S*uv: ",
     "its interpreter did not find the program"),
    (r"^(?:\S*/)?(?:sh|bash|dash|zsh)(?::? [-\w]+)*: .*"
     r"(?:[Ss]yntax error|unexpected|[Bb]ad substitution|not found|[Uu]nterminated|No such file|not a valid)",
     "its shell could not run it"),
    (r"^\S+: \d+: (?:\S+: not found$|Syntax error: |Bad substitution)"
     r"|^\S+: line \d+: (?:.*: (?:command not found|unbound variable|bad substitution)$|syntax error|unexpected )",
     "its shell could not run it"),
    (r"^usage: .*\n(?:.*\n)*.*error: ", "a program did not understand its arguments"),
    (r"^(?:grep|egrep|fgrep|rg|sed|awk|jq|ls|diff|find): ", "a program that it calls failed"),
    (r"^error: (?:Failed to spawn|unexpected argument|No interpreter found)", "its launcher failed"),
)  # fmt: skip
SIGNS = tuple((re.compile(pattern, re.MULTILINE), meaning) for pattern, meaning in _SIGNS)


def accident(stderr: str) -> str:
    """Return why exit code 2 was hardly meant, by what was printed with it; empty if nothing speaks against it."""
    head = stderr[:4000]
    for pattern, meaning in SIGNS:
        if pattern.search(head):
            return meaning
    return ""
