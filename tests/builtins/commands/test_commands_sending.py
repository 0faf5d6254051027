"""Commands in whole sessions: which file has a name, what becomes of its text, who may run what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pegboard import hookimpl
from pegboard.context import Prompt
from pegboard.decisions import Answer
from pegboard.messages import EndReason, Origin
from pegboard.records import Event
from pegboard.testing import HostFixture, call, installed

pytestmark = pytest.mark.anyio

WITH = ("commands", "permissions", "shell_tool", "file_tools")


@pytest.fixture
async def room() -> AsyncIterator[HostFixture]:
    async with HostFixture() as host:
        host.builtin(*WITH)
        yield host


def consent(room: HostFixture) -> None:
    """Consent to all that the project has, as `pegboard trust` does."""
    host = room._make_host().open()
    host.trust.consent(host.cwd, host.wanted())


async def sent(room: HostFixture, prompt: str) -> str:
    """Send a prompt, and return what the model was given for it."""
    room.model.script("done")
    result = await room.prompt(prompt)
    assert result.reason is EndReason.COMPLETED, result.detail
    return block(room).text


def block(room: HostFixture) -> Any:
    return next(b for m in reversed(room.messages) if m.role == "user" for b in m.content if Origin.USER in b.origins)


async def refusal(room: HostFixture, prompt: str) -> str:
    room.model.script("never")
    result = await room.prompt(prompt)
    assert result.reason is EndReason.REFUSED
    return result.detail


async def test_a_command_of_the_user_becomes_its_text_with_its_arguments(room: HostFixture) -> None:
    room.file("../config/commands/fix.md", "---\ndescription: Fix\n---\nFix $1 in $2; all: $ARGUMENTS.")
    assert (await sent(room, '/fix "a b" c')) == 'Fix a b in c; all: "a b" c.'
    assert block(room).origins == (Origin.USER,)


async def test_words_for_a_text_that_has_no_place_for_them_are_not_lost(room: HostFixture) -> None:
    room.file("../home/.claude/commands/plain.md", "Look around.")
    assert await sent(room, "/plain and hurry") == "Look around.\n\nARGUMENTS: and hurry"
    assert await sent(room, "/plain") == "Look around."


async def test_what_arguments_hold_is_neither_argument_nor_shell_line(room: HostFixture) -> None:
    room.file("../config/commands/say.md", "Say: $ARGUMENTS")
    assert await sent(room, "/say $1 !`touch made`") == "Say: $1 !`touch made`"
    assert not (room.project / "made").exists()


async def test_folders_within_are_part_of_the_name(room: HostFixture) -> None:
    room.file("../config/commands/front/end/part.md", "deep")
    assert await sent(room, "/front:end:part") == "deep"


async def test_a_command_of_the_project_counts_only_with_consent_to_its_text(room: HostFixture) -> None:
    file = room.file(".claude/commands/go.md", "Go.")
    assert "pegboard trust" in await refusal(room, "/go")
    consent(room)
    assert await sent(room, "/go") == "Go."
    assert block(room).origins == (Origin.USER, Origin.PROJECT)
    file.write_text("Go on.")
    assert "nobody consented" in await refusal(room, "/go")


async def test_the_users_own_file_has_a_name_before_the_projects(room: HostFixture) -> None:
    room.file("../config/commands/go.md", "mine")
    room.file(".pegboard/commands/go.md", "theirs")
    consent(room)
    assert await sent(room, "/go") == "mine"
    assert await sent(room, "/project:go") == "theirs"


async def test_a_shell_line_runs_with_the_rules_that_its_file_brings_and_for_this_prompt_alone(
    room: HostFixture,
) -> None:
    room.file("../config/commands/new.md", "---\nallowed-tools: Bash(touch *)\n---\nMade:!`touch made && echo yes`.")
    room.file("../config/commands/bare.md", "Made:!`touch other`.")
    assert "yes" not in (await refusal(room, "/bare"))
    assert not (room.project / "other").exists()
    # `echo` needs no rule of its own: it only prints.
    assert await sent(room, "/new") == "Made:yes."
    assert (room.project / "made").exists()
    assert block(room).origins == (Origin.USER, Origin.TOOL)
    room.model.script([call("Bash", command="touch again")], "done")
    await room.prompt("Do it again")
    assert not (room.project / "again").exists()


async def test_rules_and_lines_of_a_plugin_folder_may_name_its_root(room: HostFixture) -> None:
    script = room.file("../kit/bin/hello.sh", "#!/bin/sh\necho hello $1; touch here\n")
    script.chmod(0o755)
    head = '---\nallowed-tools: ["Bash(${CLAUDE_PLUGIN_ROOT}/bin/hello.sh:*)"]\n---\n'
    room.file("../kit/commands/hi.md", head + '```!\n"${CLAUDE_PLUGIN_ROOT}/bin/hello.sh" $ARGUMENTS\n```\nThen stop.')
    room.settings["plugins"] = {"folders": [str(room.folder / "kit")]}
    room._stale = True
    assert await sent(room, "/kit:hi you") == "hello you\nThen stop."
    assert (room.project / "here").exists()


async def test_a_rule_that_denies_beats_those_that_a_command_brings(room: HostFixture) -> None:
    room.settings["permissions"] = {"deny": ["Bash(touch *)"]}
    room.file("../config/commands/new.md", "---\nallowed-tools: Bash(touch *)\n---\n!`touch made`")
    assert "touch made" in await refusal(room, "/new")
    assert not (room.project / "made").exists()


async def test_hooks_see_and_refuse_a_shell_line_like_any_call(room: HostFixture) -> None:
    seen = []

    class Guard:
        @hookimpl
        def pre_tool(self, call: Any) -> None:
            seen.append((call.name, call.input["command"], call.origin))

    room.load(Guard(), "guard")
    room.file("../config/commands/new.md", "---\nallowed-tools: Bash\n---\n!`echo $1`")
    assert await sent(room, "/new hi") == "hi"
    assert seen == [("Bash", "echo hi", "hook:commands")]


async def test_a_shell_line_that_fails_refuses_the_prompt_with_what_it_said(room: HostFixture) -> None:
    room.file("../config/commands/new.md", "---\nallowed-tools: Bash\n---\n!`cat nowhere`")
    assert "nowhere" in await refusal(room, "/new")


async def test_a_file_that_is_named_comes_with_the_prompt_and_one_that_may_not_be_read_refuses_it(
    room: HostFixture,
) -> None:
    room.settings["permissions"] = {"deny": ["Read(./secret.txt)"]}
    room.file("a.txt", "alpha")
    room.file("secret.txt", "hidden")
    room.file("../config/commands/look.md", "Look at @a.txt, @missing.txt and me@a.txt; $ARGUMENTS")
    text = await sent(room, "/look")
    assert "The file a.txt:" in text
    assert "alpha" in text
    assert "missing.txt:" not in text
    said = await refusal(room, "/look @secret.txt")
    assert "secret.txt" in said
    assert "hidden" not in said


async def test_a_hook_on_the_expansion_can_refuse_it_and_add_to_it(room: HostFixture) -> None:
    heard: list[Any] = []

    class Listener:
        @hookimpl(matcher="UserPromptExpansion")
        def lifecycle(self, event: Event) -> Answer:
            heard.append(event)
            return Answer(block="stop" in event.command_args, reason="not now", context="mind the gap")  # type: ignore[attr-defined]

    room.load(Listener(), "listener")
    room.file("../config/commands/go.md", "Go $1.")
    assert await sent(room, "/go far") == "Go far."
    assert any("mind the gap" in b.text for m in room.messages for b in m.content if hasattr(b, "text"))
    assert "not now" in await refusal(room, "/go stop")
    assert (heard[0].command_name, heard[0].command_args, heard[0].command_source) == ("go", "far", "userSettings")


async def test_a_command_asks_its_model_for_one_turn(room: HostFixture) -> None:
    room.file("../config/commands/go.md", "---\nmodel: quick\n---\nGo.")
    # A scripted model goes by the number of the answer in the conversation, whoever gave the ones before.
    room.model.script("from the usual", "never asked", "and again")
    turns = [{"text": "never asked"}, {"text": "from the other"}]
    other = installed("scripted_model").load().play("quick", turns)
    room.settings["commands"] = {"models": {"quick": other}}
    assert (await room.prompt("hello")).text == "from the usual"
    assert (await room.prompt("/go")).text == "from the other"
    assert (await room.prompt("and now")).text == "and again"


async def test_a_slip_is_told_and_a_path_is_a_prompt(room: HostFixture) -> None:
    room.file("../config/commands/deploy.md", "Deploy.")
    assert "Did you mean 'deploy'" in await refusal(room, "/deplyo now")
    assert await sent(room, "/etc is a folder") == "/etc is a folder"
    assert await sent(room, "/usr/bin/env is a file") == "/usr/bin/env is a file"


async def test_what_is_for_the_model_alone_cannot_be_typed(room: HostFixture) -> None:
    room.file("../config/skills/deep/SKILL.md", "---\nuser-invocable: false\ndescription: x\n---\nThink.")
    assert "for the model alone" in await refusal(room, "/deep")


async def test_a_file_that_is_no_text_is_named_in_the_refusal(room: HostFixture) -> None:
    path = room.file("../config/commands/bad.md")
    path.write_bytes(b"\xff\xfe\x00")
    assert "is no UTF-8" in await refusal(room, "/bad")


async def test_prompts_of_a_pack_are_listed_bounded_and_escaped_and_one_that_breaks_costs_no_other(
    room: HostFixture,
) -> None:
    class Loud:
        @hookimpl
        def register(self, registry: Any) -> None:
            named = [Prompt("fine", "x\x1b[31m\n" + "y" * 9_000, "a\tb"), Prompt("not fine"), Prompt("../up")]
            registry.add_prompts(lambda ctx: named)
            registry.add_prompts(lambda ctx: 1 / 0)

    room.load(Loud(), "loud")
    room.file("../config/commands/go.md", "Go.")
    session = await room.open()
    found = room.host.prompts(session)
    assert sorted(found) == ["fine", "go"]
    assert len(found["fine"].help) == 300
    assert "\x1b" not in found["fine"].help
    assert found["fine"].args == "a b"
