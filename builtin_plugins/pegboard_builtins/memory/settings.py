"""The table `[memory]`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_FROZEN = ConfigDict(frozen=True, extra="forbid", defer_build=True)

Origin = Literal["user", "assistant", "repository", "tool", "web"]


class CaptureTable(BaseModel):
    """`[memory.capture]`: what is remembered without being asked."""

    model_config = _FROZEN

    kinds: tuple[Literal["prompt", "outcome", "note", "tool"], ...] = Field(
        default=("prompt", "outcome", "note"), description="Which events; `tool` is what tools answered."
    )
    max_bytes: int = Field(default=8192, ge=256, description="What is longer is cut.")
    session_events: int = Field(default=2000, ge=1, description="How many events one session may leave.")
    strict: bool = Field(
        default=False,
        description="Whether whatever the model says after a tool has answered counts as the tool's, not its own.",
    )
    redact: tuple[Literal["secrets", "names"], ...] = Field(
        default=("secrets", "names"), description="What is masked before anything is kept."
    )


class RecallTable(BaseModel):
    """`[memory.recall]`: what comes into prompts by itself."""

    model_config = _FROZEN

    on: bool = Field(default=True, description="Whether anything does.")
    auto_trust: tuple[Literal["user", "assistant"], ...] = Field(
        default=("user", "assistant"), description="Of which origins."
    )
    budget_tokens: int = Field(default=1500, ge=0, description="How much, at most.")
    neighbours: int = Field(default=1, ge=0, le=5, description="How many events before and behind come with a find.")


class ConsolidateTable(BaseModel):
    """`[memory.consolidate]`: when observations become facts."""

    model_config = _FROZEN

    on: bool = Field(default=True, description="Whether the daemon does it by itself while nothing else happens.")
    idle_minutes: float = Field(default=10, ge=0, description="So long nothing must have happened.")
    min_events: int = Field(default=50, ge=1, description="So many events must be new.")
    model: str = Field(default="off", description="`off`, `default`, or a model's name to propose facts with.")
    max_seconds: float = Field(default=120, gt=0, description="Then it is ended.")
    daily_usd: float = Field(default=0.5, ge=0, description="What models may cost in a day.")


class BackendTable(BaseModel):
    """`[memory.backend]`: where memory goes beside this machine. The local log always comes first."""

    model_config = _FROZEN

    kind: Literal["local", "postgres"] = Field(default="local", description="`postgres` needs the extra of that name.")
    url_secret: str = Field(default="", description="The secret that holds the connection string.")
    projects: tuple[str, ...] = Field(default=(), description="Which projects are shared, by id or name; no other is.")


class MemorySettings(BaseModel):
    """What is remembered, how safely, how long, and what of it comes back."""

    model_config = _FROZEN

    on: bool = Field(default=True, description="Whether anything is remembered and recalled.")
    scope: Literal["project+worktree", "project"] = Field(
        default="project+worktree",
        description="Whether what is remembered in a linked worktree stays there until `pegboard memory merge`.",
    )
    facts_dir: str = Field(
        default="", description="A folder of the project for facts, to commit them; else they lie with the log."
    )
    idle_exit: float = Field(default=1800, ge=1, description="After so many seconds without a request the daemon ends.")
    durability: Literal["fsync", "os"] = Field(
        default="fsync", description="`os` survives a crash of programs but not of the system."
    )
    quota: int = Field(
        default=200_000_000, ge=1_000_000, description="Bytes of a project's log; beyond it the oldest goes."
    )
    retention_days: int = Field(default=180, ge=1, description="Days after which events go.")
    capture: CaptureTable = Field(default=CaptureTable(), description="What is remembered without being asked.")
    recall: RecallTable = Field(default=RecallTable(), description="What comes into prompts by itself.")
    consolidate: ConsolidateTable = Field(default=ConsolidateTable(), description="When observations become facts.")
    backend: BackendTable = Field(default=BackendTable(), description="Where memory goes beside this machine.")
