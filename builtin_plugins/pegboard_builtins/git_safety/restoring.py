"""Putting files back as a checkpoint has them: first what would change, then the change, and nothing else."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from pegboard.typed import dataclass
from pegboard_builtins.git_safety.ignoring import files_in, ignored_by
from pegboard_builtins.git_safety.manifest import Manifest, Modes, Part, read_name
from pegboard_builtins.git_safety.plumbing import CheckpointError
from pegboard_builtins.git_safety.taking import Checkpoint, Checkpoints

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
LINK, PROGRAM = "120000", "100755"
NOT_KEPT = (
    "is gone and was never kept: the files of that repository come back, its history does not. "
    "Clone it again, or take its .git from a backup"
)


class NewerWorkError(CheckpointError):
    """Files that would be put back were changed since the last checkpoint: somebody's work would be lost."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        shown = ", ".join(self.names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        super().__init__(
            f"nothing was restored: {shown} changed after the last checkpoint, and that work would be overwritten. "
            f"Look at it with `pegboard checkpoints diff`, then say --overwrite (what is there now is kept, too)."
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file: `how` is write, mode or delete."""

    name: str
    how: str
    kind: str = ""
    blob: str = ""
    mode: int = 0


@dataclass(slots=True)
class Restored:
    """What was done. `kept` is the checkpoint of what was there before, `left` says what could not be put back."""

    kept: Checkpoint
    changes: list[Change] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def restore(
    checkpoints: Checkpoints, number: int, only: Sequence[str] = (), *, overwrite: bool = False, dry: bool = False
) -> Restored:
    """Put the files of a checkpoint back, or those below the paths *only*. Raises NewerWorkError and CheckpointError.

    What is ignored and was not kept stays as it is. With *dry* nothing changes.
    """
    target, newest = checkpoints.get(number), checkpoints.newest()
    # Seen with the rules of then, too: what the rules of now ignore may stand in the way, or be what has to go.
    now = checkpoints.take("restore", reason=f"before restoring {number}", rules_of=target.manifest)
    found = changes_between(checkpoints, now.manifest, target.manifest)
    changes = _without_ignored(checkpoints, target.manifest, [change for change in found if _within(change.name, only)])
    if newest is not None and not overwrite and not dry:
        recent = {change.name for change in changes_between(checkpoints, newest.manifest, now.manifest)}
        touched = recent & {change.name for change in changes}
        touched -= ignored_by(checkpoints.git, now.manifest, touched)
        if touched:
            checkpoints.forget(now.number)
            raise NewerWorkError(sorted(touched))
    if dry or not changes:
        checkpoints.forget(now.number)
    lost = _lost_repositories(checkpoints.root, target.manifest, only)
    done = Restored(now, changes, [f"{path}.git: {NOT_KEPT}" for path in lost])
    if not dry and changes:
        _apply(checkpoints, changes, done)
        # So that the next restore knows this for ours, and to see whether all is as it should be.
        after = checkpoints.take("restored", reason=f"{number} was restored")
        wanted = {change.name for change in changes}
        told = {text.partition(": ")[0] for text in done.left}
        wrong = {
            change.name for change in changes_between(checkpoints, after.manifest, target.manifest)
        } & wanted - told
        wrong -= ignored_by(checkpoints.git, after.manifest, wrong)
        # Without its .git a repository's files are the surrounding folder's, which is no change of them.
        wrong = {name for name in wrong if not name.startswith(tuple(lost))}
        done.left += [f"{name}: was changed meanwhile" for name in sorted(wrong)]
    return done


def _lost_repositories(root: Path, target: Manifest, only: Sequence[str]) -> list[str]:
    """Return which repositories inside the folder have lost their `.git` since."""
    inside = [read_name(part.path) for part in target.parts if part.path]
    return [path for path in inside if _within(path, only) and not os.path.lexists(root / path / ".git")]


def changes_between(checkpoints: Checkpoints, before: Manifest, after: Manifest) -> list[Change]:
    """Return what leads from one state to the other, by name."""
    old = {part.path: part for part in before.parts}
    new = {part.path: part for part in after.parts}
    found: dict[str, Change] = {}
    for path in sorted({*old, *new}):
        for change in _between(checkpoints, old.get(path), new.get(path)):
            prefix = read_name(path)
            # Where a folder became a repository or ceased to be one, its files are in another part: they did not go.
            if change.how != "delete" or prefix + change.name not in found:
                found[prefix + change.name] = Change(
                    prefix + change.name, change.how, change.kind, change.blob, change.mode
                )
    return sorted(found.values(), key=lambda change: change.name)


def _between(checkpoints: Checkpoints, before: Part | None, after: Part | None) -> Iterator[Change]:
    old_tree, new_tree = (part.tree if part else EMPTY_TREE for part in (before, after))
    old_modes, new_modes = (part.modes if part else Modes() for part in (before, after))
    changed: set[str] = set()
    if old_tree != new_tree:
        raw = checkpoints.git.names("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old_tree, new_tree)
        for head, name in zip(raw[::2], raw[1::2], strict=True):
            _, kind, _, blob, _ = head.lstrip(":").split()
            changed.add(name)
            if kind == "000000":
                yield Change(name, "delete")
            else:
                yield Change(name, "write", kind, blob, new_modes.mode(name, program=kind == PROGRAM))
    if old_modes != new_modes and after is not None and before is not None:
        for kind, blob, name in files_in(checkpoints.git, new_tree):
            program = kind == PROGRAM
            mode = new_modes.mode(name, program=program)
            if name not in changed and kind != LINK and mode != old_modes.mode(name, program=program):
                yield Change(name, "mode", kind, blob, mode)


def _within(name: str, only: Sequence[str]) -> bool:
    return not only or any(name == path or name.startswith(path.rstrip("/") + "/") or path == "." for path in only)


def _without_ignored(checkpoints: Checkpoints, target: Manifest, changes: list[Change]) -> list[Change]:
    """Leave what the checkpoint's own rules ignore: it was not kept then, so that it is missing there says nothing.

    Unless it is in the way of a file that was kept.
    """
    gone = {change.name for change in changes if change.how == "delete"}
    wanted = {os.fspath(folder) for change in changes if change.how == "write" for folder in Path(change.name).parents}
    spared = ignored_by(checkpoints.git, target, gone - wanted)
    return [change for change in changes if change.how != "delete" or change.name not in spared]


# --- the change ----------------------------------------------------------------------------------------------


def _apply(checkpoints: Checkpoints, changes: list[Change], done: Restored) -> None:
    root = checkpoints.root
    emptied: set[Path] = set()
    for change in changes:
        if change.how == "delete":
            try:
                _real_parent(root, change.name)
                (root / change.name).unlink(missing_ok=True)
                emptied.add((root / change.name).parent)
            except OSError as error:
                done.left.append(f"{change.name}: not deleted, {error.strerror or error}")
    for folder in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        _take_away(folder, root)
    writes = [change for change in changes if change.how == "write"]
    for change, content in zip(writes, checkpoints.git.blobs([change.blob for change in writes]), strict=True):
        try:
            _write(root, change, content)
        except OSError as error:
            done.left.append(f"{change.name}: not written, {error.strerror or error}")
    for change in changes:
        if change.how == "mode":
            try:
                _real_parent(root, change.name)
                os.chmod(root / change.name, change.mode)
            except OSError as error:
                done.left.append(f"{change.name}: its mode was not changed, {error.strerror or error}")


def _take_away(folder: Path, root: Path) -> None:
    """Remove a folder that has become empty, and those above it that have then."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def _real_parent(root: Path, name: str) -> None:
    """Raise OSError if a folder on the way is a link: what lies behind it is not ours."""
    place = root
    for part in Path(name).parts[:-1]:
        place /= part
        if place.is_symlink():
            raise NotADirectoryError(20, f"{place} is a symbolic link")


def _write(root: Path, change: Change, content: bytes) -> None:
    """Put one file in its place: whole or not at all."""
    path = root / change.name
    _real_parent(root, change.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        path.rmdir()  # what has ignored files in it is nobody's to take away
    beside = path.parent / f".pegboard-{secrets.token_hex(8)}.tmp"
    try:
        if change.kind == LINK:
            os.symlink(os.fsdecode(content), beside)
        else:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), change.mode)
        os.rename(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
