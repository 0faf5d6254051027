"""`[undercover]`: where the names are, how hard to look, and what happens on which way out."""

from enum import StrEnum
from typing import Literal

from pegboard.typed import Typed, fact


class Policy(StrEnum):
    """What happens to a name on a way out."""

    MASK = "mask"
    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


TOLD = {
    "text": Policy.MASK,
    "facts": Policy.MASK,
    "thinking": Policy.MASK,
    "title": Policy.MASK,
    "summary": Policy.MASK,
    "trace": Policy.MASK,
    "export": Policy.MASK,
    "log": Policy.MASK,
    "error": Policy.MASK,
    "memory": Policy.MASK,
    "mcp": Policy.MASK,
    "hook": Policy.MASK,
    "subagent": Policy.ALLOW,
    "model": Policy.ALLOW,
}
"""Ways out on which words may be masked, with their policies. Models and sub-agents work with the real names."""

DONE = {
    "commit": Policy.DENY,
    "tag": Policy.DENY,
    "branch": Policy.DENY,
    "pr": Policy.DENY,
    "push": Policy.DENY,
    "package": Policy.DENY,
    "file": Policy.DENY,
    "network": Policy.DENY,
    "search": Policy.DENY,
    "mcp": Policy.DENY,
    "external": Policy.DENY,
}
"""Ways out by what a tool does. Code, paths and commands are never rewritten: what must not leave is refused."""

AT_HOME = frozenset({"text", "facts", "thinking", "title", "summary"})
"""What stays with the people of a project: allowed where its repository is an internal one."""


class Internal(Typed):
    """`[undercover.internal]`: destinations that names may go to."""

    remotes: tuple[str, ...] = fact(default=(), description='Repositories, such as "git.corp.example/*".')
    hosts: tuple[str, ...] = fact(default=(), description='Hosts, such as "*.corp.example". This machine always is.')
    folders: tuple[str, ...] = fact(default=(), description="Folders whose repositories count without a remote.")


class Rule(Typed):
    """`[[undercover.rule]]`: names that count only in a certain form."""

    match: str = fact(description='"group:HEADING", "name#ID", or "*" for all.')
    case: Literal["any", "exact"] = fact(
        default="any", description="Whether only the listed upper and lower case counts."
    )
    context: tuple[str, ...] = fact(default=(), description='Phrases it counts in, such as "project {name}".')


class UndercoverSettings(Typed):
    """`[undercover]`."""

    enabled: bool = fact(default=True, description="Whether names are looked for at all.")
    names: str = fact(
        default="", description='Where the list is: "file:PATH", "keyring:NAME", "cmd:COMMAND" or "hashed:PATH".'
    )
    mode: Literal["normal", "strict"] = fact(default="normal", description="How hard to look.")
    mask: str = fact(default="[internal]", min_length=1, description="What stands in the place of a name.")
    aliases: bool = fact(
        default=False, description="Whether models work under stand-in names and never get the listed ones."
    )
    surfaces: dict[str, Policy] = fact(default={}, description="Policies by way out: mask, deny, ask or allow.")
    internal: Internal = fact(
        default=Internal(), description="Destinations that names may go to: `remotes`, `hosts`, `folders`."
    )
    rule: tuple[Rule, ...] = fact(
        default=(), description="Names that count only in a certain form: `match`, `case`, `context`."
    )

    def check(self) -> None:
        """Raise ValueError for a way out that does not exist, and for one that cannot be masked."""
        for surface, policy in self.surfaces.items():
            if surface in DONE and policy is Policy.MASK:
                raise ValueError(
                    f"surfaces.{surface}: what a tool does is never rewritten; say deny, ask or allow, not mask"
                )
            if "." not in surface and surface not in TOLD and surface not in DONE:
                known = ", ".join(sorted([*TOLD, *DONE]))
                raise ValueError(f"surfaces.{surface}: there is no such way out; there are {known}")

    @property
    def on(self) -> bool:
        """Whether there is a list, and it counts."""
        return self.enabled and bool(self.names)

    @property
    def aliased(self) -> bool:
        """Whether models work under stand-in names."""
        return self.on and bool(self.aliases)

    def policy(self, surface: str) -> Policy:
        """Return the policy of a way out; what nobody declared counts as leaving, and is masked."""
        while True:
            for table in (self.surfaces, TOLD, DONE):
                if surface in table:
                    return table[surface]
            surface, _, last = surface.rpartition(".")
            if not last or not surface:
                return Policy.MASK
