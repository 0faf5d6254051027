"""kill -9 at any moment: the session resumes, and ends with the conversation that an undisturbed one has."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent_room import calls, dumped, fold, results

from pegboard._agent.journal import read_lines
from pegboard._agent.validate import check_messages

HERE = Path(__file__).parent


def conversation(journal: Path):
    messages = list(fold(journal).conversation.view())
    check_messages(messages, ending=False)
    return messages


def the_journal(folder: Path) -> Path:
    (found,) = folder.rglob("*.jsonl")
    return found


def test_a_killed_session_resumes_and_ends_as_if_nothing_had_happened(tmp_path, count):
    wanted = count(200)
    seed = random.randrange(1 << 30)
    driver = subprocess.run(
        [sys.executable, str(HERE / "kill_driver.py"), str(tmp_path), str(seed), str(wanted)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert driver.returncode == 0, f"seed {seed}: {driver.stderr[-4000:]}"
    undisturbed, *killed = [json.loads(line) for line in driver.stdout.splitlines()]
    expected = conversation(the_journal(Path(undisturbed["folder"])))
    assert len(calls(expected)) == 14
    assert sum(one["kills"] for one in killed) == wanted
    for one in killed:
        journal = the_journal(Path(one["folder"]))
        messages = conversation(journal)
        assert dumped(messages) == dumped(expected), f"seed {seed}: {journal}"
        assert set(results(messages)) == {call.id for call in calls(messages)}
        written = [
            raw["tool"]["id"] for _, _, _, raw in read_lines(journal) if raw["type"] == "user" and raw.get("tool")
        ]
        assert sorted(written) == sorted(set(written)), f"seed {seed}: {journal}: a result was journaled twice"


PROGRAM = "import sys; from pegboard._cli.main import main; sys.exit(main())"
SCRIPT = """
[[turn]]
text = "I look first, and take my time over it, word by word by word."
chunk_delay = 0.02
[[turn.call]]
name = "Read"
input = { file_path = "a.txt" }

[[turn]]
text = "Now I write."
[[turn.call]]
name = "Write"
input = { file_path = "b.txt", content = "beta" }

[[turn]]
chunk_delay = 0.02
text = "It is all there, and this is the last thing that I have to say."
"""


def pegboard(project: Path, state: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PEGBOARD_STATE_DIR": str(state), "PEGBOARD_CONFIG_DIR": str(state / "config")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", *words, "--model", "scripted:script.toml", "--allow", "Write"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def journaled(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in state.rglob("*.jsonl"))


def test_a_killed_pegboard_run_goes_on_with_continue(tmp_path):
    found = []
    for name, most in (("undisturbed", 0), ("killed", 2)):
        project, state = tmp_path / name / "project", tmp_path / name / "state"
        project.mkdir(parents=True)
        (project / "script.toml").write_text(SCRIPT)
        (project / "a.txt").write_text("alpha\n")
        kills = 0
        while True:
            begun = any(state.rglob("*.jsonl"))
            process = pegboard(project, state, *(["--continue"] if begun else ["Go."]))
            if kills < most:
                size = len(journaled(state))
                while process.poll() is None and not (
                    size < len(now := journaled(state)) and b'"kind":"prompt"' in now
                ):
                    time.sleep(0.005)
                time.sleep(0.05)  # in the middle of the answer, or of the tools after it
                process.send_signal(signal.SIGKILL)
                kills += 1
            output, errors = process.communicate(timeout=60)
            if process.returncode == -signal.SIGKILL:
                continue
            assert process.returncode == 0, errors
            break
        assert output.strip() == "It is all there, and this is the last thing that I have to say."
        assert (project / "b.txt").read_text() == "beta"
        found.append(json.dumps(dumped(conversation(the_journal(state)))).replace(str(project), "PROJECT"))
    assert found[0] == found[1]
