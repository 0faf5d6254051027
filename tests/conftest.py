"""What all tests share: the large counts behind `--full`, and asyncio for async tests."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

# No verdict may hang from how busy the machine is, nor from luck: the same examples each time, so that a change is
# blamed for what it does. Others are looked for with `--full`, `--hypothesis-seed` or `--hypothesis-profile searching`.
_HOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("searching", derandomize=False, **_HOW)
settings.register_profile("pegboard", derandomize=True, database=None, **_HOW)
settings.load_profile("pegboard")

os.environ["PEGBOARD_MEMORY__ON"] = "false"
"""Else each test that runs the whole program would leave a daemon behind; tests of memory say what they want."""


@pytest.fixture(autouse=True)
def _no_test_starts_a_daemon(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep hosts with an environment of their own from starting a daemon, outside of the tests of memory."""
    from pegboard_builtins.memory import client

    def refused(config: object) -> bool:
        raise client.MemoryFailure("tests start no daemon")

    # Not the fixture `monkeypatch`: it would then be undone after everything that a test's own fixtures look at.
    with pytest.MonkeyPatch.context() as patch:
        if request.path.parent.name != "memory":
            patch.setattr(client, "start", refused)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run properties as often as promised, not a tenth of that")


def pytest_configure(config: pytest.Config) -> None:
    searches = config.getoption("--full") or config.getoption("--hypothesis-seed", None) is not None
    if searches and not config.getoption("--hypothesis-profile", None):
        settings.load_profile("searching")


@pytest.fixture(autouse=True)
def _as_long_as_it_takes(full: bool) -> None:
    """With `--full` no test takes too long; else one that hangs ends its process (see pyproject)."""
    if full:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether `--full` was given."""
    return bool(request.config.getoption("--full"))


@pytest.fixture(scope="session")
def count(full: bool) -> Callable[[int], int]:
    """How often to do what the promise says to do *n* times: a tenth of it, unless `--full`."""
    return lambda n: n if full else max(1, n // 10)
