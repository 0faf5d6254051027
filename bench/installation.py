"""Pegboard as pip would install it, in a virtual environment of its own, with as many packs as wanted.

Nothing is fetched: the environment is made without pip, sees the libraries of the running interpreter through a
`.pth` file, and gets the console script in the form in which pip writes it (pip's own, where Pegboard is installed
here). Packs are what pip leaves behind: a folder with a module, and a `.dist-info` with its entry point.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import tomli

import pegboard
from bench.measure import BenchError, wall
from pegboard._board.acceptance import AcceptedPacks
from pegboard._board.fingerprint import fingerprint

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
SCRIPT = """\
#!{python}
import sys
from {module} import {function}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({function}())
"""
PACK = '''\
"""A pack of the bench. It leaves a mark, so that an import of it cannot go unseen."""
from pathlib import Path

Path({marks!r}, __name__).touch()

from pegboard import tool


@tool(read_only=True)
def {name}_count(path: Path, min_length: int = 1) -> int:
    """Count the words in a text file."""
    return sum(len(word) >= min_length for word in path.read_text().split())
'''


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment with Pegboard in it. `marks` is where packs leave a mark when they are imported."""

    folder: Path
    python: Path
    script: Path
    site: Path
    marks: Path
    packs: tuple[str, ...] = ()

    @property
    def state(self) -> Path:
        """Return the folder that Pegboard keeps its state in."""
        return self.folder / "state"

    def environment(self) -> dict[str, str]:
        """Return variables that keep the user's own settings, sessions and Python options out."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
        home = self.folder / "home"
        return kept | {
            "HOME": str(home),
            "PEGBOARD_STATE_DIR": str(self.state),
            "PEGBOARD_CONFIG_DIR": str(home / "config"),
            "TERM": "dumb",
        }

    def output(self, *command: str | Path) -> str:
        """Run a command and return what it prints. Raises BenchError if it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder / "project",
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            words = " ".join([Path(command[0]).name, *map(str, command[1:])])
            raise BenchError(f"`{words}` ended with {done.returncode}: {_tail(done.stderr or done.stdout)}")
        return done.stdout

    def seconds(self, command: Sequence[str | Path]) -> float:
        """Run a command and return how long it took, its process's start and end included. Raises BenchError."""
        started = wall()
        code = subprocess.call(
            command,
            cwd=self.folder / "project",
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        spent = wall() - started
        if code:
            raise BenchError(f"{Path(command[0]).name} {command[-1]} worked before, and now it ended with {code}")
        return spent

    def imported(self) -> list[str]:
        """Return the packs that were imported by anybody since the environment was made."""
        return sorted(mark.name for mark in self.marks.iterdir())


def install(folder: Path, *, packs: int = 0) -> Installation:
    """Make an environment in *folder*. Raises BenchError if Pegboard has no command line here."""
    if importlib.util.find_spec("pegboard._cli") is None or importlib.util.find_spec("pegboard._cli.main") is None:
        raise BenchError("pegboard._cli.main is not there, so there is no command line to measure")
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder / "venv")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    site = next((folder / "venv").glob("[Ll]ib/**/site-packages"))
    python = scripts / "python"
    for name in ("project", "home", "marks", "state"):
        (folder / name).mkdir()
    (site / "bench.pth").write_text("\n".join(_roots()) + "\n")
    if not _is_installed():
        _write_own_metadata(site)
    script = scripts / "pegboard"
    script.write_text(_script(python))
    script.chmod(0o755)
    names = tuple(f"acme_pack_{number:02d}" for number in range(packs))
    for name in names:
        info = _write_pack(site, name, folder / "marks")
        AcceptedPacks(folder / "state").accept(name, str(fingerprint(str(info))), {"version": "1.0"})
    return Installation(folder, python, script, site, folder / "marks", names)


def _roots() -> list[str]:
    """Return the folders that Pegboard, its built-ins and the libraries are imported from."""
    builtins = importlib.util.find_spec("pegboard_builtins")
    origin = builtins.origin if builtins is not None else None
    found = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(Path(pegboard.__file__).parents[1])]
    if origin is not None:
        found.append(str(Path(origin).parents[1]))
    return list(dict.fromkeys(found))


def script_of_later_pip(one: Installation) -> Path:
    """Write the console script as pip does since 25.2, which imports no `re` for it."""
    script = one.script.with_name("pegboard-later")
    script.write_text(SCRIPT.format(python=one.python, module="pegboard._cli.main", function="main"))
    script.chmod(0o755)
    return script


def _is_installed() -> bool:
    try:
        return Path(str(metadata.distribution("pegboard").locate_file(""))) == Path(sysconfig.get_path("purelib"))
    except metadata.PackageNotFoundError:
        return False


def _script(python: Path) -> str:
    installed = Path(sysconfig.get_path("scripts")) / "pegboard"
    if installed.is_file():
        _, _, body = installed.read_text().partition("\n")
        return f"#!{python}\n{body}"
    module, _, function = tomli.loads(PROJECT.read_text())["project"]["scripts"]["pegboard"].partition(":")
    return SCRIPT.format(python=python, module=module, function=function)


def _write_own_metadata(site: Path) -> None:
    """Write what pip would have made of our pyproject.toml."""
    project = tomli.loads(PROJECT.read_text())["project"]
    sections = {"console_scripts": project["scripts"], **project["entry-points"]}
    lines = []
    for group, points in sections.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items()), ""]
    requires = [f"Requires-Dist: {text}" for text in project["dependencies"]]
    _write_dist_info(site, "pegboard", pegboard.__version__, "\n".join(lines), requires)


def _write_pack(site: Path, name: str, marks: Path) -> Path:
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(PACK.format(marks=str(marks), name=name))
    return _write_dist_info(site, name, "1.0", f"[pegboard]\n{name} = {name}\n", ["Requires-Dist: pegboard"])


def _write_dist_info(site: Path, name: str, version: str, entry_points: str, requires: Sequence[str]) -> Path:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    facts = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *requires]
    (folder / "METADATA").write_text("\n".join(facts) + "\n")
    (folder / "entry_points.txt").write_text(entry_points)
    (folder / "top_level.txt").write_text(f"{name}\n")
    (folder / "INSTALLER").write_text("pip\n")
    files = (site / name / "__init__.py", folder / "METADATA", folder / "entry_points.txt")
    rows = (f"{path.relative_to(site)},{_hash(path)},{path.stat().st_size}\n" for path in files if path.exists())
    (folder / "RECORD").write_text("".join([*rows, f"{folder.name}/RECORD,,\n"]))
    return folder


def _hash(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _tail(text: str) -> str:
    return " | ".join(text.strip().splitlines()[-3:]) or f"(nothing printed; {sys.platform})"
