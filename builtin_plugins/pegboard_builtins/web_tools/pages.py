"""What a fetched page says, as text for the model."""

from __future__ import annotations

import asyncio
import codecs
import importlib.util
import re
import sys

from pegboard.errors import ToolError
from pegboard_builtins.web_tools import html_text

TEXTS = ("text/", *(f"application/{kind}" for kind in ("json", "xml", "javascript", "yaml", "toml", "x-sh")))
HTML = ("text/html", "application/xhtml+xml")
SECONDS = 10.0
"""How long Markdown may be made of a page: a thousand times what large ones take."""
MISSING = "[This is HTML as it came: what makes Markdown of it is not installed (pip install 'pegboard[web]').]\n"
UNREADABLE = "[This is HTML as it came: no Markdown could be made of it, or not in time.]\n"
_NO_LETTERS = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "unicode-escape"})
"""Codecs that are no way to write a page: they fail, take for ever, or make what no text is."""


async def text_of(data: bytes, content_type: str) -> str:
    """Return the text of a page, HTML as Markdown. Raises ToolError for what is no text."""
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip() or "text/plain"
    named = re.search(r"charset=[\"']?([\w.:-]+)", parameters)
    charset = _known(named[1]) if named else None
    if kind not in HTML and not kind.startswith(TEXTS) and not kind.endswith(("+json", "+xml")):
        raise ToolError(f"The page is {kind} ({len(data):,} bytes), which is no text. Fetch it in Bash (curl).")
    if kind not in HTML:
        return data.decode(charset or "utf-8", "replace")
    if importlib.util.find_spec("markdownify") is None:
        return MISSING + data.decode(charset or "utf-8", "replace")
    made = await _markdown(data, charset)
    return UNREADABLE + data.decode(charset or "utf-8", "replace") if made is None else made


def _known(charset: str) -> str | None:
    try:
        name = codecs.lookup(charset).name
        b"a".decode(name, "replace")  # refuses what is no encoding of texts
    except (LookupError, UnicodeError):
        return None
    return None if name in _NO_LETTERS else name


async def _markdown(data: bytes, charset: str | None) -> str | None:
    """Return the Markdown of a page; None where that fails or takes too long: its author may have meant it to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", html_text.__file__, *([charset] if charset else [])),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate(data)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode() if process.returncode == 0 else None
