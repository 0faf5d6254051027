"""Packs: how long it takes to find them among many distributions, and what thirty of them add to a start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.installation import Installation, install
from bench.measure import BenchError, Effort, Reach, Row, Sample, Table, interleaved, row
from bench.ready import SCRIPT, run_once

SIZES = (50, 300, 500, 1_000)
HITS = 30
"""How many of the distributions bring a plugin."""
THERE = 13.3
"""Milliseconds of `importlib.metadata.entry_points` among 500 distributions where these aims were set."""
WARM, COLD, MANY = Reach(0.2, there=THERE), Reach(6.0, there=THERE), Reach.ratio(1.1)
REACHED_AT = 500

HEAD = "import sys, time\nsys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{folder!r}]\n"
TAIL = "\nspent = time.perf_counter() - began\nassert found == {hits}, found\nprint(spent)\n"
OURS = (
    "sys.path.insert(0, {source!r})\nfrom pathlib import Path\nfrom pegboard._board.snapshot import Snapshot\n"
    "del sys.path[0]\nbegan = time.perf_counter()\nfound = len(Snapshot(Path({state!r})).points())"
)
LIBRARY = """\
from importlib.metadata import entry_points
began = time.perf_counter()
found = len(entry_points(group='pegboard'))"""
STEVEDORE = (
    "sys.path.append({libraries!r})\nfrom stevedore import _cache\nsys.path.pop()\nbegan = time.perf_counter()\n"
    "found = len(_cache.get_group_all('pegboard'))"
)
LABELS = {
    "library": "importlib.metadata.entry_points",
    "stevedore cold": "stevedore, without its cache",
    "stevedore": "stevedore, with its cache",
}


def measure(effort: Effort) -> list[Table]:
    """Measure discovery, then starts."""
    return [_discovery(effort), _starts(effort)]


# --- finding -------------------------------------------------------------------------------------------


def _discovery(effort: Effort) -> Table:
    rows: list[Row] = []
    notes = [
        f"{HITS} of the distributions bring a plugin; each figure is one call in a process of its own, without imports",
        "warm: no folder on the path has changed; cold: there is no snapshot",
    ]
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as root:
        for size in SIZES if not effort.quick else SIZES[:2]:
            folder = Path(root, str(size))
            _fill(folder / "site", size)
            found = interleaved(_variants(folder), effort.pick(15, 3))
            under = found["library"].times(1e3)
            for key, reach in (("cold", COLD), ("warm", WARM)):
                label = f"{size:,} distributions, {key}"
                aim = reach if size == REACHED_AT else None
                rows.append(row(label, found[key].times(1e3), "ms", beside=LABELS["library"], floor=under, reach=aim))
            rows += [
                row(
                    f"{size:,} distributions, {LABELS[key]}",
                    found[key].times(1e3),
                    "ms",
                    beside=LABELS["library"],
                    floor=under,
                )
                for key in found
                if key.startswith("stevedore")
            ]
    return Table("finding plugins (wall time)", rows, notes)


def _fill(site: Path, size: int) -> None:
    for number in range(size):
        info = site / f"dist_{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: dist-{number}\nVersion: 1.0\n\nA text.\n")
        points = f"[console_scripts]\nrun{number} = dist_{number}:main\n"
        if number < HITS:
            points += f"\n[pegboard]\nacme_{number} = dist_{number}\n"
        (info / "entry_points.txt").write_text(points)
        (info / "RECORD").write_text("")
    past = time.time() - 3600  # what has just changed is not relied on
    for path in [*site.rglob("*.txt"), site]:
        _age(path, past)


def _age(path: Path, when: float) -> None:
    os.utime(path, (when, when))


def _variants(folder: Path) -> dict[str, Callable[[], float]]:
    import pegboard

    facts = {
        "folder": str(folder / "site"),
        "state": str(folder / "state"),
        "source": str(Path(pegboard.__file__).parents[1]),
        "libraries": "",
        "hits": HITS,
    }

    def one(body: str, *, forget: bool = False) -> Callable[[], float]:
        code = (HEAD + body + TAIL).format(**facts)

        def run() -> float:
            if forget:
                for file in (folder / "state").glob("*"):
                    file.unlink()
            environment = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / ("none" if forget else "cache"))}
            if forget and body is STEVEDORE:
                for file in folder.glob("none/**/*"):
                    if file.is_file():
                        file.unlink()
            done = subprocess.run(
                [sys.executable, "-c", code], env=environment, cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise BenchError(done.stderr.strip().splitlines()[-1])
            return float(done.stdout)

        return run

    variants = {"library": one(LIBRARY), "cold": one(OURS, forget=True), "warm": one(OURS)}
    try:
        import stevedore
    except ImportError:
        return variants
    facts["libraries"] = str(Path(stevedore.__file__).parents[1])
    return {**variants, "stevedore cold": one(STEVEDORE, forget=True), "stevedore": one(STEVEDORE)}


# --- starting ------------------------------------------------------------------------------------------


def _starts(effort: Effort) -> Table:
    repetitions = effort.pick(15, 2)
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        none = install(Path(folder, "none"))
        many = install(Path(folder, "many"), packs=HITS)
        requests: dict[str, list[float]] = {"none": [], "many": []}
        for one in (none, many):
            _settle(one)
        variants: dict[str, Callable[[], float]] = {
            "pass": partial(none.seconds, [none.python, "-c", "pass"]),
            "none": partial(run_once, none, _command(none), requests["none"]),
            "many": partial(run_once, many, _command(many), requests["many"]),
        }
        floor = interleaved(variants, repetitions)["pass"]
        ready = {key: Sample(tuple(found[-repetitions:])).times(1e3) for key, found in requests.items()}
        imported = len(many.imported())
    rows = [
        row("ready for its first turn, no pack", ready["none"], "ms", beside="python -c pass", floor=floor.times(1e3)),
        row(
            f"ready for its first turn, {HITS} packs",
            ready["many"],
            "ms",
            beside="with no pack",
            floor=ready["none"],
            reach=MANY,
        ),
        Row(f"packs of {HITS} that a start without their tools imported", imported, "", reach=Reach(0)),
    ]
    return Table("`run` with packs (wall time, from the start of the process)", rows, ["with a warm snapshot"])


def _command(one: Installation) -> list[str | Path]:
    return [one.script, "run", "--model", "scripted:script.toml", "go"]


def _settle(one: Installation) -> None:
    """Let a first start make the snapshot, of packs that were installed an hour ago; forget that it imported them."""
    (one.folder / "project" / "script.toml").write_text(SCRIPT)
    past = time.time() - 3600
    for name in one.packs:
        for path in (*(one.site / name).iterdir(), *(one.site / f"{name}-1.0.dist-info").iterdir()):
            if path.is_file():
                _age(path, past)
    _age(one.site, past)
    for _ in range(2):
        one.output(*_command(one))
    for mark in one.marks.iterdir():
        mark.unlink()
