"""Notebooks and PDFs: what Read shows of them, and cells that change without touching the rest."""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import Any

import pytest
from file_tools_desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard.errors import ToolError
from pegboard.messages import ImageBlock, TextBlock
from pegboard_builtins.file_tools import pdf
from pegboard_builtins.file_tools.edit import edit
from pegboard_builtins.file_tools.notebook import MOST_PICTURES, laid_out_as
from pegboard_builtins.file_tools.notebook_edit import notebook_edit
from pegboard_builtins.file_tools.read import read

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def notebook(**more: Any) -> dict[str, Any]:
    cells = [
        {"cell_type": "markdown", "id": "intro", "metadata": {}, "source": ["# Héllo\n", "two"]},
        {
            "cell_type": "code",
            "execution_count": 3,
            "id": "sum",
            "metadata": {},
            "outputs": [
                {"name": "stdout", "output_type": "stream", "text": ["3\n"]},
                {"data": {"image/png": PNG, "text/plain": ["<Figure>"]}, "metadata": {}, "output_type": "display_data"},
            ],
            "source": ["1 + 2"],
        },
    ]
    return {
        "cells": cells,
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
        **more,
    }


def laid_out(found: dict[str, Any]) -> str:
    """As Jupyter writes it."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    "data", ["AAAA", "", "no base64!", PNG + "A" * 5_000_000], ids=["none", "empty", "torn", "large"]
)
def test_a_picture_that_no_model_takes_is_told_instead(desk: Desk, data: str) -> None:
    found = notebook()
    found["cells"][1]["outputs"][1]["data"]["image/png"] = data
    desk.file("a.ipynb", laid_out(found))
    text = str(desk.call(read, file_path="a.ipynb").content)
    assert "[a picture of the type image/png: it cannot be shown]" in text


def test_only_so_many_pictures_of_a_notebook_are_shown(desk: Desk) -> None:
    found = notebook()
    found["cells"][1]["outputs"] *= MOST_PICTURES + 5
    desk.file("a.ipynb", laid_out(found))
    parts = desk.call(read, file_path="a.ipynb").content
    assert sum(isinstance(part, ImageBlock) for part in parts) == MOST_PICTURES
    assert "[5 more pictures are not shown]" in str(parts[0])


def test_cells_are_shown_with_their_outputs(desk: Desk) -> None:
    desk.file("a.ipynb", laid_out(notebook()))
    result = desk.call(read, file_path="a.ipynb")
    text, picture = result.content
    assert isinstance(text, TextBlock)
    assert text.text == (
        '<cell id="intro" type="markdown">\n# Héllo\ntwo\n</cell>\n'
        '<cell id="sum" type="code">\n1 + 2\n</cell>\n<output>\n3\n</output>'
    )
    assert picture == ImageBlock(source={"type": "base64", "media_type": "image/png", "data": PNG})
    assert result.data["type"] == "notebook"
    assert result.data["file"]["cells"][1] == {
        "cellType": "code",
        "source": "1 + 2",
        "cell_id": "sum",
        "language": "python",
    }


def test_what_is_no_notebook_is_text(desk: Desk) -> None:
    desk.file("a.ipynb", '{"cells": 3}\n')
    assert desk.call(read, file_path="a.ipynb").data["type"] == "text"


def test_a_cell_is_replaced_and_every_other_byte_stays(desk: Desk) -> None:
    path = desk.file("a.ipynb", laid_out(notebook()))
    path.chmod(0o640)
    desk.call(read, file_path="a.ipynb")
    result = desk.call(notebook_edit, notebook_path="a.ipynb", cell_id="sum", new_source="a\nb")
    wanted = notebook()
    wanted["cells"][1] |= {"source": ["a\n", "b"], "outputs": [], "execution_count": None}
    assert path.read_text() == laid_out(wanted)
    assert path.stat().st_mode & 0o777 == 0o640
    assert (result.data["edit_mode"], result.data["cell_id"]) == ("replace", "sum")
    assert json.loads(result.data["updated_file"]) == wanted


def test_cells_come_and_go(desk: Desk) -> None:
    path = desk.file("a.ipynb", laid_out(notebook()))
    desk.call(read, file_path="a.ipynb")
    desk.call(notebook_edit, notebook_path="a.ipynb", new_source="first", cell_type="markdown", edit_mode="insert")
    desk.call(
        notebook_edit, notebook_path="a.ipynb", cell_id="sum", new_source="x", cell_type="code", edit_mode="insert"
    )
    desk.call(notebook_edit, notebook_path="a.ipynb", cell_id="intro", new_source="", edit_mode="delete")
    cells = json.loads(path.read_text())["cells"]
    assert [("".join(cell["source"]), cell["cell_type"]) for cell in cells] == [
        ("first", "markdown"),
        ("1 + 2", "code"),
        ("x", "code"),
    ]
    assert cells[1] == notebook()["cells"][1]
    assert all(cell["id"] for cell in cells)


def test_a_cell_of_an_old_notebook_is_named_by_its_place(desk: Desk) -> None:
    old = notebook(nbformat_minor=2)
    for cell in old["cells"]:
        del cell["id"]
    path = desk.file("a.ipynb", laid_out(old))
    assert '<cell id="cell-1"' in str(desk.call(read, file_path="a.ipynb").content)
    desk.call(
        notebook_edit, notebook_path="a.ipynb", cell_id="cell-0", new_source="x", cell_type="code", edit_mode="insert"
    )
    cells = json.loads(path.read_text())["cells"]
    assert cells[1]["source"] == ["x"]
    assert "id" not in cells[1]


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        pytest.param({"cell_id": "summ"}, "Did you mean 'sum'", id="nearest id"),
        pytest.param({}, "Say the cell_id", id="no cell"),
        pytest.param({"edit_mode": "insert"}, "needs a cell_type", id="no type"),
    ],
)
def test_a_wrong_cell_is_refused(desk: Desk, given_: dict[str, str], said: str) -> None:
    path = desk.file("a.ipynb", laid_out(notebook()))
    desk.call(read, file_path="a.ipynb")
    with pytest.raises(ToolError, match=said):
        desk.call(notebook_edit, notebook_path="a.ipynb", new_source="x", **given_)
    assert path.read_text() == laid_out(notebook())


def test_a_notebook_must_be_read_and_must_be_as_it_was_read(desk: Desk) -> None:
    path = desk.file("a.ipynb", laid_out(notebook()))
    with pytest.raises(ToolError, match="not been read"):
        desk.call(notebook_edit, notebook_path="a.ipynb", cell_id="sum", new_source="x")
    desk.call(read, file_path="a.ipynb")
    path.write_text(laid_out(notebook(metadata={})))
    with pytest.raises(ToolError, match="Read it again"):
        desk.call(notebook_edit, notebook_path="a.ipynb", cell_id="sum", new_source="x")


def test_edit_says_which_tool_is_for_notebooks(desk: Desk) -> None:
    desk.file("a.ipynb", laid_out(notebook()))
    desk.call(read, file_path="a.ipynb")
    with pytest.raises(ToolError, match="NotebookEdit"):
        desk.call(edit, file_path="a.ipynb", old_string="two", new_string="three")
    desk.file("a.txt", "x")
    with pytest.raises(ToolError, match="is no notebook"):
        desk.call(notebook_edit, notebook_path="a.txt", cell_id="a", new_source="x")


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(
    metadata=st.dictionaries(st.text(), JSONS, max_size=3),
    indent=st.sampled_from([1, 2, 4, None, "\t"]),
    ascii_only=st.booleans(),
    end=st.sampled_from(["", "\n"]),
)
def test_the_layout_of_the_file_is_found(metadata: dict[str, Any], indent: Any, ascii_only: bool, end: str) -> None:
    found = notebook(metadata=metadata)
    text = json.dumps(found, indent=indent, ensure_ascii=ascii_only) + end
    assert laid_out_as(text, found, found) == (text, True)


# --- PDFs -----------------------------------------------------------------------------------------------------


def a_pdf(*pages: str) -> bytes:
    """Make a PDF with one line of text on each page."""
    bodies: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode()
        content = len(bodies) + 1
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        font = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /Contents %d 0 R /Resources %s /MediaBox [0 0 612 792] >>" % (content, font)
        )
        kids.append(b"%d 0 R" % len(bodies))
    bodies[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(bodies, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start))
    return out.getvalue()


needs_pypdf = pytest.mark.skipif(not pdf.installed(), reason="the extra pdf is not installed")


@needs_pypdf
def test_pages_of_a_pdf_are_text(desk: Desk) -> None:
    desk.file("a.pdf", a_pdf("First words", "Second words", "Third words"))
    result = desk.call(read, file_path="a.pdf", pages="2-3")
    assert result.content == "--- page 2 of 3 ---\nSecond words\n--- page 3 of 3 ---\nThird words"
    assert result.data["type"] == "pdf"
    assert result.data["file"]["totalPages"] == 3
    long = desk.file("long.pdf", a_pdf(*(f"Page{number}" for number in range(25))))
    first = str(desk.call(read, file_path=str(long)).content)
    assert "Page19" in first
    assert "Page20" not in first
    assert 'Read on with pages="21-"' in first


@needs_pypdf
@pytest.mark.parametrize(
    ("data", "pages", "said"),
    [
        pytest.param(a_pdf("x"), "9", "has 1 pages", id="behind the end"),
        pytest.param(a_pdf("x"), "x", "no range", id="no range"),
        pytest.param(a_pdf("x"), "3-2", "ends before", id="backwards"),
        pytest.param(b"%PDF-1.4\nrubbish", None, "cannot be read as a PDF", id="rubbish"),
    ],
)
def test_a_pdf_that_cannot_be_shown_says_why(desk: Desk, data: bytes, pages: str | None, said: str) -> None:
    desk.file("a.pdf", data)
    with pytest.raises(ToolError, match=said):
        desk.call(read, file_path="a.pdf", pages=pages)


def test_without_the_library_the_extra_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    monkeypatch.setattr(pdf, "installed", lambda: False)
    desk.file("a.pdf", b"%PDF-1.4\n")
    with pytest.raises(ToolError, match=r"pegboard\[pdf\]"):
        desk.call(read, file_path="a.pdf")
