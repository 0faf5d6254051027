"""`pegboard trust`: consent to what a folder's own files say, after having seen it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegboard._cli.opening import JsonOption, host_of_built_ins
from pegboard.errors import PegboardError
from pegboard.output import print_json, say

if TYPE_CHECKING:
    from pegboard.context import Wanted
    from pegboard.host import Host


def trust(
    folder: Annotated[Path | None, typer.Argument(help="This folder by default.", file_okay=False, exists=True)] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Consent without a question, for scripts.")] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take consent back.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a folder's settings say that does not count yet, and consent to it.

    Consent holds until one of the files changes. With --json nothing is asked: it only tells, unless --yes is given.
    """
    host = host_of_built_ins(folder)
    if revoke:
        had = host.trust.revoke(host.cwd)
        _tell(host, as_json=as_json, words=f"{host.cwd} {'is no longer' if had else 'was not'} trusted.")
        return
    seen, wanted = _seen(host), host.wanted()
    if as_json:
        if yes:
            _consent(host, seen, wanted)
        _tell(host, as_json=True)
        return
    if not seen and not host.wanted():
        say(f"{host.cwd} says nothing that would need trust.")
    elif host.trust.trusts(host.cwd) and not _waiting(host):
        say(f"{host.cwd} is trusted, and nothing has changed since.")
    else:
        try:
            _show(host)
        except BrokenPipeError:
            if yes:  # whoever reads has seen enough, and the word was given before
                _consent(host, seen, wanted)
            raise
        if not yes and not typer.confirm("Let all of this count from now on?", default=False):
            say("Nothing was changed.")
            raise typer.Exit(1)
        _consent(host, seen, wanted)
        say(f"{host.cwd} is trusted until one of these files changes.", "green")


def _seen(host: Host) -> dict[str, str]:
    from pegboard._board.trust import fingerprints

    return fingerprints(host.cwd)


def _waiting(host: Host) -> list[Wanted]:
    """Return what runs only after consent and has none as it is now."""
    return [one for one in host.wanted() if not host.trust.consented(host.cwd, one)]


def _consent(host: Host, seen: dict[str, str], wanted: list[Wanted]) -> None:
    """Trust the folder, if it still says what was shown."""
    if _seen(host) != seen or host.wanted() != wanted:
        raise PegboardError("a file has changed since it was shown, so nothing was trusted. Look once more.")
    host.trust.trust(host.cwd)
    host.trust.consent(host.cwd, wanted)


def _tell(host: Host, *, as_json: bool, words: str = "") -> None:
    if not as_json:
        say(words)
        return
    print_json(
        {
            "folder": str(host.cwd),
            "trusted": host.trust.trusts(host.cwd),
            "files": sorted(_seen(host)),
            "changed": sorted(host.trust.changed(host.cwd)),
            "waiting": [{"key": one.key, "text": one.text} for one in _waiting(host)],
            "held_back": [
                {"key": key, "value": said.value, "file": said.source.file, "line": said.source.line}
                for key, said in host.view.held_back
            ],
        }
    )


def _show(host: Host) -> None:
    if not _seen(host):
        _show_waiting(host)
        return
    say(f"{host.cwd} is not trusted. These files of it would count in full:", "bold")
    changed = set(host.trust.changed(host.cwd))
    for name in sorted(_seen(host)):
        say(f"  {name}{'' if name in changed else ' (as it was when you trusted it)'}")
    lines = [f"{key} = {_plain(said.value)}  ({said.source})" for key, said in host.view.held_back]
    lines += [f"{key} = {_plain(value)}  ({name})" for name, key, value in held_back_of_the_contract(host)]
    say("What they say that is held back until then:" if lines else "Nothing of what they say is held back.")
    for line in lines:
        say(f"  {line}", "yellow")
    _show_waiting(host)
    for error in host.problems:
        say(f"  wrong: {error}", "red")


def _show_waiting(host: Host) -> None:
    """Show what would run, whole where it is new, as a difference where it was consented to in another form."""
    import difflib

    waiting = _waiting(host)
    if waiting:
        say("What would run from now on:", "bold")
    for one in waiting:
        former = host.trust.former(host.cwd, one)
        say(f"  {one.key}{'' if former is None else ' (changed)'}", "yellow")
        if former is None:
            lines = one.text.splitlines()
        else:
            lines = list(difflib.unified_diff(former.splitlines(), one.text.splitlines(), "before", "now", lineterm=""))
        for line in lines:
            say(f"    {line}", {"+": "green", "-": "red"}.get(line[:1], "") if former is not None else "")


TIGHTENING = ("deny", "ask")
"""Lists of permission rules that count from any folder, because they can only tighten."""


def held_back_of_the_contract(host: Host) -> list[tuple[str, str, Any]]:
    """Return (file, key, value) of what files that follow the hook contract say and what needs trust."""
    found: list[tuple[str, str, Any]] = []
    for name in sorted(_seen(host)):
        if not name.endswith(".json"):
            continue
        try:
            values = json.loads((host.cwd / name).read_bytes())
        except (OSError, ValueError) as wrong:
            found.append((name, "(unreadable)", str(wrong)))
            continue
        for key, value in sorted(values.items()) if isinstance(values, dict) else ():
            if key == "permissions" and isinstance(value, dict):
                found += [(name, f"{key}.{part}", said) for part, said in value.items() if part not in TIGHTENING]
            else:
                found.append((name, key, value))
    return found


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
