"""Writes docs/reference/ and schemas/ from the code: `python docs/generate.py`; with --check it only compares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reference_pages.agents import agents_page
from reference_pages.chat import chat_page
from reference_pages.checkpoints import checkpoints_page
from reference_pages.command_line import cli_page
from reference_pages.commands import commands_page
from reference_pages.flags import flags_page
from reference_pages.hooks import decisions_page, handed_page, hooks_page
from reference_pages.mcp import mcp_page
from reference_pages.memory import memory_page
from reference_pages.permissions import permissions_page
from reference_pages.records import events_page, records_page
from reference_pages.schemas import schemas
from reference_pages.settings import settings_page
from reference_pages.surfaces import surfaces_page
from reference_pages.wire_events import wire_events_page

REFERENCE = Path(__file__).resolve().parent / "reference"
SCHEMAS = REFERENCE.parent.parent / "schemas"


def main(words: Sequence[str] | None = None) -> int:
    """Write the pages and the schemas, or with --check say which ones are not fresh."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a page is not fresh")
    parser.add_argument("--to", type=Path, help="another folder for the pages, with the schemas in it")
    given = parser.parse_args(words)
    folder = given.to or REFERENCE
    wanted = {folder / name: (name, text) for name, text in pages().items()}
    beside = given.to / "schemas" if given.to else SCHEMAS
    wanted |= {beside / name: (f"schemas/{name}", text) for name, text in schemas().items()}
    stale = []
    for path, (name, text) in sorted(wanted.items()):
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
        "wire-events.md": wire_events_page(),
        "cli.md": cli_page(),
        "chat.md": chat_page(),
        "flags.md": flags_page(),
        "surfaces.md": surfaces_page(),
        "memory.md": memory_page(),
        "permissions.md": permissions_page(),
        "checkpoints.md": checkpoints_page(),
        "commands.md": commands_page(),
        "agents.md": agents_page(),
        "mcp.md": mcp_page(),
    }


if __name__ == "__main__":
    sys.exit(main())
