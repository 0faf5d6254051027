"""What a hook has answered, held to what it may answer: its type, and each field of it."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, ValidationError, from_json, to_json

from pegboard._board.caught import pass_on, words_of
from pegboard.errors import WrongAnswerError
from pegboard.messages import whole
from pegboard.output import one_line
from pegboard.typed import Typed, fields_of

DATA = ("updated_input", "data", "params", "content")
"""Fields that hold plain data of any kind."""


def sound(answer: Any, plugin: str, hook: str, wanted: tuple[type[Typed], ...]) -> Any:
    """Return an answer as the very kind that may be given. Raises WrongAnswerError, whatever it was given.

    An answer is somebody else's object: it may say that it is of another class than it is, be made without a look at
    its fields (`model_copy(update=...)`), or hold data that whoever made it still changes.
    """
    kind = next((one for one in wanted if issubclass(type(answer), one)), None)
    if kind is None:
        names = " or ".join(one.__name__ for one in wanted) or "nothing"
        raise WrongAnswerError(plugin, hook, type(answer).__name__, names)
    try:
        given = answer.__dict__ if type(answer) is kind else {name: getattr(answer, name) for name in fields_of(kind)}
        made = kind.model_validate(given)
        data = {name: _plain(value) for name in DATA if (value := made.__dict__.get(name))}
        return made.model_copy(update=data) if data else made
    except BaseException as error:
        pass_on(error)
        raise WrongAnswerError(plugin, hook, f"a {kind.__name__} that is none ({_why(error)})", kind.__name__) from None


def _plain(value: Any) -> Any:
    """Return a copy of plain data, which nobody else can change."""
    try:
        return from_json(to_json(value))
    except PydanticSerializationError:  # half a character, or something that has no JSON
        return from_json(to_json(whole(value)))


def _why(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False)[0]
        return one_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 300)
    return one_line(f"{type(error).__name__}: {words_of(error)}", 300)
