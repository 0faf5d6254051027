"""A function becomes a tool: its schema from type hints and docstring, its claims, its call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints, overload

from pydantic_core import ValidationError

from pegboard._dataclass import dataclass
from pegboard.errors import ToolInputError
from pegboard.requests import ToolSpec
from pegboard.typed import as_pydantic

if TYPE_CHECKING:
    from pydantic import BaseModel

CTX_ARGUMENT = "ctx"
"""A parameter of this name gets the Ctx and is no part of the schema."""
TOOL_SEARCH = "ToolSearch"
"""The tool by which a model asks for deferred ones. It stands only in requests where there may be some."""

LONGEST_NAME = 128
"""Characters of a tool's name that the Messages API allows."""


@dataclass(frozen=True)
class Claims:
    """What a call touches, so that calls of one message can run side by side without harm.

    Names are like `file:/a.py` or `terminal:main`; one that ends in "/" covers everything below it, "*" covers all.
    Two calls conflict if one writes what the other reads or writes.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    @classmethod
    def alone(cls) -> Claims:
        """Touches who knows what: nothing may run beside it."""
        return ALONE

    @classmethod
    def read(cls, *names: str | Path) -> Claims:
        """Only reads these; a Path becomes `file:PATH`."""
        return cls(reads=frozenset(map(_name, names)))

    @classmethod
    def write(cls, *names: str | Path) -> Claims:
        """Changes these; a Path becomes `file:PATH`."""
        return cls(writes=frozenset(map(_name, names)))

    @classmethod
    def read_if_asked(cls, name: Callable[[], str]) -> Claims:
        """Only reads what *name* returns; it is asked only if some call of the same message writes something."""
        return _ReadsLater(name)

    def conflicts(self, other: Claims) -> bool:
        """Whether the two calls must not run at the same time."""
        return (
            _overlap(self.writes, other.writes)
            or _overlap(self.writes, other.reads)
            or _overlap(self.reads, other.writes)
        )

    def __str__(self) -> str:
        words = [f"reads {name}" for name in sorted(self.reads)]
        return ", ".join(words + [f"writes {name}" for name in sorted(self.writes)])


class _ReadsLater(Claims):
    """Where nobody writes nobody asks who reads what, and to say it may mean asking the disk."""

    def __init__(self, name: Callable[[], str]) -> None:
        object.__setattr__(self, "_name", name)

    @cached_property
    def reads(self) -> frozenset[str]:
        name: Callable[[], str] = self.__dict__["_name"]
        try:
            return frozenset((name(),))
        except Exception:  # who cannot say what he reads may read anything
            return READS_ANYTHING.reads


ALONE = Claims(reads=frozenset({"*"}), writes=frozenset({"*"}))
READS_ANYTHING = Claims(reads=frozenset({"*"}))


def _name(claim: str | Path) -> str:
    return f"file:{claim}" if isinstance(claim, Path) else claim


def _overlap(left: frozenset[str], right: frozenset[str]) -> bool:
    if not left or not right:
        return False
    if "*" in left or "*" in right or not left.isdisjoint(right):
        return True
    return any(_covers(a, b) or _covers(b, a) for a in left for b in right)


def _covers(tree: str, name: str) -> bool:
    return tree.endswith("/") and (name.startswith(tree) or name == tree[:-1])


ClaimsOf = Callable[[dict[str, Any], Path], Claims]
Normalise = Callable[[dict[str, Any], Path], dict[str, Any]]
Preview = Callable[[dict[str, Any], Path], str]


@dataclass(frozen=True)
class Tool:
    """A tool as the host knows it; made by `@tool`.

    `read_only` calls change nothing, so they need no permission; `repeatable` calls may safely be run again after
    a crash (a read, a whole-file write). `egress` names the surfaces on which its input leaves the machine; None
    means that nobody said, and such a tool counts as external. `timeout` is in seconds, None for no limit.
    `normalise` takes a validated wire input and the working folder and returns the input that hooks see and that
    runs: paths made absolute, defaults written out. It must not touch the disk and must leave its own output alone.
    `preview` takes the input and the working folder and returns what the call would change, as a unified diff, for
    whoever is asked about it; it may read the disk, and must not raise.
    `where` names paths: the tool is offered in sessions where one of them exists (as for `@hookimpl`).
    One that `needs_person` is offered where a person can answer (`Options.interactive`): in a chat, not in a run.
    Of a `deferred` tool requests have only the name, until the model has asked for it with the tool `ToolSearch`.
    """

    name: str
    function: Callable[..., Any]
    description: str
    read_only: bool = False
    repeatable: bool = False
    claims: ClaimsOf | None = None
    timeout: float | None = None
    flag: str | None = None
    egress: tuple[str, ...] | None = None
    max_output: int | None = None
    normalise: Normalise | None = None
    preview: Preview | None = None
    where: tuple[str, ...] = ()
    deferred: bool = False
    needs_person: bool = False
    owner: str = field(default="", compare=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, for tests and for other code."""
        return self.function(*args, **kwargs)

    @cached_property
    def is_async(self) -> bool:
        """Whether the function is `async def`; others run in a thread."""
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def wants_ctx(self) -> bool:
        """Whether the function takes a `ctx`."""
        return CTX_ARGUMENT in inspect.signature(self.function).parameters

    @cached_property
    def input_model(self) -> type[BaseModel]:
        """A pydantic model of the parameters; an alias (`Annotated[bool, Field(alias="-i")]`) is the wire name."""
        from pydantic import ConfigDict, create_model
        from pydantic.fields import FieldInfo

        hints = get_type_hints(self.function, include_extras=True)
        described = _parameter_texts(self.function)
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name == CTX_ARGUMENT:
                continue
            default = ... if parameter.default is parameter.empty else parameter.default
            annotation = as_pydantic(hints.get(name, Any))
            info = (
                FieldInfo.from_annotated_attribute(annotation, default)
                if default is not ...
                else (FieldInfo.from_annotation(annotation))
            )
            if info.description is None and name in described:
                info.description = described[name]
            fields[name] = (annotation, info)
        config = ConfigDict(extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)
        return create_model(self.name, __config__=config, **fields)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema (2020-12) of the input, without titles."""
        schema: dict[str, Any] = _without_titles(self.input_model.model_json_schema(by_alias=True))
        schema.setdefault("properties", {})
        return schema

    @cached_property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        return ToolSpec(name=self.name, description=self.description, input_schema=self.input_schema)

    @cached_property
    def _validate(self) -> Callable[[Any], BaseModel]:
        validate: Callable[[Any], BaseModel] = self.input_model.__pydantic_validator__.validate_python
        return validate

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Validate *given* and return keyword arguments for the function. Raises ToolInputError."""
        try:
            return self._validate(given).__dict__  # of a model that nobody else has: no copy is needed
        except ValidationError as wrong:
            raise ToolInputError(self.name, tuple(_problem(error) for error in wrong.errors())) from None

    def normalised(self, given: dict[str, Any], cwd: Path) -> dict[str, Any]:
        """Return the wire input as hooks shall see it; the same where the tool does not mind."""
        return given if self.normalise is None else self.normalise(given, cwd)

    def claims_of(self, given: dict[str, Any], cwd: Path) -> Claims:
        """Return what this call touches; a tool that declares nothing runs alone, or reads anything."""
        if self.claims is None:
            return READS_ANYTHING if self.read_only else ALONE
        return self.claims(given, cwd)


@dataclass(frozen=True)
class SchemaTool(Tool):
    """A tool whose schema comes from elsewhere, a server say.

    Its function takes the input as it is, in one argument `given`, beside `ctx` if it wants that. `check` returns what
    is wrong with an input in the schema's eyes, nothing if all is well; without one whoever has the schema checks.
    """

    schema: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    check: Callable[[dict[str, Any]], Sequence[str]] | None = field(default=None, compare=False, repr=False)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the input, as it was given."""
        return dict(self.schema)

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the input as the function takes it. Raises ToolInputError."""
        problems = tuple(self.check(given)) if self.check is not None else ()
        if problems:
            raise ToolInputError(self.name, problems)
        return {"given": given}


def _problem(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def _without_titles(schema: Any, *, names: bool = False) -> Any:
    """Drop the "title" annotations that pydantic adds; a property that is called title stays."""
    if isinstance(schema, dict):
        return {
            key: _without_titles(value, names=key in ("properties", "$defs"))
            for key, value in schema.items()
            if names or key != "title" or not isinstance(value, str)
        }
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    return schema


_SECTION = r"^\s*(?:[:@]|-{3,}|[\w ]+:[ \t\r\f\v]*$)"
"""A line that may begin a section in one of docstring_parser's styles: `:param`, `@param`, a ruled title, `Args:`."""


def _parameter_texts(function: Callable[..., Any]) -> dict[str, str]:
    text = function.__doc__ or ""
    if not re.search(_SECTION, text, re.MULTILINE):
        return {}  # as most tools, which annotate their parameters: importing the parser takes as long as all of those
    from docstring_parser import parse

    return {param.arg_name: " ".join((param.description or "").split()) for param in parse(text).params}


def _description(function: Callable[..., Any]) -> str:
    """Return the docstring without its parameter sections."""
    text = inspect.getdoc(function) or ""
    if not text:
        return ""
    for heading in ("\nArgs:", "\nArguments:", "\nParameters\n", "\n:param", "\nReturns:", "\nRaises:"):
        text = text.partition(heading)[0]
    return text.strip()


def mcp_tool_name(server: str, tool: str) -> str:
    """Return the name under which the model knows a tool of an MCP server.

    Of a plugin folder's server, `plugin:NAME:SERVER`, the colons become `_`; a long name ends in a digest of all of it.
    """
    name = "__".join(["mcp", *(re.sub("[^A-Za-z0-9_-]", "_", part) for part in (server, tool))])
    if len(name) <= LONGEST_NAME:
        return name
    from hashlib import sha256

    return f"{name[: LONGEST_NAME - 9]}_{sha256(tool.encode(errors='surrogatepass')).hexdigest()[:8]}"


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    repeatable: bool | None = None,
    claims: ClaimsOf | None = None,
    timeout: float | None = None,
    flag: str | None = None,
    egress: Iterable[str] | None = None,
    max_output: int | None = None,
    normalise: Normalise | None = None,
    preview: Preview | None = None,
    where: Iterable[str] = (),
    deferred: bool = False,
    needs_person: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    repeatable: bool | None = None,
    claims: ClaimsOf | None = None,
    timeout: float | None = None,
    flag: str | None = None,
    egress: Iterable[str] | None = None,
    max_output: int | None = None,
    normalise: Normalise | None = None,
    preview: Preview | None = None,
    where: Iterable[str] = (),
    deferred: bool = False,
    needs_person: bool = False,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a function; its facts are those of `Tool`.

    The first paragraphs of the docstring are what the model reads; parameter texts come from its Args section or
    from `Annotated[..., Field(description=...)]`. A parameter named `ctx` gets the Ctx. The function may be
    `async def`; a plain `def` runs in a thread. It returns a str, a ToolResult, a pydantic model or anything that
    has a JSON. Raises TypeError for a function without a docstring: the model could not know what it does.
    """

    def make(target: Callable[..., Any]) -> Tool:
        text = description or _description(target)
        if not text:
            raise TypeError(f"the tool {target.__name__!r} needs a docstring: it is what the model reads")
        return Tool(
            name=name or target.__name__,
            function=target,
            description=text,
            read_only=read_only,
            repeatable=read_only if repeatable is None else repeatable,
            claims=claims,
            timeout=timeout,
            flag=flag,
            egress=None if egress is None else tuple(egress),
            max_output=max_output,
            normalise=normalise,
            preview=preview,
            where=tuple(where),
            deferred=deferred,
            needs_person=needs_person,
        )

    return make(function) if function is not None else make
