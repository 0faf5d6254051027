"""Commands that need no rule: those that plainly only read, and those that are asked about in every mode."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pegboard.shell import Redirect, Word
from pegboard.shell_wrappers import MOVES_BY
from pegboard_builtins.permissions.commands import Analysis, Command
from pegboard_builtins.permissions.paths import is_inside

NOTHING_FORBIDDEN = re.compile(r"(?!)")
READERS: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(
        ("basename", "cat", "cmp", "cut", "dirname", "du", "echo", "false", "head", "id"),
        NOTHING_FORBIDDEN,
    ),
    **dict.fromkeys(
        ("[", "break", "continue", "exit", "return", "shift", "sleep", "seq", "test"),
        NOTHING_FORBIDDEN,
    ),
    "printf": re.compile(r"-v.*"),
    **dict.fromkeys(
        ("ls", "nl", "pwd", "readlink", "realpath", "stat", "tail", "tr", "true", "wc", "which", "whoami", ":"),
        NOTHING_FORBIDDEN,
    ),
    "cd": re.compile(r"-.*"),
    "date": re.compile(r"(?!\+|-u$).*", re.DOTALL),
    # What follows symbolic links while it searches may leave the workspace.
    "diff": re.compile(r"-[a-zA-Z]*[lr].*|--pag.*|--rec.*"),
    **dict.fromkeys(("egrep", "fgrep", "grep"), re.compile(r"-[a-zA-Z]*R.*|--deref.*")),
    "rg": re.compile(r"--pre.*|--host.*|--search-zip|--follow|-[a-zA-Z]*[zL].*"),
    "sort": re.compile(r"-(?!-)[^k]*[oT].*|--(?:o|co|te|f).*"),
    "uname": re.compile(r"(?!-).*", re.DOTALL),
}
"""Commands that only read, and the arguments with which they do more."""

GIT_READERS: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("blame", "describe", "diff", "log", "ls-files", "rev-parse", "shortlog", "show"), re.compile("")),
    "status": re.compile(""),
    "branch": re.compile(r"(?:-a|-r|-v|-vv|--all|--remotes|--list|--show-current)?(?: (?:-a|-r|-v|-vv))*"),
    "remote": re.compile(r"(?:-v|--verbose)?"),
    "tag": re.compile(r"(?:-l|--list)?"),
    "stash": re.compile(r"list"),
}
"""Sub-commands of git that only read; where a pattern is not empty, all of their arguments must match it."""
GIT_FORBIDDEN = re.compile(r"--(?:ou|op|ex|te|no-i|pag).*|-O.*")

PROTECTED = frozenset({".git", ".pegboard", ".claude", ".hg", ".svn"})
"""Folders whose files decide what runs later; neither a mode nor a redirection under a broad rule writes there."""

SAY_ONLY = frozenset({"echo", "printf", "true", "false", "basename", "dirname", "which", "break", "continue", "exit"})
"""Readers that open none of the files that they are given."""
MOVERS = frozenset({"cd", "pushd", "popd"})
REDEFINED = frozenset({*MOVERS, *READERS, "git", "[", "test", "command", "builtin"})
"""Commands that are taken for what they are: a function of that name makes them something else."""
HARMLESS_TARGETS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"})
HARMLESS_VARIABLES = frozenset(
    {
        *("CI", "COLUMNS", "DEBUG", "FORCE_COLOR", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LINES", "NO_COLOR"),
        *("NODE_ENV", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "RUST_BACKTRACE", "RUST_LOG"),
        *("TERM", "TZ", "VERBOSE"),
    }
)
"""Variables that an allow rule may have in front of its command: none of them chooses what runs."""


def is_plainly_reading(command: Command, bases: Sequence[str], readable: Sequence[str]) -> bool:
    """Whether a command is on the short list, with nothing in it that could make it do more or look elsewhere."""
    words = command.words
    if not words or command.assigned or not quiet_redirects(command.redirects):
        return False
    name, arguments = words[0].text, words[1:]
    # What costs least comes first: most commands are on no list at all.
    if name == "git":
        if not _git_reads(arguments) or not all(_is_of_one_repository(base, bases[0]) for base in bases[1:]):
            return False
    elif name not in READERS or any(READERS[name].fullmatch(word.text) for word in arguments):
        return False
    tests = name in ("[", "test") and not any(word.text in ("-v", "-R") for word in words)
    if not tests and any(_has_surprises(word, name) for word in words):
        return False
    if tests or name in SAY_ONLY:
        return True
    return all(_stays_inside(word.text, base, readable) for word in arguments for base in bases)


def folders_of(analysis: Analysis, cwd: str) -> list[str] | None:
    """Return every folder in which a part of the command may run; None if that cannot be told."""
    if MOVERS.isdisjoint(analysis.names) and MOVES_BY.keys().isdisjoint(analysis.names):
        return [cwd]
    changes = [command for command in analysis.commands if any(map(_moves, command.runs))]
    if not changes:
        return [cwd]
    words = changes[0].words
    if len(changes) > 1 or len(words) != 2 or words[0].text != "cd":
        return None
    if words[1].certain is not None or words[1].raw.startswith(("~", "-")):
        return None
    return [cwd, os.path.join(cwd, words[1].text)]


def _moves(words: Sequence[Word]) -> bool:
    """Whether what follows, or what a wrapper runs, is done in another folder."""
    options = MOVES_BY.get(words[0].text.rpartition("/")[2])
    if options is None:
        return words[0].text in MOVERS
    return any(word.text.startswith(options) for word in words[1:])


def quiet_redirects(redirects: Sequence[Redirect]) -> bool:
    """Whether the redirections write and read no file; a here-document is quiet where nothing in it is expanded."""
    return all(_is_quiet(redirect) for redirect in redirects)


def _is_quiet(redirect: Redirect) -> bool:
    target = redirect.target
    if target is None:
        return "$" not in redirect.body and "`" not in redirect.body
    if target.certain is not None:
        return False
    if redirect.op in (">&", "<&") and re.fullmatch(r"\d+-?|-", target.text):
        return True
    return redirect.op == "<<<" or target.text in HARMLESS_TARGETS


def redirects_stay_inside(redirects: Sequence[Redirect], bases: Sequence[str], workspace: Sequence[str]) -> bool:
    """Whether every redirection is quiet, or names a file in the workspace that decides nothing."""
    for redirect in redirects:
        if redirect.target is None or redirect.op == "<<<" or quiet_redirects((redirect,)):
            continue
        target = redirect.target
        if target.certain is not None or "~" in target.raw:
            return False
        for base in bases:
            real = os.path.realpath(os.path.join(base, target.text))
            if not is_inside(real, workspace) or (redirect.op != "<" and is_protected(real, workspace)):
                return False
    return True


def is_protected(path: str, workspace: Sequence[str]) -> bool:
    """Whether a path of the workspace lies in a folder whose files decide what runs later."""
    return any(
        not PROTECTED.isdisjoint(path[len(folder) :].split("/")) for folder in workspace if is_inside(path, (folder,))
    )


def _has_surprises(word: Word, name: str) -> bool:
    """Whether the shell may turn the word into something else; names matched in a folder are no surprise to ls."""
    if "~" in word.raw and re.search(r"(?:^|[=:])~", word.raw):
        return True
    if word.certain is None:
        return False
    return name not in ("ls", "echo") or re.fullmatch(r"(?:[\w./+-]*/)?[\w*?+-][\w.*?+-]*", word.raw) is None


def _git_reads(arguments: Sequence[Word]) -> bool:
    texts = [word.text for word in arguments]
    if texts[:1] == ["--no-pager"]:
        texts = texts[1:]
    if not texts or texts[0] not in GIT_READERS:
        return False
    allowed, rest = GIT_READERS[texts[0]], texts[1:]
    if any(GIT_FORBIDDEN.fullmatch(text) for text in rest):
        return False
    return not allowed.pattern or allowed.fullmatch(" ".join(rest)) is not None


def _is_of_one_repository(folder: str, cwd: str) -> bool:
    """Whether git reads the same configuration in *folder* as in *cwd*: it names programs that git runs."""
    real, top = os.path.realpath(folder), os.path.realpath(cwd)
    if not is_inside(real, (top,)):
        return False
    while real != top:
        if os.path.lexists(os.path.join(real, ".git")) or os.path.lexists(os.path.join(real, "HEAD")):
            return False
        real = os.path.dirname(real)
    return True


def _stays_inside(text: str, base: str, readable: Sequence[str]) -> bool:
    """Whether an argument, or the value of an option, is no path that leaves the readable folders."""
    if text.startswith("-"):
        if "=" not in text:
            return text.startswith("--") or "/" not in text
        text = text.partition("=")[2]
    return not text or is_inside(os.path.realpath(os.path.join(base, text)), readable)


# --- what is asked about in every mode -----------------------------------------------------------------

CRITICAL = frozenset({"rm", "dd"})
_WHOLE_DISKS = re.compile(r"of=/dev/(?:sd|hd|vd|nvme|disk|mmcblk).*")


def critical(analysis: Analysis, bases: Sequence[str], project: Path) -> str | None:
    """Return what is irreparable about a command in any of these folders, such as `rm -rf /`; None if nothing is."""
    if CRITICAL.isdisjoint(analysis.names) and "mkfs" not in analysis.said:
        return None
    for command in analysis.commands:
        for words in command.runs:
            name = words[0].text.rpartition("/")[2]
            if name == "rm" and any(_removes_too_much(words[1:], base, project) for base in bases):
                return " ".join(word.raw or word.text for word in words)
            if name.startswith("mkfs") or (name == "dd" and any(_WHOLE_DISKS.fullmatch(w.text) for w in words)):
                return " ".join(word.raw or word.text for word in words)
    return None


def _removes_too_much(arguments: Sequence[Word], cwd: str, project: Path) -> bool:
    options = [word.text for word in arguments if word.text.startswith("-")]
    if "--no-preserve-root" in options:
        return True
    recursive = any(re.fullmatch(r"-[a-zA-Z]*[rR][a-zA-Z]*|--r.*", option) for option in options)
    return recursive and any(
        _is_vital(word, cwd, project) for word in arguments if not word.text.startswith("-") and word.text
    )


def _is_vital(word: Word, cwd: str, project: Path) -> bool:
    """Whether a target is the root, a folder right below it, the home, the project, the working folder, or above."""
    text = re.sub(r"^\$(?:HOME\b|\{HOME\})", "~", word.text)
    stripped = re.sub(r"(?:^|/)(?:\*|\.\*|\.)?$", "", text)
    if word.certain is not None and re.fullmatch(r"\$(?:\w+|\{[^}]*\})", stripped) and stripped != text:
        return True  # `$X/` and `$X/*`: where X is empty, that is everything
    if text.startswith("/") and not stripped:
        return True
    target = os.path.realpath(os.path.join(cwd, os.path.expanduser(stripped)))
    if target.count("/") <= 1:
        return True
    lies_in_it = [os.path.realpath(Path.home()), os.path.realpath(project), os.path.realpath(cwd)]
    return any(is_inside(path, (target,)) for path in lies_in_it)
