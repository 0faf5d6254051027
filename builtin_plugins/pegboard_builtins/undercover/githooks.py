"""Git hooks that look for names with the same engine: an agent's own guards can be bypassed, these are git's."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from pegboard_builtins.undercover.destinations import git

MARK = "# pegboard undercover"
HOOKS = {
    "pre-commit": "scan --staged",
    "commit-msg": 'scan --message-file "$1"',
    "pre-push": 'scan --pushed "$1" --url "$2"',
}
KEPT = ".before-undercover"


def install(folder: Path, *, program: str = "") -> list[tuple[str, str]]:
    """Write the hooks of a repository and return (hook, what was done). A hook that was there is called first."""
    place = Path(git(folder, "rev-parse", "--git-path", "hooks").strip())
    hooks = place if place.is_absolute() else folder / place
    hooks.mkdir(parents=True, exist_ok=True)
    command = program or f"{shlex.quote(sys.executable)} -P -m pegboard"
    return [(name, _write(hooks / name, command, words)) for name, words in HOOKS.items()]


def _write(path: Path, command: str, words: str) -> str:
    done = "written"
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        path.rename(path.with_name(path.name + KEPT))
        done = f"written; the one that was there is kept as {path.name}{KEPT}, and runs first"
    before = path.name + KEPT
    first, run = (_WITH_INPUT, _PASSED_ON) if path.name == "pre-push" else (_PLAIN, "exec ")
    path.write_text(
        f"#!/bin/sh\n{MARK}: no confidential name leaves this repository\n"
        f'before="$(dirname "$0")/{before}"\n{first}{run}{command} undercover {words}\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return done


_PLAIN = '[ ! -x "$before" ] || "$before" "$@" || exit $?\n'
_PASSED_ON = 'printf %s "$given" | '
_WITH_INPUT = 'given="$(cat; echo)"\n[ ! -x "$before" ] || printf %s "$given" | "$before" "$@" || exit $?\n'
