"""Recorded cases about arguments, standard input, output formats and exit codes, each played by `pegboard run`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hook_meaning import happened, recorded
from hook_play import CASES, Played, Stage, script_of

from pegboard._board.trust import TrustStore

FORMATS = {"a29_include_hook_events_off": "stream-json", "a30_json_output": "json", "a31_text_output": "text"}
FROM_A_PIPE = ("a32_stdin_prompt", "b04_ups_e0_plain")
ENDS = {
    "a13_setup_maint": [0],
    "a32_stdin_prompt": [0],
    "b04_ups_e0_plain": [0],
    "b04_ups_e2": [5],
    "b10_batch_e2": [5],
    "b15_setup_e0_plain": [0],
    "c10_defer": [5, 5],
    "c11_defer_then_allow": [5, 0],
    "e13_ss_initial_user_message": [0],
    "s25_batch_block_then_resume": [5, 0],
    "t07_stopfailure_stream_500": [1],
    **{case: [0] for case in FORMATS},
}
"""What `pegboard run` exits with: 0 done, 1 an error, 5 a hook or a deferred call ended it."""


class Command:
    """A case's folders, and `pegboard run` in them."""

    def __init__(self, case: str, root: Path) -> None:
        self.stage = Stage(CASES[case], root)
        self.stage.build()
        TrustStore(root / "state").trust(self.stage.project)
        (root / "config" / "settings.toml").write_text("[hooks]\ntrust_project = true\n[retry]\nbase_delay = 0\n")
        self.script = root / "script.toml"
        self.script.write_text("\n".join(map(_turn, script_of(self.stage))), encoding="utf-8")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root / "home"),
            "PEGBOARD_STATE_DIR": str(root / "state"),
            "PEGBOARD_MEMORY__ON": "false",
            "PEGBOARD_CONFIG_DIR": str(root / "config"),
        }

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a turn."""
        argv = [sys.executable, "-m", "pegboard", "run", "--model", f"scripted:{self.script}", *words]
        return subprocess.run(
            argv,
            input=given,
            capture_output=True,
            text=True,
            cwd=self.stage.project,
            env=self.environment,
            timeout=120,
        )


def _turn(turn: dict[str, Any]) -> str:
    plain = "\n".join(f"{key} = {_toml(value)}" for key, value in turn.items() if key != "call")
    calls = "\n".join(
        f"[[turn.call]]\nname = {_toml(one['name'])}\ninput = {_toml(one['input'])}" for one in turn.get("call", ())
    )
    return f"[[turn]]\n{plain}\n{calls}\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize("case", ENDS)
def test_a_recorded_case_means_the_same_as_a_command(case: str, tmp_path: Path) -> None:
    command = Command(case, tmp_path)
    codes, outputs = [], []
    for step in CASES[case].get("steps") or [{}]:
        words = ["--output", FORMATS[case]] if case in FORMATS else []
        words += [word for word in CASES[case].get("args") or () if word in ("--init", "--maintenance")]
        words += ["--continue"] if "--resume" in step.get("args", ()) else []
        prompt = step.get("prompt", "go")
        by_pipe = case in FROM_A_PIPE
        done = command.run(
            *words, *([prompt] if prompt and not by_pipe else []), given=f"{prompt}\n" if by_pipe else ""
        )
        codes.append(done.returncode)
        outputs.append(done.stdout)
    assert codes == ENDS[case], outputs
    wanted, found = (
        recorded(command.stage),
        happened(command.stage, Played(CASES[case], tmp_path, command.stage.runs())),
    )
    for part in ("ran", "order", "files"):
        assert found[part] == wanted[part], part
    if case == "a32_stdin_prompt":
        assert command.stage.runs()[0].sent["prompt"] == "go\n"
    if case in FORMATS:
        assert "done" in outputs[0]


def test_a_session_whose_hook_says_the_first_prompt_needs_no_other_one(tmp_path: Path) -> None:
    command = Command("e13_ss_initial_user_message", tmp_path)
    done = command.run()
    assert (done.returncode, done.stdout) == (0, "r1\n")


def test_a_run_that_nobody_gave_a_prompt_leaves_no_session_behind(tmp_path: Path) -> None:
    command = Command("b06_stop_e1", tmp_path)
    done = command.run()
    assert done.returncode == 2
    assert not list((tmp_path / "state").rglob("*.jsonl"))
