"""`pegboard doctor`: everything that is wrong here, where it is, and what mends it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli import app as command_line
from pegboard._cli.opening import JsonOption, tried_host
from pegboard._folders import make_private
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from pegboard.host import Host

OK, NOTE, WRONG = "ok", "note", "wrong"
SLOW_IMPORT = 200.0
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `state` is ok, note (nothing is broken) or wrong; `mend` says what to do.

    `fix` does it, where `--fix` may; `fixed` is what it did.
    """

    area: str
    subject: str
    state: str
    text: str
    mend: str = ""
    fix: Callable[[], str] | None = field(default=None, compare=False)
    fixed: str = ""


FixOption = Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend without a question, and say so.")]


def doctor(fix: FixOption = False, as_json: JsonOption = False, cwd: command_line.CwdOption = None) -> None:
    """Look for everything that is wrong here. The exit code is 1 if something is. This imports the plugins."""
    found = list(examine(tried_host(cwd)))
    if fix:
        found = [_mended(one) for one in found]
    wrong = [finding for finding in found if finding.state == WRONG]
    if as_json:
        print_json({"ok": not wrong, "findings": [_facts(finding) for finding in found]})
    else:
        for one in found:
            _show(one)
        say(f"{len(wrong)} of {len(found)} findings are wrong." if wrong else "Nothing is wrong.", "bold")
        fixable = sum(one.fix is not None and one.state != OK for one in found)
        if fixable:
            say(f"{fixable} of them can be mended at once: pegboard doctor --fix")
    if wrong:
        raise typer.Exit(1)


def _mended(one: Finding) -> Finding:
    """Mend what a finding is about, if that may be done; it is well then, or says why it is not."""
    if one.fix is None or one.state == OK:
        return one
    try:
        done = one.fix()
    except (Exception, SystemExit) as error:
        return replace(one, text=f"{one.text}\nit could not be mended: {error}", fix=None)
    return replace(one, state=OK, fixed=done, fix=None)


def _facts(one: Finding) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("area", "subject", "state", "text", "mend", "fixed")},
        "fixable": one.fix is not None,
    }


def _show(one: Finding) -> None:
    subject = f"{one.subject}: " if one.subject else ""
    first, *more = f"{subject}{one.text}".splitlines()
    say(f"{one.state:<6} {one.area:<9} {first}", {OK: "", NOTE: "yellow", WRONG: "red"}[one.state])
    for line in more:
        say(f"{'':<17}{line}")
    if one.fixed:
        say(f"{'':<17}mended: {one.fixed}", "green")
    if one.mend and one.state != OK:
        say(f"{'':<17}mend: {one.mend}")


def examine(host: Host) -> Iterator[Finding]:
    """Look at everything, in a stable order."""
    yield from _versions()
    yield from _state_folder(host)
    yield from _settings(host)
    yield from _held_back(host)
    host.board.wake_all()  # what is wrong with a plugin shows when it is imported
    yield from _plugins(host)
    yield from _rewriters(host)
    yield from _observed(host)
    yield from _snapshot(host)
    yield from _health(host)
    yield from _journals(host)


def _versions() -> Iterator[Finding]:
    import platform

    from pegboard import __version__

    yield Finding("versions", "pegboard", OK, __version__)
    yield Finding("versions", "python", OK, platform.python_version())


def _state_folder(host: Host) -> Iterator[Finding]:
    folder = host.state_dir
    try:
        make_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        mend = "make it writable, or name another in PEGBOARD_STATE_DIR"
        yield Finding("state", str(folder), WRONG, f"cannot be written: {error.strerror}", mend)
    else:
        yield Finding("state", str(folder), OK, "can be written")
        yield from _state_files(folder)


def _state_files(folder: Path) -> Iterator[Finding]:
    """Say what in the state folder others can read, and what processes that are gone have left there."""
    from pegboard._cli.mending import close_to_others, is_open_to_others, left_behind, take_away

    if is_open_to_others(folder):
        text = "others may look into it; what was said in sessions lies there"
        yield Finding("state", str(folder), NOTE, text, f"chmod go= {folder}", close_to_others(folder))
    left = left_behind(folder)
    if left:
        text = f"{len(left)} files were left by processes that ended while they wrote: {left[0].name}"
        yield Finding("state", str(folder), NOTE, text, "pegboard doctor --fix", take_away(left))


def _settings(host: Host) -> Iterator[Finding]:
    from pegboard._cli.settings_files import problems, tables_of

    tables = tables_of(host)
    found = [problem for file in host.view.files for problem in problems(file, tables)]
    said = {str(error): error for error in (*host.problems, *found)}
    # A plugin whose settings are wrong repeats here what the file's own line says.
    broken = {record.reason for record in host.board.records if record.status == "config_error"}
    lines = [error for text, error in sorted(said.items()) if text not in broken or error.file]
    for error in lines:
        where = f"{error.file}:{error.line}" if error.file and error.line else str(error.file or "")
        mend = "change that line; `pegboard settings schema` has all that may stand there"
        yield Finding("settings", where, WRONG, error.problem, mend)
    if not lines:
        yield Finding("settings", "", OK, "all files are understood")


def _held_back(host: Host) -> Iterator[Finding]:
    from pegboard._cli.trust import held_back_of_the_contract

    mend = "look at it and consent with `pegboard trust`"
    found = [(key, f"{said.value!r} ({said.source})") for key, said in host.view.held_back]
    if not host.view.trusted:
        found += [(key, f"{value!r} ({name})") for name, key, value in held_back_of_the_contract(host)]
    for key, text in found:
        yield Finding("trust", key, NOTE, f"{text} is held back: not trusted", mend)
    if not found:
        text = "nothing is held back" if host.view.trusted else "is not trusted, and nothing is held back"
        yield Finding("trust", str(host.cwd), OK, text)


def _plugins(host: Host) -> Iterator[Finding]:
    records = sorted(host.board.records, key=lambda record: (record.name, record.distribution))
    active = [record for record in records if record.status == "active"]
    yield Finding("plugins", "", OK, f"{len(active)} of {len(records)} take part")
    for record in records:
        if record.status == "active":
            if record.reason:
                yield Finding("plugins", record.name, NOTE, record.reason, f"see `pegboard plugins info {record.name}`")
            continue
        # Switched off and not yet trusted is how somebody wanted it; everything else is broken.
        state = NOTE if record.status in ("disabled", "untrusted") else WRONG
        yield Finding("plugins", record.name, state, f"{record.status}: {record.reason}", record.mend)
    for record in active:
        if record.import_ms > SLOW_IMPORT and record.distribution != "pegboard":
            text = f"takes {record.import_ms:.0f} ms to import; {SLOW_IMPORT:.0f} ms are what nobody notices"
            mend = f"tell its author, or: pegboard plugins disable {record.name}"
            yield Finding("plugins", record.name, NOTE, text, mend)
    for name in sorted(set(_said(host, "disabled", ())) - {record.name for record in records}):
        text = "plugins.disabled names it, and there is no such plugin"
        yield Finding("plugins", name, NOTE, text, f"pegboard plugins enable {name}")
    yield from _idle_aliases(host)


def _idle_aliases(host: Host) -> Iterator[Finding]:
    """Say which aliases name neither a plugin of a distribution nor a tool of a plugin that takes part."""
    from pegboard._board.installed import normal

    records = host.board.records
    plugins = {f"{normal(record.distribution)}:{record.point or record.name}" for record in records}
    resting = {record.name for record in records if record.status != "active"}
    for key in sorted(_said(host, "aliases", {})):
        owner, colon, point = key.rpartition(":")
        plugin, _, tool = key.partition(".")
        if (f"{normal(owner)}:{point}" in plugins) if colon else host.board.has_tool(plugin, tool) or plugin in resting:
            continue
        text = "plugins.aliases gives it another name, and there is no such " + ("plugin" if colon else "tool")
        yield Finding("plugins", key, NOTE, text, f"take it out there: {host.view.origin('plugins', 'aliases')}")


def _said(host: Host, key: str, default: Any) -> Any:
    """Return a key of `[plugins]`."""
    from pegboard.errors import SettingsError

    try:
        return getattr(host.view.plugins, key)
    except SettingsError:
        return default  # which the settings' own findings say


def _rewriters(host: Host) -> Iterator[Finding]:
    """Say where two packs may rewrite the same: each sees what the one before it has left."""
    from pegboard._agent.rewriting import seen_in
    from pegboard._board.rivals import rivalries_on

    found = rivalries_on(host.board)
    seen = seen_in(host.store.paths(host.cwd)) if any(hook == "pre_tool" for hook, _ in found) else {}
    for hook, one in found:
        text = one.words(seen if hook == "pre_tool" else {})
        yield Finding("order", hook, NOTE, text, "before= and after= of @hookimpl or Declares change the order")


def _observed(host: Host) -> Iterator[Finding]:
    """Say which packs were seen to use the network or to start processes: nothing is wrong with that by itself."""
    from pegboard._board.observing import NETWORK, PROCESS, observed

    packs = {record.distribution for record in host.board.records if record.folder and record.status == "active"}
    for name in sorted(packs):
        seen = observed(host.state_dir, name)
        for kind in (NETWORK, PROCESS):
            if kind in seen:
                first, *more = sorted(seen[kind])
                text = f"was seen to use {kind}: {first}" + (f" and {len(more)} more" if more else "")
                yield Finding("observed", name, NOTE, text, "`pegboard plugins info` has all that was seen")


def _snapshot(host: Host) -> Iterator[Finding]:
    """Say which plugins each start must import, and what of the snapshot did not hold this time."""
    if host.snapshot is None:
        yield Finding("snapshot", "", NOTE, "is switched off, so that every start imports every plugin")
        return
    each_time = host.snapshot.imported_each_time()
    active = [record.name for record in host.board.records if record.status == "active"]
    known = sum(host.snapshot.knows(name) and name not in each_time for name in active)
    yield Finding("snapshot", "", OK, f"{known} of {len(active)} plugins are known without importing them")
    for name in sorted(each_time.keys() & set(active)):
        yield Finding("snapshot", name, NOTE, f"each start imports it: {each_time[name]}")
    for what, why in host.snapshot.read_anew():
        yield Finding("snapshot", what, NOTE, f"had to be read anew: {why}")


def _health(host: Host) -> Iterator[Finding]:
    for plugin, check, found in host.health():
        subject = f"{plugin}: {check}"
        for one in found:
            text = f"{one.where}: {one.text}" if one.where else one.text
            yield Finding("health", subject, WRONG if one.wrong else NOTE, text, one.mend, one.fix)
        if not any(one.wrong for one in found):
            yield Finding("health", subject, OK, "is well" if not found else "nothing is broken")


def _journals(host: Host) -> Iterator[Finding]:
    paths = host.store.paths(host.cwd)
    damaged = [finding for path in paths for finding in _damage(path)]
    yield from damaged
    if not damaged:
        yield Finding("journals", "", OK, f"{len(paths)} sessions of this folder can be read")


def _damage(path: Path) -> Iterator[Finding]:
    """Say where a journal is damaged; a line that is being written at this moment looks like a torn end."""
    from pegboard._agent.journal import read_lines
    from pegboard._cli.mending import cut_torn_end

    bad: list[int] = []
    last = 0
    try:
        for number, _, _, raw in read_lines(path):
            last = number
            if raw is None:
                bad.append(number)
    except OSError as error:
        yield Finding("journals", path.stem, WRONG, f"cannot be read: {error.strerror}", f"look at {path}")
        return
    middle, torn = list(bad), 0
    while middle and middle[-1] == (torn or last + 1) - 1:
        torn = middle.pop()
    if torn:
        mend = f"resuming cuts it and keeps what was cut: pegboard run --resume {path.stem}"
        text = f"the end is torn, from line {torn} on"
        yield Finding("journals", path.stem, WRONG, text, mend, cut_torn_end(path))
    if middle:
        lines = ", ".join(map(str, middle[:10])) + (", ..." if len(middle) > 10 else "")
        mend = f"nothing brings them back; if you do not need it: pegboard sessions rm {path.stem}"
        yield Finding("journals", path.stem, WRONG, f"damaged lines are skipped: {lines}", mend)
