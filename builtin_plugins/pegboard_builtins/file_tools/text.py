"""The text of a file, so that what was not edited keeps every byte: encoding, byte order mark, line endings."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from pegboard.errors import ToolError
from pegboard_builtins.file_tools.paths import explain, name_of, real_text, regular_file
from pegboard_builtins.file_tools.search import MAX_BYTES, content, content_of, opened, text_encoding


class TextFile(NamedTuple):
    """A file's text as it lies on the disk, line endings and all; bytes that are no UTF-8 are kept as surrogates."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""

    @classmethod
    def of(cls, data: bytes) -> TextFile | None:
        """Decode *data*; None if it is binary."""
        found = text_encoding(data)
        if found is None:
            return None
        encoding, mark = found
        try:
            return cls(_decode(data[len(mark) :], encoding), encoding, mark)
        except UnicodeDecodeError:
            return None

    def encode(self, text: str) -> bytes:
        """Return the bytes of a new text in this file's encoding, with its byte order mark."""
        return self.mark + text.encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "strict")

    @property
    def plain(self) -> str:
        """The text with LF line endings: what the model is shown, and what it writes."""
        # Looking for one character takes a fortieth of the time that looking for two does.
        return self.text.replace("\r\n", "\n") if "\r" in self.text else self.text

    @property
    def newline(self) -> str:
        """The line ending that most lines have; LF where there is none."""
        pairs = self.text.count("\r\n")
        return "\r\n" if pairs * 2 > self.text.count("\n") else "\n"

    @property
    def all_crlf(self) -> bool:
        """Whether every line ends with CRLF."""
        pairs = self.text.count("\r\n")
        return pairs > 0 and pairs == self.text.count("\n")


def _decode(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")


def printable(text: str) -> str:
    """Return *text* with U+FFFD for bytes that were no UTF-8: only such text may go into JSON."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def must_be_text(text: str, what: str) -> None:
    """Raise ToolError for a text that no file could hold: half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as wrong:
        raise ToolError(
            f"{what} has half a surrogate pair (character {wrong.start}, {text[wrong.start]!a}), which no text file "
            f"can hold. Write the whole character."
        ) from None


def read_bytes(path: Path, cwd: Path) -> tuple[bytes, os.stat_result]:
    """Return a regular file's bytes, and its status before they were read. Raises ToolError for all else."""
    status = regular_file(path, cwd)
    must_fit(path, status)
    try:
        return content(path), status
    except OSError as error:
        raise explain(error, path, cwd) from None


def read_named(path: str, cwd: Path, status: os.stat_result) -> tuple[bytes, str]:
    """Return a regular file's bytes, and the real name of the very file that they came from.

    *status* is what `regular_file` has just said of it. Raises ToolError.
    """
    must_fit(path, status)
    try:
        descriptor = opened(path)
        try:
            return content_of(descriptor), name_of(descriptor) or real_text(path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise explain(error, path, cwd) from None


def must_fit(path: Path | str, status: os.stat_result) -> None:
    """Raise ToolError for a file that is too large to be taken into memory."""
    if status.st_size > MAX_BYTES:
        raise ToolError(
            f"{path} has {status.st_size / 1e6:.0f} MB, more than {MAX_BYTES // 2**20} MB. "
            f"Search it with Grep, or print a part of it in Bash (sed -n '100,200p')."
        )


def digest(data: bytes) -> str:
    """Return a content stamp: equal bytes, equal stamp."""
    return hashlib.sha256(data).hexdigest()[:32]
