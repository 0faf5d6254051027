"""Print the lines of stdin that match a pattern: a program of its own, so that a pattern that never ends can be ended.

Run as `python -I -S line_filter.py PATTERN`.
"""

from __future__ import annotations

import re
import sys


def main() -> None:
    """Read all, print what matches."""
    regex = re.compile(sys.argv[1])
    lines = sys.stdin.buffer.read().decode("utf-8", "replace").split("\n")
    sys.stdout.buffer.write("\n".join(line for line in lines if regex.search(line)).encode())


if __name__ == "__main__":
    main()
