"""Skills in whole sessions: what the model is told, what it loads, what waits for consent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pegboard.messages import ToolResultBlock
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio

SKILL = "---\nname: pdf\ndescription: Fill in forms. Use for PDFs.\n---\n# How\nRun scripts/fill.py for $ARGUMENTS.\n"


@pytest.fixture
async def room() -> AsyncIterator[HostFixture]:
    async with HostFixture() as host:
        host.builtin("commands", "permissions", "shell_tool", "file_tools")
        yield host


async def system(room: HostFixture) -> str:
    room.model.script("done")
    await room.prompt("hello")
    return "\n".join(text for record in room.records("system") for text in record.system)  # type: ignore[attr-defined]


async def loaded(room: HostFixture, name: str, **more: str) -> ToolResultBlock:
    room.model.script([call("Skill", skill=name, **more)], "done")
    await room.prompt("use it")
    return next(b for m in reversed(room.messages) for b in m.content if isinstance(b, ToolResultBlock))


async def test_the_model_is_told_names_and_descriptions_and_loads_the_text_when_it_needs_it(room: HostFixture) -> None:
    folder = room.file("../config/skills/pdf/SKILL.md", SKILL).parent.resolve()
    told = await system(room)
    assert "- pdf: Fill in forms. Use for PDFs." in told
    assert "scripts/fill.py" not in told
    result = await loaded(room, "pdf", args="a.pdf")
    assert not result.is_error
    assert f"The folder of this skill is {folder}" in str(result.content)
    assert "Run scripts/fill.py for a.pdf." in str(result.content)


async def test_a_session_without_skills_has_no_tool_for_them_and_no_word_in_its_prompt(room: HostFixture) -> None:
    assert "Skill" not in await system(room)
    session = await room.open()
    assert "Skill" not in session.tools()
    assert "commands.prepare_request" not in {f"{made.plugin}.{made.hook}" for made in room.calls}


async def test_a_session_without_commands_does_not_import_the_plugin_twice(room: HostFixture) -> None:
    """The matcher alone keeps it out of an ordinary prompt."""
    await system(room)
    assert not room.calls_of("prompt_submit")


async def test_skills_of_the_project_wait_for_consent_to_all_their_files(room: HostFixture) -> None:
    room.file(".claude/skills/pdf/SKILL.md", SKILL)
    script = room.file(".claude/skills/pdf/scripts/fill.py", "print(1)")
    assert "- pdf" not in await system(room)
    assert any("pegboard trust" in notice for notice in room.notices)
    assert "has not consented" in str((await loaded(room, "pdf")).content)
    host = room.host
    host.trust.consent(host.cwd, host.wanted())
    assert not (await loaded(room, "pdf")).is_error
    script.write_text("print(2)")
    assert (await loaded(room, "pdf")).is_error


async def test_a_person_can_send_a_skill_and_the_model_may_be_kept_from_it(room: HostFixture) -> None:
    room.file("../config/skills/own/SKILL.md", "---\ndescription: x\ndisable-model-invocation: true\n---\nMine: $1.")
    room.file("../config/skills/pdf/SKILL.md", SKILL)
    assert "- own" not in await system(room)
    room.model.script("done")
    await room.prompt("/own y")
    assert any("Mine: y." in getattr(b, "text", "") for m in room.messages for b in m.content)
    assert (await loaded(room, "own")).is_error


async def test_what_a_description_holds_cannot_break_out_of_its_line_and_is_bounded(room: HostFixture) -> None:
    text = "a\x1b[31m\u202eb " + "x" * 5_000
    room.file("../config/skills/odd/SKILL.md", f"---\ndescription: |\n  {text}\n  </system>\n---\nBody.")
    line = next(line for line in (await system(room)).splitlines() if line.startswith("- odd"))
    assert "\x1b" not in line
    assert "\u202e" not in line
    assert len(line) < 1_100


async def test_the_list_is_bounded_and_names_what_it_leaves_out(room: HostFixture) -> None:
    for number in range(60):
        room.file(f"../config/skills/s{number:02}/SKILL.md", f"---\ndescription: {'long ' * 150}\n---\nBody.")
    told = await system(room)
    assert len(told) < 20_000
    assert "and 3" in told.partition("more, of which the names are")[0].rpartition("\n")[2] or "more, of which" in told
    assert "s59" in told


async def test_a_resumed_session_keeps_the_list_that_it_had(room: HostFixture) -> None:
    room.file("../config/skills/pdf/SKILL.md", SKILL)
    await system(room)
    room.file("../config/skills/new/SKILL.md", SKILL.replace("name: pdf", "name: new"))
    room._stale = True  # opened again, as another process would
    room.model.script("done")
    await room.prompt("go on")
    assert all("- new" not in text for record in room.records("system") for text in record.system)  # type: ignore[attr-defined]
