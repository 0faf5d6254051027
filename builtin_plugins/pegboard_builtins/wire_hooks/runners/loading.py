"""Finds a function by `file.py:name` or `package:name`, and loads it under a name that nobody else has."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pegboard.errors import did_you_mean
from pegboard.typed import dataclass
from pegboard_builtins.wire_hooks.handlers import Handler

Stamp = tuple[int, int, int]


class NoFunctionError(Exception):
    """There is no such function; the text says what is missing and how to mend it."""


@dataclass(slots=True)
class Loaded:
    """A function, and the file that it came from (None for a package)."""

    function: Callable[[Any], Any]
    is_async: bool
    file: Path | None
    stamp: Stamp | None

    @property
    def has_changed(self) -> bool:
        """Whether its file is another one by now; one that is gone has not changed: what was loaded still works."""
        return self.file is not None and stamp_of(self.file) not in (self.stamp, None)


def function_file(handler: Handler, project: Path) -> Path | None:
    """Return the file that a handler's function is in, None for one in a package. Raises NoFunctionError.

    It is looked for in the plugin's folder, beside the settings file that says so, and in the project.
    """
    where, name = _split(handler.function)
    if not (where.endswith(".py") or "/" in where):
        return None
    folders = [handler.plugin.root] if handler.plugin is not None else []
    if handler.where.file:
        folders.append((project / handler.where.file).parent)
    folders.append(project)
    for folder in folders:
        path = folder / os.path.expanduser(where)
        if path.is_file():
            return path
    looked = ", ".join(str(folder) for folder in dict.fromkeys(folders))
    raise NoFunctionError(f"there is no file {where} (looked for {name!r} of it in {looked})")


def load(handler: Handler, project: Path) -> Loaded:
    """Load a handler's function, anew if it lies in a file. Raises NoFunctionError, and what its module raises."""
    where, name = _split(handler.function)
    file = function_file(handler, project)
    stamp = stamp_of(file) if file is not None else None
    module = importlib.import_module(where) if file is None else _module(file)
    function: Any = module
    for part in name.split("."):
        if not hasattr(function, part):
            public = [known for known in vars(function) if not known.startswith("_")]
            raise NoFunctionError(f"{where} has no {part!r}.{did_you_mean(part, public)}")
        function = getattr(function, part)
    if not callable(function):
        raise NoFunctionError(f"{handler.function} is no function but {type(function).__name__}")
    return Loaded(function, _is_async(function), file, stamp)


def _split(function: str) -> tuple[str, str]:
    where, colon, name = function.rpartition(":")
    if not colon or not where or not name:
        raise NoFunctionError(f'{function!r} names no function; write "file.py:name" or "package:name"')
    return where, name


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _module(file: Path) -> Any:
    """Run a file as a module of its own name: it can neither hide another module nor be hidden by one."""
    path = file.resolve()
    name = f"pegboard_hook_{path.stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:10]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NoFunctionError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # dataclasses and pickle look for it there
    try:
        # Not through the byte code beside it: that goes by whole seconds, and an edit may follow at once.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except BaseException:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before
        raise
    return module


def stamp_of(file: Path) -> Stamp | None:
    """Return what tells one state of a file from another, None if it is not there."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
