"""`pegboard memory`: its verbs. Those of the daemon and the log are in `log_verbs`, those on top in `fact_verbs`."""

from __future__ import annotations

import typer

from pegboard_builtins.memory import fact_verbs, log_verbs, team_verbs

app = typer.Typer(help="What was said and done, kept and found again.", no_args_is_help=True)

for name, function in {**log_verbs.VERBS, **fact_verbs.VERBS}.items():
    app.command(name)(function)
app.add_typer(fact_verbs.facts_app, name="facts")
app.add_typer(team_verbs.app, name="team")
