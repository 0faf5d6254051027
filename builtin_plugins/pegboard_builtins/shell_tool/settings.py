"""The table `[shell_tool]`."""

from typing import Literal

from pegboard.typed import Typed, fact


class ShellSettings(Typed):
    """Where commands run."""

    sandbox: Literal["off", "bubblewrap"] = fact(
        default="off",
        description="`bubblewrap`: commands see the machine read-only, write in the project alone and have no network.",
    )
    network: bool = fact(default=False, description="Whether commands in the sandbox have the network.")
    writable: tuple[str, ...] = fact(default=(), description="Folders beside the project that they may write in.")
