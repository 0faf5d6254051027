"""The page of deviations tells of every way in which the recorded cases are answered otherwise on purpose."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "explanation" / "deviations.md").read_text()
REASONS = json.loads((ROOT / "tests" / "conformance" / "deviations.json").read_text())["reasons"]


def test_every_reason_of_the_recorded_cases_is_on_the_page_and_no_other_is() -> None:
    told = set(re.findall(r"\(`([a-z0-9-]+)`\)", PAGE))
    assert told == set(REASONS) - {"to-mend"}
