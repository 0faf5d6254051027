"""The public rules for secrets (gitleaks, MIT; kept whole in `gitleaks/`), run by RE2 behind a gate of keywords."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import re2
import tomli
from ahocorasick_rs import AhoCorasick

from pegboard_builtins.memory.secrets import entropy

RULES_FILE = Path(__file__).parent / "gitleaks" / "gitleaks.toml"


class PublicRules:
    """All rules with a pattern; one is compiled when a text first has one of its keywords."""

    def __init__(self, path: Path = RULES_FILE) -> None:
        said = tomli.loads(path.read_text(encoding="utf-8"))
        self.rules: list[dict[str, Any]] = [rule for rule in said["rules"] if "regex" in rule and "path" not in rule]
        self._allowed = _Allowlist(said.get("allowlist", {}))
        self._compiled: dict[int, Any] = {}
        self._lists: dict[int, list[_Allowlist]] = {}
        gates = [(word.lower(), place) for place, rule in enumerate(self.rules) for word in rule.get("keywords", ())]
        self._always = [place for place, rule in enumerate(self.rules) if not rule.get("keywords")]
        self._places = [place for _, place in gates]
        self._gate = AhoCorasick([word for word, _ in gates])

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Go through the secrets of a text: beginning, end, the rule's id."""
        hit = {self._places[found[0]] for found in self._gate.find_matches_as_indexes(text.lower(), overlapping=True)}
        for place in sorted(hit.union(self._always)):
            yield from self._by(place, text)

    def _by(self, place: int, text: str) -> Iterator[tuple[int, int, str]]:
        rule = self.rules[place]
        pattern = self._compiled.get(place)
        if pattern is None:
            pattern = self._compiled[place] = re2.compile(rule["regex"])
            self._lists[place] = [_Allowlist(one) for one in rule.get("allowlists", ())]
        for match in pattern.finditer(text):
            group = rule.get("secretGroup") or next((n for n, found in enumerate(match.groups(), 1) if found), 0)
            secret = match.group(group)
            if not secret or entropy(secret) < rule.get("entropy", 0):
                continue
            if not any(one.allows(secret, match.group(0), text) for one in (self._allowed, *self._lists[place])):
                yield match.start(group), match.end(group), rule["id"]


class _Allowlist:
    """What is no secret although it looks like one. Lists that ask for a path do not count here: there is none."""

    def __init__(self, said: dict[str, Any]) -> None:
        self._regexes = [re2.compile(one) for one in said.get("regexes", ())]
        self._target = said.get("regexTarget", "secret")
        self._stopwords = [word.lower() for word in said.get("stopwords", ())]
        self._all = said.get("condition", "OR").upper() == "AND"
        self._needs_path = self._all and bool(said.get("paths") or said.get("commits"))

    def allows(self, secret: str, match: str, text: str) -> bool:
        if self._needs_path:
            return False
        target = {"secret": secret, "match": match}.get(self._target)
        if target is None:  # the line that it is in
            place = text.find(match)
            target = text[text.rfind("\n", 0, place) + 1 :].partition("\n")[0] if place >= 0 else match
        checks = []
        if self._regexes:
            checks.append(any(regex.search(target) for regex in self._regexes))
        if self._stopwords:
            low = secret.lower()
            checks.append(any(word in low for word in self._stopwords))
        return bool(checks) and (all(checks) if self._all else any(checks))
