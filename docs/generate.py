"""Writes docs/reference/ from the code: `python docs/generate.py`, and with --check it only compares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reference_pages.command_line import cli_page
from reference_pages.flags import flags_page
from reference_pages.hooks import decisions_page, handed_page, hooks_page
from reference_pages.records import events_page, records_page
from reference_pages.settings import settings_page
from reference_pages.surfaces import surfaces_page

REFERENCE = Path(__file__).resolve().parent / "reference"


def main(words: Sequence[str] | None = None) -> int:
    """Write the pages, or with --check say which ones are not fresh."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a page is not fresh")
    parser.add_argument("--to", type=Path, default=REFERENCE, help="the folder of the pages")
    given = parser.parse_args(words)
    stale = []
    for name, text in sorted(pages().items()):
        path = given.to / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'not fresh' if given.check else 'written'}: {name}")
    if given.check and stale:
        print("run `python docs/generate.py`")
        return 1
    return 0


def pages() -> dict[str, str]:
    """Return every generated page by its name."""
    return {
        "hooks.md": hooks_page(),
        "handed.md": handed_page(),
        "decisions.md": decisions_page(),
        "events.md": events_page(),
        "records.md": records_page(),
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "flags.md": flags_page(),
        "surfaces.md": surfaces_page(),
    }


if __name__ == "__main__":
    sys.exit(main())
