"""A process of its own that loads one plugin into a host, plays with it, takes it away, and prints what it saw as JSON.

The pack's parent process runs it twice, with two seeds of hashing: what differs between the two is not deterministic.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import re
import signal
import statistics
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pegboard.hookspecs import POLICIES
from pegboard.testing import HostFixture, ScriptedTurn
from pegboard.tools import Tool

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Bash", {"command": "ls -la"}),
    ("Bash", {"command": "git push --force origin main"}),
    ("Bash", {"command": "rm -rf build && echo done"}),
    ("Read", {"file_path": "/etc/hosts"}),
    ("Write", {"file_path": "notes/todo.md", "content": "- [ ] write tests\n"}),
    ("Edit", {"file_path": "src/app.py", "old_string": "a = 1", "new_string": "a = 2"}),
    ("Grep", {"pattern": "TODO", "path": "."}),
)
"""What a model typically asks for: the hooks are asked about each, forwards and then backwards."""

PROMPTS = ("Hello.", "Fix the failing test in src/app.py, then commit.", "")
CHANGING = re.compile(r"0x[0-9a-f]{4,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(fired|side|toolu)_\w+")
"""What differs between two runs of anything: addresses, ids."""

NUMBER = re.compile(r"\[\d+\]$")
"""Of a pipe or socket in /proc."""


def main(name: str, value: str, folder: Path) -> None:
    """Inspect a plugin and print what was seen. *folder* is the fixture's; it is empty."""
    before = leftovers()
    asyncio.run(_of_nobody(folder / "nobody"))  # what the host itself leaves behind is no finding
    own = leftovers()
    seen = asyncio.run(_inspect(name, value, folder / "pack"))
    after = leftovers()
    seen["left"] = sorted(what for kind in after for what in after[kind] - before[kind] - own[kind])
    print(json.dumps(seen, sort_keys=True, default=str), flush=True)


async def _of_nobody(folder: Path) -> None:
    async with HostFixture(folder=folder) as host:
        host.model.script("Fine.")
        await host.prompt("Hello.")


async def _inspect(name: str, value: str, folder: Path) -> dict[str, Any]:
    async with HostFixture(folder=folder, allow_broken=True) as host:
        host.load(value, name)
        record = host.plugins[name]
        seen: dict[str, Any] = {"status": str(record.status), "reason": record.reason, "mend": record.mend}
        if record.status != "active":
            return seen
        await host.open()
        contribution = host.host.board.contributions[name]
        seen["hooks"] = sorted(hook for hook in POLICIES if name in host.host.board.ordered(hook))
        seen["tools"] = {tool.name: _tool_facts(tool) for tool in contribution.tools}
        seen["brings"] = {
            "flags": sorted(flag.name for flag in contribution.flags),
            "models": sorted(model.prefix for model in contribution.models),
            "sections": {section.name: section.text for section in contribution.sections},
            "verbs": sorted(command.name for command in contribution.commands),
        }
        seen["answers"] = await _ask(host)
        seen["requests"] = await _converse(host)
        seen["failures"] = _failures(host, name)
        seen["ms"] = _durations(host, name)
        return seen


def _tool_facts(tool: Tool) -> dict[str, Any]:
    return {"description": tool.description, "input_schema": tool.input_schema, "read_only": bool(tool.read_only)}


async def _ask(host: HostFixture) -> dict[str, str]:
    """Ask the hooks about everything, and about the calls once more in the other order."""
    answers = {}
    for text in PROMPTS:
        answers[f"prompt {text!r}"] = _plain(await host.fire("prompt_submit", prompt=text))
    for order, calls in (("", CALLS), (" again", CALLS[::-1])):
        for tool, given in calls:
            subject = f"{tool} {next(iter(given.values()))}"
            answers[f"pre_tool {subject}{order}"] = _plain(await host.fire("pre_tool", tool=tool, input=given))
            done = await host.fire("post_tool", tool=tool, input=given, output="a.py\nb.py\n")
            answers[f"post_tool {subject}{order}"] = _plain(done)
    return answers


def _plain(answer: Any) -> str:
    return CHANGING.sub("...", str(answer))


async def _converse(host: HostFixture) -> list[str]:
    """Hold a conversation of two turns, and return the hashes of what the model was sent."""
    host.model.script_name = "check"  # it stands in the request, and has a process id else
    turns: list[ScriptedTurn] = ["Fine.", "Good."]
    host.model.script(*turns)
    for text in ("Hello.", "And now?"):
        await host.prompt(text)
    return [str(getattr(record, "hash", "")) for record in host.records("request")]


def _failures(host: HostFixture, name: str) -> list[str]:
    found = {
        f"{made.hook}: {made.facts['error']}" for made in host.calls if made.plugin == name and "error" in made.facts
    }
    return sorted(found | {notice for notice in host.notices if name in notice})


def _durations(host: HostFixture, name: str) -> dict[str, float]:
    """Return the median time of each hook, in milliseconds."""
    taken: dict[str, list[float]] = {}
    for made in host.calls:
        if made.plugin == name:
            taken.setdefault(made.hook, []).append(made.facts["ns"] / 1e6)
    return {hook: statistics.median(times) for hook, times in sorted(taken.items())}


# --- what is left --------------------------------------------------------------------------------------


def leftovers() -> Mapping[str, set[str]]:
    """Return what a plugin could leave behind in this process, by kind."""
    return {
        "threads": {f"the thread {t.name!r}" for t in threading.enumerate() if not t.name.startswith("pegboard")},
        "children": {f"the process {child}" for child in _children()},
        "files": set(_open_files()),
        "environment": {f"the variable {key}" for key in os.environ},
        "folder": {f"the working folder {os.getcwd()}"},
        "path": {f"{entry!r} on sys.path" for entry in sys.path},
        "signals": {f"a handler of signal {int(number)}: {_handler(number)}" for number in signal.valid_signals()},
        "logging": {f"the log handler {handler!r}" for handler in logging.getLogger().handlers},
        "warnings": {f"the warnings filter {one[0]} {one[2]}" for one in warnings.filters},
        "exit": {f"{atexit._ncallbacks()} functions to be called at exit"},
    }


def _handler(number: int) -> str:
    try:
        found = signal.getsignal(number)
    except ValueError:
        return "none"
    return getattr(found, "__qualname__", str(found))


def _children() -> Iterator[str]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        return
    for child in children:
        try:
            name = Path(f"/proc/{child}/comm").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        yield name


def _open_files() -> Iterator[str]:
    try:
        numbers = os.listdir("/proc/self/fd")
    except OSError:
        return
    for number in numbers:
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if not target.startswith(("/proc/", "/dev/urandom")):
            yield f"open: {NUMBER.sub('', target)}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
