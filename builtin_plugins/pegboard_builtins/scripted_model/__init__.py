"""The scripted model `scripted:FILE`: it plays turns from a TOML file, the one fake that we ship.

    [[turn]]
    text = "I look first."
    [[turn.call]]
    name = "Read"
    input = { file_path = "a.py" }

    [[turn]]
    expect = { contains = "import", tools = ["Edit"] }
    text = "Done."

`play` keeps a script in memory, for tests: it is then the model `scripted:@NAME`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from pegboard.context import Ctx, Registry
from pegboard.hookspecs import hookimpl
from pegboard.requests import CallNext, ModelInfo, Request, StreamEvent

PREFIX = "scripted:"
MODEL = ModelInfo(
    prefix="scripted", help="Plays turns from a TOML file, or `@NAME` from a test.", windows={}, max_output=32_000
)
"""`windows` is filled as scripts are read: a script's `context_window` is known only then."""

_answer: Callable[[Request, Ctx], AsyncIterator[StreamEvent]] | None = None


@hookimpl
def register(registry: Registry) -> None:
    """Say for which models we answer."""
    registry.add_model(MODEL)


@hookimpl(after="*")
def model_call(request: Request, call_next: CallNext, ctx: Ctx) -> AsyncIterator[StreamEvent]:
    """Answer from the script if the request is for a scripted model."""
    if not request.model.startswith(PREFIX):
        return call_next(request)
    global _answer
    if _answer is None:  # once: this is the path that benchmarks measure
        from pegboard_builtins.scripted_model.playing import answer

        _answer = answer
    return _answer(request, ctx)


def play(name: str, turns: Sequence[dict[str, Any]], *, context_window: int | None = None) -> str:
    """Keep *turns* (the tables of a script) as `@NAME` and return the model's name. Raises ScriptError.

    A script of this name that is there already is replaced.
    """
    from pegboard_builtins.scripted_model.script import build_script, keep_script

    file = f"@{name.removeprefix('@')}"
    raw: dict[str, Any] = {"turn": list(turns)}
    if context_window is not None:
        raw["context_window"] = MODEL.windows[file] = context_window
    keep_script(file, build_script(raw, file))
    return PREFIX + file


def turns_left(name: str) -> int:
    """Return how many turns of `@NAME` no session has played yet. Raises ScriptError for an unknown name."""
    from pegboard_builtins.scripted_model.script import kept_script

    return kept_script(f"@{name.removeprefix('@')}").left
