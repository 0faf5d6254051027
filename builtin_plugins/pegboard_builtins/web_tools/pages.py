"""What a fetched page says, as text for the model."""

from __future__ import annotations

import importlib.util
import re

from pegboard.errors import ToolError

TEXTS = ("text/", *(f"application/{kind}" for kind in ("json", "xml", "javascript", "yaml", "toml", "x-sh")))
HTML = ("text/html", "application/xhtml+xml")
LEFT_OUT = ["script", "style", "noscript", "template", "svg", "iframe"]


def text_of(data: bytes, content_type: str) -> str:
    """Return the text of a page, HTML as Markdown. Raises ToolError for what is no text."""
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip() or "text/plain"
    charset = re.search(r"charset=[\"']?([\w.:-]+)", parameters)
    if kind not in HTML and not kind.startswith(TEXTS) and not kind.endswith(("+json", "+xml")):
        raise ToolError(f"The page is {kind} ({len(data):,} bytes), which is no text. Fetch it in Bash (curl).")
    if kind not in HTML:
        return _decoded(data, charset[1] if charset else "utf-8")
    return markdown(data, charset[1] if charset else None)


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def markdown(data: bytes, charset: str | None) -> str:
    """Return HTML as Markdown, with the extra `web`; as it is without."""
    if importlib.util.find_spec("markdownify") is None:
        note = "[This is HTML as it came: what makes Markdown of it is not installed (pip install 'pegboard[web]').]\n"
        return note + _decoded(data, charset or "utf-8")
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    try:
        soup = BeautifulSoup(data, "html.parser", from_encoding=charset)
        title = soup.title.get_text(" ", strip=True) if soup.title else ""
        for element in soup(LEFT_OUT):
            element.decompose()
        text = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup.body or soup)
    except RecursionError:
        return _decoded(data, charset or "utf-8")
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return f"# {title}\n\n{text}" if title and title not in text[: len(title) + 200] else text
