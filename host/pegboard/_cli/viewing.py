"""`pegboard trace --view NAME`: what a plugin makes of a journal (`registry.add_view`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegboard.errors import PegboardError, did_you_mean
from pegboard.output import print_json, readable, say

if TYPE_CHECKING:
    from pegboard.context import View
    from pegboard.records import Record


def print_view(name: str, path: Path, records: Iterable[Record], cwd: Path | None, *, as_json: bool) -> None:
    """Print a view of a journal: a text as it is, anything else as JSON. Raises PegboardError."""
    plugin, view = _named(name, cwd)
    try:
        made = view.build(iter(records))
        if isinstance(made, Iterator):
            made = list(made)
    except (Exception, SystemExit) as error:
        raise PegboardError(f"the view {name!r} of {plugin} failed: {type(error).__name__}: {error}") from error
    if as_json:
        print_json({"session": path.stem, "view": view.name, "plugin": plugin, "value": _plain(made, name, plugin)})
    elif isinstance(made, str):
        for line in readable(made).splitlines():
            say(line)
    else:
        print_json(_plain(made, name, plugin))


def _named(name: str, cwd: Path | None) -> tuple[str, View]:
    """Return a view and its plugin, by its name or, where two have it, by `plugin.name`."""
    from pegboard._cli.opening import open_host

    found: dict[str, tuple[str, View]] = {}
    for plugin, contribution in sorted(open_host(cwd).board.contributions.items()):
        for view in contribution.views:
            found.setdefault(view.name, (plugin, view))
            found[f"{plugin}.{view.name}"] = (plugin, view)
    if name in found:
        return found[name]
    names = sorted(spelled for spelled in found if "." in spelled)
    there = f" There are: {', '.join(names)}." if names else " No plugin that takes part here has one."
    raise PegboardError(f"there is no view {name!r}.{did_you_mean(name, found)}{there}")


def _plain(made: Any, name: str, plugin: str) -> Any:
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(made)
    except PydanticSerializationError as error:
        raise PegboardError(
            f"what the view {name!r} of {plugin} made is neither text nor plain data: {error}"
        ) from None
