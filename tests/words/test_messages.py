"""Messages: canonical JSON, hashes, origins."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pegboard.messages import Message, Origin, Tally, TextBlock, Usage, canonical, input_hash, parse_message

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
