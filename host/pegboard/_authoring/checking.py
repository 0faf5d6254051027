"""What a host will think of a pack: a contract suite that runs it in processes of their own and believes nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegboard._authoring.children import end_of, read_json, run_child
from pegboard.errors import PegboardError

OK, DOUBT, WRONG = "ok", "doubt", "wrong"
IMPORT_MS = 200.0
IMPORT_SECONDS = 20.0
INSPECTION_SECONDS = 120.0
SLOW_MS = 50.0
"""From this median on a hook is named as slow: it is asked at every call."""
MANY_TOKENS = 2_000
"""Of one tool's definition, in every request."""
TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `state` is ok, doubt or wrong; `mend` says what to do."""

    plugin: str
    check: str
    state: str
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """A pack's source: its folder, what its pyproject says, and where its modules are imported from."""

    folder: Path
    says: Mapping[str, Any]
    points: Mapping[str, str]

    @property
    def imported_from(self) -> Path:
        """The folder that its modules lie in."""
        source = self.folder / "src"
        return source if source.is_dir() else self.folder


def project_at(folder: Path) -> Project:
    """Read a pack's project. Raises PegboardError where there is none."""
    import tomli

    path = folder / "pyproject.toml"
    try:
        says = tomli.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PegboardError(
            f"there is no pyproject.toml in {folder}, so this is no pack; `pegboard plugins new NAME` begins one"
        ) from None
    except (OSError, UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise PegboardError(f"{path} cannot be read: {error}") from None
    about = says.get("project")
    points = about.get("entry-points", {}).get("pegboard", {}) if isinstance(about, dict) else {}
    if not isinstance(points, dict) or not all(isinstance(value, str) for value in points.values()):
        raise PegboardError(f'{path}: [project.entry-points.pegboard] must be a table of texts, NAME = "module"')
    return Project(folder, about if isinstance(about, dict) else {}, points)


def check(project: Project) -> Iterator[Finding]:
    """Go through all checks, in a stable order."""
    yield from _metadata(project)
    for name, value in sorted(project.points.items()):
        broken = False
        for finding in _import(project, name, value):
            broken = broken or (finding.check == "import" and finding.state == WRONG and "ms" not in finding.text)
            yield finding
        if not broken:
            yield from _behaviour(project, name, value)


# --- what the project says -----------------------------------------------------------------------------


def _metadata(project: Project) -> Iterator[Finding]:
    where = project.folder / "pyproject.toml"
    if not project.points:
        mend = 'write [project.entry-points.pegboard] with a line NAME = "module"'
        yield Finding("", "metadata", WRONG, f"{where} declares no plugin", mend)
        return
    for name in sorted(project.points):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            mend = "it is the name of the plugin's settings table, too: small letters, digits and '_'"
            yield Finding(name, "metadata", WRONG, f"{name!r} is no good name for a plugin", mend)
    needs = [str(need) for need in project.says.get("dependencies", [])]
    ours = next((need for need in needs if re.match(r"pegboard\b(?!-)", need)), None)
    if ours is None:
        mend = 'write "pegboard>=..." into [project] dependencies'
        yield Finding("", "metadata", DOUBT, "it does not say that it needs pegboard", mend)
    elif not re.search(r"[<>=~]", ours):
        mend = 'say from which version on, for example "pegboard>=0.1"'
        yield Finding("", "metadata", DOUBT, "it does not say which pegboard it needs", mend)
    else:
        yield Finding("", "metadata", OK, f"{len(project.points)} declared; needs {ours}")


# --- import --------------------------------------------------------------------------------------------


def _import(project: Project, name: str, value: str) -> Iterator[Finding]:
    command = [sys.executable, "-X", "importtime", "-m", "pegboard._authoring.import_probe", value]
    try:
        done = _quickest(command, project)
    except subprocess.TimeoutExpired:
        text = f"has not ended after {IMPORT_SECONDS:.0f} s"
        yield Finding(name, "import", WRONG, text, "an import only defines; work belongs into a hook")
        return
    *printed, last = done.stdout.splitlines() or [""]
    seen = read_json(last)
    if seen is None:
        yield Finding(
            name, "import", WRONG, end_of(done), "see that `python -c 'import ...'` works in this environment"
        )
        return
    ms = seen["ms"]
    if ms > IMPORT_MS:
        heavy = ", ".join(f"{module} {cost:.0f} ms" for module, cost in _heaviest(done.stderr, value))
        mend = f"import inside the function that needs it; the heaviest: {heavy}" if heavy else "import less at the top"
        yield Finding(name, "import", WRONG, f"takes {ms:.0f} ms; the limit is {IMPORT_MS:.0f}", mend)
    else:
        yield Finding(name, "import", OK, f"takes {ms:.0f} ms")
    if printed:
        yield Finding(name, "import", DOUBT, f"prints: {printed[0][:80]}", "stdout belongs to the host: use ctx.notice")
    for deed in seen["does"]:
        yield Finding(name, "import", DOUBT, deed[:200], "an import only defines; do it in a hook")


def _quickest(command: Sequence[str], project: Project) -> subprocess.CompletedProcess[str]:
    """Import once to compile, which no later start pays for; then until it is quick enough, three times at most.

    The least of several tells what an import takes: a busy machine can only add to it.
    """
    _run(command, project, IMPORT_SECONDS)
    tried: list[tuple[float, subprocess.CompletedProcess[str]]] = []
    while len(tried) < 3:
        done = _run(command, project, IMPORT_SECONDS)
        seen = read_json((done.stdout.splitlines() or [""])[-1])
        if seen is None or seen["ms"] <= IMPORT_MS:
            return done
        tried.append((seen["ms"], done))
    return min(tried, key=lambda one: one[0])[1]


def _heaviest(stderr: str, value: str) -> list[tuple[str, float]]:
    """Return the three modules that took most of an import, without what they import themselves."""
    from pegboard._authoring.import_probe import MARKER

    own = value.partition(":")[0].partition(".")[0]
    found: list[tuple[str, float]] = []
    for line in stderr.partition(MARKER)[2].splitlines():
        parts = [part.strip() for part in line.removeprefix("import time:").split("|")]
        if len(parts) == 3 and parts[0].isdigit() and parts[2].partition(".")[0] != own:
            found.append((parts[2], int(parts[0]) / 1e3))
    return sorted(found, key=lambda one: -one[1])[:3]


# --- behaviour -----------------------------------------------------------------------------------------


def _behaviour(project: Project, name: str, value: str) -> Iterator[Finding]:
    try:
        first, second = (_inspected(project, name, value, seed) for seed in ("1", "2"))
    except subprocess.TimeoutExpired:
        text = f"has not ended after {INSPECTION_SECONDS:.0f} s"
        yield Finding(name, "session", WRONG, text, "a hook waits for something that never comes")
        return
    if isinstance(first, str) or isinstance(second, str):
        yield Finding(name, "session", WRONG, first if isinstance(first, str) else str(second), "run its tests")
        return
    if first["status"] != "active":
        yield Finding(name, "register", WRONG, f"{first['status']}: {first['reason']}", first["mend"])
        return
    hooks = ", ".join(first["hooks"]) or "none"
    yield Finding(name, "register", OK, f"hooks: {hooks}; tools: {', '.join(first['tools']) or 'none'}")
    yield from _schemas(name, first["tools"])
    for failure in first["failures"]:
        yield Finding(name, "session", WRONG, failure[:300], "it failed in a session of two prompts and 14 tool calls")
    if not first["failures"]:
        yield Finding(name, "session", OK, "two prompts and 14 tool calls, without a failure")
    yield from _determinism(name, first, second)
    yield from _latency(name, first["ms"])
    for what in first["left"]:
        mend = "end in `lifecycle` (session_end) or a service's `async with` what was begun"
        yield Finding(name, "unload", WRONG, f"leaves {what}", mend)
    if not first["left"]:
        yield Finding(name, "unload", OK, "leaves nothing")


def _schemas(name: str, tools: Mapping[str, Any]) -> Iterator[Finding]:
    fine = True
    for tool, facts in sorted(tools.items()):
        for problem in schema_problems(tool, facts):
            fine = False
            yield Finding(name, "schema", WRONG, f"{tool}: {problem}", "mend the type hints or the docstring")
        tokens = len(json.dumps(facts["input_schema"]) + facts["description"]) // 4
        if tokens > MANY_TOKENS:
            fine = False
            text = f"{tool}: about {tokens:,} tokens in every request"
            yield Finding(name, "schema", DOUBT, text, "say it in fewer words")
    if tools and fine:
        yield Finding(name, "schema", OK, f"valid: {', '.join(sorted(tools))}")


def schema_problems(tool: str, facts: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a tool's name, description and input schema, as the Messages API has them."""
    schema = facts["input_schema"]
    found = []
    if not TOOL_NAME.fullmatch(tool):
        found.append("the name must be 1 to 64 letters, digits, '_' and '-'")
    if not facts["description"].strip():
        found.append("it has no description; its docstring is what the model reads")
    if schema.get("type") != "object":
        found.append("the schema's type must be 'object'")
    return found + list(_problems_in(schema, schema, ""))


def _problems_in(schema: Any, root: Mapping[str, Any], where: str) -> Iterator[str]:
    at = f" at {where}" if where else ""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield f"a schema must be an object{at}"
        return
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in TYPES:
            yield f"{kind!r} is no type{at}"
    reference = schema.get("$ref")
    if isinstance(reference, str) and not _leads_somewhere(reference, root):
        yield f"{reference!r} leads nowhere{at}"
    properties = schema.get("properties", {})
    for missing in sorted(set(schema.get("required", [])) - set(properties)):
        yield f"{missing!r} is required{at} and is no property"
    if schema.get("enum") == []:
        yield f"an enum without values{at}"
    for key, inner in properties.items():
        yield from _problems_in(inner, root, f"{where}/{key}")
    for word in ("items", "additionalProperties"):
        if word in schema:
            yield from _problems_in(schema[word], root, f"{where}/{word}")
    for word in ("anyOf", "allOf", "oneOf", "prefixItems"):
        for inner in schema.get(word, []):
            yield from _problems_in(inner, root, f"{where}/{word}")
    for key, inner in schema.get("$defs", {}).items():
        yield from _problems_in(inner, root, f"$defs/{key}")


def _leads_somewhere(reference: str, root: Mapping[str, Any]) -> bool:
    here: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if not isinstance(here, dict) or part not in here:
            return not part and reference == "#"
        here = here[part]
    return reference.startswith("#")


def _determinism(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Finding]:
    mend = "let answers depend on the event alone: not on the time, on chance, on a set's order or on earlier calls"
    unlike = [key for key in ("hooks", "tools", "brings") if first[key] != second[key]]
    unlike += [subject for subject, said in first["answers"].items() if second["answers"].get(subject) != said]
    for subject in unlike[:5]:
        yield Finding(name, "determinism", WRONG, f"two runs differ in {subject}", mend)
    answers = first["answers"]
    turned = [s for s in answers if s.endswith(" again") and answers[s] != answers[s.removesuffix(" again")]]
    for subject in turned[:5]:
        text = f"asked once more, after others, it answers otherwise: {subject.removesuffix(' again')}"
        yield Finding(name, "determinism", DOUBT, text, mend)
    if first["requests"] != second["requests"]:
        text = "two runs send the model other bytes, so no prompt cache will hold"
        yield Finding(name, "cache", WRONG, text, "keep sections and schemas free of times, ids and the order of sets")
    else:
        yield Finding(name, "cache", OK, "two runs send the model the same bytes")
    if not unlike and not turned:
        yield Finding(name, "determinism", OK, f"{len(answers)} answers are the same in two runs and in another order")


def _latency(name: str, durations: Mapping[str, float]) -> Iterator[Finding]:
    slow = {hook: ms for hook, ms in durations.items() if ms > SLOW_MS}
    for hook, ms in slow.items():
        text = f"{hook} takes {ms:.0f} ms (median)"
        yield Finding(
            name, "latency", DOUBT, text, "it is asked at every call: keep what it needs, or narrow its matcher"
        )
    if durations and not slow:
        worst = max(durations, key=lambda hook: durations[hook])
        yield Finding(name, "latency", OK, f"at most {durations[worst]:.2f} ms ({worst}, median)")


def _inspected(project: Project, name: str, value: str, seed: str) -> dict[str, Any] | str:
    """Return what one inspection saw; a text if it could not be ended."""
    with _folder() as folder:
        command = [sys.executable, "-m", "pegboard._authoring.inspection", name, value, str(folder)]
        done = _run(command, project, INSPECTION_SECONDS, {"PYTHONHASHSEED": seed})
    lines = done.stdout.splitlines()
    seen = read_json(lines[-1]) if lines else None
    return seen if seen is not None else end_of(done)


@contextmanager
def _folder() -> Iterator[Path]:
    """Return an empty folder that has one name for both runs: it stands in the prompt."""
    folder = Path(tempfile.gettempdir()) / f"pegboard-check-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    command: Sequence[str], project: Project, seconds: float, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return run_child(command, project.folder, seconds, path=[project.imported_from], variables=variables)
