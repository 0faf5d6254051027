"""The waiting time grows, stays within its limits, and never undercuts the provider."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pegboard_builtins.retry.backoff import JITTER, any_jitter, delay_before
from pegboard_builtins.retry.settings import RetrySettings

seconds = st.floats(0, 1e4)


@given(st.integers(2, 2000), seconds, seconds, st.none() | seconds, st.floats(-1, 1))
def test_the_delay_is_neither_shorter_than_asked_nor_longer_than_allowed(
    attempt: int, base: float, ceiling: float, asked: float | None, jitter: float
) -> None:
    delay = delay_before(attempt, base=base, ceiling=ceiling, retry_after=asked, jitter=jitter)
    assert delay >= (asked or 0.0)
    assert delay <= max(ceiling * (1 + JITTER), asked or 0.0)


@given(st.integers(2, 100), seconds, seconds)
def test_the_delay_never_shrinks_from_attempt_to_attempt(attempt: int, base: float, ceiling: float) -> None:
    first, second = (delay_before(a, base=base, ceiling=ceiling, retry_after=None) for a in (attempt, attempt + 1))
    assert first <= second


@pytest.mark.parametrize(
    ("attempt", "asked", "delay"),
    [
        pytest.param(2, None, 1.0, id="first repetition"),
        pytest.param(5, None, 8.0, id="doubled three times"),
        pytest.param(20, None, 60.0, id="at the ceiling"),
        pytest.param(5, 0.5, 8.0, id="backoff is a minimum over a small Retry-After"),
        pytest.param(2, 90.0, 90.0, id="a large Retry-After goes over the ceiling"),
    ],
)
def test_backoff_and_retry_after_together(attempt: int, asked: float | None, delay: float) -> None:
    assert delay_before(attempt, base=1.0, ceiling=60.0, retry_after=asked) == delay


def test_the_jitter_is_not_always_the_same() -> None:
    drawn = {any_jitter() for _ in range(50)}
    assert len(drawn) > 1
    assert all(-1 <= value <= 1 for value in drawn)


@pytest.mark.parametrize(
    "facts",
    [{"fallback": ["a:b", "a:c", "a:d", "a:e"]}, {"fallback": ["opus"]}, {"attempts": 0}, {"atempts": 3}],
    ids=["four fallbacks", "a model without prefix", "no attempts", "misspelt"],
)
def test_settings_that_make_no_sense_are_refused(facts: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RetrySettings.model_validate(facts)
