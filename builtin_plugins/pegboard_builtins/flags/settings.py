"""The table `[flags]`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class RemoteTable(BaseModel):
    """`[flags.remote]`: a source of values outside of this machine, or a file that something else writes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    kind: Literal["ofrep", "flagd-file", "unleash", "none"] = Field(description="What is asked.")
    url: str = Field(default="", description="Where an OFREP or Unleash server is.")
    path: str = Field(default="", description="The file, for flagd-file, or for unleash instead of a server.")
    header_secret: str = Field(default="", description="The secret that goes into the header Authorization.")
    start_budget_ms: int = Field(default=150, ge=1, description="How long a session's start may wait for it.")


class FlagsTable(BaseModel):
    """`[flags]`: the values of flags by name, who you are to targeting rules, and where else to ask."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    values: dict[str, Any] = Field(default={}, description="Values by the flags' names.")
    key: str = Field(
        default="", description="Who you are to targeting rules (it leaves the machine hashed); a random key if empty."
    )
    remote: RemoteTable | None = Field(default=None, description="A source outside of this machine.")
