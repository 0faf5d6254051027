"""What a plugin says of itself before it is imported: what it may do, and what it needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from pegboard._dataclass import dataclass
from pegboard.errors import PegboardError, did_you_mean


class Permission(StrEnum):
    """What a plugin must declare to do. To refuse, to ask, to defer, to stop and to hide needs nothing."""

    REWRITE = "rewrite"
    """Change a prompt, a request, a call's input, a result or what leaves; stand around the model; compact."""
    APPROVE = "approve"
    """Let a call run that would else be asked about: answer allow or yes, offer or grant rules."""
    CONTEXT = "context"
    """Put words before the model: context beside a prompt, a call or a step, sections of the prompt."""
    SECRET = "secret"
    """Read a secret by name."""
    MODEL = "model"
    """Ask a model, or keep the model going when it would end its turn."""
    INVOKE = "invoke"
    """Call a tool, or let a call run again."""


ALL = frozenset(map(str, Permission))
COMPARED = re.compile(r"(>=|<=|==|!=|>|<)\s*([0-9]+(?:\.[0-9]+)*)")


class DeclaresError(PegboardError):
    """A plugin declares something that there is not."""


class UndeclaredError(PegboardError):
    """A plugin wanted to do what it has not declared."""

    def __init__(self, plugin: str, permission: str) -> None:
        self.plugin = plugin
        self.permission = str(permission)
        super().__init__(
            f"plugin {plugin!r} has not declared the permission {self.permission!r}; its author writes "
            f'`declares = Declares(permissions=["{self.permission}"])` at the top of its module'
        )


@dataclass(frozen=True)
class Declares:
    """What a plugin declares, at the top of its module and as plain words: `declares = Declares(permissions=...)`.

    *permissions* are those of `Permission`. *api* says with which versions of pegboard it works (">=0.1,<1").
    *requires* names plugins without which it takes no part. *before* and *after* name plugins, or "*", for all of its
    hooks that do not say so themselves.
    """

    permissions: Sequence[str] = ()
    api: str = ""
    requires: Sequence[str] = ()
    before: Sequence[str] = ()
    after: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("permissions", "requires", "before", "after"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(map(str, given)))
        for one in self.permissions:
            if one not in ALL:
                known = ", ".join(Permission)
                raise DeclaresError(f"there is no permission {one!r}.{did_you_mean(one, ALL)} There are: {known}.")
        for part in filter(None, map(str.strip, self.api.split(","))):
            if COMPARED.fullmatch(part) is None:
                raise DeclaresError(f'api={self.api!r} is no range of versions; write ">=0.1,<1", for example')

    def fits(self, version: str) -> bool:
        """Whether *version* is in the range of `api`."""
        return all(_holds(sign, version, bound) for sign, bound in COMPARED.findall(self.api))


NOTHING = Declares()


def _holds(sign: str, version: str, bound: str) -> bool:
    here, there = _numbers(version), _numbers(bound)
    longest = max(len(here), len(there))
    a, b = here + (0,) * (longest - len(here)), there + (0,) * (longest - len(there))
    return {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b, "==": a == b, "!=": a != b}[sign]


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers a version begins with: a release candidate counts as its release."""
    found = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(map(int, found[0].split("."))) if found else (0,)
