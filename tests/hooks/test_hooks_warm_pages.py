"""The programs in other languages on the page of the worker protocol do what the page says, warm and cold."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pegboard.testing import WarmWorker

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "keep-a-hook-warm.md"


@pytest.fixture
def words(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Write the program of the page that has this name, build it if need be, and return how it is started."""
    name: str = request.param
    text = re.search(rf"<!-- file: {name} -->\n```\w+\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert text is not None
    (tmp_path / name).write_text(text[1] + "\n")
    tool = {"js": "node", "go": "go", "py": "python3"}[name.rpartition(".")[2]]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    if tool == "go":
        subprocess.run(["go", "build", "-o", "guard", name], cwd=tmp_path, check=True)
        return [str(tmp_path / "guard")]
    return [tool, str(tmp_path / name)]


@pytest.mark.parametrize("words", ["guard.js", "guard.go"], indirect=True)
def test_a_program_of_the_page_works_warm_and_cold(words: list[str], desk: Any) -> None:
    push, status = desk.bash("git push --force"), desk.bash("git status — é \U0001f600")
    big = desk.bash("x" * 300_000 + "; git push --force")
    with WarmWorker(words, cwd=desk.project) as worker:
        for event in (push, status, big, push):
            refused = worker.ask(event).get("hookSpecificOutput", {}).get("permissionDecision")
            assert refused == (None if event is status else "deny")
        assert worker.ask({"tool_name": "Bash", "tool_input": 3})["exit"] == 1, "a crash is no decision"
        assert worker.ask(status) == {}
    assert worker._process.returncode == 0
    assert desk.fire(words, push).verdict == "deny"
    assert desk.fire(words, status).stdout == ""
    done = subprocess.run(words, input=b"no json", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr


def test_the_settings_on_the_page_are_those_of_a_worker() -> None:
    import tomli

    block = re.search(r"```toml\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    handler = tomli.loads(block[1])["hooks"]["PreToolUse"][0]["hooks"][0]
    assert handler["worker"] is True
