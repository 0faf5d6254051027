"""The table `[flags]`."""

from typing import Any, Literal

from pegboard.typed import Typed, fact


class RemoteTable(Typed):
    """`[flags.remote]`: a source of values outside of this machine, or a file that something else writes."""

    kind: Literal["ofrep", "flagd-file", "unleash", "none"] = fact(description="What is asked.")
    url: str = fact(default="", description="Where an OFREP or Unleash server is.")
    path: str = fact(default="", description="The file, for flagd-file, or for unleash instead of a server.")
    header_secret: str = fact(default="", description="The secret that goes into the header Authorization.")
    start_budget_ms: int = fact(default=150, ge=1, description="How long a session's start may wait for it.")


class FlagsTable(Typed):
    """`[flags]`: the values of flags by name, who you are to targeting rules, and where else to ask."""

    values: dict[str, Any] = fact(default={}, description="Values by the flags' names.")
    key: str = fact(
        default="", description="Who you are to targeting rules (it leaves the machine hashed); a random key if empty."
    )
    remote: RemoteTable | None = fact(default=None, description="A source outside of this machine.")
