"""When a request is asked again, when another model is asked, and when neither."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from pegboard.errors import ContextOverflowError, MissingKeyError, ModelError
from pegboard.messages import Message, RedactedThinkingBlock, TextBlock, ThinkingBlock
from pegboard.requests import ModelDone, ModelNotice, Request, TextDelta
from pegboard_builtins.retry.frame import for_other_model

RequestFor = Callable[..., Request]


def busy(**facts: Any) -> ModelError:
    return ModelError("Overloaded", **{"status": 529, "retryable": True, **facts})


def notices(events: list[Any]) -> list[ModelNotice]:
    return [event for event in events if isinstance(event, ModelNotice)]


def test_a_good_answer_passes_unchanged(frame: Any, request_for: RequestFor) -> None:
    play = frame.play("yes")
    events = frame.ask(request_for(), play)
    assert [event.type for event in events] == ["text_delta", "block_done", "model_done"]
    assert play.open == 0


def test_an_error_that_may_pass_is_asked_again_with_a_notice_that_voids_the_beginning(
    frame: Any, request_for: RequestFor
) -> None:
    play = frame.play(busy(), [TextDelta(text="half"), ModelError("broke off", retryable=True)], "whole")
    events = frame.ask(request_for(), play)
    said = notices(events)
    assert [notice.restart for notice in said] == [True, True]
    assert "Overloaded" in said[0].text
    assert "attempt 2 of 8" in said[0].text
    after = events[events.index(said[-1]) + 1 :]
    assert [event.type for event in after] == ["text_delta", "block_done", "model_done"]
    assert (len(play.requests), play.open) == (3, 0)
    assert all(request == play.requests[0] for request in play.requests)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ModelError("bad", status=400), id="invalid request"),
        pytest.param(ContextOverflowError("too long", status=400), id="context overflow"),
        pytest.param(ContextOverflowError("too long", status=400, retryable=True), id="overflow, whatever it says"),
        pytest.param(MissingKeyError("no key"), id="missing key"),
        pytest.param(RuntimeError("a bug"), id="no model error at all"),
    ],
)
def test_what_will_not_pass_is_raised_as_it_is(frame: Any, request_for: RequestFor, error: Exception) -> None:
    frame.set(fallback=["play:two"])
    play = frame.play(error)
    with pytest.raises(type(error)) as caught:
        frame.ask(request_for(), play)
    assert caught.value is error
    assert (len(play.requests), play.open) == (1, 0)


def test_it_gives_up_after_so_many_attempts_and_says_so(frame: Any, request_for: RequestFor) -> None:
    frame.set(attempts=3)
    play = frame.play(*(busy() for _ in range(9)))
    with pytest.raises(ModelError, match=r"Overloaded .* gave up on play:one: 3 attempts failed") as caught:
        frame.ask(request_for(), play)
    assert (caught.value.status, caught.value.retryable) == (529, True)
    assert len(play.requests) == 3


def test_a_request_that_must_not_be_replayed_is_not(frame: Any, request_for: RequestFor) -> None:
    frame.set(fallback=["play:two"])
    play = frame.play(busy(), "yes")
    error = play.entries[0]
    with pytest.raises(ModelError) as caught:
        frame.ask(request_for(params={"no_replay": True}), play)
    assert caught.value is error
    assert len(play.requests) == 1


def test_nothing_is_replayed_after_the_message_was_complete(frame: Any, request_for: RequestFor) -> None:
    play = frame.play([ModelDone(stop_reason="tool_use"), busy()], "again")
    with pytest.raises(ModelError):
        frame.ask(request_for(), play)
    assert len(play.requests) == 1


def test_a_retry_after_beyond_the_limit_is_not_waited_for(frame: Any, request_for: RequestFor) -> None:
    frame.set(max_wait=10.0)
    play = frame.play(busy(retry_after=3600.0), "late")
    begun = time.monotonic()
    with pytest.raises(ModelError, match=r"asks to wait 3600 s, and retry.max_wait is 10 s") as caught:
        frame.ask(request_for(), play)
    assert time.monotonic() - begun < 10
    assert caught.value.retry_after == 3600.0


def test_a_retry_after_is_waited_for(frame: Any, request_for: RequestFor) -> None:
    begun = time.monotonic()
    frame.ask(request_for(), frame.play(busy(retry_after=0.3), "yes"))
    assert time.monotonic() - begun >= 0.3


def test_a_wait_that_the_turn_has_no_time_for_is_not_begun(frame: Any, request_for: RequestFor) -> None:
    frame.services.left = 5.0
    play = frame.play(busy(retry_after=60.0), "late")
    with pytest.raises(ModelError, match="this turn has 5 s left") as caught:
        frame.ask(request_for(), play)
    assert caught.value.out_of_time


def test_other_models_are_asked_when_attempts_are_used_up_and_never_silently(
    frame: Any, request_for: RequestFor
) -> None:
    frame.set(attempts=2, fallback=["play:one", "play:two", "play:two", "other:three"][1:])
    play = frame.play(*(busy() for _ in range(4)), "yes")
    events = frame.ask(request_for(), play)
    assert [request.model for request in play.requests] == [
        *("play:one", "play:one", "play:two", "play:two"),
        "other:three",
    ]
    switches = [notice for notice in notices(events) if "falling back" in notice.text]
    assert ["from play:one to play:two" in switches[0].text, "from play:two to other:three" in switches[1].text]
    assert all(notice.restart for notice in switches)
    assert events[-1].stop_reason == "end_turn"
    assert play.requests[0].hash == "h"
    assert play.requests[-1].hash == ""


def test_the_model_that_failed_is_no_fallback_for_itself(frame: Any, request_for: RequestFor) -> None:
    frame.set(attempts=1, fallback=["play:one"])
    play = frame.play(busy())
    with pytest.raises(ModelError, match="1 attempt failed"):
        frame.ask(request_for(), play)
    assert len(play.requests) == 1


def test_a_count_is_asked_again_but_of_no_other_model(frame: Any, request_for: RequestFor) -> None:
    frame.set(attempts=2, fallback=["play:two"])
    play = frame.play(busy(), busy(), "yes")
    with pytest.raises(ModelError):
        frame.ask(request_for(params={"count_tokens": True}), play)
    assert {request.model for request in play.requests} == {"play:one"}


def test_without_retries_the_frame_is_not_there(frame: Any, request_for: RequestFor) -> None:
    frame.set(attempts=1)
    theirs = frame.play("yes")(request_for())
    assert frame.stream(request_for(), lambda request: theirs) is theirs


def test_reasoning_does_not_go_to_another_model(request_for: RequestFor) -> None:
    user = Message(role="user", content=(TextBlock(text="a"),))
    only = Message(role="assistant", content=(ThinkingBlock(thinking="t", signature="s"),))
    mixed = Message(role="assistant", content=(RedactedThinkingBlock(data="d"), TextBlock(text="kept")))
    other = for_other_model(request_for(messages=[user, only, user, mixed, user], anchors=(1, 2, 4)), "play:two")
    assert [message.role for message in other.messages] == ["user", "user", "assistant", "user"]
    assert other.messages[2].content == (TextBlock(text="kept"),)
    assert other.anchors == (1, 3)


def test_an_interrupt_ends_the_wait(frame: Any, request_for: RequestFor) -> None:
    frame.set(base_delay=60.0, max_delay=60.0)
    play = frame.play(busy(), "late")

    async def run() -> None:
        stream = frame.stream(request_for(), play)
        assert isinstance(await anext(stream), ModelNotice)
        asyncio.get_running_loop().call_later(0.05, setattr, frame.services, "cancelled", True)
        with pytest.raises(ModelError, match="Overloaded"):
            await anext(stream)

    begun = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - begun < 20
    assert len(play.requests) == 1


def test_a_cancelled_task_ends_the_wait(frame: Any, request_for: RequestFor) -> None:
    frame.set(base_delay=60.0, max_delay=60.0)
    play = frame.play(busy(), "late")

    async def run() -> None:
        stream = frame.stream(request_for(), play)
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.05)

    begun = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("events", [1, 2, 3])
def test_closing_the_frame_closes_the_model(frame: Any, request_for: RequestFor, events: int) -> None:
    play = frame.play([TextDelta(text="a"), busy()], [TextDelta(text="b"), TextDelta(text="c")])

    async def run() -> None:
        stream = frame.stream(request_for(), play)
        for _ in range(events):
            await anext(stream)
        await stream.aclose()
        assert play.open == 0

    asyncio.run(run())


def test_an_iterator_that_cannot_be_closed_is_passed_on_too(frame: Any, request_for: RequestFor) -> None:
    class Plain:
        def __init__(self) -> None:
            self.left: list[Any] = [ModelDone(stop_reason="end_turn")]

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> Any:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()

    assert len(frame.ask(request_for(), lambda request: Plain())) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(99_999.0, "28 hours", id="hours"),
        pytest.param(1e6, "12 days", id="days"),
        pytest.param(2.5e11, "7,922 years", id="the end of the calendar"),
        pytest.param(float("inf"), "for ever", id="without end"),
    ],
)
def test_an_absurd_wait_is_told_in_words(frame: Any, request_for: RequestFor, asked: float, said: str) -> None:
    with pytest.raises(ModelError, match=f"asks to wait {said}, and"):
        frame.ask(request_for(), frame.play(busy(retry_after=asked), "late"))


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(busy(), id="it is busy too"),
        pytest.param(ModelError("no such model", status=404), id="it is not there"),
    ],
)
def test_a_fallback_that_fails_says_why_it_was_asked(frame: Any, request_for: RequestFor, last: ModelError) -> None:
    frame.set(attempts=1, fallback=["play:two"])
    play = frame.play(ModelError("the first is away", status=503, retryable=True), last)
    with pytest.raises(ModelError, match=r"asked because play:one did not answer: the first is away") as caught:
        frame.ask(request_for(), play)
    assert str(last) in str(caught.value)
    assert caught.value.status == last.status
