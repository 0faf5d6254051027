"""What a turn expects of its request, and how it says that it got something else."""

from __future__ import annotations

import pytest

from pegboard.messages import Message, TextBlock
from pegboard.requests import Purpose
from pegboard_builtins.scripted_model.expectations import UnmetExpectationError

LOOK = {"call": [{"name": "Read", "input": {}}]}


def unmet(one, **facts):
    with pytest.raises(UnmetExpectationError) as caught:
        one.events(one.request(**facts))
    return caught.value


@pytest.mark.parametrize(
    "expect",
    [
        pytest.param({"contains": "result of toolu_1_1"}, id="contains"),
        pytest.param({"contains": ["result", "toolu"]}, id="contains all"),
        pytest.param({"not_contains": ["error", "go"]}, id="not contains"),
        pytest.param({"system_contains": "be good"}, id="system"),
        pytest.param({"tools": ["Read"]}, id="tools"),
        pytest.param({"messages": 3}, id="messages"),
        pytest.param({"purpose": "turn"}, id="purpose"),
        pytest.param({"tool_result": {"name": "Read", "contains": "result", "is_error": False}}, id="by name"),
        pytest.param({"tool_result": [{"id": "toolu_1_1"}, {"contains": "result"}]}, id="several results"),
    ],
)
def test_a_request_that_meets_its_expectation_is_answered(talk, expect):
    one = talk([LOOK, {"text": "fine", "expect": expect}])
    one.ask()
    assert one.ask() == "fine"


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        pytest.param(
            {"contains": "fixed"}, "contains, in the last user message\n    - 'fixed'\n    + 'result", id="contains"
        ),
        pytest.param({"not_contains": "result"}, "nothing like 'result'", id="not contains"),
        pytest.param({"system_contains": "be bad"}, "- 'be bad'\n    + 'be good'", id="system"),
        pytest.param({"tools": ["Read", "Edit"]}, "tools\n    - Edit\n    + Read", id="tools"),
        pytest.param({"messages": 5}, "messages\n    - 5\n    + 3", id="messages"),
        pytest.param({"purpose": "title"}, "purpose\n    - title\n    + turn", id="purpose"),
        pytest.param({"tool_result": {"name": "Bash"}}, "a result of Bash\n    + Read toolu_1_1", id="no such result"),
        pytest.param({"tool_result": {"is_error": True}}, "is_error = true\n    + is_error = false", id="no error"),
        pytest.param({"tool_result": {"name": "Read", "contains": "x9"}}, "contains 'x9'", id="other content"),
    ],
)
def test_a_request_that_does_not_is_refused_with_the_difference(talk, expect, problem):
    one = talk([LOOK, {"text": "fine", "expect": expect}])
    one.ask()
    error = unmet(one)
    assert len(error.problems) == 1
    assert problem in error.problems[0]
    assert error.turn == 2


def test_the_message_names_file_and_line_of_the_turn_and_every_difference(talk):
    one = talk('# a script\n[[turn]]\ntext = "x"\n\n[[turn]]\ntext = "y"\nexpect = { contains = "a", messages = 9 }\n')
    one.ask()
    error = unmet(one)
    assert str(error).startswith("script.toml:5: turn 2 expects another request")
    assert len(error.problems) == 2
    assert (error.file, error.line) == ("script.toml", 5)


def test_a_tool_that_may_not_be_called_now_is_not_offered(talk):
    one = talk([{"text": "x", "expect": {"tools": "Read"}}])
    assert "no tools" in str(unmet(one, allowed_tools=()))


def test_a_long_message_is_shown_by_its_ends(talk):
    one = talk([{"text": "x", "expect": {"contains": "needle"}}])
    one.messages[0] = Message(role="user", content=(TextBlock(text="begin" + "." * 50_000 + "end"),))
    error = unmet(one)
    assert len(str(error)) < 1500
    assert "begin" in str(error)
    assert "end'" in str(error)


def test_an_unmet_expectation_stays_unmet_when_it_is_tried_again(talk):
    one = talk([{"text": "x", "expect": {"contains": "needle"}}])
    unmet(one)
    unmet(one)


def test_expectations_of_other_purposes_are_checked_too(talk):
    one = talk([{"purpose": "title", "text": "x", "expect": {"contains": "needle"}}])
    unmet(one, purpose=Purpose.TITLE)
