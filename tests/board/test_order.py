"""The total order: a function of the set of plugins alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pegboard._board.order import Place, Tier, total_order
from pegboard.errors import OrderCycleError

NAMES = ("ants", "bees", "cats", "dogs", "eels", "fish", "*")
SOME = st.lists(st.sampled_from(NAMES), max_size=2).map(tuple)
STARS = st.sampled_from([(), ("*",)])


@st.composite
def some_places(draw: st.DrawFn) -> list[Place]:
    names = draw(st.lists(st.sampled_from(NAMES[:-1]), unique=True, min_size=1))
    return [
        Place(
            name,
            draw(st.sampled_from(Tier)),
            draw(st.sampled_from(["", "acme", "zoo"])),
            before=draw(SOME),
            after=draw(SOME),
            innermost=draw(st.booleans()),
        )
        for name in names
    ]


def names_of(places: list[Place]) -> list[str]:
    return [place.name for place in total_order(places)]


def outcome_of(places: list[Place]) -> list[str] | tuple[str, ...]:
    try:
        return names_of(places)
    except OrderCycleError as error:
        return ("circle", *error.circle)


# --- what it promises ----------------------------------------------------------------------------------


def test_all_permutations_give_one_order(count: Callable[[int], int]) -> None:
    @settings(max_examples=count(300), deadline=None, database=None)
    @given(some_places(), st.randoms(use_true_random=False))
    def check(places: list[Place], chance: random.Random) -> None:
        first = outcome_of(places)
        few = itertools.permutations(places) if len(places) <= 4 else _shuffles(places, chance, 24)
        assert all(outcome_of(list(permuted)) == first for permuted in few)

    check()


def _shuffles(places: list[Place], chance: random.Random, times: int) -> list[list[Place]]:
    return [chance.sample(places, len(places)) for _ in range(times)]


def test_what_is_said_by_name_holds(count: Callable[[int], int]) -> None:
    @settings(max_examples=count(2_000), deadline=None, database=None)
    @given(some_places())
    def check(places: list[Place]) -> None:
        order = outcome_of(places)
        if order[:1] == ("circle",):
            said = {(p.name, other) for p in places for other in p.before}
            said |= {(other, p.name) for p in places for other in p.after}
            assert order[1] == order[-1]
            assert all(step in said for step in itertools.pairwise(order[1:]))
            return
        assert sorted(order) == sorted(place.name for place in places)
        at = {name: position for position, name in enumerate(order)}
        for place in places:
            assert all(at[place.name] < at[other] for other in place.before if other in at and other != place.name)
            assert all(at[place.name] > at[other] for other in place.after if other in at and other != place.name)

    check()


def test_a_star_holds_against_all_that_say_nothing(count: Callable[[int], int]) -> None:
    @settings(max_examples=count(1_000), deadline=None, database=None)
    @given(
        st.lists(st.tuples(st.sampled_from(NAMES[:-1]), st.sampled_from(Tier)), unique_by=lambda row: row[0]),
        st.sets(st.sampled_from(NAMES[:-1])),
        st.sets(st.sampled_from(NAMES[:-1])),
    )
    def check(rows: list[tuple[str, Tier]], first: set[str], last: set[str]) -> None:
        last -= first
        order = names_of(
            [
                Place(name, tier, before=("*",) if name in first else (), after=("*",) if name in last else ())
                for name, tier in rows
            ]
        )
        groups = [0 if name in first else 2 if name in last else 1 for name in order]
        assert groups == sorted(groups)

    check()


@st.composite
def one_more(draw: st.DrawFn) -> Place:
    """A plugin that nobody names, with names on one side alone; a star on either."""
    before, after = draw(st.sampled_from([(SOME, STARS), (STARS, SOME)]))
    return Place(
        draw(st.sampled_from(["aaa", "cod", "zoo"])),
        draw(st.sampled_from(Tier)),
        draw(st.sampled_from(["", "acme", "zoo"])),
        before=draw(before),
        after=draw(after),
    )


def test_a_plugin_more_leaves_the_others_in_their_order(count: Callable[[int], int]) -> None:
    @settings(max_examples=count(10_000), deadline=None, database=None)
    @given(some_places(), one_more())
    @example([Place("p3"), Place("p4", before=("*",))], Place("added", before=("p4",), after=("*",)))
    @example([Place("p1"), Place("p2")], Place("added", before=("p1",), after=("*",)))
    @example([Place("p1"), Place("p2")], Place("zoo", before=("p1",)))
    @example([Place("a", before=("*",)), Place("b", before=("*",))], Place("x", before=("a",)))
    @example(
        [Place("ants"), Place("bees", before=("ants",)), Place("cats", before=("ants",))],
        Place("cod", before=("bees",)),
    )
    @example(
        [Place("ants"), Place("bees", before=("dogs",), innermost=True), Place("dogs", before=("dogs",))],
        Place("aaa", before=("*",), after=("dogs",)),
    )
    def check(places: list[Place], added: Place) -> None:
        order = outcome_of(places)
        if order[:1] != ("circle",):
            assert [name for name in names_of([*places, added]) if name != added.name] == order

    check()


# --- rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "order"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([Place("b"), Place("a")], ["a", "b"], id="by name"),
        pytest.param([Place("a", distribution="z"), Place("b", distribution="a")], ["b", "a"], id="distribution first"),
        pytest.param([Place("a", Tier.SESSION), Place("b", Tier.HOST)], ["b", "a"], id="tier before distribution"),
        pytest.param(
            [Place("a", Tier.HOST, after=("b",)), Place("b", Tier.SESSION)], ["b", "a"], id="after beats tier"
        ),
        pytest.param([Place("a"), Place("b", before=("a",))], ["b", "a"], id="before"),
        pytest.param([Place("a", after=("nobody",)), Place("b")], ["a", "b"], id="a name that is not there"),
        pytest.param([Place("a", before=("a",))], ["a"], id="before itself means nothing"),
        pytest.param([Place("a", after=("*",)), Place("b"), Place("c")], ["b", "c", "a"], id="after all"),
        pytest.param(
            [Place("a"), Place("c", before=("*",)), Place("b", before=("*",))], ["b", "c", "a"], id="two firsts"
        ),
        pytest.param(
            [Place("a", after=("*",)), Place("b", after=("a",)), Place("c")], ["c", "a", "b"], id="a name beats a star"
        ),
        pytest.param([Place("a", before=("*",), after=("*",)), Place("b")], ["a", "b"], id="both stars: the first"),
    ],
)
def test_who_comes_first(places: list[Place], order: list[str]) -> None:
    assert names_of(places) == order


@pytest.mark.parametrize(
    ("places", "circle"),
    [
        pytest.param([Place("a", before=("b",)), Place("b", before=("a",))], ("a", "b", "a"), id="two"),
        pytest.param([Place("a", after=("b",)), Place("b", after=("a",))], ("a", "b", "a"), id="two, by after"),
        pytest.param(
            [Place("a", before=("b",)), Place("b", before=("c",)), Place("c", before=("a",)), Place("d")],
            ("a", "b", "c", "a"),
            id="three of four",
        ),
    ],
)
def test_a_circle_names_its_plugins(places: list[Place], circle: tuple[str, ...]) -> None:
    with pytest.raises(OrderCycleError) as caught:
        total_order(places, hook="pre_tool")
    assert caught.value.circle == circle
    assert caught.value.hook == "pre_tool"
    assert " before ".join(circle) in str(caught.value)
