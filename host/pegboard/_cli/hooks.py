"""`pegboard hooks`: the eleven hooks, their contracts, and who implements each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli.opening import JsonOption, open_host
from pegboard.errors import PegboardError, did_you_mean
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pegboard._board.plan import Impl
    from pegboard.hookspecs import Policy
    from pegboard.host import Host

app = typer.Typer(help="The hooks of a session, and who hangs from them.", no_args_is_help=True)


@app.command()
def specs(
    name: Annotated[str, typer.Argument(help="One hook alone, such as pre_tool or pre-tool.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show each hook: how it is called, what may be answered, what a failure means, who implements it in order.

    This imports the plugins.
    """
    from pegboard.hookspecs import POLICIES

    host = open_host()
    told = [_facts(hook, policy, host) for hook, policy in POLICIES.items() if not name or name in (hook, policy.point)]
    if not told:
        known = [*POLICIES, *(policy.point for policy in POLICIES.values())]
        raise PegboardError(f"there is no hook {name!r}.{did_you_mean(name, known)} `pegboard hooks specs` shows all.")
    if as_json:
        print_json(told)
        return
    for facts in told:
        _show(facts)


def _facts(hook: str, policy: Policy, host: Host) -> dict[str, Any]:
    import inspect

    from pegboard import hookspecs

    spec = getattr(hookspecs, hook)
    return {
        "name": hook,
        "point": policy.point,
        "arguments": list(inspect.signature(spec).parameters),
        "mode": str(policy.mode),
        "answers": [answer.__name__ for answer in policy.answers],
        "timeout": policy.timeout,
        "on_error": str(policy.on_error),
        "since": policy.since,
        "contract": inspect.getdoc(spec) or "",
        "implementations": _implementations(hook, host),
    }


def _implementations(hook: str, host: Host) -> list[dict[str, Any]]:
    """Return who implements a hook, in order, those behind a flag included."""
    from pegboard._board.planning import compile_plan

    if hook == "register":  # called once per host and no part of a plan
        return [{"plugin": plugin, "marks": []} for plugin in host.board.ordered(hook)]
    return [{"plugin": impl.plugin, "marks": _marks(impl)} for impl in compile_plan(host.board).hooks[hook]]


def _marks(impl: Impl) -> list[str]:
    options = impl.options
    said = [word for word in ("rewrites", "guard", "blocking") if getattr(options, word)]
    if options.fields:
        said[0] += f" {' and '.join(options.fields)}"
    said += ["when it has something to do"] if options.when is not None else []
    said += ["unless it has nothing to say"] if options.unless is not None else []
    said += [f"flag={options.flag}"] if options.flag else []
    said += [f"ramp={options.ramp}"] if options.ramp else []
    said += [f"matcher={options.matcher}"] if options.matcher else []
    if options.timeout is not None:
        said.append(
            f"timeout={options.timeout:g} s" if isinstance(options.timeout, int | float) else "timeout=by event"
        )
    said += [f"before={','.join(options.before)}"] if options.before else []
    said += [f"after={','.join(options.after)}"] if options.after else []
    return said


def _show(facts: dict[str, Any]) -> None:
    say(f"{facts['point']}: {facts['name']}({', '.join(facts['arguments'])})", "bold cyan")
    limit = "none" if facts["timeout"] is None else f"{facts['timeout']:g} s"
    answers = " or ".join(facts["answers"]) or (
        "an async iterator of stream events" if facts["mode"] == "wrap" else "-"
    )
    say(f"  mode: {facts['mode']}; answers: {answers}; timeout: {limit}; if it fails: {facts['on_error']}")
    for line in facts["contract"].splitlines():
        say(f"  {line}" if line else "")
    for place, one in enumerate(facts["implementations"], 1):
        marks = f"  ({', '.join(one['marks'])})" if one["marks"] else ""
        say(f"  {place}. {one['plugin']}{marks}", "green")
    if not facts["implementations"]:
        say("  nobody implements it", "dim")
    say("")
