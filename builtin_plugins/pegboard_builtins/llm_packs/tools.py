"""Functions and toolboxes of a pack become tools like all others: with a schema, under permissions and hooks."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from pegboard.context import Ailment, Ctx
from pegboard.messages import ToolResult
from pegboard.output import readable
from pegboard.tools import SchemaTool, Tool
from pegboard_builtins.llm_packs.finding import Arguments, Pack, Packs, each

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST = 4_000
"""Characters of a description."""


def tools_of(packs: Packs, arguments: Arguments) -> list[Tool]:
    """Return the tools of all packs, sorted; of two that have one name neither is there, and both are named."""
    made: dict[str, tuple[Pack, Tool]] = {}
    twice: set[str] = set()
    for pack, one in each(packs, lambda pack: _of_pack(pack, packs, arguments)):
        if not NAME.fullmatch(one.name):
            text = f"{pack.distribution}: {one.name[:80]!r} is no name of a tool"
            packs.ailments.append(Ailment(text, mend="letters, digits, `_` and `-` are"))
        elif one.name in made:
            twice.add(one.name)
            text = f"{made[one.name][0].distribution} and {pack.distribution} both bring the tool {one.name!r}"
            packs.ailments.append(Ailment(text, mend="leave one of them out of llm_packs.packs"))
        else:
            made[one.name] = (pack, one)
    return [one for name, (_, one) in sorted(made.items()) if name not in twice]


def _of_pack(pack: Pack, packs: Packs, arguments: Arguments) -> Iterator[Tool]:
    import llm

    for name, one in pack.tools:
        if inspect.isclass(one) and issubclass(one, llm.Toolbox):
            yield from _of_toolbox(one, pack, packs, arguments.get(one.__name__))
        elif isinstance(one, llm.Toolbox):
            yield from (_tool(tool, _always(tool)) for tool in _prepared(one))
        elif isinstance(one, llm.Tool):
            yield _tool(one, _always(one))
        elif callable(one) and not inspect.isclass(one):
            tool = llm.Tool.function(one, name=name)
            yield _tool(tool, _always(tool))
        else:
            packs.ailments.append(Ailment(f"{pack.distribution} brings {one!r:.80}, which runs at a provider alone"))


def _of_toolbox(kind: Any, pack: Pack, packs: Packs, said: Mapping[str, Any] | None) -> Iterator[Tool]:
    """Make a toolbox's tools; each session has a toolbox of its own, which keeps its state."""
    needed = [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    missing = [name for name in needed if name not in (said or {})]
    if missing:
        text = f"{pack.distribution}: the toolbox {kind.__name__} needs {', '.join(missing)}"
        mend = f"[llm_packs.toolboxes.{kind.__name__}] {missing[0]} = ..."
        packs.ailments.append(Ailment(text, mend=mend))
        return
    boxes: WeakKeyDictionary[Ctx, dict[str, Any]] = WeakKeyDictionary()

    def of_session(name: str, ctx: Ctx) -> Any:
        if ctx not in boxes:
            boxes[ctx] = {tool.name: tool for tool in _prepared(kind(**(said or {})))}
        return boxes[ctx][name]

    for tool in _prepared(kind(**(said or {}))):
        yield _tool(tool, partial(of_session, tool.name))


def _always(tool: Any) -> Callable[[Ctx], Any]:
    return lambda ctx: tool


def _prepared(box: Any) -> list[Any]:
    box.prepare()
    return list(box.tools())


def _tool(one: Any, of: Callable[[Ctx], Any]) -> Tool:
    schema = one.input_schema or {"type": "object", "properties": {}}

    def run(given: dict[str, Any], ctx: Ctx) -> Any:
        return _result(of(ctx).implementation(**given))

    async def run_async(given: dict[str, Any], ctx: Ctx) -> Any:
        return _result(await of(ctx).implementation(**given))

    text = inspect.cleandoc(one.description or "") or f"The tool {one.name}."
    return SchemaTool(
        name=one.name,
        function=run_async if inspect.iscoroutinefunction(one.implementation) else run,
        description=readable(text)[:LONGEST],
        schema=schema,
        check=lambda given: problems(schema, given),
    )


def problems(schema: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return what an input lacks and what nobody asked for; types are the function's own concern."""
    known = schema.get("properties", {})
    found = [f"{name}: is required" for name in schema.get("required", ()) if name not in given]
    return found + [f"{name}: there is no such parameter" for name in given if name not in known]


def _result(said: Any) -> Any:
    """Return what a tool gave back as the model reads it: a text, or JSON of anything else."""
    output, attachments = getattr(said, "output", said), getattr(said, "attachments", ())
    text = output if isinstance(output, str) else json.dumps(output, default=repr, ensure_ascii=False)
    if attachments:
        text += f"\n[{len(attachments)} attachment(s), which are not shown here]"
    return ToolResult(content="" if output is None else text)
