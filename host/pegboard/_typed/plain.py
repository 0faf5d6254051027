"""What is plainly right for an annotation: values of the very type, and plain data that can be read in one way only.

`ways` answers by the exact type of a value: None says that it is taken as it is, a function makes of it what the
annotation wants. Whatever has no answer is for pydantic to judge (`UnsureError`): a wrong value, one that has to be
converted by rules of pydantic's, or a type that this file does not know. So both always agree; tests hold them
against each other.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pegboard._typed.facts import OWN, Before, Fact, Tagged

Ways = dict[type, Callable[[Any], Any] | None]
ANY: Ways = {}
"""Stands for everything: compare with `is`."""
NONE = type(None)
PATH = type(Path())
LARGEST = 2**53
"""Whole numbers below are floats without loss."""


class UnsureError(Exception):
    """Somebody who knows every rule must look at this."""


def ways(annotation: Any, typed: type) -> Ways:
    """Return what is plainly right for an annotation; *typed* is the base of our own models."""
    if annotation is Any or annotation is object:
        return ANY
    if annotation is None:
        return {NONE: None}
    origin = get_origin(annotation)
    if origin is None:
        return _of_class(annotation, typed) if isinstance(annotation, type) else {}
    arguments = get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], typed)
    if origin is Union or origin is types.UnionType:
        return _union([ways(one, typed) for one in arguments])
    if origin is Literal:
        return {str: _one_of(frozenset(arguments))} if all(type(one) is str for one in arguments) else {}
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        each = _each(ways(arguments[0], typed), tuple)
        return {tuple: each, list: each}
    if origin is list:
        return {list: _each(ways(arguments[0], typed), list)}
    if origin is dict:
        return {dict: _mapping(*(ways(one, typed) for one in arguments))}
    return {}


def taken(known: Ways, value: Any) -> Any:
    """Return what becomes of a value. Raises UnsureError."""
    if known is ANY:
        return value
    try:
        how = known[type(value)]
    except KeyError:
        return of_subclass(known, value)
    return value if how is None else how(value)


def of_subclass(known: Ways, value: Any) -> Any:
    """Take a member of an enumeration of texts as its text, and a model as the model that it is a kind of."""
    if isinstance(value, StrEnum) and str in known and value.isascii():
        return taken(known, str.__str__(value))
    if hasattr(value, "_of_plain") and any(kind in known for kind in type(value).__mro__[1:-1]):
        return value
    raise UnsureError


def _unsure(value: Any) -> Any:
    raise UnsureError


def _of_class(kind: type, typed: type) -> Ways:
    if kind in (str, int, bool, NONE):
        return {kind: None}
    if kind is float:
        return {float: None, int: _float}
    if kind is Path:
        return {PATH: None, str: Path}
    if kind in (dict, list):
        return {kind: kind}
    if issubclass(kind, typed):
        return {kind: None, dict: kind._of_plain}  # type: ignore[attr-defined]
    if issubclass(kind, StrEnum):
        return {kind: None, str: _member(kind)}
    return {kind: None} if issubclass(kind, Enum) else {}


def _float(value: int) -> float:
    if -LARGEST < value < LARGEST:
        return float(value)
    raise UnsureError


def _member(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    members = {str(one): one for one in kind}

    def member(value: str) -> StrEnum:
        found = members.get(value)
        if found is None:
            raise UnsureError
        return found

    return member


def _one_of(allowed: frozenset[str]) -> Callable[[str], str]:
    def allow(value: str) -> str:
        if value not in allowed:
            raise UnsureError
        return value

    return allow


def _each(inner: Ways, make: Callable[[Iterable[Any]], Any]) -> Callable[[Any], Any]:
    if inner is ANY:
        return make
    exact = frozenset(kind for kind, how in inner.items() if how is None)

    def convert(values: Any) -> Any:
        if exact.issuperset(map(type, values)):
            return make(values)
        made = []
        for one in values:
            try:
                how = inner[type(one)]  # `taken`, without the call
            except KeyError:
                made.append(of_subclass(inner, one))
            else:
                made.append(one if how is None else how(one))
        return make(made)

    return convert


def _mapping(keys: Ways, values: Ways) -> Callable[[dict[Any, Any]], dict[Any, Any]]:
    def convert(given: dict[Any, Any]) -> dict[Any, Any]:
        made = {taken(keys, key): taken(values, value) for key, value in given.items()}
        if len(made) != len(given):
            raise UnsureError
        return made

    return convert


def _union(members: list[Ways]) -> Ways:
    if any(one is ANY for one in members):
        return ANY
    knows_all = all(members)
    found: Ways = {}
    for one in members:
        for kind, how in one.items():
            if kind not in found or how is None:
                found[kind] = how
            elif found[kind] is not None:
                found[kind] = _unsure  # two could make something of it
    # A member that is unknown here might rather have what would have to be converted.
    return found if knows_all else {kind: None for kind, how in found.items() if how is None}


def _annotated(annotation: Any, marks: tuple[Any, ...], typed: type) -> Ways:
    known: Ways | None = None
    for mark in marks:
        if isinstance(mark, Tagged):
            known = _tagged(get_args(annotation), mark.name)
        elif isinstance(mark, Before):
            known = _after(mark.function, ways(annotation, typed))
        elif isinstance(mark, Fact):
            known = constrained(ways(annotation, typed) if known is None else known, mark.more)
        else:
            return {}
    return ways(annotation, typed) if known is None else known


def _tagged(members: tuple[Any, ...], name: str) -> Ways:
    by_tag = {getattr(one, name): one._of_plain for one in members}

    def convert(value: dict[str, Any]) -> Any:
        tag = value.get(name)
        read = by_tag.get(tag) if isinstance(tag, str) else None
        if read is None:
            raise UnsureError
        return read(value)

    found: Ways = dict.fromkeys(members)
    found[dict] = convert
    return found


class _Through(dict[type, Callable[[Any], Any] | None]):
    """Sends a value of any type through a function."""

    def __init__(self, how: Callable[[Any], Any]) -> None:
        super().__init__()
        self._how = how

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        return self._how


def _after(function: Callable[[Any], Any], known: Ways) -> Ways:
    def convert(value: Any) -> Any:
        try:
            value = function(value)
        except Exception as error:
            raise UnsureError from error
        return taken(known, value)

    return _Through(convert)


# --- limits --------------------------------------------------------------------------------------------


def _matches(pattern: str) -> Callable[[Any], bool]:
    import re

    return lambda value: "\n" not in value and value.isascii() and re.search(pattern, value) is not None


LIMITS: dict[str, Callable[[Any], Callable[[Any], bool]]] = {
    "ge": lambda limit: lambda value: bool(value >= limit),
    "gt": lambda limit: lambda value: bool(value > limit),
    "le": lambda limit: lambda value: bool(value <= limit),
    "lt": lambda limit: lambda value: bool(value < limit),
    "min_length": lambda limit: lambda value: len(value) >= limit,
    "max_length": lambda limit: lambda value: len(value) <= limit,
    "pattern": _matches,
}


def constrained(known: Ways, more: dict[str, Any]) -> Ways:
    """Return the ways for values that keep to the limits, too; none where there are limits that are not known here."""
    wanted = {name: limit for name, limit in more.items() if name not in OWN}
    if not wanted:
        return known
    if known is ANY or not wanted.keys() <= LIMITS.keys():
        return {}
    tests = [LIMITS[name](limit) for name, limit in wanted.items()]
    return {kind: how if kind is NONE else _within(how, tests) for kind, how in known.items()}


def _within(how: Callable[[Any], Any] | None, tests: list[Callable[[Any], bool]]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        value = value if how is None else how(value)
        if not all(test(value) for test in tests):
            raise UnsureError
        return value

    return convert
