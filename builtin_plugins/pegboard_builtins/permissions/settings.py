"""The table `[permissions]`."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

TABLE = "permissions"
TIGHTENING = ("deny", "ask")
LISTS = ("allow", "ask", "deny")
MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")


def _only_texts(value: Any) -> Any:
    """Leave out what is no rule: one wrong entry of a folder must not switch the guard off (it is reported)."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


Rules = Annotated[tuple[str, ...], BeforeValidator(_only_texts)]


class FolderRules(BaseModel):
    """`[permissions.projects."/a/folder"]`: rules of the user's for one project; answers for "always" come here."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    allow: Rules = Field(default=(), description="Calls that run in this folder without a question.")
    ask: Rules = Field(default=(), description="Calls that are always asked about in this folder.")
    deny: Rules = Field(default=(), description="Calls that never run in this folder.")


class PermissionSettings(BaseModel):
    """`[permissions]`: who may do what. Lists add up over all layers; deny is asked first, then ask, then allow."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    allow: Rules = Field(default=(), description="Calls that run without a question, such as Bash(npm test:*).")
    ask: Rules = Field(default=(), description="Calls that are always asked about.")
    deny: Rules = Field(default=(), description="Calls that never run.")
    mode: str = Field(
        default="",
        pattern="^(|default|acceptEdits|plan|dontAsk|auto|bypassPermissions)$",
        description="The permission mode, where [session] says none.",
    )
    additional_directories: Rules = Field(default=(), description="Folders that belong to the workspace.")
    claude: bool = Field(default=True, description="Whether .claude/settings*.json are read too.")
    projects: dict[str, FolderRules] = Field(
        default={}, description="Rules for single folders, by their paths: what you answered with always is kept here."
    )
    ramps: dict[str, str] = Field(
        default={}, description="Flags that hold rules back, by the rule as it is written: off, shadow, warn, enforce."
    )
