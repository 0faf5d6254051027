"""A session that starts no sub-agent does not import what runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

RUN = """
import sys
from pegboard._cli.main import main
sys.argv = ["pegboard", "run", "-q", "--model", "scripted:script.toml", "Go."]
try:
    main()
finally:
    print(sorted(name for name in sys.modules if name.startswith("pegboard_builtins.agents")))
"""


def test_a_session_without_agents_imports_nothing_of_them_and_one_with_a_file_does(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "script.toml").write_text('[[turn]]\ntext = "done"\n')
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PEGBOARD_STATE_DIR": str(tmp_path / "state"),
        "PEGBOARD_CONFIG_DIR": str(tmp_path / "config"),
    }
    environment.pop("CLAUDE_CONFIG_DIR", None)

    def run() -> str:
        done = subprocess.run([sys.executable, "-c", RUN], cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("done"), done.stdout
        return done.stdout.splitlines()[-1]

    run()  # what is known of the plugins is written down
    assert run() == "[]"
    (tmp_path / "config" / "agents").mkdir(parents=True)
    (tmp_path / "config" / "agents" / "x.md").write_text("---\nname: x\ndescription: d\n---\nYou are x.\n")
    assert "pegboard_builtins.agents.listing" in run()
