"""The grammar of permission rules: `Tool`, `Tool(spec)`, and what a spec means for which tool."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from pegboard.errors import PegboardError, did_you_mean
from pegboard.typed import dataclass

CONTRACT_TOOLS = (
    *("Agent", "AskUserQuestion", "Bash", "Edit", "EnterWorktree", "ExitPlanMode", "Glob", "Grep", "MultiEdit"),
    *("NotebookEdit", "Read", "Skill", "Task", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate", "TodoWrite"),
    *("ToolSearch", "WebFetch", "WebSearch", "Write"),
)
COVERS = {
    "Edit": frozenset({"Edit", "Write", "NotebookEdit", "MultiEdit"}),
    "Read": frozenset({"Read", "Glob", "Grep"}),
    "Task": frozenset({"Task", "Agent"}),
    "Agent": frozenset({"Task", "Agent"}),
}
"""Rules for these tools hold for all tools that do the same."""
PATH_TOOLS = frozenset({"Read", "Edit", "Write", "NotebookEdit", "MultiEdit", "Glob", "Grep"})
MAIN_INPUT = {
    "WebFetch": ("url",),
    "WebSearch": ("query",),
    "Agent": ("subagent_type",),
    "Task": ("subagent_type",),
    "Skill": ("skill", "command", "name"),
}
"""What a spec without a parameter's name is compared with."""

# Not compiled here: a session without rules needs none of them.
_RULE = r"\s*(?P<tool>[^()\s]+)\s*(?:\((?P<spec>.*)\))?\s*"
_PARAMETER = r"(?P<name>-?[A-Za-z_]\w*):(?P<value>.*)"
_GLOB = r"[*?\[]"
_ALLOWED_GLOB = r"mcp__[^*?\[]+__[^?\[]*"


class RuleError(PegboardError):
    """A permission rule that nobody can read. `rule` is its text."""

    def __init__(self, rule: str, problem: str) -> None:
        self.rule = rule
        self.problem = problem
        super().__init__(f"the permission rule {rule!r} {problem}")


@dataclass(frozen=True)
class Pattern:
    """A rule's text, read. `spec` is None for a rule that names a tool alone."""

    text: str
    tool: str
    spec: str | None = None

    @cached_property
    def tools(self) -> frozenset[str]:
        """The names that the rule is about, where it names one tool."""
        return COVERS.get(self.tool, frozenset({self.tool}))

    @property
    def is_glob(self) -> bool:
        """Whether the tool's name is a pattern of its own."""
        return re.search(_GLOB, self.tool) is not None

    def names(self, tool: str) -> bool:
        """Whether the rule is about this tool at all."""
        if self.is_glob:
            return fnmatchcase(tool, self.tool)
        if tool in self.tools:
            return True
        # `mcp__server` is all that the server has.
        return self.tool.startswith("mcp__") and "__" not in self.tool[5:] and tool.startswith(self.tool + "__")

    @cached_property
    def shell(self) -> ShellPattern:
        """The spec as a pattern for commands."""
        return ShellPattern(self.spec or "*")


def parse(text: str, *, allows: bool = False) -> Pattern:
    """Read a rule. *allows* says that it is for the allow list, where a name may be no pattern. Raises RuleError."""
    match = re.fullmatch(_RULE, text, re.DOTALL)
    if match is None:
        problem = "has no closing ')'" if "(" in text and ")" not in text else "is not Tool or Tool(spec)"
        raise RuleError(text, f"{problem}; write Bash(git push:*), say")
    tool, spec = match["tool"], match["spec"]
    if spec is not None:
        spec = spec.strip()
        if not spec:
            raise RuleError(text, f"has an empty spec; write {tool} for all of it")
        if spec in ("*", ":*") or (spec == "**" and tool not in PATH_TOOLS):
            spec = None
    if allows and re.search(_GLOB, tool) and not re.fullmatch(_ALLOWED_GLOB, tool):
        raise RuleError(text, "allows tools by a pattern; only mcp__SERVER__* may do that")
    if tool in PATH_TOOLS and spec is not None and spec.startswith("!"):
        raise RuleError(text, "begins with '!', which has no meaning here; write what it is for in another list")
    return Pattern(text.strip(), tool, spec)


def unknown_tool(pattern: Pattern, known: tuple[str, ...] = CONTRACT_TOOLS) -> str | None:
    """Return what is odd about a rule's tool: a name that is close to a known one and not it; else None."""
    if pattern.is_glob or pattern.tool.startswith("mcp__") or pattern.tool in known:
        return None
    hint = did_you_mean(pattern.tool, known)
    return f"the permission rule {pattern.text!r} names the tool {pattern.tool!r}.{hint}" if hint else None


def parameter_of(spec: str) -> str | None:
    """Return the parameter that a spec names; None if it names none."""
    match = re.fullmatch(_PARAMETER, spec, re.DOTALL)
    return match["name"] if match is not None else None


class ShellPattern:
    """A pattern for a command: `*` stands for anything, a blank or colon before the last one for a word's end."""

    __slots__ = ("_regex", "open_end", "prefix", "spec")

    def __init__(self, spec: str) -> None:
        self.spec = spec
        body = spec
        for ending in (":*", " *"):
            if body.endswith(ending):
                body = body[: -len(ending)]
                tail = r"(?:[ \t\n].*)?"  # a shell knows no other blanks: a no-break space is part of a word
                break
        else:
            tail = ""
        self.prefix = body.partition("*")[0]
        """What every command that matches begins with."""
        self.open_end = bool(tail) and "*" not in body
        """Whether the rule is a prefix and nothing else, so that what follows cannot matter."""
        # Atomic groups: a pattern with many stars must not take forever over a long command.
        first, *others = map(re.escape, body.split("*"))
        middle = "".join(f"(?>.*?{part})" for part in others[:-1])
        last = f".*{others[-1]}" if others else ""
        self._regex = re.compile(first + middle + last + tail, re.DOTALL)

    @property
    def whole(self) -> bool:
        """Whether its beginning ends with a word, so that no longer word is meant."""
        return self.prefix[-1:].isspace() or self.open_end or "*" not in self.spec

    def matches(self, text: str) -> bool:
        """Whether the whole of *text* matches."""
        return text.startswith(self.prefix) and self._regex.fullmatch(text) is not None

    def may_match(self, certain: str) -> bool:
        """Whether a command that begins with *certain* and goes on in a way nobody knows could match."""
        return certain.startswith(self.prefix) or self.prefix.startswith(certain)

    def surely_matches(self, certain: str) -> bool:
        """Whether every command that begins with *certain* matches."""
        return self.open_end and (certain.startswith((self.prefix + " ", self.prefix + "\t")))


def input_matches(pattern: Pattern, tool: str, given: dict[str, Any], *, strict: bool) -> bool:
    """Whether a spec that is neither a command's nor a path's fits a call's input.

    *strict* is for allow rules: a spec that names no parameter is compared with the tool's main input alone, else
    with every text of the input, so that a rule that restricts cannot be missed by a name.
    """
    spec = pattern.spec
    if spec is None:
        return True
    parameter = re.fullmatch(_PARAMETER, spec, re.DOTALL)
    if parameter is not None:
        name, value = parameter["name"], parameter["value"].strip()
        if name == "domain" and "url" in given:
            return _domain_matches(value, str(given["url"]), strict=strict)
        if name in given:
            return _glob_matches(value, given[name])
        if strict or name in ("http", "https"):
            return any(_glob_matches(spec, given[key]) for key in MAIN_INPUT.get(tool, ()) if key in given)
        return False
    keys = MAIN_INPUT.get(tool, ())
    texts = [given[key] for key in keys if key in given]
    if not texts and not strict:
        texts = [value for value in given.values() if isinstance(value, str)]
    return any(_glob_matches(spec, text) for text in texts)


def _glob_matches(spec: str, value: Any) -> bool:
    text = value if isinstance(value, str) else _json(value)
    return ShellPattern(spec).matches(text)


def _json(value: Any) -> str:
    from pydantic_core import to_json

    return to_json(value).decode()


def _domain_matches(domain: str, url: str, *, strict: bool) -> bool:
    """Whether a URL's host is the domain; a rule that restricts means the hosts below it too."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return not strict  # nobody knows where such a URL leads
    wanted = domain.rstrip(".").lower()
    if "*" in wanted:
        return fnmatchcase(host, wanted)
    return host == wanted or (not strict and host.endswith("." + wanted))
