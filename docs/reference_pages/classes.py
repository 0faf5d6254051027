"""Classes as Markdown: their fields, constructors and methods, from the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, get_origin

from reference_pages.markdown import code, prose, summary, table

from pegboard import decisions, flags, messages, requests, tools


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field of a class, as its source has it."""

    name: str
    type: str
    default: str


def attributes(kind: type, *, without: Iterable[str] = ()) -> list[Attribute]:
    """Return the public fields of a model or a dataclass, inherited ones first."""
    from pegboard.typed import Typed, fields_of

    found: dict[str, Attribute] = {}
    for owner in reversed(kind.__mro__):
        if owner is Typed or not owner.__module__.startswith("pegboard"):
            continue
        for name, annotation in inspect.get_annotations(owner).items():
            if name.startswith("_") or name == "model_config" or str(annotation).startswith("ClassVar"):
                continue
            if issubclass(kind, Typed):
                one = fields_of(kind)[name]
                default = inspect.Parameter.empty if one.is_required() else one.get_default(call_default_factory=True)
            else:
                default = _dataclass_default(kind, name)
            needed = default is inspect.Parameter.empty
            shown = "" if needed else str(getattr(default, "value", None) or repr(default))
            found[name] = Attribute(name, _written(annotation), shown)
    return [one for name, one in found.items() if name not in set(without)]


def _dataclass_default(kind: type, name: str) -> Any:
    import dataclasses

    for one in dataclasses.fields(kind):
        if one.name == name:
            if one.default_factory is not dataclasses.MISSING:
                return one.default_factory()
            return inspect.Parameter.empty if one.default is dataclasses.MISSING else one.default
    return inspect.Parameter.empty


def attribute_table(kind: type, *, without: Iterable[str] = ()) -> str:
    """Return the fields of a class as a table."""
    rows = [(code(one.name), code(one.type), code(one.default)) for one in attributes(kind, without=without)]
    return table(("field", "type", "default"), rows)


def described(kind: type, *, level: int = 2, without: Iterable[str] = ()) -> Iterator[str]:
    """Go through a class: heading, docstring, fields, constructors and properties."""
    yield f"{'#' * level} {kind.__name__}"
    yield code(f"{kind.__module__}.{kind.__name__}")
    yield prose(kind)
    yield attribute_table(kind, without=without)
    made = [(code(call_of(method, kind.__name__)), summary(method)) for method in constructors(kind)]
    yield table(("constructor", "what it is for"), made)


def constructors(kind: type) -> list[Any]:
    """Return the class methods of a class, in the order of its source."""
    return [
        getattr(kind, name)
        for name, found in vars(kind).items()
        if isinstance(found, classmethod) and not name.startswith("_") and inspect.getdoc(found)
    ]


def call_of(function: Callable[..., Any], owner: str = "") -> str:
    """Return how a function is called: names, star and defaults, without types and without self."""
    words = []
    star = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            words.append("*")
        sign = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        default = parameter.default
        ending = "" if default is parameter.empty else f"={getattr(default, 'value', None) or repr(default)}"
        words.append(f"{sign}{parameter.name}{ending}")
    return f"{owner + '.' if owner else ''}{function.__name__}({', '.join(words)})"


def members(kind: type) -> list[tuple[str, str]]:
    """Return the public properties and methods of a class with what they are for, in the order of its source."""
    rows = []
    for name, found in vars(kind).items():
        if name.startswith("_") or not (isinstance(found, property) or inspect.isfunction(found)):
            continue
        if isinstance(found, property):
            shown = name
        else:
            shown = f"{'await ' if inspect.iscoroutinefunction(found) else ''}{call_of(found)}"
        rows.append((code(shown), prose(found)))
    return rows


def _written(annotation: object) -> str:
    """Return an annotation as somebody writes it, whether its module keeps annotations as text or as types."""
    if isinstance(annotation, str):
        return annotation
    text = _formatted(annotation)
    for spelled, name in _aliases().items():
        text = text.replace(spelled, name)
    return text


def _formatted(annotation: object) -> str:
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", inspect.formatannotation(annotation)).replace("NoneType", "None")


@cache
def _aliases() -> dict[str, str]:
    """Return what our modules call unions and callables, by how those are written out, the longest first."""
    found = {}
    for module in (messages, requests, decisions, flags, tools):
        for name, value in vars(module).items():
            if name[0].isupper() and (get_origin(value) is not None or isinstance(value, UnionType)):
                found[_formatted(value)] = name
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))
