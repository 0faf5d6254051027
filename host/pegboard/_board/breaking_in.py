"""Breaking into what runs in the main thread: a signal ends also what waits in C, such as `time.sleep`.

Python's handlers run in the main thread alone. What one raises comes out of a system call that it interrupted, and out
of the very code that runs there: so the handler itself can look whether that is still what was to be ended.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from weakref import WeakSet

NUMBER = signal.SIGURG
"""Ignored unless somebody asks for it, so it harms no process that gets it by mistake."""

_listeners: WeakSet[Listener] = WeakSet()


class Listener:
    """Calls *arrived* in the main thread when it is sent for; that may raise."""

    def __init__(self, arrived: Callable[[], None]) -> None:
        self.arrived = arrived
        if threading.current_thread() is threading.main_thread():
            _listeners.add(self)
            if signal.getsignal(NUMBER) in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(NUMBER, _arrived)

    def send(self, thread_id: int) -> bool:
        """Send for it; False where that thread cannot be broken into so."""
        main = threading.main_thread().ident
        if thread_id != main or self not in _listeners or signal.getsignal(NUMBER) is not _arrived:
            return False
        signal.pthread_kill(thread_id, NUMBER)
        return True


def _arrived(number: int, frame: FrameType | None) -> None:
    for listener in list(_listeners):
        listener.arrived()
