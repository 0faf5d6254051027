"""The commands of a chat, as one table; and those that plugins bring."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pegboard._cli.chat import looking
from pegboard._cli.chat.plugin_commands import commands_of, sendable
from pegboard._cli.chat.shapes import Slash, Talking
from pegboard._cli.words import MODES
from pegboard.context import Prompt
from pegboard.errors import PegboardError, did_you_mean
from pegboard.host import Host
from pegboard.records import DirectoryAdded


async def _help(talk: Talking, words: str) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in talk.commands().values():
        table.add_row(Text(f"/{one.name}", style="bold"), Text(f"{one.help}{' ' + one.args if one.args else ''}"))
    keys = Table.grid(padding=(0, 2, 0, 0))
    keys.add_column(no_wrap=True)
    keys.add_column(overflow="fold")
    for key, what in KEYS:
        keys.add_row(Text(key, style="bold"), Text(what))
    talk.face.draw(Group(table, Text(""), keys))


async def _clear(talk: Talking, words: str) -> None:
    await talk.switch(lambda: talk.host.session(talk.options, show=talk.show, source="clear"), "clear")
    talk.face.clear()
    talk.face.say("a new conversation; the old one can be had back with /resume")


async def _add_dir(talk: Talking, words: str) -> None:
    if not words:
        raise PegboardError("which folder? /add-dir PATH")
    folder = talk.session.cwd / Path(words.strip("'\"")).expanduser()
    if not folder.is_dir():
        beside = [one.name for one in folder.parent.iterdir() if one.is_dir()] if folder.parent.is_dir() else []
        raise PegboardError(f"{folder} is no folder.{did_you_mean(folder.name, beside)}")
    await talk.session.fire(DirectoryAdded(directory=str(folder.resolve())))
    talk.face.say(f"{talk.shown(str(folder.resolve()))} belongs to the workspace now, until this session ends")


async def _compact(talk: Talking, words: str) -> None:
    if not await talk.session.compact(words):
        talk.face.say("nothing could be made shorter", "warning")


async def _model(talk: Talking, words: str) -> None:
    if words:
        await talk.session.use_model(words, source="command")
    known = ", ".join(f"{prefix}:NAME" for prefix in talk.session.known_models())
    there_are = "" if words else f" (there are {known})"
    talk.face.say(f"model: {talk.shown(talk.session.model_name or 'none')}{there_are}")


async def _mode(talk: Talking, words: str) -> None:
    if words and words not in MODES:
        raise PegboardError(f"there is no mode {words!r}.{did_you_mean(words, MODES)} There are {', '.join(MODES)}.")
    if words:
        talk.session.use_mode(words)
    talk.face.say(f"permission mode: {talk.session.mode}" + ("" if words else f" (there are {', '.join(MODES)})"))


async def _resume(talk: Talking, words: str) -> None:
    wanted = words or await looking.choose_session(talk)
    if not wanted:
        return
    path = talk.host.store.find(wanted)
    if path == talk.session.path:
        raise PegboardError("that is the session you are in")
    await talk.switch(lambda: talk.host.resume(path.stem, talk.options, show=talk.show), "resume")
    talk.face.say(f"session {path.stem}")
    talk.show_past()


async def _fork(talk: Talking, words: str) -> None:
    if words and not words.isdigit():
        raise PegboardError(f"{words!r} is no number of a record; `pegboard sessions show` has them")
    if not talk.has_words:
        raise PegboardError("there is nothing to fork yet: nothing was said")
    old = talk.session
    new = talk.host.store.fork(old.path, int(words) if words else None)
    await talk.switch(lambda: talk.host.resume(new.stem, talk.options, show=talk.show), "other")
    talk.face.say(f"this is a fork now, session {new.stem}; the other stays as it was: /resume {old.session_id[:8]}")


async def _reload(talk: Talking, words: str) -> None:
    if not words:
        raise PegboardError("which plugin? /reload NAME")
    await talk.reload(words)


async def _continue(talk: Talking, words: str) -> None:
    await talk.go_on()


async def _quit(talk: Talking, words: str) -> None:
    talk.leave()


SLASHES = (
    Slash("help", "", "show the commands and the keys", _help, anytime=True),
    Slash("add-dir", "PATH", "let one more folder belong to the workspace, in this session", _add_dir),
    Slash("clear", "", "begin a new conversation", _clear),
    Slash("compact", "[WORDS]", "make the conversation shorter; words say what must stay", _compact),
    Slash("continue", "", "go on with a turn that was broken off", _continue),
    Slash("fork", "[RECORD]", "go on in a copy of this conversation", _fork),
    Slash("hooks", "", "show who hangs from which hook", looking.hooks, anytime=True),
    Slash("mode", "[MODE]", "show or set the permission mode", _mode, anytime=True),
    Slash("model", "[PREFIX:NAME]", "show or choose the model", _model),
    Slash("quit", "", "leave", _quit, anytime=True),
    Slash("reload", "NAME", "import a plugin anew from its source", _reload),
    Slash("resume", "[ID]", "go on with another conversation", _resume),
    Slash("trace", "[all]", "show what happened in the last turn", looking.trace, anytime=True),
    Slash("why", "[CALL]", "tell who decided about a call, the last one by default", looking.why, anytime=True),
)

KEYS = (
    ("Enter", "send; while it works: say something that arrives after the call that runs"),
    ("Alt-Enter, Ctrl-J, \\ Enter", "a new line"),
    ("Esc, Ctrl-C", "interrupt; Ctrl-C twice, or Ctrl-D, leaves"),
    ("Up, Down, Ctrl-R", "what was typed before"),
    ("Tab", "complete a command"),
    ("Shift-Tab", "the next permission mode: default, acceptEdits, plan"),
    ("Ctrl-L", "draw the screen anew"),
)


def commands(host: Host, prompts: Iterable[Prompt] = ()) -> dict[str, Slash]:
    """Return every command by name, sorted: ours, then those of plugins, then prompts that have a name of their own."""
    found = {one.name: one for one in SLASHES}
    for one in (*commands_of(host), *sendable(prompts)):
        found.setdefault(one.name, one)
    return dict(sorted(found.items()))
