"""The model that pydantic makes of one of ours: it judges what is not plainly right, and prints schemas.

It is a model of the same fields, whose core schema is told to make instances of our class instead.
"""

from __future__ import annotations

import types
from typing import Any, NamedTuple

from pydantic import BaseModel, model_validator
from pydantic_core import SchemaSerializer, SchemaValidator

from pegboard._typed.facts import MISSING, Fact, as_pydantic


class Judge(NamedTuple):
    """`model` has the fields as pydantic knows them, `schema` makes instances of our own class."""

    model: type[BaseModel]
    schema: Any
    validator: SchemaValidator
    serializer: SchemaSerializer


def judge_of(kind: Any, fields: dict[str, tuple[Any, Fact]]) -> Judge:
    """Make the model of a class with these fields (annotation and what is said of each)."""
    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__annotations__": {name: as_pydantic(annotation) for name, (annotation, _) in fields.items()},
        "model_config": dict(kind.model_config),
    }
    for name, (_, fact) in fields.items():
        if fact.more or fact.factory is not None:
            namespace[name] = fact.field()
        elif fact.default is not MISSING:
            namespace[name] = fact.default
    if kind.has_check:
        namespace["checked_as_a_whole"] = model_validator(mode="after")(_checked)
    model: type[BaseModel] = types.new_class(kind.__name__, (BaseModel,), exec_body=lambda body: body.update(namespace))
    schema = _making(kind, model, model.__pydantic_core_schema__)
    schema.setdefault("ref", f"{kind.__module__}.{kind.__qualname__}:{id(kind)}")
    return Judge(model, schema, SchemaValidator(schema), SchemaSerializer(schema))


def _checked(self: Any) -> Any:
    self.check()
    return self


def _making(kind: type, model: type, schema: Any) -> Any:
    if schema["type"] == "model" and schema["cls"] is model:
        return {**schema, "cls": kind}
    if schema["type"] == "definitions":
        schema = {**schema, "definitions": [_making(kind, model, one) for one in schema["definitions"]]}
    return {**schema, "schema": _making(kind, model, schema["schema"])} if "schema" in schema else dict(schema)
