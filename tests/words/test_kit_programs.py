"""The kit as a real process: cold, warm, in process; from the package and as a copied file; on old Pythons too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pegboard.hook
from pegboard.testing import Fired, HookFixture, WarmWorker, payload

KIT = Path(pegboard.hook.__file__)
GUARD = """
from pegboard import hook

print("a banner")

@hook.on("PreToolUse", matcher="Bash")
def guard(event: hook.PreToolUse):
    print("looking at", event.command)
    if "boom" in event.command:
        raise RuntimeError("broken " + event.command)
    if "rm" in event.command:
        return hook.deny("no rm")

hook.run()
raise SystemExit("run() ends the program")
"""


@pytest.fixture(autouse=True)
def buffered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)


def program(desk: HookFixture, body: str, name: str = "guard.py") -> Path:
    return desk.file(name, body.replace("raise SystemExit", "if __name__ == '__main__': raise SystemExit"))


def test_a_program_answers_alike_cold_warm_and_in_process(pegboard_hook: HookFixture) -> None:
    path = program(pegboard_hook, GUARD)
    refused = pegboard_hook.fire_all_ways(path, "PreToolUse", input={"command": "rm x"})
    assert (refused.verdict, refused.reason, refused.exit) == ("deny", "no rm", 0)
    silent = pegboard_hook.fire_all_ways(path, "PreToolUse", input={"command": "ls"})
    assert (silent.output, silent.stdout, silent.exit) == ({}, "", 0)
    other = pegboard_hook.fire_all_ways(path, "PreToolUse", tool="Read", input={"file_path": "rm"})
    assert other.output == {}


@pytest.mark.parametrize("how", ["cold", "warm", "in process"])
def test_a_crash_is_no_decision_and_says_what_happened(pegboard_hook: HookFixture, how: str) -> None:
    fired = pegboard_hook.fire(program(pegboard_hook, GUARD), "PreToolUse", how=how, input={"command": "boom"})
    assert (fired.exit, fired.output, fired.verdict) == (1, {}, "")
    assert "RuntimeError: broken boom" in fired.stderr
    assert "guard.py" in fired.stderr


def test_the_first_line_of_a_crash_says_it_all(pegboard_hook: HookFixture) -> None:
    fired = pegboard_hook.fire(program(pegboard_hook, GUARD), "PreToolUse", input={"command": "boom"})
    lines = [line for line in fired.stderr.splitlines() if not line.startswith(("a banner", "looking"))]
    assert lines[0] == "guard.py: RuntimeError: broken boom"


def test_what_is_printed_before_and_in_a_hook_and_by_its_children_goes_to_stderr(pegboard_hook: HookFixture) -> None:
    body = """
import subprocess
from pegboard import hook
print("before")

@hook.on("Stop")
def chatty(event):
    print("in the hook")
    subprocess.run(["echo", "a child"])
    return hook.block("go on")

hook.run()
"""
    fired = pegboard_hook.fire(program(pegboard_hook, body), "Stop")
    assert json.loads(fired.stdout) == {"decision": "block", "reason": "go on"}
    assert sorted(fired.stderr.splitlines()) == ["a child", "before", "in the hook"]


def test_prints_after_the_first_registration_stay_out_of_the_answer_even_unbuffered(pegboard_hook: HookFixture) -> None:
    body = """
from pegboard import hook

@hook.on("Stop")
def quiet(event):
    return hook.block("go on")

print("between")
hook.run()
"""
    pegboard_hook.environment["PYTHONUNBUFFERED"] = "1"
    fired = pegboard_hook.fire(program(pegboard_hook, body), "Stop")
    assert (fired.stdout, fired.stderr) == ('{"decision":"block","reason":"go on"}\n', "between\n")


@pytest.mark.parametrize(("code", "exit"), [("0", 0), ("", 0), ("2", 1), ("'text'", 1)])
def test_leaving_by_sys_exit_refuses_nothing(pegboard_hook: HookFixture, code: str, exit: int) -> None:
    body = f"""
import sys
from pegboard import hook

@hook.on("Stop")
def leaves(event):
    sys.exit({code})

hook.run()
"""
    path = program(pegboard_hook, body)
    for how in ("cold", "warm"):
        fired = pegboard_hook.fire(path, "Stop", how=how)
        assert (fired.exit, fired.output) == (exit, {})
        assert ("answer deny(...)" in fired.stderr) is (exit == 1)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        pytest.param(b"", "no event came on stdin", id="nothing"),
        pytest.param(b"[1]\n", "no JSON object", id="a list"),
        pytest.param(b'{"a": \n', "JSONDecodeError", id="half"),
        pytest.param(b"\xff\xfe{}\n", "Error", id="no UTF-8"),
        pytest.param(b"{}\n", "no 'hook_event_name'", id="no event in it"),
    ],
)
def test_what_is_no_event_is_an_error_and_no_decision(pegboard_hook: HookFixture, sent: bytes, problem: str) -> None:
    path = program(pegboard_hook, GUARD)
    done = subprocess.run([sys.executable, str(path)], input=sent, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert problem in done.stderr.decode()


def test_an_event_is_answered_although_the_host_forgets_to_close_stdin(pegboard_hook: HookFixture) -> None:
    path = program(pegboard_hook, GUARD)
    with subprocess.Popen([sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        big = {"command": "rm x", "description": "x" * 300_000}
        process.stdin.write(json.dumps(payload("PreToolUse", input=big)).encode() + b"\n")
        process.stdin.flush()
        assert b"no rm" in process.stdout.read()
        process.stdin.close()


def test_a_host_that_no_longer_listens_does_not_disturb(pegboard_hook: HookFixture) -> None:
    path = program(pegboard_hook, GUARD)
    read, write = os.pipe()
    os.close(read)
    line = json.dumps(payload("PreToolUse", input={"command": "rm x"})).encode() + b"\n"
    done = subprocess.run(
        [sys.executable, str(path)], input=line, stdout=write, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(write)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


def test_text_that_is_no_text_survives_the_way_there_and_back(pegboard_hook: HookFixture) -> None:
    body = """
from pegboard import hook

@hook.on("UserPromptSubmit")
def echo(event):
    return hook.context(event.prompt)

hook.run()
"""
    prompt = 'a\nb "c" \\ \u2028 \U0001f600 \x00 é'
    fired = pegboard_hook.fire_all_ways(program(pegboard_hook, body), "UserPromptSubmit", prompt=prompt)
    assert fired.context == prompt
    raw = b'{"hook_event_name":"UserPromptSubmit","session_id":"s","cwd":"/","prompt":"\\ud800"}\n'
    path = pegboard_hook.project / "guard.py"
    done = subprocess.run([sys.executable, str(path)], input=raw, capture_output=True, timeout=30, check=True)
    assert json.loads(done.stdout)["hookSpecificOutput"]["additionalContext"] == "\ud800"


def test_an_imported_program_does_not_run(pegboard_hook: HookFixture) -> None:
    program(pegboard_hook, GUARD)
    done = subprocess.run(
        [sys.executable, "-c", "import guard; print('imported')"],
        cwd=pegboard_hook.project,
        stdin=subprocess.PIPE,  # never closed: whoever reads it hangs
        capture_output=False,
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    )
    assert done.stdout == b"a banner\nimported\n"


# --- warm ----------------------------------------------------------------------------------------------


def test_a_warm_program_answers_event_after_event_and_ends_with_its_stdin(pegboard_hook: HookFixture) -> None:
    path = program(pegboard_hook, GUARD)
    with WarmWorker([sys.executable, str(path)]) as worker:
        for number in range(50):
            answer = worker.ask(payload("PreToolUse", input={"command": f"{'rm' if number % 2 else 'ls'} {number}"}))
            assert bool(answer) is bool(number % 2)
        crash = worker.ask(payload("PreToolUse", input={"command": "boom"}))
        assert crash["exit"] == 1
        assert "broken boom" in crash["stderr"]
        assert worker.ask(payload("PreToolUse", input={"command": "rm after a crash"}))
    assert worker._process.returncode == 0
    assert worker.log.startswith("a banner\nlooking at ls 0\n")


def test_a_child_of_a_warm_program_cannot_swallow_the_next_event(pegboard_hook: HookFixture) -> None:
    body = """
import subprocess
from pegboard import hook

@hook.on("Stop")
def greedy(event):
    return hook.block(subprocess.run(["cat"], capture_output=True, text=True).stdout or "nothing")

hook.run()
"""
    with WarmWorker([sys.executable, str(program(pegboard_hook, body))]) as worker:
        for _ in range(3):
            assert worker.ask(payload("Stop"))["reason"] == "nothing"


def test_a_warm_program_stands_in_the_folder_of_each_event(pegboard_hook: HookFixture) -> None:
    body = """
import os
from pegboard import hook

@hook.on("Stop")
def where(event):
    return hook.block(os.getcwd())

hook.run()
"""
    path = program(pegboard_hook, body)
    below = pegboard_hook.project / "sub"
    below.mkdir()
    with WarmWorker([sys.executable, str(path)]) as worker:
        for folder in (below, pegboard_hook.project):
            assert worker.ask(payload("Stop", cwd=str(folder)))["reason"] == os.path.realpath(folder)
        gone = worker.ask(payload("Stop", cwd=str(folder / "gone")))
        assert gone["reason"] == os.path.realpath(folder)


def test_a_worker_that_ends_or_hangs_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    for script in ("exit 0", "sleep 60 & sleep 60", "echo no json"):
        with (
            WarmWorker(["sh", "-c", script], cwd=tmp_path, patience=1.0) as worker,
            pytest.raises((RuntimeError, ValueError)),
        ):
            worker.ask(payload("Stop"))
        assert members_of(worker._process.pid) == []
    assert time.monotonic() - began < 30


def members_of(group: int) -> list[str]:
    """Return the commands of a process group that still run; a zombie waits for init only."""
    shown = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    rows = [row.split(None, 2) for row in shown.splitlines()]
    return [row[-1] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


# --- the copied file -----------------------------------------------------------------------------------


def other_pythons() -> list[str]:
    """Interpreters on this machine beside our own, the oldest that the kit promises among them if there is one."""
    named = [f"python3.{minor}" for minor in (9, 10, 12, 13)]
    found = {name: shutil.which(name) for name in named}
    found["system"] = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else None
    works = [path for path in found.values() if path and _runs(path)]
    return [sys.executable, *works]


def _runs(path: str) -> bool:
    checked = "import sys; sys.exit(sys.version_info < (3, 9))"
    return subprocess.run([path, "-c", checked], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("python", other_pythons())
def test_one_file_beside_a_script_is_the_whole_kit(pegboard_hook: HookFixture, python: str) -> None:
    body = """
import pegboard_hook as hook

@hook.on("PreToolUse", matcher="Bash")
def guard(event: hook.PreToolUse):
    with hook.state(event, "calls") as kept:
        kept["n"] = kept.get("n", 0) + 1
    names = [command.name for command in hook.shell_commands(event.command)]
    if hook.matches("sub/.ENV", [".env"], event.cwd) and hook.inside(event.cwd, event.cwd) and "rm" in names:
        return hook.deny(f"no rm, call {kept['n']} of {len(hook.transcript(event).texts())}")

hook.run()
"""
    path = program(pegboard_hook, body)
    shutil.copy(KIT, pegboard_hook.project / "pegboard_hook.py")
    words = [python, "-B", str(path)]
    pegboard_hook.environment["PYTHONPATH"] = ""
    first = pegboard_hook.fire(words, "PreToolUse", input={"command": "ls; sudo rm x"})
    assert (first.verdict, first.reason) == ("deny", "no rm, call 1 of 0"), first.stderr
    second = pegboard_hook.fire(words, "PreToolUse", how="warm", input={"command": "ls | xargs rm"})
    assert second.reason == "no rm, call 2 of 0"


def test_the_kit_imports_nothing_but_what_a_start_has_anyway() -> None:
    code = (
        "import sys; before = set(sys.modules); import pegboard.hook; "
        "print(*sorted(set(sys.modules) - before - {'pegboard', 'pegboard.hook', '__future__'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_kit_is_imported_in_less_than_ten_milliseconds(tmp_path: Path) -> None:
    """The promise is 10 ms with compiled bytecode; 2.4 were measured. A busy machine gets the best of many tries."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    code = "import time; t = time.process_time(); import pegboard.hook; print(time.process_time() - t)"
    times = (
        float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout)
        for _ in range(50)
    )
    assert any(took < 0.010 for took in times)


# --- the fixture itself --------------------------------------------------------------------------------


def test_shell_programs_are_fired_too_and_exit_2_is_a_refusal(pegboard_hook: HookFixture) -> None:
    script = pegboard_hook.file("guard.sh", 'grep -q "rm x" && { echo "no rm" >&2; exit 2; }\nexit 0\n')
    assert pegboard_hook.fire(script, "PreToolUse", input={"command": "rm x"}).reason == "no rm\n"
    assert pegboard_hook.fire(script, "PreToolUse", input={"command": "ls"}).verdict == ""
    plain = pegboard_hook.fire("echo hello", "SessionStart")
    assert plain.context == "hello\n"
    assert pegboard_hook.fire("echo hello", "PreToolUse").context == ""


def test_ways_that_do_not_agree_are_found_out(pegboard_hook: HookFixture) -> None:
    body = """
import os
from pegboard import hook

@hook.on("Stop")
def differs(event):
    return hook.block(os.environ.get("PEGBOARD_HOOK_WORKER", "cold"))

hook.run()
"""
    with pytest.raises(AssertionError, match="warm it answers"):
        pegboard_hook.fire_all_ways(program(pegboard_hook, body), "Stop")


def test_a_program_that_registers_nothing_is_named(pegboard_hook: HookFixture) -> None:
    fired = pegboard_hook.fire(pegboard_hook.file("empty.py", "x = 1\n"), "Stop", how="in process")
    assert fired.exit == 1
    assert "registers no function" in fired.stderr


def test_a_program_is_found_here_or_in_the_project_and_else_named(
    pegboard_hook: HookFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").write_text(GUARD.partition("raise SystemExit")[0])
    program(pegboard_hook, GUARD, "there.py")
    for name in ("here.py", "there.py", Path("there.py")):
        assert pegboard_hook.fire(name, "PreToolUse", input={"command": "rm"}).verdict == "deny"
    for name in ("nowhere.py", Path("nowhere")):
        with pytest.raises(FileNotFoundError, match="no hook program 'nowhere"):
            pegboard_hook.fire(name, "PreToolUse")


def test_a_payload_is_whole_and_a_wrong_one_is_refused() -> None:
    made = payload("PreToolUse", tool="Read", input={"file_path": "/a"}, session_id="s")
    assert (made["tool_name"], made["tool_use_id"], made["session_id"]) == ("Read", "toolu_1", "s")
    assert "tool_use_id" not in payload("PermissionRequest")
    with pytest.raises(ValueError, match="about no tool call"):
        payload("Stop", tool="Bash")
    assert Fired("Stop", 0).verdict == ""
