"""Changes of facts as patches: applied whole or not at all, recorded, and taken back."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pegboard_builtins.memory import disk
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.facts import digest_of
from pegboard_builtins.memory.factsfolder import RUNS, FactsFolder, read_json, write_whole

APPLYING = ".applying.json"
RUN_ID = re.compile(r"r\d{8}-\d{12}-[0-9a-f]{4}")


class PatchConflictError(MemoryFailure):
    """A file is not as the patch found it: somebody changed it since."""

    def __init__(self, names: Sequence[str], doing: str) -> None:
        self.names = tuple(names)
        super().__init__(
            f"{doing} was not done, nothing was changed: {', '.join(names)} changed since. "
            "Look with `pegboard memory facts`, then try again"
        )


class NoRunError(MemoryFailure):
    """There is no run of that id."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        newest = f" The newest is {known[-1]}." if known else " There is none yet."
        super().__init__(f"there is no run {wanted!r}.{newest} `pegboard memory diff --list` shows them")


@dataclass(frozen=True, slots=True)
class Edit:
    """One file of facts before and after; None where there is none. `cites` are the events that it stands on."""

    name: str
    before: str | None
    after: str | None
    why: str = ""
    cites: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A patch with its circumstances, as it is kept under `runs/`.

    `by` says who wanted it (consolidation, tool, person, revert); `cursor` is the number of the last event that it
    looked at; `dropped` says what was proposed and left out, and why; `reverts` and `reverted_by` are ids of runs.
    """

    id: str
    by: str
    at: str
    edits: tuple[Edit, ...]
    cursor: int = 0
    model: str = ""
    cost_usd: float | None = None
    session: str = ""
    dropped: tuple[str, ...] = ()
    reverts: str = ""
    reverted_by: str = ""

    def diff(self) -> str:
        """Return the change as a unified diff."""
        return "".join(text for edit in self.edits for text in _diff(edit))


def _diff(edit: Edit) -> Iterator[str]:
    import difflib

    names = [f"a/{edit.name}.md" if edit.before is not None else "/dev/null"]
    names.append(f"b/{edit.name}.md" if edit.after is not None else "/dev/null")
    lines = [(text or "").splitlines(keepends=True) for text in (edit.before, edit.after)]
    for line in difflib.unified_diff(lines[0], lines[1], names[0], names[1]):
        yield line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"


def new_id() -> str:
    """Return an id for a run; later ones sort behind earlier ones."""
    return f"r{datetime.now(UTC):%Y%m%d-%H%M%S%f}-{os.urandom(2).hex()}"


def now() -> str:
    """Return the time as runs and facts tell it: UTC, in seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Patches:
    """The patches of one project's facts."""

    def __init__(self, facts: FactsFolder) -> None:
        self.facts = facts
        self.runs = facts.private / RUNS

    # --- applying ------------------------------------------------------------------------------------------

    def apply(self, edits: Sequence[Edit], *, by: str, **circumstances: Any) -> Run:
        """Apply a patch and return its run. Raises PatchConflictError if a file is not as the patch says.

        The patch is written down whole first; from then on it counts, and whoever reads facts next finishes what
        a killed process left undone.
        """
        for edit in edits:
            self.facts.path_of(edit.name)
        run = Run(new_id(), by, now(), tuple(edits), **circumstances)
        with self.facts.writing():
            self._finish_left()
            self._check(run, "the patch")
            self._commit(run)
        return run

    def _commit(self, run: Run) -> None:
        begun = self.runs / f"{run.id}{APPLYING}"
        write_whole(begun, json.dumps(asdict(run), ensure_ascii=False, indent=1))
        self._carry_out(run)
        self._done(begun, run)

    def _check(self, run: Run, doing: str) -> None:
        changed = [edit.name for edit in run.edits if self.facts.text_of(edit.name) != edit.before]
        if changed:
            raise PatchConflictError(changed, doing)

    def _carry_out(self, run: Run) -> None:
        """Put every file in its place. Doing it twice is as good as once."""
        ledger = self.facts.ledger()
        folders: set[Path] = set()
        for edit in run.edits:
            path = self.facts.path_of(edit.name)
            found = self.facts.text_of(edit.name)
            if found not in (edit.before, edit.after):
                continue  # a person was here between the crash and now: their words stay
            if edit.after is None:
                if found is not None:
                    path.unlink()
                    folders.add(path.parent)
                continue
            ledger["ours"][digest_of(edit.after)] = edit.name
            if found != edit.after:
                write_whole(path, edit.after, mode=0o644 if self.facts.shared else 0o600, lasting=False)
                folders.add(path.parent)
        for folder in folders:
            disk.sync_folder(folder)
        self.facts.write_ledger(ledger)

    def _done(self, begun: Path, run: Run) -> None:
        if run.reverts:
            path = self.runs / f"{run.reverts}.json"
            if path.exists():
                write_whole(path, json.dumps({**read_json(path), "reverted_by": run.id}, ensure_ascii=False, indent=1))
        begun.rename(self.runs / f"{run.id}.json")
        disk.sync_folder(self.runs)

    def settle(self) -> list[str]:
        """Finish what a killed process left undone; return the ids of those runs. Waits for one that is at it."""
        if not any(self.runs.glob(f"*{APPLYING}")):
            return []
        with self.facts.writing():
            return self._finish_left()

    def _finish_left(self) -> list[str]:
        disk.sweep(self.facts.folder, below=True, only_we_write=True)
        disk.sweep(self.runs, only_we_write=True)
        disk.sweep(self.facts.private)
        left = sorted(self.runs.glob(f"*{APPLYING}"))
        for begun in left:
            run = _run_of(read_json(begun))
            self._carry_out(run)
            self._done(begun, run)
        return [path.name.removesuffix(APPLYING) for path in left]

    # --- what was done -------------------------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Return the ids of all runs, oldest first."""
        self.settle()
        return sorted(path.stem for path in self.runs.glob("r*.json") if RUN_ID.fullmatch(path.stem))

    def run(self, wanted: str = "") -> Run:
        """Return a run by its id, or the beginning of it, or the newest. Raises NoRunError."""
        known = self.ids()
        found = [one for one in known if one.startswith(wanted)] if wanted else known[-1:]
        if len(found) != 1:
            raise NoRunError(wanted or "(the newest)", known)
        return _run_of(read_json(self.runs / f"{found[0]}.json"))

    def all(self) -> Iterator[Run]:
        """Go through all runs, newest first."""
        for one in reversed(self.ids()):
            yield _run_of(read_json(self.runs / f"{one}.json"))

    def revert(self, wanted: str = "") -> Run:
        """Put the files of a run back as they were. Raises PatchConflictError where they changed since."""
        run = self.run(wanted)
        if run.reverted_by:
            raise MemoryFailure(f"{run.id} was reverted already, by {run.reverted_by}; revert that to have it again")
        edits = tuple(
            Edit(edit.name, edit.after, edit.before, f"reverts {run.id}", edit.cites) for edit in reversed(run.edits)
        )
        back = Run(new_id(), "revert", now(), edits, reverts=run.id)
        with self.facts.writing():
            self._finish_left()
            self._check(back, f"reverting {run.id}")
            self._commit(back)
        return back

    # --- forgetting ----------------------------------------------------------------------------------------

    def forget(self, numbers: Iterable[int]) -> list[str]:
        """Take away every fact that stands on one of these events, and its texts in all runs; return their names.

        Nothing of this can be reverted: that is what it is for.
        """
        gone = set(numbers)
        with self.facts.writing():
            self._finish_left()
            names = {fact.name for fact in self.facts.all() if gone.intersection(fact.cites)}
            for run in [_run_of(read_json(path)) for path in self.runs.glob("r*.json")]:
                names |= {edit.name for edit in run.edits if gone.intersection(edit.cites)}
            if not names:
                return []
            for path in self.runs.glob("r*.json"):
                run = _run_of(read_json(path))
                if names.intersection(edit.name for edit in run.edits):
                    kept = tuple(edit for edit in run.edits if edit.name not in names)
                    new = replace(run, edits=kept, dropped=())
                    write_whole(path, json.dumps(asdict(new), ensure_ascii=False, indent=1))
            for name in names:
                self.facts.path_of(name).unlink(missing_ok=True)
            self._forget_ledger(names)
        return sorted(names)

    def _forget_ledger(self, names: set[str]) -> None:
        ledger = self.facts.ledger()
        kept = {part: {digest: name for digest, name in of.items() if name not in names} for part, of in ledger.items()}
        self.facts.write_ledger(kept)


def _run_of(said: dict[str, Any]) -> Run:
    edits = tuple(Edit(**{**one, "cites": tuple(one.get("cites", ()))}) for one in said.get("edits", ()))
    return Run(**{**said, "edits": edits, "dropped": tuple(said.get("dropped", ()))})


def age_days(at: str, *, clock: float | None = None) -> float:
    """Return how many days ago a time was; 0 for one that nobody can read."""
    try:
        then = datetime.fromisoformat(at.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, ((clock if clock is not None else time.time()) - then.timestamp()) / 86_400)
