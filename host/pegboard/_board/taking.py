"""What one answer does to the outcome of its dispatch, and to the record of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from pegboard._board.outcomes import CallOutcome, Failure, PromptOutcome, ResultOutcome, Vote
from pegboard._board.plan import Impl
from pegboard._board.sheet import Sheet
from pegboard.decisions import Decision, PromptDecision, ResultPatch, Verdict
from pegboard.messages import ToolResult


def take_prompt(sheet: Sheet, impl: Impl, answer: Any, outcome: PromptOutcome) -> None:
    """Take what one says of a prompt; a guard that failed refuses it."""
    if isinstance(answer, Failure) and impl.options.guard:
        answer = PromptDecision.refuse(f"{impl.plugin} (a guard) failed: {answer.error}")
    if not isinstance(answer, PromptDecision):
        return
    if answer.context:
        outcome.contexts.append((impl.plugin, answer.context))
    if answer.title:
        outcome.title = answer.title
    if answer.stop and not outcome.stop:
        outcome.stop, outcome.stop_by, outcome.stop_reason = True, impl.plugin, answer.reason
        sheet.row(impl, verdict="stop", reason=answer.reason, effect="kept")
    if answer.block:
        sheet.row(impl, verdict="block", reason=answer.reason, effect="kept" if outcome.blocked else "won")
        if not outcome.blocked:
            outcome.blocked, outcome.by, outcome.reason = True, impl.plugin, answer.reason
            outcome.hide_prompt = answer.hide_prompt
    elif answer.context:
        sheet.row(impl, effect="context")


def vote(sheet: Sheet, impl: Impl, answer: Any, seen: str, outcome: CallOutcome, votes: list[Vote]) -> None:
    """Take one's vote on a call, given for the input with the hash *seen*; a guard that failed denies."""
    if isinstance(answer, Failure):
        if not impl.options.guard:
            return
        answer = Decision.deny(f"{impl.plugin} (a guard) failed, so the call is refused: {answer.error}")
    decision: Decision = answer
    effect = "kept" if decision.verdict is not None else "context" if decision.context else ""
    if decision.updated_input is not None:
        if impl.options.rewrites:
            effect = "rewrote"
        else:
            effect = "dropped: its input, because it is not marked rewrites=True"
            seen = "" if decision.verdict is Verdict.ALLOW else seen
    if decision.context:
        outcome.contexts.append((impl.plugin, decision.context))
    if decision.always:
        outcome.always = (*outcome.always, *decision.always)
    if decision.stop and not outcome.stop:
        outcome.stop, outcome.stop_reason = True, decision.reason
    votes.append(Vote(impl.plugin, decision, seen))
    # The new input itself, too: of a call that only reads, no other record has the bytes that ran.
    said = "" if decision.updated_input is None else to_json(decision.updated_input).decode()
    sheet.row(impl, verdict=str(decision.verdict or ""), reason=decision.reason, effect=effect, answer=said)


def patch(sheet: Sheet, impl: Impl, answer: Any, after: ResultOutcome) -> None:
    """Take one's patch of an outcome; a guard that failed withholds the output."""
    if isinstance(answer, Failure):
        if not impl.options.guard:
            return
        answer = ResultPatch(hide=True, reason=f"{impl.plugin} (a guard) failed")
    patch: ResultPatch = answer
    result = after.outcome.result
    words = []
    if patch.hide:
        after.hidden = True
        text = f"[the output was withheld by {impl.plugin}{': ' + patch.reason if patch.reason else ''}]"
        result = ToolResult(content=text, is_error=result.is_error)
        words.append("hid")
    elif patch.output is not None or patch.data is not None:
        update: dict[str, Any] = {}
        if patch.output is not None:
            update["content"] = patch.output
        if patch.data is not None:
            update["data"] = patch.data
        result = replace(result, **update)
        words.append("rewrote")
    if result is not after.outcome.result:
        after.outcome = replace(after.outcome, result=result)
    if patch.context:
        after.contexts.append((impl.plugin, patch.context))
        words.append("context")
    if patch.retry:
        after.retry = True
        words.append("retry")
    if patch.stop:
        after.stop, after.stop_reason = True, patch.reason
        words.append("stop")
    sheet.row(impl, reason=patch.reason, effect=", ".join(words))
