"""Built-ins are strangers: each is found through its entry point alone, and anybody may take its place."""

from __future__ import annotations

import sys
import types

import pytest
from importlib_metadata import EntryPoint, entry_points

from pegboard import ModelInfo, Tool, hookimpl
from pegboard._board.discovery import GROUP, Status
from pegboard.host import Host
from pegboard.messages import EndReason
from pegboard.testing import HostFixture, call

OWN = sorted(
    {point.name: point for point in entry_points(group=GROUP) if point.value.startswith("pegboard_builtins.")}.values(),
    key=lambda point: point.name,
)


def opened(tmp_path, points) -> Host:
    return Host(
        tmp_path / "project",
        state_dir=tmp_path / "state",
        config_dir=tmp_path / "config",
        environment={},
        entry_points=points,
        strict=False,
    ).open()


def brought(host: Host) -> dict[str, set[str]]:
    """What a host has, by kind."""
    board = host.board
    return {
        "plugins": {record.name for record in board.records if record.status is Status.ACTIVE},
        "tools": set(board.tools),
        "models": set(board.models),
        "verbs": set(board.commands),
        "flags": set(board.flags),
        "hooks": {
            f"{hook}:{name}"
            for hook in ("pre_tool", "post_tool", "model_call", "compact")
            for name in board.ordered(hook)
        },
    }


def test_there_are_built_ins_and_all_of_them_load(tmp_path):
    host = opened(tmp_path, OWN)
    assert {"anthropic_model", "scripted_model", "file_tools", "shell_tool", "permissions", "compaction"} <= {
        point.name for point in OWN
    }
    assert [(r.name, r.reason) for r in host.board.records if r.status is not Status.ACTIVE] == []


def test_a_host_without_entry_points_has_nothing(tmp_path):
    assert all(not names for names in brought(opened(tmp_path, [])).values())


@pytest.mark.parametrize("name", [point.name for point in OWN])
def test_taking_a_built_in_away_takes_its_own_away_and_nothing_else(tmp_path, name):
    everything = opened(tmp_path, OWN)
    alone = brought(opened(tmp_path, [point for point in OWN if point.name == name]))
    without = brought(opened(tmp_path, [point for point in OWN if point.name != name]))
    for kind, names in brought(everything).items():
        assert without[kind] == names - alone[kind], kind
    assert any(alone.values())


@pytest.mark.parametrize("name", [point.name for point in OWN])
def test_a_built_in_can_be_switched_off_like_any_other(tmp_path, name):
    host = Host(
        tmp_path,
        state_dir=tmp_path / "state",
        config_dir=tmp_path / "config",
        environment={"PEGBOARD_NO_PLUGINS": name},
        entry_points=OWN,
        strict=False,
    ).open()
    (record,) = [record for record in host.board.records if record.name == name]
    assert record.status is Status.DISABLED
    assert "NO_PLUGINS" in record.reason
    assert name not in brought(host)["plugins"]


def stand_in(name: str, tools: list[Tool], models: list[str]) -> types.ModuleType:
    """A third party's module with tools and models of the same names."""

    module = types.ModuleType(f"acme_{name}")

    @hookimpl
    def register(registry):
        for one in tools:
            registry.add_tool(
                Tool(name=one.name, function=one.function, description=f"Not the {name} you know.", read_only=True)
            )
        for prefix in models:
            registry.add_model(ModelInfo(prefix=prefix))

    module.register = register
    return module


@pytest.mark.parametrize("name", [point.name for point in OWN])
def test_a_third_party_takes_the_place_of_a_built_in(tmp_path, monkeypatch, name):
    real = opened(tmp_path, [point for point in OWN if point.name == name])
    tools, models = list(real.board.tools.values()), list(real.board.models)
    monkeypatch.setitem(sys.modules, f"acme_{name}", stand_in(name, tools, models))
    point = EntryPoint(name=f"acme_{name}", value=f"acme_{name}", group=GROUP)
    host = opened(tmp_path, [*[one for one in OWN if one.name != name], point])
    assert [(r.name, r.reason) for r in host.board.records if r.status is not Status.ACTIVE] == []
    assert {one.name for one in tools} <= set(host.board.tools)
    assert all(host.board.tools[one.name].owner == f"acme_{name}" for one in tools)
    assert set(models) <= set(host.board.models)


@pytest.mark.anyio
async def test_somebody_elses_bash_runs_in_a_session():
    from pegboard import tool

    @tool(name="Bash", read_only=True)
    async def bash(command: str) -> str:
        """Pretend to run a command."""
        return f"ran {command}"

    async with HostFixture() as host:
        host.load(bash)
        host.builtin("file_tools", "permissions", "compaction", "retry")
        host.model.script(call("Bash", command="make"), "Done.")
        result = await host.prompt("Build it.")
        assert result.reason is EndReason.COMPLETED
        assert host.messages[2].content[0].content == "ran make"


def test_two_packs_with_one_tool_name_are_a_load_error_that_names_both(tmp_path, monkeypatch):
    real = opened(tmp_path, [point for point in OWN if point.name == "shell_tool"])
    monkeypatch.setitem(sys.modules, "acme_shell", stand_in("shell", list(real.board.tools.values()), []))
    point = EntryPoint(name="acme_shell", value="acme_shell", group=GROUP)
    host = opened(tmp_path, [*OWN, point])
    (broken,) = [record for record in host.board.records if record.status is not Status.ACTIVE]
    assert "acme_shell" in broken.reason + broken.name
    assert "shell_tool" in broken.reason + broken.name
