"""The page of the command line: every verb with its arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from reference_pages.markdown import code, page, prose, table


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or option of a verb. `names` is empty for an argument."""

    name: str
    names: tuple[str, ...]
    type: str
    default: str
    help: str
    required: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A verb with its whole name, such as `plugins list`."""

    name: str
    help: str
    parameters: tuple[Parameter, ...]


def commands() -> list[Command]:
    """Return all verbs of the command line, in their order, with those that built-in plugins add to our families."""
    from pathlib import Path

    from pegboard._cli.app import VERBS, build_app, mount
    from pegboard._cli.opening import host_of_built_ins

    app = build_app(VERBS)
    for command in host_of_built_ins(Path.cwd()).board.commands.values():
        if " " in command.name:  # a family of a plugin's own has a page of its own
            mount(app, command.name, command.target, command.help)
    return list(commands_of(app, ""))


def commands_of(app: Any, prefix: str) -> Iterator[Command]:
    """Go through the verbs of an app, and of the apps within it."""
    for info in app.registered_commands:
        name = info.name or info.callback.__name__.replace("_", "-")
        yield Command(f"{prefix}{name}", info.help or prose(info.callback), tuple(_parameters(info.callback)))
    for group in app.registered_groups:
        own = group.typer_instance.registered_callback
        if own is not None and group.typer_instance.info.invoke_without_command is True:
            yield Command(f"{prefix}{group.name}", prose(own.callback), tuple(_parameters(own.callback)))
        yield from commands_of(group.typer_instance, f"{prefix}{group.name} ")


def _parameters(function: Callable[..., Any]) -> Iterator[Parameter]:
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if not get_args(hints[name]):
            continue  # typer's own Context, which nobody types
        kind, facts = get_args(hints[name])[:2]
        if getattr(facts, "hidden", False):
            continue
        option = type(facts).__name__ == "OptionInfo"
        # In Annotated, typer takes the first name for a default; a real default is the parameter's own.
        said = [word for word in (facts.default, *(facts.param_decls or ())) if isinstance(word, str)]
        names = said or [f"--{name.rstrip('_').replace('_', '-')}"]
        required = parameter.default is parameter.empty
        default = None if required else parameter.default
        repeated = "list[" in str(kind)
        yield Parameter(
            name=facts.metavar or name.upper(),
            names=tuple(sorted(names, key=len, reverse=True)) if option else (),
            type=_cli_type(kind),
            default="" if default in (None, "", False) else str(getattr(default, "value", default)),
            help=facts.help or "",
            required=required,
            repeated=repeated,
        )


def _cli_type(kind: Any) -> str:
    inner = [one for one in get_args(kind) if one is not type(None)] or [kind]
    found = inner[0]
    if get_args(found):
        found = get_args(found)[0]
    if found is bool:
        return "flag"
    if hasattr(found, "__members__"):
        return ", ".join(code(str(value.value)) for value in found)
    name: str = found.__name__
    return {"str": "text", "int": "whole number", "float": "number", "Path": "path"}.get(name, name)


def cli_page() -> str:
    """Return the page of the command line."""
    from pegboard._cli.app import EPILOG
    from pegboard._cli.running import EXIT_CODES

    intro = (
        "Every verb of our own, with all its arguments and options, and what built-in plugins add to them; plugins\n"
        "may add more (`pegboard --help` shows them). `--help` (or `-h`) after any verb says the same. Verbs that\n"
        f"print data have `--json`: one document, stable and sorted.\n\n{EPILOG}"
    )
    found = commands()
    parts = [
        table(("verb", "what it does"), [(f"[{one.name}](#{_anchor(one.name)})", _first(one.help)) for one in found])
    ]
    parts += command_sections(found)
    parts += ["## Exit codes", "Of `pegboard run`, by how the turn ended:", _exit_codes(EXIT_CODES)]
    parts.append(
        "2 is wrong usage, and 3 an error of our own, with a report to paste. All other verbs end with 0 when all is\n"
        "well and 1 when something is wrong."
    )
    return page("The command line", "`pegboard._cli`", intro, parts)


def command_sections(found: Sequence[Command]) -> Iterator[str]:
    """Go through verbs: how each is called, what it does, its arguments and options."""
    for one in found:
        words = [_usage(parameter) for parameter in one.parameters if not parameter.names]
        options = ["[OPTIONS]"] if any(parameter.names for parameter in one.parameters) else []
        yield f"## pegboard {one.name}"
        yield f"```text\n{' '.join(['pegboard', one.name, *options, *words])}\n```"
        yield one.help
        rows = [
            (", ".join(map(code, parameter.names)) or code(parameter.name), _type_of(parameter), parameter.help)
            for parameter in one.parameters
        ]
        yield table(("argument or option", "value", "what it says"), rows)


def _usage(parameter: Parameter) -> str:
    name = parameter.name + ("..." if parameter.repeated and not parameter.name.endswith("...") else "")
    return name if parameter.required else f"[{name}]"


def _type_of(parameter: Parameter) -> str:
    words = [parameter.type]
    if parameter.default:
        words.append(f"default {code(parameter.default)}")
    return "; ".join(words)


def _exit_codes(codes: dict[Any, int]) -> str:
    by_code: dict[int, list[str]] = {}
    for reason, number in codes.items():
        by_code.setdefault(number, []).append(code(str(reason)))
    rows = [(str(number), ", ".join(reasons)) for number, reasons in sorted(by_code.items())]
    return table(("exit code", "the turn ended with"), rows)


def _anchor(name: str) -> str:
    return f"pegboard-{name.replace(' ', '-')}"


def _first(text: str) -> str:
    return text.split("\n\n")[0]
