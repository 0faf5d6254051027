"""Function handlers: found, loaded, called, reloaded between turns; a crash is no decision, a hang no end."""

from __future__ import annotations

import asyncio
import sys
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wire_run_desk import RunDesk, handler, plugin_folder

from pegboard.decisions import Decision
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.runners.function import TRUSTED, of_decision

anyio = pytest.mark.anyio
SLACK = 5.0

GUARD = """
import asyncio, time
from pegboard import hook
from pegboard.decisions import Decision

def kit(event):
    return hook.deny(f"no {event.command}") if event.command.startswith("rm") else hook.pass_()

async def later(event):
    await asyncio.sleep(0.01)
    return {"systemMessage": event.tool_name}

def decision(event): return Decision.ask("sure?")
def nothing(event): return None
def changes(event):
    assert isinstance(event, hook.PreToolUse) and type(event).__name__ == "PreToolUse"
    said = f"{event.name} {event.tool_name} {event.command} {event.tool_input['more'][0]}"
    event.tool_input["command"] = event.tool_input["more"][0] = "another"
    event.raw["tool_name"] = "Other"
    assert event.command == "another" and event.tool_name == "Other" and event.raw is event.raw
    return {"systemMessage": said}
def wrong(event): return "deny"
def crash(event): raise ValueError("boom")
def leave(event): raise SystemExit(2)
async def leave_later(event): raise SystemExit(2)
def late(event): raise TimeoutError("a server's")
def spin(event):
    while True: pass
def spin_when_told(event):
    while event.raw.get("spin"): pass
def sleep(event): time.sleep(3)
async def stubborn(event):
    while True:
        try: await asyncio.sleep(60)
        except asyncio.CancelledError: pass
async def forever(event): await asyncio.sleep(60)
class Inside:
    @staticmethod
    def check(event): return hook.allow("fine")
number = 7
"""


def function(name: str, **facts: Any) -> Handler:
    return handler(HandlerType.FUNCTION, function=name, **facts)


def bash(desk: RunDesk, command: str = "ls", **facts: Any):
    return desk.job({"tool_input": {"command": command}, "prompt_id": "p1", **facts}, seconds=20.0)


@pytest.fixture
def guard(desk: RunDesk) -> str:
    desk.file("guard.py", GUARD)
    return "guard.py"


@anyio
async def test_it_gets_a_typed_event_and_answers_in_the_kits_words(desk: RunDesk, guard: str):
    entry = function(f"{guard}:kit")
    denied = await desk.run(entry, bash(desk, "rm x"))
    assert denied.answer is not None
    assert denied.answer["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert denied.answer["hookSpecificOutput"]["permissionDecisionReason"] == "no rm x"
    assert not (await desk.run(entry, bash(desk, "ls"))).answer


@anyio
async def test_what_it_changes_in_its_event_stays_with_it(desk: RunDesk, guard: str):
    seen = function(f"{guard}:changes")
    job = desk.job({"prompt_id": "p1", "tool_input": {"command": "ls", "more": ["a"]}})
    before = deepcopy(job.facts)
    for _ in range(TRUSTED + 2):  # in a thread first, then on the loop
        result = await desk.runners.run(seen, job)
        assert result.answer == {"systemMessage": "PreToolUse Bash ls a"}
    assert job.facts == before


@anyio
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("later", {"systemMessage": "Bash"}),
        ("nothing", None),
        (
            "decision",
            {
                "hookSpecificOutput": {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": "ask",
                    "permissionDecisionReason": "sure?",
                }
            },
        ),
    ],
)
async def test_it_may_be_async_and_answer_a_dict_a_decision_or_nothing(
    desk: RunDesk, guard: str, name: str, answer: Any
):
    for _ in range(TRUSTED + 2):  # in a thread first, then on the loop
        result = await desk.run(function(f"{guard}:{name}"), bash(desk))
        assert (result.exit, result.answer, result.broken) == (0, answer, "")


@anyio
async def test_a_dotted_name_is_found_inside_a_class(desk: RunDesk, guard: str):
    result = await desk.run(function(f"{guard}:Inside.check"), bash(desk))
    assert result.answer is not None


@anyio
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("guard.py:crash", "ValueError: boom"),
        ("guard.py:leave", "SystemExit"),
        ("guard.py:leave_later", "SystemExit"),
        ("guard.py:late", "TimeoutError: a server's"),
        ("guard.py:wrong", "answered str"),
        ("guard.py:number", "no function but int"),
        ("guard.py:kti", "Did you mean 'kit'?"),
        ("gaurd.py:kit", "no file gaurd.py"),
        ("no_such_package_here:x", "No module named 'no_such_package_here'"),
        ("guard.py", "names no function"),
        ("broken.py:x", "SyntaxError"),
    ],
)
async def test_a_crash_is_no_decision_and_the_hook_is_called_broken(desk: RunDesk, guard: str, name: str, why: str):
    desk.file("broken.py", "def x(:")
    for _ in range(TRUSTED + 2):
        result = await desk.run(function(name), bash(desk))
        assert (result.exit, result.answer, result.timed_out) == (1, None, False)
        assert why in result.broken
    if "crash" in name:
        assert "guard.py" in result.stderr
        assert "raise ValueError" in result.stderr


@anyio
@pytest.mark.parametrize(
    ("name", "note"), [("sleep", "left behind"), ("forever", "cancelled"), ("stubborn", "ignored")]
)
async def test_one_that_does_not_end_is_late_and_the_loop_goes_on(desk: RunDesk, guard: str, name: str, note: str):
    began = time.monotonic()
    ticks = asyncio.create_task(_ticks())
    result = await desk.run(function(f"{guard}:{name}"), replace(bash(desk), seconds=0.3))
    assert (result.exit, result.timed_out) == (None, True)
    assert note in result.note
    assert time.monotonic() - began < 0.3 + SLACK
    ticks.cancel()


@anyio
async def test_a_quick_one_that_spins_all_the_same_is_ended(desk: RunDesk, guard: str):
    entry = function(f"{guard}:spin_when_told")
    for _ in range(TRUSTED + 1):
        assert (await desk.run(entry, bash(desk))).exit == 0
    began = time.monotonic()
    result = await desk.run(entry, replace(bash(desk, spin=True), seconds=0.3))
    assert (result.exit, result.timed_out) == (None, True)
    assert time.monotonic() - began < 0.3 + SLACK
    assert (await desk.run(entry, bash(desk))).exit == 0


@anyio
async def test_a_quick_one_is_called_on_the_loops_own_thread(desk: RunDesk):
    desk.file("where.py", "import threading\ndef f(event): return {'thread': threading.current_thread().name}")
    names = [(await desk.run(function("where.py:f"), bash(desk))).answer["thread"] for _ in range(TRUSTED + 20)]
    assert names[0] != "MainThread"
    assert names[-1] == "MainThread"


@anyio
async def test_one_that_becomes_slow_goes_back_to_a_thread(desk: RunDesk):
    desk.file(
        "where.py",
        "import threading, time\ndef f(event):\n    time.sleep(event.raw.get('slow', 0))\n"
        "    return {'thread': threading.current_thread().name}",
    )
    entry = function("where.py:f")
    while (await desk.run(entry, bash(desk))).answer["thread"] != "MainThread":
        pass
    await desk.run(entry, bash(desk, slow=0.05))
    assert (await desk.run(entry, bash(desk))).answer["thread"] != "MainThread"


@anyio
async def test_a_changed_file_counts_from_the_next_turn_on(desk: RunDesk):
    entry = function("f.py:f")
    for turn, text in enumerate(["one", "two"]):
        desk.file("f.py", f"def f(event): return {{'said': '{text}'}}")
        first = await desk.run(entry, bash(desk, prompt_id=f"p{turn}"))
        desk.file("f.py", "def f(event): return {'said': 'in between'}")
        second = await desk.run(entry, bash(desk, prompt_id=f"p{turn}"))
        assert [first.answer, second.answer] == [{"said": text}, {"said": text}]


@anyio
async def test_a_file_that_goes_away_does_not_take_what_was_loaded(desk: RunDesk):
    path = desk.file("f.py", "def f(event): return {'said': 1}")
    await desk.run(function("f.py:f"), bash(desk))
    path.unlink()
    assert (await desk.run(function("f.py:f"), bash(desk, prompt_id="p2"))).answer == {"said": 1}


@anyio
async def test_a_module_has_a_name_of_its_own_and_hides_no_other(desk: RunDesk):
    desk.file("json.py", "def f(event): return {'name': __name__, 'file': __file__}")
    desk.file("sub/json.py", "def f(event): return {'name': __name__, 'file': __file__}")
    one = (await desk.run(function("json.py:f", id="a"), bash(desk))).answer
    two = (await desk.run(function("sub/json.py:f", id="b"), bash(desk))).answer
    assert one["name"] != two["name"]
    assert {one["file"], two["file"]} == {str(desk.folder / "json.py"), str(desk.folder / "sub/json.py")}
    assert sys.modules["json"].__name__ == "json"
    assert str(desk.folder) not in sys.path


@anyio
async def test_a_dataclass_in_a_hook_file_works(desk: RunDesk):
    desk.file(
        "d.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass, asdict\n"
        "@dataclass\nclass Said:\n    systemMessage: str\ndef f(event): return asdict(Said('x'))",
    )
    assert (await desk.run(function("d.py:f"), bash(desk))).answer == {"systemMessage": "x"}


@anyio
async def test_it_is_looked_for_in_the_plugin_beside_the_settings_and_in_the_project(desk: RunDesk, tmp_path: Path):
    text = "def f(event): return {'from': '%s'}"
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "f.py").write_text(text % "plugin")
    desk.file("f.py", text % "project")
    assert (await desk.run(function("f.py:f", id="a"), bash(desk))).answer == {"from": "project"}
    desk.file(".pegboard/f.py", text % "settings")
    assert (await desk.run(function("f.py:f", id="b"), bash(desk))).answer == {"from": "settings"}
    entry = function("f.py:f", id="c", plugin=plugin_folder(plugin))
    assert (await desk.run(entry, bash(desk))).answer == {"from": "plugin"}


@anyio
async def test_a_function_of_a_package_is_called(desk: RunDesk):
    result = await desk.run(function("operator:itemgetter"), bash(desk))
    assert (result.exit, "answered itemgetter" in result.broken) == (1, True)


@anyio
async def test_a_module_that_never_loads_is_late(desk: RunDesk):
    desk.file("slow.py", "import time\ntime.sleep(3)\ndef f(event): pass")
    result = await desk.run(function("slow.py:f"), replace(bash(desk), seconds=0.2))
    assert result.timed_out


@pytest.mark.parametrize(
    ("decision", "event", "wire"),
    [
        (Decision.deny("r"), "Stop", {"decision": "block", "reason": "r"}),
        (
            Decision.note("c"),
            "PostToolUse",
            {"hookSpecificOutput": {"hookEventName": "PostToolUse", "additionalContext": "c"}},
        ),
        (Decision(stop=True, reason="s"), "PreToolUse", {"continue": False, "stopReason": "s"}),
        (
            Decision.replace({"a": 1}),
            "PreToolUse",
            {"hookSpecificOutput": {"hookEventName": "PreToolUse", "updatedInput": {"a": 1}}},
        ),
    ],
)
def test_a_decision_is_told_in_the_words_of_the_event(decision: Decision, event: str, wire: dict[str, Any]):
    assert of_decision(decision, event) == wire


@pytest.mark.parametrize(
    ("decision", "event"),
    [(Decision.ask("?"), "Stop"), (Decision.substitute("x"), "PreToolUse"), (Decision.replace({}), "PostToolUse")],
)
def test_a_decision_that_an_event_has_no_words_for_is_an_error(decision: Decision, event: str):
    with pytest.raises(TypeError):
        of_decision(decision, event)


async def _ticks() -> None:
    while True:
        await asyncio.sleep(0.01)


AWAITING = """
import asyncio, contextvars
seen = contextvars.ContextVar("seen", default="")
async def task(event): return {"systemMessage": asyncio.current_task().get_name()}
async def marks(event):
    before = seen.get()
    seen.set(before + "x")
    await asyncio.sleep(0)
    return {"systemMessage": f"{before}|{seen.get()}"}
async def limits_itself(event):
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError:
        return {"systemMessage": "in time"}
async def many(event):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, word)) for word in "ab"]
    return {"systemMessage": "".join(one.result() for one in tasks)}
async def pretends(event): raise asyncio.CancelledError
async def waits_for_a_cancelled_one(event):
    other = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(other.cancel)
    try: await other
    except asyncio.CancelledError: await asyncio.sleep(0)
    return {"systemMessage": "went on"}
"""


@pytest.fixture
def awaiting(desk: RunDesk) -> str:
    desk.file("awaiting.py", AWAITING)
    return "awaiting.py"


@anyio
async def test_an_async_function_has_no_task_of_its_own_but_its_own_context(desk: RunDesk, awaiting: str):
    named = asyncio.current_task()
    assert named is not None
    assert (await desk.run(function(f"{awaiting}:task"))).answer == {"systemMessage": named.get_name()}
    for _ in range(2):
        assert (await desk.run(function(f"{awaiting}:marks"))).answer == {"systemMessage": "|x"}


@anyio
@pytest.mark.parametrize(
    ("name", "said"), [("limits_itself", "in time"), ("many", "ab"), ("waits_for_a_cancelled_one", "went on")]
)
async def test_what_remembers_its_task_works_in_an_async_function(desk: RunDesk, awaiting: str, name: str, said: str):
    assert (await desk.run(function(f"{awaiting}:{name}"))).answer == {"systemMessage": said}


@anyio
async def test_a_cancellation_that_nobody_asked_for_is_a_crash(desk: RunDesk, awaiting: str):
    result = await desk.run(function(f"{awaiting}:pretends"))
    assert (result.exit, result.timed_out) == (1, False)
    assert "CancelledError" in result.broken


@anyio
@pytest.mark.parametrize("name", ["forever", "stubborn"])
async def test_who_ends_the_turn_ends_an_async_function_with_it(desk: RunDesk, guard: str, name: str):
    running = asyncio.ensure_future(desk.run(function(f"{guard}:{name}"), desk.job(seconds=60.0)))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, SLACK)


@anyio
async def test_one_that_was_late_leaves_the_task_uncancelled(desk: RunDesk, guard: str):
    me = asyncio.current_task()
    assert me is not None
    for name in ("forever", "stubborn"):
        assert (await desk.run(function(f"{guard}:{name}"), desk.job(seconds=0.05))).timed_out
        assert me.cancelling() == 0
        await asyncio.sleep(0)
