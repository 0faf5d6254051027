"""A plugin that forks and returns has made a second host, with the same journal and the same loop: it ends at once."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import NoReturn

SAID = "pegboard: a plugin has forked the host and came back in the copy, which ends here: it must end its copies\n"


class _Forks:
    """How often this process was forked off; a host that is opened in a child knows the child's number."""

    count = 0


forks = _Forks()


@cache
def watch() -> None:
    """Count from now on."""
    os.register_at_fork(after_in_child=_count)


def _count() -> None:
    forks.count += 1


def end_if_forked(known: int) -> None:
    """End this process if it was forked off since its number of forks was *known*."""
    if forks.count != known:
        _end()


def _end() -> NoReturn:
    """End the copy, without a word to anybody but whoever reads its errors: all that is open belongs to the parent."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, SAID.encode())
    finally:
        os._exit(1)
