"""`pegboard run` as a process: what it prints, and how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Run = subprocess.CompletedProcess[str]
Start = Callable[..., Run]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PEGBOARD_STATE_DIR": str(tmp_path / "state"),
        "PEGBOARD_CONFIG_DIR": str(tmp_path / "config"),
        "HOME": str(tmp_path),
    }


@pytest.fixture
def run(project: Path, environment: dict[str, str]) -> Start:
    def start(script: str, *words: str, stdin: str | None = None) -> Run:
        (project / "script.toml").write_text(script)
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            [sys.executable, "-m", "pegboard", "run", "--model", "scripted:script.toml", *words],
            capture_output=True,
            text=True,
            cwd=project,
            env=environment,
            timeout=120,
            **given,  # type: ignore[call-overload]
        )

    return start


HELLO = '[[turn]]\ntext = "Hello."\n'
WRITE = (
    '[[turn]]\n[[turn.call]]\nname = "Write"\ninput = { file_path = "a.txt", content = "new" }\n'
    '[[turn]]\ntext = "Written, or not."\n'
)


def test_a_pipe_gets_the_answer_alone(run: Start) -> None:
    done = run(HELLO, "hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello.\n", "")


def test_a_plugin_that_takes_standard_output_away_takes_no_answer_with_it(run: Start, tmp_path: Path) -> None:
    plugins = tmp_path / "config" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "thief.py").write_text(
        "import io, sys\nfrom pegboard import hookimpl\n\n\n@hookimpl\ndef lifecycle(event, ctx):\n"
        "    sys.stdout = sys.stderr = io.StringIO()\n"
    )
    assert run(HELLO, "hi").stdout.strip() == run(HELLO, "hi", "--no-plugins").stdout.strip() != ""


@pytest.mark.parametrize(
    "words", [(), ("--output", "json"), ("--output", "stream-json")], ids=["text", "json", "lines"]
)
def test_what_a_plugin_prints_stands_in_no_answer(run: Start, tmp_path: Path, words: tuple[str, ...]) -> None:
    plugins = tmp_path / "config" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "chatty.py").write_text(
        "import os, sys\nfrom pegboard import hookimpl\n\nprint('as it is imported')\n\n\n@hookimpl\n"
        "def lifecycle(event, ctx):\n    print(event.name)\n    os.system('echo a program; true')\n"
        "    sys.__stdout__.write('by another name')\n"
    )
    done = run(HELLO, "hi", *words)
    for noise in ("as it is imported", "SessionStart", "SessionEnd", "a program", "by another name"):
        assert noise in done.stderr, noise
        assert noise not in done.stdout, noise
    if not words:
        assert done.stdout == "Hello.\n"
    elif words[1] == "json":
        assert json.loads(done.stdout)["text"] == "Hello."
    else:
        assert [json.loads(line)["type"] for line in done.stdout.splitlines()] == ["text", "end"]


def test_the_prompt_may_come_from_standard_input(run: Start) -> None:
    script = '[[turn]]\nexpect = { contains = "from the pipe" }\ntext = "Read."\n'
    assert run(script, stdin="from the pipe\n").stdout == "Read.\n"


def test_a_command_in_a_file_is_sent_by_its_name(run: Start, tmp_path: Path) -> None:
    commands = tmp_path / "config" / "commands"
    commands.mkdir(parents=True)
    (commands / "greet.md").write_text("Greet $1.")
    script = '[[turn]]\nexpect = { contains = "Greet Ada." }\ntext = "Hello, Ada."\n'
    done = run(script, "/greet Ada")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, Ada.\n", "")
    slip = run(script, "/gret Ada")
    assert slip.returncode == 5
    assert "Did you mean 'greet'" in slip.stderr


def test_no_prompt_at_all_is_wrong_usage(run: Start) -> None:
    done = run(HELLO)
    assert done.returncode == 2
    assert "there is no prompt" in done.stderr


def test_without_a_model_the_error_says_how_to_choose_one(project: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pegboard", "run", "hi"],
        capture_output=True,
        text=True,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 1
    assert "--model PREFIX:NAME" in done.stderr


def test_a_change_that_nobody_allowed_does_not_happen(run: Start, project: Path) -> None:
    done = run(WRITE, "write", "--output", "json")
    end = json.loads(done.stdout)
    assert not (project / "a.txt").exists()
    assert done.returncode == 0, "a denied call that the model was told about changes nothing"
    assert [call["name"] for call in end["denied"]] == ["Write"]


@pytest.mark.parametrize("words", [("--mode", "acceptEdits"), ("--allow", "Write"), ("--mode", "bypassPermissions")])
def test_a_rule_or_a_mode_lets_it_happen(run: Start, project: Path, words: tuple[str, str]) -> None:
    assert run(WRITE, "write", *words).returncode == 0
    assert (project / "a.txt").read_text() == "new"


def test_a_deny_rule_beats_a_mode(run: Start, project: Path) -> None:
    run(WRITE, "write", "--mode", "bypassPermissions", "--deny", "Write")
    assert not (project / "a.txt").exists()


def test_stream_json_has_a_line_for_everything_and_the_end(run: Start) -> None:
    lines = [json.loads(line) for line in run(WRITE, "write", "--output", "stream-json").stdout.splitlines()]
    assert [line["type"] for line in lines] == ["tool", "result", "text", "end"]
    assert lines[-1]["exit_code"] == 0


def test_a_limit_exits_4(run: Start) -> None:
    done = run(WRITE, "write", "--max-steps", "1")
    assert done.returncode == 4
    assert "step_limit" in done.stderr
    assert "  go on with: pegboard run --resume " in done.stderr


def test_an_answer_in_pieces_is_printed_whole_and_a_refusal_is_not_gone_on_with(run: Start) -> None:
    pieces = '[[turn]]\ntext = "One, "\nstop_reason = "max_tokens"\n[[turn]]\ntext = "two."\n'
    assert run(pieces, "count").stdout == "One, two.\n"
    done = run('[[turn]]\ntext = "I will not."\nstop_reason = "refusal"\n', "hi")
    assert (done.returncode, done.stderr) == (1, "! ended: error: the model refused to answer\n")


def test_in_a_folder_below_one_with_sessions_that_one_is_named(
    run: Start, project: Path, environment: dict[str, str]
) -> None:
    run(HELLO, "hi")
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    words = [sys.executable, "-m", "pegboard", "run", "--model", "scripted:../../script.toml", "--continue", "more"]
    done = subprocess.run(words, cwd=below, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"One above, {project.resolve()}, has some: go there, or say --cwd." in done.stderr


def test_a_model_error_exits_1_and_says_which(run: Start) -> None:
    done = run('[[turn]]\nexpect = { contains = "something else" }\ntext = "x"\n', "hi")
    assert done.returncode == 1
    assert "something else" in done.stderr


def test_an_unknown_model_prefix_exits_1_with_the_nearest(run: Start) -> None:
    done = run(HELLO, "hi", "--model", "scriptd:x")
    assert done.returncode == 1
    assert "Did you mean 'scripted:x'?" in done.stderr


def test_a_session_goes_on_with_continue_and_with_resume(run: Start) -> None:
    script = HELLO + '[[turn]]\ntext = "Again."\n[[turn]]\ntext = "Once more."\n'
    first = json.loads(run(script, "hi", "--output", "json").stdout)
    assert run(script, "and?", "--continue").stdout == "Again.\n"
    assert run(script, "and?", "--resume", first["session_id"][:8]).stdout == "Once more.\n"


def test_resuming_a_session_that_is_done_without_a_prompt_says_so(run: Start) -> None:
    run(HELLO, "hi")
    done = run(HELLO, "--continue")
    assert done.returncode == 1
    assert "nothing to go on with" in done.stderr


def test_an_unknown_session_exits_1(run: Start) -> None:
    done = run(HELLO, "hi", "--resume", "nonsense")
    assert done.returncode == 1
    assert "no session 'nonsense'" in done.stderr


def test_a_wrong_setting_stops_the_run_with_file_and_line(run: Start, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "settings.toml").write_text("[session]\nmax_step = 3\n")
    done = run(HELLO, "hi")
    assert done.returncode == 1
    assert f"{tmp_path}/config/settings.toml:2" in done.stderr
    assert "Did you mean 'max_steps'?" in done.stderr


def test_init_alone_fires_setup_and_asks_no_model(run: Start) -> None:
    assert run("", "--init").returncode == 0


def test_compact_is_a_prompt_of_its_own(run: Start) -> None:
    run(HELLO, "hi")
    done = run(HELLO, "/compact", "--continue")
    assert done.returncode in (0, 1), "there may be nothing to take away"
    assert "internal error" not in done.stderr


def test_ctrl_c_exits_130_and_the_session_goes_on(run: Start, project: Path, environment: dict[str, str]) -> None:
    script = (
        '[[turn]]\ntext = "I wait."\n[[turn.call]]\nname = "Bash"\ninput = { command = "touch begun; sleep 60" }\n'
        '[[turn]]\nexpect = { contains = "interrupted" }\ntext = "Back again."\n'
    )
    (project / "script.toml").write_text(script)
    words = ["run", "--model", "scripted:script.toml", "--mode", "bypassPermissions", "go"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pegboard", *words],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (project / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "go on with: pegboard run --resume" in said
    assert run(script, "and now?", "--continue").stdout == "Back again.\n"


HELD = """
import time
from pathlib import Path
from pegboard import Decision, hookimpl

@hookimpl
def pre_tool(): return Decision.ask("who knows")

@hookimpl
def resolve_ask():
    Path("begun").touch()
    {hangs}
"""


@pytest.mark.parametrize("hangs", ["while True: pass", "time.sleep(600)"])
def test_a_second_ctrl_c_ends_the_process_also_where_a_hook_without_a_deadline_holds_the_loop(
    hangs: str, project: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "config" / "plugins").mkdir(parents=True)
    (tmp_path / "config" / "plugins" / "holds.py").write_text(HELD.format(hangs=hangs))
    (project / "script.toml").write_text(WRITE)
    process = subprocess.Popen(
        [sys.executable, "-m", "pegboard", "run", "--model", "scripted:script.toml", "go"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not (project / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    while process.poll() is None and time.monotonic() < deadline:  # two that come at once are one
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    process.kill()
    assert process.wait() == 130, process.stderr.read() if process.stderr else ""


LEAVES = """
import asyncio, os, threading, time
from pegboard import hookimpl

async def stays():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass

@hookimpl
async def lifecycle(event):
    global kept
    {deed}
"""


@pytest.mark.parametrize(
    ("deed", "who"),
    [
        ("asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)", "a thread (asyncio_0)"),
        ("kept = asyncio.create_task(stays())", "a task (stays)"),
    ],
)
def test_what_a_plugin_left_running_does_not_keep_the_process(deed: str, who: str, run: Start, tmp_path: Path) -> None:
    (tmp_path / "config" / "plugins").mkdir(parents=True)
    (tmp_path / "config" / "plugins" / "leaves.py").write_text(LEAVES.format(deed=deed))
    done = run(HELLO, "hi")
    assert (done.returncode, done.stdout) == (0, "Hello.\n")
    assert f"left behind, because they do not end: {who}" in done.stderr


def test_a_plugin_that_cancels_the_hosts_own_task_is_told_of(run: Start, tmp_path: Path) -> None:
    (tmp_path / "config" / "plugins").mkdir(parents=True)
    (tmp_path / "config" / "plugins" / "cancels.py").write_text(
        "import asyncio\nfrom pegboard import hookimpl\n\n@hookimpl\ndef prompt_submit():\n"
        "    asyncio.current_task().cancel()\n"
    )
    done = run('[[turn]]\ndelay = 60\ntext = "Hello."\n', "hi")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: the session was cancelled from within: a plugin" in done.stderr


@pytest.mark.parametrize("hook", ["def prompt_submit()", "async def lifecycle(event)"])
def test_a_plugin_that_forks_and_comes_back_makes_no_second_host(hook: str, run: Start, tmp_path: Path) -> None:
    (tmp_path / "config" / "plugins").mkdir(parents=True)
    (tmp_path / "config" / "plugins" / "forks.py").write_text(
        f"import os\nfrom pegboard import hookimpl\n\n@hookimpl\n{hook}:\n"
        "    child = os.fork()\n    if child:\n        os.waitpid(child, 0)\n"
    )
    done = run(HELLO, "hi")
    assert (done.returncode, done.stdout) == (0, "Hello.\n")
    assert "a plugin has forked the host and came back in the copy" in done.stderr
