"""What all tests share: the large counts behind `--full`, asyncio for async tests, and our own entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run properties as often as promised, not a tenth of that")


def pytest_configure(config: pytest.Config) -> None:
    from importlib_metadata import entry_points

    if not entry_points(group="pegboard"):
        _stand_in_for_an_installation(config)
    if not config.pluginmanager.has_plugin("pegboard"):
        from pegboard import pytest_plugin

        config.pluginmanager.register(pytest_plugin, "pegboard")


def _stand_in_for_an_installation(config: pytest.Config) -> None:
    """Make the metadata that `pip install -e .` would: in a bare checkout plugins could not be found otherwise."""
    import tempfile

    import tomli

    folder = tempfile.TemporaryDirectory(prefix="pegboard-metadata-")
    config.add_cleanup(folder.cleanup)
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = Path(folder.name) / "pegboard-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: pegboard\nVersion: 0.1.0\n", encoding="utf-8")
    points = "\n".join(f"{name} = {value}" for name, value in project["entry-points"]["pegboard"].items())
    (info / "entry_points.txt").write_text(f"[pegboard]\n{points}\n", encoding="utf-8")
    sys.path.append(folder.name)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), folder.name]))


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
