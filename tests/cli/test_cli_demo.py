"""`pegboard demo`, as a new user runs it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def test_the_demo_runs_offline_denies_something_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(Path(tempfile.gettempdir()).glob("pegboard-demo-*"))
    done = subprocess.run(
        [sys.executable, "-m", "pegboard", "demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "denied  .env holds secrets" in done.stdout
    assert "denied  rm -rf cannot be undone" in done.stdout
    assert "The session ended: completed" in done.stdout
    for hook, verdict in (("no-secrets", "deny"), ("no-rm-rf", "deny"), ("approve-tests", "allow")):
        rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] == [hook]]
        assert [row for row in rows if verdict in row], f"the trace does not say what {hook} decided"
    assert set(Path(tempfile.gettempdir()).glob("pegboard-demo-*")) <= before
    assert list(tmp_path.iterdir()) == []
