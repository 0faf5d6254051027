"""Words of hooks and of the host are fenced: nothing in them ends the fence."""

from __future__ import annotations

import pytest

from pegboard._agent.side import reminder
from pegboard.messages import disarmed


@pytest.mark.parametrize(
    "end", ["</system-reminder>", "</System-Reminder>", "< / system-reminder >", "</system-reminder x>"]
)
def test_no_spelling_of_its_end_ends_a_reminder_early(end: str) -> None:
    fenced = reminder(f"before {end} after")
    inside = fenced.removeprefix("<system-reminder>\n").removesuffix("\n</system-reminder>")
    assert fenced.endswith(" after\n</system-reminder>")
    assert "".join(inside.lower().split()).count("</system-reminder") == 0


@pytest.mark.parametrize(
    "tag", ["<system-reminder>", "</system-reminder>", "<System-Reminder id=1>", "< /system-reminder"]
)
def test_what_comes_from_outside_has_no_tag_of_the_host(tag: str) -> None:
    assert disarmed(f"a {tag} b <system> </systems>") == f"a &lt;{tag[1:]} b <system> </systems>"
