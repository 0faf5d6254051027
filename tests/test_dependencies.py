"""Every core dependency is used, and none of them is imported where it is not needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).parent.parent
SOURCES = [*ROOT.glob("host/**/*.py"), *ROOT.glob("builtin_plugins/**/*.py")]
PROJECT = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMPORTED_AS = {"openfeature_sdk": "openfeature"}
NAMES = [re.split(r"[<>=!~ \[]", line)[0].replace("-", "_") for line in PROJECT["dependencies"]]
DEPENDENCIES = [IMPORTED_AS.get(name, name) for name in NAMES]


def imported_modules() -> set[str]:
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("name", DEPENDENCIES)
def test_a_core_dependency_is_imported_somewhere(name: str) -> None:
    assert name in imported_modules()


def all_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def modules_after(code: str) -> set[str]:
    return {name.partition(".")[0] for name in all_after(code)}


def test_the_version_imports_no_dependency() -> None:
    loaded = modules_after("from pegboard._cli.main import main; assert main(['--version']) == 0")
    assert loaded.isdisjoint([*DEPENDENCIES, "asyncio", "pydantic_core", "rich"])


def test_a_host_with_all_built_ins_loads_neither_an_sdk_nor_a_console() -> None:
    loaded = modules_after(
        "from pathlib import Path\nfrom pegboard.host import Host\nHost(Path('/'), environment={}, strict=False).open()"
    )
    assert loaded.isdisjoint(["anthropic", "httpx2", "rich", "tomlkit", "keyring", "typer"])


def test_a_journal_is_read_without_an_event_loop() -> None:
    loaded = modules_after("from pegboard._cli.opening import open_store; open_store()")
    assert "pydantic_core" in loaded
    assert loaded.isdisjoint(["asyncio", "pluggy", "importlib_metadata", "pydantic"])


def test_the_tools_of_all_built_ins_are_described_without_a_docstring_parser() -> None:
    loaded = modules_after(
        "from pathlib import Path\nfrom pegboard.host import Host\n"
        "tools = Host(Path('/'), environment={}, strict=False).open().board.tools\n"
        "assert tools and all(tool.spec for tool in tools.values())"
    )
    assert "docstring_parser" not in loaded


def test_the_face_imports_a_word_only_when_it_is_used() -> None:
    assert "pydantic_core" not in modules_after("import pegboard")
    assert "pydantic_core" in modules_after("from pegboard import Decision")


RUN = """
from pegboard._cli.main import main
assert main(["run", "--no-plugins=memory", "--model", "scripted:script.toml", "go"]) == 0
"""


def test_a_run_imports_pydantic_when_a_call_must_be_checked_and_not_before(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("PEGBOARD_MEMORY__ON")
    (tmp_path / ".pegboard").mkdir()
    (tmp_path / ".pegboard" / "settings.toml").write_text("[session]\nmax_steps = 7\n")
    script = tmp_path / "script.toml"
    script.write_text('[[turn]]\ntext = "done"\nusage = { input_tokens = 3 }\n')
    all_after(RUN)  # finds out what the plugins register, with all schemas
    loaded = all_after(RUN)
    assert "pydantic_core" in loaded
    assert loaded.isdisjoint(["pydantic", "typing_extensions"])
    script.write_text('[[turn]]\ncall = [{ name = "Glob", input = { pattern = "*" } }]\n[[turn]]\ntext = "done"\n')
    assert "pydantic" in all_after(RUN)
