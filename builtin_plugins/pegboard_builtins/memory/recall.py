"""What is recalled into a prompt: what may come by itself and fits best, once, in a stable order, in a budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pegboard_builtins.memory.events import Event, Hit
from pegboard_builtins.memory.facts import Fact
from pegboard_builtins.memory.fence import HEAD_TOKENS, Recalled
from pegboard_builtins.memory.origins import AUTOMATIC, is_automatic, labels_in
from pegboard_builtins.memory.patches import age_days
from pegboard_builtins.memory.simhash import same
from pegboard_builtins.memory.subject_words import informative
from pegboard_builtins.memory.uses import NEVER, Use

HALF_LIFE_DAYS = 60.0
"""After so many days without use a fact counts half."""
OBSERVATIONS = 3
"""Events of earlier sessions that come with one prompt, at most."""
OBSERVATION_CHARACTERS = 400
AUTOMATIC_KINDS = ("prompt", "outcome", "note")


@dataclass(frozen=True, slots=True)
class Weighed:
    """What became of one candidate: `kept`, or the reason why not."""

    item: Recalled
    score: float
    kept: bool
    reason: str


@dataclass
class Recall:
    """What is recalled, and about everything that was considered why or why not."""

    weighed: list[Weighed] = field(default_factory=list)

    @property
    def items(self) -> list[Recalled]:
        """What is recalled, in order."""
        return [one.item for one in self.weighed if one.kept]

    @property
    def tokens(self) -> int:
        """About how many tokens that is."""
        return sum(item.tokens for item in self.items) + (HEAD_TOKENS if self.items else 0)


@dataclass(frozen=True, slots=True)
class Rules:
    """How much, and of which origins."""

    budget_tokens: int
    allowed: Collection[str] = AUTOMATIC


def recalled_fact(fact: Fact, note: str = "") -> Recalled:
    """Return how a fact is recalled."""
    return Recalled(fact.name, fact.text, fact.origins, fact.at, note)


def recalled_event(event: Event) -> Recalled:
    """Return how an event is recalled: cut, with its number."""
    text = event.text.strip()
    if len(text) > OBSERVATION_CHARACTERS:
        text = text[:OBSERVATION_CHARACTERS].rsplit(" ", 1)[0] + " …"
    at = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d") if event.at else ""
    return Recalled(f"#{event.number}", text, labels_in(event.meta, event.origin), at, event.kind)


def standing(fact: Fact, uses: Mapping[str, Use], *, clock: float | None = None) -> float:
    """Return how much a fact counts: less the longer it was not used, more the oftener it was."""
    count, last = uses.get(fact.name, NEVER)
    days = age_days(last or fact.at, clock=clock)
    return float(0.5 ** (days / HALF_LIFE_DAYS) * (1.0 + math.log1p(count) / 4))


def for_session(facts: Iterable[Fact], rules: Rules, uses: Mapping[str, Use], *, clock: float | None = None) -> Recall:
    """Choose what every prompt of a session is told: pinned facts first, then those that count most."""
    candidates = [(fact, standing(fact, uses, clock=clock)) for fact in facts]
    candidates.sort(key=lambda one: (not one[0].pinned, -one[1], one[0].name))
    return _fill(candidates, rules, order_by_name=True)


def for_prompt(
    prompt: str,
    facts: Sequence[Fact],
    hits: Iterable[Hit],
    rules: Rules,
    *,
    shown: Collection[str] = (),
    session: str = "",
    clock: float | None = None,
) -> Recall:
    """Choose what one prompt is told beside: facts and earlier events that are about the same, none shown before."""
    asked = informative(prompt)
    candidates = [(fact, score) for fact, score in _fitting(asked, facts) if fact.name not in shown]
    recall = _fill(candidates, rules, order_by_name=False)
    left = rules.budget_tokens - (recall.tokens or HEAD_TOKENS)
    texts = [prompt, *(fact.text for fact in facts)]
    count = 0
    for hit in hits:
        item = recalled_event(hit.event)
        reason = _objection(hit.event, asked, texts, rules, shown=shown, session=session)
        if not reason and count >= OBSERVATIONS:
            reason = f"{OBSERVATIONS} are enough"
        if not reason and item.tokens > left:
            reason = "the budget is spent"
        if not reason:
            left -= item.tokens
            count += 1
            texts.append(hit.event.text)
        recall.weighed.append(Weighed(item, hit.score, not reason, reason or "about the same"))
    return recall


def _fitting(asked: set[str], facts: Sequence[Fact]) -> list[tuple[Fact, float]]:
    """Return the facts that share enough with what is asked, the best first."""
    about = [informative(f"{fact.subject} {fact.name} {fact.text}") for fact in facts]
    counts = Counter(word for words in about for word in words)
    found = []
    for fact, words in zip(facts, about, strict=True):
        common = asked & words
        if len(common) >= min(2, len(asked)) and common:
            score = sum(math.log(1 + len(facts) / counts[word]) for word in common) / math.sqrt(len(words))
            found.append((fact, score))
    return sorted(found, key=lambda one: (-one[1], one[0].name))


def _objection(
    event: Event, asked: set[str], texts: Sequence[str], rules: Rules, *, shown: Collection[str], session: str
) -> str:
    """Return why an event may not come by itself; empty if it may."""
    if not is_automatic(labels_in(event.meta, event.origin), rules.allowed):
        return f"it is from {event.origin}"
    if event.kind not in AUTOMATIC_KINDS:
        return f"{event.kind} does not come by itself"
    if session and event.session == session:
        return "it is of this session"
    if f"#{event.number}" in shown:
        return "it was shown already"
    if any(same(event.text, text) for text in texts):
        return "something that says the same is there"
    common = asked & informative(event.text)
    if len(common) < 2 or len(common) < len(asked) / 4:
        return "it shares too few words"
    return ""


def _fill(candidates: Sequence[tuple[Fact, float]], rules: Rules, *, order_by_name: bool) -> Recall:
    left = rules.budget_tokens - HEAD_TOKENS
    kept: list[Weighed] = []
    out: list[Weighed] = []
    newest = _newest_by_subject([fact for fact, _ in candidates if fact.is_automatic(rules.allowed)])
    for fact, score in candidates:
        item = recalled_fact(fact, _contradicts(fact, newest, candidates))
        reason = _fact_objection(fact, rules, newest, [one.item for one in kept])
        if not reason and item.tokens > left:
            reason = "the budget is spent"
        if reason:
            out.append(Weighed(item, score, False, reason))
        else:
            left -= item.tokens
            kept.append(Weighed(item, score, True, "pinned" if fact.pinned else "it counts enough"))
    if order_by_name:
        kept.sort(key=lambda one: one.item.id)
    return Recall([*kept, *out])


def _fact_objection(fact: Fact, rules: Rules, newest: Mapping[str, Fact], kept: Sequence[Recalled]) -> str:
    if fact.superseded_by:
        return f"superseded by {fact.superseded_by}"
    if not fact.is_automatic(rules.allowed):
        why = "" if fact.believed else ", written by somebody else"
        return f"it is from {'/'.join(fact.labels)}{why}; `pegboard memory facts approve {fact.name}` takes it in"
    winner = newest.get(fact.subject.lower(), fact) if fact.subject else fact
    if winner is not fact:
        return f"{winner.name} is newer and about the same"
    if any(same(fact.text, other.text) for other in kept):
        return "another says the same"
    return ""


def _newest_by_subject(facts: Iterable[Fact]) -> dict[str, Fact]:
    newest: dict[str, Fact] = {}
    for fact in facts:
        key = fact.subject.lower()
        if key and (key not in newest or (fact.at, fact.name) > (newest[key].at, newest[key].name)):
            newest[key] = fact
    return newest


def _contradicts(fact: Fact, newest: Mapping[str, Fact], candidates: Sequence[tuple[Fact, float]]) -> str:
    key = fact.subject.lower()
    if not key or newest.get(key) is not fact:
        return ""
    others = [one.name for one, _ in candidates if one is not fact and one.subject.lower() == key]
    return f"newer than {', '.join(sorted(others))}" if others else ""
