"""CLAUDE.md and AGENTS.md: what is found, imported, cut, left out, and when it is read again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.messages import Outcome, OutcomeKind, ToolCall, ToolResult
from pegboard.records import SessionStart
from pegboard.requests import Layer, Purpose, RequestDraft, Stability
from pegboard_builtins import project_memory
from pegboard_builtins.project_memory.files import MemorySettings, folders_between
from pegboard_builtins.project_memory.imports import expand


def start(memory, source="startup"):
    asyncio.run(project_memory.lifecycle(SessionStart(source=source), memory.ctx))


def sections(memory, purpose=Purpose.TURN):
    draft = RequestDraft(purpose=purpose, model="scripted:x")
    patch = asyncio.run(project_memory.prepare_request(draft, memory.ctx))
    return patch.sections if patch else ()


def text_of(memory):
    return "\n".join(section.text for section in sections(memory))


def touch(memory, path, *, tool="Read", kind=OutcomeKind.OK):
    key = "notebook_path" if tool == "NotebookEdit" else "file_path"
    call = ToolCall(id="c", name=tool, input={key: str(path)})
    patch = asyncio.run(project_memory.post_tool(call, Outcome(kind=kind, result=ToolResult()), memory.ctx))
    return patch.context if patch else ""


def test_files_come_from_far_to_near_each_under_its_path(memory):
    written = [
        memory.write("~/.claude/CLAUDE.md", "user claude"),
        memory.write("~/.config/pegboard/AGENTS.md", "user agents"),
        memory.write("CLAUDE.md", "root claude"),
        memory.write("AGENTS.md", "root agents"),
        memory.write(".claude/CLAUDE.md", "dot claude"),
        memory.write("CLAUDE.local.md", "local"),
        memory.write("pkg/AGENTS.md", "pkg agents"),
        memory.write("pkg/sub/CLAUDE.md", "sub claude"),
    ]
    memory.write("other/CLAUDE.md", "not on the way")
    memory.project = memory.cwd = memory.project / "pkg" / "sub"
    start(memory)
    found = sections(memory)
    assert [section.name for section in found] == [f"project_memory:{path}" for path in written]
    assert all(section.text.startswith(f"# {path} (") for section, path in zip(found, written, strict=True))
    assert {section.layer for section in found} == {Layer.USER}
    assert {section.stability for section in found} == {Stability.SESSION}
    assert [(event.memory_type, event.load_reason) for event in memory.fired] == [
        (kind, "session_start") for kind in ("User", "User", "Project", "Project", "Project", "Local", *["Project"] * 2)
    ]


def test_without_files_there_is_no_patch(memory):
    start(memory)
    assert sections(memory) == ()


def test_the_same_contents_and_the_same_file_come_once(memory):
    memory.write("CLAUDE.md", "same\n")
    memory.write("AGENTS.md", "same")
    memory.write("sub/AGENTS.md", "linked")
    os.symlink("AGENTS.md", memory.project / "sub" / "CLAUDE.md")
    memory.cwd = memory.project / "sub"
    start(memory)
    assert len(sections(memory)) == 2


def test_bytes_stay_the_same_until_the_session_is_compacted_or_cleared(memory):
    file = memory.write("CLAUDE.md", "first")
    start(memory)
    before = sections(memory)
    file.write_text("second")
    assert sections(memory) == before
    start(memory, "resume")
    assert sections(memory) == before
    for source, text in (("compact", "second"), ("clear", "third")):
        file.write_text(text)
        start(memory, source)
        assert text in text_of(memory)


def test_a_resumed_session_without_our_state_reads_the_files(memory):
    memory.write("CLAUDE.md", "first")
    start(memory, "resume")
    assert "first" in text_of(memory)


def test_a_request_of_another_purpose_gets_no_memory(memory):
    memory.write("CLAUDE.md", "first")
    start(memory)
    assert sections(memory, Purpose.CLASSIFIER) == ()
    assert sections(memory, Purpose.SUBAGENT) != ()


# --- imports -------------------------------------------------------------------------------------------


def test_imports_are_brought_in_recursively_and_announced(memory):
    first = memory.write("docs/a.md", "from a\n@b.md\n")
    second = memory.write("docs/b.md", "from b")
    root = memory.write("CLAUDE.md", "top\n- @docs/a.md\nSee @docs/b.md for more.\n@missing.md\nmail me@docs/a.md\n")
    start(memory)
    text = text_of(memory)
    assert text.index("top") < text.index("from a") < text.index("from b") < text.index("See @docs/b.md")
    assert text.count("from b") == 1
    assert "- @docs/a.md" not in text
    assert "@missing.md" in text
    assert "me@docs/a.md" in text
    assert [(event.file_path, event.load_reason, event.parent_file_path) for event in memory.fired] == [
        (str(root), "session_start", ""),
        (str(first), "include", str(root)),
        (str(second), "include", str(first)),
    ]


def test_code_is_no_import(memory):
    memory.write("a.md", "from a")
    memory.write(
        "CLAUDE.md", "`@a.md` and ``x @a.md``\n```\n@a.md\n~~~\n@a.md\n```\n~~~~ sh\n@a.md\n~~~\n@a.md\n~~~~\n"
    )
    start(memory)
    assert "from a" not in text_of(memory)


def test_circles_are_cut(memory):
    memory.write("CLAUDE.md", "top\n@a.md")
    memory.write("a.md", "from a\n@b.md\n@CLAUDE.md")
    memory.write("b.md", "from b\n@a.md\n@b.md")
    start(memory)
    text = text_of(memory)
    assert text.count("from a") == text.count("from b") == text.count("top") == 1


def test_imports_go_five_deep(memory):
    memory.write("CLAUDE.md", "@f1.md")
    for number in range(1, 9):
        memory.write(f"f{number}.md", f"level {number}\n@f{number + 1}.md")
    start(memory)
    text = text_of(memory)
    assert "level 5" in text
    assert "level 6" not in text


@pytest.mark.parametrize("mention", ["@~/.ssh/id_rsa", "@../secret", "@/etc/hostname", "@link.md"])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_project_file_brings_in_nothing_from_outside(memory, mention, trusted):
    memory.write("~/.ssh/id_rsa", "SECRET")
    memory.write("~/secret", "SECRET")
    os.symlink(memory.home / "secret", memory.project / "link.md")
    memory.write("CLAUDE.md", f"top\n{mention}")
    memory.trusted = trusted
    start(memory)
    assert "SECRET" not in text_of(memory)
    assert mention in text_of(memory)
    assert mention == "@/etc/hostname" or "outside the project" in memory.notices[0]


def test_a_memory_file_that_leads_outside_is_left_out(memory):
    memory.write("~/secret", "SECRET")
    os.symlink(memory.home / "secret", memory.project / "CLAUDE.md")
    start(memory)
    assert sections(memory) == ()
    assert "outside the project" in memory.notices[0]


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_project_brings_in_the_user_s_own_markdown(memory, trusted):
    memory.write("~/.claude/mine.md", "MINE")
    memory.write("~/.claude/credentials.json", "SECRET")
    memory.write("CLAUDE.md", "top\n@~/.claude/mine.md\n@~/.claude/credentials.json")
    memory.trusted = trusted
    start(memory)
    assert ("MINE" in text_of(memory)) is trusted
    assert "SECRET" not in text_of(memory)


def test_the_user_s_own_file_may_import_from_anywhere(memory):
    memory.write("~/notes/x.md", "NOTES")
    memory.write("~/.claude/CLAUDE.md", "@~/notes/x.md")
    start(memory)
    assert "NOTES" in text_of(memory)


@given(st.text(alphabet="@ab.md`~\n -/", max_size=80))
def test_text_without_imports_stays_as_it_is(text):

    assert expand(text, Path("/x/CLAUDE.md"), lambda path: None) == (text, [])


# --- what cannot be read, what is too long -------------------------------------------------------------


def test_a_long_file_is_cut_with_a_mark_and_a_notice(memory):
    memory.write("big.md", "ü" * 45_000)
    memory.write("CLAUDE.md", "top\n@big.md")
    start(memory)
    text = text_of(memory)
    assert 40_000 < len(text) < 40_500
    assert "only its first 40,000 characters are shown" in text
    assert "raise project_memory.max_characters" in memory.notices[0]


def test_a_huge_file_is_not_read_whole(memory):
    file = memory.write("CLAUDE.md", "top " + "ü" * 1_000_000)
    start(memory)
    assert len(text_of(memory)) < 41_000
    assert str(file) in memory.notices[0]


def test_what_cannot_be_read_costs_only_itself(memory):
    bad = memory.write("CLAUDE.md", b"caf\xe9 latte")
    memory.write("AGENTS.md", "good")
    (memory.project / ".claude" / "CLAUDE.md").mkdir(parents=True)
    os.mkfifo(memory.project / "CLAUDE.local.md")
    start(memory)
    assert len(sections(memory)) == 1
    assert memory.notices == [f"{bad} is not UTF-8 and was left out: invalid continuation byte at byte 3"]


def test_names_and_the_other_host_s_files_are_settings(memory):
    memory.write("CLAUDE.md", "claude")
    memory.write("CLAUDE.local.md", "local")
    memory.write("~/.claude/CLAUDE.md", "user")
    memory.write("AGENTS.md", "agents")
    memory.write("NOTES.md", "notes")
    memory.settings = MemorySettings(files=("CLAUDE.md", "AGENTS.md", "NOTES.md"), claude=False)
    start(memory)
    assert [section.text.splitlines()[-1] for section in sections(memory)] == ["agents", "notes"]


# --- nested files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["Read", "Edit", "Write", "NotebookEdit"])
def test_a_nested_file_comes_once_when_its_folder_is_touched(memory, tool):
    memory.write("CLAUDE.md", "top")
    first = memory.write("pkg/CLAUDE.md", "pkg rules\n@more.md")
    memory.write("pkg/more.md", "more rules")
    second = memory.write("pkg/deep/AGENTS.md", "deep rules")
    start(memory)
    memory.fired.clear()
    shown = touch(memory, "pkg/deep/x.py", tool=tool)
    assert shown.index(str(first)) < shown.index("pkg rules") < shown.index("more rules") < shown.index(str(second))
    assert "top" not in shown
    assert touch(memory, memory.project / "pkg" / "y.py", tool=tool) == ""
    assert [(event.load_reason, event.trigger_file_path) for event in memory.fired] == [
        (reason, str(memory.project / "pkg/deep/x.py"))
        for reason in ("nested_traversal", "include", "nested_traversal")
    ]
    assert "pkg rules" not in text_of(memory)


@pytest.mark.parametrize(
    ("path", "tool", "kind"),
    [
        ("x.py", "Read", OutcomeKind.OK),
        ("../elsewhere/x.py", "Read", OutcomeKind.OK),
        ("pkg/x.py", "Bash", OutcomeKind.OK),
        ("pkg/x.py", "Read", OutcomeKind.DENIED),
        ("pkg/x.py", "Read", OutcomeKind.ERROR),
    ],
)
def test_nothing_nested_comes_for_other_files_tools_and_outcomes(memory, path, tool, kind):
    memory.write("CLAUDE.md", "top")
    memory.write("pkg/CLAUDE.md", "pkg rules")
    memory.write("~/elsewhere/CLAUDE.md", "other rules")
    start(memory)
    assert touch(memory, path, tool=tool, kind=kind) == ""


def test_a_nested_file_comes_again_after_a_compaction(memory):
    memory.write("pkg/CLAUDE.md", "pkg rules")
    start(memory)
    assert "pkg rules" in touch(memory, "pkg/x.py")
    start(memory, "compact")
    assert "pkg rules" in touch(memory, "pkg/x.py")


def test_a_slow_listener_does_not_hold_up_a_request(memory):
    memory.write("CLAUDE.md", "top")

    async def never(event):
        await asyncio.sleep(60)

    memory.fire = never
    assert "top" in text_of(memory)


@pytest.mark.parametrize(
    ("root", "folder", "expected"),
    [
        ("/a", "/a/b/c", ["/a", "/a/b", "/a/b/c"]),
        ("/a", "/a", ["/a"]),
        ("/a", "/ab/c", ["/a"]),
        ("/", "/a", ["/", "/a"]),
    ],
)
def test_folders_go_from_the_root_down(root, folder, expected):

    assert [str(path) for path in folders_between(Path(root), Path(folder))] == expected
