"""Answers for "always" become rules in the user's own settings, where no repository can put them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pegboard_builtins.permissions.settings import TABLE


def keep_rules(config_dir: Path, project: Path, rules: Sequence[str]) -> Path:
    """Add *rules* to what the user allows in *project*; return the file. Raises SettingsError.

    They stand in the user's settings and not in the folder's: a folder is trusted for what its files say, and an
    answer must not change that.
    """
    import tomli

    from pegboard.settings_writing import change_file, with_key

    target = config_dir / "settings.toml"
    path = (TABLE, "projects", str(project), "allow")

    def with_rules(text: str) -> str:
        said: object = tomli.loads(text)
        for key in path:
            said = said.get(key, []) if isinstance(said, dict) else []
        old = [rule for rule in said if isinstance(rule, str)] if isinstance(said, list) else []
        new = [rule for rule in dict.fromkeys(rules) if rule not in old]
        return with_key(text, path, [*old, *new]) if new else text

    change_file(target, with_rules)
    return target
