"""Bash: what a command prints, where it runs and with what."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shell_tool_desk import ShellDesk

from pegboard.errors import ToolError, ToolInputError
from pegboard.messages import ToolResult, ToolResultBlock
from pegboard.testing import HostFixture, call
from pegboard.tools import Claims
from pegboard_builtins.shell_tool import bash as module
from pegboard_builtins.shell_tool import script
from pegboard_builtins.shell_tool.analysis import only_reads
from pegboard_builtins.shell_tool.output import Output

bash = module.bash


def test_both_streams_come_together_in_the_recorded_shape(desk: ShellDesk) -> None:
    result = desk.call(bash, command="echo out; echo err >&2", description="both")
    assert result.data == {
        "stdout": "out\nerr",
        "stderr": "",
        "interrupted": False,
        "isImage": False,
        "noOutputExpected": False,
    }
    assert (result.content, result.is_error) == ("out\nerr", False)


@pytest.mark.parametrize(
    ("command", "content"),
    [
        pytest.param("sleep 0.01; false", "Exit code 1", id="no output"),
        pytest.param("echo why; exit 3", "Exit code 3\nwhy", id="exit in the command"),
        pytest.param("no-such-program-anywhere 2>/dev/null", "Exit code 127", id="no such program"),
        pytest.param("kill -KILL $$", "Exit code 137", id="the shell is killed"),
        pytest.param("sh -c 'kill -TERM $$' 2>/dev/null", "Exit code 143", id="its program is killed"),
    ],
)
def test_a_failure_begins_with_the_exit_code(desk: ShellDesk, command: str, content: str) -> None:
    result = desk.call(bash, command=command)
    assert result.is_error
    assert str(result.content).startswith(content)


def test_a_syntax_error_is_told_with_the_commands_own_line(desk: ShellDesk) -> None:
    result = desk.call(bash, command="echo one\necho 'two")
    assert result.is_error
    assert "unexpected EOF" in str(result.content)


def test_no_output_is_said(desk: ShellDesk) -> None:
    assert desk.call(bash, command="true").content == "(no output)"


@pytest.mark.parametrize(
    ("command", "meaning"),
    [
        ("grep zzz /etc/passwd", "No matches found"),
        ("test -f nowhere", "Condition is false"),
        ("cmp /etc/passwd /etc/group", "Files differ"),
    ],
)
def test_an_exit_status_that_is_an_answer_is_no_error(desk: ShellDesk, command: str, meaning: str) -> None:
    result = desk.call(bash, command=command)
    assert not result.is_error
    assert result.data["returnCodeInterpretation"] == meaning
    assert meaning in str(result.content)


def test_an_exit_status_in_a_longer_command_is_an_error(desk: ShellDesk) -> None:
    assert desk.call(bash, command="true; grep zzz /etc/passwd").is_error


def test_invalid_utf8_is_replaced(desk: ShellDesk) -> None:
    assert desk.call(bash, command=r"printf 'a\377b\303'").content == "a�b�"


def test_there_is_no_input_and_no_terminal(desk: ShellDesk) -> None:
    assert desk.call(bash, command="cat; read x; echo $?").content == "1"
    assert "yes" not in str(desk.call(bash, command="(echo yes > /dev/tty) 2>&1; true").content)


def test_the_command_sees_no_arguments_of_ours(desk: ShellDesk) -> None:
    assert desk.call(bash, command='echo "$#|$1|$-"').content == "0||hBc"


def test_a_here_document_and_quotes_pass_unchanged(desk: ShellDesk) -> None:
    text = 'it\'s "$HOME" `x` \\ \\\\ é'
    assert desk.call(bash, command=f"cat <<'END'\n{text}\nEND").content == text


def test_what_the_host_measures_is_not_handed_on(desk: ShellDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "secret")
    monkeypatch.setenv("KEPT", "yes")
    text = str(desk.call(bash, command="env").content)
    assert "OTEL_" not in text
    assert "KEPT=yes" in text
    assert f"PEGBOARD_SESSION_ID={desk.services.session_id}" in text


@pytest.mark.anyio
async def test_programs_of_a_plugin_folder_are_found_last(tmp_path: Path) -> None:
    root = tmp_path / "tools"
    for name, text in (("greet", "echo hello"), ("ls", "echo taken")):
        program = root / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    (root / ".claude-plugin").mkdir()
    (root / ".claude-plugin" / "plugin.json").write_text('{"name": "tools", "version": "1.0.0"}')
    settings = {"plugins": {"folders": [str(root)]}, "permissions": {"allow": ["Bash"]}}
    async with HostFixture(settings=settings) as host:
        host.builtin("shell_tool", "permissions")
        host.model.script(call("Bash", command="greet; ls -d /"), "Done.")
        await host.prompt("Go.")
        (result,) = [b for m in host.messages for b in m.content if isinstance(b, ToolResultBlock)]
    assert str(result.content).split() == ["hello", "/"]


def test_hooks_give_variables_by_the_environment_file(desk: ShellDesk) -> None:
    assert desk.call(bash, command='echo "<$A>"').content == "<>"
    file = script.env_file(desk.ctx)
    file.parent.mkdir(parents=True)
    file.write_text("export A='1 2'\n")
    assert desk.call(bash, command='echo "<$A>"').content == "<1 2>"


def test_without_bash_sh_does_the_same(desk: ShellDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    dash = shutil.which("dash")
    if dash is None:
        pytest.skip("dash is not installed")
    monkeypatch.setattr(script, "shell", lambda: dash)
    (desk.folder / "sub").mkdir()
    file = script.env_file(desk.ctx)
    file.parent.mkdir(parents=True)
    file.write_text("A=1; export A\n")
    result = desk.call(bash, command="cd sub; echo $A; exit 4")
    assert result.content == "Exit code 4\n1"
    assert desk.services.cwd == desk.folder / "sub"


def test_a_command_that_no_system_takes_is_an_error(desk: ShellDesk) -> None:
    with pytest.raises(ToolError, match="too long"):
        desk.call(bash, command="true " + "x" * 3_000_000)
    with pytest.raises(ToolError, match="cannot be run"):
        desk.call(bash, command="echo \0")
    with pytest.raises(ToolError, match="cannot be run"):
        desk.call(bash, command="echo \ud800")


def test_a_timeout_must_be_a_positive_number(desk: ShellDesk) -> None:
    with pytest.raises(ToolInputError):
        desk.call(bash, command="true", timeout=0)


def test_no_descriptor_is_lost(desk: ShellDesk) -> None:
    desk.call(bash, command="true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        desk.call(bash, command="echo x; false")
    assert len(os.listdir("/proc/self/fd")) == before


def test_nothing_is_left_in_the_temporary_folder(
    desk: ShellDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    desk.call(bash, command="true")
    desk.call(bash, command="sleep 20", timeout=100)
    assert os.listdir(tmp_path / "tmp") == []


# --- the working folder --------------------------------------------------------------------------------


def test_the_working_folder_lasts(desk: ShellDesk) -> None:
    (desk.folder / "a b" / "ü\nx").mkdir(parents=True)
    desk.call(bash, command="cd 'a b'")
    assert desk.services.cwd == desk.folder / "a b"
    desk.call(bash, command="cd ü*; exit 1")
    assert desk.services.cwd == desk.folder / "a b" / "ü\nx"
    assert desk.call(bash, command="cd ../..; pwd").content == str(desk.folder)
    assert desk.services.moves[-1] == desk.folder


@pytest.mark.parametrize(
    "command", ["true", "(cd sub)", "cd sub; cd ..", "cd sub | true", "bash -c 'cd sub'", "cd nowhere"]
)
def test_the_working_folder_stays_where_the_shell_itself_stays(desk: ShellDesk, command: str) -> None:
    (desk.folder / "sub").mkdir()
    desk.call(bash, command=command)
    assert desk.services.moves == []


@pytest.mark.parametrize("options", ["set -e", "set -u", "set -C", "set -o posix", "set -n"])
def test_shell_options_of_a_command_do_no_harm(desk: ShellDesk, options: str) -> None:
    (desk.folder / "sub").mkdir()
    desk.call(bash, command=f"{options}\ncd sub")
    assert desk.services.cwd in (desk.folder / "sub", desk.folder)
    assert desk.call(bash, command="echo fine").content == "fine"


def test_a_folder_reached_by_a_link_keeps_its_name(desk: ShellDesk) -> None:
    (desk.folder / "real").mkdir()
    (desk.folder / "link").symlink_to("real")
    desk.call(bash, command="cd link")
    assert desk.services.cwd == desk.folder / "link"
    assert desk.call(bash, command="pwd").content == str(desk.folder / "link")
    assert len(desk.services.moves) == 1


def test_a_command_that_removes_its_own_folder_ends_in_the_project(desk: ShellDesk) -> None:
    (desk.folder / "sub").mkdir()
    result = desk.call(bash, command='cd sub; rmdir "$PWD"; echo done')
    assert desk.services.cwd == desk.folder
    assert "does not exist any more" in result.data["stderr"]
    assert result.data["stdout"] == "done"


def test_a_folder_that_vanished_between_two_commands_is_replaced_by_the_project(desk: ShellDesk) -> None:
    desk.services.cwd = desk.folder / "gone"
    result = desk.call(bash, command="pwd")
    assert result.data["stdout"] == str(desk.folder)
    assert "does not exist any more" in str(result.content)
    assert desk.services.moves == [desk.folder]


def test_without_any_folder_nothing_runs(desk: ShellDesk) -> None:
    desk.folder.rmdir()
    with pytest.raises(ToolError, match="exists any more"):
        desk.call(bash, command="pwd")


# --- claims --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "ls",
        "ls -la src",
        "cat a.txt b.txt",
        "pwd",
        "git status",
        "git log --oneline -5",
        "git diff HEAD -- a",
        "grep -rn 'a|b; c' src",
        'grep "a b" x',
        "head -n 5 a",
        "wc -l a",
        "ls --color=never",
    ],
)
def test_a_plain_reading_command_may_run_beside_others(command: str) -> None:
    assert only_reads(command)
    claims = bash.claims_of({"command": command}, Path("/"))
    assert not claims.writes
    assert not claims.conflicts(claims)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "ls > a",
        "ls; rm a",
        "ls && rm a",
        "ls | tee a",
        "cat $(rm a)",
        "cat `rm a`",
        "cat $A",
        'cat "$(rm a)"',
        "ls\nrm a",
        "ls & rm a",
        "A=1 ls",
        "git diff --output=a",
        "git diff --outp=a",
        "git log --o a",
        "git -c x=y status",
        "git push",
        "git",
        "rm a",
        "find . -delete",
        "sort -o a a",
        "./ls",
        "/bin/ls",
        "cat *",
        "cat <(rm a)",
        "ls 'a",
        "ls \\\nrm",
        "{ ls",
        "! ls",
        "# ls",
        'cat "a\\"; rm b; "',
        "cat ~/a",
        "git branch -D x",
        "rg --pre rm x",
        "'ls' 'a'b$c",
        "ls 2>a",
        "ls \r rm",
    ],
)
def test_everything_else_runs_alone(command: str) -> None:
    assert not only_reads(command)
    assert bash.claims_of({"command": command}, Path("/")) == Claims.alone()


def test_a_reading_command_in_the_background_runs_alone() -> None:
    assert bash.claims_of({"command": "ls", "run_in_background": True}, Path("/")) == Claims.alone()


def test_a_long_command_is_judged_at_once() -> None:
    assert not only_reads("ls " + "a 'b' " * 50_000 + "$")
    assert bash.read_only is False


# --- output --------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(st.binary(max_size=30)), takes=st.sets(st.integers(0, 20)))
def test_output_in_pieces_is_the_output_in_one(chunks: list[bytes], takes: set[int]) -> None:
    output = Output()
    text = ""
    for number, chunk in enumerate(chunks):
        output.add(chunk)
        if number in takes:
            text += output.take(final=False)
    assert text + output.take(final=True) == b"".join(chunks).decode("utf-8", "replace")


@settings(max_examples=300, deadline=None)
@given(chunks=st.lists(st.text(max_size=30)))
def test_of_too_much_output_the_ends_are_kept_and_the_rest_is_counted(chunks: list[str]) -> None:
    whole = "".join(chunks).encode()
    output = Output(keep=40)
    for chunk in chunks:
        output.add(chunk.encode())
    text = output.take(final=True)
    if len(whole) <= 40:
        assert text == whole.decode()
    else:
        head, note, tail = text.partition(f"\n[{len(whole) - 40:,} bytes left out here]\n")
        assert note
        assert whole[:20].decode("utf-8", "replace") == head
        assert whole.decode().endswith(tail)
        assert len(tail.encode()) > 20 - 4


def test_output_is_told_while_the_command_runs_and_only_where_somebody_looks_on(desk: ShellDesk) -> None:
    desk.call(bash, command="echo one")
    assert desk.services.told == []
    desk.services.watched = True
    mark = desk.folder / "go"

    async def scenario() -> ToolResult:
        running = asyncio.create_task(
            desk.acall(
                bash, command=f"echo early; until [ -e {shlex.quote(str(mark))} ]; do sleep 0.02; done; echo late"
            )
        )
        while not desk.services.told:
            await asyncio.sleep(0.01)
        assert "".join(desk.services.told) == "early\n"
        mark.touch()
        return await running

    result = asyncio.run(scenario())
    assert result.content == "early\nlate"
    assert "".join(desk.services.told) == "early\nlate\n"


def test_a_flood_of_output_is_told_in_few_pieces(desk: ShellDesk) -> None:
    desk.services.watched = True
    result = desk.call(bash, command="yes é | head -c 3000000")
    assert len(result.content) > 100_000
    assert sum(map(len, desk.services.told)) < 1_000_000
    assert set("".join(desk.services.told)) <= {"é", "\n", "�"}
