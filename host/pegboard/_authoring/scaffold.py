"""Writing a new pack: a project that is tested, typed, checked and ready to be published as it stands."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from string import Template
from textwrap import indent

from pegboard import __version__
from pegboard._authoring.pieces import PIECES, Piece
from pegboard.errors import PegboardError

LINE_LENGTH = 120
LONGEST_NAME = 36
"""Characters; a longer name would break lines of the pieces."""

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "$n"
version = "0.1.0"
description = "$about"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["pegboard>=$host"]

[project.optional-dependencies]
dev = ["pytest>=8", "ruff>=0.14", "mypy>=1.18"]

# What makes it a pack: Pegboard finds the plugin by this name and imports this module.
[project.entry-points.pegboard]
$m = "$m"

[tool.hatch.build.targets.wheel]
packages = ["src/$m"]

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.ruff]
line-length = 120

[tool.ruff.lint]
select = ["E", "F", "I", "B", "UP"]

[tool.mypy]
strict = true
files = ["src", "tests"]
mypy_path = "src"
"""

README = """\
# $n

$about

```bash
pip install $n
pegboard plugins info $m
```

## Work on it

```bash
python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'
.venv/bin/pytest && .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy
.venv/bin/pegboard plugins check .
```

`pegboard plugins check` says what a host will think of it: how long the import takes, whether the hooks are known and
can be called, whether the schemas are valid, whether it is deterministic, and whether anything is left when it goes.

## Publish it

Tell PyPI about this repository once (your account, *Publishing*, workflow `publish.yml`, environment `pypi`); no token
is needed. Then each tag `v*` is built, checked and published.
"""

CHECKS = """\
name: checks
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
jobs:
  checks:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.12", "3.13"]
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: ${{ matrix.python }}
      - run: pip install -e '.[dev]'
      - run: pytest
      - run: ruff check && ruff format --check && mypy
      - run: pegboard plugins check .
"""

PUBLISH = """\
name: publish
on:
  push:
    tags: ["v*"]
permissions:
  contents: read
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
      - run: pip install build -e '.[dev]'
      - run: pytest && pegboard plugins check .
      - run: python -m build
      - uses: actions/upload-artifact@v5
        with:
          name: dist
          path: dist/
  publish:
    needs: build
    runs-on: ubuntu-latest
    environment: pypi
    permissions:
      id-token: write # trusted publishing: a token for this run only
    steps:
      - uses: actions/download-artifact@v5
        with:
          name: dist
          path: dist/
      - uses: pypa/gh-action-pypi-publish@release/v1
"""

IGNORED = "__pycache__/\n*.egg-info/\n.venv/\ndist/\n.mypy_cache/\n.pytest_cache/\n.ruff_cache/\n"


def write_project(name: str, kinds: Sequence[str], folder: Path) -> list[Path]:
    """Write the project of a new pack into *folder* and return its files. Raises PegboardError, and writes nothing.

    *kinds* are names of pieces (`tool`, `hook`, ...). The folder must not be there, or be empty.
    """
    module = module_of(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PegboardError(f"{folder} is there already and is not empty; name another folder with --into")
    pieces = [piece for piece in PIECES if piece.name in kinds]
    texts = {folder / where: text for where, text in project_files(name, module, pieces)}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def module_of(name: str) -> str:
    """Return the module that belongs to a distribution's name. Raises PegboardError for a name that is none."""
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise PegboardError(
            f"{name!r} is no name for a pack: letters, digits, '-', '_' and '.', a letter first, for example acme-words"
        )
    module = re.sub(r"[-_.]+", "_", name).lower()
    if len(name) > LONGEST_NAME:
        raise PegboardError(f"{name!r} is longer than {LONGEST_NAME} characters; take a shorter one")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module == "pegboard":
        raise PegboardError(
            f"a pack {name!r} would be the module {module!r}, which is Python's or ours; add to the name"
        )
    return module


def project_files(name: str, module: str, pieces: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    """Go through the files of a pack: path and text."""
    about = f"A Pegboard pack with {_listed([piece.about for piece in pieces])}."
    facts = {"n": name, "m": module, "about": about, "host": __version__}
    yield "pyproject.toml", _filled(PYPROJECT, facts)
    yield "README.md", _filled(README, facts)
    yield ".gitignore", IGNORED
    yield f"src/{module}/__init__.py", _filled(module_text(pieces), facts)
    yield f"src/{module}/py.typed", ""
    yield f"tests/test_{module}.py", _filled(tests_text(module, pieces), facts)
    yield ".github/workflows/checks.yml", CHECKS
    yield ".github/workflows/publish.yml", PUBLISH


def module_text(pieces: Iterable[Piece]) -> str:
    """Return the text of the pack's module; `$m` and `$n` still stand in it."""
    pieces = list(pieces)
    parts = [piece.code for piece in pieces]
    registers = [piece.registers for piece in pieces if piece.registers]
    if registers:
        body = indent("".join(registers), "    ")
        said = '    """Say what this pack brings."""'
        parts.insert(0, f"@hookimpl\ndef register(registry: Registry) -> None:\n{said}\n{body}")
    wanted = {one for piece in pieces for one in piece.imports}
    constants = "".join(piece.constants for piece in pieces)
    permissions = sorted({one for piece in pieces for one in piece.permissions})
    if permissions:
        wanted.add("pegboard:Declares")
        listed = ", ".join(f'"{one}"' for one in permissions)
        constants = f"declares = Declares(permissions=[{listed}])\n{constants}"
    return _text('"""$about"""', wanted, parts, constants=constants)


def tests_text(module: str, pieces: Iterable[Piece]) -> str:
    """Return the text of the pack's tests."""
    pieces = list(pieces)
    wanted = {one for piece in pieces for one in piece.test_imports} | {module, "pegboard.testing:HostFixture"}
    return _text('"""What the pack promises."""', wanted, [piece.test for piece in pieces], own=module)


def _text(head: str, wanted: Iterable[str], parts: Iterable[str], *, own: str = "", constants: str = "") -> str:
    groups: dict[int, list[str]] = {}
    names: dict[str, list[str]] = {}
    for where, name in sorted(one.partition(":")[::2] for one in wanted):
        names.setdefault(where, []).extend([name] if name else [])
    for where, members in names.items():
        top = where.partition(".")[0]
        rank = 0 if top in sys.stdlib_module_names else 2 if where == own else 1
        groups.setdefault(rank, []).append(_import(where, members))
    # plain imports stand before the others of their group, as ruff sorts them
    in_order = [sorted(lines, key=lambda line: line.startswith("from")) for _, lines in sorted(groups.items())]
    blocks = ["\n".join(lines) for lines in in_order]
    heads = [head, "from __future__ import annotations", *blocks, *([constants.rstrip()] if constants else [])]
    return "\n\n".join(heads) + "\n\n\n" + "\n\n".join(parts)


def _import(where: str, members: Sequence[str]) -> str:
    if not members:
        return f"import {where}"
    members = sorted(members, key=lambda name: (not name[0].isupper(), name.lower()))
    line = f"from {where} import {', '.join(members)}"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join([f"from {where} import (", *(f"    {name}," for name in members), ")"])


def _filled(text: str, facts: dict[str, str]) -> str:
    return Template(text).substitute(facts)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
