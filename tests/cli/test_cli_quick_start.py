"""A command line spares pydantic the search for plugins of its own, and takes none away."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUN = """
import sys
from pegboard._cli.main import main
code = main(["plugins", "list"])
import pydantic
from pydantic import BaseModel
class Word(BaseModel):
    x: int
Word(x=1)
print("loaded:", *sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""
PLUGIN = """
asked = []
class Plugin:
    def new_schema_validator(self, schema, type, path, kind, config, settings):
        asked.append(path.name)
        import sys
        sys.modules["proof_that_the_plugin_was_asked"] = sys
        return None, None, None
plugin = Plugin()
"""


@pytest.fixture
def after(tmp_path):
    """Return what is loaded after a verb and a model, with *tmp_path* on the path."""

    def loaded() -> set[str]:
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PEGBOARD_STATE_DIR": str(tmp_path / "state")}
        done = subprocess.run(
            [sys.executable, "-c", RUN], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return set(done.stderr.partition("loaded:")[2].split())

    return loaded


def test_pydantic_does_not_read_the_environment_where_it_has_no_plugins(after):
    loaded = after()
    assert "pydantic.plugin._schema_validator" in loaded  # it came to where it asks for them
    assert loaded.isdisjoint(["importlib.metadata", "importlib_metadata"])


def test_a_plugin_of_pydantic_is_loaded_all_the_same(after, tmp_path):
    (tmp_path / "logs.py").write_text(PLUGIN)
    (tmp_path / "logs-1.0.dist-info").mkdir()
    (tmp_path / "logs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: logs\nVersion: 1.0\n")
    (tmp_path / "logs-1.0.dist-info" / "entry_points.txt").write_text("[pydantic]\nlogs = logs:plugin\n")
    assert "proof_that_the_plugin_was_asked" in after()


def test_the_core_of_pydantic_is_its_extension_alone_until_somebody_wants_more():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pegboard._cli.quick_start import spare_pydantic_core_its_types as spare; spare()\n"
            "import sys, pydantic_core\n"
            "assert pydantic_core.from_json(pydantic_core.to_json([1])) == [1]\n"
            "assert 'pydantic_core.core_schema' not in sys.modules\n"
            "assert not hasattr(pydantic_core, '__nothing__')\n"
            "print(type(pydantic_core).__name__)\n"
            "from pydantic_core import ErrorDetails, core_schema\n"
            "import pydantic\n"
            "print(type(pydantic_core).__name__, pydantic_core.core_schema is core_schema)\n"
            "print(pydantic.ValidationError is pydantic_core.ValidationError, hasattr(pydantic_core, 'nothing'))\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["CoreAlone", "module", "True", "True", "False"]


def test_who_wants_more_of_that_module_than_its_plugins_gets_the_real_one():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pegboard._cli.quick_start import spare_pydantic_its_search as spare; spare()\n"
            "from pydantic.plugin import _loader; print(type(_loader).__name__)\n"
            "print(_loader.PYDANTIC_ENTRY_POINT_GROUP)\n"
            "from pydantic.plugin import _loader as again, _schema_validator\n"
            "import sys; print(type(sys.modules['pydantic.plugin._loader']).__name__)\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["NoPlugins", "pydantic", "module"]
