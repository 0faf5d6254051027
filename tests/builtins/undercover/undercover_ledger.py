"""What a test run of the host wrote, sent and started: kept in a ledger by an audit hook, here and in its children.

It is a file that every process appends to: which files the host opened to write, which the tests did, what went to
sockets, and what processes were given as arguments and environment. Children load this file as `sitecustomize`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

VARIABLE = "NAMES_LEDGER"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT
HOST = (f"{os.sep}pegboard{os.sep}", f"{os.sep}pegboard_builtins{os.sep}")
TESTS = f"{os.sep}tests{os.sep}"
DEEDS = f"{os.sep}shell_tool{os.sep}"
"""What a tool of the model runs is the model's deed: the guard has looked at it, and it is not what the host says."""
STARTING = {"subprocess.Popen", "os.exec", "os.posix_spawn"}

_fd = -1
_listens = False


def begin(ledger: str) -> None:
    """Keep the ledger from now on, in this process and in those that it starts. An audit hook cannot be taken away."""
    global _fd, _listens
    _fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if not _listens:
        _listens = True
        sys.addaudithook(_heard)
        _watch_sockets()


def end() -> None:
    """Keep it no longer in this process."""
    global _fd
    os.close(_fd)
    _fd = -1


def _heard(event: str, given: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = given
        if isinstance(path, str | bytes) and isinstance(flags, int) and flags & WRITING:
            _note("file", path=os.path.abspath(os.fsdecode(path)), by=_who()[0])
    elif event == "os.rename":
        _note("file", path=os.path.abspath(os.fsdecode(given[1])), by=_who()[0])
    elif event == "sqlite3.connect":
        _note("file", path=os.path.abspath(os.fsdecode(given[0])), by=_who()[0])
    elif event in STARTING:
        words, environment = _started(event, given)
        by, files = _who()
        deed = any(DEEDS in file for file in files)
        _note("process", by="deed" if deed else by, words=words, environment=environment)


def _started(event: str, given: tuple[Any, ...]) -> tuple[list[str], list[str]]:
    words, environment = (given[1], given[3]) if event == "subprocess.Popen" else (given[1], given[2])
    words = [words] if isinstance(words, str | bytes | os.PathLike) else list(words or ())
    pairs = (environment or {}).items() if environment is None or hasattr(environment, "items") else ()
    return [os.fsdecode(word) for word in words], [f"{os.fsdecode(k)}={os.fsdecode(v)}" for k, v in pairs]


def _who() -> tuple[str, list[str]]:
    """Say whether the host or a test does this: the first of both that is met on the way up; and the host's files."""
    frame = sys._getframe(2)
    files: list[str] = []
    while frame is not None:
        name = frame.f_code.co_filename
        if TESTS in name:
            return ("host" if files else "test"), files
        if any(part in name for part in HOST):
            files.append(name)
        frame = frame.f_back  # type: ignore[assignment]
    return ("host" if files else "other"), files


def _watch_sockets() -> None:
    """Keep what is sent by those who connected; a server's answers are the tests' own."""
    import socket
    import weakref

    clients: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def connecting(original: Any) -> Any:
        def connect(self: socket.socket, *given: Any) -> Any:
            clients.add(self)
            return original(self, *given)

        return connect

    def sending(original: Any, data_of: Any) -> Any:
        def send(self: socket.socket, *given: Any, **more: Any) -> Any:
            if self in clients:
                _note("sent", data=data_of(given[0]))
            return original(self, *given, **more)

        return send

    def one(data: Any) -> str:
        return bytes(data).decode("latin-1")

    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, connecting(getattr(socket.socket, name)))
    for name in ("send", "sendall", "sendto"):
        setattr(socket.socket, name, sending(getattr(socket.socket, name), one))
    socket.socket.sendmsg = sending(  # type: ignore[method-assign]
        socket.socket.sendmsg, lambda parts: "".join(map(one, parts))
    )


def _note(kind: str, **facts: Any) -> None:
    if _fd >= 0:
        os.write(_fd, json.dumps({"kind": kind, **facts}).encode("utf-8", "surrogateescape") + b"\n")


# --- reading it ----------------------------------------------------------------------------------------


class Ledger:
    """Reads what came since it was read last, and searches it."""

    def __init__(self, path: Path, leaks: Any) -> None:
        self.path = path
        self._leaks = leaks
        self._at = 0
        self._clean: dict[str, tuple[int, int]] = {}
        self.by_tests: set[str] = set()
        self.by_host: set[str] = set()
        self.counts = {"file": 0, "process": 0, "sent": 0}

    def problems(self, trees: Iterable[Path]) -> list[str]:
        """Return where a name stands that should not: in what is noted, and in files below *trees* and elsewhere."""
        found: list[str] = []
        for note in self._news():
            kind = note["kind"]
            self.counts[kind] += 1
            if kind == "file":
                (self.by_tests if note["by"] == "test" else self.by_host).add(note["path"])
            elif kind == "sent" and self._leaks(note["data"]):
                found.append(f"what was sent to a socket: {self._leaks(note['data'])}")
            elif kind == "process" and note["by"] == "host":
                for part in ("words", "environment"):
                    text = "\n".join(note[part])
                    if self._leaks(text):
                        found.append(f"a process's {part}: {self._leaks(text)} in {note['words'][:2]}")
        for path in self._files(trees):
            names = self._in_file(path)
            if names:
                found.append(f"{path}: {names}")
        return found

    def _news(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                self._at += len(line)
                yield json.loads(line)

    def _files(self, trees: Iterable[Path]) -> Iterator[Path]:
        """Go through what is not the tests' own: below the trees whoever wrote it, elsewhere what the host wrote."""
        seen = {Path(path) for path in self.by_host}
        for tree in trees:
            for root, folders, names in os.walk(tree):
                folders[:] = [name for name in folders if name != ".git"]
                seen |= {Path(root, name) for name in names}
        for path in sorted(seen):
            if str(path) in self.by_tests and str(path) not in self.by_host:
                continue
            if path.is_file() and not path.is_symlink() and not path.is_relative_to("/dev") and path != self.path:
                yield path

    def _in_file(self, path: Path) -> list[str]:
        stat = path.stat()
        state = (stat.st_size, stat.st_mtime_ns)
        if self._clean.get(str(path)) == state:
            return []
        if is_inside(path):
            return [] if not stat.st_mode & 0o077 else ["it is inside, and others may read it"]
        raw = path.read_bytes()
        texts = {raw.decode("utf-8", "replace"), raw.decode("latin-1")}
        names = sorted({name for text in texts for name in self._leaks(text)})
        if not names:
            self._clean[str(path)] = state
        return names


def is_inside(path: Path) -> bool:
    """Whether a file is a session's own, for its user's eyes alone.

    Its journal, what lies beside that in its folder, the values of flags that its processes get; and the list itself.
    """
    own = "sessions" in path.parts or "snapshots" in path.parts
    return (own and "state" in path.parts) or path.parts[-2:] == ("secret", "names.txt")


if __name__ == "sitecustomize" and VARIABLE in os.environ:
    begin(os.environ[VARIABLE])
