"""An error that is raised into a hook that overran is received there, and leaves nothing behind in the interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

# In a process of its own: a call that never begins cannot be ended from within.
TRACED = """
import sys, threading, time
{after}
def called(): print("called")
sys.settrace(lambda *args: None)
called()
"""
SETTLED = """
from pegboard._board.watchdog import Watchdog
dog = Watchdog()
dog.settle()
dog.settle()
"""
SENT_TO_ONE_THAT_SLEEPS = """
from pegboard._board.watchdog import raise_in
asleep = threading.Thread(target=time.sleep, args=[1000], daemon=True)
asleep.start()
raise_in(asleep.ident, KeyboardInterrupt)
"""
LEFT_BEHIND = """
from pegboard._board.registry import run_abandonable
try:
    run_abandonable(lambda: time.sleep(1000), 0.01, "p", "register")
except Exception as error:
    assert "p" in str(error), error
"""
HOOK_OF_A_FILE = """
from pegboard_builtins.wire_hooks.runners.threads import OverrunError, Watched
def spins(given):
    while True: pass
try:
    Watched().call(spins, None, 0.01)
except OverrunError:
    pass
"""


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(SETTLED, id="a hook was ended"),
        pytest.param(SENT_TO_ONE_THAT_SLEEPS, id="one in another thread does not come to it"),
        pytest.param(LEFT_BEHIND, id="a plugin was left behind"),
        pytest.param(HOOK_OF_A_FILE, id="a declared hook was ended"),
    ],
)
def test_a_debugger_can_trace_after_an_overrun(after: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRACED.format(after=after)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "called\n", done.stderr


SPINS = """
import threading, time
from pegboard._board.watchdog import OverrunError, raise_in
received = threading.Event()
def spins():
    time.sleep({asleep})
    try:
        while True: pass
    except OverrunError:
        received.set()
thread = threading.Thread(target=spins, daemon=True)
thread.start()
time.sleep(0.1)
raise_in(thread.ident, OverrunError)
print(received.wait(50) or not thread.is_alive())
"""


@pytest.mark.parametrize("asleep", [0, 0.5])
def test_what_is_raised_in_a_thread_is_received_there(asleep: float) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPINS.format(asleep=asleep)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "True\n", done.stderr
