"""Whether a tool call would take a name out: by which way, to where, and what the settings say to that."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pegboard.decisions import Decision, Verdict
from pegboard.tools import Tool
from pegboard.typed import dataclass
from pegboard_builtins.undercover.deeds import Deed, deeds_of, hosts_of
from pegboard_builtins.undercover.destinations import (
    GitError,
    Where,
    git,
    host_is_internal,
    push_target,
    remote_is_internal,
    repository,
)
from pegboard_builtins.undercover.engine import Hit, mask_value
from pegboard_builtins.undercover.filtering import Undercover
from pegboard_builtins.undercover.scanning import LARGEST, ScanError, Spot, ids_in, in_range
from pegboard_builtins.undercover.settings import Policy

SHELL = "shell"
PATHS = ("file_path", "notebook_path", "path")
KNOWN_ALREADY = frozenset({"old_string"})
"""Parts of an input that are in the file already: they go nowhere."""
WAYS = {"search": "search", "web": "network", "fetch": "network", "http": "network"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A name on a way out that does not allow it."""

    surface: str
    policy: Policy
    ids: str
    what: str


def decide(
    undercover: Undercover, tool: Tool | None, name: str, given: Mapping[str, Any], cwd: Path
) -> Decision | None:
    """Return what speaks against a call; None if nothing does. Raises ListError."""
    found = list(findings(undercover, tool, name, given, cwd))
    if not found:
        return None
    worst = next((one for one in found if one.policy is Policy.DENY), found[0])
    what = f"{worst.what} holds a confidential name ({worst.ids})"
    if worst.policy is Policy.ASK:
        return Decision(verdict=Verdict.ASK, reason=f"{what}, and would leave by {worst.surface!r}", rule=worst.ids)
    reason = f"{what}, and that may not leave by {worst.surface!r}. Say it without the name, in no spelling of it."
    return Decision(verdict=Verdict.DENY, reason=reason, rule=worst.ids)


def findings(
    undercover: Undercover, tool: Tool | None, name: str, given: Mapping[str, Any], cwd: Path
) -> Iterator[Finding]:
    """Go through the names in an input that may not leave."""
    surfaces = surfaces_of(tool, name)
    if not surfaces:
        return
    if SHELL in surfaces:
        yield from _in_command(undercover, str(given.get("command", "")), given, cwd)
        surfaces = tuple(one for one in surfaces if one != SHELL)
    shown = {key: value for key, value in given.items() if key not in KNOWN_ALREADY}
    hits = _hits(undercover, shown) if surfaces else []
    for surface in surfaces if hits else ():
        policy = undercover.settings.policy(surface)
        if policy is not Policy.ALLOW and _leaves(undercover, surface, given, cwd):
            yield Finding(surface, policy, ids_in(hits), f"the input of {name}")


def surfaces_of(tool: Tool | None, name: str) -> tuple[str, ...]:
    """Return the ways out of a tool; one that declares none is taken for external."""
    if name.startswith("mcp__"):
        return ("mcp",)
    if tool is None or tool.egress is None:
        return ("external",)
    return tuple(WAYS.get(one, one) for one in tool.egress)


def _hits(undercover: Undercover, value: Any) -> list[Hit]:
    hits: list[Hit] = []
    mask_value(undercover.finder, value, "-", hits)
    return hits


def _leaves(undercover: Undercover, surface: str, given: Mapping[str, Any], cwd: Path) -> bool:
    """Whether the destination is one that names may not go to."""
    internal = undercover.settings.internal
    if surface == "file":
        path = next((given[key] for key in PATHS if isinstance(given.get(key), str)), "")
        folder = (cwd / Path(path).expanduser()).parent
        while not folder.exists():
            folder = folder.parent
        return _class(folder, undercover) is Where.EXTERNAL
    if surface in ("network", "search"):
        url = given.get("url")
        hosts = hosts_of([url]) if isinstance(url, str) else ()
        return not hosts or not all(host_is_internal(host, internal) for host in hosts)
    return True


def _class(folder: Path, undercover: Undercover) -> Where:
    try:
        return repository(folder, undercover.settings.internal)
    except GitError:
        return Where.EXTERNAL  # who cannot say where it goes must not let it go


# --- commands ------------------------------------------------------------------------------------------


def _in_command(undercover: Undercover, command: str, given: Mapping[str, Any], cwd: Path) -> Iterator[Finding]:
    hits = _hits(undercover, dict(given))
    for deed in deeds_of(command, cwd):
        policy = undercover.settings.policy(deed.surface)
        if policy is Policy.ALLOW or not _goes_out(undercover, deed):
            continue
        if hits:
            yield Finding(deed.surface, policy, ids_in(hits), "the command")
            continue
        try:
            inside = list(_carried(undercover, deed))
        except (GitError, ScanError, OSError, subprocess.SubprocessError) as error:
            yield Finding(
                deed.surface, policy, "not known which", f"what it takes along cannot be looked at ({error}), and"
            )
            continue
        if inside:
            yield Finding(deed.surface, policy, ids_in(inside), f"what it takes along ({inside[0].where})")


def _goes_out(undercover: Undercover, deed: Deed) -> bool:
    internal = undercover.settings.internal
    if deed.surface == "network":
        return not deed.hosts or not all(host_is_internal(host, internal) for host in deed.hosts)
    if deed.surface == "push":
        try:
            return push_target(deed.folder, deed.remote, internal) is Where.EXTERNAL
        except GitError:
            return True
    if deed.surface == "pr" and deed.remote:
        return not remote_is_internal(deed.remote, internal)
    where = _class(deed.folder, undercover)
    # A commit of a repository without remotes is on its way to the first one; a file in it is looked at then.
    return where is Where.EXTERNAL or (where is Where.LOCAL and deed.surface != "file")


def _carried(undercover: Undercover, deed: Deed) -> Iterator[Spot]:
    """Go through the names in what a command sends beside its own words. Raises GitError, ScanError."""
    finder, mask = undercover.finder, undercover.settings.mask
    for path in deed.reads:
        if path.is_file():
            if path.stat().st_size > LARGEST:
                raise ScanError("a file is too large")
            text = path.read_bytes().decode("utf-8", "replace")
            for hit in finder.find(text):
                yield Spot("a file", 0, 0, hit.name.id, hit.how)
    if deed.amends:
        for hit in finder.find(git(deed.folder, "log", "-1", "--format=%B", check=False)):
            yield Spot("the message that is amended", 0, 0, hit.name.id, hit.how)
    if deed.surface == "push":
        yield from _pushed(undercover, deed, mask)
    elif deed.surface == "pr":
        for hit in finder.find(git(deed.folder, "symbolic-ref", "--short", "HEAD", check=False)):
            yield Spot("the branch", 0, 0, hit.name.id, hit.how)


def _pushed(undercover: Undercover, deed: Deed, mask: str) -> Iterator[Spot]:
    finder = undercover.finder
    options = [ref for ref in deed.refs if ref.startswith("--")]
    refs = [ref for ref in deed.refs if not ref.startswith("--")]
    if options:
        refs += ["--all", "--tags"]
    elif not refs:
        refs = ["HEAD"]
    branch = git(deed.folder, "symbolic-ref", "--quiet", "--short", "HEAD", check=False)
    names = branch if not options else git(deed.folder, "for-each-ref", "--format=%(refname:short)")
    for hit in finder.find(names):
        yield Spot("the name of a branch or tag", 0, 0, hit.name.id, hit.how)
    known = git(deed.folder, "remote").split()
    unseen = ["--not", f"--remotes={deed.remote}"] if deed.remote in known else ["--not", "--remotes"]
    yield from in_range(finder, deed.folder, [*refs, *unseen], mask)
