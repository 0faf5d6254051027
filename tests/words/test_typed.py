"""Frozen models that ask pydantic only where a value is not plainly right: they take and refuse what it would."""

from __future__ import annotations

import copy
import gc
import importlib
import pickle
import pkgutil
import types
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

import pegboard
import pegboard_builtins
from pegboard import typed
from pegboard._typed.plain import UnsureError
from pegboard.decisions import Decision, Verdict
from pegboard.messages import Block, TextBlock, ToolResultBlock, Usage
from pegboard.records import AnyRecord, Notice, PlanRecord, PluginStamp, TurnEnded, parse_record
from pegboard.typed import Before, Reading, Tagged, Typed, fact, fields_of

HOME = [pegboard, pegboard_builtins]
WORDS = ("records", "requests", "decisions", "messages", "settings", "turns", "files")


def all_kinds() -> list[type[Typed]]:
    """Return every model of the host and the built-ins."""
    for package in HOME:
        for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if one.name.rpartition(".")[2] in WORDS and "._" not in one.name:
                importlib.import_module(one.name)
    gc.collect()

    def below(kind: type) -> Iterator[type]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    found = {one for one in below(Typed) if one.__module__.startswith(("pegboard.", "pegboard_builtins."))}
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


KINDS = all_kinds()
SCALARS = st.one_of(
    st.text(max_size=3),
    st.sampled_from(["", "1", "true", "session", "off", "user", "text", "prefix:NAME", "é"]),
    st.integers(-2, 3),
    st.sampled_from([2**53, -(2**70), 10_000]),
    st.booleans(),
    st.floats(),
    st.none(),
    st.sampled_from([Verdict.DENY, b"bytes"]),
)
ANYTHING = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=2) | st.dictionaries(st.text(max_size=2), one, max_size=2), max_leaves=4
)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return values that mostly fit an annotation."""
    return st.integers(0, 9).flatmap(lambda roll: ANYTHING if roll == 0 else fitting(annotation))


def fitting(annotation: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return ANYTHING
    if origin is Annotated:
        return fitting(arguments[0])
    if origin in (Union, types.UnionType):
        return st.sampled_from(arguments).flatmap(values)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (tuple, list):
        each = st.lists(values(arguments[0]), max_size=2)
        return each | each.map(tuple)
    if origin is dict:
        return st.dictionaries(values(arguments[0]).filter(is_hashable), values(arguments[1]), max_size=2)
    if annotation in (str, int, float, bool):
        return st.from_type(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation)) | st.sampled_from([one.value for one in annotation])
    if isinstance(annotation, type) and issubclass(annotation, Typed):
        return givens(annotation) | givens(annotation).map(lambda given: judged(annotation, given)).filter(bool)
    return ANYTHING


def is_hashable(value: Any) -> bool:
    try:
        return hash(value) is not None
    except TypeError:
        return False


def givens(kind: type[Typed]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values(one.annotation) for name, one in kind.model_fields.items()}
    needed = {name: how for name, how in fields.items() if fields_of(kind)[name].is_required()}
    others = {name: how for name, how in fields.items() if name not in needed}
    some = st.fixed_dictionaries(needed, optional=others)
    return st.integers(0, 9).flatmap(lambda roll: some.map(lambda one: one | {"strange": 1}) if roll == 0 else some)


def judged(kind: type[Typed], value: Any) -> Any:
    """Return what pydantic makes of a value; None if it refuses it."""
    try:
        return kind.__pydantic_validator__.validate_python(value)
    except ValidationError:
        return None


@pytest.mark.parametrize("kind", [pytest.param(one, id=f"{one.__module__}.{one.__name__}") for one in KINDS])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_what_is_taken_without_pydantic_is_what_pydantic_makes_of_it(kind: type[Typed], data: Any) -> None:
    given_ = data.draw(givens(kind))
    try:
        made = kind._of_plain(given_)
    except UnsureError:
        return
    checked = judged(kind, given_)
    assert repr(made) == repr(checked)
    assert list(made.__dict__) == list(checked.__dict__)
    for said in ({}, {"exclude_none": True}, {"exclude_defaults": True}):
        ours, theirs = kind.__pydantic_serializer__, typed._judge(kind).serializer
        assert repr(ours.to_python(made, **said)) == repr(theirs.to_python(checked, warnings=False, **said))
        assert written(ours, made, said) == written(theirs, checked, said)


def written(serializer: Any, word: Typed, said: dict[str, Any]) -> bytes | str:
    try:
        return bytes(serializer.to_json(word, warnings=False, **said))
    except ValueError:
        return "has no JSON"


def test_models_of_every_kind_are_found() -> None:
    assert len(KINDS) > 110
    assert {"TurnEnded", "Section", "Decision", "SessionTable", "MemorySettings", "TurnWords"} <= {
        one.__name__ for one in KINDS
    }


@pytest.mark.parametrize(
    ("kind", "given_"),
    [
        pytest.param(TurnEnded, {"turn": 1, "reason": "done", "usage": {"input_tokens": 3}}, id="a record"),
        pytest.param(PlanRecord, {"plan": "p", "plugins": [{"name": "a"}], "hooks": {"x": ["a"]}}, id="nested"),
        pytest.param(Notice, {"level": "info", "text": "x", "later": 1}, id="a field of a later version"),
        pytest.param(Decision, {"verdict": "deny"}, id="an enumeration by its value"),
        pytest.param(Usage, {"cost_usd": 1}, id="a float by a whole number"),
    ],
)
def test_what_a_journal_or_a_file_has_is_plainly_right(kind: type[Typed], given_: dict[str, Any]) -> None:
    assert kind._of_plain(given_) == judged(kind, given_)
    assert kind.model_validate_json(to_json(given_)) == kind(**given_)


@pytest.mark.parametrize(
    "given_",
    [
        pytest.param({}, id="something is missing"),
        pytest.param({"size": 0}, id="below the limit"),
        pytest.param({"size": "x", "more": 1}, id="a wrong type, and a key that there is not"),
        pytest.param({"size": 3, "mode": "loud"}, id="none of a few"),
        pytest.param({"size": 3, "name": "no colon"}, id="another form"),
        pytest.param({"size": 13}, id="wrong as a whole"),
    ],
)
def test_a_mistake_is_told_in_pydantics_words(given_: dict[str, Any]) -> None:
    from pydantic import ConfigDict, Field, model_validator

    class Theirs(BaseModel):
        model_config = ConfigDict(extra="forbid", title="Ours")
        size: int = Field(ge=1)
        mode: Literal["a", "b"] = "a"
        name: Annotated[str, Field(pattern="^.+:.+$")] = "a:b"

        @model_validator(mode="after")
        def _lucky(self) -> Any:
            if self.size == 13:
                raise ValueError("bad luck")
            return self

    class Ours(Typed):
        size: int = fact(ge=1)
        mode: Literal["a", "b"] = "a"
        name: Annotated[str, fact(pattern="^.+:.+$")] = "a:b"

        def check(self) -> None:
            if self.size == 13:
                raise ValueError("bad luck")

    def problems(make: Any) -> list[Any]:
        with pytest.raises(ValidationError) as wrong:
            make()
        return [(one["loc"], one["type"], one["msg"]) for one in wrong.value.errors()]

    expected = problems(lambda: Theirs.model_validate(given_))
    assert problems(lambda: Ours(**given_)) == expected
    assert problems(lambda: Ours.model_validate(given_)) == expected
    assert problems(lambda: Ours.model_validate_json(to_json(given_))) == expected
    assert Ours.model_json_schema() == {**Theirs.model_json_schema(), "title": "Ours"}


def test_a_function_may_put_a_value_right_before_it_is_read() -> None:
    class Rules(Typed):
        deny: Annotated[tuple[str, ...], Before(lambda value: [value] if isinstance(value, str) else value)] = ()

    assert Rules(deny="rm").deny == ("rm",)
    assert Rules(deny=["rm", "dd"]) == judged(Rules, {"deny": ["rm", "dd"]})
    with pytest.raises(ValidationError):
        Rules(deny=3)


def test_a_model_of_pydantics_may_hold_one_of_ours() -> None:
    class Theirs(BaseModel):
        decision: Decision
        blocks: tuple[Block, ...] = ()

    held = Theirs.model_validate(
        {"decision": {"verdict": "deny"}, "blocks": [{"type": "text", "text": "x", "origins": ["web"]}]}
    )
    assert held.decision == Decision(verdict=Verdict.DENY)
    assert held.blocks == (TextBlock(text="x", origins=("web",)),)  # type: ignore[arg-type]
    assert from_json(held.model_dump_json())["blocks"] == [{"type": "text", "text": "x"}]
    assert Theirs.model_json_schema()["$defs"]["Decision"]["additionalProperties"] is False


def test_the_union_of_all_records_is_read_and_printed_by_pydantic_too() -> None:
    union: TypeAdapter[Any] = TypeAdapter(AnyRecord)
    line = to_json(TurnEnded(seq=3, turn=1, reason="completed", usage=Usage(output_tokens=2)))
    assert union.validate_json(line) == parse_record(line)
    assert union.json_schema()["discriminator"]["mapping"]["turn_end"] == "#/$defs/TurnEnded"


def test_an_unknown_tag_is_told_with_those_that_there_are() -> None:
    class A(Typed):
        kind: Literal["a"] = "a"

    class B(Typed):
        kind: Literal["b"] = "b"

    read = Reading(Annotated[A | B, Tagged("kind")])
    assert read.of({"kind": "b"}) == read.of_json('{"kind":"b"}') == B()
    assert read.of(A()) == A()
    with pytest.raises(ValidationError, match="'a', 'b'"):
        read.of({"kind": "c"})
    with pytest.raises(ValidationError):
        read.of({"kind": ["a"]})


def test_an_instance_is_frozen_equal_by_its_facts_and_can_be_copied() -> None:
    one = PluginStamp(name="a")
    assert one == PluginStamp(name="a") != PluginStamp(name="b")
    assert hash(one) == hash(PluginStamp(name="a"))
    assert copy.deepcopy(one) == copy.copy(one) == pickle.loads(pickle.dumps(one)) == one
    assert one.model_copy(update={"version": "1"}).version == "1"
    for change in (lambda: setattr(one, "name", "b"), lambda: delattr(one, "name"), lambda: setattr(one, "new", 1)):
        with pytest.raises(AttributeError, match="frozen"):
            change()
    assert one.name == "a"


def test_a_default_that_can_be_changed_is_each_instances_own() -> None:
    class Basket(Typed):
        things: list[str] = []
        by_name: dict[str, list[int]] = fact(default_factory=lambda: {"a": [1]})

    one = Basket()
    one.things.append("x")
    one.by_name["a"].append(2)
    assert Basket() == Basket.model_construct() == Basket(things=[], by_name={"a": [1]})


def test_what_is_kept_beside_a_block_is_neither_shown_nor_sent() -> None:
    block = ToolResultBlock(tool_use_id="1", content=(TextBlock(text="x", origins=("web",)),), origins=("tool",))  # type: ignore[arg-type]
    assert to_json(block) == typed._judge(ToolResultBlock).serializer.to_json(block)
    assert b"origins" not in to_json({"message": [block]})
    assert "tool'" not in repr(block)


def test_a_kind_of_a_model_stands_where_the_model_is_wanted() -> None:
    class Priced(Usage, extra="forbid"):
        """Of one provider."""

    priced = Priced(input_tokens=3)
    assert TurnEnded(turn=1, reason="x", usage=priced).usage is priced
