"""Print HTML as Markdown: a program of its own, because a page that was made to take for ever must be ended.

Run as `python -I html_text.py [CHARSET]`: the page on stdin, UTF-8 on stdout; it fails on what it cannot read.
"""

from __future__ import annotations

import re
import sys

MEMORY = 2 * 1024**3
"""Bytes: a page of nothing but tags unfolds to some hundred times its size."""
LEFT_OUT = ["script", "style", "noscript", "template", "svg", "iframe"]


def markdown(data: bytes, charset: str | None) -> str:
    """Return the Markdown of a page, its title first. Raises whatever the libraries do."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(data, "html.parser", from_encoding=charset)
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for element in soup(LEFT_OUT):
        element.decompose()
    text = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup.body or soup)
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return f"# {title}\n\n{text}" if title and title not in text[: len(title) + 200] else text


def main() -> None:
    """Read, print."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    text = markdown(sys.stdin.buffer.read(), sys.argv[1] if len(sys.argv) > 1 else None)
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
