"""What a pack costs: its import, its registration, its part of a start, its hooks, and the tokens of its tools.

Each figure comes from processes of their own, in folders that are empty: a pack is measured as it comes, without
anybody's settings, and one that is broken costs only its own row.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pegboard._agent.journal import read_records
from pegboard._authoring.checking import Project
from pegboard._authoring.children import end_of, read_json, run_child
from pegboard._authoring.inspection import CALLS, PROMPTS
from pegboard._board.acceptance import AcceptedPacks
from pegboard._board.fingerprint import fingerprint
from pegboard.declares import ALL
from pegboard.errors import PegboardError
from pegboard.records import AssistantLine, UserLine

IMPORT_SECONDS, START_SECONDS, HOOK_SECONDS = 20.0, 60.0, 120.0
RUNS = 3
"""How often an import and a start are measured; one before compiles, or makes the snapshot."""
RECORDED = 50
"""Calls and prompts of a recorded session that hooks are asked about, the newest."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A plugin that shall be measured. `folder` is where an installed one's metadata lies, `source` what the modules of
    any other are imported from.
    """

    name: str
    value: str
    distribution: str = ""
    version: str = ""
    folder: str = ""
    source: Path | None = None

    @property
    def path(self) -> list[Path]:
        """What it is imported from, beside what is installed."""
        return [self.source] if self.source is not None else []


@dataclass(slots=True)
class Cost:
    """What a plugin costs. `problem` says why there are no figures, or not all of them."""

    name: str
    distribution: str
    version: str
    problem: str = ""
    mend: str = ""
    import_ms: float | None = None
    register_ms: float | None = None
    start_ms: float | None = None
    imported_at_start: str = ""
    """Why each start imports it; empty where it is known without that."""
    tools: dict[str, int] = field(default_factory=dict)
    """About how many tokens each tool takes of every request."""
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """What its tools take of every request, together."""
        return sum(self.tools.values())


def subjects_of(project: Project) -> list[Subject]:
    """Return the plugins of a pack's project."""
    version = str(project.says.get("version", "0"))
    return [
        Subject(name, value, str(project.says.get("name", name)), version, source=project.imported_from)
        for name, value in sorted(project.points.items())
    ]


def canned() -> dict[str, Any]:
    """Return events as they typically happen."""
    return {
        "prompts": list(PROMPTS),
        "calls": [{"tool": tool, "input": given, "output": "a.py\nb.py\n"} for tool, given in CALLS],
    }


def recorded(journal: Path) -> dict[str, Any]:
    """Return the prompts and calls of a session. Raises PegboardError where there is neither."""
    prompts: list[str] = []
    calls: dict[str, dict[str, Any]] = {}
    for record in read_records(journal):
        if not isinstance(record, AssistantLine | UserLine):
            continue
        content = record.message.get("content", ())
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            kind = block.get("type")
            if kind == "text" and isinstance(record, UserLine) and record.kind == "prompt":
                prompts.append(block["text"])
            elif kind == "tool_use":
                calls[block["id"]] = {"tool": block["name"], "input": block["input"], "output": ""}
            elif kind == "tool_result" and isinstance(block.get("content"), str) and block["tool_use_id"] in calls:
                calls[block["tool_use_id"]]["output"] = block["content"]
    if not prompts and not calls:
        raise PegboardError(f"{journal} has neither prompts nor calls that hooks could be asked about")
    return {"prompts": prompts[-RECORDED:], "calls": list(calls.values())[-RECORDED:]}


def measured(subject: Subject, events: Mapping[str, Any]) -> Cost:
    """Measure one plugin. What goes wrong is told in the cost."""
    cost = Cost(subject.name, subject.distribution, subject.version)
    with tempfile.TemporaryDirectory(prefix="pegboard-costs-") as made:
        folder = Path(made).resolve()
        for step in (_take_import, _take_start, _take_hooks):
            try:
                step(subject, cost, folder, events)
            except subprocess.TimeoutExpired as late:
                cost.problem = f"{_STEPS[step]} has not ended after {late.timeout:.0f} s"
                cost.mend = "see `pegboard plugins check` of its project"
            if cost.problem:
                break
    return cost


def _take_import(subject: Subject, cost: Cost, folder: Path, events: Mapping[str, Any]) -> None:
    command = [sys.executable, "-P", "-m", "pegboard._authoring.import_probe", subject.value]
    found = []
    for number in range(1 + RUNS):
        seen = _seen(command, subject, cost, folder, IMPORT_SECONDS)
        if seen is None:
            return
        if number:
            found.append(seen["ms"])
    cost.import_ms = round(min(found), 3)  # a busy machine can only add to it


def _take_start(subject: Subject, cost: Cost, folder: Path, events: Mapping[str, Any]) -> None:
    (folder / "project").mkdir()
    site = [] if subject.source is None else [_stand_in(subject, folder / "site")]
    info = str(next(site[0].iterdir())) if site else subject.folder
    owner = subject.name if site else subject.distribution
    AcceptedPacks(folder / "state").accept(owner, str(fingerprint(info)), {"permissions": sorted(ALL)})
    command = [sys.executable, "-P", "-m", "pegboard._authoring.cost_probe", "start", subject.name, subject.value]
    found = []
    for number in range(1 + RUNS):
        seen = _seen([*command, str(folder)], subject, cost, folder, START_SECONDS, path=site)
        if seen is None or _not_active(seen, cost):
            return
        cost.imported_at_start = (seen["why"] or "it is not known yet") if seen["imported"] else ""
        if number:
            found.append(seen["ms"])
    cost.start_ms = round(statistics.median(found), 3)


def _stand_in(subject: Subject, site: Path) -> Path:
    """Write what pip would write of a project, an hour ago: what is new is not relied on."""
    info = site / f"{subject.name}-{subject.version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {subject.name}\nVersion: {subject.version}\n")
    (info / "entry_points.txt").write_text(f"[pegboard]\n{subject.name} = {subject.value}\n")
    past = time.time() - 3600
    for path in (*info.iterdir(), info, site):
        os.utime(path, (past, past))
    return site


def _take_hooks(subject: Subject, cost: Cost, folder: Path, events: Mapping[str, Any]) -> None:
    (folder / "events.json").write_text(json.dumps(events), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "pegboard._authoring.cost_probe", "hooks", subject.name, subject.value]
    seen = _seen([*command, str(folder)], subject, cost, folder, HOOK_SECONDS)
    if seen is None or _not_active(seen, cost):
        return
    cost.register_ms = seen["register_ms"]
    cost.tools, cost.hooks, cost.failures = seen["tools"], seen["hooks"], seen["failures"]


_STEPS = {_take_import: "its import", _take_start: "a start with it", _take_hooks: "one of its hooks"}


def _seen(
    command: Sequence[str], subject: Subject, cost: Cost, folder: Path, seconds: float, path: Sequence[Path] = ()
) -> dict[str, Any] | None:
    done = run_child(command, folder, seconds, path=[*path, *subject.path])
    seen = read_json((done.stdout.splitlines() or [""])[-1])
    if seen is None:
        cost.problem = f"it {end_of(done)}"
    return seen


def _not_active(seen: Mapping[str, Any], cost: Cost) -> bool:
    if seen["status"] == "active":
        return False
    cost.problem, cost.mend = f"{seen['status']}: {seen['reason']}", seen["mend"]
    return True
