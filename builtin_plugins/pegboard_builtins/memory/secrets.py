"""Secrets are found and masked before anything is kept, in texts and in the values beside them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

Spans = Iterable[tuple[int, int, str]]
"""Where a secret is (beginning, end), and the name of what it is."""


@dataclass(frozen=True, slots=True)
class SecretRule:
    """A kind of secret: it is looked for only where one of `keywords` (lower case) occurs. `entropy` in bits."""

    name: str
    keywords: tuple[str, ...]
    pattern: str
    entropy: float = 0.0


RULES = (
    SecretRule(
        "private-key",
        ("private key",),
        r"-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END[ A-Z0-9_-]{0,100}-----|\Z)",
    ),
    SecretRule("anthropic-key", ("sk-ant-",), r"\bsk-ant-[\w-]{20,}"),
    SecretRule("openai-key", ("sk-",), r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"),
    SecretRule("aws-key-id", ("akia", "asia", "abia", "acca"), r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    SecretRule(
        "github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), r"\b(?:gh[pousr]|github_pat)_\w{30,}"
    ),
    SecretRule("gitlab-token", ("gl",), r"\bgl(?:pat|dt|ptt|rt|soat|ft|imt|agent|cbt)-[\w-]{20,}"),
    SecretRule("slack-token", ("xox", "xapp-"), r"\b(?:xox[abeoprs]|xapp)-[\w.-]{10,}"),
    SecretRule("slack-hook", ("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,}"),
    SecretRule("stripe-key", ("_live_", "_test_", "_prod_"), r"\b[rs]k_(?:live|test|prod)_\w{10,}"),
    SecretRule("google-key", ("aiza",), r"\bAIza[\w-]{35}"),
    SecretRule("google-oauth", ("ya29.", "gocspx-"), r"\b(?:ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,})"),
    SecretRule("npm-token", ("npm_",), r"\bnpm_[A-Za-z0-9]{30,}"),
    SecretRule("pypi-token", ("pypi-ageichlw",), r"\bpypi-AgEIcHlw[\w-]{50,}"),
    SecretRule("huggingface-token", ("hf_",), r"\bhf_[A-Za-z0-9]{30,}"),
    SecretRule("vault-token", ("hvs.", "hvb."), r"\bhv[sb]\.[\w-]{20,}"),
    SecretRule("digitalocean-token", ("do",), r"\bdo[opr]_v1_[a-f0-9]{60,}"),
    SecretRule("docker-token", ("dckr_",), r"\bdckr_(?:pat|oat)_[\w-]{20,}"),
    SecretRule("sendgrid-key", ("sg.",), r"\bSG\.[\w-]{20,}\.[\w-]{30,}"),
    SecretRule("shopify-token", ("shp",), r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    SecretRule("age-key", ("age-secret-key-",), r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    SecretRule(
        "azure-key", ("accountkey=", "sharedaccesskey="), r"(?i:(?:Account|SharedAccess)Key=)([\w+/]{30,}={0,2})"
    ),
    SecretRule("jwt", ("eyj",), r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}(?:\.[\w-]*)?"),
    SecretRule("url-password", ("://",), r"\b[a-zA-Z][\w+.-]*://[^\s/:@\"']*:([^\s/@\"']{3,})@"),
    SecretRule("authorization", ("bearer", "basic"), r"(?i)\b(?:bearer|basic)\s+([\w.~+/-]{16,}=*)", 3.0),
    SecretRule(
        "assigned-secret",
        ("pass", "pwd", "secret", "token", "key", "credential"),
        r"(?i)(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_.-]?key|access[_.-]?key|auth[_.-]?key|credentials?)"
        r"[\w.-]{0,20}['\"\]]{0,2}\s{0,3}(?::=|=>|[:=])\s{0,3}['\"`]?(?!\$[{(A-Z])([^\s'\"`,;()<>{}\[\]]{8,200})",
        2.3,
    ),
)
"""The kinds that are known without an extra."""

SECRET_KEY = re.compile(
    r"(?i)(?:^|[_.\-\s])(?:passw(?:or)?d|passphrase|pwd|secret|(?:api|access|auth|private)[_.-]?key|"
    r"(?:access|auth|refresh|id|api|bearer|session)?[_.-]?token|credentials?|authorization|cookie)$"
)
"""Names whose value is a secret, whatever it looks like."""
SPOKEN = re.compile(r"[a-z]+(?:[ _.-][a-z]+)*[.!?]?|[A-Z_]+|[a-z_.]+\(.*")
"""What is no secret where one is assigned: words, the name of a variable, a call."""


class Secrets:
    """Finds what must not be kept. `with_rules` says whether the public rules are used beside the built-in ones.

    Making one costs nothing: the rules are read when a text is first looked at, which may take a tenth of a second.
    """

    def __init__(self, *, public: bool = True) -> None:
        self._wants_public = public

    @cached_property
    def _rules(self) -> list[tuple[SecretRule, re.Pattern[str]]]:
        return [(rule, re.compile(rule.pattern)) for rule in RULES]

    @cached_property
    def _public(self) -> Callable[[str], Spans] | None:
        return _public_rules() if self._wants_public else None

    @property
    def ready(self) -> bool:
        """Whether the rules were read."""
        return "_rules" in self.__dict__ and "_public" in self.__dict__

    @property
    def with_rules(self) -> bool:
        """Whether the public rules take part (extra `secrets`)."""
        return self._public is not None

    def masked(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Return a text without its secrets, and what they were, sorted; the same text where there are none."""
        spans = sorted({*self._built_in(text), *(self._public(text) if self._public is not None else ())})
        if not spans:
            return text, ()
        parts, end, found = [], 0, set()
        for start, stop, name in _joined(spans):
            parts += [text[end:start], f"[secret:{name}]"]
            end = stop
            found.add(name)
        return "".join([*parts, text[end:]]), tuple(sorted(found))

    def masked_value(self, value: Any) -> tuple[Any, tuple[str, ...]]:
        """Do the same to plain data, its keys included; what a key calls a secret is one."""
        found: set[str] = set()
        return self._walk(value, found), tuple(sorted(found))

    def _walk(self, value: Any, found: set[str]) -> Any:
        if isinstance(value, str):
            text, names = self.masked(value)
            found.update(names)
            return text
        if isinstance(value, dict):
            return {self._walk(key, found): self._entry(key, inner, found) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._walk(inner, found) for inner in value]
        return value

    def _entry(self, key: Any, value: Any, found: set[str]) -> Any:
        if isinstance(key, str) and isinstance(value, str) and len(value) >= 4 and SECRET_KEY.search(key):
            found.add("named-secret")
            return "[secret:named-secret]"
        return self._walk(value, found)

    def _built_in(self, text: str) -> Iterator[tuple[int, int, str]]:
        low = text.lower()
        for rule, pattern in self._rules:
            if not any(word in low for word in rule.keywords):
                continue
            for match in pattern.finditer(text):
                group = match.lastindex or 0
                secret = match[group]
                if rule.entropy and (entropy(secret) < rule.entropy or SPOKEN.fullmatch(secret)):
                    continue
                if not secret.startswith("[secret:"):
                    yield match.start(group), match.end(group), rule.name


@cache
def _public_rules() -> Callable[[str], Spans] | None:
    try:
        from pegboard_builtins.memory.gitleaks_rules import PublicRules

        return PublicRules().find
    except ImportError:
        return None


def _joined(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Join spans that overlap, under the name of the one that begins first."""
    start, end, name = -1, -1, ""
    for first, last, called in spans:
        if first < end:
            end = max(end, last)
            continue
        if name:
            yield start, end, name
        start, end, name = first, last, called
    if name:
        yield start, end, name


def entropy(text: str) -> float:
    """Return the bits per character of a text, by how often its characters occur."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values()) if size else 0.0
