"""What plugins' verbs answer to `/NAME words`, in a chat and in `run`."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pegboard._board.caught import describe, pass_on
from pegboard._board.registry import resolve
from pegboard.errors import PegboardError

if TYPE_CHECKING:
    from pegboard.host import Host, Session


async def answer_of(host: Host, session: Session, name: str, words: str) -> str | None:
    """Return what is answered; None if no plugin has a verb of this name. Raises PegboardError where that fails."""
    found = host.board.chat_command(name)
    if found is None:
        return None
    plugin, command = found
    try:
        said: Any = resolve(command.chat)(words, session.ctx(plugin))
        if inspect.isawaitable(said):
            said = await said
        return "" if said is None else str(said)
    except PegboardError:
        raise
    except BaseException as error:
        pass_on(error)
        raise PegboardError(f"/{name} of the plugin {plugin!r} failed: {describe(error)}") from error
