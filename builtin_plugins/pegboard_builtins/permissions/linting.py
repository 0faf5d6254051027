"""What is wrong with rules as they are written: some never decide, some allow more than they seem to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pegboard.decisions import Verdict
from pegboard.errors import did_you_mean
from pegboard.tools import Tool
from pegboard.typed import dataclass
from pegboard_builtins.permissions.decide import decide
from pegboard_builtins.permissions.grammar import CONTRACT_TOOLS, MAIN_INPUT, PATH_TOOLS, parameter_of
from pegboard_builtins.permissions.reaching import examples_for
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject

ANYTHING = "\x01"
"""Stands for whatever a star may be, where two patterns are compared."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one rule. `kind` is malformed, unreachable, unknown, dead or wide.

    `wrong` says whether to mend it; `example` is a call that runs by a wide rule.
    """

    kind: str
    rule: str
    where: str
    text: str
    example: str = ""
    wrong: bool = True


def lint(rules: RuleSet, tools: Mapping[str, Tool], project: Path) -> list[Finding]:
    """Judge every rule, in the order of the lists."""
    found = [Finding("malformed", "", "", problem) for problem in rules.problems]
    for name in ("deny", "ask", "allow"):
        for place, rule in enumerate(getattr(rules, name)):
            found += _unreachable(rules, name, place, rule)
            found += _never_matches(rule, name, tools)
            if name == "allow":
                found += _wide(rule, rules, tools, project)
    return found


# --- rules that never decide ---------------------------------------------------------------------------


def _unreachable(rules: RuleSet, name: str, place: int, rule: Rule) -> Iterator[Finding]:
    before = {"deny": (), "ask": (rules.deny,), "allow": (rules.deny, rules.ask)}[name]
    for stronger, word in zip(before, ("deny", "ask"), strict=False):
        hiding = next((other for other in stronger if includes(other, rule)), None)
        if hiding is not None:
            text = f"never decides: whatever it matches, the {word} rule {hiding} ({hiding.origin}) matches first"
            yield Finding("unreachable", str(rule), rule.origin, text)
            return
    earlier: Sequence[Rule] = getattr(rules, name)[:place]
    same = next((other for other in earlier if includes(other, rule)), None)
    if same is not None:
        text = f"adds nothing: {same} ({same.origin}) stands before it in the same list and matches all of it"
        yield Finding("unreachable", str(rule), rule.origin, text, wrong=False)


def includes(wide: Rule, narrow: Rule) -> bool:
    """Whether every call that *narrow* matches is matched by *wide*; False where that is not plain."""
    one, other = wide.pattern, narrow.pattern
    names = {other.tool} if other.is_glob else other.tools
    if not all(one.names(name) for name in names):
        return False
    if one.spec is None:
        return True
    if other.spec is None or (one.tool in PATH_TOOLS) is not (other.tool in PATH_TOOLS):
        return False
    if one.spec == other.spec and (wide.root == narrow.root or not one.spec.startswith("/")):
        return True
    if one.tool != "Bash":
        return False
    # A star of the narrow rule may be anything, so the wide one must match it where a letter stands that no rule has.
    shell = other.shell
    samples = [other.spec.replace(":*", f" {ANYTHING}").replace("*", ANYTHING)]
    if shell.open_end:
        samples.append(shell.prefix)
    return all(one.shell.matches(sample) for sample in samples)


def _never_matches(rule: Rule, name: str, tools: Mapping[str, Tool]) -> Iterator[Finding]:
    pattern = rule.pattern
    matched = [tool for tool in tools if pattern.names(tool)]
    if not matched:
        if pattern.tool in CONTRACT_TOOLS or pattern.tool.startswith("mcp__"):
            text = f"no tool {pattern.tool} is registered here, so it decides nothing now"
            yield Finding("unknown", str(rule), rule.origin, text, wrong=False)
        else:
            hint = did_you_mean(pattern.tool, [*tools, *CONTRACT_TOOLS])
            text = f"never matches: there is no tool {pattern.tool!r}.{hint} `pegboard tools list` shows them"
            yield Finding("unknown", str(rule), rule.origin, text)
        return
    yield from _dead_spec(rule, name, [tools[tool] for tool in matched])


def _dead_spec(rule: Rule, name: str, matched: Iterable[Tool]) -> Iterator[Finding]:
    pattern = rule.pattern
    if pattern.spec is None or pattern.tool in PATH_TOOLS:
        return
    if pattern.tool == "Bash":
        if name == "allow" and _is_list(pattern.spec):
            text = "is a list of commands: each is looked at by itself, so write a rule for each"
            yield Finding("dead", str(rule), rule.origin, text)
        return
    parameter = parameter_of(pattern.spec)
    for tool in matched:
        known = tool.input_schema.get("properties", {})
        if parameter is None and not any(key in known for key in MAIN_INPUT.get(tool.name, ())):
            if name == "allow":
                text = f"names no parameter of {tool.name}, so it matches nothing; write {tool.name}(parameter:value)"
                yield Finding("dead", str(rule), rule.origin, text)
        elif parameter not in (None, "domain", "http", "https", *known):
            hint = did_you_mean(parameter or "", known)
            yield Finding("dead", str(rule), rule.origin, f"{tool.name} has no parameter {parameter!r}.{hint}")


def _is_list(spec: str) -> bool:
    from pegboard.shell import read

    return len([command for command in read(spec.replace("*", "x")).commands if not command.nested]) > 1


# --- rules that allow more than they seem to -----------------------------------------------------------


def _wide(rule: Rule, rules: RuleSet, tools: Mapping[str, Tool], project: Path) -> Iterator[Finding]:
    """Try calls that few would expect, one after another, under this allow rule and all that restrict."""
    alone = replace(rules, allow=(rule,), _by_tool={})
    for tool, given, why in examples_for(rule.pattern, tools):
        read_only = tool in tools and tools[tool].read_only
        subject = Subject(tool, given, read_only, project, project)
        decision = decide(subject, alone, "default")
        if decision is not None and decision.verdict is Verdict.ALLOW and str(rule) in decision.rule:
            text = f"allows more than it seems to: {why}"
            yield Finding("wide", str(rule), rule.origin, text, example=_shown(tool, given), wrong=False)
            return


def _shown(tool: str, given: Mapping[str, Any]) -> str:
    value = given.get("command") or given.get("file_path") or given.get("url") or ""
    return f"{tool}({value})" if value else tool
