"""Where something goes: decided from git's remotes and the configured hosts, never from what a model says."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from enum import StrEnum
from pathlib import Path

from pegboard_builtins.undercover.settings import Internal
from pegboard_builtins.undercover.sources import repository_of

SECONDS = 20
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^@/]*@)?([^/:]+|\[[^\]]+\])(?::\d+)?(/.*)?", re.IGNORECASE)
_HERE = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0"})


class Where(StrEnum):
    """A kind of destination. LOCAL is a repository without remotes, or no repository at all."""

    INTERNAL = "internal"
    EXTERNAL = "external"
    LOCAL = "local"


class GitError(Exception):
    """Git did not answer; its words are left out, because they may quote names."""


def git(folder: Path, *words: str, check: bool = True) -> str:
    """Run git and return what it prints. Raises GitError."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GitError(f"git {words[0]}: {type(error).__name__}") from None
    if done.returncode and check:
        raise GitError(f"git {words[0]} ended with {done.returncode}")
    return done.stdout.decode("utf-8", "replace") if not done.returncode else ""


def place_of(url: str) -> str:
    """Return a remote's `host/path`, however it is written; a plain path as it is."""
    found = _URL.fullmatch(url)
    if found is not None:
        place = f"{found[1]}{found[2] or ''}"
    else:
        scp = _SCP.fullmatch(url)
        place = f"{scp[1]}/{scp[2].lstrip('/')}" if scp is not None else url
    return place.removesuffix("/").removesuffix(".git").lower()


def remote_is_internal(url: str, internal: Internal) -> bool:
    """Whether a remote is one of the configured ones."""
    place = place_of(url)
    return any(fnmatch.fnmatchcase(place, pattern.lower()) for pattern in internal.remotes) or (
        "/" in place and not place.startswith("/") and host_is_internal(place.partition("/")[0], internal, here=False)
    )


def host_is_internal(host: str, internal: Internal, *, here: bool = True) -> bool:
    """Whether a host is a configured one, or this machine."""
    host = host.lower().strip("[]") if "]" in host else host.lower().partition(":")[0]
    whole = [one.removesuffix("/*") for one in internal.remotes if one.endswith("/*") and one.count("/") == 1]
    return (here and host in _HERE) or any(fnmatch.fnmatchcase(host, one.lower()) for one in (*internal.hosts, *whole))


def repository(folder: Path, internal: Internal) -> Where:
    """Return where the repository of a folder goes: internal only if every remote of it is."""
    root = repository_of(folder)
    if root is None:
        return Where.LOCAL
    if any(fnmatch.fnmatchcase(str(root), str(Path(one).expanduser())) for one in internal.folders):
        return Where.INTERNAL
    urls = {line.split()[1] for line in git(root, "remote", "-v").splitlines() if len(line.split()) > 1}
    if not urls:
        return Where.LOCAL
    return Where.INTERNAL if all(remote_is_internal(url, internal) for url in urls) else Where.EXTERNAL


def push_target(folder: Path, remote: str, internal: Internal) -> Where:
    """Return where a push goes. Without a name it is what git would take."""
    if not remote:
        remote = default_remote(folder)
    known = git(folder, "remote").split()
    urls = git(folder, "remote", "get-url", "--push", "--all", remote).split() if remote in known else [remote]
    return Where.INTERNAL if urls and all(remote_is_internal(url, internal) for url in urls) else Where.EXTERNAL


def default_remote(folder: Path) -> str:
    """Return the remote that `git push` takes by itself."""
    branch = git(folder, "symbolic-ref", "--quiet", "--short", "HEAD", check=False).strip()
    for key in (f"branch.{branch}.pushRemote", "remote.pushDefault", f"branch.{branch}.remote"):
        found = git(folder, "config", "--get", key, check=False).strip()
        if found:
            return found
    remotes = git(folder, "remote").split()
    return "origin" if "origin" in remotes or not remotes else remotes[0]
