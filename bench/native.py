"""The floor of hooks in C: compiled when it is measured, so that nobody has to trust a binary."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import BenchError

SOURCE = Path(__file__).with_name("floor.c")


class NativeFloor:
    """The compiled floor program. Raises BenchError where there is no compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
        if compiler is None:
            raise BenchError("the floor of hooks is a C program, and there is no cc, gcc or clang to compile it")
        self.program = folder / "floor"
        done = subprocess.run(
            [compiler, "-O2", "-o", self.program, SOURCE], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"{compiler} does not compile {SOURCE}: {done.stderr[:500]}")

    def spawn(self, rounds: int, parallel: int, argv: Sequence[str]) -> float:
        """Return µs for starting *parallel* programs at once and waiting for them."""
        return self._figure("spawn", str(rounds), str(parallel), *argv)

    def pipe(self, rounds: int, size: int, argv: Sequence[str]) -> float:
        """Return µs for a program that is given *size* bytes, and whose output is read."""
        return self._figure("pipe", str(rounds), str(size), *argv)

    def _figure(self, *words: str) -> float:
        done = subprocess.run([self.program, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"the floor program ended with {done.returncode} for {' '.join(words)}")
        return float(done.stdout)

    @contextmanager
    def server(self) -> Iterator[int]:
        """Run the web server in a process of its own; give its port."""
        process = subprocess.Popen([self.program, "serve"], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.communicate()
