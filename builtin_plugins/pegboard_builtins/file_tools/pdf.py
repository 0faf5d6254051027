"""PDF pages as text, with the extra `pdf`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import sys
from typing import Any

from pegboard.errors import ToolError
from pegboard.messages import ToolResult
from pegboard_builtins.file_tools import pdf_text

MOST_PAGES = 20
SECONDS = 60.0
_RANGE = r"(\d+)(?:-(\d*))?"


def is_pdf(data: bytes) -> bool:
    """Whether *data* is a PDF, whatever its file is called."""
    return data.startswith(b"%PDF-")


def installed() -> bool:
    """Whether the library for it is there."""
    return importlib.util.find_spec("pypdf") is not None


def wanted_pages(pages: str | None) -> tuple[int, int | None]:
    """Return the first and last page of "3", "2-5" or "7-"; all from the first without *pages*. Raises ToolError."""
    if not pages:
        return 1, None
    found = re.fullmatch(_RANGE, pages.strip())
    if found is None or int(found[1]) < 1:
        raise ToolError(f'pages={pages!r} is no range of pages. Say it like "3", "2-5" or "7-".')
    first = int(found[1])
    last = first if "-" not in pages else int(found[2]) if found[2] else None
    if last is not None and last < first:
        raise ToolError(f"pages={pages!r} ends before it begins.")
    return first, last


async def read_pages(path: str, size: int, pages: str | None) -> ToolResult:
    """Return the text of at most 20 pages."""
    if not installed():
        raise ToolError(
            f"{path} is a PDF, and what reads those is not installed (pip install 'pegboard[pdf]'). "
            f"Turn it into text in Bash (pdftotext), then read that."
        )
    first, last = wanted_pages(pages)
    answer = await _extracted(path, first, min(last or first + MOST_PAGES - 1, first + MOST_PAGES - 1))
    if "error" in answer:
        raise ToolError(f"{path} cannot be read as a PDF: {answer['error']}")
    texts, total = answer["texts"], answer["total"]
    if not texts:
        raise ToolError(f"{path} has {total} pages; page {first} is behind its end.")
    shown = [f"--- page {number} of {total} ---\n{text.strip()}" for number, text in enumerate(texts, first)]
    end = first + len(texts) - 1
    if not any(text.strip() for text in texts):
        shown.append(
            "[These pages hold no text: they may be pictures of text. In Bash, pdftoppm makes pictures to Read.]"
        )
    if end < (last or total) and end < total:
        shown.append(f'[These are pages {first} to {end} of {total}. Read on with pages="{end + 1}-".]')
    content = "\n".join(shown)
    facts = {"filePath": path, "originalSize": size, "content": content, "firstPage": first, "lastPage": end}
    return ToolResult(content=content, data={"type": "pdf", "file": {**facts, "totalPages": total}})


async def _extracted(path: str, first: int, last: int) -> dict[str, Any]:
    """Ask a program of its own, because a file made to be slow must be ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-X", "utf8", pdf_text.__file__, path, str(first), str(last)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        raise ToolError(f"Reading {path} took longer than {SECONDS:g} s and was ended. Ask for fewer pages.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        return {"error": f"its reader ended with {process.returncode}"}
    answer: dict[str, Any] = json.loads(output)
    return answer
