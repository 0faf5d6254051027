"""`pegboard settings`: what counts and who said so, the schema of it all, and changing it safely."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.opening import JsonOption, closed_host, host_of_built_ins, open_host
from pegboard.errors import PegboardError, SettingsError
from pegboard.output import print_json, print_table, say

if TYPE_CHECKING:
    from pegboard._cli.settings_files import Tables
    from pegboard.host import Host
    from pegboard.settings import LayerFile, SettingsLayer, SettingsView, Source

app = typer.Typer(help="What counts, who said so, and how to change it.", no_args_is_help=True)

UserOption = Annotated[bool, typer.Option("--user", help="Your own file (this is the default).")]
ProjectOption = Annotated[bool, typer.Option("--project", help="This folder's .pegboard/settings.toml.")]
LocalOption = Annotated[bool, typer.Option("--local", help="This folder's .pegboard/settings.local.toml.")]


@app.command()
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say which file and line each value is from.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Load the plugins, and show the defaults of their tables too.")
    ] = False,
    as_json: JsonOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Show the settings that count here, those of the host with their defaults."""
    host = _host_for_show(cwd, everything=everything)
    values = _values(host.view, everything=everything)
    held = [(key, said) for key, said in host.view.held_back]
    if as_json:
        tables: dict[str, dict[str, Any]] = {}
        for table, key, value, source in values:
            told = {"value": value, "origin": _facts(source)} if origin else value
            tables.setdefault(table, {})[key] = told
        held_back = [{"key": key, "value": said.value, "origin": _facts(said.source)} for key, said in held]
        print_json({"tables": tables, "held_back": held_back, "problems": [str(error) for error in host.problems]})
        return
    rows = [(f"{t}.{k}", _shown(value), *([str(source)] if origin else [])) for t, k, value, source in values]
    print_table(("key", "value", *(["origin"] if origin else [])), rows, empty="Nothing is set.")
    for error in host.problems:
        say(f"wrong: {error}", "red")
    for line in host.held_back():
        say(line, "yellow")


@app.command()
def schema() -> None:
    """Print the JSON Schema (2020-12) of a settings file, with every plugin's table.

    This imports the plugins that are not known yet.
    """
    from pegboard._cli.settings_files import known_schemas, tables_of

    host = open_host()
    known = known_schemas(host)
    print_json(schema_of(tables_of(host, without=known), known))


@app.command()
def edit(
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Open a settings file in $VISUAL or $EDITOR. What you write takes its place only if nothing is wrong with it."""
    import shlex
    import subprocess
    import tempfile

    from pegboard._cli.settings_files import checked_copy, target_of
    from pegboard.settings_writing import text_of, write_whole

    host = closed_host(cwd)
    target, layer = target_of(host, user=user, project=project, local=local)
    before = text_of(target)
    copy = Path(tempfile.mkdtemp(prefix="pegboard-")) / target.name
    write_whole(copy, before)
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        code = subprocess.run([*editor, str(copy)], check=False).returncode
    except OSError as wrong:
        _remove(copy)
        raise PegboardError(
            f"the editor {editor[0]!r} cannot be started: {wrong.strerror}. Say in $VISUAL or $EDITOR which one to use"
        ) from None
    if code:
        raise PegboardError(f"{editor[0]} ended with {code}; nothing was changed. Your text is in {copy}")
    after = text_of(copy)
    if after == before:
        say(f"Nothing was changed in {target}.")
        _remove(copy)
        return
    checked_copy(copy, target, layer, host.cwd)
    _write(host, target, layer, after)
    _remove(copy)


@app.command("set")
def set_key(
    key: Annotated[str, typer.Argument(metavar="TABLE.KEY", help="Such as session.max_steps.")],
    value: Annotated[str, typer.Argument(help="A TOML value; anything else is a text.")],
    user: UserOption = False,
    project: ProjectOption = False,
    local: LocalOption = False,
    cwd: command_line.CwdOption = None,
) -> None:
    """Set one key in a settings file; comments and everything else in it stay."""
    from pegboard._cli.settings_files import tables_for, target_of
    from pegboard.settings_writing import folder_locked, text_of, with_key

    path = _path(key)
    host = closed_host(cwd)
    target, layer = target_of(host, user=user, project=project, local=local)
    tables = tables_for({path[0]}, host.cwd)
    with folder_locked(target):
        before = text_of(target)
        _parsed(before, target, layer)  # a file that is wrong already says so itself
        texts = [with_key(before, path, candidate) for candidate in _candidates(value)]
        wrong = [_first_problem(text, target, layer, path, tables) for text in texts]
        if all(wrong):
            raise SettingsError(f"{key} is as it was: {wrong[0].problem if wrong[0] else ''}")
        _write(host, target, layer, texts[wrong.index(None)])


# --- show ----------------------------------------------------------------------------------------------


def _host_for_show(cwd: Path | None, *, everything: bool) -> Host:
    """Return a host with a view: without plugins where their types do not matter."""
    if everything:
        return open_host(cwd)
    host = closed_host(cwd)
    host.find()
    # Which keys of an untrusted folder only tighten, and so count, is known to the plugins alone.
    return host if host.view.trusted else host_of_built_ins(cwd)


def _values(view: SettingsView, *, everything: bool) -> list[tuple[str, str, Any, Source]]:
    """Return (table, key, value, who said it) for all that counts, sorted; the host's defaults, or all."""
    from pegboard.settings import HOST_TABLES
    from pegboard.typed import fields_of

    models = view.models if everything else HOST_TABLES
    said = {name for file in view.files for name, values in file.values.items() if isinstance(values, dict)}
    found = []
    for table in sorted(said | set(models)):
        model = models.get(table)
        defaults = (
            {name: f.get_default(call_default_factory=True) for name, f in fields_of(model).items()} if model else {}
        )
        for key, value in sorted({**defaults, **view.table(table)}.items()):
            found.append((table, key, value, view.origin(table, key)))
    return found


def _facts(source: Source) -> dict[str, Any]:
    return {"layer": str(source.layer), "file": source.file, "line": source.line}


def _shown(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


# --- schema --------------------------------------------------------------------------------------------


def schema_of(tables: Tables, known: Mapping[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the JSON Schema of a file with these tables, and with those whose own schema is *known*.

    A model whose fields do not say all that may stand in its table has a class method `settings_schema`.
    """
    from pydantic.json_schema import models_json_schema

    models: list[Any] = [(model, "validation") for _, model in sorted(tables.items()) if model is not None]
    found, definitions = models_json_schema(models, ref_template="#/$defs/{model}")
    refs: dict[Any, Any] = dict(found)
    properties = {
        name: refs[model, "validation"] if model is not None else {"type": "object"}
        for name, model in sorted(tables.items())
    }
    for name, model in tables.items():
        said = getattr(model, "settings_schema", None)
        if said is not None:
            whole = said()
            definitions.setdefault("$defs", {}).update(whole.pop("$defs", {}))
            properties[name] = whole
    for name, schema in (known or {}).items():
        own = {key: value for key, value in schema.items() if key != "$defs"}
        definitions.setdefault("$defs", {}).update({**schema.get("$defs", {}), own["title"]: own})
        properties[name] = {"$ref": f"#/$defs/{own['title']}"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pegboard settings",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **definitions,
    }


# --- edit and set --------------------------------------------------------------------------------------


def _path(key: str) -> tuple[str, ...]:
    """Return the parts of a dotted key as TOML reads it."""
    import tomli

    try:
        node: Any = tomli.loads(f"{key} = 0")
    except tomli.TOMLDecodeError:
        node = {}
    parts: list[str] = []
    while isinstance(node, dict) and len(node) == 1:
        ((name, node),) = node.items()
        parts.append(name)
    if len(parts) < 2 or node != 0:
        raise typer.BadParameter(f"{key!r} is no TABLE.KEY, such as session.max_steps", param_hint="TABLE.KEY")
    return tuple(parts)


def _candidates(text: str) -> list[Any]:
    """Return what a value may mean: TOML where it is that, or the text itself."""
    from pegboard.settings import parse_value

    value = parse_value(text)
    return [value] if isinstance(value, str) else [value, text]


def _parsed(text: str, target: Path, layer: SettingsLayer) -> LayerFile:
    import tomli

    from pegboard.settings import LayerFile

    try:
        return LayerFile(layer, tomli.loads(text), str(target), text)
    except tomli.TOMLDecodeError as wrong:
        raise SettingsError(f"is no TOML: {wrong.msg}", file=target, line=wrong.lineno) from None


def _first_problem(
    text: str, target: Path, layer: SettingsLayer, path: tuple[str, ...], tables: Tables
) -> SettingsError | None:
    from pegboard._cli.settings_files import problems

    file = _parsed(text, target, layer)
    only = type(file)(layer, {path[0]: file.values[path[0]]}, file.file, text)
    return next(problems(only, tables), None)


def _write(host: Host, target: Path, layer: SettingsLayer, text: str) -> None:
    from pegboard.settings import FROM_THE_FOLDER
    from pegboard.settings_writing import write_whole

    trusted = layer not in FROM_THE_FOLDER or host.trust.trusts(host.cwd)
    write_whole(target, text)
    say(f"Written: {target}")
    if layer in FROM_THE_FOLDER and not host.trust.trusts(host.cwd):
        again = "is no longer trusted, because what it says has changed" if trusted else "is not trusted"
        say(f"This folder {again}: look at it and consent with `pegboard trust`.", "yellow")


def _remove(copy: Path) -> None:
    import shutil

    shutil.rmtree(copy.parent, ignore_errors=True)
