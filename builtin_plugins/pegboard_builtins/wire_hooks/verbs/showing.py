"""A fired event as a person reads it, and as values: a row per hook, then what they came to together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegboard.output import print_table, say
from pegboard_builtins.wire_hooks.verbs.desk import place_of
from pegboard_builtins.wire_hooks.verbs.listing import brief

if TYPE_CHECKING:
    from pegboard_builtins.wire_hooks.choose import Choice
    from pegboard_builtins.wire_hooks.firing import Fired
    from pegboard_builtins.wire_hooks.handlers import Handler
    from pegboard_builtins.wire_hooks.job import RawResult
    from pegboard_builtins.wire_hooks.parse import Said
    from pegboard_builtins.wire_hooks.verbs.desk import Behind, HandFired

REFUSALS = ("deny", "block")
BEHIND = "nobody waits for it, so its decisions do not count"


def facts_of(done: HandFired, payload: Any) -> dict[str, Any]:
    """Return an event that was fired by hand, with every row."""
    fired = done.fired
    rows = [_row(one.choice, one.raw, one.said) for one in fired.ran if one.choice.status != "background"]
    rows += [_behind(one) for one in done.behind]
    rows += [_row(choice, None, None) for choice in fired.passed_over]
    return {
        "event": fired.row.name,
        "payload": payload,
        "hooks": rows,
        "outcome": outcome_of(fired),
        "exported": done.exported,
    }


def outcome_of(fired: Fired) -> dict[str, Any]:
    """Return what an event came to, in the words that tests of hooks use, too."""
    from pegboard_builtins.wire_hooks.firing import came_to

    word, by, reason = came_to(fired)
    together = fired.together
    texts = [text for _, text in [*together.texts, *together.contexts]]
    updated, updated_by = together.updated, together.updated_by
    if fired.row.name == "PermissionRequest":
        given = [one.said.specific.get("decision", {}).get("updatedInput") for one in fired.heard]
        updated = next((one for one in reversed(given) if one), None) if word == "allow" else None
    return {
        "decision": word,
        "by": by.id if by is not None else "",
        "reason": reason,
        "context": texts,
        "messages": [text for _, text in together.messages],
        "updated_input": updated,
        "updated_by": updated_by.id if updated_by is not None else "",
        "stop": together.stop,
        "refused": is_refusal(fired),
    }


def is_refusal(fired: Fired) -> bool:
    """Whether what the event is about is refused; before a tool, `continue: false` refuses, too."""
    from pegboard_builtins.wire_hooks.firing import came_to

    word, _, _ = came_to(fired)
    return word in REFUSALS or (word == "stop" and fired.row.name == "PreToolUse")


def _row(choice: Choice, raw: RawResult | None, said: Said | None) -> dict[str, Any]:
    return {
        **_who(choice.handler),
        "status": said.status if said is not None else choice.status,
        "why": choice.why,
        **_answer(raw, said),
    }


def _behind(one: Behind) -> dict[str, Any]:
    return {**_who(one.handler), "status": "background", "why": BEHIND, **_answer(one.raw, one.said)}


def _who(handler: Handler) -> dict[str, Any]:
    return {"id": handler.id, "kind": str(handler.type), "where": place_of(handler), "runs": handler.label}


def _answer(raw: RawResult | None, said: Said | None) -> dict[str, Any]:
    if raw is None or said is None:
        return {"ms": None, "exit": None, "decision": "", "reason": "", "problem": "", "stdout": "", "stderr": ""}
    return {
        "ms": round(raw.milliseconds, 3),
        "exit": None if raw.timed_out or raw.error else raw.exit,
        "decision": said.word,
        "reason": said.reason or said.stop_reason,
        "context": said.context or said.text,
        "updated_input": said.specific.get("updatedInput"),
        "problem": "; ".join(filter(None, [said.problem, *said.inert])),
        "stdout": raw.stdout,
        "stderr": raw.stderr,
        "note": raw.note,
    }


# --- for a person --------------------------------------------------------------------------------------


def show(told: dict[str, Any]) -> None:
    """Print a fired event."""
    columns = ("id", "kind", "status", "took", "exit", "decision", "said")
    rows = [
        (
            one["id"],
            one["kind"],
            one["status"],
            "" if one["ms"] is None else f"{one['ms']:.1f} ms",
            one["exit"],
            one["decision"],
            _said(one),
        )
        for one in told["hooks"]
    ]
    print_table(columns, rows, empty=f"No hook is declared for {told['event']}.")
    print()
    show_outcome(told["event"], told["outcome"])
    for line in told["exported"].splitlines():
        say(f"  for later Bash commands: {line}")


def show_outcome(event: str, outcome: dict[str, Any]) -> None:
    """Print what an event came to."""
    by = f" by {outcome['by']}" if outcome["by"] else ""
    reason = f": {outcome['reason']}" if outcome["reason"] else ""
    style = "red" if outcome["refused"] else "green" if outcome["decision"] == "allow" else ""
    say(f"{event} came to {outcome['decision']}{by}{reason}", style)
    if outcome["updated_input"] is not None:
        say(f"  new input: {brief(str(outcome['updated_input']), 400)}")
    for text in outcome["context"]:
        say(f"  context: {brief(text, 400)}")
    for text in outcome["messages"]:
        say(f"  message: {brief(text, 400)}")


def _said(one: dict[str, Any]) -> str:
    words = [one["why"], one["reason"], one.get("context", ""), one["problem"], one.get("note", "")]
    if one.get("updated_input"):
        words.append(f"new input {one['updated_input']}")
    return brief("; ".join(filter(None, words)), 300)
