"""What may be said of one field of a frozen model, and the marks that an annotation may bear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
OWN = frozenset({"exclude", "exclude_if", "repr", "description", "json_schema_extra"})
"""What says nothing of which values are right."""


class Fact:
    """A default, and what pydantic's `Field` takes beside it (`more`)."""

    __slots__ = ("default", "factory", "more")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, more: dict[str, Any]) -> None:
        self.default = default
        self.factory = factory
        self.more = more

    @property
    def description(self) -> str:
        """What the field means, in words."""
        said: str = self.more.get("description", "")
        return said

    @property
    def json_schema_extra(self) -> Any:
        """What a schema has of it beside the rest."""
        return self.more.get("json_schema_extra")

    def is_required(self) -> bool:
        """Whether a value must be given."""
        return self.default is MISSING and self.factory is None

    def get_default(self, *, call_default_factory: bool = False) -> Any:
        """Return the value where none is given."""
        return self.factory() if call_default_factory and self.factory is not None else self.default

    def field(self) -> Any:
        """Return it as pydantic has it."""
        from pydantic import Field

        if self.factory is not None:
            return Field(default_factory=self.factory, **self.more)
        return Field(**self.more) if self.default is MISSING else Field(default=self.default, **self.more)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return handler.generate_schema(Annotated[source, self.field()])


class Tagged:
    """`Annotated[A | B, Tagged("type")]`: the field of that name, a literal in each, says which of them it is."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import Field

        return handler.generate_schema(Annotated[source, Field(discriminator=self.name)])


class Before:
    """`Annotated[T, Before(function)]`: what is given goes through the function first."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.function, handler(source))


def as_pydantic(annotation: Any) -> Any:
    """Return an annotation with pydantic's `Field` where it bears a fact of ours."""
    if get_origin(annotation) is not Annotated:
        return annotation
    kind, *marks = get_args(annotation)
    return Annotated[(kind, *[mark.field() if isinstance(mark, Fact) else mark for mark in marks])]
