"""The documentation is true: every code block runs, every link leads somewhere, every reference page is fresh.

How a page's blocks are run, in a folder of its own and one after another:

* ```python: all blocks of a page are one script, up to a shell block that changes something. A ```text block right
  after one is what it prints (`...` stands for anything).
* ```console and ```bash run when `<!-- run -->` stands before them (`<!-- run: exit 5 -->` for another exit code). In
  a console block `$ ` begins a command, and what follows is its output.
* `<!-- file: PATH -->` before a block makes it a file. `<!-- install: FOLDER -->` is what pip would do, without pip.
* ```toml and ```json must parse. Blocks of `pegboard` commands that are not run must at least name verbs and options
  that exist.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tomli

from pegboard._board.acceptance import AcceptedPacks
from pegboard._board.fingerprint import fingerprint
from pegboard.declares import ALL

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent != REFERENCE]

MEMORY_ENDS = "\npegboard memory stop\n"
SPLIT = "\x1e"
"""Printed between two Python blocks of a script, so that the output of each is known."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- reading a page ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line on which the text begins (from 1), and its marks."""

    language: str
    text: str
    line: int
    marks: dict[str, str] = field(default_factory=dict)

    @property
    def is_script(self) -> bool:
        return self.language == "python" and "file" not in self.marks

    @property
    def is_run(self) -> bool:
        return "run" in self.marks

    @property
    def exit_code(self) -> int:
        return int(self.marks["run"].removeprefix("exit ") or 0)


MARK = re.compile(r"<!-- (file|run|install)(?:: (.*?))? -->")
FENCE = re.compile(r"```(\w*)$")


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page. A mark belongs to the block that follows it, with nothing but blanks between."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        fence = FENCE.match(line)
        mark = MARK.fullmatch(line)
        if fence is not None:
            body: list[str] = []
            for _, inner in lines:
                if inner == "```":
                    break
                body.append(inner)
            else:
                raise ValueError(f"the block of line {number} has no end")
            found.append(Block(fence[1], "".join(f"{inner}\n" for inner in body), number + 1, marks))
            marks = {}
        elif mark is not None:
            marks = {**marks, mark[1]: mark[2] or ""}
            if mark[1] == "install":
                found.append(Block("", "", number, marks))
                marks = {}
        elif line.strip():
            marks = {}
    return found


# --- the desk ------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """A folder of its own with `pegboard`, `python` and `pytest` on the path, and no way out."""

    root: Path
    page: Path

    def __post_init__(self) -> None:
        self.folder = self.root / "work"
        self.bin, self.site = self.root / "bin", self.root / "site"
        for folder in (self.folder, self.bin, self.site, self.root / "home"):
            folder.mkdir()
        plugin = "" if _pytest_finds_us() else "-p pegboard.pytest_plugin "
        self._program("pegboard", "-m pegboard")
        self._program("python", "")
        self._program("python3", "")
        self._program("pytest", f"-m pytest -p no:cacheprovider -p no:randomly {plugin}")
        foreign = ("PEGBOARD_", "ANTHROPIC_", "CLAUDE_", "XDG_", "PYTEST_", "COV_")
        self.path = [str(self.site), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.root / "home"),
            "PEGBOARD_STATE_DIR": str(self.root / "state"),
            "PEGBOARD_CONFIG_DIR": str(self.root / "home" / ".config" / "pegboard"),
            "PIP_NO_INDEX": "1",
            "http_proxy": "http://127.0.0.1:9",  # whoever wants to leave the machine fails at once
            "https_proxy": "http://127.0.0.1:9",
            "no_proxy": "127.0.0.1,localhost",
            "PYTHONDONTWRITEBYTECODE": "1",
            # a page that does not end its daemon gets none
            "PEGBOARD_MEMORY__ON": str(self.page.exists() and MEMORY_ENDS in self.page.read_text("utf-8")).lower(),
            "COLUMNS": "200",
        }

    def _program(self, name: str, words: str) -> None:
        path = self.bin / name
        path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n', encoding="utf-8")
        path.chmod(0o755)

    def run(self, words: Sequence[str], *, line: int, exit_code: int = 0) -> str:
        """Run a program and return all that it says."""
        environment = {**self.environment, "PYTHONPATH": os.pathsep.join(self.path)}
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == exit_code, f"{name_of(self.page)}:{line}: exit {done.returncode}\n{done.stdout}"
        return done.stdout

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def install(self, name: str) -> None:
        """Make the metadata and the path that `pip install -e` makes of a pack."""
        folder = self.folder / name
        project = tomli.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = self.site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        facts = f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
        (info / "METADATA").write_text(facts, encoding="utf-8")
        points = "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in project["entry-points"].items()
        )
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
        self.path.append(str(folder))
        if "plugins trust" not in self.page.read_text(encoding="utf-8"):  # a page that is not about that
            state = Path(self.environment["PEGBOARD_STATE_DIR"])
            AcceptedPacks(state).accept(project["name"], str(fingerprint(str(info))), {"permissions": sorted(ALL)})


def _pytest_finds_us() -> bool:
    from importlib_metadata import entry_points

    return bool(list(entry_points(group="pytest11", name="pegboard")))


# --- running a page ------------------------------------------------------------------------------------


def play(page: Path, desk: Desk) -> None:
    """Run a page's blocks in order."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    waiting: list[int] = []
    for place, block in enumerate(blocks):
        if block.is_script:
            waiting.append(place)
            continue
        if (block.is_run or "install" in block.marks) and waiting:
            _play_scripts(desk, blocks, waiting)
            waiting = []
        if "install" in block.marks:
            desk.install(block.marks["install"])
        elif "file" in block.marks:
            desk.write(block.marks["file"], block.text)
        elif block.is_run and block.language == "console":
            _play_console(desk, block)
        elif block.is_run:
            said = desk.run(
                ["bash", "-eu", "-o", "pipefail", "-c", block.text], line=block.line, exit_code=block.exit_code
            )
            _compare(desk, _expected_after(blocks, place), said, block.line)
    if waiting:
        _play_scripts(desk, blocks, waiting)


def _play_scripts(desk: Desk, blocks: list[Block], places: list[int]) -> None:
    lines: list[str] = []
    for place in places:
        block = blocks[place]
        lines += [""] * (block.line - 1 - len(lines))  # so that a traceback has the page's own lines
        lines += block.text.splitlines()
        lines.append(f"print({SPLIT!r}, flush=True)")
    script = desk.folder / f"{desk.page.stem.replace('-', '_').lower()}_page.py"
    script.write_text("\n".join(lines), encoding="utf-8")
    said = desk.run([sys.executable, "-W", "error", script.name], line=blocks[places[0]].line)
    script.unlink()
    for place, output in zip(places, said.split(f"{SPLIT}\n"), strict=False):
        _compare(desk, _expected_after(blocks, place), output, blocks[place].line)


def _play_console(desk: Desk, block: Block) -> None:
    commands = list(commands_of(block))
    for place, (command, expected, line) in enumerate(commands):
        if command.startswith("cd "):
            desk.folder = (desk.folder / command.removeprefix("cd ")).resolve()
            continue
        code = block.exit_code if place == len(commands) - 1 else 0
        said = desk.run(["bash", "-c", command], line=line, exit_code=code)
        _compare(desk, expected, said, line)


def commands_of(block: Block) -> Iterator[tuple[str, str, int]]:
    """Go through (command, its expected output, its line) of a console block."""
    parts = re.split(r"(?m)^\$ ", block.text)
    line = block.line + parts[0].count("\n")
    for part in parts[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected, line
        line += part.count("\n")


def _expected_after(blocks: list[Block], place: int) -> str | None:
    after = blocks[place + 1] if place + 1 < len(blocks) else None
    return after.text if after is not None and after.language == "text" and not after.marks else None


def _compare(desk: Desk, expected: str | None, said: str, line: int) -> None:
    if expected is None:
        return
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if not doctest.OutputChecker().check_output(expected, said, flags):
        raise AssertionError(f"{name_of(desk.page)}:{line}: expected\n{expected}\ngot\n{said}")


# --- tests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_all_code_of_a_page_runs_and_prints_what_it_says(page: Path, tmp_path: Path) -> None:
    play(page, Desk(tmp_path, page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_data_of_a_page_can_be_parsed(page: Path) -> None:
    for block in blocks_of(page.read_text(encoding="utf-8")):
        if block.language == "toml":
            tomli.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_no_block_is_without_a_language_or_of_one_that_nobody_checks(page: Path) -> None:
    known = {"python", "text", "toml", "json", "bash", "console"}
    blocks = [block for block in blocks_of(page.read_text(encoding="utf-8")) if "install" not in block.marks]
    # Programs in other languages are files, and tests/hooks/test_hooks_warm_pages.py runs them.
    foreign = {block.language for block in blocks if block.marks.get("file", "").endswith((".js", ".go"))}
    assert {block.language for block in blocks} <= known | foreign


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_console_block_is_run(page: Path) -> None:
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    assert [block.line for block in blocks if block.language == "console" and not block.is_run] == []


COMMAND = re.compile(r"(?<![\w./-])pegboard +([a-z][^|;&)`\n]*)")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|['\"].*|#.*")


def command_words(text: str) -> Iterator[list[str]]:
    """Go through the words of all `pegboard` commands of a page, in shell blocks and between words."""
    shell = [block.text for block in blocks_of(text) if block.language in ("bash", "console")]
    outside = re.sub(r"(?ms)^```.*?^```$", "", text)
    shell += [re.sub(r"\s+", " ", found) for found in re.findall(r"`(pegboard [^`]+)`", outside)]
    for command in shell:
        for found in COMMAND.findall(command.replace("\\\n", " ")):
            yield QUOTED.sub("", found).split()


FAMILIES = (
    "cli.md", "flags.md", "surfaces.md", "memory.md", "permissions.md", "checkpoints.md", "commands.md", "mcp.md",
    "agents.md",
)  # fmt: skip


def verbs() -> dict[str, set[str]]:
    """Return the options of each verb, as the reference pages have them: ours, and those of some built-ins."""
    text = "".join((REFERENCE / name).read_text(encoding="utf-8") for name in FAMILIES)
    parts = re.split(r"(?m)^## pegboard (.+)$", text)
    return {
        name: {*re.findall(r"`(--?[\w-]+)`", part), "--help", "-h", "--no-plugins"}
        for name, part in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_every_command_names_a_verb_and_options_that_exist(page: Path) -> None:
    known = verbs()
    families = {name.split()[0] for name in known if " " in name}
    for words in command_words(page.read_text(encoding="utf-8")):
        command = f"{name_of(page)}: pegboard {' '.join(words)}"
        verb = next((name for name in (" ".join(words[:3]), " ".join(words[:2]), words[0]) if name in known), None)
        assert verb is not None or (len(words) == 1 and words[0] in families), f"no such verb: {command}"
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert verb is None or options <= known[verb], f"no such option: {command}"


def anchors(text: str) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"(?ms)^```.*?^```$", "", text)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{name_of(page)} links to {target}"


def test_the_index_leads_to_every_page() -> None:
    linked = {(DOCS / name).resolve() for name in re.findall(r"\]\(([^)#]+)\)", (DOCS / "README.md").read_text())}
    assert {page for page in DOCS.rglob("*.md") if page != DOCS / "README.md"} <= linked


def generate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), *words], capture_output=True, text=True, timeout=120, check=False
    )


def test_the_reference_pages_are_fresh() -> None:
    done = generate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_reference_page_that_is_not_fresh_is_named(tmp_path: Path) -> None:
    assert generate("--to", str(tmp_path)).returncode == 0
    (tmp_path / "hooks.md").write_text("# The hooks\n\nThere are none.\n")
    done = generate("--check", "--to", str(tmp_path))
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "not fresh: hooks.md")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("```python\nraise SystemExit(3)\n```\n", "exit 3", id="a script that fails"),
        pytest.param("```python\nprint(1)\n```\n\n```text\n2\n```\n", "expected\n2", id="another output"),
        pytest.param("```python\nx = 1\n```\n```python\nprint(y)\n```\n", "NameError", id="a name that no block sets"),
        pytest.param("<!-- run -->\n```bash\nfalse\n```\n", "exit 1", id="a command that fails"),
        pytest.param("<!-- run: exit 5 -->\n```console\n$ true\n```\n", "exit 0", id="a command that does not fail"),
        pytest.param(
            "<!-- run -->\n```console\n$ echo a\nb\n```\n", "expected\nb", id="a command that says another thing"
        ),
    ],
)
def test_a_page_that_is_wrong_is_found_out(text: str, problem: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / "a-page-that-is-not-there.md"
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(AssertionError, match=re.escape(problem)):
        play(tmp_path / "page.md", Desk(tmp_path, page))
