"""Looking for confidential names: whole texts and pieces, beside what else could look for them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench.measure import BenchError, Effort, Reach, Row, Table, cpu, interleaved, row
from pegboard_builtins.undercover.engine import Matcher, Stream, read_names
from pegboard_builtins.undercover.engine.words import word_list

COUNTS = (10, 1_000, 10_000)
PLAIN, ALL = Reach(1000 / 40), Reach(1000 / 4)
PIECE = Reach(200)
HELD = Reach(64)
BUILD = Reach(1_000)
_SYLLABLES = """
    bra cor dal fen gri hol jas kir lom mur nax pel qui ros sil tav ulm vex wyn zor
"""
SYLLABLES = _SYLLABLES.split()
SIZE = 20
"""Characters of a piece: what a model says at once."""


def measure(effort: Effort) -> list[Table]:
    """Measure prose and code without names: that is what nearly all text is."""
    prose = _prose(effort.pick(2_000_000, 200_000))
    code = _code(effort.pick(2_000_000, 200_000))
    return [_whole(effort, prose, code), _pieces(effort, prose), _building(effort)]


def names(count: int) -> list[str]:
    """Return so many coined names of one or two words."""
    rnd = random.Random(5)
    found: dict[str, None] = {}
    while len(found) < count:
        words = ["".join(rnd.choice(SYLLABLES) for _ in range(rnd.randint(2, 4))).capitalize() for _ in range(2)]
        found[" ".join(words[: rnd.randint(1, 2)])] = None
    return list(found)


def _matcher(count: int, *, depth: int = 2, strict: bool = False) -> Matcher:
    return Matcher(read_names("\n".join(names(count)), key=b"bench"), depth=depth, strict=strict)


def _whole(effort: Effort, prose: str, code: str) -> Table:
    """Milliseconds per megabyte: 25 is 40 MB/s."""
    variants: dict[str, Callable[[], float]] = {}
    for count in COUNTS:
        variants[f"plain {count}"] = partial(_per_mb, _matcher(count, depth=0).find, prose)
        variants[f"all {count}"] = partial(_per_mb, _matcher(count).find, prose)
    variants["all code"] = partial(_per_mb, _matcher(10_000).find, code)
    variants["strict"] = partial(_per_mb, _matcher(10_000, strict=True).find, prose)
    slice_ = prose[:20_000]
    for count in COUNTS:
        pattern = re.compile("|".join(map(re.escape, names(count))), re.IGNORECASE)
        variants[f"re {count}"] = partial(_per_mb, pattern.findall, slice_ if count > 10 else prose)
    notes = [
        "`re`: a compiled alternation, without separators, look-alikes or readings; from 1,000 names on over 20 kB"
    ]
    peers = {"pyahocorasick": _pyahocorasick, "Presidio's deny list": _presidio}
    made: dict[str, str] = {}
    for peer, make in peers.items():
        for count in COUNTS if peer == "pyahocorasick" else COUNTS[:2]:
            try:
                variants[f"{peer} {count}"] = make(count, prose, slice_)
                made[f"{peer} {count}"] = peer
            except ImportError as error:
                notes.append(f"{peer}: not measured, {error}")
                break
    found = interleaved(variants, effort.pick(7, 2))
    rows = [
        row(f"plain text, {count:,} names", found[f"plain {count}"], "ms/MB", beside="re", floor=found[f"re {count}"],
            reach=PLAIN if count == 10_000 else None) for count in COUNTS
    ]  # fmt: skip
    rows += [
        row(f"with all readings, {count:,} names", found[f"all {count}"], "ms/MB", beside="re",
            floor=found[f"re {count}"], reach=ALL if count == 10_000 else None) for count in COUNTS
    ]  # fmt: skip
    rows.append(row("with all readings, code, 10,000 names", found["all code"], "ms/MB", reach=ALL))
    rows.append(row("strict, 10,000 names", found["strict"], "ms/MB"))
    ours = found["plain 10000"].median
    rows += [row(name, found[name], "ms/MB", beside="plain text, 10,000", floor=ours) for name in made]
    return Table("looking for names in whole texts without any (processor time; 25 ms/MB is 40 MB/s)", rows, notes)


def _pieces(effort: Effort, prose: str) -> Table:
    text = prose[: effort.pick(100_000, 20_000)]
    passes: list[list[float]] = []
    held: list[float] = []
    for _ in range(effort.pick(5, 2)):
        matcher = _matcher(10_000)  # a new one each time: what it remembers of words is a part of what a piece costs
        _run_pieces(matcher, text[:4_000])
        taken, held = _run_pieces(matcher, text)
        passes.append(taken)
    times = sorted(map(min, zip(*passes, strict=True)))
    held.sort()

    def at(values: Sequence[float], share: float) -> float:
        return values[min(len(values) - 1, int(len(values) * share))]

    return Table(
        f"a stream in pieces of {SIZE} characters, 10,000 names",
        [
            Row("one piece, median", at(times, 0.5), "us"),
            Row("one piece, 99 of 100", at(times, 0.99), "us", reach=PIECE),
            Row("held back, median", at(held, 0.5), "characters"),
            Row("held back, 99 of 100", at(held, 0.99), "characters", reach=HELD),
        ],
        ["each piece as it was in the quickest of several passes, so that others on the machine do not count"],
    )


def _run_pieces(matcher: Matcher, text: str) -> tuple[list[float], list[float]]:
    stream = Stream(matcher)
    times, held = [], []
    for at in range(0, len(text), SIZE):
        piece = text[at : at + SIZE]
        started = cpu()
        stream.take(piece)
        times.append((cpu() - started) * 1e6)
        held.append(float(stream.held))
    stream.end()
    return times, held


def _building(effort: Effort) -> Table:
    def once(count: int, *, strict: bool) -> float:
        listed = read_names("\n".join(names(count)), key=b"bench")
        started = cpu()
        matcher = Matcher(listed, strict=strict)
        Stream(matcher).take("the first piece ")
        return (cpu() - started) * 1e3

    variants = {f"{count:,} names": partial(once, count, strict=False) for count in COUNTS}
    variants["10,000 names, strict"] = partial(once, 10_000, strict=True)
    found = interleaved(variants, effort.pick(5, 1))
    rows = [row(name, one, "ms", reach=BUILD if name == "10,000 names" else None) for name, one in found.items()]
    return Table("reading a list until the first piece of a stream", rows)


def _per_mb(find: Callable[[str], object], text: str) -> float:
    started = cpu()
    find(text)
    return (cpu() - started) * 1e3 / (len(text) / 1e6)


def _pyahocorasick(count: int, prose: str, slice_: str) -> Callable[[], float]:
    import ahocorasick  # type: ignore[import-not-found]

    automaton = ahocorasick.Automaton()
    for name in names(count):
        automaton.add_word(name.lower(), name)
    automaton.make_automaton()
    return partial(_per_mb, lambda text: list(automaton.iter(text.lower())), prose)


def _presidio(count: int, prose: str, slice_: str) -> Callable[[], float]:
    try:
        from presidio_analyzer import PatternRecognizer  # type: ignore[import-not-found]
    except ImportError:
        raise
    except Exception as error:  # whatever its own dependencies say
        raise ImportError(str(error)) from None
    found = PatternRecognizer(supported_entity="NAME", deny_list=names(count))
    return partial(_per_mb, lambda text: found.analyze(text, ["NAME"]), slice_)


def _prose(size: int) -> str:
    """Return text of frequent words."""
    rnd, words = random.Random(2), word_list()
    parts: list[str] = []
    length = 0
    while length < size:
        word = words[min(int(rnd.paretovariate(0.8)), len(words) - 1)]
        parts.append(word.capitalize() + "." if rnd.random() < 0.07 else word)
        length += len(word) + 1
    return " ".join(parts)


def _code(size: int) -> str:
    """Return source code of the standard library."""
    import sysconfig

    parts: list[str] = []
    length = 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="replace")
        parts.append(text)
        length += len(text)
        if length > size:
            return "\n".join(parts)
    if not parts:
        raise BenchError("there is no source of the standard library")
    return "\n".join(parts)
