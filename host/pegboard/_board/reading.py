"""What a pack's source says, read and not run: for consent before a first import, and for what an import would break.

Only what stands there in plain words is seen. It is shown to people as that, and one thing of it counts: the literal
`Declares(...)` of a module is what was consented to, so what an import declares beyond it does not count.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from pegboard._dataclass import dataclass
from pegboard.declares import NOTHING, Declares
from pegboard.errors import PegboardError

LARGEST = 1 << 20
MOST_FILES = 200
WATCHED = {
    "subprocess": "starts processes",
    "multiprocessing": "starts processes",
    "pty": "starts processes",
    "socket": "network",
    "ssl": "network",
    "http": "network",
    "urllib": "network",
    "requests": "network",
    "httpx": "network",
    "httpx2": "network",
    "aiohttp": "network",
    "ctypes": "calls C code",
    "cffi": "calls C code",
    "pickle": "unpickles",
    "marshal": "unpickles",
}


@dataclass
class Read:
    """What the source of a plugin says. `files` are those that were read, `problem` is why one was not."""

    files: list[Path] = field(default_factory=list)
    declares: Declares = NOTHING
    tools: dict[str, tuple[bool, int]] = field(default_factory=dict)
    """Each with whether it says that it only reads, and about how many tokens it takes of each request."""
    egress: dict[str, str] = field(default_factory=dict)
    """Tools that say on which surfaces their input leaves, each with these; what cannot be read is `...`."""
    hooks: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    uses: dict[str, str] = field(default_factory=dict)
    """Modules that it imports and a person would want to know of."""
    problem: str = ""


def read_plugin(value: str, path: Sequence[str] | None = None) -> Read:
    """Read the package of an entry point's value, looked for in *path* if given.

    Never raises: what cannot be read is the `problem`.
    """
    read = Read()
    module = value.partition(":")[0].strip()
    spec = find(module, path)
    if spec is None or not spec.origin or not os.path.isfile(spec.origin):
        read.problem = f"the module {module!r} has no source that could be read"
        return read
    main = Path(spec.origin)
    try:
        read.declares = declared_in(main) or NOTHING
    except PegboardError as error:
        read.problem = str(error)
    for file in _sources(main, module):
        tree = _parsed(file)
        if tree is None:
            read.problem = read.problem or f"{file} cannot be read as Python"
            continue
        read.files.append(file)
        _take(tree, read)
    return read


def declared(value: str) -> Declares | None:
    """Return the literal declaration of an entry point's module; None where there is none. Raises PegboardError."""
    spec = find(value.partition(":")[0].strip())
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return declared_in(Path(spec.origin))


def declared_in(path: Path) -> Declares | None:
    """Return the literal `NAME = Declares(...)` at the top of a file. Raises PegboardError if it is not literal."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    if b"Declares(" not in text:
        return None
    tree = _parsed(path)
    for node in tree.body if tree is not None else ():
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and _name_of(value.func) == "Declares":
            try:
                given = {str(word.arg): ast.literal_eval(word.value) for word in value.keywords}
                places = [ast.literal_eval(one) for one in value.args]
                return Declares(*places, **given)
            except (ValueError, TypeError) as error:
                raise PegboardError(
                    f"{path}:{node.lineno}: Declares(...) is read before the module runs, so its words must stand "
                    f"there literally ({error})"
                ) from None
            except PegboardError as error:
                raise PegboardError(f"{path}:{node.lineno}: {error}") from None
    return None


def find(module: str, path: Sequence[str] | None = None) -> ModuleSpec | None:
    """Return where a module lies, importing nothing: not even the packages that it is in."""
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for number in range(1, len(parts) + 1):
        name = ".".join(parts[:number])
        spec = _spec(name, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and number < len(parts):
            return None
    return spec


def _spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in (PathFinder,) if path is not None else (*sys.meta_path, PathFinder):
        look = getattr(finder, "find_spec", None)
        try:
            found: Any = look(name, path) if look is not None else None
        except Exception:  # a finder of somebody else's
            continue
        if found is not None:
            return found  # type: ignore[no-any-return]
    return None


def _sources(main: Path, module: str) -> Iterator[Path]:
    """Go through the Python files of a plugin's package, the module itself first."""
    yield main
    above = len(module.split(".")) - (1 if main.name == "__init__.py" else 2)
    if above < 0:
        return  # a pack of one file
    found = sorted(path for path in main.parents[above].rglob("*.py") if path != main)
    yield from found[:MOST_FILES]


def _parsed(path: Path) -> ast.Module | None:
    try:
        if path.stat().st_size > LARGEST:
            return None
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _take(tree: ast.Module, read: Read) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                _take_mark(node, mark, read)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            _take_import(node, read)
        elif isinstance(node, ast.Call) and _name_of(node.func) == "flag" and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                read.flags.append(name.value)


def _take_mark(function: ast.FunctionDef | ast.AsyncFunctionDef, mark: ast.expr, read: Read) -> None:
    said = {word.arg: word.value for word in mark.keywords} if isinstance(mark, ast.Call) else {}
    true = {word for word, value in said.items() if isinstance(value, ast.Constant) and value.value is True}
    kind = _name_of(mark.func if isinstance(mark, ast.Call) else mark)
    named = said.get("name" if kind == "tool" else "specname")
    known = named.value if isinstance(named, ast.Constant) and isinstance(named.value, str) else function.name
    if kind == "tool":
        read.tools[known] = ("read_only" in true, _tokens(known, function))
        if "egress" in said:
            read.egress[known] = _listed(said["egress"])
    elif kind == "hookimpl":
        read.hooks[known] = ", ".join(word for word in ("guard", "rewrites") if word in true)


def _listed(said: ast.expr) -> str:
    try:
        found = ast.literal_eval(said)
    except ValueError:
        return "..."
    return ", ".join(map(str, found)) if isinstance(found, list | tuple) else str(found)


def _tokens(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return about how many tokens a tool's definition has: its words, and a schema that is longer than the hints."""
    arguments = [one for one in (*function.args.args, *function.args.kwonlyargs) if one.arg not in ("ctx", "self")]
    hints = sum(len(one.arg) + 45 + len(ast.unparse(one.annotation) if one.annotation else "") for one in arguments)
    return (len(name) + len(ast.get_docstring(function) or "") + hints + 80) // 4


def _take_import(node: ast.Import | ast.ImportFrom, read: Read) -> None:
    names = [one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    for name in names:
        top = name.partition(".")[0]
        if top in WATCHED:
            read.uses[top] = WATCHED[top]


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
