"""Skeletons: what looks alike is alike, what is invisible is gone, and the engine stands alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pegboard_builtins.undercover.engine as engine
from pegboard_builtins.undercover.engine.letters import OTHER_READINGS, letters, skeleton
from pegboard_builtins.undercover.engine.names import NamesError, read_names, words_of

ENGINE = Path(engine.__file__).parent


@given(st.text(), st.text())
def test_a_skeleton_is_that_of_its_characters(left, right):
    assert skeleton(left + right) == skeleton(left) + skeleton(right)
    assert skeleton(left) == "".join(map(letters, left)).encode()


@given(st.text())
def test_case_changes_no_skeleton_of_ascii(text):
    plain = "".join(one for one in text if one.isascii())
    assert skeleton(plain.upper()) == skeleton(plain.lower()) == skeleton(plain)


def test_every_look_alike_of_a_latin_letter_has_that_letters_skeleton():
    table = (ENGINE / "confusables.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.split("\t") for line in table if not line.startswith("#")]
    latin = [(prototype, other) for prototype, others in lines if prototype.isascii() for other in others]
    assert len(latin) > 700
    wrong = [
        (prototype, other, letters(other))
        for prototype, other in latin
        if skeleton(other) != skeleton(prototype) and other not in OTHER_READINGS
    ]
    assert wrong == []


@pytest.mark.parametrize("character", ["\u200b", "\u00ad", "\u0301", "\ufe0f", "\u202e", "\u3164", "\x00", "\u2060"])
def test_what_shows_nothing_has_no_letters(character):
    assert letters(character) == ""
    assert skeleton(f"a{character}b") == b"ab"


@pytest.mark.parametrize(
    ("dressed", "plain"),
    [
        ("ＦＵＬＬ", "full"),
        ("𝔣𝔯𝔞𝔨𝔱𝔲𝔯", "fraktur"),
        ("ⓒⓘⓡⓒⓛⓔ", "circle"),
        ("🇷🇪🇬", "reg"),
        ("🅽🅴🅶", "neg"),
        ("ﬁne", "fine"),
        ("modern", "rnodern"),
        ("wow", "vvovv"),
        ("Ill1", "llll"),
        ("O0o", "000"),
        ("".join(chr(0xE0000 + ord(one)) for one in "tag"), "tag"),
        (unicodedata.normalize("NFD", "über"), "uber"),
    ],
)
def test_dresses_of_letters(dressed, plain):
    assert skeleton(dressed) == skeleton(plain)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BlueHeron", ["Blue", "Heron"]),
        ("blue-heron_7", ["blue", "heron", "7"]),
        ("HTTPServer", ["HTTP", "Server"]),
        ("db7", ["db", "7"]),
        ("zorblax", ["zorblax"]),
    ],
)
def test_words_of_a_name(name, words):
    assert words_of(name) == words


def test_a_list_has_comments_and_groups():
    names = read_names("# ours\nZorblax\n\n[hardware]\n  Blue Heron  \nzorblax\n", key=b"k")
    assert [(name.text, name.group) for name in names] == [
        ("Zorblax", ""),
        ("Blue Heron", "hardware"),
        ("zorblax", "hardware"),
    ]
    assert names[0].id == names[2].id, "one name, one id, however it is written"


def test_nothing_that_is_printed_shows_a_name():
    names = read_names("Zorblax\nBlue Heron", key=b"k")
    found = engine.Matcher(names)
    shown = f"{names!r} {found!r} {found.find('the zorblax')!r} {found._patterns!r}"
    assert "orblax" not in shown.lower()
    assert "heron" not in shown.lower()
    assert names[0].id.startswith("name#")


def test_ids_are_useless_without_the_key():
    assert read_names("Zorblax", key=b"one")[0].id != read_names("Zorblax", key=b"two")[0].id


@pytest.mark.parametrize("wrong", ["ab", "--", "x" * 300])
def test_what_cannot_be_a_name_is_told_by_its_line_alone(wrong):
    with pytest.raises(NamesError, match="line 2") as error:
        read_names(f"Zorblax\n{wrong}", key=b"k")
    assert wrong not in str(error.value)


def test_the_engine_stands_alone(tmp_path):
    shutil.copytree(ENGINE, tmp_path / "names_engine")
    program = (
        "import sys; from names_engine import Matcher, read_names\n"
        "found = Matcher(read_names('Blue Heron', key=b'k'))\n"
        "assert found.mask('a blue_heron') == 'a [internal]'\n"
        "assert not [name for name in sys.modules if name.startswith('pegboard')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_without_the_automaton_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ahocorasick_rs", None)
    with pytest.raises(engine.MissingAutomatonError, match="pip install"):
        engine.Matcher(read_names("Zorblax", key=b"k"))
