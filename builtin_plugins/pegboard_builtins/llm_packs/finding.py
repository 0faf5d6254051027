"""Packs of the `llm` command: which are installed, and what they register, each apart from the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from pegboard.context import Ailment
from pegboard.errors import PegboardError
from pegboard.typed import dataclass

GROUP = "llm"
MISSING = "the packs of `llm` need the extra: pip install 'pegboard[llm]'"


class NoLlmError(PegboardError):
    """Packs are named, and the library that they are written for is not installed."""

    def __init__(self) -> None:
        super().__init__(MISSING)


@dataclass
class Pack:
    """One pack: what it registered, in its own order."""

    name: str
    distribution: str
    tools: list[tuple[str | None, Any]] = field(default_factory=list)
    models: list[Any] = field(default_factory=list)


@dataclass
class Packs:
    """All packs that take part, sorted; `ailments` says what is wrong with others."""

    found: list[Pack] = field(default_factory=list)
    ailments: list[Ailment] = field(default_factory=list)


def installed(wanted: Sequence[str]) -> list[tuple[str, EntryPoint]]:
    """Return the entry points of the distributions that are wanted, sorted, importing none."""
    found = []
    for point in entry_points(group=GROUP):
        name = point.dist.name if point.dist is not None else ""
        if any(fnmatchcase(_plain(name), _plain(pattern)) for pattern in wanted):
            found.append((name, point))
    return sorted(found, key=lambda one: (_plain(one[0]), one[1].name))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def find(wanted: Sequence[str], *, models: bool) -> Packs:
    """Import the packs that are wanted, and take what they register. Raises NoLlmError."""
    try:
        import llm.hookspecs
    except ImportError:
        raise NoLlmError from None
    packs = Packs()
    points = installed(wanted)
    for pattern in wanted:
        if not any(fnmatchcase(_plain(name), _plain(pattern)) for name, _ in points) and "*" not in pattern:
            packs.ailments.append(Ailment(f"the pack {pattern} is not installed", mend=f"pip install {pattern}"))
    for distribution, point in points:
        pack = Pack(point.name, distribution)
        try:
            _take(pack, point.load(), llm.hookspecs, models=models)
        except (Exception, SystemExit) as error:
            text = f"{distribution} cannot be used: {type(error).__name__}: {error}"
            packs.ailments.append(Ailment(text, mend=f"pip install -U {distribution}"))
        else:
            packs.found.append(pack)
    return packs


def _take(pack: Pack, module: Any, specs: Any, *, models: bool) -> None:
    """Call a pack's own functions alone: another that breaks is no concern of it."""
    board = pluggy.PluginManager("llm")
    board.add_hookspecs(specs)
    board.register(module, pack.name)
    board.hook.register_tools(register=lambda one, name=None: pack.tools.append((name, one)))
    if models:
        board.hook.register_models(
            register=lambda model, async_model=None, aliases=None: pack.models.append(model),
            model_aliases=lambda *names: None,
        )


def each(packs: Packs, take: Callable[[Pack], Iterator[Any]]) -> Iterator[tuple[Pack, Any]]:
    """Go through what *take* makes of each pack; one that breaks is an ailment."""
    for pack in packs.found:
        try:
            for one in take(pack):
                yield pack, one
        except (Exception, SystemExit) as error:
            text = f"{pack.distribution} cannot be used: {type(error).__name__}: {error}"
            packs.ailments.append(Ailment(text, mend="say in [llm_packs] what it needs, or leave the pack out"))


Arguments = Mapping[str, Mapping[str, Any]]
