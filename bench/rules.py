"""Permission rules: a call under a thousand of them, and reading a command."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.measure import Effort, Reach, Table, cpu, interleaved, row
from pegboard import shell
from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.permissions.commands import analyse
from pegboard_builtins.permissions.decide import decide
from pegboard_builtins.permissions.grammar import parse
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject

EVALUATION = Reach(200)
COUNTS = (10, 1_000)
PROGRAMS = ["git", "npm", "cargo", "make", "docker", "kubectl", "terraform", "aws", "poetry", "uv", "go", "pip"]
COMMAND = "cd src && git add -A && npm test -- --watch=false 2>&1 | tail -20"
LINE = 'for x in a b; do echo "$x $(ls -l | grep foo)" && touch build/$x > log 2>&1; done\n'


def measure(effort: Effort) -> list[Table]:
    """Measure in processor time; nothing here waits."""
    return [_evaluating(effort), _reading(effort)]


def rules(count: int) -> RuleSet:
    """Return so many rules: a third deny, a third ask, a third allow, for commands and for files."""
    rnd = random.Random(7)
    source = Source(SettingsLayer.USER, "settings.toml", 1)
    lists: dict[str, list[Rule]] = {"deny": [], "ask": [], "allow": []}
    for place in range(count):
        name = ("deny", "ask", "allow")[place % 3]
        word = f"{rnd.choice(PROGRAMS)} verb{place}"
        text = f"Bash({word}:*)" if place % 2 else f"Edit(folder{place}/**/*.py)"
        lists[name].append(Rule(parse(text, allows=name == "allow"), source, Path("/p")))
    for text in ("Bash(git add:*)", "Bash(npm test:*)"):
        lists["allow"].append(Rule(parse(text, allows=True), source, Path("/p")))
    made = {name: tuple(own) for name, own in lists.items()}
    return RuleSet(**made, workspace=("/p",), readable=("/p",))


def _evaluating(effort: Effort) -> Table:
    times = effort.pick(300, 30)
    variants: dict[str, Callable[[], float]] = {}
    for count in COUNTS:
        known = rules(count)
        variants[f"command {count}"] = partial(_per_call, times, known, "Bash", {"command": COMMAND})
        variants[f"file {count}"] = partial(_per_call, times, known, "Edit", {"file_path": "/p/src/a.py"})
    found = interleaved(variants, effort.pick(9, 2))
    rows = [
        row(f"{what}, {count:,} rules", found[f"{kind} {count}"], "us", beside="10 rules", floor=found[f"{kind} 10"],
            reach=EVALUATION if count == 1_000 else None)
        for kind, what in (("command", "a command of five, read before"), ("file", "an edit of a file"))
        for count in COUNTS
    ]  # fmt: skip
    return Table("one call under permission rules: deny, ask and allow (processor time)", rows)


def _per_call(times: int, known: RuleSet, tool: str, given: dict[str, object]) -> float:
    here = Path("/p")
    started = cpu()
    for _ in range(times):
        decide(Subject(tool, given, False, here, here), known, "default")
    return (cpu() - started) / times * 1e6


def _reading(effort: Effort) -> Table:
    long = (LINE * 100)[: 4_096 // len(LINE) * len(LINE)]
    parser = shell._bash()
    times = effort.pick(20, 3)
    variants = {
        "short": partial(_per_read, times * 10, COMMAND),
        "long": partial(_per_read, times, long),
        "grammar": partial(_per_parse, times, parser.parse, long.encode()),
    }
    found = interleaved(variants, effort.pick(9, 2))
    note = f"{len(long):,} characters, {len(analyse(long).commands)} simple commands"
    rows = [
        row("a command of five", found["short"], "us"),
        row("a command of 4 KB", found["long"], "us", beside="the grammar alone", floor=found["grammar"], note=note),
    ]
    return Table("reading a command that was not read before, with all its dresses (processor time)", rows)


def _per_read(times: int, command: str) -> float:
    started = cpu()
    for _ in range(times):
        analyse.cache_clear()
        analyse(command)
    return (cpu() - started) / times * 1e6


def _per_parse(times: int, parse_bytes: Callable[[bytes], object], data: bytes) -> float:
    started = cpu()
    for _ in range(times):
        parse_bytes(data)
    return (cpu() - started) / times * 1e6
