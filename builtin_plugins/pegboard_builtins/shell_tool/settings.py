"""The table `[shell_tool]`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ShellSettings(BaseModel):
    """Where commands run."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    sandbox: Literal["off", "bubblewrap"] = Field(
        default="off",
        description="`bubblewrap`: commands see the machine read-only, write in the project alone and have no network.",
    )
    network: bool = Field(default=False, description="Whether commands in the sandbox have the network.")
    writable: tuple[str, ...] = Field(default=(), description="Folders beside the project that they may write in.")
