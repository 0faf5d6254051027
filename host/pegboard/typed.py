"""Frozen models that cost a start nothing: what is plainly right is taken as it is, of all else pydantic judges.

`Typed` is used like pydantic's `BaseModel`, and means the same: the same values are taken, converted and refused, with
the same errors. But pydantic is imported, and a model of its own made, only when a value is not of the very type that
an annotation names, or when somebody wants a schema. A start makes hundred and fifty classes and checks a dozen values.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, Self, TypeVar, dataclass_transform, get_origin

from pydantic_core import SchemaSerializer, from_json

from pegboard._dataclass import dataclass
from pegboard._typed.facts import MISSING, Before, Fact, Tagged, as_pydantic
from pegboard._typed.plain import ANY, UnsureError, Ways, constrained, of_subclass, taken, ways

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.fields import FieldInfo

    from pegboard._typed.judging import Judge

__all__ = ["Before", "Fact", "Reading", "Tagged", "Typed", "as_pydantic", "dataclass", "fact", "fields_of"]

Kind = TypeVar("Kind", bound="Typed")
_new, _fill = object.__new__, object.__setattr__


def fact(default: Any = MISSING, *, default_factory: Callable[[], Any] | None = None, **more: Any) -> Any:
    """Say of a field what pydantic's `Field` says: a default, limits, a description."""
    return Fact(default, default_factory, more)


class _Plan(NamedTuple):
    """How instances of one class are made."""

    fields: dict[str, tuple[Any, Fact]]
    template: dict[str, Any]
    fresh: tuple[tuple[str, Callable[[], Any]], ...]
    required: frozenset[str]
    ways: dict[str, Ways]
    shown: tuple[str, ...]
    hidden: dict[str, Callable[[Any], bool]]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(fact,))
class Typed:
    """A frozen model. `class Word(Typed, extra="ignore")`: what becomes of keys that it does not know.

    A `check` of your own may raise ValueError for an instance that is wrong as a whole.
    """

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")

    model_config: ClassVar[Mapping[str, Any]] = {"frozen": True, "extra": "forbid"}
    has_check: ClassVar[bool] = False
    __pydantic_serializer__: ClassVar[SchemaSerializer]
    if TYPE_CHECKING:
        model_fields: ClassVar[dict[str, FieldInfo]]

    def __init_subclass__(cls, *, extra: str = "") -> None:
        if extra:
            cls.model_config = {"frozen": True, "extra": extra}
        cls.has_check = hasattr(cls, "check")

    def __init__(self, **given: Any) -> None:
        try:
            facts = _facts(type(self), given)
        except UnsureError:
            _judge(type(self)).validator.validate_python(given, self_instance=self)
        else:
            _fill(self, "__dict__", facts)
            if self.has_check:
                self._be_checked(given)

    def _be_checked(self, given: dict[str, Any]) -> None:
        try:
            self.check()  # type: ignore[attr-defined]
        except ValueError:
            _judge(type(self)).validator.validate_python(given)  # which says it in its own words

    # reading and writing, in pydantic's words

    @classmethod
    def model_validate(cls, given: Any) -> Self:
        """Make one of a dict, or take it as it is. Raises pydantic's ValidationError."""
        try:
            if type(given) is dict:
                return cls._of_plain(given)
        except UnsureError:
            pass
        if type(given) is cls:
            return given
        made: Self = _judge(cls).validator.validate_python(given)
        return made

    @classmethod
    def model_validate_json(cls, text: bytes | str) -> Self:
        """Make one of JSON. Raises pydantic's ValidationError."""
        try:
            given = from_json(text)
            if type(given) is dict:
                return cls._of_plain(given)
        except (UnsureError, ValueError):
            pass
        made: Self = _judge(cls).validator.validate_json(text)
        return made

    @classmethod
    def model_construct(cls, **given: Any) -> Self:
        """Make one without looking at what is given."""
        plan = _plan(cls)
        facts = {**plan.template, **{name: make() for name, make in plan.fresh if name not in given}, **given}
        return _restored(cls, {name: value for name, value in facts.items() if value is not MISSING})

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """Return one with other facts, which nobody looks at."""
        return _restored(type(self), {**self.__dict__, **(update or {})})

    def model_dump(self, *, mode: str = "python", **said: Any) -> dict[str, Any]:
        """Return a dict; *said* is what pydantic takes: exclude, exclude_none, exclude_defaults and the like."""
        dumped: dict[str, Any] = self.__pydantic_serializer__.to_python(self, mode=mode, **said)
        return dumped

    def model_dump_json(self, **said: Any) -> str:
        """Return the JSON of it."""
        return self.__pydantic_serializer__.to_json(self, **said).decode()

    @classmethod
    def model_json_schema(cls, **said: Any) -> dict[str, Any]:
        """Return the JSON Schema, as pydantic writes it."""
        from pydantic import TypeAdapter

        return TypeAdapter(cls).json_schema(**said)

    # inside

    @classmethod
    def _of_plain(cls, given: Any) -> Self:
        """Make one of a dict that is plainly right. Raises UnsureError."""
        made: Self = _new(cls)
        _fill(made, "__dict__", _facts(cls, given))
        if cls.has_check:
            try:
                made.check()  # type: ignore[attr-defined]
            except ValueError:
                raise UnsureError from None
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return _judge(cls).schema

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={self.__dict__.get(name)!r}" for name in _plan(type(self)).shown)
        return f"{type(self).__name__}({said})"

    def __reduce__(self) -> Any:
        return _restored, (type(self), self.__dict__)


def _restored(kind: type[Kind], facts: Mapping[str, Any]) -> Kind:
    made = _new(kind)
    _fill(made, "__dict__", dict(facts))
    return made


def fields_of(kind: type[Any]) -> Mapping[str, Any]:
    """Return what is said of each field of a model of ours (without pydantic) or of pydantic's."""
    if issubclass(kind, Typed):
        return {name: one for name, (_, one) in _plan(kind).fields.items()}
    found: Mapping[str, Any] = kind.model_fields
    return found


MANY = 10_000
"""Whoever reads so many values is better off with pydantic, which takes half of the time for each."""


class Reading:
    """Reads values of an annotation, as pydantic's TypeAdapter does. Raises pydantic's ValidationError."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._read = 0

    def of(self, value: Any) -> Any:
        """Return what becomes of a value."""
        try:
            return taken(self._ways, value)
        except UnsureError:
            return self._adapter.validate_python(value)

    def of_json(self, text: bytes | str) -> Any:
        """Return what becomes of JSON."""
        self._read += 1
        if self._read > MANY:
            return self._adapter.validate_json(text)
        try:
            return taken(self._ways, from_json(text))
        except (UnsureError, ValueError):
            return self._adapter.validate_json(text)

    @cached_property
    def _ways(self) -> Ways:
        return ways(self._annotation, Typed)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        from pydantic import TypeAdapter

        return TypeAdapter(self._annotation)


class _Lazily:
    """An attribute of each class that is made when somebody first asks for it."""

    def __init__(self, make: Callable[[type[Typed]], Any]) -> None:
        self.make = make

    def __get__(self, instance: object, kind: type[Typed]) -> Any:
        return self.make(kind)


_plans: dict[type[Typed], _Plan] = {}
_judges: dict[type[Typed], Judge] = {}


def _plan(kind: type[Typed]) -> _Plan:
    return _plans.get(kind) or _make_plan(kind)


def _make_plan(kind: type[Typed]) -> _Plan:
    fields = _fields(kind)
    template = {name: _default(one) for name, (_, one) in fields.items()}
    known = {name: constrained(ways(annotation, Typed), one.more) for name, (annotation, one) in fields.items()}
    made = _plans[kind] = _Plan(
        fields,
        template,
        tuple((name, _maker(one)) for name, (_, one) in fields.items() if one.factory or _changes(one.default)),
        frozenset(name for name, (_, one) in fields.items() if one.is_required()),
        known,
        tuple(name for name, (_, one) in fields.items() if one.more.get("repr", True)),
        {name: hides for name, (_, one) in fields.items() if (hides := _hides(one)) is not None},
    )
    return made


def _fields(kind: type) -> dict[str, tuple[Any, Fact]]:
    found: dict[str, tuple[Any, Fact]] = {}
    for each in reversed(kind.__mro__):
        names = vars(sys.modules[each.__module__])
        for name, annotation in vars(each).get("__annotations__", {}).items():
            if name.startswith("_") or each is Typed:
                continue
            if isinstance(annotation, str):
                annotation = eval(annotation, names)  # as typing.get_type_hints does
            if get_origin(annotation) is not ClassVar and annotation is not ClassVar:
                default = vars(each).get(name, MISSING)
                found[name] = (annotation, default if isinstance(default, Fact) else Fact(default, None, {}))
    return found


def _default(one: Fact) -> Any:
    return MISSING if one.factory is not None else one.default


def _changes(default: Any) -> bool:
    return type(default) in (dict, list, set)


def _maker(one: Fact) -> Callable[[], Any]:
    if one.factory is not None:
        return one.factory
    from copy import deepcopy

    copied = one.default
    return type(copied) if not copied else lambda: deepcopy(copied)


def _hides(one: Fact) -> Callable[[Any], bool] | None:
    if one.more.get("exclude"):
        return lambda value: True
    hides: Callable[[Any], bool] | None = one.more.get("exclude_if")
    return hides


def _facts(kind: type[Typed], given: dict[str, Any]) -> dict[str, Any]:
    """Return all facts of an instance, in order. Raises UnsureError."""
    plan = _plans.get(kind) or _make_plan(kind)
    if not plan.required <= given.keys():
        raise UnsureError
    facts, known = plan.template.copy(), plan.ways
    for name, value in given.items():
        how = known.get(name)
        if how is None:
            if kind.model_config["extra"] == "ignore":
                continue
            raise UnsureError
        if how is ANY:
            facts[name] = value
            continue
        try:
            convert = how[type(value)]  # `taken`, without the call
        except KeyError:
            facts[name] = of_subclass(how, value)
        else:
            facts[name] = value if convert is None else convert(value)
    for name, make in plan.fresh:
        if name not in given:
            facts[name] = make()
    return facts


def _judge(kind: type[Typed]) -> Judge:
    found = _judges.get(kind)
    if found is None:
        from pegboard._typed.judging import judge_of

        found = _judges[kind] = judge_of(kind, _plan(kind).fields)
    return found


def _dumped(word: Typed, said: Any) -> dict[str, Any]:
    """Return what is to be written of a word, as pydantic writes its own."""
    plan, facts = _plan(type(word)), word.__dict__
    if plan.hidden:
        hidden = plan.hidden
        facts = {name: value for name, value in facts.items() if name not in hidden or not hidden[name](value)}
    if said.exclude_none:
        facts = {name: value for name, value in facts.items() if value is not None}
    if said.exclude_defaults:
        facts = {name: value for name, value in facts.items() if value != _default_of(plan, name)}
    return facts


def _default_of(plan: _Plan, name: str) -> Any:
    factory = plan.fields[name][1].factory
    return plan.template.get(name) if factory is None else factory()


Typed.__pydantic_serializer__ = SchemaSerializer(
    {"type": "any", "serialization": {"type": "function-plain", "function": _dumped, "info_arg": True}}
)
for _name, _make in {
    "model_fields": lambda kind: _judge(kind).model.model_fields,
    "__pydantic_core_schema__": lambda kind: _judge(kind).schema,
    "__pydantic_validator__": lambda kind: _judge(kind).validator,
}.items():
    setattr(Typed, _name, _Lazily(_make))
