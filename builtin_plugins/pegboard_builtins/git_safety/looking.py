"""What lies in a tree that nobody knows yet, by one walk through the folders that hold what is known."""

from __future__ import annotations

import os
from collections.abc import Collection


def strangers_in(root: str, known: Collection[str]) -> list[str]:
    """Return the files, and the folders (with a "/" at the end) without anything known, that lie beside *known* files.

    `.git` is passed over and links are not followed. git would go through all folders twice, once for what is new and
    once for what it ignores; so it need only be asked about the few names that are found here.
    """
    found: list[str] = []
    folders = _folders_of(known)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = os.scandir(f"{root}/{folder}")
        except OSError:
            continue
        with entries:
            for entry in entries:
                path = folder + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if path in known:
                    if is_folder:  # it was a file
                        found.append(f"{path}/")
                elif is_folder and path in folders:
                    waiting.append(f"{path}/")
                elif entry.name != ".git":
                    found.append(f"{path}/" if is_folder else path)
    return found


def _folders_of(names: Collection[str]) -> set[str]:
    """Return every folder that one of the files lies in, directly or not."""
    found = {name.rpartition("/")[0] for name in names}
    for folder in list(found):
        while (folder := folder.rpartition("/")[0]) and folder not in found:
            found.add(folder)
    return found
