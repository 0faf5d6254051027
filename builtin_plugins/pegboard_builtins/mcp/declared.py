"""Which servers are declared: in the settings, layer by layer, and in the project's .mcp.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pegboard.context import Ailment, HostView, Wanted
from pegboard.errors import did_you_mean
from pegboard.plugin_folders import PluginFolder, PluginFolderError
from pegboard.settings import FROM_THE_FOLDER, SettingsLayer, SettingsView, Source
from pegboard.typed import dataclass
from pegboard_builtins.mcp.settings import PROJECT_FILE, TABLE, McpSettings, ServerSettings

NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
OF_FOLDER = re.compile(r"plugin:[^:]+:[^:]+")
LARGEST = 1_000_000
"""Bytes of a .mcp.json that is read."""
IGNORED = ("timeout", "description", "alwaysAllow", "autoApprove", "disabled", "alwaysLoad")
"""Keys of other hosts in .mcp.json that mean nothing here; `timeout` is in milliseconds there."""

Secret = Callable[[str], str | None]


@dataclass(frozen=True)
class Server:
    """One declared server. `settings` are as they were written: what `${NAME}` stands for is put in at its start."""

    name: str
    settings: ServerSettings
    where: Source
    said: Mapping[str, Any]
    wants_consent: bool = False
    """Whether the project declares it, in its .mcp.json or in a plugin folder that its settings name."""

    @property
    def over_http(self) -> bool:
        """Whether it is reached over HTTP."""
        return bool(self.settings.url)

    @property
    def target(self) -> str:
        """What is run or asked, in a line, with nothing put in: no secret is in it that the file has not."""
        return self.settings.url or " ".join((self.settings.command, *self.settings.args))


@dataclass
class Declared:
    """All that was found: servers by name, and what is wrong with others, with file and line."""

    servers: dict[str, Server] = field(default_factory=dict)
    problems: list[Ailment] = field(default_factory=list)


def declared(view: SettingsView, project: Path) -> Declared:
    """Read all declarations; a name that two layers have is the higher one's, whole."""
    found = Declared()
    settings = view.parse(TABLE, McpSettings)
    layers: list[tuple[Mapping[str, Any], Source, Callable[[str], Source]]] = []
    for said in view.said(TABLE, "servers"):
        if said.counts and isinstance(said.value, dict):
            layers.append((said.value, said.source, _line_in(view, said.source)))
    if settings.project_file:
        path = project / PROJECT_FILE
        servers, lines = _project_file(path, found)
        # Between the user's own and the project's settings, as a file of the project that was looked at in whole.
        place = next(
            (at for at, (_, source, _) in enumerate(layers) if source.layer not in (SettingsLayer.USER,)), len(layers)
        )
        layers.insert(place, (servers, Source(SettingsLayer.PROJECT, str(path)), lines))
    for values, source, line in layers:
        theirs = Path(source.file).name == PROJECT_FILE
        for name, said_of_it in values.items():
            at = line(name)
            server = _server(name, said_of_it, at, found, lenient=theirs)
            if server is not None:
                found.servers[name] = replace(server, wants_consent=theirs)
    for folder in view.plugin_folders:
        found.servers.update(_of_folder(folder, found))
    for name in settings.disabled:
        found.servers.pop(name, None)
    return found


def _of_folder(folder: PluginFolder, found: Declared) -> Iterator[tuple[str, Server]]:
    """Go through the servers of a plugin folder, which are called `plugin:FOLDER:SERVER`."""
    stands_for = {"CLAUDE_PLUGIN_ROOT": str(folder.root)}
    stands_for |= {f"user_config.{key}": value for key, value in folder.options.items()}
    of_project = folder.layer in FROM_THE_FOLDER
    try:
        for name, said, file in folder.servers():
            called = f"plugin:{folder.name}:{name}"
            where = Source(SettingsLayer(folder.layer) if of_project else SettingsLayer.USER, str(file))
            server = _server(called, _put_in(said, stands_for), where, found, lenient=True)
            if server is not None:
                yield called, replace(server, wants_consent=of_project)
    except PluginFolderError as error:
        found.problems.append(Ailment(f"the servers of a plugin folder do not count: {error.problem}", str(error.file)))


def _put_in(said: Any, stands_for: Mapping[str, str]) -> Any:
    """Put in what the folder's own words stand for; variables are put in when the server starts."""
    if isinstance(said, str):
        for name, value in stands_for.items():
            said = said.replace(f"${{{name}}}", value)
        return said
    if isinstance(said, Mapping):
        return {key: _put_in(value, stands_for) for key, value in said.items()}
    return [_put_in(one, stands_for) for one in said] if isinstance(said, list) else said


def _line_in(view: SettingsView, source: Source) -> Callable[[str], Source]:
    file = next((one for one in view.files if one.file == source.file), None)
    return lambda name: file.source((TABLE, "servers", name)) if file is not None else source


def _project_file(path: Path, found: Declared) -> tuple[dict[str, Any], Callable[[str], Source]]:
    source = Source(SettingsLayer.PROJECT, str(path))

    def nothing(text: str, line: int | None = None) -> tuple[dict[str, Any], Callable[[str], Source]]:
        where = str(Source(SettingsLayer.PROJECT, str(path), line))
        found.problems.append(Ailment(text, where=where, mend='write {"mcpServers": {"NAME": {"command": "..."}}}'))
        return {}, lambda name: source

    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}, lambda name: source
    except OSError as wrong:
        return nothing(f"cannot be read: {wrong.strerror}")
    if len(content) > LARGEST:
        return nothing(f"has more than {LARGEST:,} bytes, so it is not read")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text)
    except UnicodeDecodeError:
        return nothing("is no UTF-8")
    except json.JSONDecodeError as wrong:
        return nothing(f"is no JSON: {wrong.msg}", wrong.lineno)
    except RecursionError:
        return nothing("is nested too deeply")
    servers = value.get("mcpServers") if isinstance(value, dict) else None
    if not isinstance(servers, dict):
        return nothing("has no object `mcpServers`, so it declares no server", 1)

    def line(name: str) -> Source:
        place = text.find(json.dumps(name), text.find('"mcpServers"'))
        return Source(SettingsLayer.PROJECT, str(path), text.count("\n", 0, place) + 1 if place >= 0 else None)

    return servers, line


def _server(name: str, said: Any, where: Source, found: Declared, *, lenient: bool) -> Server | None:
    try:
        return checked(name, _without_others_keys(said) if lenient else said, where)
    except WrongServerError as wrong:
        if not (lenient and isinstance(said, dict) and said.get("disabled") is True):
            found.problems.append(Ailment(f"the MCP server {name!r} {wrong}", where=str(where), mend=wrong.mend))
    return None


def _without_others_keys(said: Any) -> Any:
    """Return a declaration in the project's file as ours are: other hosts have more keys, which mean nothing here."""
    if not isinstance(said, dict):
        return said
    given = {key: value for key, value in said.items() if key not in IGNORED}
    if given.get("type") == "streamable-http":
        given["type"] = "http"
    return {"command": "", "url": ""} if said.get("disabled") is True else given


class WrongServerError(Exception):
    """A declaration that cannot be used; `mend` says what to do."""

    def __init__(self, text: str, mend: str = "") -> None:
        self.mend = mend
        super().__init__(text)


def checked(name: str, said: Any, where: Source) -> Server:
    """Return the server that a declaration means. Raises WrongServerError."""
    if not NAME.fullmatch(name.replace(":", "_")) or "__" in name or (":" in name and not OF_FOLDER.fullmatch(name)):
        raise WrongServerError("has a name that cannot be part of a tool's", "use letters, digits, - and single _")
    if not isinstance(said, dict):
        raise WrongServerError("is no table with `command` or `url`")
    if said.get("type") == "sse":
        raise WrongServerError("is of the type sse, which the protocol has given up", "most offer http, too: ask that")
    try:
        settings = ServerSettings.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        hint = did_you_mean(key, list(ServerSettings.model_fields)) if first["type"] == "extra_forbidden" else ""
        raise WrongServerError(f"is wrongly declared: {key}: {first['msg']}.{hint}") from None
    if bool(settings.command) == bool(settings.url):
        raise WrongServerError("needs `command` or `url`, and not both")
    if settings.type is not None and (settings.type == "http") != bool(settings.url):
        fits = "its url" if settings.url else "its command"
        raise WrongServerError(f"is of the type {settings.type}, which does not fit {fits}")
    if settings.url and not re.match(r"https?://[^/\s]+", VARIABLE.sub("x", settings.url)):
        raise WrongServerError(f"has a url that is none: {settings.url!r}", "it begins with https:// or http://")
    return Server(name, settings, where, said)


class UnsetError(Exception):
    """`${NAME}` stands for something that nobody has set."""


def expanded(settings: ServerSettings, secret: Secret) -> ServerSettings:
    """Put in what `${NAME}` and `${NAME:-default}` stand for. Raises UnsetError with the name."""

    def put(text: str) -> str:
        def value(found: re.Match[str]) -> str:
            said = secret(found[1])
            if said is None:
                said = found[2]
            if said is None:
                raise UnsetError(found[1])
            return said

        return VARIABLE.sub(value, text)

    return settings.model_copy(
        update={
            "command": put(settings.command),
            "args": tuple(map(put, settings.args)),
            "env": {key: put(value) for key, value in settings.env.items()},
            "cwd": put(settings.cwd),
            "url": put(settings.url),
            "headers": {key: put(value) for key, value in settings.headers.items()},
        }
    )


def wanted_of(server: Server) -> Wanted:
    """Return what consent is given to: the whole declaration, as it stands in the file."""
    text = json.dumps(server.said, indent=2, sort_keys=True, ensure_ascii=False)
    return Wanted(key=f"MCP server {server.name} ({Path(server.where.file).name})", text=text)


def usable(host: HostView) -> tuple[dict[str, Server], dict[str, Server], list[Ailment]]:
    """Return the servers that may be started, those of the project that wait for consent, and what is wrong."""
    found = declared(host.settings, host.project)
    held = {
        name: one for name, one in found.servers.items() if one.wants_consent and not host.consented(wanted_of(one))
    }
    return {name: one for name, one in found.servers.items() if name not in held}, held, found.problems


def ailments(host: HostView) -> list[Ailment]:
    """Return what `pegboard doctor` should tell, without starting anything."""
    servers, held, problems = usable(host)
    return [*problems, *_held(held), *_missing(servers, host)]


def _held(held: Mapping[str, Server]) -> Iterator[Ailment]:
    for name, one in held.items():
        yield Ailment(
            f"the MCP server {name!r} is not started: the project declares it, and you have not consented",
            where=str(one.where),
            mend="look at it and consent with `pegboard trust`",
            wrong=False,
        )


def _missing(servers: Mapping[str, Server], host: HostView) -> Iterator[Ailment]:
    import shutil
    from importlib.util import find_spec

    if servers and find_spec("mcp") is None:
        yield Ailment("MCP servers need the extra `mcp`", mend="pip install 'pegboard[mcp]'")
    for name, one in servers.items():
        try:
            settings = expanded(one.settings, host.secret)
        except UnsetError as unset:
            yield Ailment(f"the MCP server {name!r} needs the variable {unset}, which is not set", where=str(one.where))
            continue
        path = host.environment.get("PATH")
        if settings.command and shutil.which(_in_project(settings.command, host.project), path=path) is None:
            yield Ailment(f"the MCP server {name!r}: there is no program {settings.command!r}", where=str(one.where))


def _in_project(command: str, project: Path) -> str:
    return str(project / command) if "/" in command else command
