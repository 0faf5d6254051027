"""Packs in a process of its own: who ends it is named, who does not end is given up, all others are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegboard._board.trial import failures

HEAD = """\
import os, signal
from pathlib import Path
from pegboard import hookimpl
@hookimpl
def register(registry):
    """


def test_who_ends_the_interpreter_is_named_and_the_others_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    texts = {
        "trial_a": "print('noise')",
        "trial_b": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "trial_c": "raise SystemExit(3)",
        "trial_d": "import os; os._exit(7)",
        "trial_e": "while True: pass",
        "trial_f": f"open({str(tmp_path / 'reached')!r}, 'w').close()",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = failures([(name, f"{name}:thing") for name in texts], seconds=2)
    assert found == {
        "trial_b": "its import ends the interpreter (SIGSEGV)",
        "trial_d": "its import leaves the interpreter (exit code 7)",
        "trial_e": "its import has not ended after 2 s",
    }
    assert (tmp_path / "reached").exists()
    assert failures([]) == {}


def test_who_ends_the_interpreter_while_it_registers_is_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    bodies = {
        "trying_a": "os.kill(os.getpid(), signal.SIGSEGV)",
        "trying_b": "raise SystemExit(3)",  # what can be caught is the host's to tell
        "trying_c": "os._exit(7)",
        "trying_d": "while True: pass",
        "trying_e": "registry.host.secret('x')",  # nor is there a host: it is tried so far
        "trying_f": f"Path({str(tmp_path)!r}, 'registered').touch()",
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.py").write_text(HEAD + body + "\n")
    assert failures([(name, name) for name in bodies], seconds=3) == {
        "trying_a": "its register ends the interpreter (SIGSEGV)",
        "trying_c": "its register leaves the interpreter (exit code 7)",
        "trying_d": "its register has not ended after 3 s",
    }
    assert (tmp_path / "registered").exists()
