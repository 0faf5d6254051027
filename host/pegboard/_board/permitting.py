"""What of an answer a plugin may say: what needs a permission that it has not declared is taken out of it.

Refusing, asking, deferring, stopping and hiding need none, so a guard works as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pegboard.decisions import (
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    StepDecision,
    StepVerb,
    Verdict,
)
from pegboard.declares import Permission
from pegboard.output import clipped
from pegboard.requests import CompactionResult, RequestDraft, RequestPatch

REWRITE, APPROVE, CONTEXT = Permission.REWRITE, Permission.APPROVE, Permission.CONTEXT
MODEL, INVOKE = Permission.MODEL, Permission.INVOKE

Lacks = frozenset[str]
LONGEST = {"title": 300, **dict.fromkeys(("reason", "context", "inject", "display"), 200_000)}
"""Characters of what an answer says. The contract for declared hooks lets reasons of 150,000 through whole."""


class _Taken:
    """What is taken out of one answer: fields with what takes their place, and words for it."""

    def __init__(self, lacks: Lacks) -> None:
        self._lacks = lacks
        self.fields: dict[str, Any] = {}
        self.said: list[str] = []
        self.whole = False
        """Whether nothing of the answer is left."""

    def take(self, permission: Permission, what: str, **fields: Any) -> bool:
        """Put *fields* in the place of what needs a permission, if the plugin lacks that; whether it does."""
        if permission not in self._lacks:
            return False
        self.fields |= fields
        self.said.append(_words(what, permission))
        return True

    def take_whole(self, permission: Permission, what: str) -> None:
        """Leave nothing of the answer, if the plugin lacks the permission."""
        self.whole |= self.take(permission, what)


def within(answer: Any, lacks: Lacks) -> tuple[Any, list[str]]:
    """Return what is left of an answer without these permissions (None for nothing), and what was taken, in words."""
    look = LOOKS.get(type(answer)) or next((look for kind, look in LOOKS.items() if isinstance(answer, kind)), None)
    if look is None:
        return answer, []
    taken = _Taken(lacks)
    look(answer, taken)
    if not taken.said:
        return answer, []
    return None if taken.whole else answer.model_copy(update=taken.fields), taken.said


def in_bounds(answer: Any) -> tuple[Any, list[str]]:
    """Return an answer whose words are not longer than anybody would read, and what was cut off, in words."""
    over = {name: most for name, most in LONGEST.items() if len(getattr(answer, name, None) or "") > most}
    if not over:
        return answer, []
    cut = {name: clipped(getattr(answer, name), most) for name, most in over.items()}
    said = [f"the end of its {name}, which had {len(getattr(answer, name)):,} characters" for name in over]
    return answer.model_copy(update=cut), said


def own_sections(patch: RequestPatch, draft: RequestDraft, plugin: str) -> tuple[RequestPatch, list[str]]:
    """Return a patch without the sections that would take the place of somebody else's, and what was taken."""
    others = {one.name for one in draft.sections if one.owner != plugin}
    kept = tuple(one for one in patch.sections if one.name not in others)
    if len(kept) == len(patch.sections):
        return patch, []
    return patch.model_copy(update={"sections": kept}), [_words("that it replaces sections of others", REWRITE)]


def _of_decision(answer: Decision, taken: _Taken) -> None:
    allows = answer.verdict is Verdict.ALLOW
    if answer.updated_input is not None or answer.result is not None:
        what = "its input" if answer.updated_input is not None else "its result"
        if taken.take(REWRITE, what, updated_input=None, result=None) and allows:
            taken.fields["verdict"] = None  # it was for the bytes that were taken out
    if allows:
        taken.take(APPROVE, "its allow", always=(), verdict=None)
    elif answer.always:
        taken.take(APPROVE, "its rules", always=())
    _of_context(answer, taken)


def _of_prompt(answer: PromptDecision, taken: _Taken) -> None:
    if answer.updated_prompt is not None:
        taken.take(REWRITE, "its prompt", updated_prompt=None)
    if answer.model:
        taken.take(REWRITE, "its model", model="")
    _of_context(answer, taken)


def _of_request(answer: RequestPatch, taken: _Taken) -> None:
    if answer.params:
        taken.take(REWRITE, "its parameters", params={})
    full = tuple(one for one in answer.sections if one.text.strip())
    gone = tuple(one for one in answer.sections if not one.text.strip())
    if gone and taken.take(REWRITE, "that it takes sections away", sections=full):
        gone = ()
    if full:
        taken.take(CONTEXT, "its sections", sections=gone)


def _of_resolution(answer: Resolution, taken: _Taken) -> None:
    if answer.allow:
        taken.take_whole(APPROVE, "its allow")
    if answer.updated_input is not None and not taken.whole:
        taken.take_whole(REWRITE, "its answer with another input")


def _of_result(answer: ResultPatch, taken: _Taken) -> None:
    if answer.output is not None or answer.data is not None:
        taken.take(REWRITE, "its output", output=None, data=None)
    _of_context(answer, taken)
    if answer.retry:
        taken.take(INVOKE, "its retry", retry=False)


def _of_step(answer: StepDecision, taken: _Taken) -> None:
    if answer.verb is StepVerb.KEEP_GOING:
        taken.take(MODEL, "that it keeps the model going", verb=None)
    if answer.inject:
        taken.take(CONTEXT, "its words for the model", inject="")


def _of_compaction(answer: CompactionResult, taken: _Taken) -> None:
    taken.take_whole(REWRITE, "its result")


def _of_lifecycle(answer: Answer, taken: _Taken) -> None:
    if answer.display:
        taken.take(REWRITE, "its display", display=None)
    if answer.prompt:
        taken.take(REWRITE, "its prompt", prompt="")
    _of_context(answer, taken)
    if answer.retry:
        taken.take(INVOKE, "its retry", retry=False)


def _of_context(answer: Decision | PromptDecision | ResultPatch | Answer, taken: _Taken) -> None:
    if answer.context:
        taken.take(CONTEXT, "its context", context="")


def _words(what: str, permission: Permission) -> str:
    return f"{what}, because it does not declare {str(permission)!r}"


LOOKS: dict[type, Callable[[Any, _Taken], None]] = {
    Decision: _of_decision,
    PromptDecision: _of_prompt,
    RequestPatch: _of_request,
    Resolution: _of_resolution,
    ResultPatch: _of_result,
    StepDecision: _of_step,
    CompactionResult: _of_compaction,
    Answer: _of_lifecycle,
}
