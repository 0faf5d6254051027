"""What a pack was seen to do is kept with its name, and shown; it stops nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from pegboard._board.observing import KEPT, Observations, observed

PACK = '''
import socket, subprocess
from pathlib import Path

from pegboard import tool


@tool(read_only=True)
def busy(path: str) -> str:
    """Be busy."""
    Path(path).write_text("x")
    Path(path).read_text()
    subprocess.run(["true"], check=True)
    with socket.socket() as mine:
        mine.settimeout(0.2)
        mine.connect_ex(("127.0.0.1", 9))
    return "done"


@tool(read_only=True)
def calm() -> str:
    """Be calm."""
    return "calm"
'''
PROGRAM = "import sys; from pegboard._cli.main import main; sys.exit(main())"


def typed(terminal: Any, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(terminal.site), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_files_processes_and_addresses_are_named_with_their_pack(terminal: Any) -> None:
    terminal.install("acme-busy", {"acme_busy": "acme_busy"}, acme_busy=PACK)
    typed(terminal, "tools", "call", "calm")
    assert observed(terminal.state, "acme-busy") == {}
    target = terminal.folder / "written"
    typed(terminal, "tools", "call", "busy", "--input", json.dumps({"path": str(target)}))
    seen = observed(terminal.state, "acme-busy")
    assert seen["writes"] == {f"open {target}": 1}
    assert any(what.startswith("subprocess.Popen true") for what in seen["process"])
    assert seen["network"] == {'socket.connect ["127.0.0.1", 9]': 1}
    told = json.loads(terminal.fine("plugins", "info", "acme_busy", "--json"))
    assert told["observed"]['network, socket.connect ["127.0.0.1", 9]'] == "1 times"
    assert set(observed(terminal.state, "pegboard")) == set()


def test_what_is_kept_is_bounded_and_adds_up(tmp_path: Any) -> None:
    for _ in range(2):
        seen = Observations()
        for number in range(KEPT + 10):
            seen._note("acme", "writes", f"open {number}")
        seen.save(tmp_path)
    kept = observed(tmp_path, "acme")["writes"]
    assert len(kept) == KEPT + 1
    assert kept["open 0"] == 2
    assert kept["others"] == 20
