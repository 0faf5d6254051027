"""A pack from nothing: written, built and installed by pip, listed, called in a session, and gone without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pegboard

PACK = '''
from pathlib import Path

from pegboard import tool


@tool(read_only=True)
def word_count(path: Path, min_length: int = 1) -> int:
    """Count the words in a text file."""
    return sum(len(word) >= min_length for word in path.read_text().split())
'''

PYPROJECT = """
[build-system]
requires = []
build-backend = "zip_backend"
backend-path = ["backend"]

[project]
name = "acme-words"
version = "1.0"

[project.entry-points.pegboard]
acme_words = "acme_words"
"""

BACKEND = '''
"""The smallest build backend there can be: a wheel is a zip file. A real pack would name hatchling."""

import zipfile
from pathlib import Path

NAME = "acme_words-1.0"
METADATA = "Metadata-Version: 2.1\\nName: acme-words\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: zip_backend\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
POINTS = "[pegboard]\\nacme_words = acme_words\\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"{NAME}-py3-none-any.whl"
    files = {
        "acme_words.py": Path("acme_words.py").read_text(),
        f"{NAME}.dist-info/METADATA": METADATA,
        f"{NAME}.dist-info/WHEEL": WHEEL,
        f"{NAME}.dist-info/entry_points.txt": POINTS,
    }
    record = "".join(f"{file},,\\n" for file in [*files, f"{NAME}.dist-info/RECORD"])
    with zipfile.ZipFile(Path(wheel_directory) / name, "w") as wheel:
        for file, text in [*files.items(), (f"{NAME}.dist-info/RECORD", record)]:
            wheel.writestr(file, text)
    return name
'''

SCRIPT = """
[[turn]]
[[turn.call]]
name = "word_count"
input = { path = "a.txt", min_length = 4 }

[[turn]]
expect = { tool_result = { name = "word_count", contains = "3" } }
text = "Three long words."
"""

PROGRAM = "import sys; from pegboard._cli.main import main; sys.exit(main())"


def everything_below(folder: Path) -> set[str]:
    """All files, without what Python compiles on its way."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in path.parts}


def plugins(run: Callable[..., str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("-c", PROGRAM, "plugins", "list", "--json"))
    return found


def test_the_first_pack_is_built_installed_used_and_uninstalled(tmp_path):
    pack, project = tmp_path / "acme-words", tmp_path / "project"
    (pack / "backend").mkdir(parents=True)
    (pack / "acme_words.py").write_text(PACK)
    (pack / "pyproject.toml").write_text(PYPROJECT)
    (pack / "backend" / "zip_backend.py").write_text(BACKEND)
    project.mkdir()
    (project / "a.txt").write_text("four words and more")
    (project / "script.toml").write_text(SCRIPT)

    home = tmp_path / "venv"
    venv.create(home, with_pip=True, symlinks=True)
    python = home / "bin" / "python"
    (packages,) = (home / "lib").glob("python*/site-packages")
    standard = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    standard |= {folder / "lib-dynload" for folder in standard}  # not lent: pip hides what is from the build
    roots = [Path(pegboard.__file__).parents[1], *[Path(folder) for folder in sys.path if folder]]
    # Without an index the environment's own packages are lent: behind the venv's, as --system-site-packages does.
    (packages / "lent.pth").write_text("".join(f"{root}\n" for root in roots if root.is_dir() and root not in standard))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PEGBOARD_", "PIP_"))},
        "PEGBOARD_STATE_DIR": str(tmp_path / "state"),
        "PEGBOARD_CONFIG_DIR": str(tmp_path / "config"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "HOME": str(tmp_path),
    }

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(python), *words],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout

    before = everything_below(packages)
    assert "word_count" not in run("-c", PROGRAM, "tools", "list")
    run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(pack))
    assert "word_count" not in run("-c", PROGRAM, "tools", "list")
    asked = run("-c", PROGRAM, "plugins", "trust", "acme_words", code=1)  # nobody answers, and that is no consent
    assert "tools    word_count (reads, about" in asked
    assert "you asked for it" in asked
    (listed,) = (one for one in plugins(run) if one["name"] == "acme_words")
    assert (listed["status"], listed["mend"]) == ("untrusted", "pegboard plugins trust acme-words")
    assert "is trusted" in run("-c", PROGRAM, "plugins", "trust", "acme_words", "--yes")
    assert "word_count" in run("-c", PROGRAM, "tools", "list")
    assert "acme_words" in run("-c", PROGRAM, "plugins", "list")

    said = run("-c", PROGRAM, "run", "Count.", "--model", "scripted:script.toml", "--output", "json")
    result = json.loads(said)
    assert (result["text"], result["denied"]) == ("Three long words.", [])
    (journal,) = (tmp_path / "state").rglob("*.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    (called,) = [record["tool"] for record in records if record["type"] == "user" and record.get("tool")]
    assert (called["name"], called["outcome"]) == ("word_count", "ok")

    run("-m", "pip", "uninstall", "--quiet", "--yes", "acme-words")
    assert everything_below(packages) == before
    assert "word_count" not in run("-c", PROGRAM, "tools", "list")
    assert "acme_words" not in run("-c", PROGRAM, "plugins", "list")
