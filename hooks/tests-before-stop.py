#!/usr/bin/env python3
# /// hook
# name = "tests-before-stop"
# summary = "Lets the agent end its turn only when the tests pass, if it has changed anything"
# needs = ["python3", "git"]
# kit = true
#
# [[hooks.SessionStart]]
# [[hooks.SessionStart.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 30
#
# [[hooks.Stop]]
# [[hooks.Stop.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 330
# statusMessage = "Running the tests"
# ///
"""Lets the agent end its turn only when the tests pass, if it has changed anything.

The command is the first line of `.pegboard/test-command` or $TEST_COMMAND; else it is guessed from what lies in the
project (pytest, npm test, go test, cargo test, make test). The tests run only when a file differs from when they last
passed, or from when the session began. Where they fail, the agent goes on with the end of their output; after three
failures in a row it may stop all the same, and you are told. Tests that take longer than five minutes decide nothing.

Install: `pegboard hooks add tests-before-stop`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not do: green tests do not mean that the work is right, and an agent may edit the tests (the reason that
it reads says not to). It runs the project's code with your rights: only use it in projects that you trust. Outside a
git repository it cannot tell what changed and runs the tests at each stop.
"""

import hashlib
import json
import os
import signal
import subprocess

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

SECONDS = 300
TRIES = 3
LINES = 40


@hook.on("SessionStart")
def remember(event: hook.SessionStart):
    """Keep what the files are like before the agent has touched them."""
    with hook.state(event, "tests-before-stop") as kept:
        kept.setdefault("passed", fingerprint(event.project))


@hook.on("Stop")
def gate(event: hook.Stop):
    """Run the tests if something changed since they last passed; block the stop when they fail."""
    command = command_of(event.project)
    if not command:
        return None
    now = fingerprint(event.project)
    with hook.state(event, "tests-before-stop") as kept:
        passed, failures = kept.get("passed"), kept.get("failures", 0) if event.stop_hook_active else 0
    if now is not None and now == passed:
        return None
    code, output = run(command, event.project)
    if code is None:
        return hook.notice(
            f"tests-before-stop: `{command}` took more than {SECONDS} s; nobody knows whether it passes."
        )
    with hook.state(event, "tests-before-stop") as kept:
        kept["failures"] = 0 if code == 0 else failures + 1
        if code == 0:
            kept["passed"] = fingerprint(event.project)
    if code == 0:
        return None
    if failures + 1 >= TRIES:
        return hook.notice(f"tests-before-stop: `{command}` still fails after {TRIES} tries; the agent may stop.")
    return hook.block(
        f"`{command}` fails with exit code {code}. Mend what your change broke; do not weaken the tests. "
        f"If it is not yours to mend, say so.\n\n{output}"
    )


def command_of(project):
    """Return the test command of a project, said or guessed; empty if there is none."""
    try:
        with open(os.path.join(project, ".pegboard", "test-command"), encoding="utf-8") as file:
            return file.readline().strip()
    except FileNotFoundError:
        pass
    if os.environ.get("TEST_COMMAND"):
        return os.environ["TEST_COMMAND"]
    has = set(os.listdir(project))
    if "package.json" in has:
        try:
            with open(os.path.join(project, "package.json"), encoding="utf-8") as file:
                script = json.load(file).get("scripts", {}).get("test", "")
        except (ValueError, AttributeError):
            script = ""
        if script and "no test specified" not in script:
            return "npm test --silent"
    if has & {"pytest.ini", "conftest.py"} or ("tests" in has and has & {"pyproject.toml", "setup.cfg", "tox.ini"}):
        return "python3 -m pytest -q"
    for name, command in (("go.mod", "go test ./..."), ("Cargo.toml", "cargo test --quiet")):
        if name in has:
            return command
    if "Makefile" in has:
        with open(os.path.join(project, "Makefile"), encoding="utf-8", errors="replace") as file:
            if any(line.startswith("test:") for line in file):
                return "make test"
    return ""


def fingerprint(project):
    """Return what tells one state of the files from another; None where there is no git repository."""
    changed = git(project, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    if changed is None:
        return None
    facts = [git(project, "rev-parse", "HEAD") or ""]
    for entry in filter(None, changed.split("\0")):
        try:
            found = os.lstat(os.path.join(project, entry[3:]))
            facts.append(f"{entry} {found.st_size} {found.st_mtime_ns}")
        except OSError:
            facts.append(entry)
    return hashlib.sha256("\n".join(facts).encode("utf-8", "surrogateescape")).hexdigest()


def git(project, *words):
    try:
        command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", project, *words]
        done = subprocess.run(command, capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None


def run(command, project):
    """Return (exit code, end of the output); no code if it took too long. What it started is ended with it."""
    process = subprocess.Popen(
        ["sh", "-c", command],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=SECONDS)
        code = process.returncode
    except subprocess.TimeoutExpired:
        output, code = b"", None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            pass
        process.wait()
    return code, "\n".join(output.decode(errors="replace").splitlines()[-LINES:])


hook.run()
