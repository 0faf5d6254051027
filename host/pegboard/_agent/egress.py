"""The one way out: everything that leaves a session passes here, whole or in pieces."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from pegboard._board.caught import pass_on
from pegboard.context import Ctx
from pegboard.egress import FilterFunction, StreamFilter
from pegboard.errors import EgressClosedError, PegboardError
from pegboard.messages import Message, TextBlock
from pegboard.records import EgressRecord, Record

WITHHELD = "[withheld]"
Filters = tuple[tuple[str, str, FilterFunction], ...]


class Egress:
    """Everything that leaves passes here: filters in order, and one that fails closes the surface.

    *ctx* gives a plugin's Ctx; None outside of sessions.
    """

    def __init__(
        self, filters: Filters, write: Callable[[Record], None], ctx: Callable[[str], Ctx] | None = None
    ) -> None:
        self._filters = filters
        self._asks: dict[Callable[..., Any], bool] = {}
        self._write = write
        self._ctx = ctx
        self._logs: list[tuple[logging.Logger, logging.Filter]] = []
        self.open = not filters
        """True while there is no filter at all, so that hot paths need not ask."""

    def emit(self, surface: str, payload: Any) -> Any:
        """Return what may leave on *surface*. Raises EgressClosedError."""
        for plugin, pattern, function in self._filters:
            if covers(pattern, surface):
                passed = self._guarded(surface, plugin, self._call(plugin, function, surface), payload)
                if passed is not payload and passed != payload:
                    self._write(EgressRecord(surface=surface, by=plugin, action="changed"))
                payload = passed
        return payload

    def text(self, surface: str, text: str) -> str:
        """Return what a person may see: a text that must not leave becomes a line that says so."""
        if self.open or not text:
            return text
        try:
            return str(self.emit(surface, text))
        except EgressClosedError as closed:
            return f"[{closed}]"

    def stream(self, surface: str) -> TextStream:
        """Return a filter for one text that comes in pieces."""
        return TextStream(self, surface, [one for one in self._filters if covers(one[1], surface)])

    def messages(self, surface: str, messages: Sequence[Message]) -> Sequence[Message]:
        """Return messages whose texts have passed; the very same if nothing was changed."""
        if self.open:
            return messages
        return [self._message(surface, message) for message in messages]

    def _message(self, surface: str, message: Message) -> Message:
        blocks = tuple(
            block.model_copy(update={"text": self.emit(surface, block.text)}) if isinstance(block, TextBlock) else block
            for block in message.content
        )
        return message if blocks == message.content else replace(message, content=blocks)

    # --- logs --------------------------------------------------------------------------------------

    def watch(self, log: logging.Logger) -> None:
        """Let the records of a logger pass the filters until `close`."""
        if not self.open:
            gate = _LogGate(self)
            log.addFilter(gate)
            self._logs.append((log, gate))

    def close(self) -> None:
        """Leave the loggers alone."""
        for log, gate in self._logs:
            log.removeFilter(gate)
        self._logs.clear()

    # --- asking ------------------------------------------------------------------------------------

    def _call(self, plugin: str, function: Callable[..., Any], surface: str) -> Callable[..., Any]:
        asks = self._asks.get(function)
        if asks is None:
            asks = self._asks[function] = _wants_ctx(function)
        if not asks:
            return partial(function, surface)
        ctx = self._ctx(plugin) if self._ctx is not None else None
        return partial(_with_ctx, function, surface, ctx)

    def _guarded(self, surface: str, plugin: str, call: Callable[..., Any], *given: Any) -> Any:
        try:
            return call(*given)
        except EgressClosedError as refused:
            self._close(surface, plugin, refused.reason, refused=refused.refused)
        except PegboardError as error:
            self._close(surface, plugin, str(error))
        except BaseException as error:
            pass_on(error)
            self._close(surface, plugin, _kind_of(error))

    def _close(self, surface: str, plugin: str, reason: str, *, refused: bool = False) -> NoReturn:
        self._write(EgressRecord(surface=surface, by=plugin, action="refused" if refused else "closed", reason=reason))
        closed = EgressClosedError(surface, plugin, reason)
        closed.refused = refused
        raise closed from None


class TextStream:
    """One text in pieces on its way out. A filter that cannot take pieces is asked at the end."""

    def __init__(self, egress: Egress, surface: str, filters: Sequence[tuple[str, str, FilterFunction]]) -> None:
        self._egress = egress
        self._surface = surface
        self._closed = False
        self._filters: list[tuple[str, StreamFilter]] = []
        for plugin, _, function in filters:
            make = getattr(function, "stream", None)
            call = egress._call(plugin, make or function, surface)
            made = egress._guarded(surface, plugin, call) if make is not None else _Whole(call)
            self._filters.append((plugin, made))

    def take(self, piece: str) -> str:
        """Add a piece and return what may leave now. Raises EgressClosedError, and gives nothing afterwards."""
        if self._closed:
            return ""
        return self._pass([(piece, False)])

    def end(self) -> str:
        """Return what is left. Raises EgressClosedError."""
        if self._closed:
            return ""
        return self._pass([("", True)])

    def _pass(self, given: list[tuple[str, bool]]) -> str:
        (text, last) = given[0]
        try:
            for plugin, one in self._filters:
                text = self._through(plugin, one, text, last=last)
        except EgressClosedError:
            self._closed = True
            raise
        return text

    def _through(self, plugin: str, one: StreamFilter, text: str, *, last: bool) -> str:
        guarded = partial(self._egress._guarded, self._surface, plugin)
        passed = str(guarded(one.take, text)) if text else ""
        return passed + str(guarded(one.end)) if last else passed


class _Whole:
    """A filter of whole texts in a stream: it sees nothing before it has everything."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._parts: list[str] = []

    def take(self, piece: str) -> str:
        self._parts.append(piece)
        return ""

    def end(self) -> str:
        return str(self._call("".join(self._parts)))


class _LogGate(logging.Filter):
    def __init__(self, egress: Egress) -> None:
        super().__init__()
        self._egress = egress

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.msg, record.args = self._passed(text), ()
        record.exc_text = self._passed(record.exc_text) if record.exc_text else None
        record.exc_info = None
        return True

    def _passed(self, text: str) -> str:
        try:
            return str(self._egress.emit("log", text))
        except EgressClosedError:
            return WITHHELD


def _kind_of(error: BaseException) -> str:
    """Return what failed, without its words: they may be what must not leave."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{where}"


def covers(pattern: str, surface: str) -> bool:
    """Whether a filter's pattern means this surface: its name, a name above it, or "*"."""
    return pattern in ("*", surface) or surface.startswith(pattern + ".")


def _wants_ctx(function: Callable[..., Any]) -> bool:
    try:
        return "ctx" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _with_ctx(function: Callable[..., Any], surface: str, ctx: Ctx | None, *given: Any) -> Any:
    return function(surface, *given, ctx=ctx)
