"""`pegboard memory consolidate`: with the settings of a host, and in a session of its own if a model is asked."""

from __future__ import annotations

import asyncio
from functools import partial

from pegboard.context import Ctx, HostView
from pegboard.requests import Purpose
from pegboard_builtins.memory.consolidation.gates import Gates, Progress
from pegboard_builtins.memory.consolidation.running import Report, Spoken, consolidate
from pegboard_builtins.memory.names import SERVICE
from pegboard_builtins.memory.opened import Opened
from pegboard_builtins.memory.uses import read_uses

OFF, DEFAULT = "off", "default"


def run(host: HostView, opened: Opened, *, dry_run: bool = False, due: bool = False, model: str = "") -> Report:
    """Consolidate a project; with *due* only if the gates of the settings are open. Raises BusyError."""
    settings = opened.settings.consolidate
    facts = opened.facts
    gates = Gates(settings.on, settings.idle_minutes, settings.min_events) if due else None
    work = partial(
        consolidate,
        opened.memory,
        opened.project,
        facts,
        uses=read_uses(facts.private),
        gates=gates,
        daily_usd=settings.daily_usd,
        dry_run=dry_run,
    )
    wanted = model or settings.model
    flags = host.resolve_flags().snapshot.values
    if wanted == OFF or not flags.get("memory.consolidate_with_model") or not _worth_asking(opened, gates):
        return work()

    async def asked(ctx: Ctx) -> Report:
        loop = asyncio.get_running_loop()
        if not ctx.flags["memory.consolidate_with_model"]:  # asked once more, where the journal keeps that it was
            return await asyncio.to_thread(work)

        def ask(system: str, text: str) -> Spoken:
            question = ctx.model(text, purpose=Purpose.MEMORY, system=system)
            said = asyncio.run_coroutine_threadsafe(question, loop).result()
            return Spoken(said.text, said.usage.cost_usd, ctx.session_id)

        return await asyncio.to_thread(work, ask=ask, model=ctx.model_name)

    return host.in_session(SERVICE, asked, model="" if wanted == DEFAULT else wanted)


def _worth_asking(opened: Opened, gates: Gates | None) -> bool:
    """Whether there is anything to ask about, so that no session is begun for nothing."""
    progress = Progress.read(opened.facts.private)
    new = [one for one in opened.memory.read(opened.project, progress.cursor + 1) if one.number > progress.cursor]
    if not new:
        return False
    return gates is None or not gates.closed(progress, last_number=new[-1].number, last_at=new[-1].at)
