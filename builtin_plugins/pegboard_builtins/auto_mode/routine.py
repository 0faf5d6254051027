"""What needs no judgement: plain writes in the folder run, and some commands are for a person whatever a model says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pegboard.messages import ToolCall
from pegboard.shell import Simple, read

WRITERS = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
DECIDE_WHAT_RUNS = frozenset(
    {
        *("conftest.py", "setup.py", "noxfile.py", "fabfile.py", "tasks.py", "manage.py", "sitecustomize.py"),
        *("webpack.config.js", "vite.config.ts", "vite.config.js", "gulpfile.js", "jest.config.js", "build.rs"),
        *("CLAUDE.md", "AGENTS.md", "constraints.txt", "requirements.txt", "CMakeLists.txt"),
    }
)
"""Files with a plain ending that are run, or read as orders, without anybody naming them."""
SENSITIVE = ("secret", "credential", "password", "token", "private_key", "id_rsa")

GIT_READS = frozenset({"blame", "describe", "diff", "log", "ls-files", "rev-parse", "shortlog", "show", "status"})
GIT_DOES_MORE = ("--ou", "--op", "--ex", "--te", "--no-i", "-O", "/", "~", "..")
"""Beginnings of arguments with which reading git writes, runs programs, or leaves the folder."""
FOR_A_PERSON = frozenset({"dd", "doas", "halt", "mkfs", "poweroff", "reboot", "shutdown", "su", "sudo", "pkexec"})
GIT_DESTROYS = ("--force", "-f", "--mirror", "--delete", "-D", "--hard", "--force-with-lease", "-d")


def is_routine(call: ToolCall, project: Path, endings: Sequence[str]) -> bool:
    """Whether a call may run unjudged: it writes a plain source file of the folder, or git only reads."""
    if call.name in WRITERS:
        return _is_plain_write(call, project, endings)
    if call.name != "Bash":
        return False
    script = read(str(call.input.get("command", "")))
    if script.problems or script.substitutes or script.functions or not script.commands:
        return False
    return all(map(_git_only_reads, script.commands))


def _is_plain_write(call: ToolCall, project: Path, endings: Sequence[str]) -> bool:
    given = call.input.get("file_path") or call.input.get("notebook_path")
    if not isinstance(given, str) or not given.startswith("/"):
        return False
    root, path = os.path.realpath(project), os.path.realpath(given)
    if not path.startswith(root + "/") or os.path.normpath(given) != path:
        return False  # also through a symbolic link: what it leads to is another file than the one that is named
    parts = path[len(root) + 1 :].split("/")
    name = parts[-1].lower()
    if any(part.startswith(".") or part in ("node_modules", "vendor", "site-packages") for part in parts):
        return False
    if parts[-1] in DECIDE_WHAT_RUNS or any(word in name for word in SENSITIVE):
        return False
    return os.path.splitext(name)[1] in endings


def _git_only_reads(command: Simple) -> bool:
    texts = [word.text for word in command.words]
    if command.redirects or any(word.certain is not None or word.assigned for word in command.words):
        return False
    if texts[:1] != ["git"] or len(texts) < 2 or texts[1] not in GIT_READS:
        return False
    return not any(text.startswith(GIT_DOES_MORE) for text in texts[2:])


def is_for_a_person(call: ToolCall) -> bool:
    """Whether no model may allow this: it destroys what cannot be brought back, or runs with another user's rights."""
    if call.name != "Bash":
        return False
    script = read(str(call.input.get("command", "")))
    return bool(script.problems) or any(map(_destroys, script.commands))


def _destroys(command: Simple) -> bool:
    texts = [word.text for word in command.words if not word.assigned]
    names = [text.rpartition("/")[2] for text in texts]
    if any(name in FOR_A_PERSON or name.startswith("mkfs.") for name in names):
        return True
    if "git" not in names:
        return False
    rest = texts[names.index("git") + 1 :]
    destroys = any(text in GIT_DESTROYS or text.startswith(("+", ":", "--force")) for text in rest)
    return destroys and any(verb in rest for verb in ("push", "reset", "branch", "clean", "tag"))
