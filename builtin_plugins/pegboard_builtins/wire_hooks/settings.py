"""The table `[hooks]`: what is not a list of hooks in it."""

from typing import Any

from pegboard.typed import Typed, fact, fields_of

TABLE = "hooks"


class HookSettings(Typed, extra="ignore"):
    """Switches and allow-lists; every other key is an event with its list of hooks, and is read by `load`."""

    claude: bool = fact(default=True, description="Whether hooks in .claude settings files and plugin folders count.")
    disable_all: bool = fact(default=False, description="No declared hook runs but the managed ones.")
    disabled: tuple[str, ...] = fact(default=(), description="Ids of hooks that do not run.")
    managed_only: bool = fact(default=False, description="Only managed hooks run (counts in the managed layer).")
    plugins_only: bool = fact(
        default=False, description="Only managed hooks and those of plugin folders run (counts in the managed layer)."
    )
    allowed_urls: tuple[str, ...] | None = fact(
        default=None, description="URLs that HTTP hooks may call, `*` for anything; not given: all."
    )
    allowed_variables: tuple[str, ...] | None = fact(
        default=None, description="Variables that headers of HTTP hooks may hold; not given: those the hook names."
    )
    scrub_environment: bool = fact(default=False, description="Take credentials out of the environment of hooks.")
    trust_project: bool = fact(
        default=False, description="Let this project's hooks run without consent, for machines that nobody sits at."
    )

    @classmethod
    def settings_schema(cls) -> dict[str, Any]:
        """Return the JSON Schema of the whole table: that of the fields, and every event with its list of hooks."""
        from pegboard_builtins.wire_hooks.schemas import table_schema

        return table_schema()


KEYS = frozenset(fields_of(HookSettings))
SPELLINGS = {
    "disableAllHooks": "disable_all",
    "allowManagedHooksOnly": "managed_only",
    "allowedHttpHookUrls": "allowed_urls",
    "httpHookAllowedEnvVars": "allowed_variables",
}
"""The contract's names of these keys, at the top of its settings files."""
PLUGINS_ONLY = "strictPluginOnlyCustomization"
"""The contract's list of what only plugins may bring; with "hooks" in it, it is our `plugins_only`."""
