"""`python -m bench [NAME...] [--quick] [--json]`: measure, and print tables."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from bench.measure import BenchError, Effort, Table
from bench.printing import as_json, as_text, machine, verdict

SUBJECTS = {
    "loop": "one tool call through the whole loop, with 0 to 100 hooks",
    "growth": "2,000 turns in one session, first quarter beside last quarter",
    "journal": "one record of the journal beside a bare write",
    "cli": "the command line with 0 and 50 installed packs",
    "ready": "`pegboard run` until its first request",
    "packs": "finding plugins among 50 to 1,000 distributions, and a start with 30 packs",
    "resume": "a journal of 100,000 records",
    "hooks": "declared hooks: a command, ten at once, a warm worker, HTTP, a function",
    "chat": "the first token in a chat, beside the bare stream",
    "memory": "1,000 sessions in one process",
    "memory_log": "what memory keeps: durable puts beside SQLite and a bare sync, searches, indexing",
    "recalling": "finding what was said in a long conversation, and what remembering costs a record",
    "flags": "one read of a flag, and a start with 500 of them",
    "rules": "a call under a thousand permission rules, and reading a command",
    "tools": "an edit, a search, a checkpoint, and calls that run together",
    "names": "looking for confidential names, in whole texts and in pieces",
}
"""The subjects in the order of the report; each is the module `bench.NAME` with a function `measure`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for. Returns 1 if something could not be measured, 2 for an unknown name."""
    wanted = _parse(arguments)
    effort = Effort(quick=wanted.quick)
    if not wanted.json:
        print("  ".join(f"{name}: {value}" for name, value in machine().items()))
        if effort.quick:
            print("--quick: few repetitions and small sizes; these are no figures to quote")
    tables: list[Table] = []
    failed = False
    for name in wanted.names or SUBJECTS:
        print(f"measuring {name}: {SUBJECTS[name]}", file=sys.stderr)
        try:
            found = importlib.import_module(f"bench.{name}").measure(effort)
        except BenchError as error:
            failed = True
            found = [Table(SUBJECTS[name], notes=[f"not measured: {error}"])]
        tables += found
        if not wanted.json:
            print(*(f"\n{as_text(table)}" for table in found), sep="\n", flush=True)
    print(as_json(tables) if wanted.json else f"\n{verdict(tables)}")
    return int(failed)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure what the host costs, beside floors and peers in the same run.",
        epilog="\n".join(f"  {name:<10} {about}" for name, about in SUBJECTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure; all of it by default")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it works, not to quote")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    wanted = parser.parse_args(arguments)
    unknown = [name for name in wanted.names if name not in SUBJECTS]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}; there are {', '.join(SUBJECTS)}")
    return wanted


if __name__ == "__main__":
    sys.exit(main())
