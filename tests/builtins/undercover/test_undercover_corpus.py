"""Names in every dress are found, whole and in pieces; texts without names are left alone."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import undercover_dresses as dresses
import undercover_names as made_up

from pegboard_builtins.undercover.engine import Matcher, Stream, read_names

KEY = b"a key for tests"
MASK = "[internal]"
CASES = {"normal": 65_000, "strict": 35_000}


def matcher(names: list[str], *, strict: bool = False, depth: int = 2) -> Matcher:
    return Matcher(read_names("\n".join(names), key=KEY), strict=strict, depth=depth)


def in_pieces(found: Matcher, text: str, rnd: random.Random, most: int = 6) -> str:
    """Return the masked text as a stream gives it, checking at each step that nothing of it is taken back."""
    stream = Stream(found, MASK)
    shown, at = "", 0
    while at < len(text):
        size = rnd.randint(1, most)
        shown += stream.take(text[at : at + size])
        at += size
    return shown + stream.end()


@pytest.mark.parametrize(
    ("mode", "wardrobe"), [("normal", dresses.NORMAL), ("strict", dresses.STRICT)], ids=["normal", "strict"]
)
def test_every_dress_is_seen_through_whole_and_in_pieces(mode, wardrobe, count):
    assert len(wardrobe) >= 76
    names = made_up.names(500)
    found = matcher(names, strict=mode == "strict")
    rnd = random.Random(f"{mode} dresses")
    missed: dict[str, int] = {}
    unequal: dict[str, int] = {}
    for _ in range(count(CASES[mode]) // len(wardrobe) + 1):
        for label, dress in wardrobe.items():
            name = rnd.choice(names)
            text = f"before it {dress(name, rnd)} after it"
            whole = found.mask(text, MASK)
            if MASK not in whole:
                missed[label] = missed.get(label, 0) + 1
            if in_pieces(found, text, rnd) != whole:
                unequal[label] = unequal.get(label, 0) + 1
    assert missed == {}
    assert unequal == {}


def test_what_a_mask_leaves_holds_no_name_any_more(count):
    names = made_up.names(100)
    found = matcher(names, strict=True)
    rnd = random.Random(9)
    for _ in range(count(3_000)):
        parts = [rnd.choice(list(dresses.STRICT.values()))(rnd.choice(names), rnd) for _ in range(3)]
        left = found.mask(" and ".join(parts), MASK)
        assert found.find(left) == [], left


def test_normal_mode_leaves_alone_what_only_strict_mode_may_see():
    found = matcher(["Zorblax"])
    for text in ("zor**bla**x", '"zor" + "blax"', "xalbroz", "mbeoynk"):
        assert found.mask(text) == text
        assert MASK in matcher(["Zorblax"], strict=True).mask(text)


# --- what is no name -----------------------------------------------------------------------------------


def sources() -> Iterator[str]:
    """Go through the source files of the standard library."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if "site-packages" not in path.parts and "/test" not in str(path) and "idlelib" not in path.parts:
            yield path.read_text(encoding="utf-8", errors="replace")


def code(megabytes: float) -> str:
    size, parts = 0, []
    for text in sources():
        parts.append(text)
        size += len(text)
        if size > megabytes * 1e6:
            break
    return "\n".join(parts)


@pytest.mark.parametrize("text_of", [code, lambda mb: made_up.chat(int(mb * 1e6))], ids=["code", "chat"])
def test_ten_thousand_names_are_met_by_chance_less_than_once_in_ten_megabytes(text_of, count):
    text = text_of(count(10))
    hits = matcher(made_up.names(10_000)).find(text)
    assert len(hits) / (len(text) / 1e6) < 0.1, [text[hit.start - 20 : hit.end + 20] for hit in hits[:5]]


def test_five_hundred_names_are_never_met_by_chance(count):
    text = code(count(6)) + made_up.chat(count(4) * 1_000_000)
    for strict in (False, True):
        assert matcher(made_up.names(500), strict=strict).find(text) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("Verna", "the governance of it", id="a name within a word"),
        pytest.param("Art Inn", "the start inning, startInning and start_inning", id="two words across two words"),
        pytest.param("Kivo", "akivob KIVOX", id="a short name within longer words"),
        pytest.param("Bindtex", "bindtextdomain", id="seven letters within a longer word"),
        pytest.param("Nova Prime", "nova, the first; prime rib", id="words of a name in other words' company"),
        pytest.param("Zorblax", "zor blax and zor-blax", id="a joint where the list has none"),
    ],
)
def test_what_only_looks_like_a_name_stays(name, text):
    assert matcher([name]).mask(text) == text


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        pytest.param("Kivo", "Kivo's and kivos", "[internal]'s and [internal]", id="possessive and plural"),
        pytest.param("Blue Heron", "BlueHeronFactory", "[internal]Factory", id="a class's name"),
        pytest.param("Blue Heron", "my_blue_heron_id", "my_[internal]_id", id="a part of a snake"),
        pytest.param("Zorblaxia", "prezorblaxian", "pre[internal]n", id="a long coined name anywhere"),
        pytest.param("db-prod-7.corp.example", "see db-prod-7.corp.example:22", "see [internal]:22", id="a host"),
        pytest.param("天狼", "关于天狼计划", "关于[internal]计划", id="a name in Han"),
        pytest.param("Ночной Дозор", "проект «Ночной дозор»", "проект «[internal]»", id="a name in Cyrillic"),
        pytest.param("Blue Heron", "blue heron lake", "[internal] lake", id="at the end of a word"),
    ],
)
def test_boundaries(name, text, left):
    assert matcher([name]).mask(text) == left


def test_names_that_overlap_are_masked_as_one():
    assert matcher(["Blue Heron", "Heron Lake"]).mask("at blue heron lake now") == f"at {MASK} now"


def test_text_without_a_name_is_the_very_same_object():
    text = made_up.chat(50_000)
    assert matcher(made_up.names(50)).mask(text) is text
