"""Consent to a hook covers the files that it runs, however the command line spells them; a program is no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegboard.named_files import files_named


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "my project"
    for name in ("guard.py", "tools/check.py", "tools/__main__.py", "tools/index.js", "two words/look.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("pass\n")
    (tmp_path / "guard.py").write_text("pass\n")
    return root


@pytest.mark.parametrize(
    ("command", "files"),
    [
        pytest.param("python3 guard.py", ["guard.py"], id="relative"),
        pytest.param('python3 "$CLAUDE_PROJECT_DIR"/guard.py', ["guard.py"], id="the variable"),
        pytest.param("${CLAUDE_PROJECT_DIR}/tools/check.py", ["tools/check.py"], id="in braces"),
        pytest.param('"${CLAUDE_PROJECT_DIR:-.}/tools/check.py"', ["tools/check.py"], id="with a default"),
        pytest.param('"${CLAUDE_PROJECT_DIR:-$PWD}"/guard.py', ["guard.py"], id="with a variable for a default"),
        pytest.param('"${PEGBOARD_PROJECT_DIR:-$(pwd)}/guard.py"', ["guard.py"], id="with a command for a default"),
        pytest.param('"${CLAUDE_PROJECT_DIR:-${HOME}}/guard.py"', ["guard.py"], id="with braces for a default"),
        pytest.param('"${CLAUDE_PROJECT_DIR:?not set}/guard.py"', ["guard.py"], id="that must be set"),
        pytest.param('"$(git rev-parse --show-toplevel)/guard.py"', ["guard.py"], id="git's root"),
        pytest.param("`git rev-parse --show-toplevel 2>/dev/null`/guard.py", ["guard.py"], id="in backticks"),
        pytest.param('bash -c "exec python3 guard.py"', ["guard.py"], id="a shell within"),
        pytest.param("""sh -c 'bash -c "python3 tools/check.py"'""", ["tools/check.py"], id="two shells within"),
        pytest.param("node -e \"require('./tools/check.py')\"", ["tools/check.py"], id="an inline program"),
        pytest.param("cd tools && ./check.py", ["tools/check.py"], id="after cd"),
        pytest.param(
            'cd "$CLAUDE_PROJECT_DIR/two words" && python3 look.py', ["two words/look.py"], id="cd to two words"
        ),
        pytest.param("uv run --directory tools check.py", ["tools/check.py"], id="an option for the folder"),
        pytest.param("python3 tools", ["tools/__main__.py", "tools/index.js"], id="a folder"),
        pytest.param("python3 -m tools.check", ["tools/check.py"], id="a module"),
        pytest.param("A=1 GUARD=guard.py run-it --file=tools/check.py", ["guard.py", "tools/check.py"], id="after ="),
        pytest.param("python3 ../guard.py", [], id="outside"),
        pytest.param("ls tools", [], id="a folder that nobody runs"),
        pytest.param('python3 -c "' + "x = 1; " * 900 + '"', [], id="a program longer than a path can be"),
        pytest.param("echo 'no end; python3 guard.py", ["guard.py"], id="an open quote"),
        pytest.param("echo a\0b", [], id="a null byte"),
        pytest.param("${CLAUDE_PROJECT_DIR:-" + "$(a)${b}" * 60, [], id="a default without an end"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_files_are_found_however_a_command_line_spells_them(project: Path, command: str, files: list[str]) -> None:
    found = [path.relative_to(project.resolve()).as_posix() for path in files_named([command], project)]
    assert found == files
