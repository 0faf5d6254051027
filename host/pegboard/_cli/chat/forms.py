"""Forms that somebody else's program wants filled in, and addresses that it wants opened; answered in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from pegboard._cli.chat import drawing
from pegboard._cli.chat.shapes import Asking
from pegboard.context import Ctx
from pegboard.decisions import Answer
from pegboard.output import readable
from pegboard.records import PersonAsked

DECLINE, CANCEL = "No: say that I decline", "Not now: break it off"
LEFT_OUT = object()
"""What a field holds that needs no answer and got none."""


async def filled(asked: PersonAsked, ctx: Ctx, face: Asking) -> Answer:
    """Put a question to the person, field by field; nothing is sent before all of it was seen once more.

    Raises EgressClosedError.
    """
    face.draw(Text.assemble(("? ", "bold yellow"), (f"{readable(asked.by)} asks", "bold")))
    face.draw(drawing.indented(drawing.shown_exactly(str(ctx.emit("text", asked.message)))))
    if asked.mode == "url":
        face.draw(drawing.indented(drawing.shown_exactly(str(ctx.emit("text", asked.url)), "bold")))
        return await _sent(face, "Yes: I have opened it, and am done there", None)
    content: dict[str, Any] = {}
    fields = list(_fields(asked.requested_schema or {}))
    if fields:
        at = await face.choose(["Answer it", DECLINE, CANCEL])
        if at:
            return _refused(face, at)
    for name, field, needed in fields:
        value = await _value(name, field, needed, ctx, face)
        if value is not LEFT_OUT:
            content[name] = value
            face.draw(Text(f"  {readable(name)} = {readable(str(value))}", style="dim"))
    return await _sent(face, "Yes: send it", content)


async def _sent(face: Asking, yes: str, content: dict[str, Any] | None) -> Answer:
    at = await face.choose([yes, DECLINE, CANCEL])
    if at:
        return _refused(face, at)
    face.draw(Text("answered", style="dim"))
    return Answer(action="accept", content=content)


def _refused(face: Asking, at: int) -> Answer:
    face.draw(Text("declined" if at == 1 else "broken off", style="dim"))
    return Answer(action="decline" if at == 1 else "cancel")


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Go through the fields of a form: name, schema, and whether there must be an answer."""
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict):
        for name, field in properties.items():
            yield str(name), field if isinstance(field, dict) else {}, isinstance(required, list) and name in required


async def _value(name: str, field: dict[str, Any], needed: bool, ctx: Ctx, face: Asking) -> Any:
    """Ask for one field until the answer is one."""
    words = [str(field.get("title") or name), str(field.get("description") or "")]
    label = ": ".join(str(ctx.emit("text", word)) for word in words if word)
    face.draw(drawing.indented(drawing.shown_exactly(label, "bold")))
    if field.get("type") == "array":
        return await _several(field.get("items") or {}, needed, ctx, face)
    choices = _choices(field)
    if choices:
        return await _one(choices, needed, ctx, face)
    while True:
        text = (await face.line(_hint(field, needed))).strip()
        if not text:
            if "default" in field:
                return field["default"]
            if not needed:
                return LEFT_OUT
            problem = "it needs an answer"
        else:
            value, problem = _read(text, field)
            if not problem:
                return value
        face.draw(Text(f"  {problem}", style="yellow"))


def _choices(field: dict[str, Any]) -> list[tuple[Any, str]]:
    """Return what may be chosen, each value with how it is shown; empty where words or a number are wanted."""
    if field.get("type") == "boolean":
        return [(True, "Yes"), (False, "No")]
    named = field.get("oneOf") or field.get("anyOf")
    if isinstance(named, list):
        found = [one for one in named if isinstance(one, dict) and "const" in one]
        return [(one["const"], str(one.get("title") or one["const"])) for one in found]
    values, names = field.get("enum"), field.get("enumNames")
    if not isinstance(values, list):
        return []
    shown = names if isinstance(names, list) and len(names) == len(values) else values
    return [(value, str(name)) for value, name in zip(values, shown, strict=True)]


async def _one(choices: list[tuple[Any, str]], needed: bool, ctx: Ctx, face: Asking) -> Any:
    shown = [readable(str(ctx.emit("text", name))) for _, name in choices]
    at = await face.choose(shown if needed else [*shown, "(no answer)"])
    return choices[at][0] if at < len(choices) else LEFT_OUT


async def _several(items: dict[str, Any], needed: bool, ctx: Ctx, face: Asking) -> Any:
    left, chosen = _choices(items), []
    while left:
        shown = [readable(str(ctx.emit("text", name))) for _, name in left]
        at = await face.choose([*shown, "That is all"])
        if at == len(left):
            break
        chosen.append(left.pop(at)[0])
    return chosen if chosen or needed else LEFT_OUT


def _hint(field: dict[str, Any], needed: bool) -> str:
    kind = {"integer": "a whole number", "number": "a number"}.get(str(field.get("type")), "your answer")
    if "format" in field:
        kind = readable(f"{kind} ({field['format']})")
    if "default" in field:
        return f"{kind}; Enter alone means {readable(str(field['default']))}"
    return kind if needed else f"{kind}; Enter alone leaves it out"


def _read(text: str, field: dict[str, Any]) -> tuple[Any, str]:
    """Return the value that a text means, and what is wrong with it; who asked checks it once more."""
    kind = field.get("type")
    if kind not in ("integer", "number"):
        size, least, most = len(text), field.get("minLength"), field.get("maxLength")
        return text, _outside(size, least, most, "characters")
    try:
        number = int(text) if kind == "integer" else float(text)
    except ValueError:
        return None, f"{text!r} is no {'whole ' if kind == 'integer' else ''}number"
    return number, _outside(number, field.get("minimum"), field.get("maximum"), "")


def _outside(value: float, least: Any, most: Any, what: str) -> str:
    unit = f" {what}" if what else ""
    if isinstance(least, int | float) and value < least:
        return f"it must be {least:g}{unit} or more"
    if isinstance(most, int | float) and value > most:
        return f"it must be {most:g}{unit} or less"
    return ""
