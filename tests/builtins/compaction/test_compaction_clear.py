"""Clearing: what makes way for a handle, what stays, and when it is enough."""

from __future__ import annotations

import asyncio

import pytest
from compaction_stand_in import Services, conversations, holds, job, long_turn, model, pins_from, results, step, user
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard._agent.validate import check_messages
from pegboard.errors import ToolError
from pegboard.messages import ImageBlock, Message, TextBlock, ToolResultBlock
from pegboard.requests import CompactionTrigger, estimate_tokens
from pegboard_builtins import compaction
from pegboard_builtins.compaction.clear import clear_results, text_of
from pegboard_builtins.compaction.recall import recall


def test_old_results_make_way_for_handles_and_the_newest_stay():
    messages = long_turn(10)
    cleared = clear_results(messages, keep=6, min_characters=1_000)
    before, after = results(messages), results(cleared.messages)
    assert after[4:] == before[4:]
    assert len(cleared.handles) == 4
    handle = next(iter(cleared.handles))
    assert after[0].content == f'[output of Bash cleared: 4,000 characters; recall it with Recall("{handle}")]'
    assert cleared.handles[handle] == before[0].content


def test_short_results_stay():
    cleared = clear_results(long_turn(10, size=1_000), keep=0, min_characters=1_000)
    assert not cleared.handles


def test_results_that_the_model_has_not_read_stay():
    messages = long_turn(3)
    assert results(clear_results(messages, keep=0, min_characters=200).messages)[-1] == results(messages)[-1]


def test_a_pin_that_only_a_result_holds_is_said_again_as_text():
    messages = [user("go"), *step(1, text="a secret word " + "x" * 5_000), *step(2), *step(3)]
    services = Services(keep_results=0)
    result = compaction.cleared_result(job(messages, pins=("secret word", "go")), services.settings)
    assert [block.text for block in result.messages[0].content] == ["go", "[Pinned, word for word:]\n\nsecret word"]
    again = job(result.messages, pins=("secret word", "go"))
    assert compaction.cleared_result(again, services.settings) is None


def test_equal_results_of_two_calls_are_judged_by_their_own_age():
    messages = [user("go"), *step(1, text="same " * 500), *step(2, text="same " * 500), *step(3)]
    cleared = clear_results(messages, keep=2, min_characters=200)
    assert [len(text_of(result)) > 1_000 for result in results(cleared.messages)] == [False, True, True]


def test_a_picture_in_a_cleared_result_is_named():
    picture = ImageBlock(source={"type": "base64"})
    shown = ToolResultBlock(tool_use_id="c1", content=(TextBlock(text="y" * 2_000), picture))
    messages = [user("go"), step(1)[0], user("", shown), *step(2)]
    (text,) = clear_results(messages, keep=0, min_characters=200).handles.values()
    assert text.endswith("y\n[image]")


def test_messages_that_do_not_change_are_the_same_objects():
    messages = long_turn(10)
    cleared = clear_results(messages, keep=6, min_characters=1_000).messages
    assert [new is old for new, old in zip(cleared, messages, strict=True)].count(False) == 4


def test_what_was_cleared_is_not_cleared_again():
    once = clear_results(long_turn(10), keep=0, min_characters=200)
    assert not clear_results(once.messages, keep=0, min_characters=200).handles


# --- whether it is enough ------------------------------------------------------------------------------


def compact(services, asked):
    return asyncio.run(compaction.compact(asked, services.ctx))


def test_clearing_is_enough_when_it_reaches_the_target():
    messages = [user("z" * 100_000), model("yes"), *long_turn(8)]
    services = Services(min_saving=1.0, keep_results=6)
    result = compact(services, job(messages, target=estimate_tokens(messages) - 1_000))
    assert result.strategy == "clear_results"
    assert len(result.handles) == 2
    assert not services.asked


def test_clearing_is_enough_when_it_saves_the_share_that_is_wanted():
    services = Services(min_saving=0.25)
    assert compact(services, job(long_turn(10))).strategy == "clear_results"
    assert not services.asked


def test_clearing_is_not_enough_when_it_saves_less():
    services = Services(min_saving=0.5)
    assert compact(services, job(long_turn(10))).strategy == "summarise"


def test_instructions_of_the_user_want_a_summary():
    services = Services()
    asked = job(long_turn(10), instructions="keep the tests in mind", trigger=CompactionTrigger.MANUAL)
    assert compact(services, asked).strategy == "summarise"
    assert "keep the tests in mind" in services.asked[0]["messages"]


@given(conversations(), st.integers(0, 8), st.data())
@settings(max_examples=150, deadline=None)
def test_a_cleared_conversation_is_valid_holds_its_pins_and_is_smaller(messages, keep, data):
    pins = pins_from(messages, data)
    services = Services(min_saving=0.0, min_characters=200, keep_results=keep)
    result = compaction.cleared_result(job(messages, pins=pins), services.settings)
    if result is None:
        return
    check_messages(result.messages, ending=messages[-1].role == "user")
    assert [m.role for m in result.messages] == [m.role for m in messages]
    assert estimate_tokens(result.messages) < estimate_tokens(messages)
    assert all(holds(result.messages, pin) for pin in pins)
    assert [m for m in result.messages if m.role == "assistant"] == [m for m in messages if m.role == "assistant"]
    for handle, text in result.handles.items():
        assert any(handle in text_of(block) for block in results(result.messages))
        assert text in map(text_of, results(messages))


# --- reading it again ----------------------------------------------------------------------------------


def test_the_model_can_read_a_cleared_output_again_in_pieces():
    services = Services()
    result = compact(services, job(long_turn(10)))
    services.done(**{"r-00000000": "older"})
    services.done(**result.handles)
    handle, text = next(iter(result.handles.items()))
    assert recall(handle, services.ctx) == text
    piece = recall(handle, services.ctx, limit=10)
    assert piece == f"{text[:10]}\n[characters 0 to 10 of 4,000; go on with offset=10]"
    assert recall(f" {handle} ", services.ctx, offset=3_990) == text[3_990:]
    assert recall("r-00000000", services.ctx) == "older"


def test_an_unknown_handle_names_the_nearest():
    services = Services()
    with pytest.raises(ToolError, match="none in this session"):
        recall("r-12345678", services.ctx)
    services.done(**{"r-12345679": "text"})
    with pytest.raises(ToolError, match="Did you mean 'r-12345679'"):
        recall("r-12345678", services.ctx)
    with pytest.raises(ToolError, match="behind its end"):
        recall("r-12345679", services.ctx, offset=4)


def test_the_tool_reads_only_touches_nothing_and_has_three_parameters(tmp_path):
    assert recall.read_only
    assert recall.egress == ()
    assert not recall.claims_of({}, tmp_path).conflicts(recall.claims_of({}, tmp_path).alone())
    assert set(recall.input_schema["properties"]) == {"handle", "offset", "limit"}
    assert recall.input_schema["required"] == ["handle"]


def test_the_plugin_declares_its_table_and_its_tool():
    added = []

    class Registry:
        def settings(self, model):
            added.append(model.__name__)

        def add_tool(self, *tools):
            added.extend(tool.name for tool in tools)

    compaction.register(Registry())
    assert added == ["CompactionSettings", "Recall"]


def test_an_empty_conversation_is_left_alone():
    assert compact(Services(), job([])) is None
    assert compact(Services(), job([Message(role="user", content=(TextBlock(text="hi"),))])) is None
