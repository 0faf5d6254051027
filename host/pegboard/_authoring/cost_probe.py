"""A process of its own that tells what one plugin costs, as JSON in its last line: `start`, or `hooks` of a session.

Each hook is fired through the host's own dispatcher, in turn with the same hook of a plugin that does nothing and has
a host of its own: what the two have in common is the host's, and the rest is the plugin's.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import types
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pegboard.hookspecs import POLICIES, hookimpl
from pegboard.messages import Message, TextBlock
from pegboard.records import Notice, SessionStart, TurnEnd

WARM_UP = 3
MOST, LEAST = 200, 5
"""How often an event is fired at most, and at least."""
SECONDS = 1.0
"""After so long no further round begins for one hook."""
REGISTERED = 5
TURNS = 5_000
"""Answers that the scripted model has ready: for frames around it, and for hooks that ask it."""


def main(what: str, name: str, value: str, folder: Path) -> None:
    """Measure, and print what was seen."""
    seen = start(name, folder) if what == "start" else asyncio.run(hooks(name, value, folder))
    print(json.dumps(seen, sort_keys=True, default=str), flush=True)


def start(name: str, folder: Path) -> dict[str, Any]:
    """Open a host that has its state in *folder*, and tell what of that was the plugin's."""
    from pegboard.host import Host

    host = Host(
        folder / "project", state_dir=folder / "state", config_dir=folder / "config", environment={}, strict=False
    ).open()
    record = host.board.record(name)
    if record is None:
        return {"status": "missing", "reason": "no distribution has it", "mend": ""}
    each_time = host.snapshot.imported_each_time() if host.snapshot is not None else {}
    return {
        **_state(record),
        "ms": record.load_ms,
        "imported": name not in host.board.asleep,
        "why": each_time.get(name, ""),
    }


def _state(record: Any) -> dict[str, Any]:
    return {"status": str(record.status), "reason": record.reason, "mend": record.mend}


async def hooks(name: str, value: str, folder: Path) -> dict[str, Any]:
    """Load the plugin into a host of its own and fire its hooks; what happens is in the file `events.json`."""
    from pegboard.testing import HostFixture

    events = json.loads((folder / "events.json").read_text(encoding="utf-8"))
    async with HostFixture(folder=folder / "pack", allow_broken=True) as host:
        host.load(value, name)
        registered = [host.plugins[name].register_ms for _ in range(REGISTERED)]
        record = host.plugins[name]
        if record.status != "active":
            return _state(record)
        async with HostFixture(folder=folder / "nobody") as nobody:
            nobody.load(no_op(set(record.hooks)), "nobody")
            for one in (host, nobody):
                one.model.script(*["Fine."] * TURNS)
                await one.open()
            taken = {hook: await _rounds(hook, events, host, nobody) for hook in POLICIES if hook in record.hooks}
        return {
            **_state(host.plugins[name]),
            "register_ms": round(statistics.median(registered), 3),
            "tools": {tool.name: len(tool.spec.model_dump_json()) // 4 for tool in _tools(host, name)},
            "hooks": {hook: found for hook, found in taken.items() if found},
            "failures": _failures(host, name),
        }


def _tools(host: Any, name: str) -> Sequence[Any]:
    tools: Sequence[Any] = host.host.board.contributions[name].tools
    return tools


def no_op(hooks: set[str]) -> types.ModuleType:
    """Return a plugin that implements these hooks and does nothing."""
    module = types.ModuleType("nobody")
    for hook in sorted(hooks & set(POLICIES)):
        setattr(module, hook, hookimpl(specname=hook)(_passes_on if hook == "model_call" else _nothing))
    return module


def _nothing() -> None:
    """Have no opinion."""


def _passes_on(request: Any, call_next: Any) -> AsyncIterator[Any]:
    answer: AsyncIterator[Any] = call_next(request)
    return answer


def facts_for(hook: str, events: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a hook is fired with: the events of its kind, or what stands for one."""
    calls = events["calls"]
    words = Message(role="user", content=(TextBlock(text="Hello."),))
    facts: dict[str, list[dict[str, Any]]] = {
        "prompt_submit": [{"prompt": text} for text in events["prompts"]],
        "prepare_request": [{}],
        "model_call": [{}],
        "pre_tool": [{"tool": one["tool"], "input": one["input"]} for one in calls],
        "resolve_ask": [{"tool": one["tool"], "input": one["input"]} for one in calls],
        "post_tool": calls,
        "next_step": [{}],
        "compact": [{"messages": (words,)}],
        "lifecycle": [{"event": SessionStart()}, {"event": TurnEnd(reason="end_turn", text="Fine.")}],
        "event": [{"record": Notice(level="info", text="Hello.")}],
    }
    return facts.get(hook, [])


async def _rounds(hook: str, events: Mapping[str, Any], host: Any, nobody: Any) -> dict[str, Any] | None:
    """Fire a hook again and again, in turn with one that does nothing; None for one that nobody fires by hand."""
    facts = facts_for(hook, events)
    if not facts:
        return None
    if hook not in host.session.dispatcher.hooked:
        return {"fired": 0}  # a flag, a switch or a path leaves it out
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP):
        await _fired(host, hook, facts[number % len(facts)])
        await _fired(nobody, hook, facts[number % len(facts)])
    began = time.perf_counter()
    for number in range(MOST):
        if number >= LEAST and time.perf_counter() - began > SECONDS:
            break
        for times, one in zip(taken, (host, nobody), strict=True):
            times.append(await _fired(one, hook, facts[number % len(facts)]))
    own, bare = (sorted(times) for times in taken)
    return {
        "median_us": round(statistics.median(own) * 1e6, 1),
        "p95_us": round(own[int(0.95 * (len(own) - 1))] * 1e6, 1),
        "no_op_us": round(statistics.median(bare) * 1e6, 1),
        "fired": len(own),
    }


async def _fired(host: Any, hook: str, facts: Mapping[str, Any]) -> float:
    began = time.perf_counter()
    await host.fire(hook, **facts)
    return time.perf_counter() - began


def _failures(host: Any, name: str) -> list[str]:
    failed = {
        f"{made.hook}: {made.facts['error']}" for made in host.calls if made.plugin == name and "error" in made.facts
    }
    return sorted(failed)[:5]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
