"""Timing words: clocks, samples with medians, and repetitions that take turns."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

cpu = time.process_time
"""For what computes: the processor time of this process, which busy neighbours hardly change."""

wall = time.perf_counter
"""For what waits: for another process, or for the disk."""


class BenchError(Exception):
    """Something cannot be measured here; the text says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one variant, one per repetition."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that stands in the tables."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Where the middle half of the values lies."""
        ordered = sorted(self.values)
        last = len(ordered) - 1
        return ordered[round(last * 0.25)], ordered[round(last * 0.75)]

    def times(self, factor: float) -> Sample:
        """Return the sample in another unit."""
        return Sample(tuple(value * factor for value in self.values))

    def minus(self, other: Sample) -> Sample:
        """Return the differences, repetition by repetition: both were measured in the same round."""
        return Sample(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))


def interleaved(
    variants: Mapping[str, Callable[[], float]], repetitions: int, *, warm_up: int = 1
) -> dict[str, Sample]:
    """Call every variant once per round, and return what they gave back.

    A machine that slows down for a while then slows all of them. Each round begins with another variant, so that
    none always runs in the wake of the same neighbour; the rounds of the warm-up are thrown away.
    """
    names = list(variants)
    values: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, repetitions):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            value = variants[name]()
            if turn >= 0:
                values[name].append(value)
    return {name: Sample(tuple(found)) for name, found in values.items()}


@dataclass(frozen=True, slots=True)
class Reach:
    """What the project aims at: a figure or a ratio that shall not be larger.

    A figure was set on one machine. `there` is what stands beside it took on that one: where that takes longer, the
    aim is as much larger, since it is the machine that is slow; it is never smaller.
    """

    at_most: float
    of: str = "figure"
    there: float | None = None

    def here(self, floor: float | None) -> float:
        """Return the aim on a machine on which the floor takes so long."""
        if self.of == "ratio" or self.there is None or floor is None:
            return self.at_most
        return self.at_most * max(1.0, floor / self.there)

    @classmethod
    def ratio(cls, at_most: float) -> Reach:
        """Aim at a ratio to what stands beside it."""
        return cls(at_most, "ratio")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a figure, and what it is measured against."""

    name: str
    figure: float | None
    unit: str
    beside: str = ""
    floor: float | None = None
    reach: Reach | None = None
    spread: tuple[float, float] | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How often the floor fits into the figure."""
        if self.figure is None or not self.floor or self.floor < 0:
            return None
        return self.figure / self.floor

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None where there is none, or nothing was measured."""
        if self.reach is None:
            return None
        value = self.figure if self.reach.of == "figure" else self.ratio
        return None if value is None else value <= self.reach.here(self.floor)


def row(
    name: str,
    sample: Sample,
    unit: str,
    *,
    beside: str = "",
    floor: Sample | float | None = None,
    reach: Reach | None = None,
    note: str = "",
) -> Row:
    """Make a row of samples: medians in the table, the middle half in the JSON."""
    under = floor.median if isinstance(floor, Sample) else floor
    return Row(name, sample.median, unit, beside, under, reach, sample.spread, note)


@dataclass(slots=True)
class Table:
    """The rows of one subject, and what a reader must know to read them."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: all of it, or just enough to see that it works."""

    quick: bool = False

    def pick(self, whole: int, quick: int) -> int:
        """Return one of two numbers."""
        return quick if self.quick else whole


def resident_mb(pid: int | str = "self") -> float:
    """Return the memory that a process holds, in MB, as the kernel counts it. Raises BenchError off Linux."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    raise BenchError("memory is read from /proc, which this system does not have")


def load_average() -> str:
    """Return how busy the machine is, for the head of the report."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
