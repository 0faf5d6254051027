"""The pytest plugin, as an author's own test suite meets it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PACK = '''
from pegboard import Decision, hookimpl, tool

@tool(read_only=True)
def word_count(path: str) -> int:
    """Count the letters of a path."""
    return len(path)

@hookimpl
def pre_tool(call):
    if call.input.get("path") == ".env":
        return Decision.deny("secret")
'''
TESTS = """
import pytest
import acme_words
from pegboard.testing import assert_denied, call

def test_plain(pegboard_host):
    pegboard_host.load(acme_words)
    pegboard_host.model.script(call("word_count", path="four"), "4 words")
    result = pegboard_host.run(pegboard_host.prompt("how many?"))
    assert result.text == "4 words"

@pytest.mark.anyio
async def test_async(pegboard_host):
    async with pegboard_host as host:
        host.load(acme_words)
        assert_denied(await host.fire("pre_tool", tool="word_count", input={"path": ".env"}), match="secret")

def test_folders(pegboard_host, tmp_path):
    assert pegboard_host.project.is_relative_to(tmp_path.resolve())

def test_a_failure_reads_well(pegboard_host):
    pegboard_host.load(acme_words)
    assert_denied(pegboard_host.run(pegboard_host.fire("pre_tool", tool="word_count", input={"path": "a"})))
"""
IS_THERE = "import importlib_metadata as m; print(any(p.name == 'pegboard' for p in m.entry_points(group='pytest11')))"


@pytest.fixture(scope="module")
def options() -> list[str]:
    """Options for a pytest of its own: name the plugin, where it is not installed as an entry point."""
    found = subprocess.run([sys.executable, "-c", IS_THERE], capture_output=True, text=True, check=True)
    return ["-p", "no:cacheprovider", *([] if "True" in found.stdout else ["-p", "pegboard.pytest_plugin"])]


def test_an_authors_own_tests_run_green_and_fail_readably(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile(
        acme_words=PACK,
        test_words=TESTS,
        conftest="import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n",
    )
    pytester.makeini("[pytest]\nfilterwarnings = error")
    result = pytester.runpytest_subprocess(*options, "-p", "no:randomly", "--strict-markers")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: wanted deny, got no opinion*"])
    result.stdout.no_fnmatch_line("*_assert_verdict*")


def test_the_fixture_is_listed_with_what_it_is_for(pytester: pytest.Pytester, options: list[str]) -> None:
    result = pytester.runpytest_subprocess(*options, "--fixtures", "-v")
    result.stdout.fnmatch_lines(["pegboard_host*", "*An isolated host without discovery*"])


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import pegboard.pytest_plugin; "
        "print(*sorted({name for name in set(sys.modules) - before}))"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    new = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean
    ).stdout.split()
    assert new == ["pegboard", "pegboard.pytest_plugin"]


def test_a_run_that_does_not_use_the_fixture_never_imports_the_host(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makepyfile(
        "import sys\n\ndef test_light():\n"
        "    assert not {'pydantic', 'pegboard.host', 'pegboard.testing', 'pegboard_builtins'} & set(sys.modules)\n"
    )
    # other packages' pytest plugins may import what they like
    result = pytester.runpytest_subprocess(*options, "-p", "no:hypothesispytest", "-p", "no:randomly")
    result.assert_outcomes(passed=1)


def test_the_entry_point_is_declared_where_pytest_looks() -> None:
    import tomli

    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert tomli.loads(text)["project"]["entry-points"]["pytest11"] == {"pegboard": "pegboard.pytest_plugin"}
