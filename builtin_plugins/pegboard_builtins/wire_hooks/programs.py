"""What the text of a hook's program gives away: names that do not exist, shells that cannot read it, lost answers.

What is found by a name or a pattern alone is a doubt, not a certainty.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from pegboard.named_files import files_named
from pegboard_builtins.wire_hooks.endings import endings, python_output, shell_output, unheard
from pegboard_builtins.wire_hooks.events import EventRow
from pegboard_builtins.wire_hooks.fields import words
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.remarks import Remark
from pegboard_builtins.wire_hooks.runners.resolve import first_words, script_of
from pegboard_builtins.wire_hooks.shells import shell_file
from pegboard_builtins.wire_hooks.sources import scripts_of
from pegboard_builtins.wire_hooks.variables import variables_of_a_program

LARGEST = 512 * 1024


OF_A_PLUGIN = re.compile(r"\b(?:CLAUDE|PEGBOARD)_PLUGIN_ROOT\b")


def files_of(handler: Handler, project: Path) -> list[Path]:
    """Return the readable programs that a handler names: the project's, and those of its plugin folder."""
    found = scripts_of(handler, project)
    if handler.plugin is not None and handler.type is HandlerType.COMMAND:
        root = handler.plugin.root.resolve()
        said = [OF_A_PLUGIN.sub("CLAUDE_PROJECT_DIR", text) for text in (handler.command, *(handler.args or ()))]
        found += [path for path in files_named(said, root) if path.is_relative_to(root)]
    return [path for path in dict.fromkeys(found) if path.stat().st_size <= LARGEST and b"\0" not in path.read_bytes()]


def started(command: str) -> list[str]:
    """Return the program and the script that a command starts first, as far as its words say so."""
    words = first_words(command)
    if not words:
        return []
    script = script_of(words)
    return [words[0], script] if script is not None else [words[0]]


COMMENTS = re.compile(
    r"""(?m)^[ \t]*(?:\#(?!!)[^\n]*|//[^\n]*|/\*[\s\S]*?\*/|(?:[rR]?\"{3}[\s\S]*?\"{3}|[rR]?'{3}[\s\S]*?'{3}))"""
)


def code_of(text: str) -> str:
    """Return a program without its comments and docstrings, each line where it was."""
    return COMMENTS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def read(text: str, path: Path, row: EventRow, handler: Handler, events: Collection[str] = ()) -> Iterator[Remark]:
    """Look at a whole program. *events* are those that it is run for, by other entries too."""
    code = code_of(text)
    yield from words(code, row, events)
    yield from variables_of_a_program(code)
    yield from shell_file(text, path, handler)
    yield from endings(code, row, whole=True)
    if set(events) <= {row.name}:
        yield from unheard(code, row, handler)
    if path.suffix == ".py" or "python" in text.partition("\n")[0]:
        yield from python_output(text)
    else:
        yield from shell_output(code)
