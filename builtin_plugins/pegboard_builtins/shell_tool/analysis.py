"""What can be said of a command without running it: little, and nothing in doubt."""

from __future__ import annotations

import re
import shlex

# One plain command: words, quoted or not, and blanks. No operator, redirection, variable, substitution, pattern,
# history sign, brace or comment can be written with these. The repeats give nothing back, so this takes linear time.
# Compiled with the first command, not when a session starts.
PLAIN = r"""(?:[\w@%+,./:=^-]++|'[^']*+'|"[^"$`\\!]*+"|[ \t]++)*+"""

READERS = frozenset(
    {"basename", "cat", "cmp", "cut", "df", "dirname", "du", "egrep", "false", "fgrep", "grep", "head", "id", "ls"}
    | {"nl", "pwd", "readlink", "realpath", "stat", "tail", "true", "uname", "wc", "which", "whoami"}
)
GIT_READERS = frozenset({"blame", "diff", "log", "ls-files", "rev-parse", "show", "status"})

MEANINGS = {
    "grep": "No matches found",
    "egrep": "No matches found",
    "fgrep": "No matches found",
    "rg": "No matches found",
    "diff": "Files differ",
    "cmp": "Files differ",
    "test": "Condition is false",
}


def plain_words(command: str) -> list[str] | None:
    """Return the words of one plain command; None for anything that a shell does more with than run it."""
    if not re.fullmatch(PLAIN, command):
        return None
    words = shlex.split(command)
    return words if words and "=" not in words[0] else None


def only_reads(command: str) -> bool:
    """Whether the command certainly changes nothing, so that it may run beside others."""
    words = plain_words(command)
    if words is None:
        return False
    if words[0] != "git":
        return words[0] in READERS
    return len(words) > 1 and words[1] in GIT_READERS and not any(map(_may_be_output, words[2:]))


def _may_be_output(word: str) -> bool:
    """`--output=FILE` writes, and git takes any beginning of an option for the whole of it."""
    name = word.partition("=")[0]
    return len(name) > 2 and ("--output".startswith(name) or name.startswith("--output"))


def meaning(command: str, status: int) -> str | None:
    """Return what exit status 1 says where it is an answer and no failure; None elsewhere."""
    words = plain_words(command)
    return MEANINGS.get(words[0]) if status == 1 and words else None
