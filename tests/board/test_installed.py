"""Entry points read from the folders on the path: what importlib-metadata finds, and the library where it must."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import importlib_metadata
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegboard._board.installed import entry_points

POINTS = """\
[console_scripts]
acme = acme:main

[pegboard]
# ours
acme = acme.plugin:Plug
 other=acme

[x]
a = b
"""
ABOUT = "Metadata-Version: 2.1\nName: Acme-Words\nVersion: 1.2\n\nName: not this one\n"


def seen(found):
    return sorted((point.name, point.value, point.dist.name, point.dist.version) for point in found)


def make(folder, name, *, points=POINTS, about=ABOUT):
    made = folder / name
    made.mkdir(parents=True)
    if points is not None:
        (made / "entry_points.txt").write_text(points)
    (made / ("PKG-INFO" if name.endswith(".egg-info") else "METADATA")).write_text(about)


NAMES = st.sampled_from(
    ["acme_words-1.2.dist-info", "Acme.Words-2.dist-info", "acme-1.egg-info", "b.egg-info", "B__x-1.dist-info", "c.txt"]
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    folders=st.lists(
        st.dictionaries(NAMES, st.sampled_from([None, POINTS, POINTS.replace("pegboard", "pegboarding")])), max_size=3
    )
)
def test_folders_give_what_the_library_finds(tmp_path_factory, monkeypatch, folders):
    root = tmp_path_factory.mktemp("path")
    path = []
    for number, dists in enumerate(folders):
        path.append(str(root / str(number)))
        (root / str(number)).mkdir()
        for name, points in dists.items():
            make(root / str(number), name, points=points)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [*path, str(root / "nowhere")])
        # the library lists a folder in no order either: which of two equal names in one folder counts, nobody says
        twice = any(len({n.lower().split("-")[0].replace(".", "_") for n in d}) < len(d) for d in folders)
        if not twice:
            assert seen(entry_points("pegboard")) == seen(importlib_metadata.entry_points(group="pegboard"))


def test_a_zip_file_on_the_path_is_left_to_the_library(tmp_path, monkeypatch):
    archive = tmp_path / "acme.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("acme_words-1.2.dist-info/entry_points.txt", POINTS)
        file.writestr("acme_words-1.2.dist-info/METADATA", ABOUT)
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert seen(entry_points("pegboard"))[0] == ("acme", "acme.plugin:Plug", "Acme-Words", "1.2")


def test_a_finder_with_distributions_of_its_own_is_asked(monkeypatch):
    class Finder:
        def find_spec(self, *given):
            return None

        def find_distributions(self, context):
            return [Dist()]

    class Dist(importlib_metadata.Distribution):
        def read_text(self, filename):
            return {"METADATA": ABOUT, "entry_points.txt": POINTS}.get(filename)

        def locate_file(self, path):
            raise FileNotFoundError

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert [point[0] for point in seen(entry_points("pegboard"))] == ["acme", "other"]


def test_this_environment_looks_the_same_to_both():
    for group in ("pegboard", "console_scripts", "pytest11"):
        assert seen(entry_points(group)) == seen(importlib_metadata.entry_points(group=group))


@pytest.mark.parametrize("module", ["importlib_metadata", "importlib.metadata"])
def test_folders_are_read_without_a_library(module):
    program = (
        "import sys; before = set(sys.modules)\n"
        "from pegboard._board.installed import entry_points\n"
        f"assert list(entry_points('pegboard')); print({module!r} in set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
