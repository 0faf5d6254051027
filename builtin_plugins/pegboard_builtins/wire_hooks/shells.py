"""Shell texts that the shell which gets them cannot read. It runs nothing but `sh -n`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pegboard_builtins.wire_hooks.handlers import Handler
from pegboard_builtins.wire_hooks.remarks import Remark

BASHISMS = (
    (r"\[\[", "[[ ... ]]"),
    (r"<<<", "<<<"),
    (r"(?<!\d)[<>]\(", "process substitution"),
    (r"&>", "&>"),
    (r"\$\{\w+(?:\^\^?|,,?|//?[^}]*)\}", "${x//y}, ${x^^} and the like"),
    (r"\bset -[a-z]*o pipefail\b", "pipefail"),
    (r"(?m)(?:^|[;&\s])(?:declare|local -[aA]|shopt|mapfile|readarray)\b", "declare, shopt and the like"),
    (r"(?m)(?:^|[;\s])\w+=\(", "arrays"),
    (r"\[ [^\]]* == ", "== in [ ]"),
    (r"\$'", "$'...'"),
    (r"(?m)^\s*function \w+", "function NAME"),
)


def shell_command(command: str, *, bash: bool) -> Iterator[Remark]:
    """Look at a command of the shell form, which `sh` runs unless the entry says `shell`."""
    yield from _unquoted(command)
    if bash:
        return
    used = bashism(command)
    problem = _unreadable(command)
    if problem or used:
        words = f"sh cannot read this: {problem}" if problem else f"`sh` runs this, and {used} is of bash alone"
        yield Remark("bash under sh", words, 'Say "shell": "bash", or write it for sh.', sure=bool(problem))


def bashism(text: str) -> str:
    """Return what of a shell text only bash understands, in words; empty if nothing is."""
    plain = re.sub(r"'[^']*'", "''", text)
    plain = re.sub(r"(?m)(^|\s)#.*$", "", plain)
    inner = re.search(r"\b(?:bash|zsh) -\w*c\b", plain)
    return "" if inner else next((what for pattern, what in BASHISMS if re.search(pattern, plain)), "")


def _unreadable(command: str) -> str:
    try:
        done = subprocess.run(
            ["/bin/sh", "-n", "-c", command],
            capture_output=True,
            text=True,
            timeout=5,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stderr.strip().partition("\n")[0] if done.returncode else ""


def _unquoted(command: str) -> Iterator[Remark]:
    quote = ""
    place = 0
    while place < len(command):
        here = command[place]
        if here == "\\" and quote != "'":
            place += 2
            continue
        if quote:
            quote = "" if here == quote else quote
        elif here in "'\"":
            quote = here
        if not quote:
            match = re.compile(r"\$\{?((?:CLAUDE|PEGBOARD)_(?:PROJECT_DIR|PLUGIN_ROOT|PLUGIN_DATA))\}?").match(
                command, place
            )
            if match:
                yield Remark(
                    "unquoted placeholder",
                    f"{match[0]} is not quoted: a blank in the path makes two words of it",
                    f'Write "{match[0]}" with double quotes around it.',
                    sure=False,
                )
                return
        place += 1


def shell_file(text: str, path: Path, handler: Handler) -> Iterator[Remark]:
    first = text.partition("\n")[0]
    under_sh = re.match(r"#!\s*(?:/usr)?/bin/(?:env )?(?:da)?sh\b", first) or re.search(
        rf"(?:^|[\s;&|])(?:da)?sh\s+\S*{re.escape(path.name)}", handler.command
    )
    if under_sh:
        used = bashism(text)
        if used:
            yield Remark(
                "bash under sh",
                f"sh runs it, and {used} is of bash alone",
                "Begin it with #!/usr/bin/env bash.",
                1,
                sure=False,
            )
    if first.startswith("#!") and "\r" in text[: len(first) + 2]:
        yield Remark("broken", "its first line ends in a carriage return", "Write the file with Unix line ends.", 1)
