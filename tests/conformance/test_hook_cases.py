"""The recorded cases of the hook contract, each through a real session with real hook programs, compared by meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from hook_judge import DEVIATING, MISSING, REASONS, Judged, play_all, table
from hook_play import CASES

AT_MOST_MISSING = 80


@pytest.fixture(scope="module")
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Judged]:
    """All cases that this run asks for, played side by side."""
    mine = [
        item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module
    ]
    params = [item.callspec.params for item in mine if hasattr(item, "callspec")]
    wanted = [one["case"] for one in params if "case" in one]
    return play_all(dict.fromkeys(wanted), tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("case", CASES)
def test_a_recorded_case_means_the_same_here(case: str, judged: dict[str, Judged]) -> None:
    problems = judged[case].problems
    assert not problems, f"{CASES[case]['rule']}\n" + "\n".join(problems)


def test_the_outcomes_are_counted(judged: dict[str, Judged], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{table(judged.values())}")
    assert sum(one.kind == "missing" for one in judged.values()) <= AT_MOST_MISSING


def test_every_entry_of_the_list_is_a_case_with_a_reason_that_is_explained() -> None:
    assert not DEVIATING.keys() & MISSING.keys()
    assert DEVIATING.keys() | MISSING.keys() <= CASES.keys()
    assert {one["reason"] for one in DEVIATING.values()} == REASONS.keys()
    assert all(one["instead"] for one in DEVIATING.values())
    assert len(CASES) == 382


PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "deviations.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the page of deviations is not written yet")
@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_told_on_the_page_of_deviations(reason: str) -> None:
    assert f"`{reason}`" in PAGE.read_text(encoding="utf-8")
