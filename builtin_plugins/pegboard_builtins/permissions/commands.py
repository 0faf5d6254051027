"""A Bash command as rules see it: each simple command with every form in which a rule may meet it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, lru_cache

from pegboard.shell import MAX_DEPTH, Redirect, Script, Simple, Word, read
from pegboard.shell_filling import filled
from pegboard.shell_wrappers import (
    WRAPPERS,
    changes_what_words_mean,
    inner_commands,
    inner_scripts,
    interprets_its_input,
    joined,
    name_of,
    plain_words,
    reads_its_script,
    runs_what_it_reads,
)
from pegboard.typed import dataclass
from pegboard_builtins.permissions.written import runs_its_own

MAX_WORDS = 40_000
"""Words that all readings of one command may have together; who needs more is hiding something."""


_NAME = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Form:
    """One reading of a command. The shell may change all of `text` after `certain` characters (None: nothing)."""

    text: str
    certain: int | None = None


@dataclass(frozen=True)
class Command:
    """A simple command.

    `forms` is every reading, undressed in all ways, for deny and ask rules. `words` is the command itself without
    harmless wrappers, for allow rules; `assigned` what is set in front of it. `scripts` are those that it runs with
    `sh -c` where they can be read, `runs` the word lists of every reading, `within` the redirections of all scripts.
    """

    simple: Simple
    words: tuple[Word, ...]
    assigned: tuple[str, ...]
    forms: tuple[Form, ...]
    runs: tuple[tuple[Word, ...], ...]
    script: Analysis | None = None
    within: tuple[Redirect, ...] = ()

    @cached_property
    def said(self) -> str:
        """Every reading of it, and it as it is written."""
        return "\n".join((self.simple.raw, *(form.text for form in self.forms), *(word.text for word in self.words)))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every run of letters and digits in it."""
        return names_in(self.said)

    @cached_property
    def readings(self) -> tuple[Form, ...]:
        """How allow rules see it: as it is written, and without harmless wrappers; each word stays one word."""
        written = self.simple.words[len(self.assigned) :]
        return tuple(map(_kept_apart, [written] if written == self.words else [written, self.words]))

    @property
    def redirects(self) -> tuple[Redirect, ...]:
        """Its redirections."""
        return self.simple.redirects

    @property
    def uncertain(self) -> bool:
        """Whether the shell may change one of its words."""
        return any(word.certain is not None for word in self.simple.words)


@dataclass(frozen=True)
class Analysis:
    """A whole command. `problems` are what could not be followed; `forms` every reading of every command in it."""

    source: str
    commands: tuple[Command, ...]
    problems: tuple[str, ...]
    substitutes: bool
    forms: tuple[Form, ...]
    functions: frozenset[str] = frozenset()
    """Names that the command itself defines: what they run is among the commands."""
    runs_its_own: bool = False
    """Whether it runs a file that it has written itself, so that what it says anywhere may be run."""

    @cached_property
    def said(self) -> str:
        """All that is said in it, one after another: every reading, every word, every text that is fed to a program."""
        return "\n".join((self.source, *(form.text for form in self.forms), *_texts_of(self.commands)))

    @cached_property
    def names(self) -> frozenset[str]:
        """Every run of letters and digits in all that is said."""
        return names_in(self.said)

    @cached_property
    def begun(self) -> tuple[str, ...]:
        """The beginnings of readings that only a shell could finish."""
        return tuple(dict.fromkeys(form.text[: form.certain] for form in self.forms if form.certain is not None))


def _texts_of(commands: tuple[Command, ...]) -> Iterator[str]:
    for command in commands:
        for words in (command.simple.words, *command.runs):
            yield from (word.text for word in words)
        for redirect in (*command.redirects, *command.within):
            yield redirect.body
            if redirect.target is not None:
                yield redirect.target.text


@lru_cache(maxsize=128)
def analyse(source: str) -> Analysis:
    """Read a command as far as it can be read without running it."""
    script = read(source)
    analysis = _analysed(source, script, 0)
    guesses = filled(source, script, piped=analysis.runs_its_own)
    if not guesses:
        return analysis
    forms = dict.fromkeys((*analysis.forms, *(form for text in guesses for form in _analyse(text, 1).forms)))
    return replace(analysis, forms=tuple(forms))


def _analyse(source: str, depth: int) -> Analysis:
    return _analysed(source, read(source, depth=depth), depth)


def _analysed(source: str, script: Script, depth: int) -> Analysis:
    problems = list(script.problems)
    commands = tuple(_read(simple, problems, depth) for simple in script.commands)
    forms = dict.fromkeys((Form(source.strip()), *(form for command in commands for form in command.forms)))
    functions = frozenset(script.functions)
    redirects = [redirect for command in commands for redirect in (*command.redirects, *command.within)]
    own = runs_its_own([run for command in commands for run in command.runs], redirects)
    return Analysis(source, commands, tuple(dict.fromkeys(problems)), script.substitutes, tuple(forms), functions, own)


def _read(simple: Simple, problems: list[str], depth: int) -> Command:
    undressing = _Undressing(problems, fed=any(redirect.op in ("<<", "<<-", "<<<") for redirect in simple.redirects))
    undressing.add(simple.words, depth)
    assigned = tuple(word.assigned or "" for word in simple.words[: len(simple.words) - len(plain_words(simple.words))])
    words = without_harmless(plain_words(simple.words))
    for redirect in simple.redirects:
        if redirect.body and any(reads_its_script(run) for run in undressing.runs):
            undressing.add_script(Word(redirect.body, "", None), depth)
        elif redirect.op == "<<<" and redirect.target and any(reads_its_script(run) for run in undressing.runs):
            undressing.add_script(redirect.target, depth)
    forms = dict.fromkeys(undressing.forms)
    if simple.raw:
        forms.setdefault(Form(simple.raw, None))
    script, within = _script_of(words, depth), tuple(undressing.redirects)
    return Command(simple, words, assigned, tuple(forms), tuple(undressing.runs), script, within)


class _Undressing:
    """Collects every reading of one command. *fed* says that a text of this source is what it reads."""

    def __init__(self, problems: list[str], *, fed: bool = False) -> None:
        self.problems = problems
        self.fed = fed
        self.redirects: list[Redirect] = []
        self.forms: list[Form] = []
        self.runs: list[tuple[Word, ...]] = []
        self.words = 0

    def add(self, words: tuple[Word, ...], depth: int) -> None:
        """Add a command and all that it runs."""
        self.words += len(words)
        if depth > MAX_DEPTH or self.words > MAX_WORDS:
            self.problems.append("the command is wrapped too deeply")
            return
        self.problems += _odd_settings(words)
        words = plain_words(words)
        if not words:
            return
        self.runs.append(words)
        self.forms.append(form_of(words))
        name = name_of(words[0])
        if name != words[0].text:
            certain = words[0].certain
            if certain is not None:
                certain = max(0, certain - (len(words[0].text) - len(name)))
            self.forms.append(form_of((Word(name, name, certain), *words[1:])))
        if changes_what_words_mean(words):
            self.problems.append(f"{name} changes what the words after it mean")
        if reads_its_script(words) or (interprets_its_input(words) and not self.fed):
            self.problems.append(f"{name} takes its commands from where they cannot be read")
        if runs_what_it_reads(words):
            self.problems.append(f"{name} runs commands that are put together while running")
        for inner in inner_commands(words):
            self.add(inner, depth + 1)
        for script in inner_scripts(words):
            self.add_script(script, depth + 1)

    def add_script(self, script: Word, depth: int) -> None:
        """Add all commands of a script."""
        if script.certain is not None:
            self.problems.append("a script that is put together while running")
        inner = _analyse(script.text, depth + 1)
        self.problems += inner.problems
        for command in inner.commands:
            self.forms += command.forms
            self.runs += command.runs
            self.redirects += (*command.redirects, *command.within)


def _odd_settings(words: tuple[Word, ...]) -> Iterator[str]:
    """Yield what is odd about variables that are set: some name commands that run before all others."""
    for word in words:
        name = word.assigned or ""
        if name == "BASH_ENV" or (name.startswith("GIT_CONFIG") and not word.text.endswith("=/dev/null")):
            yield f"{name} names commands that are not here"


def form_of(words: tuple[Word, ...]) -> Form:
    """Return the words as one text."""
    whole = joined(words)
    return Form(whole.text.rstrip(" ") if whole.certain is not None else whole.text, whole.certain)


def names_in(text: str) -> frozenset[str]:
    """Return the runs of letters and digits in a text."""
    return frozenset(_NAME.findall(text))


def _kept_apart(words: tuple[Word, ...]) -> Form:
    form = form_of(words)
    return form if form.certain is not None else Form(quoted(words))


def quoted(words: tuple[Word, ...]) -> str:
    """Return the words as one text in which each stays one word."""
    return " ".join(word.text if word.certain is not None else shlex.quote(word.text) for word in words)


def without_harmless(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return a command without the wrappers that give it no further power."""
    while words:
        wrapper = WRAPPERS.get(words[0].text)
        if wrapper is None or not wrapper.harmless:
            return words
        readings = list(inner_commands(words))
        if len(readings) != 1 or any(word.certain is not None for word in words[: len(words) - len(readings[0])]):
            return words
        words = readings[0]
    return words


def _script_of(words: tuple[Word, ...], depth: int) -> Analysis | None:
    """Return the script of a plain `bash -c SCRIPT`; None for all that is dressed in another way."""
    if len(words) != 3 or words[0].text not in ("sh", "bash") or words[1].text not in ("-c", "-lc"):
        return None
    if words[2].certain is not None or depth > 3:
        return None
    return _analyse(words[2].text, depth + 1)
