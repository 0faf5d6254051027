"""Reloading a plugin from its source: off the board, out of the interpreter, imported anew; and what that changed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

from pegboard._board.discovery import PluginRecord, Status
from pegboard._board.registry import Board
from pegboard._dataclass import dataclass
from pegboard.errors import PluginError, did_you_mean

BINARY = (".so", ".pyd", ".dylib")


@dataclass(frozen=True)
class Reloaded:
    """What became of a plugin. `changes` are in words, empty where it brings what it brought before."""

    name: str
    status: str
    reason: str
    changes: tuple[str, ...] = ()


def reload_plugin(board: Board, name: str) -> Reloaded:
    """Import a plugin anew; only between turns. Raises PluginError for one that cannot be reloaded.

    One that cannot be imported any more is off the board, with the reason; mended, it can be reloaded again.
    """
    record = board.record(name)
    if record is None:
        raise PluginError(name, f"is not installed here.{did_you_mean(name, [one.name for one in board.records])}")
    if record.status in (Status.DISABLED, Status.UNTRUSTED):
        raise PluginError(name, f"takes no part: {record.reason}. {record.mend}")
    if record.path is not None and record.path.is_dir():
        raise PluginError(name, "is a plugin folder: what it says counts from the next turn on, without a reload")
    package = record.value.partition(":")[0].partition(".")[0].strip()
    _refuse_binary(name, package)
    board.wake_all(name)
    before = set(_facts(board, name))
    _take_off(board, record)
    for module, _ in _modules(package):
        del sys.modules[module]
    importlib.invalidate_caches()
    board.load_again(record)
    after = set(_facts(board, name))
    changes = [f"- {one}" for one in sorted(before - after)] + [f"+ {one}" for one in sorted(after - before)]
    return Reloaded(name, str(record.status), record.reason, tuple(changes))


def _refuse_binary(name: str, package: str) -> None:
    for module, found in _modules(package):
        if str(getattr(found, "__file__", "") or "").endswith(BINARY):
            raise PluginError(name, f"has compiled code ({module}), which no interpreter loads twice: start again")


def _modules(package: str) -> Iterator[tuple[str, ModuleType]]:
    for module, found in list(sys.modules.items()):
        if module == package or module.startswith(f"{package}."):
            yield module, found


def _take_off(board: Board, record: PluginRecord) -> None:
    board.disable(record.name, "it is being reloaded")
    record.status, record.reason, record.mend = Status.FOUND, "", ""
    record.plugin, record.hooks = None, {}


def _facts(board: Board, name: str) -> Iterator[str]:
    """Go through what a plugin brings, each in a line that changes when it does."""
    record, brings = board.record(name), board.contributions.get(name)
    if record is None or brings is None:
        return
    yield from (f"hook {hook}" for hook in record.hooks)
    yield from (f"tool {one.name} {sorted(one.input_schema.get('properties', {}))}" for one in brings.tools)
    yield from (f"model {one.prefix}" for one in brings.models)
    yield from (f"verb {one.name}" for one in brings.commands)
    yield from (f"flag {one.name}" for one in brings.flags)
    yield from (f"service {one}" for one in brings.services)
    yield from (f"section {one.name}" for one in brings.sections)
    yield from (f"setting {key}" for key, _ in brings.described_keys())
