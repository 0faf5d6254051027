"""Plays many cases at once and holds each against its recording and the list of deviations."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hook_meaning import Meaning, differences, happened, recorded, wrong_payload
from hook_play import CASES, HERE, SUPPLEMENTS, NoSubjectError, Played, Stage, play

LIST: dict[str, Any] = json.loads((HERE / "deviations.json").read_text(encoding="utf-8"))
REASONS: dict[str, str] = LIST["reasons"]
DEVIATING: dict[str, dict[str, Any]] = LIST["deviating"]
MISSING: dict[str, str] = {case: subject for subject, cases in LIST["missing"].items() for case in cases}
AT_ONCE = 6
SEEN_BY_ALL = frozenset({"IS_SANDBOX", "CLAUDE_CODE_MAX_RETRIES", "GIT_TERMINAL_PROMPT"})
"""Variables that mean nothing to others: a case with any other one is played alone."""


@dataclass(slots=True)
class Judged:
    """What became of a case: `passed`, `deviating`, `missing`, or `wrong` with the reasons in `problems`."""

    case: str
    wanted: Meaning = field(default_factory=dict)
    found: Meaning = field(default_factory=dict)
    differs: Meaning = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    played: Played | None = None

    @property
    def kind(self) -> str:
        """In a word."""
        if self.problems:
            return "wrong"
        return "missing" if self.case in MISSING else "deviating" if self.case in DEVIATING else "passed"


def play_all(ids: Iterable[str], folder: Path) -> dict[str, Judged]:
    """Play cases, as many at once as do not disturb each other, each in a folder of its own."""
    wanted = list(ids)
    alone = [case for case in wanted if _needs_variables(case) or "user" in SUPPLEMENTS.get(case, {})]
    together = [case for case in wanted if case not in alone]
    home = folder / "home"
    home.mkdir()
    with _environment({"HOME": str(home), "CLAUDE_CONFIG_DIR": None}):
        judged = asyncio.run(_side_by_side(together, folder))
        late = [one.case for one in judged if one.problems and _goes_by_the_clock(one.case)]
        judged = [one for one in judged if one.case not in late]
        judged += [_played_slowly(case, folder) for case in late]
        for case in alone:
            variables = {"HOME": str(folder / case / "home"), **(CASES[case].get("env") or {})}
            with _environment(variables):
                judged += asyncio.run(_side_by_side([case], folder))
    return {one.case: one for one in judged}


def _goes_by_the_clock(case: str) -> bool:
    """Whether something in it races with a deadline: on a machine that is busy with the others it may come in late."""
    said = json.dumps([CASES[case].get(part) for part in ("settings", "hook_answers", "model_turns", "steps")])
    return '"timeout"' in said or "sleep" in said


def _played_slowly(case: str, folder: Path) -> Judged:
    """Play a case alone with all its times four times as long: what is wrong then is not the machine's doing."""
    programs = folder / "slow-programs"
    programs.mkdir(exist_ok=True)
    sleep = programs / "sleep"
    sleep.write_text(f'#!/bin/sh\nexec {shutil.which("sleep")} "$1" "$1" "$1" "$1"\n')
    sleep.chmod(0o755)
    with _environment({"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}):
        return asyncio.run(judge(case, folder / f"{case}-slowly", slower=4))


def _slowed(value: Any, slower: float) -> Any:
    """Return settings or answers with their own times longer; what shells sleep is the business of a program."""
    if isinstance(value, list):
        return [_slowed(one, slower) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: one * slower
        if key in ("sleep", "timeout") and isinstance(one, int | float) and not isinstance(one, bool)
        else _slowed(one, slower)
        for key, one in value.items()
    }


def _needs_variables(case: str) -> bool:
    return bool((CASES[case].get("env") or {}).keys() - SEEN_BY_ALL)


@contextmanager
def _environment(variables: dict[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


async def _side_by_side(ids: list[str], folder: Path) -> list[Judged]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(case: str) -> Judged:
        async with places:
            return await judge(case, folder / case)

    return list(await asyncio.gather(*map(one, ids)))


async def judge(case: str, root: Path, slower: float = 1) -> Judged:
    """Play one case and compare. Never raises for what the case does: that is a problem of the case."""
    judged = Judged(case)
    root.mkdir()
    stage = Stage(CASES[case], root)
    told = CASES[case]
    if slower != 1:
        told = {**told, **{key: _slowed(told[key], slower) for key in ("settings", "hook_answers")}}
    try:
        judged.played = await play(told, root)
        judged.wanted, judged.found = recorded(stage), happened(stage, judged.played)
    except NoSubjectError as missing:
        if MISSING.get(case) != str(missing):
            judged.problems.append(f"{missing} is missing, and the list does not say so")
        return judged
    except Exception:
        judged.problems.append(traceback.format_exc())
        return judged
    judged.differs = differences(judged.wanted, judged.found)
    judged.problems += _against_the_list(judged)
    judged.problems += sorted({wrong for run in judged.played.runs if (wrong := wrong_payload(run))})
    return judged


BY_THE_CLOCK = frozenset({"side-by-side", "killed-sooner"})
"""Deviations that a busy machine may hide: what could run at once ran one after another, or the killer came late."""


def _against_the_list(judged: Judged) -> list[str]:
    case, differs = judged.case, judged.differs
    if case in MISSING:
        return [] if differs else [f"it passes, but the list says that its subject is missing: {MISSING[case]}"]
    listed = DEVIATING.get(case)
    if listed is None:
        return [_told(part, judged.wanted[part], found) for part, found in differs.items()]
    if not differs:
        by_chance = listed["reason"] in BY_THE_CLOCK
        return [] if by_chance else [f"it passes, but the list says that it deviates: {listed['reason']}"]
    instead = listed["instead"]
    return [
        _told(part, instead.get(part, judged.wanted[part]), judged.found[part])
        for part in judged.found
        if judged.found[part] != instead.get(part, judged.found[part]) or (part in differs) != (part in instead)
    ]


def _told(part: str, wanted: Any, found: Any) -> str:
    return (
        f"{part}:\n  wanted {json.dumps(wanted, ensure_ascii=False)}\n  found  {json.dumps(found, ensure_ascii=False)}"
    )


def table(judged: Iterable[Judged]) -> str:
    """Return the outcomes in numbers: passed, deviating by reason, missing by subject, wrong."""
    judged = list(judged)
    kinds = {
        kind: [one.case for one in judged if one.kind == kind] for kind in ("passed", "deviating", "missing", "wrong")
    }
    lines = [f"{len(judged)} cases: " + ", ".join(f"{len(cases)} {kind}" for kind, cases in kinds.items())]
    for kind, label in (("deviating", lambda case: DEVIATING[case]["reason"]), ("missing", MISSING.__getitem__)):
        by_label: dict[str, int] = {}
        for case in kinds[kind]:
            by_label[label(case)] = by_label.get(label(case), 0) + 1
        lines += [
            f"  {kind}: {number:3} {name}" for name, number in sorted(by_label.items(), key=lambda pair: -pair[1])
        ]
    return "\n".join(lines)
