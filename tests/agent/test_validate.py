"""Every request that the Messages API would refuse is found before it is sent, and no other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_conversations import PICTURE, conversations

from pegboard._agent.validate import check_anchors, check_messages, check_tools
from pegboard.errors import InvalidRequestError
from pegboard.messages import (
    Message,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    trusted,
)
from pegboard.requests import ToolSpec

HELLO = TextBlock(text="hello")
THOUGHT = ThinkingBlock(thinking="hm", signature="s")
CALL = ToolUseBlock(id="a", name="Read", input={})
OTHER = ToolUseBlock(id="b", name="Read", input={})
RESULT = ToolResultBlock(tool_use_id="a", content="x")
OTHERS = ToolResultBlock(tool_use_id="b", content="x")


def user(*blocks):
    return Message(role="user", content=blocks)


def model(*blocks):
    return Message(role="assistant", content=blocks)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([user(HELLO)], id="a prompt"),
        pytest.param([user(HELLO, PICTURE), model(HELLO), user(PICTURE)], id="pictures"),
        pytest.param(
            [user(HELLO), model(CALL, OTHER), user(OTHERS, RESULT, HELLO)], id="results in any order, then text"
        ),
        pytest.param([user(HELLO), model(THOUGHT, HELLO, THOUGHT, CALL), user(RESULT)], id="thinking between texts"),
        pytest.param([user(HELLO), model(RedactedThinkingBlock(data="x"), CALL), user(RESULT)], id="redacted thinking"),
        pytest.param(
            [user(HELLO), model(CALL), user(RESULT), model(CALL), user(RESULT)], id="an id again in a later message"
        ),
        pytest.param(
            [user(HELLO), model(CALL), user(ToolResultBlock(tool_use_id="a", content=""))], id="an empty result"
        ),
        pytest.param([user(HELLO), model(HELLO, CALL, HELLO), user(RESULT)], id="text after a call"),
    ],
)
def test_a_valid_conversation_passes(messages):
    check_messages(messages)


@pytest.mark.parametrize(
    ("messages", "index", "problem"),
    [
        pytest.param([], None, "empty", id="nothing"),
        pytest.param([model(HELLO), user(HELLO)], 0, "first message", id="the model first"),
        pytest.param([user(HELLO), user(HELLO)], 1, "user in a row", id="two of the user"),
        pytest.param([user(HELLO), model(HELLO), model(HELLO)], 2, "assistant in a row", id="two of the model"),
        pytest.param([user()], 0, "no content", id="no content"),
        pytest.param([user(HELLO), model(), user(HELLO)], 1, "no content", id="no content of the model"),
        pytest.param([user(TextBlock(text=""))], 0, "empty text", id="empty text"),
        pytest.param([user(TextBlock(text=" \n\t"))], 0, "empty text", id="white space"),
        pytest.param(
            [user(HELLO), model(TextBlock(text=" ")), user(HELLO)], 1, "empty text", id="the model's white space"
        ),
        pytest.param([user(HELLO), model(HELLO)], 1, "ends with the user's", id="the model last"),
        pytest.param([user(HELLO), model(CALL)], 1, "1 calls that have no result", id="an open call last"),
        pytest.param(
            [user(HELLO), model(CALL), user(HELLO)], 2, "'a' of the message before has no result", id="no result"
        ),
        pytest.param([user(HELLO), model(CALL, OTHER), user(RESULT)], 2, "'b' of the message", id="one result of two"),
        pytest.param([user(HELLO), model(CALL), user(RESULT, RESULT)], 2, "two results", id="two results of one"),
        pytest.param([user(HELLO), model(CALL), user(RESULT, OTHERS)], 2, "does not call", id="a result too many"),
        pytest.param([user(HELLO), model(HELLO), user(RESULT)], 2, "does not call", id="a result of nothing"),
        pytest.param([user(RESULT)], 0, "does not call", id="a result first"),
        pytest.param(
            [user(HELLO), model(CALL), user(HELLO, RESULT)], 2, "results come first", id="text before the result"
        ),
        pytest.param([user(HELLO), model(CALL, CALL), user(RESULT)], 1, "two calls have the id 'a'", id="equal ids"),
        pytest.param([user(HELLO), model(PICTURE), user(HELLO)], 1, "cannot hold a image", id="the model's picture"),
        pytest.param(
            [user(HELLO), model(RESULT), user(HELLO)], 1, "cannot hold a tool_result", id="the model's result"
        ),
        pytest.param([user(HELLO, CALL)], 0, "cannot hold a tool_use", id="the user's call"),
        pytest.param([user(THOUGHT)], 0, "cannot hold a thinking", id="the user's thinking"),
        pytest.param(
            [user(HELLO), model(CALL, THOUGHT), user(RESULT)], 1, "after a tool_use", id="thinking after a call"
        ),
        pytest.param(
            [user(HELLO), model(HELLO, THOUGHT, CALL), user(RESULT)], 1, "begin with", id="thinking after text"
        ),
        pytest.param([user(HELLO), model(THOUGHT), user(HELLO)], 1, "cannot be thinking", id="thinking last"),
        pytest.param(
            [user(HELLO), model(ToolUseBlock(id="", name="Read", input={})), user(RESULT)],
            1,
            "without an id",
            id="no id",
        ),
        pytest.param(
            [user(HELLO), model(CALL), user(ToolResultBlock(tool_use_id="a", content="", is_error=True))],
            2,
            "empty result",
            id="an empty failure",
        ),
        pytest.param(
            [user(HELLO), model(CALL), user(ToolResultBlock(tool_use_id="a", content=(TextBlock(text=" "),)))],
            2,
            "empty text",
            id="white space in a result",
        ),
    ],
)
def test_an_invalid_conversation_is_refused_at_its_message(messages, index, problem):
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        check_messages(messages)
    assert caught.value.index == index


def test_a_conversation_that_is_not_sent_yet_may_end_with_the_model():
    check_messages([user(HELLO), model(HELLO)], ending=False)
    check_messages([user(HELLO), model(CALL)], ending=False)


def test_what_lies_before_the_start_is_not_looked_at_but_the_border_is():
    wrong = [model(HELLO), model(), model(CALL)]
    check_messages([*wrong, user(RESULT)], 3)
    with pytest.raises(InvalidRequestError, match="no result"):
        check_messages([*wrong, user(HELLO)], 3)
    with pytest.raises(InvalidRequestError, match="in a row"):
        check_messages([*wrong, model(HELLO)], 3)
    check_messages([user(HELLO)], 1)
    with pytest.raises(InvalidRequestError, match="the model's"):
        check_messages([user(HELLO), model(HELLO)], 2)


@given(conversations())
@settings(max_examples=200, deadline=None)
def test_random_valid_conversations_pass_from_any_start(messages):
    for start in range(len(messages) + 1):
        check_messages(messages, start, ending=False)


MUTATIONS = {
    "drop a message": lambda m, i: m[:i] + m[i + 1 :],
    "say a message twice": lambda m, i: m[: i + 1] + m[i:],
    "turn a role": lambda m, i: swap(m, i, role="assistant" if m[i].role == "user" else "user"),
    "empty a message": lambda m, i: swap(m, i, content=()),
    "add white space": lambda m, i: swap(m, i, content=(*m[i].content, TextBlock(text="\n "))),
    "add thinking": lambda m, i: swap(m, i, content=(*m[i].content, THOUGHT)),
    "add a stray result": lambda m, i: swap(
        m, i, content=(ToolResultBlock(tool_use_id="?", content=""), *m[i].content)
    ),
    "drop a call or result": lambda m, i: swap(m, i, content=without_one(m[i].content)),
    "say a call or result twice": lambda m, i: swap(m, i, content=(*pairs(m[i].content)[:1], *m[i].content)),
    "put text before results": lambda m, i: swap(m, i, content=(HELLO, *m[i].content)),
}


def swap(messages, index, **change):
    return (*messages[:index], trusted(Message, {**vars(messages[index]), **change}), *messages[index + 1 :])


def pairs(content):
    return [block for block in content if isinstance(block, ToolUseBlock | ToolResultBlock)]


def without_one(content):
    return tuple(block for block in content if block not in pairs(content)[:1])


def matters(name, messages, index):
    """Whether a mutation makes this conversation invalid at all."""
    message = messages[index]
    if name == "drop a message":
        return 0 < index < len(messages) - 1 or (index == 0 and len(messages) > 1)
    if name in ("drop a call or result", "say a call or result twice"):
        return bool(pairs(message.content))
    if name == "put text before results":
        return any(isinstance(block, ToolResultBlock) for block in message.content)
    return True


@given(conversations(ends=("prompt", "results")), st.sampled_from(sorted(MUTATIONS)), st.data())
@settings(max_examples=400, deadline=None)
def test_random_mutations_are_caught_also_from_the_place_where_they_are(messages, name, data):
    index = data.draw(st.integers(0, len(messages) - 1))
    if not matters(name, messages, index):
        return
    changed = MUTATIONS[name](messages, index)
    with pytest.raises(InvalidRequestError):
        check_messages(changed)
    with pytest.raises(InvalidRequestError):
        check_messages(changed, index)


# --- tools and anchors ---------------------------------------------------------------------------------


def tools(*names):
    return [ToolSpec(name=name, description="x", input_schema={}) for name in names]


def test_sorted_tools_with_good_names_pass():
    check_tools(tools())
    check_tools(tools("Bash", "Read", "mcp__x-y__z_1", "z" * 128))


def later(*names):
    return [ToolSpec(name=name, description="x", input_schema={}, deferred=True) for name in names]


def test_deferred_tools_stand_behind_all_others_in_any_order():
    check_tools([*tools("Bash", "Read"), *later("Zap", "Ask")])
    with pytest.raises(InvalidRequestError, match="stands after a deferred one"):
        check_tools([*later("Ask"), *tools("Bash")])
    with pytest.raises(InvalidRequestError, match="is there twice"):
        check_tools([*tools("Bash"), *later("Ask", "Bash")])


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        pytest.param(("Read", "Bash"), "stands after 'Read'", id="not sorted"),
        pytest.param(("Bash", "Bash"), "is there twice", id="twice"),
        pytest.param(("a b",), "cannot be called", id="a space"),
        pytest.param(("",), "cannot be called", id="no name"),
        pytest.param(("Read\n",), "cannot be called", id="a newline"),
        pytest.param(("z" * 129,), "cannot be called", id="too long"),
    ],
)
def test_other_tools_are_refused(names, problem):
    with pytest.raises(InvalidRequestError, match=problem):
        check_tools(tools(*names))


@pytest.mark.parametrize("anchors", [(), (0,), (1, 4)])
def test_few_anchors_inside_the_conversation_pass(anchors):
    check_anchors(anchors, 5)


@pytest.mark.parametrize("anchors", [(0, 1, 2), (5,), (-1,), (3, 3), (3, 1)])
def test_other_anchors_are_refused(anchors):
    with pytest.raises(InvalidRequestError, match="anchor"):
        check_anchors(anchors, 5)
