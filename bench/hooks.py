"""Declared hooks: a command, ten at once, a warm worker, HTTP and a function, each beside its floor."""

from __future__ import annotations

import asyncio
import os
import resource
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import BenchError, Effort, Reach, Row, Sample, Table, interleaved, row, wall
from bench.native import NativeFloor
from bench.subject import SETTINGS, Bench, LookingPlugin, converse, fresh_session, looking_tool, scripted
from pegboard.hookspecs import hookimpl
from pegboard.host import Host
from pegboard.settings import SettingsLayer, Source
from pegboard_builtins import scripted_model, wire_hooks
from pegboard_builtins.wire_hooks.handlers import Handler, HandlerType
from pegboard_builtins.wire_hooks.job import Job
from pegboard_builtins.wire_hooks.runners import Runners, open_runners

TRUE = "true"
SHELL_TRUE = ("/bin/sh", "-c", TRUE)
SHELL_CAT = ("/bin/sh", "-c", "cat")
SPAWN = Reach.ratio(1.5)
# The aims were set where a Python worker answered over pipes in 30 µs, aiohttp in 85 µs, ten of it in 658, and a call
# took 0.077 µs.
WORKER = Reach(100.0, there=30.0)
HTTP = Reach(200.0, there=85.0)
HTTP_TEN = Reach(1000.0, there=658.0)
FUNCTION = Reach(5.0, there=0.077)
BALLAST = 300 << 20
UNCOUNTED = 6

WARM = """
import os, sys
if os.environ.get("PEGBOARD_HOOK_WORKER"):
    for line in iter(sys.stdin.buffer.readline, b""):
        sys.stdout.write("{}\\n")
        sys.stdout.flush()
"""
FUNCTIONS = """
def plain(event): return None
def looks(event): return None if event.command else {}
async def awaited(event): return None
"""


def measure(effort: Effort) -> list[Table]:
    """Measure the runners by themselves, then the same within a session with its journal on."""
    with Bench() as bench, ExitStack() as stack:
        floor = NativeFloor(bench.folder)
        port = stack.enter_context(floor.server())
        desk = Desk(bench, port)
        before = os.getcwd()
        os.chdir(bench.folder)  # a host stands in its project, so the runners find their folder at once
        stack.callback(os.chdir, before)
        tables = [
            _commands(desk, floor, effort),
            _processor(desk, floor, effort),
            _large(desk, floor, effort),
            *_others(desk, effort),
            _sessions(desk, floor, effort),
            _sessions_processor(desk, floor, effort),
        ]
        bench.run(desk.close())
    return tables


class Desk:
    """Runners in the bench's loop, and jobs for them."""

    def __init__(self, bench: Bench, port: int) -> None:
        self.bench = bench
        self.port = port
        self._opening = open_runners()
        self.runners: Runners = bench.run(self._opening.__aenter__())
        (bench.folder / "warm.py").write_text(WARM)
        (bench.folder / "functions.py").write_text(FUNCTIONS)

    async def close(self) -> None:
        """Close the runners."""
        await self._opening.__aexit__(None, None, None)

    @property
    def url(self) -> str:
        """Where the floor's web server answers."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def warm_command(self) -> str:
        """A program that answers at once."""
        return f"{shlex.quote(sys.executable)} -I -S {shlex.quote(str(self.bench.folder / 'warm.py'))}"

    def job(self, size: int, *, folder: Path | None = None) -> Job:
        """Return a job whose event has about *size* bytes."""
        line = (
            b'{"prompt_id":"p","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"'
            + b"x" * size
            + b'"}}\n'
        )
        facts = {"prompt_id": "p", "tool_name": "Bash", "tool_input": {"command": "x" * size}}
        facts["hook_event_name"] = "PreToolUse"
        place = self.bench.folder
        return Job("PreToolUse", line, facts, folder or place, place, 60.0, "bench")

    def seconds(self, handler: Handler, job: Job, times: int, parallel: int = 1) -> float:
        """Return µs per event of so many handlers at once."""

        async def once() -> float:
            began = wall()
            for _ in range(times):
                if parallel == 1:
                    await self.runners.run(handler, job)
                else:
                    await asyncio.gather(*(self.runners.run(handler, job) for _ in range(parallel)))
            return wall() - began

        spent: float = self.bench.run(once())
        return spent / times * 1e6


def handler(kind: HandlerType, **facts: Any) -> Handler:
    """Return a handler as the settings would make it."""
    return Handler(id=f"bench-{kind}", event="PreToolUse", type=kind, where=Source(SettingsLayer.USER), **facts)


def command(text: str, **facts: Any) -> Handler:
    """Return a command in the shell form."""
    return handler(HandlerType.COMMAND, command=text, **facts)


# --- programs ------------------------------------------------------------------------------------------


def _commands(desk: Desk, floor: NativeFloor, effort: Effort) -> Table:
    rounds, few = effort.pick(40, 5), effort.pick(10, 2)
    small, large = desk.job(1 << 10), desk.job(1 << 20)
    elsewhere = desk.job(1 << 10, folder=Path("/"))
    true, cat = command(TRUE), command("cat")
    found = interleaved(
        {
            "floor": partial(floor.spawn, rounds, 1, SHELL_TRUE),
            "true": partial(desk.seconds, true, small, rounds),
            "elsewhere": partial(desk.seconds, true, elsewhere, rounds),
            "run": partial(_subprocess_run, SHELL_TRUE, rounds),
            "floor 10": partial(floor.spawn, few, 10, SHELL_TRUE),
            "true 10": partial(desk.seconds, true, small, few, 10),
            "floor 1 KB": partial(floor.pipe, rounds, 1 << 10, SHELL_CAT),
            "cat 1 KB": partial(desk.seconds, cat, small, rounds),
            "floor 1 MB": partial(floor.pipe, few, 1 << 20, SHELL_CAT),
            "cat 1 MB": partial(desk.seconds, cat, large, few),
            "unread 1 MB": partial(desk.seconds, true, large, few),
        },
        effort.pick(15, 2),
    )

    def line(name: str, key: str, under: str, beside: str, reach: Reach | None = SPAWN) -> Row:
        return row(name, found[key], "µs", beside=beside, floor=found[under], reach=reach)

    spawned = "posix_spawn and wait in C"
    return Table(
        "a command hook, `sh -c`, with stdin, stdout and stderr (wall time)",
        [
            line("true", "true", "floor", spawned),
            line("true, in another folder than the host's", "elsewhere", "floor", spawned),
            line("subprocess.run, which gives and reads nothing", "run", "floor", spawned, None),
            line("ten at once", "true 10", "floor 10", "ten at once in C"),
            line("cat of 1 KB", "cat 1 KB", "floor 1 KB", "the same in C, over pipes"),
            line("cat of 1 MB", "cat 1 MB", "floor 1 MB", "the same in C, over pipes"),
            line("1 MB that nobody reads", "unread 1 MB", "floor", spawned, None),
        ],
    )


def _processor(desk: Desk, floor: NativeFloor, effort: Effort) -> Table:
    """Count processor time instead, of the host and of what it starts: busy neighbours hardly change it."""
    rounds, few = effort.pick(100, 5), effort.pick(10, 2)
    small, large = desk.job(1 << 10), desk.job(1 << 20)
    true, cat = command(TRUE), command("cat")
    runs: dict[str, tuple[int, Callable[[], object]]] = {
        "floor": (rounds, partial(floor.spawn, rounds, 1, SHELL_TRUE)),
        "true": (rounds, partial(desk.seconds, true, small, rounds)),
        "floor 10": (few, partial(floor.spawn, few, 10, SHELL_TRUE)),
        "true 10": (few, partial(desk.seconds, true, small, few, 10)),
        "floor 1 KB": (rounds, partial(floor.pipe, rounds, 1 << 10, SHELL_CAT)),
        "cat 1 KB": (rounds, partial(desk.seconds, cat, small, rounds)),
        "floor 1 MB": (few, partial(floor.pipe, few, 1 << 20, SHELL_CAT)),
        "cat 1 MB": (few, partial(desk.seconds, cat, large, few)),
    }
    found = interleaved(
        {name: partial(_processor_time, times, run) for name, (times, run) in runs.items()}, effort.pick(9, 2)
    )

    def line(name: str, key: str, under: str, beside: str) -> Row:
        return row(name, found[key], "µs", beside=beside, floor=found[under], reach=SPAWN)

    return Table(
        "a command hook, `sh -c` (processor time of the host and of what it starts)",
        [
            line("true", "true", "floor", "posix_spawn and wait in C"),
            line("ten at once", "true 10", "floor 10", "ten at once in C"),
            line("cat of 1 KB", "cat 1 KB", "floor 1 KB", "the same in C, over pipes"),
            line("cat of 1 MB", "cat 1 MB", "floor 1 MB", "the same in C, over pipes"),
        ],
    )


def _processor_time(times: int, run: Callable[[], object]) -> float:
    began = _spent()
    run()
    return (_spent() - began) / times * 1e6


def _spent() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def _large(desk: Desk, floor: NativeFloor, effort: Effort) -> Table:
    ballast = bytearray(b"x") * BALLAST
    rounds, few = effort.pick(40, 5), effort.pick(10, 2)
    job, true = desk.job(1 << 10), command(TRUE)
    found = interleaved(
        {
            "floor": partial(floor.spawn, rounds, 1, SHELL_TRUE),
            "true": partial(desk.seconds, true, job, rounds),
            "floor 10": partial(floor.spawn, few, 10, SHELL_TRUE),
            "true 10": partial(desk.seconds, true, job, few, 10),
        },
        effort.pick(15, 2),
    )
    del ballast
    beside = "posix_spawn and wait in C, a small process"
    return Table(
        f"the same from a host of {BALLAST >> 20} MB (wall time)",
        [
            row("true", found["true"], "µs", beside=beside, floor=found["floor"], reach=SPAWN),
            row("ten at once", found["true 10"], "µs", beside="ten of it", floor=found["floor 10"], reach=SPAWN),
        ],
    )


def _subprocess_run(argv: Sequence[str], times: int) -> float:
    began = wall()
    for _ in range(times):
        subprocess.run(argv, check=False)
    return (wall() - began) / times * 1e6


# --- what needs no new process -------------------------------------------------------------------------


def _others(desk: Desk, effort: Effort) -> list[Table]:
    times, few = effort.pick(500, 20), effort.pick(100, 5)
    job = desk.job(1 << 10)
    warm = command(desk.warm_command, worker=True)
    http = handler(HandlerType.HTTP, url=desk.url)
    plain = handler(HandlerType.FUNCTION, function="functions.py:plain")
    looks = handler(HandlerType.FUNCTION, function="functions.py:looks")
    awaited = handler(HandlerType.FUNCTION, function="functions.py:awaited")
    bare: Callable[[Any], None] = lambda event: None  # noqa: E731
    with ExitStack() as stack:
        exchange = stack.enter_context(_raw_worker(desk.warm_command, job.line))
        sockets = stack.enter_context(_raw_sockets(desk.port, 10))
        request = _request(desk.port, job.line)
        client = Client(desk)
        stack.callback(client.close)
        for one in (warm, http, plain, looks, awaited):
            desk.seconds(one, job, 10)  # started, connected, loaded, trusted
        found = interleaved(
            {
                "raw worker": partial(_per_call, exchange, times),
                "worker": partial(desk.seconds, warm, job, times),
                "raw socket": partial(_per_call, partial(_over, sockets[:1], request), times),
                "http": partial(desk.seconds, http, job, times),
                "client": partial(client.seconds, job.line, times),
                "raw sockets": partial(_per_call, partial(_over, sockets, request), few),
                "client 10": partial(client.seconds, job.line, few, 10),
                "http 10": partial(desk.seconds, http, job, few, 10),
                "call": partial(_per_call, partial(bare, None), times),
                "plain": partial(desk.seconds, plain, job, times),
                "looks": partial(desk.seconds, looks, job, times),
                "awaited": partial(desk.seconds, awaited, job, times),
            },
            effort.pick(15, 2),
        )

    def line(name: str, key: str, under: str, beside: str, reach: Reach | None) -> Row:
        return row(name, found[key], "µs", beside=beside, floor=found[under], reach=reach)

    return [
        Table(
            "hooks that start no process, an event of 1 KB (wall time)",
            [
                line("a warm worker in Python", "worker", "raw worker", "the same program over bare pipes", WORKER),
                line("HTTP, keep-alive", "http", "client", "aiohttp alone", HTTP),
                line("HTTP, ten at once", "http 10", "client 10", "aiohttp alone, ten at once", HTTP_TEN),
                line("aiohttp alone", "client", "raw socket", "a bare blocking socket", None),
                line("aiohttp alone, ten at once", "client 10", "raw sockets", "ten bare sockets", None),
                line("a function, def", "plain", "call", "a call", FUNCTION),
                line("a function that looks at the command", "looks", "call", "a call", FUNCTION),
                line("a function, async def", "awaited", "call", "a call", FUNCTION),
            ],
        )
    ]


class Client:
    """The HTTP library by itself, with a session as the runner's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._session: Any = desk.bench.run(self._open())

    async def _open(self) -> Any:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"Content-Type": "application/json"},
        )

    def seconds(self, line: bytes, times: int, parallel: int = 1) -> float:
        """Return µs per round of so many requests at once."""

        async def once() -> float:
            began = wall()
            for _ in range(times):
                if parallel == 1:
                    await self._post(line)
                else:
                    await asyncio.gather(*(self._post(line) for _ in range(parallel)))
            return wall() - began

        spent: float = self._desk.bench.run(once())
        return spent / times * 1e6

    async def _post(self, line: bytes) -> bytes:
        async with self._session.post(self._desk.url, data=line) as response:
            body: bytes = await response.read()
            return body

    def close(self) -> None:
        """Close its connections."""
        self._desk.bench.run(self._session.close())


def _per_call(call: Callable[[], Any], times: int) -> float:
    began = wall()
    for _ in range(times):
        call()
    return (wall() - began) / times * 1e6


@contextmanager
def _raw_worker(program: str, line: bytes) -> Iterator[Callable[[], bytes]]:
    """Give one exchange with a worker of our own, over blocking pipes."""
    with subprocess.Popen(
        shlex.split(program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "PEGBOARD_HOOK_WORKER": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, back = process.stdin.fileno(), process.stdout.fileno()

        def exchange() -> bytes:
            os.write(to, line)
            return os.read(back, 1 << 16)

        yield exchange
        process.stdin.close()


@contextmanager
def _raw_sockets(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]
        for one in sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sockets


def _request(port: int, body: bytes) -> bytes:
    head = f"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _over(sockets: Sequence[socket.socket], request: bytes) -> None:
    for one in sockets:
        one.sendall(request)
    for one in sockets:
        one.recv(1 << 12)


# --- within a session ----------------------------------------------------------------------------------


def _sessions(desk: Desk, floor: NativeFloor, effort: Effort) -> Table:
    """Measure what a declared PreToolUse hook adds to a tool call, all that the host does for it included."""
    calls = effort.pick(60, 10)
    kinds: dict[str, list[dict[str, Any]]] = {
        "none": [],
        "command": [{"type": "command", "command": TRUE}],
        "ten": [{"type": "command", "command": f"{TRUE} {number}"} for number in range(10)],
        "worker": [{"type": "command", "command": desk.warm_command, "worker": True}],
        "http": [{"type": "http", "url": desk.url}],
        "function": [{"type": "function", "function": f"{desk.bench.folder / 'functions.py'}:plain"}],
    }
    job = desk.job(1 << 10)
    with ExitStack() as stack:
        exchange = stack.enter_context(_raw_worker(desk.warm_command, job.line))
        client = Client(desk)
        stack.callback(client.close)
        variants: dict[str, Callable[[], float]] = {
            "floor": partial(floor.spawn, calls, 1, SHELL_TRUE),
            "floor 10": partial(floor.spawn, effort.pick(10, 2), 10, SHELL_TRUE),
            "raw worker": partial(_per_call, exchange, calls),
            "client": partial(client.seconds, job.line, calls),
        }
        for name, hooks in kinds.items():
            stamps: list[float] = []
            host = _host(desk.bench, name, hooks, stamps)
            variants[name] = partial(_session_run, desk.bench, host, stamps, calls)
        stamps = []
        host = _host(desk.bench, "plugin", [], stamps, ("no_opinion", NoOpinion()))
        variants["plugin"] = partial(_session_run, desk.bench, host, stamps, calls)
        found = interleaved(variants, effort.pick(9, 2))

    added = {name: sample.minus(found["none"]) for name, sample in found.items()}

    def line(name: str, key: str, reach: Reach | None, beside: str, under: Sample | None = None) -> Row:
        return row(name, added[key], "µs", beside=beside, floor=under, reach=reach)

    spawned = "posix_spawn and wait in C"
    return Table(
        "what a PreToolUse hook adds to a tool call of a session, journal on (wall time per call)",
        [
            line("a command, true", "command", SPAWN, spawned, found["floor"]),
            line("ten commands", "ten", SPAWN, "ten at once in C", found["floor 10"]),
            line("a warm worker", "worker", WORKER, "the same program over bare pipes", found["raw worker"]),
            line("HTTP", "http", HTTP, "aiohttp alone", found["client"]),
            line("a function", "function", Reach(FUNCTION.at_most), "a plugin's pre_tool", added["plugin"]),
        ],
        [f"a call without a hook takes {found['none'].median:.0f} µs here"],
    )


def _sessions_processor(desk: Desk, floor: NativeFloor, effort: Effort) -> Table:
    """Count processor time in sessions: by the clock, neighbours decide when what was started comes to run."""
    calls, few = effort.pick(40, 10), effort.pick(10, 2)
    kinds: dict[str, list[dict[str, Any]]] = {
        "none": [],
        "command": [{"type": "command", "command": TRUE}],
        "ten": [{"type": "command", "command": f"{TRUE} {number}"} for number in range(10)],
    }
    variants: dict[str, Callable[[], float]] = {
        "floor": partial(_processor_time, calls, partial(floor.spawn, calls, 1, SHELL_TRUE)),
        "floor 10": partial(_processor_time, few, partial(floor.spawn, few, 10, SHELL_TRUE)),
    }
    for name, hooks in kinds.items():
        stamps: list[float] = []
        host = _host(desk.bench, f"{name}-processor", hooks, stamps, clock=_spent)
        variants[name] = partial(_session_run, desk.bench, host, stamps, few if name == "ten" else calls)
    found = interleaved(variants, effort.pick(9, 2))

    def line(name: str, key: str, beside: str, under: str) -> Row:
        added = found[key].minus(found["none"])
        return row(name, added, "µs", beside=beside, floor=found[under], reach=SPAWN)

    return Table(
        "the same in processor time, of the host and of what it starts",
        [
            line("a command, true", "command", "posix_spawn and wait in C", "floor"),
            line("ten commands", "ten", "ten at once in C", "floor 10"),
        ],
    )


class NoOpinion:
    """A plugin that looks at every call, and minds none."""

    @hookimpl
    def pre_tool(self, call: Any) -> None:
        """Have no opinion."""


def _host(
    bench: Bench,
    name: str,
    hooks: list[dict[str, Any]],
    stamps: list[float],
    *plugins: tuple[str, Any],
    clock: Callable[[], float] = wall,
) -> Host:
    """Open a host whose user has these hooks; the tool notes the *clock* when it is called."""
    place = bench.folder / f"session-{name}"
    (place / "config").mkdir(parents=True)
    if hooks:
        lines = ["[[hooks.PreToolUse]]"]
        for one in hooks:
            lines += ["[[hooks.PreToolUse.hooks]]", *(f"{key} = {_toml(value)}" for key, value in one.items())]
        (place / "config" / "settings.toml").write_text("\n".join(lines) + "\n")
    host = Host(
        bench.folder,
        state_dir=place / "state",
        config_dir=place / "config",
        environment={},
        entry_points=[],
        plugins=[
            ("looking", LookingPlugin(looking_tool(lambda: stamps.append(clock())))),
            ("model", scripted_model),
            ("wire_hooks", wire_hooks),
            *plugins,
        ],
        command_line=SETTINGS,
    )
    return bench.enter(host)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


def _session_run(bench: Bench, host: Host, stamps: list[float], calls: int) -> float:
    """Run a session and return µs from one call to the next; the first few, which start workers, do not count."""

    async def once() -> None:
        async with fresh_session(host, scripted(calls + UNCOUNTED)) as session:
            await converse(session, calls=calls + UNCOUNTED)

    stamps.clear()
    bench.run(once())
    if len(stamps) != calls + UNCOUNTED:
        raise BenchError(f"{len(stamps)} of {calls + UNCOUNTED} calls ran: a hook of the bench refused some")
    return (stamps[-1] - stamps[UNCOUNTED - 1]) / calls * 1e6
