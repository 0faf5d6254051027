"""Frozen words made without the library's six compiled methods behave as the library's own."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard._dataclass import dataclass
from pegboard.messages import Outcome, OutcomeKind, ToolResult
from pegboard.tools import Claims


@dataclass(frozen=True)
class Ours:
    """A word."""

    name: str
    numbers: list[int] = field(default_factory=list)
    note: str = field(default="", compare=False)
    secret: str = field(default="", repr=False)


@dataclasses.dataclass(frozen=True)
class Theirs:
    """The same word, made by the library."""

    name: str
    numbers: list[int] = field(default_factory=list)
    note: str = field(default="", compare=False)
    secret: str = field(default="", repr=False)


WORDS = st.fixed_dictionaries(
    {"name": st.sampled_from("ab")},
    optional={"numbers": st.lists(st.integers(0, 1), max_size=2), "note": st.text(max_size=1), "secret": st.just("x")},
)


@given(one=WORDS, two=WORDS)
def test_two_words_compare_and_read_as_the_librarys_do(one, two):
    assert (Ours(**one) == Ours(**two)) is (Theirs(**one) == Theirs(**two))
    assert repr(Ours(**one)).removeprefix("Ours") == repr(Theirs(**one)).removeprefix("Theirs")
    assert dataclasses.asdict(Ours(**one)) == dataclasses.asdict(Theirs(**one))
    assert dataclasses.replace(Ours(**one), name="c") == Ours(**{**one, "name": "c"})


def test_equal_words_have_one_hash_and_words_of_two_classes_are_never_equal():
    assert hash(Claims.read("a")) == hash(Claims.read("a"))
    assert Claims.read("a") != Claims.write("a")
    assert Ours("a") != Theirs("a")
    with pytest.raises(TypeError, match="unhashable"):
        hash(Ours("a"))


def test_a_word_cannot_be_changed():
    word = Ours("a")
    with pytest.raises(FrozenInstanceError):
        word.name = "b"
    with pytest.raises(FrozenInstanceError):
        word.new = "b"
    with pytest.raises(FrozenInstanceError):
        del word.name
    assert word == Ours("a")


def test_each_word_has_a_default_of_its_own():
    Ours("a").numbers.append(1)
    assert Ours("a").numbers == []


def test_words_survive_copies_and_pickles():
    outcome = Outcome(OutcomeKind.OK, ToolResult("text", data={"a": [1]}))
    assert pickle.loads(pickle.dumps(outcome)) == outcome == copy.deepcopy(outcome)


def test_a_missing_field_is_told_by_name():
    with pytest.raises(TypeError, match="'name'"):
        Ours()
    assert list(inspect.signature(Ours).parameters) == ["name", "numbers", "note", "secret"]


def test_a_type_checks_itself_after_its_fields_are_there():
    @dataclass(frozen=True)
    class Checked:
        """A word with a rule."""

        size: int

        def __post_init__(self) -> None:
            if self.size < 0:
                raise ValueError("negative")

    assert Checked(3).size == 3
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)


def test_a_word_with_slots_compares_and_reads_as_the_librarys_does():
    def made(decorator):
        @decorator(slots=True)
        class Slotted:
            """A word that grows."""

            name: str
            numbers: list[int] = field(default_factory=list)

        return Slotted

    ours, theirs = made(dataclass), made(dataclasses.dataclass)
    word = ours("a")
    word.numbers.append(1)
    assert word == ours("a", [1]) != ours("a")
    assert repr(word) == repr(theirs("a", [1]))
    assert not hasattr(word, "__dict__")
    with pytest.raises(TypeError, match="unhashable"):
        hash(word)


def test_a_field_that_nobody_gives_is_at_its_default_or_made_afterwards() -> None:
    @dataclass(frozen=True)
    class Rules:
        deny: tuple[str, ...]
        first: str = field(init=False)
        limit: int = field(default=3, init=False)
        kept: dict[str, int] = field(default_factory=dict, init=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "first", self.deny[0])

    one, other = Rules(("rm", "dd")), Rules(deny=("rm", "dd"))
    one.kept["x"] = 1
    assert (one.first, one.limit, other.kept) == ("rm", 3, {})
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(TypeError):
        Rules(("rm",), limit=4)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="that changes"),
        pytest.param({"slots": True}, id="with slots"),
        pytest.param({"frozen": True}, id="frozen"),
        pytest.param({"frozen": True, "slots": True}, id="frozen, with slots"),
        pytest.param({"eq": False}, id="that is only itself"),
        pytest.param({"frozen": True, "eq": False}, id="frozen, that is only itself"),
    ],
)
def test_a_word_of_each_kind_behaves_as_the_librarys_does(options):
    def made(decorator):
        @decorator(**options)
        class Word:
            """A word."""

            name: str
            numbers: list[int] = field(default_factory=list)
            known: int = field(default=3, init=False)
            note: str = field(default="", kw_only=True)

        return Word

    def seen(kind):
        word, other = kind("a", [1], note="n"), kind("a", [1], note="n")
        try:
            word.name = "b"
        except FrozenInstanceError:
            word = dataclasses.replace(word, name="b")
        copied = copy.deepcopy(word)
        return (
            repr(word).rpartition(".")[2],
            (word == copied, word == other, word == "b"),
            (kind.__hash__ is None, hasattr(word, "__dict__"), dataclasses.asdict(copied)),
            str(inspect.signature(kind)),
        )

    assert seen(made(dataclass)) == seen(made(dataclasses.dataclass))


@dataclass(frozen=True, slots=True)
class Narrow:
    """A frozen word with slots."""

    name: str
    numbers: tuple[int, ...] = ()


def test_a_frozen_word_with_slots_survives_copies_and_pickles():
    word = Narrow("a", (1,))
    assert pickle.loads(pickle.dumps(word)) == copy.copy(word) == word
    assert hash(pickle.loads(pickle.dumps(word))) == hash(word)


def test_what_a_class_says_itself_stands():
    @dataclass(frozen=True)
    class Own:
        """A word with methods of its own."""

        name: str

        def __init__(self, name: str) -> None:
            object.__setattr__(self, "name", name.upper())

        def __repr__(self) -> str:
            return "<own>"

    assert (Own("a").name, repr(Own("a"))) == ("A", "<own>")


def test_a_class_without_an_instance_yet_can_be_inherited_from():
    @dataclass
    class Base:
        """A word."""

        name: str

    @dataclass
    class Child(Base):
        """Another, made before there is an instance of the first."""

        size: int = 1

    class Plain(Base):
        """No dataclass."""

        def __init__(self) -> None:
            super().__init__("plain")

    assert (Child("a").size, Plain().name, Base("b").name) == (1, "plain", "b")
