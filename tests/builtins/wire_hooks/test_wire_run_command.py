"""Command handlers: the two forms, the environment, what goes in and what comes out (hook-contract C27 to C35)."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from wire_run_desk import RunDesk, command_handler, plugin_folder

pytestmark = pytest.mark.anyio


async def test_c27_the_shell_form_goes_through_sh_with_the_event_on_its_stdin(desk: RunDesk):
    result = await desk.shell('read -r LINE && echo "<$LINE>" && test -z "$BASH_VERSION"', {"x": "a b"})
    assert result.exit == 0
    assert result.stdout == '<{"hook_event_name":"PreToolUse","tool_name":"Bash","x":"a b"}>\n'


async def test_c27_the_exec_form_runs_the_program_itself(desk: RunDesk):
    result = await desk.run(command_handler("/bin/echo", args=("a && b", "$HOME", "*")))
    assert result.stdout == "a && b $HOME *\n"


async def test_c27_an_empty_list_of_arguments_is_the_exec_form_too(desk: RunDesk):
    result = await desk.run(command_handler("echo hi && true", args=()))
    assert result.exit == 127
    assert "echo hi && true" in result.broken


async def test_c28_a_placeholder_is_one_argument_whatever_the_path_holds(desk: RunDesk, tmp_path: Path):
    odd = tmp_path / "a $HOME b"
    odd.mkdir()
    say = command_handler("printf", args=("%s|", "${CLAUDE_PROJECT_DIR}/x", "$CLAUDE_PROJECT_DIR", "${HOME}"))
    result = await desk.run(say, desk.job(project=odd))
    assert result.stdout == f"{odd}/x|$CLAUDE_PROJECT_DIR|${{HOME}}|"


async def test_c29_an_option_of_a_plugin_works_in_the_exec_form_and_as_a_variable(desk: RunDesk):
    plugin = plugin_folder(desk.folder, **{"api-key": "k 1"})
    in_exec = command_handler("printf", args=("%s", "${user_config.api-key} ${CLAUDE_PLUGIN_ROOT}"), plugin=plugin)
    assert (await desk.run(in_exec)).stdout == f"k 1 {desk.folder}"
    in_shell = command_handler('printf %s "$CLAUDE_PLUGIN_OPTION_API_KEY $CLAUDE_PLUGIN_DATA"', plugin=plugin)
    assert (await desk.run(in_shell)).stdout == f"k 1 {desk.folder}/data"


async def test_c29_an_option_in_the_shell_form_fails_without_running(desk: RunDesk):
    plugin = plugin_folder(desk.folder, x="1")
    result = await desk.run(command_handler("touch ran; echo ${user_config.x}", plugin=plugin))
    assert result.exit is None
    assert "CLAUDE_PLUGIN_OPTION_KEY" in result.broken
    assert not (desk.folder / "ran").exists()


async def test_an_option_that_nobody_set_is_named_with_those_that_are(desk: RunDesk):
    plugin = plugin_folder(desk.folder, colour="red")
    result = await desk.run(command_handler("echo", args=("${user_config.color}",), plugin=plugin))
    assert result.exit is None
    assert "${user_config.color}" in result.error
    assert "colour" in result.error


async def test_c30_the_environment_is_the_contracts(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    for name in ("OTEL_SERVICE_NAME", "CLAUDE_ENV_FILE", "CLAUDE_PLUGIN_ROOT", "PEGBOARD_HOOK_WORKER"):
        monkeypatch.setenv(name, "of the host")
    monkeypatch.setenv("KEPT", "yes")
    seen = _variables((await desk.shell("env -0", environment={"CLAUDE_EFFORT": "high"})).stdout)
    assert seen["CLAUDE_PROJECT_DIR"] == seen["PEGBOARD_PROJECT_DIR"] == str(desk.folder)
    assert seen["CLAUDECODE"] == "1"
    assert seen["CLAUDE_CODE_SESSION_ID"] == "s1"
    assert seen["CLAUDE_EFFORT"] == "high"
    assert seen["KEPT"] == "yes"
    assert not {"OTEL_SERVICE_NAME", "CLAUDE_ENV_FILE", "CLAUDE_PLUGIN_ROOT", "PEGBOARD_HOOK_WORKER"} & set(seen)


async def test_c30_the_file_for_variables_is_named_only_where_the_event_has_one(desk: RunDesk):
    file = desk.folder / "env.sh"
    result = await desk.shell('echo "export A=1" >> "$CLAUDE_ENV_FILE"', env_file=file)
    assert result.exit == 0
    assert file.read_text() == "export A=1\n"


async def test_a_turn_sees_one_state_of_the_hosts_variables(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    seen = []
    for prompt, value in [("p1", "a"), ("p1", "b"), ("p2", "c"), (None, "d"), (None, "e"), ("p2", "f")]:
        monkeypatch.setenv("CHANGING", value)
        facts = {"prompt_id": prompt} if prompt else {}
        seen.append((await desk.shell('printf %s "$CHANGING"', facts)).stdout)
    assert seen == ["a", "a", "c", "d", "e", "f"]  # without a turn, as it is now


@pytest.mark.parametrize("how", ["setting", "variable"])
async def test_credentials_are_taken_out_when_asked_for(desk: RunDesk, monkeypatch: pytest.MonkeyPatch, how: str):
    for name in ("ANTHROPIC_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    if how == "variable":
        monkeypatch.setenv("CLAUDE_CODE_SUBPROCESS_ENV_SCRUB", "1")
    plugin = plugin_folder(desk.folder, token="given")
    result = await desk.run(command_handler("env -0", plugin=plugin), desk.job(scrub=how == "setting"))
    seen = _variables(result.stdout)
    assert not {"ANTHROPIC_API_KEY", "GITHUB_TOKEN", "DB_PASSWORD", "AWS_SECRET_ACCESS_KEY"} & set(seen)
    assert seen["TOKENIZERS_PARALLELISM"] == "false"
    assert seen["CLAUDE_PLUGIN_OPTION_TOKEN"] == "given"  # its user gave it to this very plugin
    assert "GITHUB_TOKEN" in _variables((await _unscrubbed(desk, monkeypatch)).stdout)


async def _unscrubbed(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CLAUDE_CODE_SUBPROCESS_ENV_SCRUB", raising=False)
    return await desk.shell("env -0")


async def test_c32_it_stands_in_the_sessions_folder_under_the_name_that_the_session_uses(desk: RunDesk, tmp_path: Path):
    link = tmp_path / "link"
    (desk.folder / "sub").mkdir()
    link.symlink_to(desk.folder / "sub")
    result = await desk.shell('pwd; echo "$CLAUDE_PROJECT_DIR"', cwd=link)
    assert result.stdout == f"{link}\n{desk.folder}\n"


async def test_it_stands_in_the_hosts_own_folder_as_well(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(desk.folder)  # the way without Popen
    assert (await desk.shell("pwd; cat", {"a": 1})).stdout.startswith(f"{desk.folder}\n{{")


@pytest.mark.parametrize(("gone", "lands"), [(("cwd",), "project"), (("cwd", "project"), "home")])
async def test_a_folder_that_is_gone_is_replaced_by_the_next(
    desk: RunDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: tuple[str, ...], lands: str
):
    places = {name: tmp_path / "places" / name for name in ("cwd", "project", "home")}
    for name in places.keys() - gone:
        places[name].mkdir(parents=True)
    monkeypatch.setenv("HOME", str(places["home"]))
    result = await desk.shell("pwd", cwd=places["cwd"], project=places["project"])
    assert result.stdout == f"{places[lands]}\n"


async def test_c33_there_is_no_terminal_even_when_the_host_has_one(desk: RunDesk):
    """Run a host that leads a session with a terminal of its own."""
    script = desk.file(
        "host.py",
        f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from wire_run_desk import RunDesk
from pegboard_builtins.wire_hooks.runners import open_runners

async def main():
    open("/dev/tty").close()  # the host has one
    async with open_runners() as runners:
        result = await RunDesk(Path({str(desk.folder)!r}), runners).shell("exec 3</dev/tty && echo got it")
        print("RESULT", result.exit, repr(result.stdout))

asyncio.run(main())
""",
    )
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, str(script)])
    said = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        said += data
    os.waitpid(pid, 0)  # noqa: ASYNC222 - it has closed its terminal, so it is ending
    os.close(terminal)
    assert b"RESULT 2 ''" in said, said.decode()


@pytest.mark.parametrize("size", [100, 1_000_000, 5_000_000])
async def test_c34_an_event_that_nobody_reads_costs_nothing(desk: RunDesk, size: int):
    result = await desk.shell("exec 0<&-; echo fine", {"text": "x" * size})
    assert (result.exit, result.stdout, result.error) == (0, "fine\n", "")


@pytest.mark.parametrize("size", [0, 1000, 65_000, 65_536, 70_000, 1_000_000, 1_048_576, 3_000_000])
async def test_an_event_arrives_whole_whatever_its_size(desk: RunDesk, size: int):
    job = desk.job({"text": "é" * (size // 2)})
    result = await desk.run(command_handler("cat"), job)
    assert result.stdout.encode() == job.line


async def test_c35_a_child_in_the_background_does_not_hold_the_hook(desk: RunDesk):
    result = await desk.shell("sleep 60 </dev/null >/dev/null 2>&1 & echo $!")
    assert result.exit == 0
    assert result.milliseconds < 15_000
    child = int(result.stdout)
    os.kill(child, 0)  # and it lives on, as a server that a hook starts must
    os.kill(child, 9)


async def test_c35_a_grandchild_that_holds_the_pipe_does_not_block(desk: RunDesk):
    result = await desk.shell("echo said; (exec sleep 30) & echo $! >&2")
    assert (result.exit, result.stdout) == (0, "said\n")
    assert result.milliseconds < 15_000
    os.kill(int(result.stderr), 9)


async def test_what_a_process_substitution_prints_a_moment_later_is_not_lost(desk: RunDesk):
    result = await desk.run(command_handler("exec > >(sleep 0.02; cat); echo late", shell="bash"))
    assert result.stdout == "late\n"


async def test_text_that_is_no_utf8_arrives_with_replacement_characters(desk: RunDesk):
    result = await desk.shell(r"printf 'a\377b'; printf '\303' >&2")
    assert (result.stdout, result.stderr) == ("a\ufffdb", "\ufffd")


@pytest.mark.parametrize(
    ("command", "status"),
    [("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("exit 2", 2), ("true", 0)],
)
async def test_the_exit_code_is_what_a_shell_says(desk: RunDesk, command: str, status: int):
    assert (await desk.shell(command)).exit == status


async def test_bash_is_used_when_it_is_asked_for(desk: RunDesk):
    result = await desk.run(command_handler('[[ -n "$BASH_VERSION" ]] && echo bash', shell="bash"))
    assert result.stdout == "bash\n"


async def test_a_shell_that_is_not_there_is_named(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(desk.folder))
    result = await desk.run(command_handler("Get-Item .", shell="powershell"))
    assert result.exit == 127
    assert "pwsh" in result.broken


async def test_a_prefix_for_shell_commands_wraps_the_shell_form_only(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    wrapper = desk.file("wrap.sh", '#!/bin/sh\necho "wrapped: $1"\n', executable=True)
    monkeypatch.setenv("CLAUDE_CODE_SHELL_PREFIX", str(wrapper))
    assert (await desk.shell("echo 'a  b'")).stdout == "wrapped: echo 'a  b'\n"
    assert (await desk.run(command_handler("echo", args=("x",)))).stdout == "x\n"


async def test_a_script_without_a_first_line_runs_in_the_exec_form_as_execvp_runs_it(desk: RunDesk):
    script = desk.file("bare", 'echo "$1"\n', executable=True)
    assert (await desk.run(command_handler(str(script), args=("given",)))).stdout == "given\n"


async def test_a_program_gets_back_the_signals_that_python_ignores(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(desk.folder)
    result = await desk.shell("yes | head -1; grep SigIgn /proc/self/status")
    ignored = int(result.stdout.split()[-1], 16)
    assert not ignored & (1 << 12)  # SIGPIPE is number 13


async def test_files_that_the_host_was_handed_are_not_handed_on(desk: RunDesk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(desk.folder)
    result = await desk.run(command_handler("ls", args=("/proc/self/fd",)))
    assert result.stdout.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


async def test_ten_run_side_by_side(desk: RunDesk):
    meet = "touch here-{0}; while [ $(ls here-* | wc -l) -lt 10 ]; do sleep 0.1; done; echo {0}"
    results = await asyncio.gather(*(desk.shell(f"cd '{desk.folder}'; {meet.format(one)}") for one in range(10)))
    assert [result.stdout for result in results] == [f"{one}\n" for one in range(10)]


async def test_long_output_is_kept_whole_in_a_file_beside_the_journal(desk: RunDesk):
    job = desk.job(ctx=desk.ctx)
    result = await desk.run(command_handler("head -c 20000000 /dev/zero | tr '\\0' x; echo err >&2"), job)
    assert result.exit == 0
    assert len(result.stdout) < 20_000_000
    assert [path.stat().st_size for path in result.cut] == [20_000_000]
    assert result.cut[0].parent == desk.services.folder
    assert result.stderr == "err\n"


async def test_three_megabytes_are_still_an_answer(desk: RunDesk):
    result = await desk.shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 2")
    assert (result.exit, len(result.stdout), result.cut) == (2, 3_000_000, ())


async def test_a_full_disk_loses_the_rest_and_says_so(desk: RunDesk):
    full = Path("/dev/full")
    desk.services.spill = lambda call_id, text: full  # type: ignore[method-assign]
    result = await desk.run(command_handler("head -c 20000000 /dev/zero"), desk.job(ctx=desk.ctx))
    assert result.exit == 0
    assert "No space left" in result.note
    assert len(result.stdout) > 10_000_000


async def test_a_job_that_is_cancelled_leaves_nothing_running(desk: RunDesk):
    task = asyncio.create_task(desk.shell("echo $$ > pid; setsid sleep 60 & sleep 60"))
    while not (desk.folder / "pid").exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.still_running() == []


async def test_a_nul_in_a_command_is_an_error_in_words(desk: RunDesk):
    result = await desk.run(command_handler("echo", args=("a\0b",)))
    assert result.exit == 127
    assert "null" in result.broken


async def test_a_command_that_is_too_long_is_an_error_in_words(desk: RunDesk):
    result = await desk.run(command_handler("echo", args=("x" * 3_000_000,)))
    assert "too long" in result.error


async def test_a_handler_with_a_hundred_firings_leaves_no_open_file(desk: RunDesk):
    await desk.shell("true")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        await desk.shell("true")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_the_host_stays_small_beside_endless_output(desk: RunDesk):
    result = await desk.run(command_handler("yes"), replace(desk.job(ctx=desk.ctx), seconds=20))
    assert result.exit is None
    assert "256 MB" in result.error
    assert desk.still_running() == []


def _variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split("\0") if line)
