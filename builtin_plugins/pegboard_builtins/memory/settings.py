"""The table `[memory]`."""

from typing import Literal

from pegboard.typed import Typed, fact

Origin = Literal["user", "assistant", "repository", "tool", "web"]


class CaptureTable(Typed):
    """`[memory.capture]`: what is remembered without being asked."""

    kinds: tuple[Literal["prompt", "outcome", "note", "tool"], ...] = fact(
        default=("prompt", "outcome", "note"), description="Which events; `tool` is what tools answered."
    )
    max_bytes: int = fact(default=8192, ge=256, description="What is longer is cut.")
    session_events: int = fact(default=2000, ge=1, description="How many events one session may leave.")
    strict: bool = fact(
        default=False,
        description="Whether whatever the model says after a tool has answered counts as the tool's, not its own.",
    )
    redact: tuple[Literal["secrets", "names"], ...] = fact(
        default=("secrets", "names"), description="What is masked before anything is kept."
    )


class RecallTable(Typed):
    """`[memory.recall]`: what comes into prompts by itself."""

    on: bool = fact(default=True, description="Whether anything does.")
    auto_trust: tuple[Literal["user", "assistant"], ...] = fact(
        default=("user", "assistant"), description="Of which origins."
    )
    budget_tokens: int = fact(default=1500, ge=0, description="How much, at most.")
    neighbours: int = fact(default=1, ge=0, le=5, description="How many events before and behind come with a find.")


class ConsolidateTable(Typed):
    """`[memory.consolidate]`: when observations become facts."""

    on: bool = fact(default=True, description="Whether the daemon does it by itself while nothing else happens.")
    idle_minutes: float = fact(default=10.0, ge=0, description="So long nothing must have happened.")
    min_events: int = fact(default=50, ge=1, description="So many events must be new.")
    model: str = fact(default="off", description="`off`, `default`, or a model's name to propose facts with.")
    max_seconds: float = fact(default=120.0, gt=0, description="Then it is ended.")
    daily_usd: float = fact(default=0.5, ge=0, description="What models may cost in a day.")


class BackendTable(Typed):
    """`[memory.backend]`: where memory goes beside this machine. The local log always comes first."""

    kind: Literal["local", "postgres"] = fact(default="local", description="`postgres` needs the extra of that name.")
    url_secret: str = fact(default="", description="The secret that holds the connection string.")
    projects: tuple[str, ...] = fact(default=(), description="Which projects are shared, by id or name; no other is.")


class MemorySettings(Typed):
    """What is remembered, how safely, how long, and what of it comes back."""

    on: bool = fact(default=True, description="Whether anything is remembered and recalled.")
    scope: Literal["project+worktree", "project"] = fact(
        default="project+worktree",
        description="Whether what is remembered in a linked worktree stays there until `pegboard memory merge`.",
    )
    facts_dir: str = fact(
        default="", description="A folder of the project for facts, to commit them; else they lie with the log."
    )
    idle_exit: float = fact(
        default=1800.0, ge=1, description="After so many seconds without a request the daemon ends."
    )
    durability: Literal["fsync", "os"] = fact(
        default="fsync", description="`os` survives a crash of programs but not of the system."
    )
    quota: int = fact(
        default=200_000_000, ge=1_000_000, description="Bytes of a project's log; beyond it the oldest goes."
    )
    retention_days: int = fact(default=180, ge=1, description="Days after which events go.")
    capture: CaptureTable = fact(default=CaptureTable(), description="What is remembered without being asked.")
    recall: RecallTable = fact(default=RecallTable(), description="What comes into prompts by itself.")
    consolidate: ConsolidateTable = fact(default=ConsolidateTable(), description="When observations become facts.")
    backend: BackendTable = fact(default=BackendTable(), description="Where memory goes beside this machine.")
