"""The commands that plugins bring to a chat (`registry.add_command(..., chat=...)`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

from rich.text import Text

from pegboard._cli.chat.shapes import Slash, Talking
from pegboard._cli.plugin_answers import answer_of
from pegboard.context import Prompt
from pegboard.host import Host


def commands_of(host: Host) -> Iterator[Slash]:
    """Go through the commands of all plugins."""
    for plugin, contribution in host.board.contributions.items():
        for command in contribution.commands:
            if command.chat:
                yield Slash(command.name, "", command.help, _runner(command.name), anytime=True, plugin=plugin)


def sendable(prompts: Iterable[Prompt]) -> Iterator[Slash]:
    """Go through the prompts that can be sent by name: files of the user, the project and packs."""
    for prompt in prompts:
        yield Slash(prompt.name, prompt.args, prompt.help, _sender(prompt.name))


def _sender(name: str) -> Callable[[Talking, str], Awaitable[None]]:
    async def run(talk: Talking, words: str) -> None:
        await talk.send(f"/{name} {words}".strip())

    return run


def _runner(name: str) -> Callable[[Talking, str], Awaitable[None]]:
    async def run(talk: Talking, words: str) -> None:
        said = await answer(talk, name, words)
        if said:
            talk.face.draw(Text(talk.shown(said)))

    return run


async def answer(talk: Talking, name: str, words: str) -> str:
    """Return what a plugin's command says; empty if no plugin has one of this name. Raises PegboardError."""
    return await answer_of(talk.host, talk.session, name, words) or ""
