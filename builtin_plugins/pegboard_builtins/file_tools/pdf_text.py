"""Print the text of a PDF's pages as JSON: a program of its own, so that a file that takes too long can be ended.

Run as `python -I pdf_text.py FILE FIRST LAST`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MEMORY = 2 * 1024**3
"""Bytes: a small file may unfold to any size."""


def texts_of(path: str, first: int, last: int) -> dict[str, Any]:
    """Return the texts of the pages from *first* to *last*, and how many pages there are."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"error": "it has a password"}
        total = len(reader.pages)
        numbers = range(first - 1, min(last, total))
        return {"total": total, "texts": [reader.pages[number].extract_text() for number in numbers]}
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError, MemoryError) as wrong:
        return {"error": str(wrong) or type(wrong).__name__}


def main() -> None:
    """Read, print."""
    try:
        import resource
    except ImportError:  # no such limit on this system
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print(json.dumps(texts_of(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))


if __name__ == "__main__":
    main()
