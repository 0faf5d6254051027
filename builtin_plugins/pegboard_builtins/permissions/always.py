"""The rules that an answer for "always" writes: as narrow as is of use, and only where they end the question."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pegboard.decisions import Verdict
from pegboard.settings import SettingsLayer, Source
from pegboard.shell_wrappers import WRAPPERS, name_of
from pegboard_builtins.permissions.commands import Command
from pegboard_builtins.permissions.decide import decide, plainly_reads_in
from pegboard_builtins.permissions.grammar import PATH_TOOLS, RuleError, parse
from pegboard_builtins.permissions.hiding import RUN_TEXT
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject

SUBCOMMANDS = frozenset(
    {
        *("apt", "aws", "bun", "bundle", "cargo", "conda", "deno", "docker", "dotnet", "gcloud", "gh", "git", "go"),
        *("helm", "hg", "just", "kubectl", "make", "mvn", "nix", "npm", "pip", "pip3", "pnpm", "poetry", "rustup"),
        *("svn", "systemctl", "terraform", "uv", "yarn"),
    }
)
"""Programs that do something else with each first word."""
RUN_MORE = frozenset({"npm run", "pnpm run", "yarn run", "bun run", "uv run", "poetry run"})
RUN_ANYTHING = frozenset(
    {
        *("awk", "bash", "bun", "curl", "dash", "deno", "eval", "exec", "fish", "ksh", "lua", "node", "perl", "php"),
        *("python", "python3", "rm", "ruby", "scp", "sh", "source", "ssh", "su", "tclsh", "wget", "zsh", ".", "npx"),
        *("dd", "chmod", "chown", "mv", "cp", "kill", "find", "xargs", "sed", "tee", "ln", "install", "truncate"),
        *("shred", "patch", "unlink", "rmdir"),
        *(RUN_TEXT - {"make"}),
    }
)
"""Programs of which one call says nothing about the next: their rule names the whole command."""
RUN_THE_REST = frozenset(
    {
        *("bundle exec", "conda run", "docker exec", "docker run", "gh api", "git config", "go run", "kubectl exec"),
        *("kubectl run", "nix develop", "nix run", "nix shell", "npm exec", "pnpm dlx", "pnpm exec", "yarn dlx"),
        *("yarn exec", "deno run", "cargo run", "aws configure", "gh alias"),
    }
)
"""Words after which anything may stand that is run, or that decides what is."""
PROBE = Source(SettingsLayer.SESSION, "an answer")


def always_rules(subject: Subject, rules: RuleSet, mode: str) -> tuple[str, ...]:
    """Return the rules after which such a call runs without a question; none where no allow rule could do that."""
    if subject.analysis is not None and any(map(_is_unknown, subject.analysis.commands)):
        return ()  # what runs is known to the shell alone, and may be something else the next time
    wanted = tuple(dict.fromkeys(_wanted(subject, rules)))
    try:
        more = tuple(Rule(parse(text, allows=True), PROBE, subject.project) for text in wanted)
    except RuleError:
        return ()
    # Asked of the rules themselves: a rule that would be written and then change nothing is worse than none.
    after = decide(subject, replace(rules, allow=(*rules.allow, *more), _by_tool={}), mode)
    return wanted if wanted and after is not None and after.verdict is Verdict.ALLOW else ()


def _is_unknown(command: Command) -> bool:
    return any(word.certain is not None for word in command.words[:1])


def _wanted(subject: Subject, rules: RuleSet) -> Iterator[str]:
    if subject.analysis is not None:
        for command in subject.analysis.commands:
            if not plainly_reads_in(command, subject, rules):
                rule = _command_rule(command)
                if "*" not in rule.removesuffix(":*"):  # else it would be a pattern for other commands
                    yield f"Bash({rule})"
    elif subject.tool in PATH_TOOLS:
        for place in subject.places:
            yield f"{subject.tool}({_path_spec(place.real, subject.project)})"
    elif subject.tool == "WebFetch" and "url" in subject.given:
        yield f"WebFetch(domain:{urlsplit(str(subject.given['url'])).hostname or ''})"
    else:
        yield subject.tool


def _command_rule(command: Command) -> str:
    words, raw = command.words, command.simple.raw
    if not words or command.assigned or any(word.certain is not None for word in words[:1]):
        return raw
    name = words[0].text
    if name_of(words[0]) in RUN_ANYTHING or name_of(words[0]) in WRAPPERS or not re.fullmatch(r"[\w./+-]+", name):
        return raw
    kept = [name]
    for word in words[1:3]:
        plain = word.certain is None and re.fullmatch(r"[A-Za-z][\w:.-]*", word.text)
        if name not in SUBCOMMANDS or not plain or (len(kept) == 2 and " ".join(kept) not in RUN_MORE):
            break
        kept.append(word.text)
    if name in SUBCOMMANDS and len(kept) == 1:
        return raw  # an option before the word that says what it does
    if " ".join(kept[:2]) in RUN_THE_REST or (len(kept) > 2 and kept[2] in RUN_ANYTHING):
        return raw
    return f"{' '.join(kept)}:*"


def _path_spec(real: str, project: Path) -> str:
    base = os.path.realpath(project)
    inside = real.startswith(base + "/")
    path = real[len(base) :] if inside else "/" + real
    return re.sub(r"([*?\[\\])", r"\\\1", path)
