"""A hundred packs in a real environment, twenty of them broken: every verb works, and names the twenty."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from wheel_room import Room

GOOD = '''
from pathlib import Path

from pegboard import tool

Path({marks!r}, __name__).touch()


@tool(read_only=True)
def {name}_count(path: str) -> int:
    """Count."""
    return 1
'''
BROKEN = {
    "raises": ("raise RuntimeError('it is broken')", "RuntimeError: it is broken"),
    "syntax": ("def f(:", "SyntaxError"),
    "missing": ("import not_there_at_all", "not_there_at_all"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "leaves": ("import os; os._exit(4)", "leaves the interpreter (exit code 4)"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ends the interpreter (SIGSEGV)"),
    "ends": (
        "import os\nfrom pegboard import hookimpl\n@hookimpl\ndef register(registry): os.abort()",
        "its register ends the interpreter (SIGABRT)",
    ),
    "unknown_hook": ("from pegboard import hookimpl\n@hookimpl\ndef pre_toll(call): pass", "Did you mean 'pre_tool'?"),
    "keyword": ("from pegboard import hookimpl\n@hookimpl\ndef pre_tool(*, call): pass", "is keyword-only"),
    "wrapper": ("from pegboard import hookimpl\n@hookimpl(nonsense=1)\ndef pre_tool(call): pass", "nonsense"),
    "odd_matcher": ("from pegboard import hookimpl\n@hookimpl(matcher='(')\ndef pre_tool(call): pass", "no regular"),
    "registers": ("from pegboard import hookimpl\n@hookimpl\ndef register(registry): 1 / 0", "ZeroDivisionError"),
    "taken": ("from pegboard import tool\n@tool\ndef Read() -> str:\n    'Read.'\n    return ''", "Read"),
    "verb": ("from pegboard import hookimpl\n@hookimpl\ndef register(registry): registry.add_command('x')", "neither"),
    "newer": ("from pegboard import Declares\ndeclares = Declares(api='>=99')", "works with pegboard >=99"),
    "permission": ("from pegboard import Declares\ndeclares = Declares(permissions=['all'])", "no permission 'all'"),
    "requires": ("from pegboard import Declares\ndeclares = Declares(requires=['nobody'])", "requires 'nobody'"),
    "filters": (
        "from pegboard import hookimpl\n@hookimpl\ndef register(registry): registry.add_filter('*', print)",
        "has not declared the permission 'rewrite'",
    ),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "name": ("acme_nothing", "NameError"),
}
HANGS = {
    "hangs": ("while True: pass", "its import has not ended"),
    "waits": (
        "import threading\nfrom pegboard import hookimpl\n@hookimpl\ndef register(registry): threading.Event().wait()",
        "its register has not ended",
    ),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    room = Room(tmp_path_factory.mktemp("packs"))
    marks = room.root / "marks"
    marks.mkdir()
    wheels = [
        room.wheel(f"acme-good-{n:02d}", text=GOOD.format(name=f"good_{n:02d}", marks=str(marks))) for n in range(80)
    ]
    wheels += [room.wheel(f"acme-{name.replace('_', '-')}", text=text) for name, (text, _) in BROKEN.items()]
    room.pip("install", "--quiet", "--no-index", "--no-deps", "--no-compile", *map(str, wheels))
    return room


def marked(room: Room) -> list[Path]:
    return sorted((room.root / "marks").iterdir())


def test_every_verb_works_among_a_hundred_packs_and_names_the_twenty_that_do_not(room: Room) -> None:
    assert set(room.statuses().values()) == {"untrusted"}
    assert len(room.statuses()) == 100
    trusted = room.facts("plugins", "trust", "--yes")
    assert len(trusted) == 100
    assert all(one["trusted"] for one in trusted)
    for mark in marked(room):
        mark.unlink()
    assert len(room.statuses()) == 100
    assert marked(room) == []  # to list imports none

    listed = {one["name"]: one for one in room.facts("plugins", "list", "--load")}
    for name, (_, words) in BROKEN.items():
        told = listed[f"acme_{name}"]
        assert told["status"] in ("load_error", "incompatible"), told
        assert words in told["reason"] or words in told["mend"], told
        assert told["mend"]
    assert {one["status"] for name, one in listed.items() if name.startswith("acme_good")} == {"active"}

    found = {one["subject"]: one for one in room.facts("doctor", code=1)["findings"] if one["area"] == "plugins"}
    assert {f"acme_{name}" for name in BROKEN} <= {name for name, one in found.items() if one["state"] == "wrong"}
    assert room.facts("plugins", "why", "acme_crashes")["status"] == "load_error"
    (room.project / "script.toml").write_text('[[turn]]\ntext = "Done."\n')
    assert "Done." in room.fine("run", "go", "--model", "scripted:script.toml")
    room.fine("plugins", "disable", "acme_crashes", "acme_leaves", "acme_raises", "--user")
    assert room.statuses()["acme_leaves"] == "disabled"
    assert "is uninstalled" in room.fine("plugins", "uninstall", "acme_crashes")
    assert "acme_crashes" not in room.statuses()

    printed = set()
    for seed in map(str, range(8)):
        done = room.run("tools", "list", "--json", variables={"PYTHONHASHSEED": seed})
        assert done.returncode == 0
        printed.add(hashlib.sha256(done.stdout.encode()).hexdigest())
    assert len(printed) == 1


@pytest.mark.parametrize("name", HANGS)
def test_a_pack_that_never_ends_is_given_up_once_and_named(room: Room, full: bool, name: str) -> None:
    if not full:
        pytest.skip("waits for its deadline: --full")
    text, words = HANGS[name]
    room.pip("install", "--quiet", "--no-index", "--no-deps", str(room.wheel(f"acme-{name}", text=text)))
    assert words in room.fine("plugins", "trust", f"acme_{name}", "--yes")
    for _ in range(2):  # it is known from now on, and nobody waits for it again
        assert words in room.facts("plugins", "why", f"acme_{name}")["reason"]
    assert "is uninstalled" in room.fine("plugins", "uninstall", f"acme_{name}")
