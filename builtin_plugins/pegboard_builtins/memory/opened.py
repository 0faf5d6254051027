"""Memory as a session or a verb uses it: the log, whose part of it, and the facts that belong to it."""

from __future__ import annotations

from pathlib import Path

from pegboard.typed import dataclass
from pegboard_builtins.memory.events import Memory, MemoryFailure
from pegboard_builtins.memory.factsfolder import FactsFolder
from pegboard_builtins.memory.observing import Place
from pegboard_builtins.memory.settings import MemorySettings


@dataclass
class Opened:
    """A project's memory. What it does blocks, and may be done from any thread."""

    memory: Memory
    project: str
    worktree: str
    root: Path
    settings: MemorySettings

    def place(self, session: str = "") -> Place:
        """Return whose events these are."""
        return Place(self.project, self.worktree, session)

    @property
    def facts(self) -> FactsFolder:
        """The project's facts: in a folder of the project where the settings say so, else beside the log."""
        ours = self.memory.facts_folder(self.project)
        if not self.settings.facts_dir:
            return FactsFolder(ours, ours.parent)
        folder = self.root / self.settings.facts_dir
        if not folder.resolve().is_relative_to(self.root.resolve()):
            raise MemoryFailure(f"[memory] facts_dir leads out of the project: {folder}")
        return FactsFolder(folder, ours.parent)
