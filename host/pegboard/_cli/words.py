"""The words of the command line as far as they can be read without typer, which takes longer than the rest of a start.

`--no-plugins`, because it counts before anything is imported; and `pegboard run` where every word is plain. Help,
completion, abbreviations and mistakes are typer's: what is not plain here goes there, and is told there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

OPTION = "--no-plugins"
COMPLETING = "_PEGBOARD_COMPLETE"
"""The variable by which a shell asks for completions."""
EFFORTS = ("low", "medium", "high", "xhigh", "max")
MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")
SWITCHES = {
    "--continue": "continue_",
    "-c": "continue_",
    "--init": "init",
    "--locked": "locked",
    "--maintenance": "maintenance",
    "--quiet": "quiet",
    "--trust-project-hooks": "trust_project_hooks",
    "-q": "quiet",
}
SHORT = {"-m": "--model", "-o": "--output"}
LISTS = {"--allow": "allow", "--deny": "deny", "--flag": "flag"}


class Output(StrEnum):
    """What `run` prints."""

    TEXT = "text"
    JSON = "json"
    STREAM_JSON = "stream-json"


class Wanted(NamedTuple):
    """What the words of the command line ask for; the names are those of the options."""

    prompt: str | None = None
    model: str = ""
    resume: str = ""
    continue_: bool = False
    max_steps: int | None = None
    max_time: float | None = None
    max_cost: float | None = None
    mode: str = ""
    effort: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    flag: tuple[str, ...] = ()
    output: Output = Output.TEXT
    init: bool = False
    maintenance: bool = False
    quiet: bool = False
    settings: str = ""
    agent: str = ""
    worktree: str = ""
    plugin_dir: tuple[Path, ...] = ()
    trust_project_hooks: bool = False
    locked: bool = False
    cwd: Path | None = None

    @property
    def setup(self) -> list[str]:
        """The triggers of Setup to fire first."""
        return [name for name, wanted in (("init", self.init), ("maintenance", self.maintenance)) if wanted]


class NotPlainError(Exception):
    """A word that typer must read."""


def take_no_plugins(given: Sequence[str]) -> tuple[list[str], str | None]:
    """Take --no-plugins out of the words: its value is optional, and it counts before anything is imported."""
    words: list[str] = []
    found: str | None = None
    rest = iter(given)
    for word in rest:
        if word == "--":
            words += [word, *rest]
        elif word == OPTION:
            found = found or ""
        elif word.startswith(f"{OPTION}="):
            names = word.partition("=")[2]
            found = f"{found},{names}" if found else names
        else:
            words.append(word)
    return words, found


def plain_run(words: Sequence[str], environment: Iterable[str] = ()) -> Wanted | None:
    """Return what plain words want of `run`; None if they are for typer, or for another verb."""
    if words[:1] != ["run"] or COMPLETING in (environment or os.environ):
        return None
    try:
        return _wanted(words[1:])
    except NotPlainError:
        return None


def _wanted(words: Sequence[str]) -> Wanted:
    found: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word in SWITCHES:
            found[SWITCHES[word]] = True
        elif word.startswith("-") and word != "-":
            name, equals, value = word.partition("=")
            name = SHORT.get(name, name) if not equals else name
            if not equals:
                value = next(rest, "-")
            if not value or value[0] in "-=":
                raise NotPlainError
            if name in LISTS:
                found[LISTS[name]] = (*found.get(LISTS[name], ()), value)
            elif name in VALUES:
                key, read = VALUES[name]
                found[key] = read(value)
            else:
                raise NotPlainError
        elif "prompt" in found:
            raise NotPlainError
        else:
            found["prompt"] = word
    return Wanted(**found)


def _count(text: str) -> int:
    if re.fullmatch(r"[1-9][0-9]{0,8}", text) is None:
        raise NotPlainError
    return int(text)


def _amount(text: str) -> float:
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) is None:
        raise NotPlainError
    return float(text)


def _seconds(text: str) -> float:
    seconds = _amount(text)
    if seconds < 0.001:
        raise NotPlainError
    return seconds


def _mode(text: str) -> str:
    if text not in MODES:
        raise NotPlainError
    return text


def _effort(text: str) -> str:
    if text not in EFFORTS:
        raise NotPlainError
    return text


def _output(text: str) -> Output:
    if text not in list(Output):
        raise NotPlainError
    return Output(text)


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise NotPlainError
    return path


VALUES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "--model": ("model", str),
    "--settings": ("settings", str),
    "--resume": ("resume", str),
    "--max-steps": ("max_steps", _count),
    "--max-time": ("max_time", _seconds),
    "--max-cost": ("max_cost", _amount),
    "--mode": ("mode", _mode),
    "--effort": ("effort", _effort),
    "--output": ("output", _output),
    "--cwd": ("cwd", _folder),
}
