"""A session gets the right turn, whatever happened to it: retries, kills, compactions, empty answers, forks."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_talk import Talk

from pegboard.errors import ModelError
from pegboard.messages import Message, TextBlock
from pegboard.records import AssistantLine, Discarded, RequestRecord, ResponseRecord
from pegboard.requests import Purpose
from pegboard_builtins import scripted_model
from pegboard_builtins.scripted_model import playing
from pegboard_builtins.scripted_model.position import answers_in

TEN = [{"text": str(n)} for n in range(10)]


def test_a_request_that_is_sent_again_gets_the_same_turn(talk):
    one = talk(TEN)
    one.ask()
    request = one.request()
    first = one.events(request)
    assert one.events(request) == first
    assert one.ask() == "1"


def test_a_resumed_session_goes_on_where_it_was(talk, new_process):
    one = talk(TEN)
    assert [one.ask(), one.ask()] == ["0", "1"]
    new_process()
    assert one.ask() == "2"


def test_after_a_compaction_the_next_turn_is_still_the_next(talk, new_process):
    one = talk(TEN)
    assert [one.ask() for _ in range(4)] == ["0", "1", "2", "3"]
    one.compact(keep=3)
    assert one.ask() == "4"
    one.compact(keep=1)
    new_process()  # a kill right after the compaction, before anything else is written
    assert one.ask() == "5"
    new_process()
    assert one.ask() == "6"


def test_a_compaction_that_drops_one_answer_is_not_taken_for_a_retry(talk):
    one = talk(TEN)
    for _ in range(3):
        one.ask()
    one.messages = one.messages[2:]  # as long as the request before the last answer was
    assert one.ask() == "3"


def test_an_answer_without_content_is_not_repeated(talk, new_process):
    one = talk([{"text": "0"}, {"stop_reason": "refusal"}, {"text": "2"}, {"text": "3"}])
    assert [one.ask(), one.ask(), one.ask()] == ["0", "", "2"]
    new_process()
    assert one.ask() == "3"


def test_an_answer_that_was_thrown_away_is_given_again(talk, new_process):
    one = talk(TEN)
    one.ask()
    lost = one.request()
    one.journal.records += [
        RequestRecord(request=lost.request_id, purpose="turn", model="", hash="", messages=3),
        AssistantLine(message={}, request=lost.request_id),
    ]
    one.events(lost)
    one.journal.records.append(Discarded(request=lost.request_id, reason="a crash"))
    new_process()
    assert one.ask() == "1"


def test_a_fork_that_has_only_messages_is_believed(talk):
    one = talk(TEN)
    for _ in range(3):
        one.ask()
    one.session_id = "another"
    one.journal.records.clear()
    assert one.ask() == "3"


def test_the_journal_is_read_once_in_an_undisturbed_session(talk):
    one = talk(TEN)
    for _ in range(10):
        one.ask()
    assert one.journal.readings == 1


def test_a_resumed_session_goes_on_with_summaries_too(talk, new_process):
    one = talk([{"purpose": "compaction", "text": "a"}, {"purpose": "compaction", "text": "b"}])
    assert one.ask(Purpose.COMPACTION) == "a"
    new_process()
    assert one.ask(Purpose.COMPACTION) == "b"


def test_what_an_interrupted_answer_said_counts_and_silence_does_not():
    def asked(request, *lines, reason):
        return [
            RequestRecord(request=request, purpose="turn", model="", hash="", messages=1),
            *(AssistantLine(message={}, request=request) for _ in range(*lines)),
            ResponseRecord(request=request, stop_reason=reason),
        ]

    journal = asked("a", 1, reason="end_turn") + asked("b", 0, reason="interrupted")
    assert answers_in(journal, Purpose.TURN) == 1
    assert answers_in(journal + asked("c", 1, reason="interrupted"), Purpose.TURN) == 2
    assert answers_in(journal, Purpose.COMPACTION) == 0


STEPS = st.lists(
    st.sampled_from(["ask", "ask", "ask", "kill", "fail", "compact 1", "compact 2", "compact 3"]), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_no_mishap_repeats_or_skips_a_turn(steps):
    turns = [turn for n in range(25) for turn in ({"error": {"status": 500}}, {"text": str(n)})]
    with tempfile.TemporaryDirectory() as folder:
        one = Talk(scripted_model.play("mishaps", turns), Path(folder))
        said = []
        for step in steps:
            if step == "kill":
                playing._places.clear()
            elif step == "fail":
                with suppress(ModelError):
                    one.events()
            elif step.startswith("compact"):
                one.compact(keep=min(int(step[-1]), len(one.messages)))
            else:
                try:
                    said.append(one.ask())
                except ModelError:
                    one.journal.records.append(
                        ResponseRecord(request=f"r{one.requests}", stop_reason="error", error="500")
                    )
                    said.append(one.ask())
    assert said == [str(n) for n in range(len(said))]


def test_messages_of_the_stand_in_alternate(talk):
    one = talk(TEN)
    one.ask()
    assert [m.role for m in one.messages] == ["user", "assistant", "user"]
    assert one.messages[0] == Message(role="user", content=(TextBlock(text="go"),))
