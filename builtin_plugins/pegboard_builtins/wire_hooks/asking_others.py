"""What of hooks that are no programs does nothing: addresses, headers and prompts, as `hooks check` looks at them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pegboard_builtins.wire_hooks.events import EventRow
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.remarks import Remark
from pegboard_builtins.wire_hooks.runners.urls import VARIABLE, BadUrlError, is_allowed, parts_of
from pegboard_builtins.wire_hooks.variables import IN_THE_EVENT


def remarks_of(
    handler: Handler, row: EventRow, switches: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[Remark]:
    """Look at a handler of any type."""
    if handler.type is HandlerType.HTTP:
        yield from _address(handler, switches)
        yield from _headers(handler, switches, environment)
    elif handler.type in (HandlerType.PROMPT, HandlerType.AGENT):
        yield from _prompt(handler, row)


# --- a web server --------------------------------------------------------------------------------------


def _address(handler: Handler, switches: Mapping[str, Any]) -> Iterator[Remark]:
    allowed = switches.get("allowed_urls")
    try:
        parts_of(handler.url)
        if allowed is not None and not is_allowed(handler.url, allowed):
            said = f"`allowedHttpHookUrls` has no pattern for {handler.url}, so it never runs"
            yield Remark("url", said, "Add one there, in every file that says it.")
    except BadUrlError as wrong:
        yield Remark("url", str(wrong))
    if VARIABLE.search(handler.url):
        mend = "Put what is secret into a header, and its name into `allowedEnvVars`."
        yield Remark("url", "variables in `url` are not replaced", mend)


def _headers(handler: Handler, switches: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Remark]:
    bound = switches.get("allowed_variables")
    for header, value in handler.headers.items():
        for found in VARIABLE.finditer(value):
            name = found[1] or found[2]
            what = f"the header {header} has ${name}, which is empty"
            if name not in handler.allowed_variables:
                mend = f'Write "allowedEnvVars": ["{name}"] beside it.'
                yield Remark("variable", f"{what}: `allowedEnvVars` does not name it", mend)
            elif bound is not None and name not in bound:
                yield Remark("variable", f"{what}: `httpHookAllowedEnvVars` does not name it", "Add it there.")
            elif environment and name not in environment:
                yield Remark("variable", f"{what}: it is not set here", f"Set {name}.", sure=False)


# --- a model -------------------------------------------------------------------------------------------

EVENT_NAMES = frozenset(IN_THE_EVENT) | {"TOOL_RESULT", "USER_PROMPT", "TRANSCRIPT_PATH", "HOOK_INPUT", "HOOK_EVENT"}
PLACEHOLDER = re.compile(r"(?<!\\)\$\{?([A-Z][A-Z_]+)\b\}?")
OTHER_ANSWER = re.compile(r"""["'](decision|permissionDecision|approved?|allow(?:ed)?|block(?:ed)?|continue)["']\s*:""")


def _prompt(handler: Handler, row: EventRow) -> Iterator[Remark]:
    if row.name in ("PermissionRequest", "PermissionDenied"):
        mend = "Ask at PreToolUse, or decide with a program."
        yield Remark("type", f"what a model says at {row.name} has no effect", mend)
    for found in PLACEHOLDER.finditer(handler.prompt):
        if found[1] in EVENT_NAMES:
            said = f"{found[0]} stays as it stands in a prompt: only $ARGUMENTS is replaced, by the whole event"
            yield Remark("variable", said, "Write $ARGUMENTS.", sure=False)
            break
    answer = OTHER_ANSWER.search(handler.prompt)
    if answer and not re.search(r"""["']ok["']""", handler.prompt):
        said = f"it asks for `{answer[1]}`, and a hook that asks a model is answered with `ok`"
        yield Remark("answer", said, 'Ask for {"ok": true}, or {"ok": false, "reason": "..."}.', sure=False)
