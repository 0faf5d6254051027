"""Targeting: rules, who they are for, decisions that stay, and what is exported and taken over."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3

import pytest
from test_flag_places import host_of, resolved

from pegboard.flags import FlagLayer, flag
from pegboard_builtins.flags import targeting
from pegboard_builtins.flags.exchanging import from_flagd, to_flagd
from pegboard_builtins.flags.targeting import Decisions, RuleError, decides_by_lot, evaluate, hashed_key

LOT = {"fractional": [["red", 50], ["blue", 50]]}
COLOUR = flag("t.colour", "red", variants={"red": "red", "blue": "blue"}, targeting=LOT)
EXPECTED = {"ada": "red", "ben": "red", "cyd": "blue", "dan": "blue", "eve": "red", "fay": "blue"}
"""Whom the pinned version puts where (fractional v2). If this changes, the pin was not enough."""


def test_the_pinned_version_puts_people_where_it_always_did():
    assert {key: evaluate(COLOUR, LOT, {"targetingKey": key}).variant for key in EXPECTED} == EXPECTED


def test_an_upgrade_moves_nobody(tmp_path, monkeypatch):
    """With every answer of the new version other than the old one's, who was decided about stays."""
    decisions = Decisions(tmp_path / "d.sqlite3")
    before = {key: decisions.decide(COLOUR, LOT, {"targetingKey": key}).variant for key in EXPECTED}
    old = targeting.answer_of
    monkeypatch.setattr(targeting, "answer_of", lambda *given: {"red": "blue", "blue": "red"}[old(*given)])
    after = {key: decisions.decide(COLOUR, LOT, {"targetingKey": key}) for key in EXPECTED}
    assert {key: found.variant for key, found in after.items()} == before == EXPECTED
    assert all(found.stored for found in after.values())
    new = decisions.decide(COLOUR, LOT, {"targetingKey": "newcomer"})
    assert not new.stored
    other_rule = {"fractional": [["red", 49], ["blue", 51]]}
    assert not decisions.decide(COLOUR, other_rule, {"targetingKey": "ada"}).stored


def test_only_what_is_decided_by_lot_for_good_is_kept(tmp_path):
    assert decides_by_lot(LOT)
    assert not decides_by_lot({"==": [{"var": "ci"}, True]})
    assert not decides_by_lot({"if": [{">": [{"var": "$flagd.timestamp"}, 1]}, LOT, None]})
    decisions = Decisions(tmp_path / "d.sqlite3")
    decisions.decide(COLOUR, {"if": [{"var": "ci"}, "red", "blue"]}, {"targetingKey": "a"})
    assert not (tmp_path / "d.sqlite3").exists()


def decide_in_a_process(given):
    path, key = given
    return Decisions(path).decide(COLOUR, LOT, {"targetingKey": key}).variant


def test_processes_that_decide_at_once_agree(tmp_path):
    path = tmp_path / "d.sqlite3"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(decide_in_a_process, [(path, f"k{n % 5}") for n in range(45)], chunksize=1)
    by_key = {f"k{n % 5}": variant for n, variant in enumerate(found)}
    assert all(variant == by_key[f"k{n % 5}"] for n, variant in enumerate(found))
    assert sqlite3.connect(path).execute("SELECT count(*) FROM decisions").fetchone() == (5,)


def test_what_was_decided_and_cannot_be_read_is_told(tmp_path):
    path = tmp_path / "d.sqlite3"
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(Exception, match=r"d\.sqlite3: what rules decided cannot be read"):
        Decisions(path).decide(COLOUR, LOT, {"targetingKey": "a"})


@pytest.mark.parametrize(
    ("logic", "why"),
    [
        ({"if": [True, "green", None]}, "none of red, blue"),
        ({"nonsense": [1]}, "cannot be evaluated"),
        ({"$ref": "nowhere"}, "cannot be evaluated"),
        ("text", "cannot be evaluated"),
    ],
)
def test_a_rule_that_cannot_be_is_told(logic, why):
    with pytest.raises(RuleError, match=why):
        evaluate(COLOUR, logic, {})


def test_a_rule_may_give_the_value_itself_where_there_are_no_variants():
    assert evaluate(flag("t.limit", 8, max=32), {"if": [{"var": "ci"}, 2, None]}, {"ci": True}).value == 2
    assert evaluate(flag("t.limit", 8, max=32), {"if": [{"var": "ci"}, 2, None]}, {"ci": False}) is None
    with pytest.raises(RuleError, match="more than 32"):
        evaluate(flag("t.limit", 8, max=32), {"if": [True, 99, None]}, {})
    assert evaluate(flag("t.on", False), {"if": [True, "on", None]}, {}).value is True


def test_a_key_leaves_only_hashed_and_stays(tmp_path):
    file = tmp_path / "flags" / "key"
    made = hashed_key("", file)
    assert made == hashed_key("", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() not in made
    assert "ada@example.org" not in hashed_key("ada@example.org", file)


RULES = """
[flags."rule.ci"]
default = 8
targeting = '{"if": [{"==": [{"var": "ci"}, true]}, 2, null]}'

[flags."rule.lot"]
default = "a"
variants = { a = "a", b = "b" }
targeting = { fractional = [["a", 1], ["b", 1]] }

[flags."rule.broken"]
default = "a"
variants = { a = "a" }
targeting = { if = [true, "nobody"] }
"""


def test_rules_of_the_flags_file_count_in_sessions(place, flags):
    place.flags_file.write_text(RULES)
    place.trust()
    found = resolved(host_of(place, CI="")).snapshot.details
    assert (found["rule.ci"].value, found["rule.ci"].reason) == (8, "DEFAULT")
    on_ci = resolved(host_of(place, CI="true"))
    assert (on_ci.snapshot.details["rule.ci"].value, on_ci.snapshot.details["rule.ci"].reason) == (2, "TARGETING_MATCH")
    lot = found["rule.lot"]
    assert all(resolved(host_of(place)).snapshot.details["rule.lot"].value == lot.value for _ in range(3))
    assert on_ci.snapshot.details["rule.broken"].value == "a"
    code, said = flags("explain", "rule.broken")
    assert code == 0
    assert "none of a" in said
    (place.config / "settings.toml").write_text('[flags.values]\n"rule.ci" = 5\n')
    assert resolved(host_of(place, CI="true")).snapshot.details["rule.ci"].layer is FlagLayer.USER


def test_a_rule_for_somebody_elses_flag_stands_in_its_layer(place):
    (place.config / "flags.toml").write_text('[flags."shop.limit"]\ntargeting = { if = [true, 4] }\n')
    found = resolved(host_of(place)).snapshot.details["shop.limit"]
    assert (found.value, found.layer, found.rule) == (4, FlagLayer.USER, "targeting")
    assert found.file.endswith("config/flags.toml")
    (place.config / "flags.toml").write_text('[flags."shop.limti"]\ntargeting = { if = [true, 4] }\n')
    (problem,) = resolved(host_of(place)).problems
    assert "Did you mean 'shop.limit'" in str(problem)
    assert "flags.toml:1" in str(problem)


# --- other programs' words -----------------------------------------------------------------------------


def test_what_is_exported_for_flagd_means_the_same_there(place, flags):
    """flagd-core itself reads it, and says what `list` says."""
    from openfeature.contrib.tools.flagd.core import FlagdCore

    place.user('[flags.values]\n"shop.limit" = 4\n"shop.colour" = "blue"\n')
    definition = json.loads(flags("export", "--format", "flagd")[1])
    core = FlagdCore()
    core.set_flags(json.loads(json.dumps(definition)))
    for one in json.loads(flags("list", "--json")[1]):
        ask = {"boolean": "boolean", "integer": "integer", "number": "float", "string": "string", "object": "object"}
        resolve = getattr(core, f"resolve_{ask[one['type']]}_value")
        empty = type(one["value"])()
        assert resolve(one["name"], empty).value == one["value"], one["name"]


def test_a_definition_survives_there_and_back():
    flags_ = {one.name: one for one in (COLOUR, flag("a", 1), flag("b", False), flag("c", 0.5), flag("d", {"k": 1}))}
    again = {one.name: one for one in from_flagd(json.loads(json.dumps(to_flagd(flags_))))}
    assert {name: one.default for name, one in again.items()} == {name: one.default for name, one in flags_.items()}
    assert again["t.colour"].targeting == LOT


def test_import_declares_what_is_new_and_leaves_what_is_there(place, flags):
    definition = {
        "$evaluators": {"ballmer": {"==": [{"var": "email"}, "b"]}},
        "flags": {
            "new.flag": {
                "state": "ENABLED",
                "variants": {"on": True, "off": False},
                "defaultVariant": "off",
                "targeting": {"if": [{"$ref": "ballmer"}, "on", None]},
            },
            "shop.limit": {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"},
        },
    }
    file = place.project / "flagd.json"
    file.write_text(json.dumps(definition))
    before = place.flags_file.read_text()
    code, said = flags("import", str(file), "--project")
    assert code == 0, said
    assert "left as they are: shop.limit" in said
    assert place.flags_file.read_text().startswith(before.rstrip("\n"))
    place.trust()
    assert "on" in json.dumps(host_of(place).declared_flags()["new.flag"].targeting)
    file.write_text('{"flags": {"x": {"state": "ENABLED", "variants": {}}}}')
    code, said = flags("import", str(file), "--project")
    assert code == 1
    assert "has no variants" in said


def test_import_of_values_sets_them_or_nothing(place, flags):
    file = place.project / "values.json"
    file.write_text(json.dumps({"flags": [{"key": "shop.limit", "value": 4}, {"key": "other", "value": 1}]}))
    code, said = flags("import", str(file))
    assert code == 0
    assert "left out: other" in said
    assert flags("get", "shop.limit") == (0, "4\n")
    file.write_text(
        json.dumps({"flags": [{"key": "shop.limit", "value": 5}, {"key": "shop.colour", "value": "green"}]})
    )
    code, said = flags("import", str(file))
    assert code == 1
    assert "none of red, blue" in said
    assert flags("get", "shop.limit") == (0, "4\n")
    own = place.project / "own.json"
    own.write_text(flags("export", "--format", "ofrep")[1])
    assert flags("import", str(own))[0] == 0
    assert "Formats: flagd, ofrep, json" in flags("export", "--format", "yaml")[1]
