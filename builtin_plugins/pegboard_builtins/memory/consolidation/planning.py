"""Facts from events without a model: notes taken in, the same said once, the older put aside, the rest capped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.facts import Fact, digest_of, name_for, write_fact
from pegboard_builtins.memory.origins import TRUSTED_FIRST, labels_in, least
from pegboard_builtins.memory.patches import Edit, age_days
from pegboard_builtins.memory.recall import standing
from pegboard_builtins.memory.simhash import alike, nearest, simhash
from pegboard_builtins.memory.uses import NEVER, Use

LONGEST = 2_000
"""Characters of a note that becomes a fact; what is longer is a document, not a fact."""
TRUSTED = TRUSTED_FIRST.index("assistant")
SUPERSEDED_DAYS = 30.0
"""So long a fact that another has replaced is kept beside it."""
ASKED = re.compile(
    r"(?is)^\s*(?:please[,\s]+)?(?:remember|note|keep in mind|don'?t forget|merk dir)"
    r"(?:\s+for\s+(?:later|next time))?\s*(?:(?:,?\s*(?:that|this|dass))?\s*:?\s+|:\s*)(?P<what>\S.{5,})$"
)
"""A prompt that asks for something to be remembered."""
_NO_SUBJECT = """
    todo fixme warning caution attention careful beware important tip hint reminder fyi ps idea question answer update
    info decision rule example problem reason result see
"""
NO_SUBJECT = frozenset(_NO_SUBJECT.split())
"""What stands before a colon and says nothing of what the rest is about: two such texts do not replace each other."""
_SUBJECT = re.compile(r"^(?:the |our |my )?([\w][\w /.-]{1,40}?)\s*(?::|=)\s+\S", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caps:
    """How many facts there may be, and how long one may lie unused."""

    facts: int = 200
    unused_days: float = 180.0


@dataclass
class Workbench:
    """The facts while they are worked on: as they were, as they will be, and why each one changes."""

    texts: Mapping[str, str]
    facts: dict[str, Fact]
    why: dict[str, str] = field(default_factory=dict)
    gone: dict[str, Fact] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def put(self, fact: Fact, why: str) -> None:
        """Set a fact down."""
        self.facts[fact.name] = fact
        self.why[fact.name] = why

    def take(self, name: str, why: str) -> None:
        """Take a fact away."""
        self.gone[name] = self.facts.pop(name)
        self.why[name] = why

    def free_name(self, subject: str, text: str) -> str:
        """Return a name that no file has."""
        return name_for(subject, text, {*self.texts, *self.facts, *self.gone})

    def edits(self) -> list[Edit]:
        """Return the difference to what there was, by name; nothing is done yet."""
        edits = []
        for name, why in sorted(self.why.items()):
            fact = self.facts.get(name)
            before, after = self.texts.get(name), write_fact(fact) if fact is not None else None
            if before != after:
                cites = (fact or self.gone[name]).cites
                edits.append(Edit(name, before, after, why, cites))
        return edits


def plan(
    facts: Iterable[Fact],
    texts: Mapping[str, str],
    events: Sequence[Event],
    *,
    uses: Mapping[str, Use],
    rejected: Mapping[str, str],
    caps: Caps = Caps(),
    clock: float | None = None,
) -> Workbench:
    """Return the bench after these events. *texts* are the files; *rejected* the digests of texts."""
    bench = Workbench(texts, {fact.name: fact for fact in facts})
    for event in events:
        said = candidate(event)
        if said is not None:
            take_in(bench, said, event, rejected)
    _merge(bench)
    _age(bench, uses, caps, clock)
    return bench


def candidate(event: Event) -> Fact | None:
    """Return the fact that an event asks for: a note, or the words of a prompt that says "remember"; else None."""
    asked = ASKED.match(event.text)
    if event.kind == "note" and not event.meta.get("fact"):
        text = (asked["what"] if asked else event.text).strip()
    elif event.kind == "prompt" and asked:
        text = asked["what"].strip()
    else:
        return None
    if not text or len(text) > LONGEST:
        return None
    subject = event.meta.get("subject")
    at = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if event.at else ""
    return Fact(
        "",
        text,
        labels_in(event.meta, event.origin),
        (event.number,),
        at,
        subject.strip() if isinstance(subject, str) and subject.strip() else subject_of(text),
    )


def subject_of(text: str) -> str:
    """Return what a text of the form `deploy target: staging` is about; empty for any other."""
    found = _SUBJECT.match(text)
    subject = found[1].strip().lower() if found and "://" not in text[: found.end() + 2] else ""
    return "" if subject in NO_SUBJECT else subject


def take_in(bench: Workbench, new: Fact, event: Event, rejected: Mapping[str, str]) -> None:
    """Set a new fact down, or see that it is there already."""
    if digest_of(" ".join(new.text.split())) in rejected:
        bench.dropped.append(f"#{event.number}: a person rejected this")
        return
    said = says_the_same(bench, new)
    if said is not None:
        old = bench.facts[said]
        if rank_of(new) == rank_of(old):
            bench.put(old.grown((), new.cites), f"#{event.number} says it again")
            return
        if rank_of(new) > rank_of(old):
            bench.dropped.append(f"#{event.number}: {said} says the same and is more trusted")
            return
        bench.take(said, f"#{event.number} says the same and is more trusted")
    _set_down(bench, new, event)


def says_the_same(bench: Workbench, new: Fact) -> str | None:
    """Return the name of a fact that says the same; None if none does."""
    counts = (one for one in bench.facts.values() if not one.superseded_by)
    return nearest(new.text, ((one.name, simhash(one.text), one.text) for one in counts))


def _set_down(bench: Workbench, new: Fact, event: Event) -> None:
    name = bench.free_name(new.subject, new.text)
    if new.subject:
        for old in list(bench.facts.values()):
            if old.subject.lower() != new.subject.lower() or old.superseded_by or old.pinned:
                continue
            if rank_of(new) > rank_of(old):
                bench.dropped.append(f"#{event.number}: it does not supersede {old.name}, which is more trusted")
                continue
            approved = old.approved
            bench.put(old.grown(superseded_by=name, approved=approved), f"#{event.number} is newer and about the same")
    bench.put(Fact(name, new.text, new.origins, new.cites, new.at, new.subject), f"#{event.number} is new")


def rank_of(fact: Fact) -> int:
    """Return how little a fact is trusted; what a person approved is the person's."""
    return 0 if fact.approved and fact.believed else TRUSTED_FIRST.index(least(fact.labels))


def _merge(bench: Workbench) -> None:
    """Say once what two facts of the same trust say."""
    kept: list[tuple[int, Fact]] = []
    for fact in sorted(bench.facts.values(), key=lambda one: (not one.pinned, one.at, one.name)):
        if fact.superseded_by:
            continue
        rank = rank_of(fact)
        twin = next((one for other, one in kept if other == rank and alike(one.text, fact.text)), None)
        if twin is None or fact.pinned:
            kept.append((rank, fact))
            continue
        grown = bench.facts[twin.name].grown(fact.origins, fact.cites)
        bench.put(grown, f"{fact.name} says the same")
        bench.take(fact.name, f"{twin.name} says the same")


def _age(bench: Workbench, uses: Mapping[str, Use], caps: Caps, clock: float | None) -> None:
    """Take away what was superseded or unused for long, then what counts least beyond the cap."""
    for fact in list(bench.facts.values()):
        if fact.pinned:
            continue
        last = uses.get(fact.name, NEVER).last
        if fact.superseded_by and age_days(fact.at, clock=clock) > SUPERSEDED_DAYS:
            bench.take(fact.name, f"{fact.superseded_by} took its place long ago")
        elif age_days(last or fact.at, clock=clock) > caps.unused_days:
            bench.take(fact.name, f"it was not used for {caps.unused_days:g} days")
    beyond = len(bench.facts) - caps.facts
    if beyond > 0:
        loose = [fact for fact in bench.facts.values() if not fact.pinned]
        # What waits goes first, or whoever floods a project with it would push out what is trusted.
        loose.sort(key=lambda one: (rank_of(one) <= TRUSTED, standing(one, uses, clock=clock), one.name))
        for fact in loose[:beyond]:
            bench.take(fact.name, f"there may be {caps.facts} facts, and it counts least")
