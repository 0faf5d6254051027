"""The lattice of verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.decisions import MILD_TO_STRICT, Decision, Verdict, strictest

ALLOW, ASK, DEFER, DENY = (Decision(verdict=verdict) for verdict in Verdict)
NOTHING = Decision()
decisions = st.lists(st.sampled_from([NOTHING, ALLOW, ASK, DEFER, DENY]))


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        pytest.param([], None, id="nobody minds"),
        pytest.param([NOTHING], None, id="no opinion is no answer"),
        pytest.param([ALLOW, ASK], ASK, id="ask beats allow"),
        pytest.param([ASK, DEFER], DEFER, id="defer beats ask"),
        pytest.param([DENY, DEFER, ALLOW], DENY, id="a later allow cannot undo a deny"),
    ],
)
def test_the_strictest_decision_wins(answers: list[Decision], winner: Decision | None) -> None:
    assert strictest(answers) is winner


def test_the_first_among_equals_wins() -> None:
    first, second = Decision.deny("first"), Decision.deny("second")
    assert strictest([ALLOW, first, second]) is first


@given(decisions, decisions)
def test_more_answers_never_make_a_verdict_milder(some: list[Decision], more: list[Decision]) -> None:
    before, after = strictest(some), strictest([*some, *more])
    if before is not None and before.verdict is not None:
        assert after is not None
        assert after.verdict is not None
        assert MILD_TO_STRICT.index(after.verdict) >= MILD_TO_STRICT.index(before.verdict)


@given(decisions)
def test_the_verdict_does_not_depend_on_the_order(answers: list[Decision]) -> None:
    forwards, backwards = strictest(answers), strictest(list(reversed(answers)))
    assert (forwards and forwards.verdict) == (backwards and backwards.verdict)
