"""`/flags` in a conversation: the flags of this session, as they are frozen."""

from __future__ import annotations

import json

from pegboard.context import Ctx
from pegboard.flags import FlagDetails, FlagLayer, UnknownFlagError


def flags_command(words: str, ctx: Ctx) -> str:
    """Return all flags of the session, or everything about the one that *words* name."""
    view = ctx.flags
    if not words:
        lines = [_line(_now(ctx, name)) for name in view]
        return "\n".join([f"flags of this session (snapshot {view.snapshot_id or '-'}):", *(lines or ["  none"])])
    if words not in view:
        return str(UnknownFlagError(words, view))
    one, flag = _now(ctx, words), view.declared.get(words)
    said = [_line(one).strip()]
    if flag is not None:
        said += [flag.help] if flag.help else []
        said.append(f"default {_text(flag.default)}, owner {flag.owner or '-'}, kind {flag.kind}")
    if one.rule:
        said.append(f"rule: {one.rule}, variant {one.variant or '-'}")
    said.append("It stays so until the session ends; `pegboard flags explain` tells of the next one.")
    return "\n".join(said)


def _now(ctx: Ctx, name: str) -> FlagDetails:
    """Return a flag without counting it as a read: a person looked, no code."""
    found = ctx.flags.snapshot.details[name]
    value = ctx.flags.peek(name)
    return found if value == found.value else FlagDetails(name, value, layer=FlagLayer.LIVE)


def _line(one: FlagDetails) -> str:
    return f"  {one.name} = {_text(one.value)}  ({one.layer})"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
