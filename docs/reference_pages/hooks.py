"""The pages for who writes hooks: the eleven hooks, what they are handed, what they may answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from reference_pages.classes import call_of, described, members
from reference_pages.markdown import code, page, prose, summary, table


def hooks_page() -> str:
    """Return the page of the eleven hooks."""
    from pegboard import hookspecs
    from pegboard.hookspecs import POLICIES

    intro = (
        f"The {_number(len(POLICIES))} hooks of a session, in its order. An implementation is a function of that name "
        "marked with\n`@hookimpl`; it may be `def` or `async def`, and takes any subset of the arguments. "
        "`pegboard hooks specs` shows the\nsame, with who implements each hook here. "
        "[What a hook is handed](handed.md) and [what it may answer](decisions.md) have\npages of their own."
    )
    rows = [
        (f"[{policy.point}](#{name})", code(call_of(getattr(hookspecs, name))), str(policy.mode), _answers(name))
        for name, policy in POLICIES.items()
    ]
    parts = [table(("point", "hook", "mode", "answers"), rows)]
    for name in POLICIES:
        parts += _hook(name)
    parts += ["## @hookimpl", prose(hookspecs.hookimpl)]
    return page("The hooks", "`pegboard.hookspecs`", intro, parts)


def _hook(name: str) -> Iterator[str]:
    from pegboard import hookspecs

    policy = hookspecs.POLICIES[name]
    spec = getattr(hookspecs, name)
    arguments = ", ".join(f"{arg}: {kind}" for arg, kind in spec.__annotations__.items() if arg != "return")
    yield f"## {name}"
    yield f"```text\n{name}({arguments}) -> {spec.__annotations__['return']}\n```"
    yield prose(spec)
    limit = "none" if policy.timeout is None else f"{policy.timeout:g} s"
    yield table(
        ("mode", "answers", "timeout", "if it fails", "since"),
        [(str(policy.mode), _answers(name), limit, str(policy.on_error), policy.since)],
    )


def _answers(name: str) -> str:
    from pegboard import hookspecs

    kinds = hookspecs.POLICIES[name].answers
    if not kinds:
        wraps = hookspecs.POLICIES[name].mode is hookspecs.Mode.WRAP
        return "an async iterator of stream events" if wraps else "nothing"
    return " or ".join(f"[{kind.__name__}](decisions.md#{kind.__name__.lower()})" for kind in kinds)


def _number(count: int) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[count] if count < len(words) else str(count)


def handed_page() -> str:
    """Return the page of Ctx, Registry, the tool decorator, and the words that hooks get as arguments."""
    from pegboard import context, hookspecs, messages, requests, tools

    intro = (
        "What a plugin gets from the host: a `Ctx` beside each event, a `Registry` when it registers, and the words\n"
        "that the hooks' arguments are made of. The most used of them can be imported from `pegboard` itself."
    )
    parts = ["## Ctx", prose(context.Ctx), table(("member", "what it is"), members(context.Ctx))]
    parts += ["### ctx.state", prose(context.State)]
    parts += ["## Registry", prose(context.Registry), table(("method", "what it does"), members(context.Registry))]
    parts += ["## @tool", prose(tools.tool), *described(tools.Tool, level=3, without=("function", "owner"))]
    parts += [*described(tools.Claims, level=3), "## Flags", "[Flags](flags.md) has a page of its own."]
    words: list[tuple[str, Sequence[type]]] = [
        (
            "Tool calls",
            (messages.ToolCall, messages.Batch, messages.Outcome, messages.ToolResult, hookspecs.Ask),
        ),
        ("Steps and compaction", (hookspecs.State, requests.CompactionJob)),
        (
            "Requests and models",
            (requests.RequestDraft, requests.Section, requests.Request, requests.ModelInfo, requests.ModelAnswer),
        ),
        ("Stream events", get_args(get_args(requests.StreamEvent)[0])),
    ]
    for heading, kinds in words:
        parts.append(f"## {heading}")
        for kind in kinds:
            parts += described(kind, level=3)
    parts.append("## Enumerations")
    enums = (messages.OutcomeKind, messages.Origin, requests.Layer, requests.Stability, requests.Purpose)
    parts.append(
        table(
            ("name", "values", "what it says"),
            [(code(kind.__name__), ", ".join(code(str(value)) for value in kind), summary(kind)) for kind in enums],
        )
    )
    return page("What a hook is handed", "`pegboard.context` and the words", intro, parts)


def decisions_page() -> str:
    """Return the page of the types that a hook may answer."""
    from pegboard import decisions, hookspecs, requests

    intro = (
        "None always means no opinion. Every answer is frozen, and a field that it does not have is an error.\n"
        "[How it decides](../explanation/decisions.md) tells which answer wins."
    )
    by_kind: dict[type, list[str]] = {}
    for name, policy in hookspecs.POLICIES.items():
        for kind in policy.answers:
            by_kind.setdefault(kind, []).append(name)
    parts = [
        table(
            ("verdict", "strictness"),
            [(code(str(verdict)), str(place)) for place, verdict in enumerate(decisions.Verdict, 1)],
        ),
        "The strictest verdict wins: deny > defer > ask > allow > none. Ties go to the first in order.",
    ]
    for kind, hooks in by_kind.items():
        heading, *rest = described(kind)
        links = ", ".join(f"[`{name}`](hooks.md#{name})" for name in hooks)
        parts += [heading, f"Answers {links}.", *rest]
    parts += [
        "## Failures that are no accident",
        "A tool that refuses or fails on purpose raises `pegboard.ToolError`: the model reads its message. "
        "Any other exception is\nan accident, and is reported as one.",
    ]
    assert requests.CompactionResult in by_kind
    return page("What a hook may answer", "`pegboard.decisions` and `pegboard.requests`", intro, parts)
