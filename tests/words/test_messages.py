"""Messages: canonical JSON, hashes, origins."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.messages import (
    Message,
    Origin,
    Outcome,
    OutcomeKind,
    Tally,
    TextBlock,
    ToolCall,
    ToolResult,
    ToolResultBlock,
    Usage,
    canonical,
    input_hash,
    parse_message,
    trusted,
)
from pegboard.requests import Purpose, Request

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
inputs = st.dictionaries(st.text(), json_values)


def shuffled(value: object) -> object:
    if isinstance(value, dict):
        return {key: shuffled(inner) for key, inner in reversed(value.items())}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("role", "content"),
    [
        pytest.param("system", (TextBlock(text="hi"),), id="another role"),
        pytest.param("user", ("hi",), id="text that is no block"),
        pytest.param("user", ({"type": "song", "text": "la"},), id="a block of another kind"),
        pytest.param("user", None, id="nothing"),
    ],
)
def test_a_message_is_made_of_a_role_and_blocks_alone(role: Any, content: Any) -> None:
    with pytest.raises(ValueError, match=r"role|tuple|dictionary|tag"):
        Message(role=role, content=content)


def test_a_message_takes_blocks_in_their_wire_shape_and_keeps_those_that_are_some() -> None:
    block = TextBlock(text="one", origins=(Origin.USER,))
    message = Message(role="user", content=[block, {"type": "text", "text": "two"}])  # type: ignore[arg-type]
    assert message.content == (block, TextBlock(text="two"))
    assert message.content[0] is block


@given(inputs)
def test_equal_inputs_have_one_hash_whatever_the_order_of_their_keys(given_input: dict[str, object]) -> None:
    other = shuffled(given_input)
    assert isinstance(other, dict)
    assert input_hash(given_input) == input_hash(other)


@given(inputs)
def test_canonical_json_says_the_same_as_the_value(given_input: dict[str, object]) -> None:
    assert json.loads(canonical(given_input)) == given_input


@given(inputs, inputs)
def test_different_inputs_have_different_hashes(one: dict[str, object], other: dict[str, object]) -> None:
    if canonical(one) != canonical(other):
        assert input_hash(one) != input_hash(other)


def test_origins_stay_in_the_journal_and_never_go_on_the_wire() -> None:
    message = Message(role="user", content=(TextBlock(text="hi", origins=(Origin.USER,)),))
    assert message.wire() == {"role": "user", "content": [{"type": "text", "text": "hi"}]}


def test_a_content_that_is_one_string_becomes_a_text_block_with_its_labels() -> None:
    message = parse_message({"role": "user", "content": "hi"}, [["user"]])
    assert message.content == (TextBlock(text="hi", origins=(Origin.USER,)),)


def test_a_tally_knows_no_price_until_somebody_says_one() -> None:
    tally = Tally(Usage(input_tokens=3))
    assert tally.usage() == Usage(input_tokens=3)
    tally.add(Usage(output_tokens=2, cost_usd=0.5))
    tally.add(Usage(cost_usd=0.25))
    assert tally.usage() == Usage(input_tokens=3, output_tokens=2, cost_usd=0.75)


RESULT = {"origins": (Origin.TOOL,), "type": "tool_result", "tool_use_id": "c", "content": "ok", "is_error": False}
REQUEST = {
    "purpose": Purpose.TURN,
    "model": "m",
    "system": ("s",),
    "tools": (),
    "messages": (),
    "max_tokens": 1,
    "params": {"a": 1},
    "allowed_tools": ("Read",),
    "anchors": (0,),
    "hash": "h",
    "session_id": "s",
    "request_id": "r1",
}


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        pytest.param(ToolResultBlock, RESULT, id="result"),
        pytest.param(Usage, {**Usage().model_dump(), "input_tokens": 3}, id="usage"),
    ],
)
def test_a_trusted_model_is_the_one_that_validation_gives(kind: Any, facts: dict[str, Any]) -> None:
    made, checked = trusted(kind, facts), kind(**facts)
    assert made == checked
    assert repr(made) == repr(checked)
    assert list(made.__dict__) == list(checked.__dict__)
    assert made.model_dump_json() == checked.model_dump_json()
    name = next(iter(facts))
    assert made.model_copy(update={name: "other"}) == checked.model_copy(update={name: "other"})
    with pytest.raises(AttributeError, match="frozen"):
        setattr(made, name, "other")


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        pytest.param(Request, REQUEST, id="request"),
        pytest.param(Message, {"role": "user", "content": (ToolResultBlock(**RESULT),)}, id="message"),
        pytest.param(
            ToolCall,
            {"id": "c", "name": "Read", "input": {"path": "a"}, "origin": "model", "input_hash": "h"},
            id="call",
        ),
        pytest.param(
            Outcome,
            {"kind": OutcomeKind.OK, "result": ToolResult("a"), "started": True, "attempt": 1, "duration_ms": 0.5},
            id="outcome",
        ),
    ],
)
def test_a_trusted_dataclass_is_the_one_that_its_constructor_gives(kind: Any, facts: dict[str, Any]) -> None:
    made, built = trusted(kind, facts), kind(**facts)
    assert made == built
    assert list(made.__dict__) == [field.name for field in dataclasses.fields(kind)]
    assert dataclasses.replace(made) == built
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, next(iter(facts)), "other")
