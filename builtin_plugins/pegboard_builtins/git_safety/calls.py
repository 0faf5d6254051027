"""The calls of git in a shell command, as far as its text tells them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pegboard import shell
from pegboard.shell import Script, Word
from pegboard.shell_filling import filled
from pegboard.shell_wrappers import (
    GIT_VALUES,
    inner_commands,
    inner_scripts,
    name_of,
    plain_words,
    reads_its_script,
)

DEPTH = 4
MAX_WORDS = 20_000
"""Words that all readings of one command may have together."""
SECONDS = 3.0
_WITH_VALUE = GIT_VALUES | {"--exec-path"}
_ELSEWHERE = frozenset({"--git-dir", "--work-tree", "--namespace"})
_ELSEWHERE_BY_NAME = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_NAMESPACE", "GIT_COMMON_DIR", "GIT_INDEX_FILE"})
BUILT_IN = frozenset(
    {
        *("add", "am", "apply", "archive", "bisect", "blame", "cat-file", "cherry-pick", "clone", "config", "describe"),
        *("diff", "difftool", "for-each-ref", "format-patch", "fsck", "grep", "help", "init", "log", "ls-files"),
        *("ls-remote", "ls-tree", "merge", "merge-base", "mv", "notes", "remote", "rev-list", "rev-parse", "revert"),
        *("shortlog", "show", "show-ref", "sparse-checkout", "status", "symbolic-ref", "var", "version"),
        *("branch", "checkout", "checkout-index", "clean", "commit", "fetch", "filter-branch", "gc", "prune", "pull"),
        *("push", "read-tree", "rebase", "reflog", "reset", "restore", "rm", "send-pack", "stash", "submodule"),
        *("switch", "tag", "update-ref", "worktree"),
    }
)
"""Verbs that are git's own: it lets no alias take their place."""
# What is asked about a command that nobody has allowed yet must not run what a repository's settings name.
_SAFELY = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit")


class GitCommand(NamedTuple):
    """One call of git: its verb with all that follows, and the folder in which it happens.

    `settings` are those of its `-c`, `environment` the variables for git that are set beside it. It is `elsewhere` if
    it works on a repository that its folder does not tell.
    """

    verb: str
    words: tuple[str, ...]
    folder: Path
    settings: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    elsewhere: bool = False

    def has(self, *options: str) -> bool:
        """Whether one of the options is given, also among others (`-fd`) or cut short (`--har`)."""
        for word in self.words:
            if word == "--":
                return False
            name = word.partition("=")[0]
            for option in options:
                if option.startswith("--"):
                    if len(name) > 2 and option.startswith(name):
                        return True
                elif re.fullmatch(r"-[A-Za-z]+", word) and option[1] in word:
                    return True
        return False

    @property
    def plain(self) -> list[str]:
        """The words that are no options, as far as that can be told."""
        return [word for word in self.words if not word.startswith("-") or word == "-"]

    def without(self, *options: str) -> list[str]:
        """Return the words that are no options, nor the values of these."""
        found, values = [], False
        for word in self.words:
            if values:
                values = False
            elif word in options:
                values = True
            elif not word.startswith("-") or word == "-":
                found.append(word)
        return found

    def asked(self, *words: str) -> str | None:
        """Ask git about the repository, without changing or running anything; None if it cannot say."""
        return None if self.elsewhere else self._run(words, {})

    def configured(self, *words: str) -> str:
        """Ask git for a setting as this call sees it; empty if there is none."""
        given = [part for setting in self.settings for part in ("-c", setting)]
        return self._run([*given, "config", *words], self.environment) or ""

    def exists(self, ref: str) -> bool:
        """Whether the repository has a ref of this whole name; in doubt it has."""
        return self.elsewhere or self.asked("rev-parse", "--quiet", "--verify", ref) is not None

    def is_commit(self, name: str) -> bool:
        """Whether a word names a commit."""
        return self.asked("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}") is not None

    def _run(self, words: Sequence[str], environment: Mapping[str, str]) -> str | None:
        try:
            done = subprocess.run(
                ["git", *_SAFELY, *words],
                cwd=self.folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired, ValueError):
            return None
        return done.stdout.decode(errors="replace") if done.returncode == 0 else None


class Run(NamedTuple):
    """A program with its words, the folder in which it runs, and the variables for git that are set beside it."""

    words: list[str]
    folder: Path
    environment: Mapping[str, str] = {}
    elsewhere: bool = False


def runs_of(command: str, cwd: Path) -> Iterator[Run]:
    """Go through all programs that a shell command runs, in every reading of it."""
    reading = _Reading()
    script = shell.read(command)
    yield from reading.commands(script, cwd, 0)
    for text in filled(command, script):
        yield from reading.script(text, cwd, 0)


def git_commands(run: Run, *, depth: int = 0) -> Iterator[Run | GitCommand]:
    """Yield what a program does as a call of git, aliases resolved; other programs that it runs as they are."""
    call = _call(run)
    if call is None or depth > DEPTH:
        return
    yield call
    if call.verb == "submodule" and call.plain[:1] == ["foreach"]:
        script = " ".join(word for word in call.words[call.words.index("foreach") + 1 :] if word != "--recursive")
        yield from (inner._replace(elsewhere=True) for inner in runs_of(script, call.folder))
    elif call.verb not in BUILT_IN and re.fullmatch(r"[\w.-]+", call.verb):
        alias = call.configured("--get", f"alias.{call.verb}").strip()
        if alias.startswith("!"):
            yield from runs_of(f"{alias[1:]} {shlex.join(call.words)}", call.folder)
        elif alias:
            before = run.words[: len(run.words) - len(call.words) - 1]
            yield from git_commands(run._replace(words=[*before, *_split(alias), *call.words]), depth=depth + 1)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _call(run: Run) -> GitCommand | None:
    """Return what a call of git does, without git's own options; None for any other program."""
    words, folder, elsewhere = run.words, run.folder, run.elsewhere
    if words[0].rpartition("/")[2] != "git":
        return None
    at, settings = 1, []
    while at < len(words) and words[at].startswith("-"):
        value = words[at + 1] if at + 1 < len(words) else ""
        if words[at] == "-C":
            folder = _inside(folder, value)
        elif words[at] == "-c":
            settings.append(value)
        elsewhere = elsewhere or words[at].partition("=")[0] in _ELSEWHERE
        at += 2 if words[at] in _WITH_VALUE else 1
    if at >= len(words):
        return None
    elsewhere = elsewhere or not _ELSEWHERE_BY_NAME.isdisjoint(run.environment)
    return GitCommand(words[at], tuple(words[at + 1 :]), folder, tuple(settings), run.environment, elsewhere)


class _Reading:
    """Reads scripts within scripts, up to a depth and a size."""

    def __init__(self) -> None:
        self.words = 0

    def script(self, text: str, cwd: Path, depth: int) -> Iterator[Run]:
        """Go through the programs of a script's text."""
        if depth <= DEPTH:
            yield from self.commands(shell.read(text, depth=depth), cwd, depth)

    def commands(self, script: Script, cwd: Path, depth: int) -> Iterator[Run]:
        """Go through the programs of a script; `cd` moves those after it."""
        folder = cwd
        kept: dict[str, str] = {}
        for simple in script.commands:
            words = plain_words(simple.words)
            if len(words) == 2 and words[0].text == "cd":
                folder = _inside(folder, words[1].text)
                continue
            here = {word.assigned: word.text.partition("=")[2] for word in simple.words if word.assigned}
            if not words or name_of(words[0]) in ("export", "declare"):
                kept.update(_for_git(here))
                continue
            yield from self.command(simple.words, folder, {**kept, **_for_git(here)}, depth)
            for redirect in simple.redirects:
                said = redirect.body or (redirect.target.text if redirect.op == "<<<" and redirect.target else "")
                if said and _reads_commands(words):
                    yield from self.script(said, folder, depth + 1)

    def command(self, words: tuple[Word, ...], folder: Path, known: dict[str, str], depth: int) -> Iterator[Run]:
        """Yield a program and all that it runs."""
        words = plain_words(words)
        self.words += len(words)
        if not words or depth > DEPTH or self.words > MAX_WORDS:
            return
        yield Run([word.text for word in words], folder, known)
        if name_of(words[0]) == "git":
            return
        for inner in inner_commands(words):
            yield from self.command(inner, folder, known, depth + 1)
        for script in inner_scripts(words):
            yield from self.script(script.text, folder, depth + 1)


def _reads_commands(words: tuple[Word, ...]) -> bool:
    return reads_its_script(words) or any(map(_reads_commands, inner_commands(words)))


def _for_git(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith("GIT_")}


def _inside(folder: Path, name: str) -> Path:
    try:
        return folder / Path(name).expanduser()
    except RuntimeError:  # ~somebody who is nobody
        return folder / name
