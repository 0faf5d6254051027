"""Whether a package reads the environment while it is imported, so that it may register something else next time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OF_LIBRARIES = frozenset({"PYDANTIC_DISABLE_PLUGINS"})
"""What a library asks for itself each time that a class of the package is made."""


@contextmanager
def noted_reads(package: str) -> Iterator[list[str]]:
    """Collect the variables that code of *package*, or what it calls, reads; what it merely imports does not count."""
    found: list[str] = []
    inside = f"{package}."

    def note(name: Any) -> None:
        if name in OF_LIBRARIES:
            return
        frame = sys._getframe(2)
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if module == package or module.startswith(inside):
                found.append(str(name))
                return
            if module.startswith(("importlib.", "_frozen_importlib")):
                return
            frame = frame.f_back  # type: ignore[assignment]  # None at the end

    before: Any = type(os.environ)

    class Noted(before):  # type: ignore[misc]  # the type of os.environ has no public name
        def __getitem__(self, name: Any) -> Any:
            note(name)
            return super().__getitem__(name)

        def __contains__(self, name: Any) -> bool:
            note(name)
            return bool(super().__contains__(name))

        def __iter__(self) -> Any:
            note("*")
            return super().__iter__()

    os.environ.__class__ = Noted
    try:
        yield found
    finally:
        os.environ.__class__ = before
