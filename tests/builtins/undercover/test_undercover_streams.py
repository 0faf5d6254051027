"""A stream shows only what can never become a name, and in the end what the whole text would have shown."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pegboard_builtins.undercover.engine import ByteStream, Matcher, Stream, read_names

MASK = "[internal]"
NAMES = ["Nova", "Nova Prime", "Blue Heron", "Heron Lake", "Zorblaxia", "db-7", "天狼", "Mowgli-Warn"]
NORMAL = Matcher(read_names("\n".join(NAMES), key=b"k"))
STRICT = Matcher(read_names("\n".join(NAMES), key=b"k"), strict=True)

WORDS = """
    n N no nova Nova NOVA prime blue Blue heron Heron lake zorblaxia zor blaxia db 7 天狼 天 x novax anova rn m vv w
    owgli warn Mowgli 6e 6f 76 61 0x6e be ad ſ ϲ ４ Ｎ о а 0 1 l i 3 + ` { } - _ . / , : | ( ) * ** % %6 %6e %6eov
    %256e \\ \\u006 \\u006e \\x6e \\n & &#110; &#x6e &shy; = =6 =6E <b> </b > "
"""
PIECES = [
    *WORDS.split(),
    *(" ", "  ", "\n", "\t", ", ", "\u200b", "\u0301", "\u00a0", "=\n", "-\n", "\x1b[", "\x1b[0m", '" + "', "' '"),
    *("6e 6f", "6e 6f 76 61", " prime", "6e-6f-76", "-76-61", "ø", "ᴀ", "q"),
    *(
        "\x1b",
        "[",
        "]",
        "\x07",
        "\x1b(B",
        "(B",
        "\x9b",
        "1m",
        "[1m",
        "\\e",
        "\\033",
        "\\x1b",
        "%1b",
        "&#27;",
        "\\u001b",
    ),
    *("\r", "\r\n", "= ", "=\r", "0;t", "\x1b]0;", "\\x1b]", "\\007"),
    base64.b64encode(b"Nova").decode(),
    base64.b64encode(b"a Blue Heron b").decode(),
    base64.b64encode(base64.b64encode(b"Nova Prime")).decode(),
    base64.b64encode(b"zorblaxia " * 4).decode()[:40],
    base64.b64encode(b"zorblaxia " * 4).decode()[40:],
    base64.b32encode(b"Blue Heron").decode(),
    b"Blue Heron".hex(),
]
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=14).map("".join)
cuts = st.lists(st.integers(0, 400), max_size=12)


def pieces_of(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[a:b] for a, b in pairwise(edges)]


def check(matcher: Matcher, text: str, pieces: list[str]) -> None:
    whole = matcher.mask(text, MASK)
    stream = Stream(matcher, MASK)
    shown = ""
    for piece in pieces:
        shown += stream.take(piece)
        assert whole.startswith(shown), (text, shown, whole)
    assert shown + stream.end() == whole
    assert [(hit.start, hit.end) for hit in stream.hits] == [(hit.start, hit.end) for hit in matcher.find(text)]


@settings(max_examples=400, deadline=None)
@given(texts, cuts)
@example("blue &#104;e&#114;on lake", [3, 9, 20])
@example("6e 6f 76 61 after", [3, 4, 5, 12])
@example("Mowgli-Wa\u200brn", [2, 8, 10])
@example("Zor\\033[1mblaxia", [8, 9, 10])
@example("Zor=\r\nblaxia", [5])
@example(" \x1b[1mnova\x1b[0m", [6, 7])
@example("\\n\u200bnova", [3, 4])
@example("n\x1b[\x1b[0m' 'Nova", [4, 8, 12])
@example("n000\\eO\x1anova6e  nnnnova\x1b(B000", [188])
@example("%2e\u200bnova", [4])
@example("=2e\u200bnova", [4])
@example("0\x1bO\x01nova", [4])
@example("a\x1b[@\x01no\x1b[mva", [5])
@example("&amp;Va\x1b[blaxiaem9yYmxheGlhIA==<i>Va", [23])
@example("i%6e426c7565204865726f6e\x1b(Bem9yYmxheGlhIA==0;t", [9, 26, 30])
@example("%2e\x1b(B%6eovA", [6])
@example("%2e\u200b\u200bnova", [3, 4, 5])
def test_a_stream_shows_what_the_whole_text_would_show(text, places):
    check(NORMAL, text, pieces_of(text, places))


@settings(max_examples=400, deadline=None)
@given(texts, cuts)
@example("天\\n76Tm92YQ==\x1b[!p&#110;prime&shy;天", [5, 6, 12, 14, 28])
@example("&amp;\x1b[!pqvaem9yYmxheGlhIHpvcmJsYXhpYSB6b3JibGF4aWEg\x07", [9, 11, 19, 32, 42, 46])
def test_a_strict_stream_shows_what_the_whole_text_would_show(text, places):
    check(STRICT, text, pieces_of(text, places))


@settings(max_examples=150, deadline=None)
@given(texts)
def test_a_stream_of_single_characters_shows_the_same(text):
    check(NORMAL, text, list(text))


@settings(max_examples=150, deadline=None)
@given(texts.map(lambda text: text.encode("utf-8", "replace")), cuts)
def test_bytes_may_be_parted_within_a_character(raw, places):
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    stream = ByteStream(NORMAL, MASK)
    shown = b"".join(stream.take(raw[a:b]) for a, b in pairwise(edges)) + stream.end()
    assert shown.decode() == NORMAL.mask(raw.decode(), MASK)


@pytest.mark.parametrize(
    "digits", [b"Blue Heron".hex(), base64.b32encode(b"Blue Heron").decode()], ids=["hex", "base32"]
)
def test_a_colour_before_digits_hides_no_name_in_them(digits):
    text = f"a \x1b[0m{digits} b"
    assert digits not in NORMAL.mask(text, MASK)
    check(NORMAL, text, list(text))


def test_long_texts_are_masked_as_if_they_were_looked_at_at_once():
    filler = " some words that mean nothing at all, and go on for a while;" * 40
    text = (
        filler + " Blue\n  Heron" + filler + " %6eova" + filler + " " + base64.b64encode(b"Nova Prime!" * 900).decode()
    )
    stream = Stream(NORMAL, MASK)
    shown = "".join(stream.take(text[at : at + 7]) for at in range(0, len(text), 7)) + stream.end()
    assert shown == NORMAL.mask(text, MASK) == f"{filler} {MASK}{filler} {MASK}{filler} {MASK}"


def test_clean_talk_is_hardly_held_back():
    import undercover_names as made_up

    matcher = Matcher(read_names("\n".join(made_up.names(2_000)), key=b"k"))
    text = made_up.chat(20_000)
    stream, held = Stream(matcher), []
    for at in range(0, len(text), 20):
        stream.take(text[at : at + 20])
        held.append(stream.held)
    held.sort()
    assert held[int(len(held) * 0.99)] <= 64
