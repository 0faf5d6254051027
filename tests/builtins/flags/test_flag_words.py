"""The words of flags: declaring, voting, resolving, viewing. No file, no host."""

from __future__ import annotations

import itertools
import json
import pickle
import string
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.flags import (
    LAYER_RANK,
    Flag,
    FlagError,
    FlagLayer,
    FlagSnapshot,
    FlagView,
    FlagVote,
    Ramp,
    UnknownFlagError,
    edits,
    flag,
    nearest_flag,
    ramp,
    ramp_of,
    resolve,
    variable_of,
    why_ignored,
)

LAYERS = [layer for layer in FlagLayer if layer not in (FlagLayer.DEFAULT, FlagLayer.LIVE)]
votes = st.lists(st.tuples(st.sampled_from(LAYERS), st.integers(0, 5)), max_size=9)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        pytest.param({"name": "Bad Name"}, "letters and digits", id="a name with a blank"),
        pytest.param({"name": "a__b"}, "letters and digits", id="two underscores, which a variable could not tell"),
        pytest.param({"default": [1]}, "list", id="a type that is none of the five"),
        pytest.param({"kind": "experiment"}, "expires", id="an experiment without an end"),
        pytest.param({"kind": "trial"}, "kind is one of", id="an unknown kind"),
        pytest.param({"default": 5, "max": 4}, "more than 4", id="a default out of bounds"),
        pytest.param({"default": "x", "max": 4}, "for numbers", id="bounds for a text"),
        pytest.param({"default": True, "live": True}, "safe", id="a kill switch without a safe side"),
        pytest.param({"default": True, "live": True, "safe": "no"}, "boolean", id="a safe side of another type"),
        pytest.param({"default": "c", "choices": ("a", "b")}, "none of a, b", id="a default that is no choice"),
        pytest.param({"variants": {"on": 1}}, "boolean", id="a variant of another type"),
        pytest.param({"variants": {"on": True}, "default_variant": "off"}, "none of on", id="an unknown variant"),
    ],
)
def test_a_declaration_that_cannot_be_says_why(facts, why):
    with pytest.raises(FlagError, match=why):
        Flag(**{"name": "a", "default": False, **facts})


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (True, "off", False),
        (False, "YES", True),
        (1, "12", 12),
        (0.5, "3", 3.0),
        ("a", "true", "true"),
        ({}, '{"a": [1]}', {"a": [1]}),
    ],
)
def test_a_text_is_read_by_the_type_of_the_flag(default, text, value):
    parsed = flag("x", default).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("default", "text"), [(True, "maybe"), (1, "1.5"), (1, "x"), (0.5, "a"), ({}, "[1]"), ({}, "{")]
)
def test_a_text_of_another_type_is_refused(default, text):
    with pytest.raises(FlagError):
        flag("x", default).parse(text)


def test_true_is_no_number_and_a_whole_number_is_one():
    with pytest.raises(FlagError, match="integer"):
        flag("x", 1).check(True)
    assert flag("x", 1.0).check(2) == 2.0


@given(votes)
def test_the_highest_layer_decides_whatever_the_order(said):
    one = flag("x", -1, remote=True)
    made = [FlagVote("x", layer, value) for layer, value in said]
    found = resolve({"x": one}, made).snapshot.details["x"]
    if not said:
        assert (found.value, found.layer) == (-1, FlagLayer.DEFAULT)
        return
    top = max((layer for layer, _ in said), key=LAYER_RANK.__getitem__)
    assert found.layer is top
    assert found.value == [value for layer, value in said if layer is top][-1]
    others = sorted(made, key=lambda vote: (vote.layer is top, LAYER_RANK[vote.layer]))
    assert resolve({"x": one}, others).snapshot.id == resolve({"x": one}, made).snapshot.id


@given(votes, st.booleans(), st.booleans())
def test_what_is_locked_or_not_remote_hears_only_who_may_speak(said, locked, remote):
    one = flag("x", -1, locked=locked, remote=remote)
    found = resolve({"x": one}, [FlagVote("x", layer, value) for layer, value in said]).snapshot.details["x"]
    if locked:
        assert found.layer in (FlagLayer.DEFAULT, FlagLayer.MANAGED)
    if not remote:
        assert found.layer is not FlagLayer.REMOTE


def test_a_live_vote_only_moves_to_the_safe_side():
    one = flag("x", True, live=True, safe=False)
    assert why_ignored(one, FlagVote("x", FlagLayer.LIVE, True))
    assert not why_ignored(one, FlagVote("x", FlagLayer.LIVE, False))
    assert why_ignored(flag("y", True), FlagVote("y", FlagLayer.LIVE, False))


def test_an_unknown_name_and_a_wrong_type_are_told_with_their_place():
    flags = {"tools.parallel_limit": flag("tools.parallel_limit", 8)}
    found = resolve(
        flags,
        [
            FlagVote("tools.paralel_limit", FlagLayer.USER, 1, "settings.toml", 7),
            FlagVote("tools.parallel_limit", FlagLayer.LOCAL, "many", "local.toml", 3),
        ],
    )
    unknown, wrong = found.problems
    assert isinstance(unknown, UnknownFlagError)
    assert (unknown.nearest, unknown.file, unknown.line) == ("tools.parallel_limit", "settings.toml", 7)
    assert str(unknown).startswith("settings.toml:7: there is no flag 'tools.paralel_limit'. Did you mean")
    assert str(wrong).startswith("local.toml:3: flag 'tools.parallel_limit': is integer")
    assert found.snapshot.details["tools.parallel_limit"].value == 8


def test_a_remote_source_may_speak_of_flags_that_are_not_ours():
    assert resolve({}, [FlagVote("theirs", FlagLayer.REMOTE, 1)]).problems == []


@given(st.text("abc.", max_size=7), st.text("abc.", max_size=7))
def test_edits_are_a_distance(left, right):
    assert edits(left, right) == edits(right, left)
    assert (edits(left, right) == 0) is (left == right)
    assert edits(left, right) <= max(len(left), len(right))


def one_edits(name: str) -> set[str]:
    """Every name that one letter added, taken, changed or swapped makes of a name."""
    letters = string.ascii_lowercase + string.digits + "._-"
    splits = [(name[:i], name[i:]) for i in range(len(name) + 1)]
    taken = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    changed = {a + c + b[1:] for a, b in splits if b for c in letters}
    added = {a + c + b for a, b in splits for c in letters}
    return (taken | swapped | changed | added) - {name, ""}


def test_every_one_edit_mutation_is_told_with_the_right_name(full):
    """Of all flags that the built-ins declare; the four places where a name may stand are in test_flag_places.

    All of them with --full, every fifth otherwise.
    """
    from importlib_metadata import entry_points

    names = set(NAMES)
    for point in entry_points(group="pegboard"):
        if point.value.startswith("pegboard_builtins."):
            found = vars(point.load()).values()
            names |= {one.name for one in found if isinstance(one, Flag)}
    mutations = [(name, wrong) for name in sorted(names) for wrong in sorted(one_edits(name)) if wrong not in names]
    assert len(mutations) > 4_000
    mutations = mutations if full else mutations[::5]
    right = sum(nearest_flag(wrong, names) == name for name, wrong in mutations)
    assert right >= 0.99 * len(mutations)


NAMES = ("tools.parallel_limit", "tools.parallel", "memory.consolidate", "undercover.strict", "shell.background")


def test_a_snapshot_has_an_id_by_its_content():
    a = FlagSnapshot.of({"x": 1, "y": {"k": [1]}})
    assert a.id == FlagSnapshot.of({"y": {"k": [1]}, "x": 1}).id
    assert a.id != FlagSnapshot.of({"x": 2, "y": {"k": [1]}}).id
    again = FlagSnapshot.restore(json.loads(json.dumps(a.values)), json.loads(json.dumps(a.facts)))
    assert again.id == a.id
    assert FlagSnapshot().id == ""


# --- the view ------------------------------------------------------------------------------------------


def view_of(**values):
    told = []
    return FlagView(FlagSnapshot.of(values), on_read=lambda one: told.append(one.name)), told


def test_the_first_read_of_a_turn_is_told_and_no_other():
    view, told = view_of(a=1, b="x")
    assert [view["a"], view["a"], view.get("a"), view.integer("a")] == [1, 1, 1, 1]
    assert told == ["a"]
    view.begin_turn()
    assert view["a"] == 1
    assert told == ["a", "a"]


def test_a_name_that_nobody_declared_is_an_error_whoever_asks_how():
    view, _ = view_of(alpha=1)
    for ask in (view.__getitem__, view.get, view.details, view.integer, view.peek):
        with pytest.raises(UnknownFlagError, match="'alpha'"):
            ask("alhpa")
    with pytest.raises(UnknownFlagError):
        view.get("alhpa", 5)


def test_a_view_cannot_be_changed():
    view, _ = view_of(a=1, o={"k": 1})
    view["a"]
    for change in (
        lambda: view.__setitem__("a", 2),
        lambda: view.update(a=2),
        lambda: view.pop("a"),
        lambda: view.setdefault("b", 1),
        lambda: view.clear(),
        lambda: view.__delitem__("a"),
        lambda: view.popitem(),
        lambda: view.__ior__({"a": 2}),
    ):
        with pytest.raises(TypeError, match="frozen"):
            change()
    view["o"]["k"] = 2
    assert view["o"] == {"k": 1}
    assert view["a"] == 1


def test_a_view_is_a_mapping_of_all_flags():
    view, _ = view_of(a=1, b=2)
    assert len(view) == 2
    assert list(view) == ["a", "b"]
    assert "b" in view
    assert dict(view) == {"a": 1, "b": 2} == {**view} == view.copy()
    assert view == {"a": 1, "b": 2}
    assert pickle.loads(pickle.dumps(view)) == view


def test_a_typed_read_of_another_type_is_an_error():
    view, _ = view_of(a=1, s="x", f=0.5, t=True, o={})
    assert (view.integer("a"), view.string("s"), view.number("f"), view.boolean("t"), view.table("o")) == (
        1,
        "x",
        0.5,
        True,
        {},
    )
    for read, name in ((view.boolean, "a"), (view.integer, "t"), (view.string, "o"), (view.table, "s")):
        with pytest.raises(FlagError, match="was asked for as"):
            read(name)


def test_a_live_flag_goes_to_its_safe_side_and_never_back():
    thrown: dict[str, object] = {}
    declared = {"k": flag("k", True, live=True, safe=False), "p": flag("p", True)}
    view = FlagView(FlagSnapshot.of({"k": True, "p": True}), declared=declared, live=lambda: thrown)
    assert view["k"] is True
    thrown.update(k=True, p=False)
    assert (view["k"], view["p"]) == (True, True)
    thrown["k"] = False
    assert view["k"] is False
    thrown.clear()
    assert view["k"] is False
    assert view.details("k").layer is FlagLayer.LIVE
    assert view.gone_safe == ("k",)


@pytest.mark.parametrize(
    ("value", "how"), [(True, Ramp.ENFORCE), (False, Ramp.OFF), ("shadow", Ramp.SHADOW), ("warn", Ramp.WARN)]
)
def test_a_ramp_is_a_word_or_a_switch(value, how):
    assert ramp_of({"r": value}, "r") is how


def test_a_ramp_knows_its_four_words():
    made = ramp("acme.strict", expires=date(2030, 1, 1))
    assert made.default == "shadow"
    with pytest.raises(FlagError, match="none of off, shadow, warn, enforce"):
        made.parse("loud")
    with pytest.raises(FlagError, match="a ramp is one of"):
        ramp_of({"x": 3}, "x")


def test_two_names_are_one_variable_only_where_their_words_are_joined_otherwise():
    for left, right in itertools.combinations(("a.b", "a-b", "a_b"), 2):
        assert variable_of(left) == variable_of(right) == "PEGBOARD_FLAG_A_B"
