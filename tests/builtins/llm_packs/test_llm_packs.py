"""Packs that were written for the `llm` command, as tools and models of a session."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pegboard.messages import OutcomeKind, ToolResultBlock
from pegboard.testing import HostFixture, call
from pegboard_builtins.llm_packs import finding
from pegboard_builtins.llm_packs.finding import installed
from pegboard_builtins.llm_packs.tools import problems

pytestmark = pytest.mark.anyio
pytest.importorskip("llm")

PACK = '''
import llm

def add(left: int, right: int = 2) -> str:
    """Add two numbers.\x1b[31m"""
    return str(left + right)

def breaks(text: str) -> str:
    """Break."""
    raise ValueError(f"no {text}")

async def later() -> dict:
    """Answer later."""
    return {"a": [1, 2]}

class Counter(llm.Toolbox):
    def __init__(self):
        self.count = 0

    def up(self) -> int:
        """Count up."""
        self.count += 1
        return self.count

class Box(llm.Toolbox):
    def __init__(self, path: str):
        self.path = path

    def where(self) -> str:
        """Say where."""
        return self.path

@llm.hookimpl
def register_tools(register):
    register(add)
    register(breaks)
    register(later)
    register(Counter)
    register(Box)
    register(add, name="plus")
'''

MODEL = """
import llm

class Parrot(llm.Model):
    model_id = "parrot"
    can_stream = True
    supports_tools = True

    def execute(self, prompt, stream, response, conversation):
        said = [part for message in prompt.messages for part in message.parts]
        last = said[-1]
        if "add" in getattr(last, "text", ""):
            response.add_tool_call(llm.ToolCall(name="add", arguments={"left": 40}, tool_call_id="t1"))
            return
        yield "it says "
        yield str(getattr(last, "output", "") or last.text)

class Elder(llm.Model):
    model_id = "elder"

    def execute(self, prompt, stream, response, conversation):
        yield f"{prompt.prompt}, {bool(prompt.system)}"

@llm.hookimpl
def register_models(register):
    register(Parrot())
    register(Elder())
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Let modules be installed as packs of distributions."""
    points: list[Any] = []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(finding, "entry_points", lambda group: points if group == "llm" else [])

    def make(distribution: str, text: str) -> None:
        module = f"pack_of_{distribution.replace('-', '_')}_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{module}.py").write_text(text)
        point = EntryPoint(name=module, value=module, group="llm")
        points.append(SimpleNamespace(name=module, load=point.load, dist=SimpleNamespace(name=distribution)))

    return make


@pytest.fixture
async def room() -> AsyncIterator[HostFixture]:
    async with HostFixture(settings={"llm_packs": {"packs": ["llm-tools-*"]}}) as host:
        host.builtin("llm_packs", "permissions")
        yield host


async def result_of(room: HostFixture, *calls: Any) -> list[ToolResultBlock]:
    room.model.script(list(calls), "done")
    await room.prompt("go")
    return [b for m in room.messages for b in m.content if isinstance(b, ToolResultBlock)][-len(calls) :]


async def ailments(room: HostFixture) -> str:
    await room.open()
    return "\n".join(one.text for _, _, found in room.host.health() for one in found)


async def test_functions_and_toolboxes_are_tools_with_schemas(install: Install, room: HostFixture) -> None:
    install("llm-tools-acme", PACK)
    tools = (await room.open()).tools()
    assert {"add", "plus", "breaks", "later", "Counter_up"} <= set(tools)
    assert tools["add"].input_schema["required"] == ["left"]
    assert tools["add"].description == "Add two numbers."
    assert not tools["add"].read_only
    assert tools["add"].owner == "llm_packs"


async def test_they_run_under_permissions_and_hooks_like_ours(install: Install, room: HostFixture) -> None:
    install("llm-tools-acme", PACK)
    [refused] = await result_of(room, call("add", left=1))
    assert "needs permission" in str(refused.content)
    room.settings["permissions"] = {"allow": ["add", "breaks", "later", "Counter_up"]}
    room._stale = True
    one, two, three, wrong = await result_of(
        room, call("add", left=1), call("breaks", text="way"), call("later"), call("add", right=1, other=2)
    )
    assert one.content == "3"
    assert two.is_error
    assert "no way" in str(two.content)
    assert three.content == '{"a": [1, 2]}'
    assert "left: is required" in str(wrong.content)
    assert "other: there is no such parameter" in str(wrong.content)


async def test_a_toolbox_keeps_its_state_in_a_session_and_each_session_has_its_own(
    install: Install, room: HostFixture
) -> None:
    install("llm-tools-acme", PACK)
    room.settings["permissions"] = {"allow": ["Counter_up"]}
    assert [r.content for r in await result_of(room, call("Counter_up"), call("Counter_up"))] == ["1", "2"]
    async with room.host.session(room.session.options) as other:
        done = await other.call_user_tool("Counter_up", {})
        assert done.outcome is not None
        assert (done.outcome.kind, done.outcome.result.content) == (OutcomeKind.OK, "1")


async def test_what_a_toolbox_is_made_with_stands_in_the_settings(install: Install, room: HostFixture) -> None:
    install("llm-tools-acme", PACK)
    assert "the toolbox Box needs path" in await ailments(room)
    room.settings["llm_packs"]["toolboxes"] = {"Box": {"path": "/here"}}
    room.settings["permissions"] = {"allow": ["Box_where"]}
    room._stale = True
    [said] = await result_of(room, call("Box_where"))
    assert said.content == "/here"


async def test_a_pack_that_is_not_named_is_not_even_imported(install: Install, room: HostFixture) -> None:
    install("llm-other", "raise SystemExit('imported')")
    install("llm-tools-acme", PACK)
    assert "add" in (await room.open()).tools()
    assert "imported" not in await ailments(room)


async def test_a_broken_pack_costs_nobody_but_itself(install: Install, room: HostFixture) -> None:
    install("llm-tools-aaa", "import sys; sys.exit(3)")
    install("llm-tools-acme", PACK)
    install("llm-tools-zzz", "import llm\n@llm.hookimpl\ndef register_tools(register): register(3)\n")
    assert "add" in (await room.open()).tools()
    said = await ailments(room)
    assert "llm-tools-aaa cannot be used: SystemExit: 3" in said
    assert "llm-tools-zzz" in said


async def test_two_tools_of_one_name_are_told_and_neither_is_there(install: Install, room: HostFixture) -> None:
    install("llm-tools-acme", PACK)
    install("llm-tools-bcme", PACK.replace("class", "class ").replace("Counter", "Other").replace("Box", "Crate"))
    tools = (await room.open()).tools()
    assert "add" not in tools
    assert {"Counter_up", "Other_up"} <= set(tools)
    assert "llm-tools-acme and llm-tools-bcme both bring the tool 'add'" in await ailments(room)


async def test_a_pack_that_is_named_and_not_installed_says_so(install: Install, room: HostFixture) -> None:
    room.settings["llm_packs"]["packs"] = ["llm-tools-gone"]
    assert "the pack llm-tools-gone is not installed" in await ailments(room)


async def test_a_model_of_a_pack_talks_and_calls_tools(install: Install, room: HostFixture) -> None:
    install("llm-tools-acme", PACK)
    install("llm-parrot", MODEL)
    room.settings["llm_packs"] = {"packs": ["llm-*"], "models": True}
    room.settings["permissions"] = {"allow": ["add"]}
    room.options = type(room.options)(model="llm:parrot")
    assert (await room.prompt("hello")).text == "it says hello"
    assert (await room.prompt("add it")).text == "it says 42"


async def test_a_model_of_an_older_pack_reads_the_prompt_where_it_used_to_be(
    install: Install, room: HostFixture
) -> None:
    install("llm-parrot", MODEL)
    room.settings["llm_packs"] = {"packs": ["llm-*"], "models": True}
    room.options = type(room.options)(model="llm:elder")
    assert (await room.prompt("hello")).text == "hello, True"


def test_without_the_setting_no_model_is_there_and_nothing_of_the_library_is_imported() -> None:
    code = (
        "import sys\nfrom pegboard.host import Host\nhost = Host(strict=False).open()\n"
        "assert 'llm' not in host.board.models\nassert not [m for m in sys.modules if m.split('.')[0] == 'llm']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_names_of_distributions_are_compared_as_pip_does(install: Install) -> None:
    install("LLM_tools.Acme", "")
    assert [name for name, _ in installed(["llm-tools-acme"])] == ["LLM_tools.Acme"]


def test_an_input_is_held_against_names_alone() -> None:
    schema = {"properties": {"a": {}, "b": {}}, "required": ["a"]}
    assert problems(schema, {"a": 1}) == []
    assert problems(schema, {"b": 1, "c": 2}) == ["a: is required", "c: there is no such parameter"]
