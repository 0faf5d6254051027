"""Which URLs an HTTP hook may send to, and which variables its headers may hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

DEFAULT_PORTS = {"http": 80, "https": 443}
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
PATTERN = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*|\*)://)?([^/?#]*)(.*)", re.DOTALL)


class BadUrlError(ValueError):
    """A URL that no request can be sent to."""


@lru_cache(maxsize=256)
def parts_of(url: str) -> tuple[str, str, str]:
    """Return scheme, host with its port where it is not the usual one, and the rest. Raises BadUrlError.

    Read by the library that sends the request, so that what is allowed and what is asked are the same host.
    """
    from yarl import URL

    try:
        parsed = URL(url)
        scheme, host, port = parsed.scheme, parsed.host, parsed.port
    except ValueError as wrong:
        raise BadUrlError(f"{url!r} is no URL: {wrong}") from None
    if scheme not in DEFAULT_PORTS or not host:
        raise BadUrlError(f"{url!r} is no URL of a web server; it must begin with http:// or https://")
    named = host.lower().rstrip(".")
    if ":" in named:
        named = f"[{named}]"
    if port is not None and port != DEFAULT_PORTS[scheme]:
        named = f"{named}:{port}"
    return scheme, named, parsed.raw_path_qs


def is_allowed(url: str, patterns: Collection[str]) -> bool:
    """Whether *url* fits one of the patterns. Raises BadUrlError.

    `*` stands for anything; in the host for anything but a slash, so that a path never passes for a host. The host's
    letter case and a dot at its end make no difference. Without a scheme a pattern fits both.
    """
    return any(_fits(parts_of(url), pattern) for pattern in patterns)


def _fits(parts: tuple[str, str, str], pattern: str) -> bool:
    if pattern == "*":
        return True
    scheme, host, rest = _compiled(pattern)
    return all(one.fullmatch(part) for one, part in zip((scheme, host, rest), parts, strict=True))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    match = PATTERN.fullmatch(pattern)
    assert match is not None  # it matches anything
    scheme, host, rest = match[1] or "*", match[2].lower(), match[3]
    host, _, port = host.rpartition(":") if re.search(r":(\d+|\*)$", host) else (host, "", "")
    if port and port != str(DEFAULT_PORTS.get(scheme.lower(), "")):
        host = f"{host.rstrip('.')}:{port}"
    else:
        host = host.rstrip(".")
    return _starred(scheme.lower(), "[a-z]*"), _starred(host, "[^/]*"), _starred(rest or "/", ".*")


def _starred(text: str, any_of: str) -> re.Pattern[str]:
    return re.compile(any_of.join(map(re.escape, text.split("*"))), re.DOTALL)


def header(text: str, allowed: Collection[str], variables: Mapping[str, str]) -> str:
    """Return a header's value: `$NAME` and `${NAME}` become the variable where it is allowed, else nothing.

    `$5` and a lone `$` stay. A line's end in a variable, as of a file that was read into it, is left out.
    """
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return variables.get(name, "").strip() if name in allowed else ""

    return VARIABLE.sub(value, text)
