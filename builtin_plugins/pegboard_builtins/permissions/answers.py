"""Answers that a person gave for the rest of the session, each bound to one exact call and what asked about it."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from pegboard.decisions import Resolution
from pegboard.hookspecs import Ask
from pegboard.messages import ToolCall
from pegboard.records import AskRecord

STATE_KEY = "answers"
GRANTED = "granted_rules"
FOLDERS = "folders"
LENT = "lent_rules"
"""Rules that hold for one prompt: its id, and the rules."""
KEPT = frozenset({"session", "always"})
"""How long an answer is to hold, where it is kept: an "always" without rules holds for the session."""
OPEN_QUESTIONS = 1_000


def exact_rule(call: ToolCall) -> str:
    """Return the narrowest rule for a call, without any pattern in it."""
    if call.name == "Bash":
        return f"Bash({call.input.get('command', '')})"
    path = call.input.get("file_path") or call.input.get("notebook_path")
    if isinstance(path, str) and path:
        return f"{call.name}({path})"
    return f"{call.name}#{call.input_hash}"


def key_of(ask: Ask) -> str:
    """Return what an answer is bound to: who asked, because of which rule, about which exact call."""
    return "\n".join((ask.by, ask.rule, exact_rule(ask.call)))


def remember(state: MutableMapping[str, Any], ask_key: str, *, allow: bool) -> None:
    """Keep an answer for the session."""
    state[STATE_KEY] = {**(state.get(STATE_KEY) or {}), ask_key: allow}


def grant(state: MutableMapping[str, Any], record: AskRecord) -> None:
    """Keep the rules that came with an answer for the session."""
    old = state.get(GRANTED) or []
    new = [rule for rule in record.rules if record.allowed and rule not in old]
    if new:
        state[GRANTED] = [*old, *new]


def lend(state: MutableMapping[str, Any], prompt_id: str, rules: Sequence[str]) -> None:
    """Keep rules for as long as one prompt is worked on."""
    state[LENT] = {"prompt": prompt_id, "rules": list(rules)}


def add_folder(state: MutableMapping[str, Any], folder: str) -> None:
    """Let a folder belong to the workspace for the session."""
    real = os.path.realpath(folder)
    if real not in added_folders(state):
        state[FOLDERS] = [*added_folders(state), real]


def added_folders(state: Mapping[str, Any]) -> list[str]:
    """Return the folders that belong to the workspace for the session."""
    return list(state.get(FOLDERS) or ())


def granted_rules(state: Mapping[str, Any], prompt_id: str) -> list[str]:
    """Return the rules that were granted for the session, and for this prompt."""
    lent = state.get(LENT) or {}
    return [*(state.get(GRANTED) or ()), *(lent["rules"] if lent.get("prompt") == prompt_id else ())]


def stored_answer(state: MutableMapping[str, Any], ask: Ask) -> Resolution | None:
    """Return the answer that was kept for this exact question; None if there is none."""
    allow = (state.get(STATE_KEY) or {}).get(key_of(ask))
    if allow is None:
        return None
    said = "allowed" if allow else "refused"
    return Resolution(allow=allow, reason=f"{said} for this session: {exact_rule(ask.call)}")


class OpenQuestions:
    """Questions that went on to somebody else, until the journal says how they ended."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str], tuple[str, str]] = OrderedDict()

    def add(self, session_id: str, ask: Ask) -> None:
        """Note that a question is on its way."""
        self._open[session_id, ask.call.id] = (ask.call.input_hash, key_of(ask))
        while len(self._open) > OPEN_QUESTIONS:
            self._open.popitem(last=False)

    def close(self, session_id: str, record: AskRecord) -> str | None:
        """Return the key under which the answer is to be kept; None if it was for once or for another input."""
        asked = self._open.pop((session_id, record.call), None)
        if asked is None or record.remember not in KEPT or asked[0] != record.input_hash:
            return None
        return asked[1]
