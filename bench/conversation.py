"""A long conversation about a project, generated, with questions whose answers are known. Standard library only."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

_FIRST = """
    ledger quota invoice session tenant audit search image mail price stock route token event media form chart export
    import billing payment refund catalog profile consent schedule device sensor archive report
"""
_SECOND = """
    sweeper exporter gateway indexer mirror resolver broker planner renderer collector scheduler validator importer
    relay tracker cleaner bridge writer
"""
PARTS = [f"{one} {other}" for one in _FIRST.split() for other in _SECOND.split()]
_PEOPLE = "Aylin Bruno Chidi Dana Emre Farah Goran Hanne Ines Jonas Kaori Leila Milan Noor Oskar Priya Quinn Rosa"
PEOPLE = _PEOPLE.split()


@dataclass(frozen=True)
class Turn:
    """One thing that was said."""

    session: str
    speaker: str
    text: str


@dataclass(frozen=True)
class Question:
    """A question and the places (in the list of turns) of what answers it."""

    text: str
    evidence: tuple[int, ...]


# Each kind of fact: how it is said, how it is said over two turns (the first names it, the second has the answer), how
# it is asked for later, in other words than it was said in, and what the answers look like.
KINDS = (
    (
        ("the {e} listens on {v} now, the old one was taken", "I moved the {e} to port {v} this morning"),
        ("which port did you give the {e} in the end?", "{v}, everything below was taken"),
        ("what port is the {e} reachable on?", "on which port does the {e} listen?"),
        lambda chance: str(chance.randint(3000, 9999)),
    ),
    (
        ("{v} looks after the {e} from now on", "if the {e} breaks please call {v}, nobody else knows it"),
        ("who takes the {e} over when Tom leaves?", "{v} does, we agreed on that yesterday"),
        ("who is responsible for the {e}?", "whom do I call about the {e}?"),
        lambda chance: chance.choice(PEOPLE),
    ),
    (
        ("we decided to rewrite the {e} in {v} next quarter", "the {e} will be ported to {v}, the prototype was good"),
        ("have you made up your mind about a language for the {e}?", "yes, {v}, mostly because of the libraries"),
        ("which language will the {e} be rewritten in?", "what did we decide about porting the {e}?"),
        lambda chance: chance.choice(["Rust", "Go", "Kotlin", "Elixir", "Zig", "Swift", "Scala", "Julia"]),
    ),
    (
        ("the {e} crashes when the {v} file has a byte order mark", "found it: {v} headers make the {e} fall over"),
        ("why does the {e} keep falling over?", "it cannot cope with {v} input, I have filed a ticket"),
        ("what makes the {e} crash?", "why did the {e} fall over?"),
        lambda chance: chance.choice(["CSV", "YAML", "XML", "TOML", "Parquet", "Avro", "JSON"]),
    ),
    (
        ("please never deploy the {e} on a {v}, the batch runs then", "{v} is taboo for releases of the {e}"),
        ("is there a day when the {e} must not be released?", "{v}, because accounting closes the books"),
        ("on which day should the {e} not be deployed?", "when must we not release the {e}?"),
        lambda chance: chance.choice(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Sunday"]),
    ),
    (
        (
            "the timeout of the {e} is {v} seconds, less breaks the upload",
            "I raised the timeout of the {e} to {v} seconds",
        ),
        ("how long does the {e} wait before it gives up?", "{v} seconds since last week"),
        ("how many seconds is the timeout of the {e}?", "how long until the {e} gives up?"),
        lambda chance: str(chance.choice([7, 12, 25, 45, 90, 150, 240])),
    ),
    (
        (
            "secrets of the {e} live in the vault under {v}",
            "the {e} reads its credentials from {v}, not from the environment",
        ),
        ("where do I find the credentials of the {e}?", "under {v}, ask for access first"),
        ("where are the credentials of the {e} kept?", "which path has the secrets for the {e}?"),
        lambda chance: f"kv/{chance.choice(['blue', 'green', 'amber', 'grey'])}/{chance.randint(10, 99)}",
    ),
    (
        ("I prefer small commits for the {e}, {v} lines at most", "keep changes to the {e} under {v} lines please"),
        ("how large may a change to the {e} be?", "{v} lines, otherwise Hanne will not review it"),
        ("how many lines may a commit to the {e} have?", "what is the limit for changes to the {e}?"),
        lambda chance: str(chance.choice([80, 120, 200, 250, 300])),
    ),
)

NAMING = (
    "the build of the {e} is red again, looking into it",
    "I have restarted the {e} and it seems fine",
    "can you review my change to the {e}?",
    "the tests of the {e} take four minutes, half of it is set-up",
    "renamed a few variables in the {e}, nothing else",
    "who changed the {e} last night?",
    "there is a deployment of the {e} waiting",
    "the dashboard of the {e} shows nothing unusual",
    "please add a log line to the {e} where it connects",
    "the {e} and the {f} share a lot of code, we could merge them some day",
    "the {f} depends on the {e}, careful with the release",
    "documentation for the {e} is out of date as always",
    "the {e} fell over for a minute and came back by itself",
    "the release notes for the {e} are ready",
)
GOING_ON = (
    "I will be late today, the train stands still",
    "lunch at half past twelve?",
    "done, all tests pass",
    "thanks, that helped",
    "let us discuss this on Thursday",
    "I do not know yet, let me read the code first",
    "the port of the old machine was closed by the firewall team",
    "the credentials of the test account expired, I asked for new ones",
    "the timeout in the test is too short on the slow runner",
    "{p} is on holiday until Monday",
    "{p} says that the limit was raised for everybody",
    "we should decide about the language of the error messages",
    "now it crashes somewhere else, that is progress",
    "I would rather not release it on a Friday",
    "who is responsible for this file?",
    "try it with a smaller commit",
    "it was rewritten twice already",
    "yes, go ahead",
    "the secrets are not the problem, I checked",
    "wait, the log says something different",
    "on my machine it takes nine seconds",
    "that is the same bug as last month, I think",
)
"""Most of what is said names nothing: it was named before."""


def conversation(turns: int, questions: int, *, seed: int = 1) -> tuple[list[Turn], list[Question]]:
    """Return so many turns and questions. A session is about a few parts; what it settles about them is asked later."""
    chance = random.Random(seed)
    subjects = [(part, kind) for part in PARTS for kind in range(len(KINDS))]
    chance.shuffle(subjects)
    places = sorted(chance.sample(range(turns - 2 * questions), questions))
    open_subjects = subjects[:questions]
    found: list[Turn] = []
    asked: list[Question] = []
    session, topics = 0, chance.sample(PARTS, 3)
    for place in range(turns - 2 * questions):
        if chance.random() < 0.025:
            session, topics = session + 1, chance.sample(PARTS, 3)
        if len(asked) < questions and place == places[len(asked)]:
            part, kind = open_subjects[len(asked)]
            topics = [part, *topics[:2]]
            said = list(_said(part, kind, chance))
            found += [Turn(f"s{session}", speaker, text) for speaker, text in said]
            asked.append(Question(chance.choice(KINDS[kind][2]).format(e=part), (len(found) - 1,)))
        found.append(Turn(f"s{session}", chance.choice(["user", "assistant"]), _chatter(topics, chance)))
    return found, asked


def _said(part: str, kind: int, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Go through the turns that settle something; the last one has the answer."""
    statements, (before, answer), _, value = KINDS[kind]
    said = value(chance)
    if chance.random() < 0.3:  # over two turns: what has the answer does not name what it is about
        yield "assistant", before.format(e=part)
        yield "user", answer.format(v=said)
    else:
        yield chance.choice(["user", "assistant"]), chance.choice(statements).format(e=part, v=said)


def _chatter(topics: list[str], chance: random.Random) -> str:
    e, f = chance.sample(topics, 2)
    said = NAMING if chance.random() < 0.35 else GOING_ON
    return chance.choice(said).format(e=e, f=f, p=chance.choice(PEOPLE))
