"""What flags cost: a read beside a dict look-up and beside OpenFeature, and a start with 500 of them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.measure import BenchError, Effort, Reach, Row, Sample, Table, cpu, interleaved, row
from pegboard._agent.journal import Journal
from pegboard.flags import Flag, FlagDetails, FlagLayer, FlagSnapshot, FlagView, flag
from pegboard.hookspecs import hookimpl
from pegboard.host import Host
from pegboard.records import Notice

FLAGS = 500
READ_IN_A_TURN = 100


def measure(effort: Effort) -> list[Table]:
    """Measure reads, then starts."""
    return [_reads(effort), _starts(effort)]


# --- reading -------------------------------------------------------------------------------------------


def _reads(effort: Effort) -> Table:
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        journal = Journal(Path(folder) / "j.jsonl", fsync="off")
        try:
            return _with(journal, effort)
        finally:
            journal.close()


def _with(journal: Journal, effort: Effort) -> Table:
    number, repetitions = effort.pick(5_000, 200), effort.pick(15, 3)
    flags = {f"bench.f{n}": flag(f"bench.f{n}", n % 2 == 0) for n in range(READ_IN_A_TURN)}
    values = {name: one.default for name, one in flags.items()}
    # Somebody has set each: the record then has more of it, as it has not of a flag that is at its default.
    snapshot = FlagSnapshot({name: FlagDetails(name, value, layer=FlagLayer.USER) for name, value in values.items()})
    view = FlagView(snapshot, declared=flags, on_read=journal.reads_of(snapshot))
    names = list(values)
    name = names[0]

    def looped(read: Callable[[str], Any]) -> Callable[[], float]:
        def run() -> float:
            started = cpu()
            for _ in range(number):
                read(name)
            return (cpu() - started) / number * 1e6

        return run

    def empty() -> float:
        started = cpu()
        for _ in range(number):
            pass
        return (cpu() - started) / number * 1e6

    def subscript(mapping: Any) -> Callable[[], float]:
        def run() -> float:
            started = cpu()
            for _ in range(number):
                mapping[name]
            return (cpu() - started) / number * 1e6

        return run

    def turns(*, reading: bool) -> Callable[[], float]:
        rounds = max(1, number // READ_IN_A_TURN)

        def run() -> float:
            started = cpu()
            for _ in range(rounds):
                view.begin_turn()
                if reading:
                    for one in names:
                        view[one]
                journal.write(Notice(level="info", text="end of the turn"))
            return (cpu() - started) / (rounds * READ_IN_A_TURN) * 1e6

        return run

    view[name]
    variants: dict[str, Callable[[], float]] = {
        "empty": empty,
        "dict": subscript(dict(values)),
        "again": subscript(view),
        "typed": looped(view.boolean),
        "turn": turns(reading=True),
        "turn without": turns(reading=False),
        **{key: looped(read) for key, read in _others(values, view).items()},
    }
    found = interleaved(variants, repetitions)
    floor = found["dict"].minus(found["empty"])
    rows: list[Row] = [
        row(
            "a read that is journaled (the first in a turn)",
            found["turn"].minus(found["turn without"]),
            "µs",
            beside="dict look-up",
            floor=floor,
            reach=Reach(2.0),
        ),
        row(
            'a repeat in the same turn, flags["name"]',
            found["again"].minus(found["empty"]),
            "µs",
            beside="dict look-up",
            floor=floor,
            reach=Reach(0.1),
        ),
    ]
    labels = {
        "typed": 'a repeat in the same turn, flags.boolean("name")',
        "openfeature": "OpenFeature's client on its in-memory provider",
        "ours": "OpenFeature's client on a session's flags",
        "flagd": "flagd-core, a flag without a rule",
    }
    rows += [
        row(label, found[key].minus(found["empty"]), "µs", beside="dict look-up", floor=floor)
        for key, label in labels.items()
        if key in found
    ]
    notes = [f"journaled: {READ_IN_A_TURN} flags read in each turn, all of them in the one record that the turn gets"]
    return Table("one read of a flag", rows, notes)


def _others(values: dict[str, Any], view: FlagView) -> dict[str, Callable[[str], Any]]:
    """Return what others read a flag with, as far as it is installed."""
    from openfeature import api
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

    from pegboard_builtins.flags.openfeature_provider import bind

    memory = {name: InMemoryFlag("v", {"v": value}) for name, value in values.items()}
    api.set_provider_and_wait(InMemoryProvider(memory), domain="bench-memory")
    bind("bench-ours", view)
    theirs, ours = api.get_client("bench-memory"), api.get_client("bench-ours")
    found: dict[str, Callable[[str], Any]] = {
        "openfeature": lambda name: theirs.get_boolean_value(name, False),
        "ours": lambda name: ours.get_boolean_value(name, False),
    }
    try:
        from openfeature.contrib.tools.flagd.core import FlagdCore
    except ImportError:
        return found
    core = FlagdCore()
    core.set_flags(
        {
            "flags": {
                name: {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
                for name in values
            }
        }
    )
    return {**found, "flagd": lambda name: core.resolve_boolean_value(name, False)}


# --- starting ------------------------------------------------------------------------------------------


def _starts(effort: Effort) -> Table:
    from pegboard_builtins import flags as built_in

    repetitions = effort.pick(11, 2)
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as root:
        folder = Path(root)
        (folder / "set" / "config").mkdir(parents=True)
        lines = "".join(f'"bench.f{n}" = true\n' for n in range(0, FLAGS, 2))
        (folder / "set" / "config" / "settings.toml").write_text(f"[flags.values]\n{lines}")

        def start(count: int, place: str = "plain") -> Callable[[], float]:
            return lambda: asyncio.run(_start(folder / place, count, built_in))

        found = interleaved({"none": start(0), "many": start(FLAGS), "set": start(FLAGS, "set")}, repetitions)
    floor = Sample((found["none"].median,))
    rows = [
        row(
            f"{FLAGS} flags, none of them set: what the start takes longer",
            found["many"].minus(found["none"]),
            "ms",
            beside="the start without flags",
            floor=floor,
            reach=Reach(5.0),
        ),
        row(
            f"{FLAGS} flags, half of them set in the user's settings: what it takes longer",
            found["set"].minus(found["none"]),
            "ms",
            beside="the start without flags",
            floor=floor,
        ),
    ]
    notes = [
        "from opening the host to the session's first record but one: declaring, registering, resolving, journaling",
        "with flags set, most of it is reading the settings file, which has a line for each",
    ]
    return Table("a session's start", rows, notes)


async def _start(folder: Path, count: int, built_in: Any) -> float:
    (folder / "project").mkdir(parents=True, exist_ok=True)
    started = cpu()
    declared = [_declare(n) for n in range(count)]
    pack = SimpleNamespace(register=hookimpl(lambda registry: registry.add_flag(*declared)))
    host = Host(
        folder / "project",
        state_dir=folder / "state",
        config_dir=folder / "config",
        environment={},
        entry_points=(),
        plugins=[("flags", built_in), ("many", pack)],
    )
    async with host, host.session() as session:
        took = (cpu() - started) * 1e3
        if len(session.flags) != count:
            raise BenchError(f"the session has {len(session.flags)} flags, not {count}")
        return took


def _declare(number: int) -> Flag:
    return flag(f"bench.f{number}", False, help="One of many.", owner="bench")
