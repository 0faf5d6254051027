"""Whether an input fits a schema that a server supplies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def checker(schema: dict[str, Any]) -> Callable[[dict[str, Any]], list[str]]:
    """Return what checks an input against a schema; it is compiled with the first call."""
    kept: list[Any] = []

    def check(given: dict[str, Any]) -> list[str]:
        if not kept:
            kept.append(_validator(schema))
        if kept[0] is None:
            return []
        try:
            found = sorted(kept[0].iter_errors(given), key=lambda error: str(error.json_path))[:5]
        except Exception:  # a reference that leads nowhere, say: the server checks alone
            return []
        return [_said(error) for error in found]

    return check


def _said(error: Any) -> str:
    where = str(error.json_path).removeprefix("$").removeprefix(".")
    return f"{where}: {error.message[:300]}" if where else str(error.message[:300])


def _validator(schema: dict[str, Any]) -> Any:
    """Return a validator that fetches nothing; None for a schema that only its server understands."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    checked = _without_patterns(schema)
    try:
        Draft202012Validator.check_schema(checked)
    except SchemaError:
        return None
    return Draft202012Validator(checked, registry=Registry())


def _without_patterns(schema: Any, *, names: bool = False) -> Any:
    """Leave out regular expressions, which the server checks: one of its making could keep us busy for ever."""
    if isinstance(schema, dict):
        return {
            key: _without_patterns(value, names=key in ("properties", "$defs", "definitions"))
            for key, value in schema.items()
            if names
            or key not in ("pattern", "patternProperties", "propertyNames", "additionalProperties")
            or (key == "additionalProperties" and "patternProperties" not in schema)
        }
    if isinstance(schema, list):
        return [_without_patterns(one) for one in schema]
    return schema
