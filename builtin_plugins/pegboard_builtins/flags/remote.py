"""Remote sources: an OFREP server, a file that flagd reads, an Unleash server; and what they said before."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pegboard.errors import PegboardError
from pegboard.flags import Flag, FlagError, FlagLayer, FlagRequest, FlagVote
from pegboard.typed import dataclass
from pegboard_builtins.flags.settings import RemoteTable
from pegboard_builtins.flags.targeting import Decisions, RuleError

LARGEST = 4 << 20
"""Bytes of an answer; one that is longer is not believed."""
SENT = ("targetingKey", "os", "version", "ci")
"""What a server is told of us. The key is a hash."""
UNLEASH_EXTRA = "pip install 'pegboard[unleash]'"


class RemoteError(PegboardError):
    """A source did not answer, or not in its own words."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a source said of one flag."""

    value: Any
    variant: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a source said. `unchanged` means: what it said last time still holds."""

    flags: Mapping[str, Said]
    etag: str = ""
    unchanged: bool = False


Ask = Callable[[str], Answer]
"""Takes the ETag of the last answer. Raises RemoteError."""


class Remote:
    """Asks one source within its budget, and falls back to what it said before."""

    def __init__(
        self, table: RemoteTable, cache: Path, decisions: Decisions, authorization: str, project: Path
    ) -> None:
        self._table = table
        self._cache = cache
        self._decisions = decisions
        self._authorization = authorization
        self._project = project

    @property
    def name(self) -> str:
        """What is asked, for a person."""
        return self._table.url or str(self._path)

    @property
    def _path(self) -> Path:
        path = Path(self._table.path).expanduser()
        return path if path.is_absolute() else self._project / path

    def votes(self, request: FlagRequest, context: Mapping[str, Any]) -> list[FlagVote]:
        """Return what the source says of the flags that it may set, or what it said before."""
        flags = {name: flag for name, flag in request.flags.items() if flag.remote}
        if not flags:
            return []
        sent = {name: context[name] for name in SENT}
        file = self._cache / f"{self._digest(sent)}.json"
        before = read_cache(file)
        try:
            answer = self._within_budget(self._ask(flags, context, sent), before, file)
        except RemoteError as error:
            return list(self._said_before(flags, before, str(error)))
        return [
            FlagVote(
                name, FlagLayer.REMOTE, one.value, self.name, None, one.variant, self._table.kind, one.reason, age=0.0
            )
            for name, one in answer.flags.items()
            if name in flags
        ]

    def _digest(self, sent: Mapping[str, Any]) -> str:
        """Return the name of the cache: for whom, not by which version, which an upgrade changes."""
        text = json.dumps([self._table.kind, self._table.url, self._table.path, sent["targetingKey"], sent["ci"]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _said_before(self, flags: Mapping[str, Flag], before: Cached | None, why: str) -> Iterator[FlagVote]:
        if before is None:
            ignored = f"{why}; it was never reached before, so its flags are as if it did not exist"
            for name in flags:
                yield FlagVote(name, FlagLayer.REMOTE, None, self.name, ignored=ignored)
            return
        rule = f"{self._table.kind}, cached: {why}"
        for name, one in before.flags.items():
            if name in flags:
                yield FlagVote(
                    name,
                    FlagLayer.REMOTE,
                    one.value,
                    self.name,
                    None,
                    one.variant,
                    rule,
                    one.reason,
                    age=before.age,
                    stale=True,
                )

    def _within_budget(self, ask: Ask, before: Cached | None, file: Path) -> Answer:
        """Ask in a thread that is left behind when the budget is spent: a late answer serves the next session."""
        done: list[Answer | RemoteError] = []

        def work() -> None:
            try:
                answer = ask(before.etag if before is not None else "")
                if answer.unchanged:
                    answer = Answer(before.flags if before is not None else {}, answer.etag)
                write_cache(file, answer)
                done.append(answer)
            except RemoteError as error:
                done.append(error)
            except Exception as error:  # a source's answer is somebody's data: whatever it does is its fault
                done.append(RemoteError(f"{self.name} cannot be understood: {error!r}"))

        worker = threading.Thread(target=work, name="pegboard-flags-remote", daemon=True)
        worker.start()
        worker.join(self._table.start_budget_ms / 1e3)
        if not done:
            raise RemoteError(f"{self.name} did not answer within {self._table.start_budget_ms} ms")
        if isinstance(done[0], RemoteError):
            raise done[0]
        return done[0]

    def _ask(self, flags: Mapping[str, Flag], context: Mapping[str, Any], sent: Mapping[str, Any]) -> Ask:
        kind = self._table.kind
        if kind == "ofrep":
            return lambda etag: ask_ofrep(self._table.url, sent, etag, self._authorization)
        if kind == "flagd-file":
            return lambda etag: ask_flagd_file(self._path, context, self._decisions)
        return lambda etag: ask_unleash(
            flags, self._table.url, self._path if self._table.path else None, sent, etag, self._authorization
        )


# --- the cache -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cached:
    """What a source said last, and when."""

    flags: Mapping[str, Said]
    etag: str
    fetched_at: float

    @property
    def age(self) -> float | None:
        """Seconds since then; None where the clock was set back meanwhile, so that nobody knows."""
        age = time.time() - self.fetched_at
        return age if age >= 0 else None


def read_cache(file: Path) -> Cached | None:
    """Return what was kept; None where there is nothing, or nothing whole."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        flags = {name: Said(one["value"], one["variant"], one["reason"]) for name, one in raw["flags"].items()}
        return Cached(flags, str(raw["etag"]), float(raw["fetched_at"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_cache(file: Path, answer: Answer) -> None:
    """Keep an answer. A disk that does not take it costs only the cache."""
    from pegboard.errors import SettingsError
    from pegboard.settings_writing import write_whole

    flags = {
        name: {"value": one.value, "variant": one.variant, "reason": one.reason} for name, one in answer.flags.items()
    }
    text = json.dumps({"flags": flags, "etag": answer.etag, "fetched_at": time.time()}, indent=1, sort_keys=True)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(file, text)
    except (SettingsError, OSError):
        return


# --- the sources ---------------------------------------------------------------------------------------


def fetch(url: str, *, body: bytes | None, etag: str, authorization: str) -> tuple[bytes | None, str]:
    """Return a body and its ETag; None for one that has not changed. Raises RemoteError."""
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"Accept": "application/json", **({"If-None-Match": etag} if etag else {})}
    headers |= {"Content-Type": "application/json"} if body is not None else {}
    headers |= {"Authorization": authorization} if authorization else {}
    if not url.startswith(("http://", "https://")):
        raise RemoteError(f"{url!r} is no http:// or https:// address")
    try:
        with urlopen(Request(url, data=body, headers=headers), timeout=10) as answer:
            found = answer.read(LARGEST + 1)
            length = answer.headers.get("Content-Length")
            if len(found) > LARGEST:
                raise RemoteError(f"{url} answered more than {LARGEST >> 20} MB")
            if length is not None and int(length) != len(found):
                raise RemoteError(f"{url} broke off: {len(found)} of {length} bytes came")
            return found, answer.headers.get("ETag") or ""
    except HTTPError as error:
        if error.code == 304:
            return None, etag
        raise RemoteError(f"{url} answered {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise RemoteError(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None


def parsed(body: bytes, url: str) -> dict[str, Any]:
    """Return an answer's object. Raises RemoteError."""
    try:
        found = json.loads(body)
    except ValueError as wrong:
        raise RemoteError(f"{url} answered what is no JSON: {wrong}") from None
    if not isinstance(found, dict):
        raise RemoteError(f"{url} answered no object")
    return found


def ask_ofrep(url: str, sent: Mapping[str, Any], etag: str, authorization: str) -> Answer:
    """Ask for all flags at once: OFREP's bulk evaluation. Raises RemoteError."""
    where = f"{url.rstrip('/')}/ofrep/v1/evaluate/flags"
    body, fresh = fetch(where, body=json.dumps({"context": sent}).encode(), etag=etag, authorization=authorization)
    if body is None:
        return Answer({}, fresh, unchanged=True)
    flags = parsed(body, where).get("flags")
    if not isinstance(flags, list):
        raise RemoteError(f"{where} answered without flags")
    found = {}
    for one in flags:
        if isinstance(one, dict) and isinstance(one.get("key"), str) and "value" in one:
            found[one["key"]] = Said(one["value"], str(one.get("variant") or ""), str(one.get("reason") or ""))
    return Answer(found, fresh)


def ask_flagd_file(path: Path, context: Mapping[str, Any], decisions: Decisions) -> Answer:
    """Evaluate a flagd definition here. Raises RemoteError."""
    from pegboard_builtins.flags.exchanging import from_flagd

    try:
        content = path.read_bytes()
    except OSError as error:
        raise RemoteError(f"{path} cannot be read: {error.strerror}") from None
    try:
        flags = from_flagd(parsed(content, str(path)))
    except RemoteError:
        raise
    except PegboardError as wrong:
        raise RemoteError(f"{path} is no flagd definition: {wrong}") from None
    found = {}
    for flag in flags:
        if flag.disabled:
            continue
        if flag.targeting is None:
            if not flag.undecided:
                found[flag.name] = Said(flag.default, flag.variant, "STATIC")
            continue
        try:
            match = decisions.decide(flag, flag.targeting, context)
        except RuleError as wrong:
            raise RemoteError(str(wrong)) from None
        if match is not None:
            found[flag.name] = Said(match.value, match.variant, "TARGETING_MATCH")
        elif not flag.undecided:
            found[flag.name] = Said(flag.default, flag.variant, "DEFAULT")
    return Answer(found)


def ask_unleash(
    flags: Mapping[str, Flag], url: str, path: Path | None, sent: Mapping[str, Any], etag: str, authorization: str
) -> Answer:
    """Evaluate an Unleash server's toggles, or a file with its state, here. Raises RemoteError."""
    try:
        from yggdrasil_engine.engine import UnleashEngine
    except ImportError:
        raise RemoteError(f"Unleash cannot be evaluated without an extra: {UNLEASH_EXTRA}") from None
    fresh = ""
    if path is not None:
        try:
            state: bytes | None = path.read_bytes()
        except OSError as error:
            raise RemoteError(f"{path} cannot be read: {error.strerror}") from None
    else:
        state, fresh = fetch(f"{url.rstrip('/')}/client/features", body=None, etag=etag, authorization=authorization)
        if state is None:
            return Answer({}, fresh, unchanged=True)
    where = str(path or url)
    assert state is not None  # a file that is there, or a body
    parsed(state, where)
    engine = UnleashEngine()
    engine.take_state(state.decode())
    asked = {
        "userId": str(sent["targetingKey"]),
        "appName": "pegboard",
        "properties": {name: str(value).lower() for name, value in sent.items() if name != "targetingKey"},
    }
    found = {}
    for name, flag in flags.items():
        one = _of_unleash(engine, flag, asked)
        if one is not None:
            found[name] = one
    return Answer(found, fresh)


def _of_unleash(engine: Any, flag: Flag, asked: Mapping[str, Any]) -> Said | None:
    """Return a toggle's word on a flag: on or off for a boolean, else the payload of its variant."""
    toggle = engine.check_enabled(flag.name, dict(asked))
    if not toggle.is_found:
        return None
    if type(flag.default) is bool:
        return Said(toggle.is_enabled, "on" if toggle.is_enabled else "off", "TARGETING_MATCH")
    variant = engine.check_variant(flag.name, dict(asked)).variant
    if not toggle.is_enabled or not variant.enabled or not variant.payload:
        return None
    text = str(variant.payload.get("value", ""))
    try:
        value: Any = flag.parse(text)
    except FlagError:
        value = text  # said as it is, so that whoever checks it tells what is wrong
    return Said(value, str(variant.name), "TARGETING_MATCH")
