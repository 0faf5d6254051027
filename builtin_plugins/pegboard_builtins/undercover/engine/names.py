"""The confidential names: read from a list, taken apart into words, and shown by keyed ids alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .letters import is_invisible, letters, skeleton

FEWEST = 3
"""Letters that a name must have; fewer would be found everywhere."""
MOST = 256
"""Letters that a name may have."""
ANYWHERE = 8
"""From so many letters on a name counts within longer words too, if it is no part of a dictionary word."""


class NamesError(Exception):
    """A list of names cannot be used. Says where, by line number; never what stands there."""


@dataclass(frozen=True, slots=True, repr=False)
class Name:
    """One name. `exact` says that only its own upper and lower case counts; `group` is its heading in the list.

    `contexts` are phrases such as "project {name}" without which it does not count.
    """

    text: str
    group: str = ""
    exact: bool = False
    contexts: tuple[str, ...] = ()
    id: str = ""

    def __repr__(self) -> str:
        return f"<name {self.id or '?'}>"

    @property
    def phrases(self) -> tuple[str, ...]:
        """What is looked for: the name, or each of its contexts with the name in it."""
        return tuple(context.replace("{name}", self.text) for context in self.contexts) or (self.text,)


def id_of(text: str, key: bytes) -> str:
    """Return how a name is called in public: the same for all its spellings, and useless without the key."""
    digest = hashlib.blake2b(skeleton(text), key=key[:64], digest_size=3).hexdigest()
    return f"name#{digest}"


def read_names(text: str, *, key: bytes) -> list[Name]:
    """Read a list: one name a line, `#` comments, `[group]` headings. Raises NamesError with a line number."""
    found: dict[tuple[str, bytes], Name] = {}
    group = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().lstrip("\ufeff").strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
            continue
        problem = objection(line)
        if problem:
            raise NamesError(f"line {number}: {problem}")
        found.setdefault((group, skeleton(line)), Name(line, group, id=id_of(line, key)))
    return list(found.values())


def objection(text: str) -> str:
    """Return why a text cannot be a name; empty if it can."""
    size = len(skeleton(text))
    if size < FEWEST:
        return f"a name needs {FEWEST} letters or more, and this one has {size}"
    if size > MOST:
        return f"a name may have {MOST} letters, and this one has {size}"
    return ""


# --- words ---------------------------------------------------------------------------------------------

_JOINT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def words_of(text: str) -> list[str]:
    """Return the words of a name: what separators, a change of case, or letters beside digits tell apart."""
    found: list[str] = []
    word = ""
    characters = [one for one in text if not is_invisible(one)]
    for place, one in enumerate(characters):
        if not letters(one):
            found += [word] if word else []
            word = ""
            continue
        if word and _is_joint(word[-1], one, characters[place + 1] if place + 1 < len(characters) else ""):
            found.append(word)
            word = ""
        word += one
    return [*found, word] if word else found


def _is_joint(before: str, here: str, after: str) -> bool:
    if before.isdigit() != here.isdigit():
        return True
    if not here.isupper():
        return False
    return not before.isupper() or after.islower()


# --- patterns ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Pattern:
    """The skeleton of a name as it is looked for.

    `joints` are the places in it where a word begins. `anywhere` says that it counts within longer words too.
    `exact` holds the spellings that count, if only those do.
    """

    skeleton: bytes
    name: Name
    joints: frozenset[int]
    anywhere: bool
    exact: tuple[str, ...] = ()
    dressed: str = ""

    def __repr__(self) -> str:
        return f"<pattern of {self.name!r}>"


def patterns_of(names: Iterable[Name], *, strict: bool) -> list[Pattern]:
    """Return the patterns of names; *strict* adds them reversed and in rot13."""
    from .words import within_words

    raw: list[tuple[Name, str, str]] = []
    for name in names:
        for phrase in name.phrases:
            raw.append((name, phrase, ""))
            if strict:
                raw.append((name, phrase[::-1], "reversed"))
                raw.append((name, _rot13(phrase), "rot13"))
    skeletons = [skeleton(phrase) for _, phrase, _ in raw]
    common = within_words(skeletons)
    made: dict[tuple[bytes, str, bool], Pattern] = {}
    for place, ((name, phrase, dressed), bones) in enumerate(zip(raw, skeletons, strict=True)):
        words = [skeleton(word) for word in words_of(phrase[::-1] if dressed == "reversed" else phrase)]
        if dressed == "reversed":
            words = [skeleton(word[::-1]) for word in reversed(words_of(phrase[::-1]))]
        joints, at = set(), 0
        for word in words[:-1]:
            at += len(word)
            joints.add(at)
        anywhere = not name.exact and _letter_count(phrase) >= ANYWHERE and place not in common
        exact = (phrase,) if name.exact else ()
        endings = (b"",) if anywhere or name.exact or dressed == "reversed" else (b"", b"s")
        for ending in endings:
            key = (bones + ending, dressed, name.exact)
            if key not in made:
                made[key] = Pattern(bones + ending, name, frozenset(joints), anywhere, exact, dressed)
    return list(made.values())


def _letter_count(phrase: str) -> int:
    return sum(1 for one in phrase if letters(one))


def _rot13(text: str) -> str:
    import codecs

    return codecs.encode(text, "rot13")
