"""Which lines of which files match: a program of its own, so that a pattern that never ends can be ended.

Python matches regular expressions without ever giving way, so a bad pattern in a thread would stop the whole host.
Run as `python -I -S search.py`, it needs the standard library only: a job as JSON on stdin, an answer on stdout.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not taken into memory."""
LINE_WIDTH = 500

POSIX = {
    "alpha": r"^\W\d_",
    "digit": "0-9",
    "alnum": r"^\W_",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": r" \t",
    "word": r"\w",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
}


def text_encoding(data: bytes) -> tuple[str, bytes] | None:
    """Return how *data* is to be decoded and its byte order mark; None for what is binary: it has a NUL."""
    if data.startswith(b"\xef\xbb\xbf"):
        return None if b"\0" in data else ("utf-8", data[:3])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and len(data) % 2 == 0:
        # Two NULs together are a NUL character, or this is UTF-32, whose mark begins with that of UTF-16.
        if b"\0\0" in data and "\0" in data[2:].decode("utf-16-le", "replace"):
            return None
        return ("utf-16-le" if data[0] == 0xFF else "utf-16-be"), data[:2]
    return None if b"\0" in data else ("utf-8", b"")


def text_of(path: str) -> str | None:
    """Return a file's text with LF line endings; None for what is binary, too large or cannot be read."""
    try:
        data = content(path)
    except OSError:
        return None
    found = text_encoding(data)
    if found is None or len(data) > MAX_BYTES:
        return None
    encoding, mark = found
    try:
        errors = "surrogateescape" if encoding == "utf-8" else "strict"
        text = data[len(mark) :].decode(encoding, errors)
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n") if "\r" in text else text


def content(path: str | os.PathLike[str]) -> bytes:
    """Return all bytes of a file, at most one more than `MAX_BYTES`; `open` takes three times as long for few."""
    descriptor = opened(path)
    try:
        return content_of(descriptor)
    finally:
        os.close(descriptor)


def opened(path: str | os.PathLike[str]) -> int:
    """Open a file for reading, without waiting for anybody: it may have become a pipe meanwhile."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def content_of(descriptor: int) -> bytes:
    """Return what `content` does, of a file that was just opened. Raises OSError for what is no file any more."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file (any more)")
    size = min(status.st_size, MAX_BYTES)
    data = os.read(descriptor, size + 1)
    if 0 < len(data) == size:  # nearly always: the end was seen
        return data
    parts, left = [data], MAX_BYTES + 1 - len(data)
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def matching_lines(text: str, regex: re.Pattern[str], multiline: bool) -> tuple[list[tuple[int, int]], list[str]]:
    """Return spans of matching lines (from 0, both ends included), one for each match, and all lines."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not multiline:
        return [(number, number) for number, line in enumerate(lines) if regex.search(line)], lines
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    spans = []
    for match in regex.finditer(text):
        if match.start() < at:
            last = max(match.start(), match.end() - 1)
            spans.append((bisect_right(starts, match.start()) - 1, bisect_right(starts, last) - 1))
    return spans, lines


def shown_lines(
    name: str, spans: list[tuple[int, int]], lines: list[str], before: int, after: int, numbers: bool
) -> Iterator[str]:
    """Yield `name:12:text` for each matching line and `name-11-text` for those around it, `--` between groups."""
    hits = {number for first, last in spans for number in range(first, last + 1)}
    around = {number for hit in hits for number in range(max(0, hit - before), min(len(lines), hit + after + 1))}
    previous = None
    for number in sorted(around):
        if previous is not None and number != previous + 1 and (before or after):
            yield "--"
        previous = number
        sign = ":" if number in hits else "-"
        line = lines[number]
        if len(line) > LINE_WIDTH:
            line = f"{line[:LINE_WIDTH]} [line cut: {len(line) - LINE_WIDTH} more characters]"
        yield f"{name}{sign}{number + 1}{sign}{line}" if numbers else f"{name}{sign}{line}"


def compiled(pattern: str, ignore_case: bool, multiline: bool) -> re.Pattern[str]:
    """Compile *pattern* with what grep users expect: POSIX classes, `\\z`. Raises re.error."""
    for name, members in POSIX.items():
        if f"[:{name}:]" in pattern:
            negative = members.startswith("^")
            # [[:alpha:]] alone may be a negated class; inside a larger class only its members fit.
            pattern = pattern.replace(f"[[:{name}:]]", f"[{members}]")
            plain = {"alpha": "A-Za-z", "alnum": "A-Za-z0-9"}[name] if negative else members
            pattern = pattern.replace(f"[:{name}:]", plain)
    flags = (re.IGNORECASE if ignore_case else 0) | (re.MULTILINE | re.DOTALL if multiline else 0)
    if not may_warn(pattern):
        return re.compile(pattern, flags)
    with warnings.catch_warnings():  # of the whole process, so not where other threads run
        warnings.simplefilter("ignore")
        return re.compile(pattern, flags)


def is_quick(pattern: str) -> bool:
    """Whether it takes linear time for certain, because nothing in it repeats; and compiles without a warning."""
    return not set("*+?{") & set(_unescaped(pattern)) and not may_warn(pattern)


def _unescaped(pattern: str) -> str:
    """Return the signs of a pattern that mean something by themselves."""
    return re.sub(r"\\.", "", pattern, flags=re.DOTALL)


def _is_seen_from_afar(pattern: str) -> bool:
    """Whether a text without a match of *pattern* has none in any of its lines: it knows no beginning and no end.

    Only where nothing repeats: what may go on over the ends of lines would take the square of the text's length.
    """
    anchors = set("^$") & set(_unescaped(pattern).replace("[^", "["))
    return is_quick(pattern) and not anchors and not re.search(r"\\[AZz]", pattern)


def may_warn(pattern: str) -> bool:
    """Whether Python has something to say to a set in *pattern*, which may mean another thing one day."""
    return any(sign in pattern for sign in ("[[", "--", "&&", "||", "~~"))


def answer(job: dict[str, Any], stopped: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Do the job: `files` are pairs of path and shown name, `limit` is 0 for all. *stopped* may end it early."""
    try:
        regex = compiled(job["pattern"], job["ignore_case"], job["multiline"])
    except (re.error, OverflowError, RecursionError) as wrong:
        return {"error": str(wrong)}
    found: list[str] = []
    counts: list[int] = []
    output: list[str] = []
    limit = job["limit"] or sys.maxsize
    pattern = job["pattern"]
    literal = pattern if re.fullmatch(r"[\w ]+", pattern) and not job["ignore_case"] else ""
    from_afar = not literal and not job["multiline"] and _is_seen_from_afar(pattern)
    for path, name in job["files"]:
        text = None if stopped() else text_of(path)
        if text is None:
            continue
        if (literal and literal not in text) or (from_afar and not regex.search(text)):
            continue
        spans, lines = matching_lines(text, regex, job["multiline"])
        if not spans:
            continue
        if job["mode"] == "content":
            if len(output) > limit:
                break
            if output and (job["before"] or job["after"]):
                output.append("--")
            output += shown_lines(name, spans, lines, job["before"], job["after"], job["numbers"])
        found.append(name)
        counts.append(len(spans))
    return {"files": found, "counts": counts, "output": output}


def main() -> None:
    """Read the job, print the answer."""
    print(json.dumps(answer(json.load(sys.stdin.buffer))))


if __name__ == "__main__":
    main()
