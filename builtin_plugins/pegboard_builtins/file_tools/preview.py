"""What a call of Edit or Write would change, for whoever is asked about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pegboard.errors import ToolError
from pegboard_builtins.file_tools.ladder import alike, place_of
from pegboard_builtins.file_tools.matching import places, side_by_side, spliced
from pegboard_builtins.file_tools.patch import structured_patch
from pegboard_builtins.file_tools.paths import absolute, real_path
from pegboard_builtins.file_tools.text import TextFile, printable, read_bytes


def preview_edit(given: dict[str, Any], cwd: Path) -> str:
    """Return the diff of an Edit; where it cannot be told what it would do, what it was asked to."""
    path = absolute(str(given["file_path"]), cwd)
    old, new = (str(given[key]).replace("\r\n", "\n") for key in ("old_string", "new_string"))
    file = _file_at(path, cwd)
    if file is not None and old:
        find = side_by_side if given.get("replace_all") else places
        offsets = find(file.plain, old)
        if len(offsets) == 1 or (offsets and given.get("replace_all")):
            return _diff(path, file.plain, spliced(file, offsets, old, new).replace("\r\n", "\n"))
        if not offsets and not given.get("replace_all") and len(alike(file.plain, old)) == 1:
            place = place_of(file.plain, old, new)  # what Edit would take for it
            if place is not None:
                after = spliced(file, [place.start], place.old, place.new).replace("\r\n", "\n")
                return _diff(path, file.plain, after)
    return _diff(path, old, new)


def preview_write(given: dict[str, Any], cwd: Path) -> str:
    """Return the diff of a Write: beside what is there, or a whole new file."""
    path = absolute(str(given["file_path"]), cwd)
    file = _file_at(path, cwd)
    new = str(given["content"]).replace("\r\n", "\n")
    return _diff(path, "" if file is None else file.plain, new, is_new=file is None)


def _file_at(path: Path, cwd: Path) -> TextFile | None:
    try:
        return TextFile.of(read_bytes(real_path(path), cwd)[0])
    except (OSError, ToolError, ValueError):
        return None


def _diff(path: Path, old: str, new: str, *, is_new: bool = False) -> str:
    name = printable(str(path))
    lines = [f"--- {'/dev/null' if is_new else name}", f"+++ {name}"]
    for hunk in structured_patch(old, new):
        lines.append(f"@@ -{hunk['oldStart']},{hunk['oldLines']} +{hunk['newStart']},{hunk['newLines']} @@")
        lines += hunk["lines"]
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""
