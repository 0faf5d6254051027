"""What a pack costs is measured where it can break nothing, and told with a reason where it cannot."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pegboard._authoring.checking import project_at
from pegboard._authoring.costs import Cost, canned, measured, recorded, subjects_of
from pegboard._cli.main import main
from pegboard.errors import PegboardError
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.usefixtures("measured_once")
HEAD = "from pegboard import Decision, Declares, flag, hookimpl, tool\n"
ALL_HOOKS = '''
    declares = Declares(permissions=["rewrite", "context", "model"])
    LOUD = flag("acme.loud", False, help="Louder.")

    @tool(read_only=True)
    def acme_count(path: str) -> int:
        """Count the words of a file."""
        raise RuntimeError("tools are not called")

    @hookimpl
    def register(registry): pass
    @hookimpl
    def prompt_submit(prompt): pass
    @hookimpl
    def prepare_request(draft): pass
    @hookimpl
    def model_call(request, call_next): return call_next(request)
    @hookimpl
    def pre_tool(call):
        import time
        time.sleep(0.002)
    @hookimpl
    def post_tool(call, outcome): pass
    @hookimpl
    async def resolve_ask(ask): pass
    @hookimpl(flag="acme.loud")
    def next_step(state): pass
    @hookimpl
    def compact(job): pass
    @hookimpl
    def lifecycle(event): pass
    @hookimpl
    def event(record): pass
'''


@pytest.fixture
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an import and a start be measured once: here figures are not looked at."""
    monkeypatch.setattr("pegboard._authoring.costs.RUNS", 1)


def pack(folder: Path, code: str) -> Path:
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "acme"\nversion = "1.0"\n[project.entry-points.pegboard]\nacme = "acme_pack"\n'
    )
    (folder / "acme_pack.py").write_text(HEAD + dedent(code))
    return folder


def cost_of(folder: Path) -> Cost:
    (subject,) = subjects_of(project_at(folder))
    return measured(subject, canned())


def test_import_start_tools_and_every_hook_are_measured_beside_a_no_op(tmp_path: Path) -> None:
    folder = pack(tmp_path, ALL_HOOKS)
    os.utime(folder / "acme_pack.py", (1e9, 1e9))  # what is seconds old is not relied on, and imported at each start
    cost = cost_of(folder)
    assert (cost.problem, cost.failures, cost.imported_at_start) == ("", [], "")
    assert all(part is not None and part > 0 for part in (cost.import_ms, cost.register_ms, cost.start_ms))
    assert cost.tokens == cost.tools["acme_count"] > 10
    hooks = "prompt_submit prepare_request model_call pre_tool post_tool resolve_ask next_step compact lifecycle event"
    assert list(cost.hooks) == sorted(hooks.split())
    assert cost.hooks.pop("next_step") == {"fired": 0}  # its flag is off
    for found in cost.hooks.values():
        assert found["fired"] >= 5
        assert 0 < found["median_us"] <= found["p95_us"]
        assert found["no_op_us"] > 0
    assert cost.hooks["pre_tool"]["median_us"] > 2000  # it sleeps so long each time


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("import os; os._exit(3)", "left the interpreter with exit code 3", id="it leaves at import"),
        pytest.param("@hookimpl\ndef pre_tool(call): import os; os.abort()", "with signal 6", id="a hook crashes"),
    ],
)
def test_what_cannot_be_measured_says_why(tmp_path: Path, code: str, said: str) -> None:
    cost = cost_of(pack(tmp_path, code))
    assert said in cost.problem
    assert cost.hooks == {}


@pytest.mark.anyio
async def test_events_can_be_those_of_a_recorded_session(tmp_path: Path) -> None:
    async with HostFixture(folder=tmp_path) as host:
        host.load(_shout, "shout")
        host.model.script(call("shout", text="hello"), "Done.")
        await host.prompt("Say hello, loudly.")
        path = host.session.path
    assert recorded(path) == {
        "prompts": ["Say hello, loudly."],
        "calls": [{"tool": "shout", "input": {"text": "hello"}, "output": "HELLO"}],
    }
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(PegboardError, match="neither prompts nor calls"):
        recorded(empty)


def _tool() -> Any:
    from pegboard import tool

    @tool(read_only=True)
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    return shout


_shout = _tool()


def test_the_verb_tells_people_and_programs_and_says_when_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(tmp_path / "config"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert main(["plugins", "bench"]) == 0
    assert "There are no packs here" in capsys.readouterr().out
    plugins = tmp_path / "config" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "small.py").write_text(HEAD + "@hookimpl\ndef pre_tool(call): return {}[call.name]\n")
    (plugins / "broken.py").write_text("import not_there\n")
    assert main(["plugins", "bench"]) == 0
    printed = capsys.readouterr().out
    assert "No module named 'not_there'" in printed
    assert "small failed in pre_tool: KeyError" in printed  # and was measured all the same
    assert main(["plugins", "bench", "broken", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)["plugins"]
    assert (row["name"], row["import_ms"], row["tokens"]) == ("broken", None, 0)
    assert main(["plugins", "bench", "smal"]) == 1
    assert "Did you mean 'small'?" in capsys.readouterr().err
    assert main(["plugins", "bench", "permissions"]) == 1
    assert "built in" in capsys.readouterr().err
