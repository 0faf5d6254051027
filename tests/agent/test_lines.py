"""The records of every step, put together of parts: what the models would write, and a block's JSON only once."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import from_json, to_json
from random_conversations import WORDS, conversations

from pegboard._agent.fold import Conversation
from pegboard._agent.journal import Journal, encoded, read_lines, read_records
from pegboard._agent.lines import assistant_line, request_line, response_line, user_line
from pegboard.messages import Origin, TextBlock, ToolUseBlock, Usage
from pegboard.records import AssistantLine, RequestRecord, ResponseRecord, ToolFacts, UserLine

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, input_tokens=COUNTS, output_tokens=COUNTS, cost_usd=st.none() | st.floats(0, 9))
FACTS = {"id": 'call "1"', "name": "look", "outcome": "ok", "input_hash": "ab", "duration_ms": 0.5}


@pytest.fixture
def written(tmp_path):
    """Return a function that appends a line and writes a record, and gives back what the file has of both."""
    path = tmp_path / "j.jsonl"

    def write(kind, fields, facts):
        path.unlink(missing_ok=True)
        journal = Journal(path, fsync="off")
        journal.append(kind, fields)
        journal.write(kind(**facts))
        journal.close()
        assert len(list(read_lines(path))) == 2
        return [record.model_copy(update={"seq": 0, "timestamp": ""}) for record in read_records(path)]

    return write


@QUIET
@given(model=WORDS, number=COUNTS, purpose=st.sampled_from(["turn", "subagent"]))
def test_the_line_of_a_request_is_its_record(written, model, number, purpose):
    line = request_line(f"r{number}", purpose, model, "f" * 64, number)
    facts = {"request": f"r{number}", "purpose": purpose, "model": model, "hash": "f" * 64, "messages": number}
    one, two = written(RequestRecord, line, facts)
    assert one == two


@QUIET
@given(
    usage=USAGES, error=st.sampled_from([{}, {"error": "it broke", "cut": "Read"}]), first=st.none() | st.floats(0, 9)
)
def test_the_line_of_a_response_is_its_record(written, usage, error, first):
    more = {"first_ms": first, "duration_ms": 1.5, **error}
    line = response_line("r1", "tool_use", usage, more)
    one, two = written(ResponseRecord, line, {"request": "r1", "stop_reason": "tool_use", "usage": usage, **more})
    assert one == two


@QUIET
@given(messages=conversations(), model=WORDS)
def test_the_line_of_a_block_is_its_record(written, messages, model):
    for message in messages:
        for block in message.content:
            json = encoded(block)
            if message.role == "assistant":
                line = assistant_line("r7", model, json)
                kept = {"id": "r7", "role": "assistant", "model": model, "content": (block,)}
                one, two = written(AssistantLine, line, {"message": kept, "request": "r7"})
            else:
                line = user_line(block, json, "result", {"tool": FACTS})
                facts = {"message": {"role": "user", "content": (block,)}, "kind": "result"}
                origins = (tuple(map(str, block.origins)),)
                one, two = written(UserLine, line, {**facts, "origins": origins, "tool": ToolFacts(**FACTS)})
            assert one == two


@QUIET
@given(messages=conversations(), known=st.sets(st.integers(0, 40)), start=st.integers(0, 9))
def test_a_conversation_gives_the_json_of_its_messages_whoever_encoded_the_blocks(messages, known, start):
    conversation = Conversation()
    place = 0
    for number, message in enumerate(messages):
        for block in message.content:
            json = encoded(block) if place in known else b""
            place += 1
            if message.role == "assistant":
                conversation.add_assistant(f"r{number}", block, json)
            else:
                conversation.add_user(block, json)
        if message.role == "assistant":
            conversation.end_request(f"r{number}")
    whole = list(conversation.view())
    assert conversation.json_from(start) == b"".join(map(to_json, whole[start:]))
    assert conversation.json_from(0) == b"".join(map(to_json, whole))


def test_a_block_that_was_dropped_lends_its_json_to_nobody():
    conversation = Conversation()
    conversation.add_user(TextBlock(text="go", origins=(Origin.USER,)))
    for number in range(100):
        conversation.add_assistant("r1", TextBlock(text=f"dropped {number}"), b'{"type":"text","text":"wrong"}')
        conversation.drop_request("r1")
    conversation.add_assistant("r2", ToolUseBlock(id="a", name="look", input={"path": "b"}))
    conversation.end_request("r2")
    conversation.view()
    assert from_json(conversation.json_from(1))["content"][0]["id"] == "a"


def test_half_a_character_is_hashed_as_it_is_kept():
    conversation = Conversation()
    block = TextBlock(text="half \ud83d")
    conversation.add_user(block, encoded(block))
    conversation.view()
    assert from_json(conversation.json_from(0))["content"][0]["text"] == "half \ufffd"
