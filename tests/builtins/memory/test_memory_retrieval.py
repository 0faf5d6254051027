"""What was said long ago is found, in a conversation generated with its answers and not made to suit the index."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pegboard_builtins.memory.events import Event
from pegboard_builtins.memory.opened import Opened

spec = importlib.util.spec_from_file_location("conversation", Path(__file__).parents[3] / "bench" / "conversation.py")
assert spec is not None
assert spec.loader is not None
generated = importlib.util.module_from_spec(spec)
sys.modules["conversation"] = generated  # dataclasses look their module up
spec.loader.exec_module(generated)


@pytest.mark.parametrize("seed", [1, 2])
def test_at_least_83_of_100_answers_are_among_ten_hits(seed: int, opened: Opened, count: Callable[[int], int]) -> None:
    turns, questions = generated.conversation(count(25_000), count(400), seed=seed)
    events = [
        Event(
            opened.project,
            turn.text,
            "prompt" if turn.speaker == "user" else "outcome",
            turn.speaker,
            session=turn.session,
        )
        for turn in turns
    ]
    numbers = [
        number for start in range(0, len(events), 500) for number in opened.memory.put(events[start : start + 500])
    ]
    found = 0
    for question in questions:
        hits = opened.memory.search(opened.project, question.text, limit=10, neighbours=1)
        seen = {event.number for hit in hits for event in (hit.event, *hit.neighbours)}
        found += any(numbers[place] in seen for place in question.evidence)
    assert found / len(questions) >= 0.83, f"{found} of {len(questions)}"
