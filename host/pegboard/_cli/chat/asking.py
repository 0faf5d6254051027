"""The person is asked: what will run, what it would change, who wants to know and why, and what the answer means."""

from __future__ import annotations

import asyncio
from typing import Any

from rich.console import Group
from rich.text import Text

from pegboard._cli.chat import drawing
from pegboard._cli.chat.attention import told_if_unanswered
from pegboard._cli.chat.questions import answered, questions_in
from pegboard._cli.chat.shapes import Asking
from pegboard.context import Ctx
from pegboard.decisions import Answer, Resolution
from pegboard.errors import EgressClosedError
from pegboard.hookspecs import Ask, hookimpl
from pegboard.output import exact, readable
from pegboard.records import Event, PersonAsked

REFUSED = "the user said no"
LONGEST_RULES = 400
"""Characters: who says "always" must have seen all that it means."""
MOST_LINES = 160
MOST_CHARACTERS = 12_000


class HumanAnswer:
    """A plugin like any other; the last that is asked, because a person should only be asked what nobody knows."""

    face: Asking

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()

    @hookimpl(matcher="PersonAsked", timeout=lambda event: None)
    async def lifecycle(self, event: Event, ctx: Ctx) -> Answer | None:
        """Put somebody else's question to the person, who may take his time."""
        if not isinstance(event, PersonAsked):
            return None
        from pegboard._cli.chat.forms import filled

        kind = "elicitation_url_dialog" if event.mode == "url" else "elicitation_dialog"
        async with self._one_at_a_time:
            try:
                with told_if_unanswered(ctx.fire, f"{event.by} has a question", kind):
                    return await filled(event, ctx, self.face)
            except EgressClosedError as closed:
                ctx.notice(f"what {event.by} asks cannot be shown, so nobody answers: {closed}")
                return None

    @hookimpl(after="*")
    async def resolve_ask(self, ask: Ask, ctx: Ctx) -> Resolution | None:
        """Ask the person. Nobody can consent to what may not be shown."""
        async with self._one_at_a_time:
            with told_if_unanswered(ctx.fire, f"Pegboard needs your permission to use {ask.call.name}"):
                return await self._answer(ask, ctx)

    async def _answer(self, ask: Ask, ctx: Ctx) -> Resolution | None:
        try:
            if questions_in(ask):
                return await answered(ask, ctx, self.face)
            drawn = question(ask, ctx)
        except EgressClosedError as closed:
            ctx.notice(f"the question about {ask.call.name} cannot be shown, so it is refused: {closed}")
            return None
        self.face.draw(drawn)
        choices = offers(ask)
        chosen = await self.face.choose([text for text, _ in choices])
        answer = choices[chosen][1]
        if answer is None:
            words = (await self.face.line("what should it do instead? Enter alone says nothing")).strip()
            answer = Resolution(allow=False, reason=f"{REFUSED}: {words}" if words else REFUSED)
        self.face.draw(Text(f"allowed: {choices[chosen][0]}" if answer.allow else "refused", style="dim"))
        return answer


def offers(ask: Ask) -> list[tuple[str, Resolution | None]]:
    """Return what a person may answer, each with what it means; None for a refusal with words."""
    said: list[tuple[str, Resolution | None]] = [
        ("Yes, once", Resolution(allow=True, reason="the user said yes")),
        (
            "Yes, and this very call again in this session",
            Resolution(allow=True, reason="the user said yes for this session", remember="session"),
        ),
    ]
    rules = ", ".join("".join(piece for piece, _ in exact(rule)) for rule in ask.always)
    if rules and len(rules) <= LONGEST_RULES:
        answer = Resolution(allow=True, reason="the user said always", remember="always", rules=ask.always)
        said.append((f"Yes, always: writes the rule {rules}", answer))
    return [*said, ("No, and say what to do instead", None)]


def question(ask: Ask, ctx: Ctx) -> Any:
    """Return a question as it is drawn. Raises EgressClosedError."""
    call = ask.call
    shown = str(ctx.emit("text", ask.shown))
    diff = str(ctx.emit("text", ask.diff))
    parts: list[Any] = [Text.assemble(("? ", "bold yellow"), (readable(call.name), "bold"), (_wants(ask, ctx), ""))]
    if diff:
        parts += [
            drawing.branch(_main(call.input, ctx)),
            drawing.indented(drawing.unified(_whole_or_saved(diff, ask, ctx))),
        ]
    else:
        lines = _whole_or_saved(shown, ask, ctx).split("\n")
        parts.append(drawing.indented(Text("\n").join(map(drawing.shown_exactly, lines))))
    if shown != ask.shown or diff != ask.diff:
        parts.append(Text("  parts of it are masked here; what runs is not", style="yellow"))
    who = ask.by or "the host"
    why = readable(str(ctx.emit("text", ask.reason)))
    parts.append(Text(f"  asked by {who}: {why}", style="yellow"))
    if ask.rule and ask.rule not in ask.reason:
        parts.append(Text(f"  by the rule {readable(str(ctx.emit('text', ask.rule)))}", style="yellow"))
    return Group(*parts)


def _whole_or_saved(text: str, ask: Ask, ctx: Ctx) -> str:
    """Return a text, or where nobody would scroll through it its beginning and end, and the file that has all of it."""
    lines = text.split("\n")
    if len(lines) <= MOST_LINES and len(text) <= MOST_CHARACTERS:
        return text
    path = ctx.spill(f"question-{ask.call.id}", text)
    head = "\n".join(lines[: MOST_LINES * 3 // 4])[: MOST_CHARACTERS * 3 // 4]
    tail = "\n".join(lines[-MOST_LINES // 4 :])[-MOST_CHARACTERS // 4 :]
    return f"{head}\n... {len(lines):,} lines, {len(text):,} characters; all of it before you answer: {path}\n{tail}"


def _wants(ask: Ask, ctx: Ctx) -> str:
    what = "change a file" if ask.diff else "run" if "command" in ask.call.input else "be called with"
    of = f", in the sub-agent {readable(ctx.agent_type)}" if ctx.agent_id else ""
    return f" wants to {what}{of}" + ("" if ask.call.origin == "model" else f", for {readable(ask.call.origin)}")


def _main(given: dict[str, Any], ctx: Ctx) -> Text:
    path = given.get("file_path") or given.get("notebook_path") or ""
    return drawing.shown_exactly(str(ctx.emit("facts", str(path))), "bold")
