"""What a command will start is known before it starts, and a broken hook is called broken with the mend."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_run_desk import RunDesk, command_handler

from pegboard_builtins.wire_hooks.runners.resolve import first_words, resolve, script_of

anyio = pytest.mark.anyio

BROKEN = [
    pytest.param("no-such-program-xyz", 127, "no program 'no-such-program-xyz' on PATH", id="unknown program"),
    pytest.param("./missing.sh", 127, '"$CLAUDE_PROJECT_DIR"/missing.sh', id="relative path that is not there"),
    pytest.param("/no/such/file.sh --x", 127, "/no/such/file.sh does not exist", id="absolute path that is not there"),
    pytest.param('"$CLAUDE_PROJECT_DIR"/hooks/no.sh', 127, "hooks/no.sh does not exist", id="path with a variable"),
    pytest.param("./plain.txt", 126, "chmod +x", id="not executable"),
    pytest.param("./sub", 126, "is a folder", id="a folder"),
    pytest.param("python3 missing.py", 2, "python3 is told to run missing.py", id="python exits 2 and blocks"),
    pytest.param("python3 -u -W error missing.py", 2, "told to run missing.py", id="python with options"),
    pytest.param("FOO=1 env python3 missing.py a b", 2, "told to run missing.py", id="assignment and wrapper"),
    pytest.param("bash missing.sh", 127, "bash is told to run missing.sh", id="bash"),
    pytest.param("sh ~/no-such-script-here.sh", 2, "no-such-script-here.sh", id="home folder"),
    pytest.param("python3 missing.py && echo fine", 2, "told to run missing.py", id="first of several"),
    pytest.param("./bad-interpreter", 127, "/no/such/interpreter in its first line", id="first line"),
    pytest.param("./crlf", 127, "carriage return", id="line ends of another system"),
]


@anyio
@pytest.mark.parametrize(("command", "status", "mend"), BROKEN)
async def test_a_broken_hook_is_named_and_keeps_its_exit_code(desk: RunDesk, command: str, status: int, mend: str):
    _furnish(desk)
    result = await desk.shell(command)
    assert result.exit == status
    assert mend in result.broken
    assert not result.timed_out


@anyio
@pytest.mark.parametrize(("command", "status", "mend"), [BROKEN[0], BROKEN[1], BROKEN[2], BROKEN[4]])
async def test_a_broken_hook_in_the_exec_form_ends_as_in_a_shell(desk: RunDesk, command: str, status: int, mend: str):
    _furnish(desk)
    name, *args = command.split()
    result = await desk.run(command_handler(name, args=tuple(args)))
    assert (result.exit, mend in result.broken) == (status, True)


@anyio
@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param("./missing.sh || true", 0, id="meant"),
        pytest.param("[ -f missing.sh ] && ./missing.sh; exit 2", 2, id="asked for before"),
        pytest.param("python3 good.py; exit 2", 2, id="there"),
        pytest.param("python3 -c 'import sys; sys.exit(2)'", 2, id="inline"),
        pytest.param("cat | python3 missing.py; exit 7", 7, id="not the first"),
        pytest.param("if ./missing.sh; then :; fi; exit 2", 2, id="a shell's own word"),
        pytest.param("$TOOL missing.py; exit 2", 2, id="a variable that is not known"),
        pytest.param("exit 127", 127, id="a code by itself"),
    ],
)
async def test_a_hook_that_did_its_work_is_not_called_broken(desk: RunDesk, command: str, status: int):
    _furnish(desk)
    result = await desk.shell(command)
    assert (result.exit, result.broken) == (status, "")


@anyio
async def test_a_hook_that_deletes_itself_was_not_broken(desk: RunDesk):
    desk.file("once.sh", "#!/bin/sh\nrm once.sh\nexit 2\n", executable=True)
    result = await desk.shell("./once.sh")
    assert (result.exit, result.broken) == (2, "")


@pytest.mark.parametrize(
    ("command", "program", "script"),
    [
        ("./run.sh x", "run.sh", "run.sh"),
        ("python3 good.py", "python3", "good.py"),
        ("bash -eu run.sh", "bash", "run.sh"),
        ("exec env A=1 python3 -X dev good.py", "python3", "good.py"),
        ('"$CLAUDE_PROJECT_DIR"/run.sh', "run.sh", "run.sh"),
        ("python3 ${CLAUDE_PROJECT_DIR}/good.py | cat", "python3", "good.py"),
    ],
)
def test_the_files_that_consent_is_for_are_told(tmp_path: Path, command: str, program: str, script: str):
    for name in ("run.sh", "good.py"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "CLAUDE_PROJECT_DIR": str(tmp_path)}
    found = resolve(command_handler(command), folder=tmp_path, environment=environment)
    assert found.problem == ""
    assert found.program is not None
    assert (found.program.name, found.script) == (program, tmp_path / script)


@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["python3.12", "a.py"], "a.py"),
        (["python3", "-m", "pkg"], None),
        (["python3", "-"], None),
        (["node", "-r", "x", "a.js"], "a.js"),
        (["node", "-e", "1", "a.js"], None),
        (["node", "--eval=1"], None),
        (["uv", "run", "--script", "a.py"], "a.py"),
        (["uv", "pip", "x.py"], None),
        (["deno", "run", "-A", "a.ts"], "a.ts"),
        (["bash", "-c", "echo a.sh"], None),
        (["bash", "-o", "pipefail", "a.sh"], "a.sh"),
        (["jq", ".", "a.json"], None),
        (["python3"], None),
    ],
)
def test_a_script_is_told_from_options_and_inline_code(words: list[str], script: str | None):
    assert script_of(words) == script


@given(st.text(alphabet="abc ./-$\"'`\\|&;<>(){}#~=\n*", max_size=40))
def test_no_command_line_is_too_odd_to_be_looked_at(command: str):
    words = first_words(command)
    assert all(isinstance(word, str) for word in words)
    resolve(command_handler(command), folder=Path("/nowhere"), environment={"PATH": "/bin"})


def _furnish(desk: RunDesk) -> None:
    desk.file("plain.txt", "text")
    desk.file("good.py", "")
    desk.file("sub/x", "")
    desk.file("bad-interpreter", "#!/no/such/interpreter\n", executable=True)
    desk.file("crlf", "#!/bin/sh\r\necho x\r\n", executable=True)
