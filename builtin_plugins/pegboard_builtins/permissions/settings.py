"""The table `[permissions]`."""

from typing import Annotated, Any

from pegboard.typed import Before, Typed, fact

TABLE = "permissions"
TIGHTENING = ("deny", "ask")
LISTS = ("allow", "ask", "deny")
MODES = ("default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions")


def _only_texts(value: Any) -> Any:
    """Leave out what is no rule: one wrong entry of a folder must not switch the guard off (it is reported)."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


Rules = Annotated[tuple[str, ...], Before(_only_texts)]


class FolderRules(Typed):
    """`[permissions.projects."/a/folder"]`: rules of the user's for one project; answers for "always" come here."""

    allow: Rules = fact(default=(), description="Calls that run in this folder without a question.")
    ask: Rules = fact(default=(), description="Calls that are always asked about in this folder.")
    deny: Rules = fact(default=(), description="Calls that never run in this folder.")


class PermissionSettings(Typed):
    """`[permissions]`: who may do what. Lists add up over all layers; deny is asked first, then ask, then allow."""

    allow: Rules = fact(default=(), description="Calls that run without a question, such as Bash(npm test:*).")
    ask: Rules = fact(default=(), description="Calls that are always asked about.")
    deny: Rules = fact(default=(), description="Calls that never run.")
    mode: str = fact(
        default="",
        pattern="^(|default|acceptEdits|plan|dontAsk|auto|bypassPermissions)$",
        description="The permission mode, where [session] says none.",
    )
    additional_directories: Rules = fact(default=(), description="Folders that belong to the workspace.")
    claude: bool = fact(default=True, description="Whether .claude/settings*.json are read too.")
    projects: dict[str, FolderRules] = fact(
        default={}, description="Rules for single folders, by their paths: what you answered with always is kept here."
    )
    ramps: dict[str, str] = fact(
        default={}, description="Flags that hold rules back, by the rule as it is written: off, shadow, warn, enforce."
    )
