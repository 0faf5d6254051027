"""What is wrong with a pack is found and named, whatever it does to the process that looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import pegboard
from pegboard._authoring import checking
from pegboard._authoring.checking import Finding, check, project_at, schema_problems
from pegboard._authoring.import_probe import MARKER
from pegboard._cli.main import main
from pegboard.errors import PegboardError

HEAD = "from pegboard import Decision, Section, flag, hookimpl, tool\n"


def pack(folder: Path, code: str, *, needs: str = '"pegboard>=0.1"') -> Path:
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "acme"\ndependencies = [{needs}]\n[project.entry-points.pegboard]\nacme = "acme_pack"\n'
    )
    (folder / "acme_pack.py").write_text(HEAD + dedent(code))
    return folder


def found(folder: Path) -> list[Finding]:
    return [one for one in check(project_at(folder)) if one.state != "ok"]


@pytest.mark.parametrize(
    ("code", "where", "said"),
    [
        pytest.param("import sys; sys.exit(0)", "import", "exit code 0", id="it leaves at import"),
        pytest.param("import os; os.abort()", "import", "signal 6", id="it crashes the interpreter"),
        pytest.param("while True: pass", "import", "has not ended after 2 s", id="its import never ends"),
        pytest.param("import not_there", "import", "No module named 'not_there'", id="it lacks a module"),
        pytest.param("import time; time.sleep(0.4)", "import", "the limit is 200", id="its import is slow"),
        pytest.param(
            """
            @hookimpl
            def pre_tol(call): ...
            """,
            *("register", "pre_tol"),
            id="an unknown hook",
        ),
        pytest.param(
            """
            @hookimpl
            def pre_tool(*, call): ...
            """,
            *("register", "keyword-only"),
            id="a keyword-only argument",
        ),
        pytest.param(
            """
            @hookimpl
            def pre_tool(call):
                return {}[call.name]
            """,
            *("session", "KeyError"),
            id="a hook that raises",
        ),
        pytest.param(
            """
            from pegboard import Declares
            declares = Declares(permissions=["context"])
            @hookimpl
            def register(registry):
                registry.add_section(Section(name="w", text=" ".join({"a", "bb", "ccc", "dddd", "eeeee", "f"})))
            """,
            *("cache", "other bytes"),
            id="a section in the order of a set",
        ),
        pytest.param(
            """
            import itertools
            numbers = itertools.count()
            @hookimpl
            def pre_tool(call):
                return Decision.deny("odd") if next(numbers) % 2 else None
            """,
            *("determinism", "answers otherwise"),
            id="an answer that depends on earlier calls",
        ),
        pytest.param(
            """
            @hookimpl
            def prompt_submit(prompt):
                import threading, time
                threading.Thread(target=time.sleep, args=(60,), daemon=True, name="acme-loop").start()
            """,
            *("unload", "the thread 'acme-loop'"),
            id="a thread that stays",
        ),
        pytest.param(
            """
            @hookimpl
            def prompt_submit(prompt):
                import os
                os.environ["ACME_SEEN"] = "1"
            """,
            *("unload", "the variable ACME_SEEN"),
            id="a variable that stays",
        ),
        pytest.param(
            """
            import time
            @hookimpl
            def pre_tool(call):
                time.sleep(0.08)
            """,
            *("latency", "pre_tool takes"),
            id="a slow hook",
        ),
        pytest.param(
            """
            import subprocess
            subprocess.run(["true"])
            print("Welcome!")
            """,
            *("import", "starts a process: true"),
            id="work at import",
        ),
    ],
)
def test_what_a_host_would_suffer_from_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, where: str, said: str
) -> None:
    monkeypatch.setattr(checking, "IMPORT_SECONDS", 2.0 if "while" in code else 60.0)
    monkeypatch.setattr(checking, "IMPORT_MS", 200.0 if "sleep(0.4)" in code else 5_000.0)
    named = [one for one in found(pack(tmp_path, code)) if one.check == where]
    assert any(said in one.text for one in named), named
    assert all(one.mend for one in named)


def test_a_pack_pays_for_its_own_modules_and_not_for_the_host_s(tmp_path: Path) -> None:
    words = ", ".join(word for word in pegboard.__all__ if not word.startswith("_"))
    (tmp_path / "all_words.py").write_text(f"import colorsys\nfrom pegboard import {words}\n")
    probe = [sys.executable, "-X", "importtime", "-m", "pegboard._authoring.import_probe", "all_words"]
    done = subprocess.run(
        probe, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    paid = [line.split("|")[2].strip() for line in done.stderr.partition(MARKER)[2].splitlines() if "|" in line]
    assert "colorsys" in paid
    assert not [module for module in paid if module.startswith("pegboard")]


def test_an_import_is_slow_only_if_it_is_so_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = tmp_path / "imports"
    code = f"""
        import pathlib, time
        counter = pathlib.Path({str(counter)!r})
        counter.write_text(counter.read_text() + "." if counter.exists() else ".")
        time.sleep(3 if len(counter.read_text()) == 2 else 0)
    """
    monkeypatch.setattr(checking, "IMPORT_MS", 2_000.0)
    assert not [one for one in found(pack(tmp_path, code)) if "the limit is" in one.text]
    assert counter.read_text().startswith("...")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param({"type": "object", "properties": {"a": {"type": "strin"}}}, "'strin' is no type at /a", id="type"),
        pytest.param({"type": "object", "required": ["a"]}, "'a' is required and is no property", id="required"),
        pytest.param({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}, "leads nowhere at /a", id="ref"),
        pytest.param({"type": "object", "properties": {"a": {"enum": []}}}, "an enum without values at /a", id="enum"),
        pytest.param({"type": "array"}, "must be 'object'", id="an array"),
        pytest.param({"type": "object", "properties": {"a": "text"}}, "must be an object at /a", id="no schema"),
    ],
)
def test_a_schema_that_no_model_can_fill_is_named(schema: object, said: str) -> None:
    facts = {"description": "Does it.", "input_schema": schema}
    assert any(said in problem for problem in schema_problems("it", facts))


def test_a_schema_with_references_and_unions_is_fine() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}, "b": {"items": True}},
        "required": ["a"],
        "$defs": {"A": {"type": ["string", "integer"], "enum": ["x", 1]}},
        "additionalProperties": False,
    }
    assert schema_problems("it", {"description": "Does it.", "input_schema": schema}) == []


def test_a_tool_needs_a_name_that_the_api_takes_and_words_for_the_model() -> None:
    problems = schema_problems("a tool", {"description": " ", "input_schema": {"type": "object"}})
    assert len(problems) == 2


def test_a_pack_that_does_not_say_what_it_needs_is_in_doubt(tmp_path: Path) -> None:
    for needs, said in (
        ("", "does not say that it needs"),
        ('"pegboard"', "which pegboard"),
        ('"pegboard-x"', "needs"),
    ):
        folder = pack(tmp_path, "", needs=needs)
        doubt = next(check(project_at(folder)))
        assert (doubt.check, doubt.state) == ("metadata", "doubt")
        assert said in doubt.text


def test_the_verb_says_it_as_json_and_by_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pack(tmp_path, "@hookimpl\ndef pre_tol(call): ...\n")
    assert main(["plugins", "check", str(folder), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert not said["ok"]
    assert any("pre_tol" in one["text"] for one in said["findings"])
    assert main(["plugins", "check", str(folder)]) == 1
    assert "Did you mean 'pre_tool'" in capsys.readouterr().out


def test_a_folder_without_a_pack_is_an_error_that_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(PegboardError, match="plugins new NAME"):
        project_at(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(PegboardError, match="cannot be read"):
        project_at(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert [one.text for one in check(project_at(tmp_path))] == [f"{tmp_path}/pyproject.toml declares no plugin"]
