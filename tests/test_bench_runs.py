"""The bench is run by hand; this shows only that it still runs. How long things take is no test's matter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_bench_prints_the_rows_of_the_loop_with_a_floor_beside_each():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "loop"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for row in (
        "no hook on pre_tool and post_tool",
        "1 + 1 no-op hooks, def",
        "10 + 10 no-op hooks, async def",
        "100 + 100 no-op hooks, def",
        "one added implementation at 100, def",
        "one added implementation at 100, async def",
    ):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{row} ")]
        assert lines, f"there is no row {row!r} in\n{done.stdout}"
        assert all("µs" in line for line in lines)
    assert "bare loop" in done.stdout
    assert "raw pluggy call" in done.stdout
    assert "aims reached" in done.stdout


def test_an_aim_grows_with_what_stands_beside_it_and_never_shrinks():
    code = (
        "from bench.measure import Reach, Row; "
        "aim = Reach(100.0, there=30.0); "
        "assert aim.here(30.0) == aim.here(10.0) == aim.here(None) == 100.0; "
        "assert aim.here(60.0) == 200.0; "
        "assert Reach(100.0).here(60.0) == 100.0; "
        "assert Reach.ratio(1.5).here(60.0) == 1.5; "
        "row = Row('a', 150.0, 'us', 'b', 60.0, aim); "
        "assert row.reached is True; "
        "assert Row('a', 250.0, 'us', 'b', 60.0, aim).reached is False"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_an_unknown_subject_is_wrong_usage_and_names_the_known_ones():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "lop"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "'lop'" in done.stderr
    assert "growth" in done.stderr


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="the floor of hooks is a C program")
def test_the_bench_runs_hooks_of_every_kind_beside_their_floors():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "hooks"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for row in ("ten at once", "cat of 1 MB", "a warm worker in Python", "HTTP, keep-alive", "a function, def"):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{row} ")]
        assert lines, f"there is no row {row!r} in\n{done.stdout}"
        assert all("µs" in line for line in lines)
    assert "journal on" in done.stdout
