"""The house: who may import whom. This is the one place where the floors of the design are written in code."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOST, BUILTINS = "pegboard", "pegboard_builtins"

FLOORS: dict[int, tuple[str, ...]] = {
    8: (
        *("__main__", "_cli", "_authoring", "testing", "messages_server", "hook_programs", "pytest_plugin"),
        *("hook_fuzz", "golden_sessions", "clock", "http_mock"),
    ),
    7: ("host",),
    6: ("_agent",),
    5: ("_board",),
    4: ("hookspecs", "context"),
    3: ("records", "requests", "tools", "settings_writing"),
    2: (
        *("messages", "declares", "settings", "flags", "shipped", "output", "egress", "plugin_folders", "frontmatter"),
        *("shell_wrappers", "shell_filling", "named_files"),
    ),
    1: ("errors", "decisions", "hook", "shell", "_folders"),
    0: ("typed", "_typed", "_dataclass"),
}
"""A file imports from lower floors; inside one room (a folder) files may import each other, without a circle."""

STEPS = {
    ("__main__", "_cli"),
    ("_cli", "_authoring"),
    ("_authoring", "testing"),
    ("hookspecs", "context"),
    ("settings", "plugin_folders"),
    ("typed", "_dataclass"),
    ("typed", "_typed"),
    ("tools", "requests"),
    ("shell_filling", "shell_wrappers"),
    ("testing", "clock"),
    ("testing", "golden_sessions"),
    ("testing", "hook_fuzz"),
    ("testing", "http_mock"),
    ("testing", "messages_server"),
    ("testing", "hook_programs"),
    ("pytest_plugin", "testing"),
    ("pytest_plugin", "hook_programs"),
}
"""The few arrows between two words of one floor, each in one direction only."""

FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
FACE_FLOOR = 5
"""Of `pegboard/__init__.py`. Insiders never import it, but for `__version__`, which is no word of a floor."""

BUILTIN_MAY_NOT = (
    *("host", "testing", "messages_server", "hook_programs", "pytest_plugin"),
    *("hook_fuzz", "golden_sessions", "clock", "http_mock"),
)
LARGEST = 40 * 1024
"""Bytes of one file. One that is larger holds more than one subject."""
LARGER = {"pegboard.hook": 64 * 1024}
"""The kit of hook programs is copied beside a script, so all of it is one file."""


@dataclass(frozen=True, order=True)
class Arrow:
    """One import: *source* and *target* are dotted module names; a target may be a name within a module."""

    source: str
    target: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


# --- reading -------------------------------------------------------------------------------------------


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows_in(source: str, text: str, *, package: bool = False) -> Iterator[Arrow]:
    """Go through all imports of ours in a file, also those for type checkers, in functions, and by name in strings."""
    tree = ast.parse(text)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = source.split(".") + ["__init__"] * package
                base = ".".join([*above[: len(above) - node.level], *filter(None, [node.module])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and _calls_import(node):
            targets = [
                arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            # an entry point's value in code, or a verb's "module:attribute": an arrow too
            targets = [node.value.partition(":")[0]] if node.value.startswith((f"{HOST}.", f"{BUILTINS}.")) else []
            targets = [target for target in targets if all(part.isidentifier() for part in target.split("."))]
            if _is_only_a_name(source, targets):
                continue
        else:
            continue
        for target in targets:
            if target.split(".")[0] in (HOST, BUILTINS):
                yield Arrow(source, target, node.lineno)


def _calls_import(node: ast.Call) -> bool:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def _is_only_a_name(source: str, targets: Iterable[str]) -> bool:
    """Within one package a string that names it is a logger, a table, a thread."""
    return all(target.split(".")[0] == source.split(".")[0] for target in targets)


def sources() -> dict[str, tuple[Path, str]]:
    found = {}
    for root in (ROOT / "host", ROOT / "builtin_plugins"):
        for path in sorted(root.rglob("*.py")):
            found[module_name(path, root)] = (path, path.read_text(encoding="utf-8"))
    return found


def arrows(files: Mapping[str, tuple[Path, str]]) -> list[Arrow]:
    return [
        arrow
        for name, (path, text) in files.items()
        for arrow in arrows_in(name, text, package=path.name == "__init__.py")
    ]


def room_of(module: str) -> str:
    """Return the room of a module or of a name within one: `host`, `_agent`, or a built-in's own name."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


# --- judging -------------------------------------------------------------------------------------------


def objection(arrow: Arrow) -> str:
    """Return what speaks against an import; empty if it may be."""
    source, target = arrow.source.split("."), arrow.target.split(".")
    here, there = room_of(arrow.source), room_of(arrow.target)
    if source[0] == HOST:
        if target[0] == BUILTINS:
            return "the host knows no built-in"
        return _within_the_host(here, there, arrow)
    if target[0] == BUILTINS:
        return "" if here == there else "a built-in stands on the words alone, not on another built-in"
    if there.startswith("_") and there != "__version__":
        return "a built-in imports nothing with an underscore"
    if there in BUILTIN_MAY_NOT:
        return "a built-in has no power that a stranger's pack lacks"
    if len(target) > 2 and target[2].startswith("_"):
        return f"{target[2]} is private to pegboard.{there}"
    return ""


def _within_the_host(here: str, there: str, arrow: Arrow) -> str:
    if there == "__version__":
        return ""
    if here == "":
        floor = FACE_FLOOR
    elif here in FLOOR_OF:
        floor = FLOOR_OF[here]
    else:
        return f"nobody has given {here!r} a floor"
    if here == there:
        return ""
    if there in FLOOR_OF:
        below = FLOOR_OF[there]
    elif arrow.target.count(".") <= 1:
        return "insiders never import the face"
    else:
        return f"nobody has given {there!r} a floor"
    if below < floor or (here, there) in STEPS:
        return ""
    return f"an arrow goes {'up' if below > floor else 'sideways'}: floor {floor} to floor {below}"


def circles(found: Iterable[Arrow], modules: Iterable[str]) -> list[list[str]]:
    """Return circles of modules inside one room; one circle for each module that is in some."""
    known = set(modules)
    graph: dict[str, set[str]] = {name: set() for name in known}
    for arrow in found:
        target = arrow.target if arrow.target in known else arrow.target.rpartition(".")[0]
        same = (arrow.source.split(".")[0], room_of(arrow.source)) == (target.split(".")[0], room_of(target))
        if same and target in known and target != arrow.source:
            graph[arrow.source].add(target)
    return [circle for name in sorted(graph) if (circle := _way_back(name, graph))]


def _way_back(start: str, graph: Mapping[str, set[str]]) -> list[str]:
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop(0)
        for name in sorted(graph[here]):
            if name == start:
                path = [here]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return [*reversed(path), start]
            if name not in came_from:
                came_from[name] = here
                waiting.append(name)
    return []


def room_arrows(files: Mapping[str, tuple[Path, str]]) -> list[Arrow]:
    """Return all arrows of the host, and of built-ins those that are there before anything is called.

    A built-in's `__init__` imports its own files when they are first used: that is how its own import stays cheap.
    """
    found: list[Arrow] = []
    for name, (path, text) in files.items():
        tree = ast.parse(text)
        for node in ast.walk(tree) if name.split(".")[0] == BUILTINS else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                node.body = [ast.Pass()] if not isinstance(node, ast.Lambda) else ast.Constant(None)
        found += arrows_in(name, ast.unparse(ast.fix_missing_locations(tree)), package=path.name == "__init__.py")
    return found


# --- the house as it stands ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files() -> dict[str, tuple[Path, str]]:
    return sources()


def test_no_arrow_goes_up_or_sideways(files: dict[str, tuple[Path, str]]) -> None:
    wrong = [f"{arrow}: {why}" for arrow in arrows(files) if (why := objection(arrow))]
    assert not wrong, "\n" + "\n".join(wrong)


def test_there_is_no_circle_inside_a_room(files: dict[str, tuple[Path, str]]) -> None:
    found = [" -> ".join(circle) for circle in circles(room_arrows(files), files)]
    assert not found, "\n" + "\n".join(found)


def test_every_room_has_a_floor_and_every_floor_its_rooms(files: dict[str, tuple[Path, str]]) -> None:
    rooms = {room_of(name) for name in files if name.split(".")[0] == HOST} - {""}
    assert rooms - set(FLOOR_OF) == set()


def test_hooks_are_called_in_one_file_alone(files: dict[str, tuple[Path, str]]) -> None:
    callers = {
        name
        for name, (_, text) in files.items()
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr in ("get_hookimpls", "_hookimpls"))
        or (isinstance(node, ast.Constant) and node.value == "get_hookimpls")
    }
    assert callers == {"pegboard._board.dispatch"}


def test_no_file_is_a_whole_house(files: dict[str, tuple[Path, str]]) -> None:
    sizes = {name: path.stat().st_size for name, (path, _) in files.items()}
    large = {name: size for name, size in sizes.items() if size > LARGER.get(name, LARGEST)}
    assert not large


# --- the check itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text", "why"),
    [
        pytest.param("pegboard.errors", "import pegboard.messages", "goes up", id="up one floor"),
        pytest.param("pegboard.messages", "from pegboard import settings", "sideways", id="sideways, from the package"),
        pytest.param("pegboard.tools", "from pegboard.records import Event", "sideways", id="sideways"),
        pytest.param("pegboard.context", "from pegboard.hookspecs import hookimpl", "sideways", id="a step, turned"),
        pytest.param("pegboard._board.order", "from pegboard._agent.loop import x", "goes up", id="room to room, up"),
        pytest.param("pegboard._agent.loop", "from pegboard.host import Host", "goes up", id="into the host"),
        pytest.param("pegboard.host", "from pegboard.testing import HostFixture", "goes up", id="into the kit"),
        pytest.param("pegboard._cli.run", "import pegboard.testing", "sideways", id="the command line into the kit"),
        pytest.param("pegboard.__init__x", "import pegboard.host", "has given", id="a file that is in no table"),
        pytest.param("pegboard.host", "from pegboard.novelty import x", "has given", id="a room that is in no table"),
        pytest.param("pegboard._board.order", "from pegboard import Decision", "face", id="an insider at the face"),
        pytest.param("pegboard._board.order", "import pegboard", "face", id="an insider at the face, whole"),
        pytest.param("pegboard", "from pegboard import host", "goes up", id="the face into the host"),
        pytest.param("pegboard.host", "import pegboard_builtins.memory", "no built-in", id="host to built-in"),
        pytest.param(
            "pegboard.host",
            "load('pegboard_builtins.memory:Plugin')",
            "no built-in",
            id="host to built-in, as a string",
        ),
        pytest.param(
            "pegboard._cli.main",
            "def late():\n    import_module('pegboard_builtins.demo')",
            "no built-in",
            id="host to built-in, late and dynamic",
        ),
        pytest.param(
            "pegboard.errors",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pegboard.host import Host",
            "goes up",
            id="for type checkers only",
        ),
        pytest.param("pegboard._board.order", "from .._agent import loop", "goes up", id="relative"),
        pytest.param("pegboard_builtins.flags.x", "from pegboard._board import order", "underscore", id="private room"),
        pytest.param("pegboard_builtins.flags", "from pegboard.host import Host", "no power", id="built-in to host"),
        pytest.param("pegboard_builtins.flags", "import pegboard.testing", "no power", id="built-in to the kit"),
        pytest.param(
            "pegboard_builtins.flags", "import pegboard_builtins.memory", "another", id="built-in to built-in"
        ),
        pytest.param("pegboard_builtins.flags.a", "from ..memory import x", "another", id="built-in to next, relative"),
        pytest.param("pegboard_builtins.flags", "from pegboard.context import _x", "private", id="a private word"),
    ],
)
def test_one_turned_arrow_is_found(source: str, text: str, why: str) -> None:
    assert any(why in objection(arrow) for arrow in arrows_in(source, text))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("pegboard._board.order", "from pegboard.errors import OrderCycleError", id="down"),
        pytest.param("pegboard._board.order", "from pegboard._board import plan", id="inside a room"),
        pytest.param("pegboard._agent.session", "from pegboard import __version__", id="the version"),
        pytest.param("pegboard.host", "log = getLogger('pegboard.plugin.x')", id="a logger's name"),
        pytest.param("pegboard_builtins.flags", "from pegboard import tool, Decision", id="the face, for a built-in"),
        pytest.param("pegboard_builtins.flags.a", "from pegboard_builtins.flags import b", id="inside a built-in"),
        pytest.param("pegboard_builtins.flags", "add('pegboard_builtins.flags.verb:app')", id="a built-in's own verb"),
        pytest.param("pegboard.errors", '"""See pegboard.host."""', id="a docstring"),
        pytest.param("pegboard.errors", "import json, pegboardish", id="somebody else"),
    ],
)
def test_what_may_be_imported_is_left_alone(source: str, text: str) -> None:
    assert [str(arrow) for arrow in arrows_in(source, text) if objection(arrow)] == []


def test_each_real_arrow_between_floors_is_found_when_it_is_turned_round(files: dict[str, tuple[Path, str]]) -> None:
    between = {
        (arrow.source, arrow.target.rpartition(".")[0])
        for arrow in arrows(files)
        if arrow.target.rpartition(".")[0] in files
        and arrow.source != HOST
        and room_of(arrow.source) != room_of(arrow.target)
    }
    assert len(between) > 50
    assert [(a, b) for a, b in sorted(between) if b != HOST and not objection(Arrow(b, a))] == []


def test_a_circle_inside_a_room_is_found() -> None:
    found = [
        Arrow("pegboard._board.plan", "pegboard._board.order.total_order"),
        Arrow("pegboard._board.order", "pegboard._board.discovery"),
        Arrow("pegboard._board.discovery", "pegboard._board.plan"),
        Arrow("pegboard._board.discovery", "pegboard.errors"),
    ]
    modules = {"pegboard._board.plan", "pegboard._board.order", "pegboard._board.discovery", "pegboard.errors"}
    assert len(circles(found, modules)) == 3
    assert circles(found[1:], modules) == []
