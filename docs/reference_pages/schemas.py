"""The JSON Schemas that are shipped: of events, of answers, of hooks in settings, and of all settings."""

from __future__ import annotations

import json

from reference_pages.settings import host_of_built_ins


def schemas() -> dict[str, str]:
    """Return every schema by the name of its file."""
    from pegboard._cli.settings import schema_of
    from pegboard._cli.settings_files import tables_of
    from pegboard_builtins.wire_hooks.schemas import files

    with host_of_built_ins() as host:
        made = {**files(), "settings.json": schema_of(tables_of(host))}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in made.items()}
