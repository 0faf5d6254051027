"""What a turn of a script becomes on its way out of the model."""

from __future__ import annotations

import asyncio
import time

import pytest

from pegboard.errors import ContextOverflowError, ModelError
from pegboard.messages import TextBlock, ThinkingBlock, ToolUseBlock
from pegboard.requests import (
    BlockDone,
    ModelDone,
    ModelStarted,
    Purpose,
    TextDelta,
    ThinkingDelta,
    ToolUseCut,
)
from pegboard_builtins import scripted_model
from pegboard_builtins.scripted_model.playing import DEFAULT_TEXT, OutOfTurnsError


def blocks(events):
    return [event.block for event in events if isinstance(event, BlockDone)]


def test_a_turn_says_thinking_text_and_calls_in_this_order(talk):
    events = talk("""
        [[turn]]
        text = "I look."
        thinking = "hm"
        usage = { input_tokens = 10, output_tokens = 3, cache_read_input_tokens = 5, cost_usd = 0.5 }
        [[turn.call]]
        name = "Read"
        input = { file_path = "a.py" }
        [[turn.call]]
        name = "Read"
        id = "mine"
    """).events()
    assert isinstance(events[0], ModelStarted)
    thinking, text, first, second = blocks(events)
    assert isinstance(thinking, ThinkingBlock)
    assert thinking.signature
    assert text == TextBlock(text="I look.")
    assert first == ToolUseBlock(id="toolu_1_1", name="Read", input={"file_path": "a.py"})
    assert second.id == "mine"
    done = events[-1]
    assert isinstance(done, ModelDone)
    assert done.stop_reason == "tool_use"
    assert (done.usage.context_tokens, done.usage.cost_usd) == (18, 0.5)


@pytest.mark.parametrize("text", ["x", "a fairly short text", "long " * 200])
def test_the_deltas_join_to_the_text_and_are_few(talk, text):
    events = talk([{"text": text, "thinking": text}]).events()
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    assert "".join(deltas) == text
    assert 1 <= len(deltas) <= 4
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == text


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        pytest.param({"text": "x"}, "end_turn", id="text ends the turn"),
        pytest.param({"call": [{"name": "Read"}]}, "tool_use", id="calls want results"),
        pytest.param({"call": [{"name": "Read", "cut": True}]}, "max_tokens", id="a cut call hit the limit"),
        pytest.param({"stop_reason": "refusal"}, "refusal", id="any reason can be given"),
        pytest.param({"text": "x", "stop_reason": "pause_turn"}, "pause_turn", id="a given reason wins"),
    ],
)
def test_the_stop_reason_follows_from_the_turn_unless_it_is_given(talk, turn, reason):
    assert talk([turn]).events()[-1].stop_reason == reason


def test_a_cut_call_is_no_block_and_has_half_its_input(talk):
    events = talk([{"call": [{"name": "Write", "input": {"file_path": "a.py"}, "cut": True}]}]).events()
    assert blocks(events) == []
    (cut,) = [event for event in events if isinstance(event, ToolUseCut)]
    assert (cut.id, cut.name) == ("toolu_1_1", "Write")
    assert '{"file_path":"a.py"}'.startswith(cut.partial)


def test_the_same_events_are_yielded_to_every_request_of_a_turn(talk):
    one = talk([{"text": "x"}])
    assert all(a is b for a, b in zip(one.events(), one.events(), strict=True))


def test_a_delay_comes_before_the_answer_and_a_chunk_delay_before_each_delta(talk):
    one = talk([{"text": "x" * 64, "delay": 0.05, "chunk_delay": 0.02}])
    began = time.perf_counter()
    one.events()
    assert 0.05 + 4 * 0.02 <= time.perf_counter() - began < 20


def test_other_models_are_left_to_the_rest_of_the_onion(talk):
    one = talk([{"text": "x"}])
    asked = []

    def call_next(request):
        asked.append(request)
        return "the rest"

    request = one.request(model="anthropic:x")
    assert scripted_model.model_call(request, call_next, one.ctx) == "the rest"
    assert asked == [request]


# --- failures ------------------------------------------------------------------------------------------


def fails(one, error=ModelError):
    with pytest.raises(error) as caught:
        one.events()
    return caught.value


def test_an_error_turn_fails_the_first_attempt_and_the_retry_gets_the_next_turn(talk):
    one = talk("""
        [[turn]]
        error = { status = 529, retry_after = 2.5, message = "busy" }
        [[turn]]
        text = "ok"
        [[turn]]
        text = "more"
    """)
    error = fails(one)
    assert (error.status, error.retryable, error.retry_after, str(error)) == (529, True, 2.5, "busy")
    assert [one.ask(), one.ask()] == ["ok", "more"]


def test_an_error_turn_fails_as_many_attempts_as_it_says(talk):
    one = talk([{"error": {"status": 500}, "times": 2}, {"error": {"status": 429}}, {"text": "ok"}])
    assert [fails(one).status for _ in range(3)] == [500, 500, 429]
    assert one.ask() == "ok"


def test_failures_count_for_each_session_alone(talk):
    first = talk([{"error": {"status": 500}}, {"text": "ok"}])
    fails(first)
    second = type(first)(first.model, first.folder)
    assert fails(second).status == 500
    assert [first.ask(), second.ask()] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        pytest.param({"status": 529}, True, id="overloaded"),
        pytest.param({"status": 429}, True, id="too many requests"),
        pytest.param({}, True, id="no answer at all"),
        pytest.param({"status": 400}, False, id="a bad request"),
        pytest.param({"status": 401}, False, id="no key"),
        pytest.param({"status": 400, "retryable": True}, True, id="the script's word counts"),
        pytest.param({"overflow": True}, False, id="too long a context"),
    ],
)
def test_whether_a_failure_may_be_retried_follows_from_its_status(talk, error, retryable):
    assert fails(talk([{"error": error}])).retryable is retryable


def test_an_overflow_is_its_own_error(talk):
    assert isinstance(fails(talk([{"error": {"overflow": True, "status": 400}}])), ContextOverflowError)


def test_a_broken_stream_breaks_after_all_that_the_turn_says(talk):
    one = talk([{"text": "half an answer", "call": [{"name": "Read"}], "error": {"broken": True}}, {"text": "ok"}])
    seen = []

    async def listen():
        async for event in scripted_model.model_call(one.request(), None, one.ctx):
            seen.append(event)

    with pytest.raises(ModelError) as caught:
        asyncio.run(listen())
    assert caught.value.retryable
    assert [type(block) for block in blocks(seen)] == [TextBlock, ToolUseBlock]
    assert not any(isinstance(event, ModelDone) for event in seen)
    assert one.ask() == "ok"


def test_a_script_that_has_run_out_says_how_many_turns_it_has(talk):
    one = talk("[[turn]]\ntext = 'only'\n[[turn]]\nerror = {status = 500}\n")
    one.ask()
    fails(one)
    error = fails(one, OutOfTurnsError)
    assert (error.turns, error.wanted) == (1, 1)
    assert "script.toml" in str(error)


# --- other purposes ------------------------------------------------------------------------------------


def test_other_purposes_have_turns_of_their_own_in_order(talk):
    one = talk(
        [
            {"text": "first"},
            {"purpose": "compaction", "text": "summary 1"},
            {"purpose": "compaction", "error": {"status": 500}},
            {"purpose": "compaction", "text": "summary 2"},
            {"text": "second"},
        ]
    )
    assert one.ask() == "first"
    assert one.ask(Purpose.COMPACTION) == "summary 1"
    request = one.request(Purpose.COMPACTION)
    with pytest.raises(ModelError):
        one.events(request)
    assert one.ask(Purpose.COMPACTION, request=request) == "summary 2"
    assert one.ask() == "second"
    with pytest.raises(OutOfTurnsError, match='purpose = "compaction"'):
        one.events(one.request(Purpose.COMPACTION))


def test_a_purpose_without_turns_gets_a_default_text(talk):
    assert talk([{"text": "x"}]).ask(Purpose.TITLE) == DEFAULT_TEXT


def test_requests_of_a_purpose_that_run_side_by_side_get_different_turns(talk):
    one = talk([{"purpose": "classifier", "text": f"{n}", "delay": 0.01} for n in range(3)])
    requests = [one.request(Purpose.CLASSIFIER) for _ in range(3)]

    async def ask(request):
        return [e.text async for e in scripted_model.model_call(request, None, one.ctx) if isinstance(e, TextDelta)]

    async def all_at_once():
        return await asyncio.gather(*map(ask, requests))

    assert sorted(text for texts in asyncio.run(all_at_once()) for text in texts) == ["0", "1", "2"]


# --- scripts in memory ---------------------------------------------------------------------------------


def test_turns_left_counts_what_no_session_has_played(tmp_path, talk):
    model = scripted_model.play("left", [{"error": {"status": 500}}, {"text": "a"}, {"text": "b"}])
    assert model == "scripted:@left"
    assert scripted_model.turns_left("left") == 3
    one = talk([{"text": "x"}])
    one.model = model
    fails(one)
    assert scripted_model.turns_left("@left") == 2
    one.ask()
    one.ask()
    assert scripted_model.turns_left("left") == 0


def test_playing_a_name_again_replaces_its_turns(talk):
    one = talk([{"text": "x"}])
    one.model = scripted_model.play("again", [{"text": "old"}])
    assert one.ask() == "old"
    scripted_model.play("again", [{"text": "new"}, {"text": "newer"}])
    assert one.ask() == "newer"


def test_a_context_window_is_known_once_the_script_is(talk):
    scripted_model.play("window", [{"text": "x"}], context_window=5000)
    assert scripted_model.MODEL.windows["@window"] == 5000
    talk("context_window = 9000\n[[turn]]\ntext='x'").ask()
    assert scripted_model.MODEL.windows["script.toml"] == 9000
