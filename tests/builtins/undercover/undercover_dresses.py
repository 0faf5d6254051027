"""Ways to dress a name: what a model, a tool or a person may make of it on its way out, each a plain function."""

from __future__ import annotations

import base64
import codecs
import html
import quopri
import random
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

Dress = Callable[[str, random.Random], str]
"""Takes a name (words with blanks between them) and a source of chance."""


def words(name: str) -> list[str]:
    return name.split(" ")


def joined(separator: str) -> Dress:
    return lambda name, rnd: separator.join(words(name))


def lower(separator: str) -> Dress:
    return lambda name, rnd: separator.join(words(name)).lower()


def upper(separator: str) -> Dress:
    return lambda name, rnd: separator.join(words(name)).upper()


def camel(name: str, rnd: random.Random) -> str:
    first, *rest = words(name)
    return first.lower() + "".join(word.capitalize() for word in rest)


def pascal(name: str, rnd: random.Random) -> str:
    return "".join(word.capitalize() for word in words(name))


def random_case(name: str, rnd: random.Random) -> str:
    return "".join(rnd.choice((one.lower(), one.upper())) for one in "".join(words(name)))


def spread(separator: str) -> Dress:
    return lambda name, rnd: separator.join("".join(words(name)))


def sprinkled(characters: str) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        return "".join(one + (rnd.choice(characters) if rnd.random() < 0.6 else "") for one in name.strip())

    return dress


def shifted(upper_a: int, lower_a: int, holes: dict[str, str] | None = None) -> Dress:
    """Letters of another block: fullwidth, mathematical, circled."""

    def dress(name: str, rnd: random.Random) -> str:
        out = ""
        for one in name:
            if holes and one in holes:
                out += holes[one]
            elif "A" <= one <= "Z":
                out += chr(upper_a + ord(one) - 65)
            elif "a" <= one <= "z":
                out += chr(lower_a + ord(one) - 97)
            else:
                out += one
        return out

    return dress


CYRILLIC = dict(zip("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ", strict=True))
GREEK = dict(zip("oviABEZHIKMNOPTYX", "ονιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", strict=True))


def swapped(table: dict[str, str], share: float = 1.0) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        return "".join(table.get(one, one) if rnd.random() < share else one for one in name)

    return dress


def class_swap(name: str, rnd: random.Random) -> str:
    """Look-alikes within ASCII."""
    table = {"i": "l", "l": "1", "o": "0", "m": "rn", "w": "vv", "I": "l", "L": "1", "O": "0"}
    return "".join(table.get(one, one) if rnd.random() < 0.7 else one for one in name)


def tagged(name: str, rnd: random.Random) -> str:
    return "".join(chr(0xE0000 + ord(one)) if one.isascii() and one != " " else one for one in name)


def b64(name: str, rnd: random.Random) -> str:
    return base64.b64encode(name.encode()).decode()


def b64_padded(before: int) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        return base64.b64encode(("x" * before + " " + name + " and more").encode()).decode()

    return dress


def b64_url(name: str, rnd: random.Random) -> str:
    return base64.urlsafe_b64encode(("¿?" + name + " ÿ>>").encode()).decode()


def b64_bare(name: str, rnd: random.Random) -> str:
    return b64(name, rnd).rstrip("=")


def b64_glued(name: str, rnd: random.Random) -> str:
    """A junk of letters in front, so that the run does not begin where the encoding does."""
    return "".join(rnd.choice("abcXYZ019") for _ in range(rnd.randint(1, 3))) + b64(f"see {name} here", rnd)


def b64_wrapped(indent: str) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        whole = base64.b64encode(("the first of two lines, " * 3 + name + " and the rest of it").encode()).decode()
        return "\n".join(indent + whole[at : at + 40] for at in range(0, len(whole), 40)).lstrip()

    return dress


def b64_twice(name: str, rnd: random.Random) -> str:
    return b64(b64(f"it is {name}", rnd), rnd)


def b64_utf16(name: str, rnd: random.Random) -> str:
    return base64.b64encode(name.encode("utf-16-le")).decode()


def b64_of(inner: Dress) -> Dress:
    return lambda name, rnd: b64("so: " + inner(name, rnd) + ".", rnd)


def b32(name: str, rnd: random.Random) -> str:
    return base64.b32encode(name.encode()).decode()


def hexed(separator: str = "", prefix: str = "", upper: bool = False) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        form = "{:02X}" if upper else "{:02x}"
        return separator.join(prefix + form.format(byte) for byte in name.encode())

    return dress


def hex_utf16(name: str, rnd: random.Random) -> str:
    return name.encode("utf-16-be").hex()


def percent(share: float) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        some = [f"%{ord(one):02x}" if rnd.random() < share or one == " " else one for one in name]
        return "".join(some)

    return dress


def percent_twice(name: str, rnd: random.Random) -> str:
    return percent(0.7)(name, rnd).replace("%", "%25")


def quoted(name: str, rnd: random.Random) -> str:
    return quote(name, safe="")


def escaped(form: str, share: float = 0.7) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        return "".join(form.format(ord(one)) if rnd.random() < share and one != " " else one for one in name)

    return dress


def entity_names(name: str, rnd: random.Random) -> str:
    return name.replace(" ", "&nbsp;") if " " in name else name[:2] + "&shy;" + name[2:]


def qp(name: str, rnd: random.Random) -> str:
    return "".join(f"={ord(one):02X}" if rnd.random() < 0.6 else one for one in name)


def qp_soft(name: str, rnd: random.Random) -> str:
    at = rnd.randint(1, len(name) - 1)
    return name[:at] + "=\n" + name[at:]


def qp_real(name: str, rnd: random.Random) -> str:
    return quopri.encodestring(("ü " + name).encode()).decode()


def utf16_text(name: str, rnd: random.Random) -> str:
    return name.encode("utf-16-le").decode("latin-1")


def ansi(name: str, rnd: random.Random) -> str:
    at = rnd.randint(1, len(name) - 1)
    return f"\x1b[1;31m{name[:at]}\x1b[0m\x1b[32m{name[at:]}\x1b[0m"


def linked(name: str, rnd: random.Random) -> str:
    """A terminal's link and title around parts of it."""
    at = rnd.randint(1, len(name) - 1)
    return f"\x1b]8;;https://example.com\x1b\\{name[:at]}\x1b]0;a title\x07{name[at:]}\x1b(B\x1b[m"


def ansi_written(name: str, rnd: random.Random) -> str:
    at = rnd.randint(1, len(name) - 1)
    return rnd.choice(("\\033[1m", "\\e[31m", "\\x1b[0m", "\\u001b[7m")).join((name[:at], name[at:]))


def varied(name: str, rnd: random.Random) -> str:
    """Strokes and hooks, which are no marks of their own."""
    return "".join({"o": "ø", "l": "ł", "d": "đ", "k": "ƙ", "b": "ɓ"}.get(one, one) for one in name)


def accents(name: str, rnd: random.Random) -> str:
    return unicodedata.normalize("NFC", "".join(one + ("\u0301" if one in "aeiou" else "") for one in name))


def within_path(name: str, rnd: random.Random) -> str:
    return f"/srv/{'-'.join(words(name)).lower()}/src"


def within_url(name: str, rnd: random.Random) -> str:
    return f"https://{'-'.join(words(name)).lower()}.example.com/x?q=1"


def within_email(name: str, rnd: random.Random) -> str:
    return f"ops@{''.join(words(name)).lower()}.example"


def within_variable(name: str, rnd: random.Random) -> str:
    return f"export {'_'.join(words(name)).upper()}_TOKEN=1"


def within_image(name: str, rnd: random.Random) -> str:
    return f"registry.local/{'-'.join(words(name)).lower()}:1.2.3"


def within_json(name: str, rnd: random.Random) -> str:
    return '{"a": "x\\n' + name + '\\ty"}'


def within_class(name: str, rnd: random.Random) -> str:
    return f"class {pascal(name, rnd)}Factory:"


def beside_han(name: str, rnd: random.Random) -> str:
    return f"关于{name}的文件"


def new_line(name: str, rnd: random.Random) -> str:
    return "\n    ".join(words(name))


def comment_line(name: str, rnd: random.Random) -> str:
    return "\n// ".join(words(name))


NORMAL: dict[str, Dress] = {
    "as listed": joined(" "),
    "lower case": lower(" "),
    "upper case": upper(" "),
    "random case": random_case,
    "camel": camel,
    "pascal": pascal,
    "snake": lower("_"),
    "screaming snake": upper("_"),
    "kebab": lower("-"),
    "train": joined("-"),
    "dots": lower("."),
    "slashes": lower("/"),
    "colons": joined("::"),
    "nothing between": lower(""),
    "no-break space": joined("\u00a0"),
    "em space": joined("\u2003"),
    "tab": joined("\t"),
    "line end": new_line,
    "comment line": comment_line,
    "letters with blanks": spread(" "),
    "letters with dots": spread("."),
    "letters with hyphens": spread("-"),
    "letters with underscores": spread("_"),
    "letters with line ends": spread("\n"),
    "letters with commas": spread(", "),
    "zero width space": sprinkled("\u200b"),
    "joiners": sprinkled("\u200c\u200d\u2060\ufeff"),
    "soft hyphens": sprinkled("\u00ad"),
    "variation selectors": sprinkled("\ufe0f\ufe0e"),
    "direction marks": sprinkled("\u200e\u200f\u202a\u202c\u2066\u2069"),
    "combining marks": sprinkled("\u0301\u0308\u0336"),
    "fillers": sprinkled("\u3164\u115f\u2800"),
    "control characters": sprinkled("\x00\x01\x08\x7f"),
    "tag characters": tagged,
    "accents": accents,
    "fullwidth": shifted(0xFF21, 0xFF41),
    "mathematical bold": shifted(0x1D400, 0x1D41A),
    "mathematical sans": shifted(0x1D5A0, 0x1D5BA),
    "mathematical mono": shifted(0x1D670, 0x1D68A),
    "fraktur bold": shifted(0x1D56C, 0x1D586),
    "circled": shifted(0x24B6, 0x24D0),
    "regional": lambda name, rnd: shifted(0x1F1E6, 0x1F1E6)(name.upper(), rnd),
    "squared": lambda name, rnd: shifted(0x1F130, 0x1F130)(name.upper(), rnd),
    "squared, negative": lambda name, rnd: shifted(0x1F170, 0x1F170)(name.upper(), rnd),
    "cyrillic look-alikes": swapped(CYRILLIC),
    "some cyrillic": swapped(CYRILLIC, 0.5),
    "greek look-alikes": swapped(GREEK),
    "look-alikes in ASCII": class_swap,
    "base64": b64,
    "base64 with words": b64_padded(3),
    "base64, one off": b64_padded(4),
    "base64, two off": b64_padded(5),
    "base64, URL alphabet": b64_url,
    "base64 without padding": b64_bare,
    "base64 behind letters": b64_glued,
    "base64 wrapped": b64_wrapped(""),
    "base64 wrapped and indented": b64_wrapped("    "),
    "base64 twice": b64_twice,
    "base64 of UTF-16": b64_utf16,
    "base64 of fullwidth": b64_of(shifted(0xFF21, 0xFF41)),
    "base64 of percent": b64_of(percent(0.7)),
    "base32": b32,
    "hexadecimal": hexed(),
    "hexadecimal, upper case": hexed(upper=True),
    "hexadecimal with blanks": hexed(" "),
    "hexadecimal with colons": hexed(":"),
    "hexadecimal with hyphens": hexed("-"),
    "hexadecimal list": hexed(", ", "0x"),
    "hexadecimal of UTF-16": hex_utf16,
    "percent, whole": percent(1.0),
    "percent, partly": percent(0.5),
    "percent, twice": percent_twice,
    "percent of a URL": quoted,
    "entities": escaped("&#{};"),
    "entities, hexadecimal": escaped("&#x{:x};"),
    "entities by name": entity_names,
    "\\u": escaped("\\u{:04x}"),
    "\\x": escaped("\\x{:02x}"),
    "\\U": escaped("\\U{:08x}"),
    "\\u{}": escaped("\\u{{{:x}}}"),
    "octal": escaped("\\{:03o}"),
    "quoted-printable": qp,
    "quoted-printable, soft break": qp_soft,
    "quoted-printable, soft break with CR": lambda name, rnd: qp_soft(name, rnd).replace("=\n", "= \r\n"),
    "quoted-printable, real": qp_real,
    "UTF-16 as text": utf16_text,
    "terminal colours": ansi,
    "terminal colours as escapes": ansi_written,
    "terminal links and titles": linked,
    "letters with strokes": varied,
    "in a path": within_path,
    "in a URL": within_url,
    "in an e-mail address": within_email,
    "in a variable": within_variable,
    "in an image's name": within_image,
    "in JSON, escaped": within_json,
    "in a class's name": within_class,
    "beside Han": beside_han,
}
"""What normal mode finds, all of it: its documented set."""

LEET = dict(zip("aeiost", "43!05$", strict=True)) | {"g": "9", "b": "8", "t": "7"}


def leet(name: str, rnd: random.Random) -> str:
    return "".join(LEET.get(one, one) if rnd.random() < 0.6 else one for one in "".join(words(name)).lower())


def marked(mark: str) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        bare = "".join(words(name))
        a, b = sorted(rnd.sample(range(1, len(bare)), 2))
        return f"{bare[:a]}{mark}{bare[a:b]}{mark}{bare[b:]}"

    return dress


def in_tags(name: str, rnd: random.Random) -> str:
    at = rnd.randint(1, len(name) - 1)
    return f"{name[:at]}<b class='x'>{name[at:]}</b>"


def literals(between: str) -> Dress:
    def dress(name: str, rnd: random.Random) -> str:
        bare = "".join(words(name))
        at = rnd.randint(1, len(bare) - 1)
        return f'"{bare[:at]}{between}{bare[at:]}"'

    return dress


STRICT: dict[str, Dress] = {
    **NORMAL,
    "leet": leet,
    "reversed": lambda name, rnd: name[::-1],
    "reversed, lower case": lambda name, rnd: "".join(words(name))[::-1].lower(),
    "rot13": lambda name, rnd: codecs.encode(name, "rot13"),
    "bold within": marked("**"),
    "emphasis within": marked("_"),
    "code within": marked("`"),
    "tags within": in_tags,
    "literals, plus": literals('" + "'),
    "literals, side by side": literals('" "'),
    "literals, dot": literals('" . "'),
    "literals, single quotes": lambda name, rnd: literals("' + '")(name, rnd).replace('"', "'"),
    "literals, line by line": literals('"\n    "'),
    "hyphenated line": literals("-\n"),
    "continued line": literals("\\\n"),
}
"""What strict mode finds."""

UNESCAPED = html.unescape
