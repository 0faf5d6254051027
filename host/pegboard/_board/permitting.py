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
from pegboard.requests import CompactionResult, RequestDraft, RequestPatch

REWRITE, APPROVE, CONTEXT = Permission.REWRITE, Permission.APPROVE, Permission.CONTEXT
MODEL, INVOKE = Permission.MODEL, Permission.INVOKE

Lacks = frozenset[str]
Taken = dict[str, Any]
"""Fields of an answer that are taken out, each with what takes its place."""


def within(answer: Any, lacks: Lacks) -> tuple[Any, list[str]]:
    """Return what is left of an answer without these permissions (None for nothing), and what was taken, in words."""
    look = LOOKS.get(type(answer)) or next((look for kind, look in LOOKS.items() if isinstance(answer, kind)), None)
    if look is None:
        return answer, []
    taken, said = look(answer, lacks)
    if not said:
        return answer, []
    if taken is None:
        return None, said
    return answer.model_copy(update=taken), said


def own_sections(patch: RequestPatch, draft: RequestDraft, plugin: str) -> tuple[RequestPatch, list[str]]:
    """Return a patch without the sections that would take the place of somebody else's, and what was taken."""
    others = {one.name for one in draft.sections if one.owner != plugin}
    kept = tuple(one for one in patch.sections if one.name not in others)
    if len(kept) == len(patch.sections):
        return patch, []
    return patch.model_copy(update={"sections": kept}), [_words("that it replaces sections of others", REWRITE)]


def _of_decision(answer: Decision, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    taken: Taken = {}
    said = []
    if REWRITE in lacks and (answer.updated_input is not None or answer.result is not None):
        taken |= {"updated_input": None, "result": None}
        said.append(_words("its input" if answer.updated_input is not None else "its result", REWRITE))
        if answer.verdict is Verdict.ALLOW:
            taken["verdict"] = None  # it was for the bytes that were taken out
    if APPROVE in lacks and (answer.verdict is Verdict.ALLOW or answer.always):
        taken |= {"always": ()} | ({"verdict": None} if answer.verdict is Verdict.ALLOW else {})
        said.append(_words("its allow" if answer.verdict is Verdict.ALLOW else "its rules", APPROVE))
    if CONTEXT in lacks and answer.context:
        taken["context"] = ""
        said.append(_words("its context", CONTEXT))
    return taken, said


def _of_prompt(answer: PromptDecision, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    taken: Taken = {}
    said = []
    if REWRITE in lacks and answer.updated_prompt is not None:
        taken["updated_prompt"] = None
        said.append(_words("its prompt", REWRITE))
    if REWRITE in lacks and answer.model:
        taken["model"] = ""
        said.append(_words("its model", REWRITE))
    if CONTEXT in lacks and answer.context:
        taken["context"] = ""
        said.append(_words("its context", CONTEXT))
    return taken, said


def _of_request(answer: RequestPatch, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    taken: Taken = {}
    said = []
    if REWRITE in lacks and answer.params:
        taken["params"] = {}
        said.append(_words("its parameters", REWRITE))
    gone = [one for one in answer.sections if not one.text.strip()]
    if REWRITE in lacks and gone:
        taken["sections"] = tuple(one for one in answer.sections if one.text.strip())
        said.append(_words("that it takes sections away", REWRITE))
    if CONTEXT in lacks and len(gone) < len(answer.sections):
        taken["sections"] = tuple(one for one in taken.get("sections", answer.sections) if not one.text.strip())
        said.append(_words("its sections", CONTEXT))
    return taken, said


def _of_resolution(answer: Resolution, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    if answer.allow and APPROVE in lacks:
        return None, [_words("its allow", APPROVE)]
    if answer.updated_input is not None and REWRITE in lacks:
        return None, [_words("its answer with another input", REWRITE)]
    return {}, []


def _of_result(answer: ResultPatch, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    taken: Taken = {}
    said = []
    if REWRITE in lacks and (answer.output is not None or answer.data is not None):
        taken |= {"output": None, "data": None}
        said.append(_words("its output", REWRITE))
    if CONTEXT in lacks and answer.context:
        taken["context"] = ""
        said.append(_words("its context", CONTEXT))
    if INVOKE in lacks and answer.retry:
        taken["retry"] = False
        said.append(_words("its retry", INVOKE))
    return taken, said


def _of_step(answer: StepDecision, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    taken: Taken = {}
    said = []
    if MODEL in lacks and answer.verb is StepVerb.KEEP_GOING:
        taken["verb"] = None
        said.append(_words("that it keeps the model going", MODEL))
    if CONTEXT in lacks and answer.inject:
        taken["inject"] = ""
        said.append(_words("its words for the model", CONTEXT))
    return taken, said


def _of_compaction(answer: CompactionResult, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    return (None, [_words("its result", REWRITE)]) if REWRITE in lacks else ({}, [])


def _of_lifecycle(answer: Answer, lacks: Lacks) -> tuple[Taken | None, list[str]]:
    taken: Taken = {}
    said = []
    for field, nothing in (("display", None), ("prompt", "")):
        if REWRITE in lacks and getattr(answer, field):
            taken[field] = nothing
            said.append(_words(f"its {field}", REWRITE))
    if CONTEXT in lacks and answer.context:
        taken["context"] = ""
        said.append(_words("its context", CONTEXT))
    if INVOKE in lacks and answer.retry:
        taken["retry"] = False
        said.append(_words("its retry", INVOKE))
    return taken, said


def _words(what: str, permission: Permission) -> str:
    return f"{what}, because it does not declare {str(permission)!r}"


LOOKS: dict[type, Callable[[Any, Lacks], tuple[Taken | None, list[str]]]] = {
    Decision: _of_decision,
    PromptDecision: _of_prompt,
    RequestPatch: _of_request,
    Resolution: _of_resolution,
    ResultPatch: _of_result,
    StepDecision: _of_step,
    CompactionResult: _of_compaction,
    Answer: _of_lifecycle,
}
