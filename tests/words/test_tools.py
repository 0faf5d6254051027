"""A function becomes a tool: schema, arguments, claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from pegboard import tool
from pegboard.context import Ctx
from pegboard.errors import ToolInputError
from pegboard.tools import ALONE, READS_ANYTHING, Claims


@tool(read_only=True)
def search(
    pattern: str,
    path: Path | None = None,
    ignore_case: Annotated[bool, Field(alias="-i", description="Ignore case.")] = False,
    title: str = "",
    *,
    ctx: Ctx | None = None,
) -> str:
    """Search for a pattern.

    Goes through all files.

    Args:
        pattern: what to look for
    """
    return f"{pattern} {path} {ignore_case}"


def test_the_schema_comes_from_hints_and_docstring() -> None:
    schema = search.input_schema
    assert schema["required"] == ["pattern"]
    assert schema["properties"]["pattern"] == {"type": "string", "description": "what to look for"}
    assert schema["properties"]["-i"] == {"type": "boolean", "default": False, "description": "Ignore case."}
    assert schema["additionalProperties"] is False


def test_a_parameter_called_title_stays_in_the_schema() -> None:
    assert search.input_schema["properties"]["title"] == {"type": "string", "default": ""}


def test_the_ctx_is_no_part_of_the_schema() -> None:
    assert "ctx" not in search.input_schema["properties"]
    assert search.wants_ctx


@pytest.mark.parametrize(
    "section",
    [
        pytest.param("Args:\n    size: How large.", id="google"),
        pytest.param("Parameters\n----------\nsize : int\n    How large.", id="numpy"),
        pytest.param(":param size: How large.", id="rest"),
        pytest.param("@param size: How large.", id="epydoc"),
        pytest.param("Params:  \n    size: How large.", id="google, blanks behind the title"),
    ],
)
@pytest.mark.parametrize("indent", ["", "    "])
def test_a_parameter_is_described_by_every_style_of_docstring(section: str, indent: str) -> None:
    def measured(size: int) -> str:
        return str(size)

    measured.__doc__ = f"Measure it.\n\n{section}\n".replace("\n", f"\n{indent}")
    assert tool(measured).input_schema["properties"]["size"]["description"] == "How large."


def test_the_model_reads_the_docstring_without_its_sections() -> None:
    assert search.description == "Search for a pattern.\n\nGoes through all files."


def test_arguments_are_converted_and_named_as_the_function_names_them() -> None:
    given_input = {"pattern": "x", "path": "a", "-i": True}
    assert search.arguments(given_input) == {"pattern": "x", "path": Path("a"), "ignore_case": True, "title": ""}


@pytest.mark.parametrize(
    ("given_input", "problem"),
    [
        pytest.param({}, "pattern: Field required", id="missing"),
        pytest.param({"pattern": "x", "pth": "y"}, "pth: Extra inputs are not permitted", id="unknown"),
        pytest.param({"pattern": ["x"]}, "pattern: Input should be a valid string", id="wrong type"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_the_place(given_input: dict[str, object], problem: str) -> None:
    with pytest.raises(ToolInputError) as error:
        search.arguments(given_input)
    assert problem in error.value.problems


def test_a_tool_without_a_docstring_is_refused() -> None:
    def silent() -> None: ...

    with pytest.raises(TypeError, match="'silent' needs a docstring"):
        tool(silent)


def test_undeclared_claims_are_alone_unless_the_tool_only_reads() -> None:
    @tool
    def change() -> str:
        """Change."""
        return ""

    assert change.claims_of({}, Path("/")) is ALONE
    assert search.claims_of({}, Path("/")) is READS_ANYTHING


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        pytest.param(Claims.read(Path("/a")), Claims.read(Path("/a")), False, id="two readers"),
        pytest.param(Claims.read(Path("/a")), Claims.write(Path("/a")), True, id="a reader and a writer"),
        pytest.param(Claims.write(Path("/a")), Claims.write(Path("/b")), False, id="two writers of two files"),
        pytest.param(Claims.read("file:/src/"), Claims.write(Path("/src/a.py")), True, id="a tree and a file in it"),
        pytest.param(Claims.read("file:/src/"), Claims.write(Path("/src2/a.py")), False, id="a tree beside a file"),
        pytest.param(Claims.read("file:/src/"), Claims.write(Path("/src")), True, id="a tree and its root"),
        pytest.param(Claims(), ALONE, False, id="nothing beside everything"),
        pytest.param(READS_ANYTHING, Claims.write(Path("/a")), True, id="who reads anything beside a writer"),
        pytest.param(Claims.read_if_asked(lambda: "file:/a"), Claims.write(Path("/a")), True, id="a late reader"),
        pytest.param(
            Claims.read_if_asked(lambda: "file:/b"), Claims.write(Path("/a")), False, id="a late reader apart"
        ),
        pytest.param(Claims.read_if_asked(lambda: f"{1 // 0}"), Claims.write(Path("/a")), True, id="who cannot say it"),
    ],
)
def test_calls_conflict_when_one_writes_what_the_other_touches(one: Claims, other: Claims, conflict: bool) -> None:
    assert one.conflicts(other) is conflict


names = st.frozensets(st.sampled_from(["*", "file:/a", "file:/a/", "file:/a/b", "file:/c", "terminal:x"]), max_size=3)
claims = st.builds(Claims, reads=names, writes=names)


@given(claims, claims)
def test_a_conflict_is_mutual(one: Claims, other: Claims) -> None:
    assert one.conflicts(other) == other.conflicts(one)


@given(claims, claims)
def test_who_writes_nothing_conflicts_with_no_other_reader(one: Claims, other: Claims) -> None:
    assert not Claims(reads=one.reads).conflicts(Claims(reads=other.reads))
