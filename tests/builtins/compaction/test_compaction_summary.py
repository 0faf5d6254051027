"""Summaries: where the conversation is cut, what survives word for word, and when none is better than this one."""

from __future__ import annotations

import asyncio

import pytest
from compaction_stand_in import Services, conversations, holds, job, long_turn, model, pins_from, step, user
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard._agent.validate import check_messages
from pegboard.errors import ContextOverflowError, ModelError
from pegboard.messages import Message, Origin, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock, Usage
from pegboard.records import Notice
from pegboard.requests import ModelAnswer, Purpose, estimate_tokens
from pegboard_builtins import compaction
from pegboard_builtins.compaction.rebuild import rebuild
from pegboard_builtins.compaction.summarise import cut, transcript_of
from pegboard_builtins.compaction.tail import SUMMARY_HEAD, is_prompt, is_summary, prompts_of, tail_start

BIG = 10**9


def summarised(services, asked):
    return asyncio.run(compaction.summarised_result(asked, services.settings, services.ctx))


# --- the cut -------------------------------------------------------------------------------------------


def talk(*sizes):
    """Turns of one prompt and one answer of these sizes in tokens."""
    messages = []
    for number, size in enumerate(sizes):
        messages += [user(f"prompt {number}"), model(f"answer {number} ".ljust(size * 4, "."))]
    return messages


def test_the_tail_is_the_longest_that_begins_with_a_prompt_and_fits():
    messages = [*talk(1_000, 1_000, 1_000), user("last")]
    assert tail_start(messages, 1_100) == 4
    assert tail_start(messages, 2_100) == 2
    assert tail_start(messages, BIG) == 2  # never all of it: then there would be nothing to summarise


def test_a_turn_that_is_too_long_for_the_tail_is_split_between_its_steps():
    messages = long_turn(10)
    start = tail_start(messages, 3_100)
    assert start == 15
    assert messages[start].role == "assistant"


def test_a_last_prompt_is_kept_whatever_its_length():
    messages = [*talk(100), user("x" * 100_000)]
    assert tail_start(messages, 10) == 2


def test_a_last_answer_is_kept_so_that_the_roles_at_the_end_stay():
    assert tail_start(talk(100, 10_000), 10) == 3


def test_nothing_is_kept_when_not_even_one_step_fits():
    assert tail_start(long_turn(3, size=100_000), 10) == 7


@given(conversations(), st.sampled_from([0, 10, 100, 1_000, BIG]))
@settings(max_examples=150, deadline=None)
def test_the_cut_never_parts_a_call_from_its_result(messages, budget):
    start = tail_start(messages, budget)
    assert start >= 1
    for message in messages[start : start + 1]:
        assert message.role == "assistant" or is_prompt(message)


# --- what the summariser reads -------------------------------------------------------------------------


def test_the_transcript_has_everything_but_thinking_with_long_results_cut():
    thinking = ThinkingBlock(thinking="secret thoughts", signature="s")
    call = ToolUseBlock(id="a", name="Bash", input={"command": "ls"})
    failed = ToolResultBlock(tool_use_id="a", content="begin" + "x" * 9_000 + "end", is_error=True)
    text = transcript_of([user("do it"), Message(role="assistant", content=(thinking, call)), user("and more", failed)])
    assert text.startswith(
        '# User\ndo it\n\n# Assistant calls Bash\n{"command":"ls"}\n\n# Result of Bash (failed)\nbegin'
    )
    assert "secret thoughts" not in text
    assert text.endswith("end\n\n# User\nand more")
    assert "characters left out" in text
    assert len(text) < 2_000 + 200


@given(st.text(max_size=300), st.integers(0, 300))
def test_a_cut_text_is_never_longer_than_its_limit(text, limit):
    assert len(cut(text, limit)) <= limit
    assert cut(text, len(text)) == text


def test_the_model_is_asked_with_the_settings_of_the_table():
    services = Services(model="scripted:cheap", max_summary_tokens=500, keep_tokens=0)
    summarised(services, job(long_turn(5)))
    (asked,) = services.asked
    assert (asked["purpose"], asked["model"], asked["max_tokens"]) == (Purpose.COMPACTION, "scripted:cheap", 500)
    for section in ("Goal", "Constraints", "Files", "Decisions", "Errors", "State", "Next steps"):
        assert f"## {section}" in asked["system"]


def test_a_transcript_is_cut_to_the_window():
    services = Services(keep_tokens=0, max_summary_tokens=100)
    summarised(services, job(long_turn(100), window=8_000))
    assert len(services.asked[0]["messages"]) < 8_000 * 3


def test_a_summariser_with_a_smaller_window_is_asked_once_more_with_half():
    services = Services(ContextOverflowError("too long"), "short", keep_tokens=0)
    result = summarised(services, job(long_turn(20)))
    assert "short" in result.messages[0].text
    first, second = (len(asked["messages"]) for asked in services.asked)
    assert second < first * 0.6


# --- what comes of it ----------------------------------------------------------------------------------


def test_the_new_list_has_summary_pins_first_and_latest_prompt_and_the_tail():
    messages = [user("first wish"), *step(1), model("ok"), user("second wish"), *step(2), *step(3, size=400)]
    services = Services("the summary", keep_tokens=150)
    result = summarised(services, job(messages, target=400, pins=("PIN 1", "second")))
    head, *tail = result.messages
    assert tail == messages[-2:]
    assert [block.text.split(":]")[0] for block in head.content] == [
        f"{SUMMARY_HEAD}\n\nthe summary",
        "[Pinned, word for word",
        "[The user's first prompt, word for word",
        "first wish",
        "[The user's latest prompt before the messages that follow, word for word",
        "second wish",
    ]
    assert head.content[1].text.endswith("\n\nPIN 1")  # the other one stands in a prompt already


def test_a_tail_that_begins_with_a_prompt_is_merged_into_the_first_message():
    messages = [user("first"), *step(1), model("done"), user("next")]
    result = summarised(Services("s"), job(messages, target=100))
    assert [m.role for m in result.messages] == ["user"]
    assert [block.text for block in result.messages[0].content][-2:] == ["[Here the conversation goes on.]", "next"]


def test_a_second_compaction_still_has_the_very_first_prompt():
    messages = [user("first wish"), *step(1), *step(2), model("ok"), user("second wish")]
    services = Services("one", "two")
    once = summarised(services, job(messages, target=100)).messages
    assert is_summary(once[0])
    again = [*once, *step(3), *step(4), model("ok"), user("third wish")]
    twice = summarised(services, job(again, target=100)).messages
    text = twice[0].text
    assert text.count("first wish") == 1
    assert "second wish" not in text
    assert "third wish" in text
    assert text.count(SUMMARY_HEAD) == 1
    assert "one" in services.asked[1]["messages"]


def test_context_from_hooks_is_not_taken_for_the_users_words():
    messages = [
        Message(
            role="user",
            content=(
                TextBlock(text="wish", origins=(Origin.USER,)),
                TextBlock(text="a hint", origins=(Origin.HOOK,)),
            ),
        ),
        *step(1),
    ]
    assert [prompt.blocks for prompt in prompts_of(messages)] == [messages[0].content[:1]]


def test_a_summary_has_the_labels_of_what_it_tells_but_never_the_users():
    web = ToolResultBlock(tool_use_id="c0", content="x" * 4_000, origins=(Origin.TOOL, Origin.WEB))
    wish = Message(role="user", content=(TextBlock(text="wish", origins=(Origin.USER,)),))
    new = rebuild([wish, step(0)[0], user("", web)], 3, "summary")
    assert new[0].content[0].origins == (Origin.TOOL, Origin.WEB, Origin.MODEL)
    assert new[0].content[2] is wish.content[0]


@pytest.mark.parametrize(
    "summary",
    [
        pytest.param("", id="empty"),
        pytest.param(" \n", id="white space"),
        pytest.param("long " * 20_000, id="longer than before"),
        pytest.param(ModelError("busy", status=529), id="the model failed"),
        pytest.param(ModelAnswer(text="no", blocks=(), stop_reason="refusal", usage=Usage()), id="refused"),
    ],
)
def test_a_bad_summary_is_not_used_and_the_person_is_told(summary):
    services = Services(summary, keep_tokens=0)
    assert summarised(services, job(long_turn(5))) is None
    (notice,) = services.journal
    assert isinstance(notice, Notice)
    assert notice.level == "warning"


@pytest.mark.parametrize("last", [[], [user("go on")], [user("go on"), *step(1, size=10)]])
def test_no_summary_is_paid_for_when_what_must_stay_is_all_there_is(last):
    services = Services()
    assert summarised(services, job([user("x" * 9_000), model("yes"), *last], target=100)) is None
    assert not services.asked


@given(conversations(), st.sampled_from([0, 50, 500, 5_000]), st.data())
@settings(max_examples=200, deadline=None)
def test_a_summarised_conversation_is_valid_holds_pins_and_prompts_and_is_smaller(messages, keep, data):
    pins = pins_from(messages, data)
    services = Services("short", "shorter", keep_tokens=keep)
    for _ in range(2):
        result = summarised(services, job(messages, pins=pins, target=BIG))
        if result is None:
            return
        check_messages(result.messages, ending=messages[-1].role == "user")
        assert result.messages[-1].role == messages[-1].role
        assert estimate_tokens(result.messages) < estimate_tokens(messages)
        assert all(holds(result.messages, pin) for pin in pins)
        kept = [block for m in result.messages for block in m.content]
        prompts = prompts_of(messages)
        for prompt in (prompts[0], prompts[-1]):
            assert all(block in kept for block in prompt.blocks)
        before = [m for m in messages if m.role == "assistant"]
        after = [m for m in result.messages if m.role == "assistant"]
        assert after == before[len(before) - len(after) :]
        messages = result.messages
