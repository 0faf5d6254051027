"""Keeps standard output for what a verb itself prints: what plugins print meanwhile goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


@contextmanager
def own_output() -> Iterator[TextIO]:
    """Yield what the verb prints to; `print` of a plugin, and programs that it starts, get standard error.

    On a terminal both are the same place, so nothing is moved.
    """
    out = sys.stdout
    if out.isatty():
        yield out
        return
    with redirect_stdout(sys.stderr):
        try:
            number, errors = out.fileno(), sys.stderr.fileno()
        except (OSError, ValueError, AttributeError):  # somebody's object, as in tests: programs do not write to it
            yield out
            return
        out.flush()
        kept = os.dup(number)
        os.dup2(errors, number)
        own = open(kept, "w", encoding=out.encoding, errors=out.errors)  # noqa: SIM115  closed below, after the way back
        try:
            yield own
        finally:
            os.dup2(kept, number)
            own.close()
