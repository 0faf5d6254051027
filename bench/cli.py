"""The command line with 0 and with 50 installed packs, beside an interpreter that does nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.installation import Installation, install, script_of_later_pip
from bench.measure import BenchError, Effort, Reach, Row, Sample, Table, interleaved, row

PACKS = 50
PASS = "python -c pass"
VERSION = Reach.ratio(1.5)
MANY = Reach.ratio(2.5)
NONE_IMPORTED = Reach(0)
LIST = ("plugins", "list")
PROOF = f"packs of {PACKS} that these runs imported"


def measure(effort: Effort) -> list[Table]:
    """Run each command as a user does, through the console script."""
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        none = install(Path(folder, "none"))
        many = install(Path(folder, "many"), packs=PACKS)
        cold = install(Path(folder, "cold"), packs=PACKS)
        problems = _problems(none, many, cold)
        variants: dict[str, Callable[[], float]] = {PASS: partial(none.seconds, [none.python, "-c", "pass"])}
        if "version" not in problems:
            variants["version"] = partial(none.seconds, [none.script, "--version"])
            variants["later"] = partial(none.seconds, [script_of_later_pip(none), "--version"])
        if "help" not in problems:
            variants["help"] = partial(none.seconds, [none.script, "--help"])
        if "list" not in problems:
            variants["none"] = partial(none.seconds, [none.script, *LIST])
            variants["many"] = partial(many.seconds, [many.script, *LIST])
            variants["cold"] = partial(_first_time, cold)
        found = {name: one.times(1e3) for name, one in interleaved(variants, effort.pick(21, 3)).items()}
        rows = _rows(found)
        rows.append(Row(PROOF, None, "", reach=NONE_IMPORTED) if "list" in problems else _proof(many, cold))
    notes = [f"{what}: {why}" for what, why in problems.items()]
    notes.append(
        "the first script is the one that pip wrote here; before 25.2 it imports `re`, most of what is above the floor"
    )
    return [Table("the command line (wall time, from the start of the process to its end)", rows, notes)]


def _problems(none: Installation, many: Installation, cold: Installation) -> dict[str, str]:
    """Run everything once: caches are warm then, and what fails is known. Returns what failed, and why."""
    problems = {}
    for name, words in (("version", ("--version",)), ("help", ("--help",))):
        try:
            none.output(none.script, *words)
        except BenchError as error:
            problems[name] = str(error)
    try:
        none.output(none.script, *LIST)
        for one in (many, cold):
            listed = one.output(one.script, *LIST, "--json")
            missing = [pack for pack in one.packs if f'"{pack}"' not in listed]
            if missing:
                raise BenchError(f"`plugins list --json` leaves out {len(missing)} of {PACKS} installed packs")
    except BenchError as error:
        problems["list"] = str(error)
    return problems


def _first_time(one: Installation) -> float:
    """Run it without anything that an earlier run has kept."""
    shutil.rmtree(one.state)
    one.state.mkdir()
    return one.seconds([one.script, *LIST])


def _rows(found: dict[str, Sample]) -> list[Row]:
    floor = found[PASS]

    def line(name: str, key: str, beside: str, under: Sample | None, reach: Reach | None = None) -> Row:
        if key not in found:
            return Row(name, None, "ms", beside, None, reach)
        return row(name, found[key], "ms", beside=beside, floor=under, reach=reach)

    return [
        line("pegboard --version", "version", PASS, floor, VERSION),
        line("the same by the script of pip >= 25.2", "later", PASS, floor, VERSION),
        line("pegboard --help", "help", PASS, floor),
        line("pegboard plugins list, no pack", "none", PASS, floor),
        line(f"pegboard plugins list, {PACKS} packs", "many", "with no pack", found.get("none"), MANY),
        line(f"the same for the first time, {PACKS} packs", "cold", "with no pack", found.get("none")),
    ]


def _proof(*places: Installation) -> Row:
    """Count the packs that left a mark, and prove that an import would have left one."""
    imported = sorted({pack for place in places for pack in place.imported()})
    control = places[0]
    control.output(control.python, "-c", f"import {control.packs[0]}")
    if control.packs[0] not in control.imported():
        raise BenchError("a pack that was imported on purpose left no mark, so the absence of marks proves nothing")
    note = "imported: " + ", ".join(imported[:3]) + ("..." if len(imported) > 3 else "") if imported else ""
    return Row(
        PROOF,
        len(imported),
        "",
        beside="imported on purpose",
        floor=1,
        reach=NONE_IMPORTED,
        note=note,
    )
