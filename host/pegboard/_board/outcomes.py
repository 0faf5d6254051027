"""What a dispatch comes to: pure functions from answers in order to one outcome."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any

from pydantic_core import from_json, to_json

from pegboard._dataclass import dataclass
from pegboard.decisions import (
    MILD_TO_STRICT_STEPS,
    STRICTNESS,
    Answer,
    Decision,
    PromptDecision,
    Resolution,
    ResultPatch,
    StepDecision,
    StepVerb,
    Verdict,
)
from pegboard.messages import Origin, Outcome, TextBlock, ToolCall, input_hash, whole
from pegboard.requests import RequestDraft, RequestPatch


@dataclass(slots=True)
class Failure:
    """What an implementation that raised, overran or answered nonsense leaves instead of an answer."""

    error: str
    timeout: bool = False


@dataclass(slots=True)
class PromptOutcome:
    """What became of a prompt."""

    prompt: str
    blocked: bool = False
    by: str = ""
    reason: str = ""
    hide_prompt: bool = False
    stop: bool = False
    stop_by: str = ""
    stop_reason: str = ""
    title: str = ""
    model: str = ""
    origins: tuple[str, ...] = ()
    contexts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def words(self) -> TextBlock:
        """The prompt as it is kept, with whose words are in it."""
        origins = dict.fromkeys((Origin.USER, *map(Origin, self.origins)))
        return TextBlock(text=whole(self.prompt), origins=tuple(origins))

    def rewrite(self, answer: PromptDecision) -> None:
        """Take a new text, and what is said of it: where it is not said whose words it has, they are the hook's."""
        text = answer.updated_prompt or ""
        labels = answer.origins or (() if text == self.prompt else (Origin.HOOK,))
        self.prompt = text
        self.origins = (*self.origins, *(label for label in labels if label not in self.origins))
        self.model = answer.model or self.model


def with_input(call: ToolCall, given: dict[str, Any]) -> ToolCall:
    """Return a call with another input."""
    return replace(call, input=given, input_hash=input_hash(given))


def beyond(fields: tuple[str, ...], frozen: bytes, given: dict[str, Any]) -> str:
    """Return what a rewriter changed beside the *fields* that it says it rewrites; empty if it kept to them.

    *frozen* is the input as it was before the rewriter could lay hands on it.
    """
    if not fields:
        return ""
    before, after = from_json(frozen), from_json(to_json(given))
    changed = {key for key in {*before, *after} if key not in before or key not in after or before[key] != after[key]}
    more = sorted(changed.difference(fields))
    return f"it changes {', '.join(more)}, which its rewrites= does not name" if more else ""


@dataclass(slots=True)
class CallOutcome:
    """What `pre_tool` came to: the call as it will run, the verdict on it, and who gave it."""

    call: ToolCall
    verdict: Verdict | None = None
    by: str = ""
    reason: str = ""
    rule: str = ""
    result: str | None = None
    stop: bool = False
    stop_reason: str = ""
    contexts: list[tuple[str, str]] = field(default_factory=list)
    always: tuple[str, ...] = ()


@dataclass(slots=True)
class ResultOutcome:
    """What `post_tool` came to."""

    outcome: Outcome
    contexts: list[tuple[str, str]] = field(default_factory=list)
    retry: bool = False
    hidden: bool = False
    stop: bool = False
    stop_reason: str = ""


@dataclass(slots=True)
class StepOutcome:
    """What `next_step` came to."""

    verb: StepVerb | None = None
    by: str = ""
    reason: str = ""
    injects: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Vote:
    """A decision with who gave it and the input hash that it was given for."""

    plugin: str
    decision: Decision
    input_hash: str


def reduce_votes(votes: list[Vote], final_hash: str, *, can_defer: bool) -> tuple[Vote | None, dict[int, str]]:
    """Return the vote that wins, and for each vote that was left out the reason, by its place in *votes*.

    deny > defer > ask > allow > none; ties go to the first. An allow for another input than the final one does not
    count, and a defer does not where the session cannot defer.
    """
    winner: Vote | None = None
    dropped: dict[int, str] = {}
    for place, vote in enumerate(votes):
        verdict = vote.decision.verdict
        if verdict is None:
            continue
        if verdict is Verdict.ALLOW and vote.input_hash != final_hash:
            dropped[place] = "dropped: the input was changed after this allow"
            continue
        if verdict is Verdict.DEFER and not can_defer:
            dropped[place] = "dropped: this session cannot defer"
            continue
        if winner is None or STRICTNESS[verdict] > STRICTNESS[winner.decision.verdict or Verdict.ALLOW]:
            winner = vote
    return winner, dropped


def reduce_steps(answers: list[tuple[str, StepDecision]]) -> StepOutcome:
    """Return the step that wins (stop > compact > keep_going; the first among equals) with every inject in order."""
    outcome = StepOutcome()
    for plugin, answer in answers:
        if answer.inject:
            outcome.injects.append((plugin, answer.inject))
        verb = answer.verb
        if verb is None:
            continue
        if outcome.verb is None or MILD_TO_STRICT_STEPS.index(verb) > MILD_TO_STRICT_STEPS.index(outcome.verb):
            outcome.verb, outcome.by, outcome.reason = verb, plugin, answer.reason
    return outcome


def patched(draft: RequestDraft, patch: RequestPatch, plugin: str) -> RequestDraft:
    """Return a draft with a plugin's patch applied."""
    sections = {section.name: section for section in draft.sections}
    for section in patch.sections:
        owned = section if section.owner else section.model_copy(update={"owner": plugin})
        if section.text.strip():
            sections[section.name] = owned
        else:
            sections.pop(section.name, None)
    tools = draft.tools if patch.tools is None else tuple(name for name in draft.tools if name in patch.tools)
    return draft.model_copy(
        update={"sections": tuple(sections.values()), "tools": tools, "params": {**draft.params, **patch.params}}
    )


def what_changed(patch: RequestPatch) -> str:
    """Return what a patch touches, in words."""
    words = [f"section {section.name}" for section in patch.sections]
    if patch.tools is not None:
        words.append(f"tools {', '.join(patch.tools) or 'none'}")
    words += [f"parameter {name}" for name in patch.params]
    return "; ".join(words)


def in_words(answer: Any, *, guard: bool = False) -> tuple[str, str]:
    """Return what an answer asks for (a verdict, or rewrite, block, context, ...) and its reason; "" for nothing."""
    if isinstance(answer, Failure):
        return ("deny" if guard else "", answer.error)
    if isinstance(answer, Decision):
        return str(answer.verdict or "") or _first(
            rewrite=answer.updated_input is not None, context=bool(answer.context)
        ), answer.reason
    if isinstance(answer, PromptDecision):
        rewrites = answer.updated_prompt is not None
        return _first(block=answer.block, rewrite=rewrites, context=bool(answer.context)), answer.reason
    if isinstance(answer, Resolution):
        return ("allow" if answer.allow else "deny"), answer.reason
    if isinstance(answer, ResultPatch):
        rewrites = answer.output is not None or answer.data is not None
        words = _first(hide=answer.hide, rewrite=rewrites, retry=answer.retry, context=bool(answer.context))
        return words, answer.reason
    if isinstance(answer, StepDecision):
        return str(answer.verb or "") or _first(context=bool(answer.inject)), answer.reason
    if isinstance(answer, Answer):
        return _first(block=answer.block, context=bool(answer.context)), answer.reason
    return type(answer).__name__, getattr(answer, "reason", "")


def _first(**words: bool) -> str:
    return next((word for word, holds in words.items() if holds), "")
