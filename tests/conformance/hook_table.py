"""Prints what becomes of the recorded cases: `python tests/conformance/hook_table.py [--instead] [ID ...]`.

An ID may be the beginning of several.
`--instead` prints what the list of deviations would have to say, for cases that deviate on purpose.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from hook_judge import play_all, table
from hook_play import CASES


def main(words: list[str]) -> int:
    instead = "--instead" in words
    begins = tuple(word for word in words if not word.startswith("-"))
    with tempfile.TemporaryDirectory() as folder:
        judged = play_all([case for case in CASES if not begins or case.startswith(begins)], Path(folder))
    for one in judged.values():
        if instead and one.differs:
            print(json.dumps({one.case: {"reason": "", "instead": one.differs}}, ensure_ascii=False))
        elif one.problems:
            print(f"## {one.case}: {CASES[one.case]['rule'][:200]}")
            print("\n".join(one.problems))
            if one.played is not None:
                print("  ", [str(end) for end in one.played.ends], one.played.texts, one.played.notices)
    print(table(judged.values()))
    return any(one.kind == "wrong" for one in judged.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
