"""What a model may do with memory: search, note, and edit facts as files; for the tool and for the MCP server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field

from pegboard.output import clipped
from pegboard.typed import dataclass
from pegboard_builtins.memory.events import Event, Hit, Memory, MemoryFailure
from pegboard_builtins.memory.facts import Fact, name_for, write_fact
from pegboard_builtins.memory.factsfolder import FactsFolder
from pegboard_builtins.memory.fence import Recalled, fenced
from pegboard_builtins.memory.observing import Place
from pegboard_builtins.memory.origins import AUTOMATIC, joined, least
from pegboard_builtins.memory.patches import Edit, Patches, Run, now
from pegboard_builtins.memory.recall import recalled_event, recalled_fact
from pegboard_builtins.memory.subject_words import informative

COMMANDS = ("search", "note", "view", "create", "str_replace", "insert", "delete", "rename")
LONGEST_ANSWER = 16_000
MOST_HITS = 50


class NotebookError(MemoryFailure):
    """A command that cannot be carried out; the model reads why."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and the labels of what is quoted in it."""

    text: str
    labels: tuple[str, ...] = ()


@dataclass
class Notebook:
    """One session's way to a project's memory. Its methods block; texts come without secrets and names already.

    `labels` says what labels a text has that was written here.
    """

    memory: Memory
    place: Place
    facts: FactsFolder
    labels: Callable[[str], tuple[str, ...]] = field(default=lambda text: ("tool",))
    by: str = "tool"

    # --- reading -------------------------------------------------------------------------------------------

    def search(self, query: str, limit: int = 10) -> Said:
        """Find facts and events; what is not the user's or the model's own is there too, with its origin."""
        if not query.strip():
            raise NotebookError("say what to search for: `query`")
        limit = max(1, min(limit, MOST_HITS))
        self._settle()
        asked = informative(query)
        facts = [fact for fact in self.facts.all() if asked & informative(f"{fact.subject} {fact.name} {fact.text}")]
        facts.sort(key=lambda fact: (-len(asked & informative(f"{fact.subject} {fact.text}")), fact.name))
        hits = self.memory.search(self.place.project, query, limit=limit, neighbours=1, worktree=self.place.worktree)
        items = [recalled_fact(fact, "fact" if fact.state != "waiting" else "not approved") for fact in facts[:limit]]
        items += _with_neighbours(hits)
        if not items:
            return Said("Nothing was found. Try other words; every word counts by itself.")
        return Said(_cut(fenced(items, self.place.session)), joined(*(item.origins for item in items)))

    def view(self, path: str = "", lines: Sequence[int] = ()) -> Said:
        """List all facts, or show one with line numbers; *lines* is the first and the last, -1 for the end."""
        self._settle()
        if path.strip("/ ") in ("", "memories", "facts"):
            return self._listed()
        fact = self.facts.get(path)
        rows = fact.text.split("\n")
        first, last = _range(lines, len(rows))
        body = "\n".join(f"{place:>4}  {row}" for place, row in enumerate(rows[first - 1 : last], first))
        return Said(_cut(f"{fact.name} ({'/'.join(fact.labels)}, {fact.state}):\n{body}"), fact.labels)

    def _listed(self) -> Said:
        facts = self.facts.all()
        if not facts:
            return Said("There are no facts yet. `create` writes one; `note` keeps an observation.")
        rows = [f"- {fact.name} ({fact.state}): {_first_line(fact.text)}" for fact in facts]
        return Said(_cut("\n".join(rows)), joined(*(fact.labels for fact in facts)))

    # --- writing -------------------------------------------------------------------------------------------

    def note(self, text: str, subject: str = "") -> Said:
        """Keep an observation; consolidation makes a fact of it."""
        if not text.strip():
            raise NotebookError("say what to note: `text`")
        labels = self.labels(text)
        number = self._put(text, labels, {"subject": subject} if subject else {})
        origin = least(labels)
        waits = "" if origin in AUTOMATIC else f" It is from {origin}, so it waits for approval."
        return Said(f"Noted as #{number}.{waits}" if number else f"Noted.{waits}")

    def create(self, path: str, text: str, subject: str = "") -> Said:
        """Write a new fact."""
        if not text.strip():
            raise NotebookError("say what the fact is: `text`")
        self._settle()
        name = self.facts.name_of(self.facts.path_of(path)) if path else name_for(subject, text, self.facts.names())
        if self.facts.text_of(name) is not None:
            raise NotebookError(f"there is a fact {name!r} already; view it, then use str_replace or insert")
        labels = self.labels(text)
        number = self._put(text, labels, {"fact": name})
        fact = Fact(name, text.strip(), labels, (number,) if number else (), now(), subject)
        self._apply([Edit(name, None, write_fact(fact), "created", fact.cites)])
        return Said(f"Created {name}.{_waiting(fact)}", labels)

    def str_replace(self, path: str, old: str, new: str) -> Said:
        """Replace a text that occurs once in a fact."""
        fact = self._existing(path)
        count = fact.text.count(old) if old else 0
        if count != 1:
            raise NotebookError(
                f"{old!r} occurs {count} times in {fact.name}; give a text that occurs once" if old else "give `old`"
            )
        return self._rewrite(fact, fact.text.replace(old, new), new, "str_replace")

    def insert(self, path: str, line: int, text: str) -> Said:
        """Insert text behind a line of a fact; 0 is the beginning."""
        fact = self._existing(path)
        rows = fact.text.split("\n")
        if not 0 <= line <= len(rows):
            raise NotebookError(f"{fact.name} has {len(rows)} lines; `line` must be from 0 to {len(rows)}, not {line}")
        return self._rewrite(fact, "\n".join([*rows[:line], *text.split("\n"), *rows[line:]]), text, "insert")

    def delete(self, path: str) -> Said:
        """Take a fact away; what was observed stays, and the run can be reverted."""
        fact = self._existing(path)
        run = self._apply([Edit(fact.name, self.facts.text_of(fact.name), None, "deleted", fact.cites)])
        return Said(f"Deleted {fact.name} (run {run.id}).")

    def rename(self, path: str, new: str) -> Said:
        """Give a fact another name."""
        fact = self._existing(path)
        name = self.facts.name_of(self.facts.path_of(new))
        if self.facts.text_of(name) is not None:
            raise NotebookError(f"there is a fact {name!r} already")
        text = self.facts.text_of(fact.name)
        self._apply(
            [
                Edit(fact.name, text, None, f"renamed to {name}", fact.cites),
                Edit(name, None, write_fact(fact), f"was {fact.name}", fact.cites),
            ]
        )
        return Said(f"Renamed {fact.name} to {name}.")

    def _existing(self, path: str) -> Fact:
        self._settle()
        if not path.strip():
            raise NotebookError("say which fact: `path`")
        return self.facts.get(path)

    def _rewrite(self, fact: Fact, text: str, added: str, command: str) -> Said:
        if not text.strip():
            raise NotebookError(f"nothing would be left of {fact.name}; delete it instead")
        labels = self.labels(added) if added.strip() else self.labels("")
        number = self._put(text, joined(labels, fact.labels), {"fact": fact.name})
        new = fact.grown(joined(labels, fact.labels), [number] if number else [], text=text.strip(), at=now())
        self._apply([Edit(fact.name, self.facts.text_of(fact.name), write_fact(new), command, new.cites)])
        return Said(f"Changed {fact.name}.{_waiting(new)}", new.labels)

    def _put(self, text: str, labels: tuple[str, ...], meta: dict[str, object]) -> int:
        event = Event(
            project=self.place.project,
            text=text,
            kind="note",
            origin=least(labels),
            session=self.place.session,
            worktree=self.place.worktree,
            meta={**meta, "by": self.by, **({"labels": list(labels)} if len(labels) > 1 else {})},
        )
        return self.memory.put([event])[0]

    def _apply(self, edits: Sequence[Edit]) -> Run:
        return Patches(self.facts).apply(edits, by=self.by, session=self.place.session)

    def _settle(self) -> None:
        Patches(self.facts).settle()


def _waiting(fact: Fact) -> str:
    if fact.state != "waiting":
        return ""
    return f" It is from {least(fact.labels)}, so it waits: `pegboard memory facts approve {fact.name}`."


def _with_neighbours(hits: Iterable[Hit]) -> list[Recalled]:
    """Return hits with those around them, none twice."""
    items, seen = [], set()
    for hit in hits:
        around = sorted([hit.event, *hit.neighbours], key=lambda one: one.number)
        for event in around:
            if event.number not in seen:
                seen.add(event.number)
                items.append(recalled_event(event))
    return items


def _range(lines: Sequence[int], count: int) -> tuple[int, int]:
    if not lines:
        return 1, count
    if len(lines) != 2 or lines[0] < 1 or (lines[1] != -1 and lines[1] < lines[0]):
        raise NotebookError(f"`lines` are the first and the last, such as [1, {count}]; -1 is the end")
    return lines[0], count if lines[1] == -1 else lines[1]


def _first_line(text: str) -> str:
    return clipped(text.strip().partition("\n")[0], 120)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_ANSWER else text[:LONGEST_ANSWER] + "\n… (cut; ask for less)"
