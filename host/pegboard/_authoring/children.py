"""Processes of our own in which a pack runs: whatever it does there, it does it to them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def run_child(
    command: Sequence[str],
    folder: Path,
    seconds: float,
    *,
    path: Sequence[Path] = (),
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a process in *folder* and in a session of its own, with *path* before what is imported from.

    All of it is ended at the deadline. Raises subprocess.TimeoutExpired.
    """
    search = os.pathsep.join(filter(None, [*map(str, path), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=folder,
        env={**os.environ, **({"PYTHONPATH": search} if search else {}), **(variables or {})},
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    finally:
        _end(process)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _end(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    process.wait()


def end_of(done: subprocess.CompletedProcess[str]) -> str:
    """Say how a process ended that did not get to its last line."""
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("import time:")]
    said = lines[-1].strip() if lines else ""
    if done.returncode < 0:
        return f"ended the interpreter with signal {-done.returncode}"
    if "Error" not in said and "Exit" not in said:
        return f"left the interpreter with exit code {done.returncode}"
    return f"fails: {said[:200]}"


def read_json(line: str) -> dict[str, Any] | None:
    """Return what a process printed as its last line; None if that is something else."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
