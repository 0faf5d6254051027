"""Who has installed this environment, and the commands by which it installs, removes and rehearses: uv tool, pipx, pip.

A pack must go in the way the host did. `uv tool upgrade` makes an environment anew from its receipt and `pipx
reinstall` from its metadata: what came in past those is gone then.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegboard._board.about import name_in
from pegboard._board.installed import normal
from pegboard.errors import PegboardError

OWN = "pegboard"
SECONDS = 900.0


class InstallerError(PegboardError):
    """An environment cannot be changed, or its installer has failed."""


class ConflictError(InstallerError):
    """What is wanted does not fit with what is installed; `conflict` has the requirements that say so."""

    def __init__(self, wanted: Sequence[str], conflict: Sequence[str]) -> None:
        self.conflict = list(conflict)
        said = "\n  ".join([f"{', '.join(wanted)} does not go with the packs that are installed:", *self.conflict])
        super().__init__(f"{said}\nNothing was changed.")


@dataclass(frozen=True)
class Sources:
    """Where distributions are looked for, beside what the installer is configured with."""

    no_index: bool = False
    find_links: tuple[str, ...] = ()
    pre: bool = False

    @property
    def words(self) -> list[str]:
        """The options; pip and uv have the same."""
        found = ["--no-index"] if self.no_index else []
        for place in self.find_links:
            found += ["--find-links", Path(place).resolve().as_uri() if Path(place).exists() else place]
        return found

    def of(self, *, uv: bool) -> list[str]:
        """The options with the one that is spelt otherwise."""
        return self.words + ((["--prerelease", "allow"] if uv else ["--pre"]) if self.pre else [])


@dataclass(frozen=True)
class Planned:
    """A distribution that would be installed; *before* is the version that it replaces, if any."""

    name: str
    version: str
    before: str = ""

    def __str__(self) -> str:
        return f"{self.name} {f'{self.before} -> ' if self.before else ''}{self.version}"


@dataclass(frozen=True)
class Environment:
    """The environment that this interpreter runs in. `kind` is uv tool, pipx, pip or uv."""

    kind: str
    prefix: Path
    python: str
    program: str
    """The path of uv or pipx; empty for pip."""

    # --- commands --------------------------------------------------------------------------------------

    def install(self, wants: Sequence[str], sources: Sources, *, again: Sequence[str] = ()) -> list[str]:
        """Return the command that installs; *again* names distributions to upgrade, or to put in anew."""
        if self.kind == "uv tool":
            return self._uv_tool(wants, sources, upgrade=again)
        if self.kind == "pipx":
            force = ["--force"] if again else []
            options = [f"--pip-args={' '.join(sources.words)}"] if sources.words else []
            return [self.program, "inject", *force, *options, self._venv, *wants]
        upgrade = (
            [word for name in again for word in ("--upgrade-package", name)] if self.kind == "uv" else ["--upgrade"]
        )
        return [*self._pip("install"), *sources.of(uv=self.kind == "uv"), *(upgrade if again else []), *wants]

    def restore(self, wants: Sequence[str], sources: Sources) -> list[str]:
        """Return the command that puts exactly these in, anew where they are there already."""
        if self.kind in ("uv tool", "pipx"):
            return self.install(wants, sources, again=[name_in(want) for want in wants])
        anew = [word for want in wants for word in ("--reinstall-package", name_in(want))]
        options = anew if self.kind == "uv" else ["--force-reinstall", "--no-deps"]
        return [*self._pip("install"), *sources.of(uv=self.kind == "uv"), *options, *wants]

    def uninstall(self, names: Sequence[str]) -> list[str]:
        """Return the command that takes distributions out."""
        if self.kind == "uv tool":
            return self._uv_tool([], Sources(), without=names)
        if self.kind == "pipx":
            return [self.program, "uninject", self._venv, *names]
        return [*self._pip("uninstall"), *([] if self.kind == "uv" else ["--yes"]), *names]

    def own_upgrade(self, version: str) -> str:
        """Return, for people, the command that brings the host itself to a version."""
        want = f"{OWN}=={version}"
        words = {"uv tool": f"uv tool install {want}", "pipx": f"pipx install --force {want}"}
        return words.get(self.kind, " ".join([*self._pip("install"), want]))

    @property
    def _venv(self) -> str:
        return self.prefix.name

    def _pip(self, verb: str) -> list[str]:
        if self.kind == "pip" or (self.kind != "uv" and not self._uv):
            quiet = ["--disable-pip-version-check"]
            return [self.python, "-m", "pip", verb, *quiet]
        return [self._uv or self.program, "pip", verb, "--python", self.python]

    @property
    def _uv(self) -> str:
        """The uv that can look into this environment where it has no pip; empty if pip does."""
        if self.kind in ("uv", "uv tool"):
            return self.program
        return "" if _has_pip() else shutil.which("uv") or ""

    def _uv_tool(
        self, wants: Sequence[str], sources: Sources, *, without: Sequence[str] = (), upgrade: Sequence[str] = ()
    ) -> list[str]:
        """Return the command that makes the tool with all that its receipt has, more and less.

        `uv tool install` replaces the receipt: what is not named again is taken out.
        """
        main, others, options = receipt(self.prefix)
        dropped = {normal(name) for name in (*without, *map(name_in, wants))}
        said = sources.of(uv=True)
        if " ".join(said) in " ".join(options):
            said = []  # the receipt has them already
        command = [self.program, "tool", "install", *options, *said, *_words(main, "")]
        for one in others:
            if normal(str(one.get("name", ""))) not in dropped:
                command += _words(one, "--with")
        for want in wants:
            command += ["--with", want]
        for name in upgrade:
            command += ["--upgrade-package", name]
        return command

    # --- rehearsal -------------------------------------------------------------------------------------

    def rehearse(
        self, wants: Sequence[str], pins: Sequence[str], sources: Sources, *, upgrade: Sequence[str] = ()
    ) -> list[Planned]:
        """Return what would be installed, with *pins* (the packs that are there) as they are. Raises InstallerError.

        pip by itself looks at what it was asked for alone, and tells of what it broke only afterwards.
        """
        if self._uv or self.kind == "uv":
            words = [word for name in upgrade for word in ("--upgrade-package", name)]
            command = [*self._pip("install"), "--dry-run", *sources.of(uv=True), *words, *wants, *pins]
            done = run(command)
            self._refuse_conflict(done, wants)
            return _of_uv(done.stderr)
        with tempfile.TemporaryDirectory(prefix="pegboard-") as folder:
            report = Path(folder, "report.json")
            options = ["--dry-run", "--report", str(report), *(["--upgrade"] if upgrade else [])]
            done = run([*self._pip("install"), *options, *sources.of(uv=False), *wants, *pins])
            self._refuse_conflict(done, wants)
            return _of_pip(json.loads(report.read_bytes()))

    def fetch(self, want: str, sources: Sources, folder: Path) -> None:
        """Put the files of a wheel into a folder, running nothing of it. Raises InstallerError."""
        uv = bool(self._uv) or self.kind == "uv"
        options = ["--no-deps", "--target", str(folder), "--only-binary", ":all:", *sources.of(uv=uv)]
        options += [] if uv else ["--no-compile", "--quiet"]
        done = run([*self._pip("install"), *options, want])
        if done.returncode:
            raise InstallerError(f"{want} cannot be looked at: {last_line(done)}")

    def _refuse_conflict(self, done: subprocess.CompletedProcess[str], wants: Sequence[str]) -> None:
        if not done.returncode:
            return
        conflict = conflict_in(f"{done.stdout}\n{done.stderr}")
        if conflict:
            raise ConflictError(wants, conflict)
        raise InstallerError(f"{', '.join(wants)} cannot be installed: {last_line(done)}")


def environment() -> Environment:
    """Return what this interpreter runs in. Raises InstallerError where nothing can be installed."""
    prefix = Path(sys.prefix)
    if (prefix / "uv-receipt.toml").is_file():
        return Environment("uv tool", prefix, sys.executable, _program("uv"))
    if (prefix / "pipx_metadata.json").is_file():
        return Environment("pipx", prefix, sys.executable, _program("pipx"))
    _refuse_what_is_managed(prefix)
    if _has_pip():
        return Environment("pip", prefix, sys.executable, "")
    uv = shutil.which("uv")
    if uv is None:
        raise InstallerError(
            f"{prefix} has no pip, and there is no uv: `{sys.executable} -m ensurepip` puts pip in, or install uv"
        )
    return Environment("uv", prefix, sys.executable, uv)


def _refuse_what_is_managed(prefix: Path) -> None:
    if sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        raise InstallerError(
            f"the Python at {prefix} belongs to the system, whose packages bring its packs. To bring your own, install "
            f"pegboard into an environment: `uv tool install {OWN}`, `pipx install {OWN}` or a venv"
        )
    site = Path(sysconfig.get_path("purelib"))
    there = next(folder for folder in (site, *site.parents) if folder.exists())
    if not os.access(there, os.W_OK):
        raise InstallerError(
            f"{site} cannot be written by you, so no pack can be installed there. Ask who manages it, or install "
            f"pegboard into an environment of your own: `uv tool install {OWN}`, `pipx install {OWN}` or a venv"
        )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InstallerError(
            f"{sys.prefix} was made by {name}, and there is no {name} on your PATH; install packs with it"
        )
    return found


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run an installer to its end, keeping what it prints. Raises InstallerError if it cannot be started."""
    settled = {"PIP_NO_INPUT": "1", "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            env={**os.environ, **settled},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallerError(f"{command[0]} cannot be run: {error}") from None


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what an installer said last, without its own remarks on versions."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    wrong = [line for line in lines if re.match(r"(?i)error|cause|.*no solution|.*could not find", line)]
    said = [line for line in wrong or lines if not line.startswith(("WARNING", "[notice]", "DEPRECATION"))]
    text = "; ".join(said[-2:]) if said else f"exit code {done.returncode}"
    return text[:600]


# --- reading what installers write ---------------------------------------------------------------------


def receipt(prefix: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Return what a uv tool was made of: its own requirement, the others, and options. Raises InstallerError."""
    import tomli

    path = prefix / "uv-receipt.toml"
    try:
        tool = tomli.loads(path.read_text(encoding="utf-8"))["tool"]
        rows = [_row(one) for one in tool["requirements"]]
        options = _options(tool)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallerError(f"{path} cannot be read, so nothing was changed: {error!r}") from None
    main = next((one for one in rows if normal(str(one.get("name", ""))) == OWN), None)
    if main is None:
        raise InstallerError(f"{path} does not name {OWN}: it is a part of another tool; install packs with that")
    return main, [one for one in rows if one is not main], options


def _row(said: Any) -> dict[str, Any]:
    if isinstance(said, str):  # as older versions wrote it
        return {"name": name_in(said), "specifier": said[len(name_in(said)) :]}
    return dict(said)


def _options(tool: dict[str, Any]) -> list[str]:
    """Return the options of a receipt that say where distributions come from."""
    said = tool.get("options", {})
    words = ["--python", str(tool["python"])] if tool.get("python") else []
    words += ["--no-index"] if said.get("no-index") else []
    for place in said.get("find-links", ()):
        words += ["--find-links", str(place if isinstance(place, str) else place["url"])]
    for index in said.get("index", ()):
        words += ["--default-index" if index.get("default") else "--index", str(index["url"])]
    if said.get("index-url"):
        words += ["--default-index", str(said["index-url"])]
    for index in said.get("extra-index-url", ()):
        words += ["--index", str(index)]
    if said.get("prerelease"):
        words += ["--prerelease", str(said["prerelease"])]
    return words


def _words(one: dict[str, Any], option: str) -> list[str]:
    """Return the words for a requirement of a receipt."""
    name = str(one["name"]) + (f"[{','.join(one['extras'])}]" if one.get("extras") else "")
    marker = f" ; {one['marker']}" if one.get("marker") else ""
    if one.get("editable"):
        return [option.replace("--with", "--with-editable") or "--editable", str(one["editable"])]
    for key in ("path", "directory"):
        if one.get(key):
            wanted = str(one[key]) if "[" not in name else f"{name} @ {Path(str(one[key])).as_uri()}"
            return [option, wanted] if option else [wanted]
    if one.get("git") or one.get("url"):
        where = f"git+{one['git']}" if one.get("git") else one["url"]
        wanted = f"{name} @ {where}{marker}"
    else:
        wanted = f"{name}{one.get('specifier', '')}{marker}"
    return [option, wanted] if option else [wanted]


def conflict_in(text: str) -> list[str]:
    """Return the requirements that an installer names as the cause; none if it failed otherwise."""
    lines = [line.rstrip() for line in text.splitlines()]
    for place, line in enumerate(lines):
        if "The conflict is caused by" in line:
            return [one.strip() for one in _until_empty(lines[place + 1 :])]
    if any("No solution found" in line or "unsatisfiable" in line for line in lines):
        causes = [re.sub(r"^[\s│╰─▶×]*(cause:)?\s*", "", line) for line in lines]
        return [
            one
            for one in causes
            if re.search(r"\b(depends? on|incompatible|conflict|unsatisfiable|there (is|are) no)\b", one)
        ]
    return []


def _until_empty(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if not line.strip():
            break
        found.append(line)
    return found


def _of_pip(report: dict[str, Any]) -> list[Planned]:
    found = [(one["metadata"]["name"], one["metadata"]["version"]) for one in report.get("install", [])]
    return [Planned(name, version, _installed(name)) for name, version in sorted(found)]


def _of_uv(text: str) -> list[Planned]:
    more = re.findall(r"^ \+ ([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)
    less = {normal(name): version for name, version in re.findall(r"^ - ([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)}
    return [Planned(name, version, less.get(normal(name), "")) for name, version in sorted(more)]


def _installed(name: str) -> str:
    from pegboard._board.installed import distributions, folders_of

    wanted = normal(name)
    for one in distributions(folders_of(sys.path) or ()):
        if normal(os.path.basename(one.folder).partition("-")[0]) == wanted:
            return one.version
    return ""
