"""One question, answered for the person: by routine, by a judgement of the whole message, or handed over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from pegboard.context import Ctx
from pegboard.decisions import Resolution
from pegboard.errors import PegboardError
from pegboard.hookspecs import Ask
from pegboard.messages import ToolCall
from pegboard.records import PermissionDenied
from pegboard.requests import Purpose
from pegboard.typed import dataclass
from pegboard_builtins.auto_mode.asking import (
    SYSTEM,
    VERDICTS,
    Judgement,
    NonsenseError,
    is_consent,
    judgements,
    own_words,
    question,
    too_long,
)
from pegboard_builtins.auto_mode.routine import is_for_a_person, is_routine
from pegboard_builtins.auto_mode.settings import AutoModeSettings

SESSIONS = 1_000
DENIALS, OUTAGES, JUDGED, HOOKS_SAID = "denials", "outages", "judged", "hooks_said"
"""Keys of the plugin's state: refusals and failures in a row, the last judgement with its prompt, words of hooks."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was judged of a call, for the bytes that were judged."""

    input_hash: str
    judgement: Judgement


_known: OrderedDict[str, dict[str, Known]] = OrderedDict()


async def judged(ask: Ask, ctx: Ctx) -> Resolution | None:
    """Answer a question; None hands it over to whoever is next: the person, or nobody."""
    settings: AutoModeSettings = ctx.settings
    if is_for_a_person(ask.call):
        return None
    if is_routine(ask.call, ctx.workspace, settings.writes):
        return Resolution(allow=True, reason="auto mode: a routine change inside the folder")
    if _hands_over(ctx, settings):
        return None
    known = _known.get(ctx.session_id, {}).get(ask.call.id)
    if known is None or known.input_hash != ask.call.input_hash:
        problem = await _judge(ask, ctx, settings)
        if problem:
            ctx.state[OUTAGES] = int(ctx.state.get(OUTAGES) or 0) + 1
            await _tell(ask, ctx, f"it could not be judged: {problem}")
            return _refused(ctx, f"auto mode could not judge this call ({problem}), so it is refused")
        known = _known[ctx.session_id][ask.call.id]
    answer = _answer(known.judgement, ctx)
    if not answer.allow and await _tell(ask, ctx, known.judgement.reason):
        return answer.model_copy(update={"reason": f"{answer.reason} A hook says that you may try it again."})
    return answer


async def _tell(ask: Ask, ctx: Ctx, reason: str) -> bool:
    """Tell whoever listens of a refusal; return whether somebody wants the model to try again."""
    call = ask.call
    event = PermissionDenied(tool_name=call.name, tool_input=call.input, tool_use_id=call.id, reason=reason)
    return any(answer.retry for _, answer in await ctx.fire(event))


def _hands_over(ctx: Ctx, settings: AutoModeSettings) -> bool:
    """Whether it is a person's turn: too many refusals or failures in a row, until he says something."""
    if ctx.state.get("prompt") != ctx.prompt_id:
        ctx.state["prompt"] = ctx.prompt_id
        for key in (DENIALS, OUTAGES):
            if ctx.state.get(key):
                ctx.state[key] = 0
    refused, failed = int(ctx.state.get(DENIALS) or 0), int(ctx.state.get(OUTAGES) or 0)
    if refused < settings.denials and failed < settings.outages:
        return False
    what = f"{refused} refusals in a row" if refused >= settings.denials else f"{failed} judgements that failed"
    ctx.notice(f"auto mode hands over after {what}: from here on a person is asked", level="warning")
    return True


async def _judge(ask: Ask, ctx: Ctx, settings: AutoModeSettings) -> str:
    """Ask about this call and all others of its message that are still open; return what went wrong, or nothing."""
    calls = _open_calls(ask, ctx, settings)
    words = own_words(ctx.journal.messages())
    if not words:
        return "the user has said nothing"
    prompt = question(words, calls, ctx.state.get(HOOKS_SAID, ()))
    try:
        async with asyncio.timeout(settings.timeout):
            answer = await ctx.model(
                prompt,
                purpose=Purpose.CLASSIFIER,
                model=settings.model or None,
                system=SYSTEM,
                max_tokens=settings.max_tokens,
                tools=[VERDICTS],
            )
        said = judgements(answer, len(calls))
    except TimeoutError:
        problem = f"no verdict within {settings.timeout:g} s"
    except (PegboardError, NonsenseError) as wrong:
        problem = str(wrong)
    else:
        checked = [_checked(said[number], call, words) for number, call in enumerate(calls, 1)]
        _keep(ctx, calls, checked)
        ctx.state[JUDGED] = {
            "prompt": prompt,
            "verdicts": [{**one.model_dump(), "id": call.id} for one, call in zip(checked, calls, strict=True)],
        }
        if ctx.state.get(OUTAGES):
            ctx.state[OUTAGES] = 0
        return ""
    ctx.state[JUDGED] = {"prompt": prompt, "problem": problem}
    return problem


def _open_calls(ask: Ask, ctx: Ctx, settings: AutoModeSettings) -> list[ToolCall]:
    """Return the call itself and those of its message that nothing else settles; each as it would run now."""
    known = _known.get(ctx.session_id, {})
    others = [
        call
        for call in ask.batch.calls
        if call.id != ask.call.id
        and call.id not in known
        and not (call.name in ctx.tools and ctx.tools[call.name].read_only)
        and not is_for_a_person(call)
        and not is_routine(call, ctx.workspace, settings.writes)
    ]
    return [ask.call, *others]


def _checked(said: Judgement, call: ToolCall, words: list[str]) -> Judgement:
    """Return a verdict as it counts: an allow rests on words of the user's that are really there."""
    if said.verdict != "allow":
        return said
    if too_long(call):
        return _turned(said, "it is too long to be judged as a whole")
    if said.category != "routine":
        return _turned(said, f"it was called {said.category.replace('_', ' ')}")
    if not is_consent(said.consent, words):
        return _turned(said, "no words of the user's grant it")
    return said


def _turned(said: Judgement, why: str) -> Judgement:
    return said.model_copy(update={"verdict": "deny", "reason": why})


def _keep(ctx: Ctx, calls: list[ToolCall], checked: list[Judgement]) -> None:
    of_session = _known.setdefault(ctx.session_id, {})
    for old in list(of_session)[: max(0, len(of_session) - SESSIONS)]:
        del of_session[old]
    for call, judgement in zip(calls, checked, strict=True):
        of_session[call.id] = Known(call.input_hash, judgement)
    _known.move_to_end(ctx.session_id)
    while len(_known) > SESSIONS:
        _known.popitem(last=False)


def _answer(judgement: Judgement, ctx: Ctx) -> Resolution:
    if judgement.verdict == "allow":
        if ctx.state.get(DENIALS):
            ctx.state[DENIALS] = 0
        return Resolution(allow=True, reason=f'auto mode: you said "{judgement.consent}" ({judgement.reason})')
    return _refused(ctx, f"auto mode refused this ({judgement.category.replace('_', ' ')}): {judgement.reason}")


def _refused(ctx: Ctx, reason: str) -> Resolution:
    ctx.state[DENIALS] = int(ctx.state.get(DENIALS) or 0) + 1
    return Resolution(allow=False, reason=f"{reason}. Go on without it, or ask the user for it in so many words.")
