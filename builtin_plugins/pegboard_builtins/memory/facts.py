"""A fact: a Markdown file with a head that says where it is from and which events it stands on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pegboard.errors import did_you_mean
from pegboard_builtins.memory.events import MemoryFailure
from pegboard_builtins.memory.origins import TRUSTED_FIRST, is_automatic, joined

FENCE = "+++"
LARGEST = 65_536
"""Bytes of one fact's file."""
HEAD = ("origins", "cites", "at", "subject", "approved", "pinned", "superseded_by")
_PLAIN = re.compile(r"[^a-z0-9]+")


class FactError(MemoryFailure):
    """A file of facts says something that cannot be."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        self.path = path
        self.line = line
        super().__init__(f"{path}:{line}: {problem}")


@dataclass(frozen=True, slots=True)
class Fact:
    """Something worth knowing beyond one session.

    `name` is its file's, without `.md`; `origins` are labels that only grow; `cites` are numbers of events.
    `approved` says that a person took it in although its origins alone would not do. `believed` is False where the
    file is not as Pegboard wrote it and lies where others write too: then its head proves nothing.
    """

    name: str
    text: str
    origins: tuple[str, ...] = ("user",)
    cites: tuple[int, ...] = ()
    at: str = ""
    subject: str = ""
    approved: bool = False
    pinned: bool = False
    superseded_by: str = ""
    believed: bool = True

    @property
    def labels(self) -> tuple[str, ...]:
        """The origins that count: what was not written here is at most as good as the repository it came with."""
        return self.origins if self.believed else joined(self.origins, ("repository",))

    def is_automatic(self, allowed: Iterable[str]) -> bool:
        """Whether it may come into prompts by itself."""
        if self.superseded_by:
            return False
        return (self.approved and self.believed) or is_automatic(self.labels, allowed)

    @property
    def state(self) -> str:
        """What becomes of it: superseded, approved, waiting for somebody to approve it, or active."""
        if self.superseded_by:
            return "superseded"
        if self.approved and self.believed:
            return "approved"
        return "active" if is_automatic(self.labels) else "waiting"

    def grown(self, labels: Iterable[str] = (), cites: Iterable[int] = (), **changes: Any) -> Fact:
        """Return a changed fact with more origins and events; an approval holds only as long as the text does."""
        new = replace(self, origins=joined(self.origins, labels), cites=tuple(sorted({*self.cites, *cites})), **changes)
        return replace(new, approved=False) if new.text != self.text and "approved" not in changes else new


def write_fact(fact: Fact) -> str:
    """Return the file of a fact."""
    head = [f"origins = {_list(fact.origins)}", f"cites = {_list(fact.cites)}"]
    head += [f"{key} = {_string(value)}" for key in ("at", "subject", "superseded_by") if (value := getattr(fact, key))]
    head += [f"{key} = true" for key in ("approved", "pinned") if getattr(fact, key)]
    return "\n".join([FENCE, *head, FENCE, "", fact.text.strip(), ""])


def read_fact(text: str, path: Path, *, name: str = "", believed: bool = True) -> Fact:
    """Build a fact of its file's text; a file without a head is the words of who wrote it. Raises FactError."""
    name = name or path.stem
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    if not text.startswith(FENCE + "\n"):
        return _with_text(Fact(name, text.strip(), believed=believed), path, 1)
    head, fence, body = text[len(FENCE) + 1 :].partition(f"\n{FENCE}\n")
    if not fence:
        raise FactError(path, 1, f"the head that begins here does not end: a line {FENCE!r} is missing")
    import tomllib  # compiles its patterns; most projects have no facts

    try:
        said = tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:  # of the standard library: the daemon, too, reads facts when it forgets
        told, _, where = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", where)
        last = head.count("\n") + 1
        raise FactError(path, (int(line[1]) if line else last) + 1, f"the head is no TOML: {told}") from None
    facts = {key: _checked(key, value, head, path) for key, value in said.items()}
    return _with_text(Fact(name, body.strip(), believed=believed, **facts), path, head.count("\n") + 3)


def _with_text(fact: Fact, path: Path, line: int) -> Fact:
    if not fact.text:
        raise FactError(path, line, "there is no text; say what is to be known, or delete the file")
    return fact


def _checked(key: str, value: Any, head: str, path: Path) -> Any:
    line = next((n for n, one in enumerate(head.split("\n"), 2) if one.split("=")[0].strip() == key), 2)
    if key not in HEAD:
        raise FactError(
            path, line, f"{key!r} is no key of a fact.{did_you_mean(key, HEAD)} There are: " + ", ".join(HEAD)
        )
    if key in ("approved", "pinned"):
        right = isinstance(value, bool)
    elif key == "cites":
        right = isinstance(value, list) and all(type(one) is int and one > 0 for one in value)
    elif key == "origins":
        right = isinstance(value, list) and bool(value) and all(one in TRUSTED_FIRST for one in value)
    else:
        value = str(value) if key == "at" else value
        right = isinstance(value, str)
    if not right:
        wanted = {
            "cites": "a list of numbers of events",
            "origins": f"a list of some of {', '.join(TRUSTED_FIRST)}",
            "approved": "true or false",
            "pinned": "true or false",
        }.get(key, "a text")
        raise FactError(path, line, f"{key} must be {wanted}, not {value!r}")
    return tuple(value) if isinstance(value, list) else value


def digest_of(text: str) -> str:
    """Return what a file's text is known by, whatever git did to its line ends."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")).hexdigest()


def name_for(subject: str, text: str, taken: Iterable[str] = ()) -> str:
    """Return a free name that tells what a fact is about."""
    words = _PLAIN.sub("-", (subject or text).lower()).strip("-").split("-")
    base = "-".join(word for word in words[:6])[:48].strip("-") or "fact"
    name, taken = base, set(taken)
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    size = 4
    while name in taken:
        name = f"{base}-{digits[:size]}"
        size += 4
    return name


def _list(values: Sequence[object]) -> str:
    return "[" + ", ".join(_string(one) if isinstance(one, str) else str(one) for one in values) + "]"


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
