"""What a command will start: the program and the script, and whether they are there, known before the spawn."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType

OPERATORS = frozenset("();<>|&\n")
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
UNKNOWABLE = re.compile(r"[`*?\[]|\$")
"""What is left of a word when its variables are known, and still depends on the shell."""
WRAPPERS = frozenset({"exec", "command", "env", "nohup", "time", "nice"})
BUILTINS = frozenset(
    {".", ":", "[", "[[", "{", "}", "!", "alias", "break", "case", "cd", "continue", "declare", "do", "echo", "eval"}
    | {"exit", "export", "false", "fi", "for", "function", "getopts", "hash", "if", "kill", "let", "local", "printf"}
    | {"pwd", "read", "readonly", "return", "set", "shift", "shopt", "source", "test", "then", "times", "trap", "true"}
    | {"type", "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while"}
)

INTERPRETERS: dict[str, tuple[str, str]] = {
    "python": ("cm", "WXQ"),
    "node": ("ep", "r"),
    "bun": ("e", ""),
    "deno": ("", ""),
    "ruby": ("e", "IrC"),
    "perl": ("eE", "I"),
    "php": ("r", "dc"),
    "sh": ("cs", "o"),
    "bash": ("cs", "oO"),
    "zsh": ("cs", "o"),
    "tsx": ("e", ""),
}
"""By name: options after which there is no script file, and options whose next word is a value."""
RUNS_A_FILE = {"bun": "run", "deno": "run", "uv": "run"}
"""Programs with verbs: only this one is followed by a script."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a command starts first. None where only a shell could tell: pipes inside variables, `cd`, `if` and the like.

    `problem` says what is missing and how to mend it; `status` is then what a shell would exit with, None where an
    interpreter would decide. A problem does no harm by itself: what comes after `||` may be meant for it.
    """

    program: Path | None = None
    script: Path | None = None
    problem: str = ""
    status: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that the hook consists of, where they can be told: what consent is given to."""
        return tuple(path for path in (self.script, self.program) if path is not None)


UNKNOWN = Resolution()


def resolve(handler: Handler, *, folder: Path, environment: Mapping[str, str], argv: Sequence[str] = ()) -> Resolution:
    """Return what a command handler starts in *folder*. *argv* are the words of the exec form, placeholders filled."""
    if handler.type is not HandlerType.COMMAND:
        return UNKNOWN
    words = tuple(argv) if handler.args is not None else _known(first_words(handler.command), environment)
    if not words:
        return UNKNOWN
    name = words[0]
    if handler.args is None and name in BUILTINS:
        return UNKNOWN
    program = find_program(name, folder, environment.get("PATH", os.defpath))
    if program is None:
        return Resolution(None, None, _no_program(name, folder), 127)
    problem = _not_runnable(program)
    if problem:
        return Resolution(program, program if "/" in name else None, problem, 126)
    script = script_of(words)
    if script is None:
        own = program if "/" in name else None
        return Resolution(program, own)
    path = folder / script
    if not os.path.exists(path):  # unlike `Path.exists`, this knows a whole program for no file
        return Resolution(program, path, _no_script(name, script, folder))
    return Resolution(program, path)


LANGUAGES = {
    ".py": "python3",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".ts": "tsx",
    ".rb": "ruby",
    ".pl": "perl",
}
"""What runs a program whose name ends so."""


def shebang_problem(script: Path, path: str = "") -> str:
    """Return what is wrong with the first line of a script that was started directly; empty if nothing is.

    With *path*, the folders in which programs are looked for, the program behind `env` is looked for too.
    """
    try:
        with open(script, "rb") as file:
            line = file.readline(256)
    except OSError:
        return ""
    if not line.startswith(b"#!"):
        return _no_shebang(script, line)
    words = os.fsdecode(line[2:]).split()
    if line.endswith(b"\r\n"):
        return f"the first line of {script} ends in a carriage return; write the file with Unix line ends"
    if words and not os.path.exists(words[0]):
        return f"{script} asks for {words[0]} in its first line, which does not exist; use `#!/usr/bin/env NAME`"
    if path and words and os.path.basename(words[0]) == "env":
        if len(words) > 2 and not words[1].startswith("-"):
            return f"the first line of {script} hands env several words, which it takes for one; write `env -S`"
        name = next((word for word in words[1:] if not word.startswith("-") and not ASSIGNMENT.match(word)), "")
        if name and find_program(name, script.parent, path) is None:
            return f"{script} asks for {name!r} in its first line, and there is no such program on PATH; install it"
    return ""


def _no_shebang(script: Path, line: bytes) -> str:
    language = LANGUAGES.get(script.suffix)
    if language is None or b"\0" in line:
        return ""
    return f"{script} has no first line that says what runs it, so sh does; begin it with `#!/usr/bin/env {language}`"


# --- words ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def first_words(command: str) -> tuple[str, ...]:
    """Return the words of a command line's first command, assignments and wrappers left out; empty where in doubt."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    try:
        for word in lexer:
            if not OPERATORS.isdisjoint(word[:1]):
                break
            words.append(word)
    except ValueError:
        return ()
    return tuple(_without_prefix(words))


def _without_prefix(words: list[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        if ASSIGNMENT.match(word) or word in WRAPPERS:
            continue
        if word.startswith("-"):  # an option of a wrapper: what follows may be its value
            return
        yield word
        break
    yield from rest


def _known(words: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words with their variables replaced, up to the first that only a shell understands."""
    found: list[str] = []
    for word in words:
        if "$" in word or "~" in word[:1]:
            word = VARIABLE.sub(lambda match: environment.get(match[1] or match[2], "$"), word)
            if word == "~" or word.startswith("~/"):
                word = environment.get("HOME", "~") + word[1:]
        if UNKNOWABLE.search(word):
            break
        found.append(word)
    return tuple(found)


def script_of(words: Sequence[str]) -> str | None:
    """Return the script file that an interpreter is told to run; None if *words* run no interpreter, or no file."""
    name = re.sub(r"[\d.]+$", "", os.path.basename(words[0]))
    rest = list(words[1:])
    if name in RUNS_A_FILE:
        if RUNS_A_FILE[name] not in rest[:1]:
            return None
        rest = rest[1:]
        if name == "uv":
            return next((word for word in rest if word.endswith(".py") and not word.startswith("-")), None)
    if name not in INTERPRETERS:
        return None
    inline, valued = INTERPRETERS[name]
    skip = False
    for word in rest:
        if skip:
            skip = False
        elif word == "-" or word.startswith(("--eval", "--print")):
            return None
        elif not word.startswith("-"):
            return word
        elif not word.startswith("--") and any(letter in inline for letter in word[1:]):
            return None
        else:
            skip = len(word) == 2 and word[1] in valued
    return None


# --- files ---------------------------------------------------------------------------------------------


def find_program(name: str, folder: Path, path: str) -> Path | None:
    """Return the file that a name starts: by PATH, or in *folder* if it has a slash; None if there is none."""
    if "/" in name:
        found = folder / name
        return found if os.path.exists(found) else None
    known = _on_path(name, path)
    if known is not None and not os.access(known, os.X_OK):
        _on_path.cache_clear()
        known = _on_path(name, path)
    return known


@lru_cache(maxsize=256)
def _on_path(name: str, path: str) -> Path | None:
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return Path(candidate)
    return None


def _no_program(name: str, folder: Path) -> str:
    if "/" not in name:
        return f"there is no program {name!r} on PATH; install it, or write the whole path"
    if os.path.isabs(name):
        return f"{name} does not exist; mend the path"
    return (
        f"{name} does not exist in {folder}, where the hook starts; "
        f'write "$CLAUDE_PROJECT_DIR"/{name.removeprefix("./")}, which does not depend on the working folder'
    )


def _not_runnable(program: Path) -> str:
    if program.is_dir():
        return f"{program} is a folder"
    if not os.access(program, os.X_OK):
        return f"{program} is not executable; `chmod +x {shlex.quote(str(program))}`"
    return ""


def _no_script(name: str, script: str, folder: Path) -> str:
    if os.path.isabs(script):
        return f"{name} is told to run {script}, which does not exist; mend the path"
    return (
        f"{name} is told to run {script}, which does not exist in {folder}, where the hook starts; "
        f'write "$CLAUDE_PROJECT_DIR"/{script.removeprefix("./")}, which does not depend on the working folder'
    )
