"""The environment of a hook program: the host's, with the contract's variables and without what is not its business."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path

from pegboard_builtins.wire_hooks.handlers import Handler, PluginFolder
from pegboard_builtins.wire_hooks.job import Job

NEVER_INHERITED = ("OTEL_", "CLAUDE_PLUGIN_", "PEGBOARD_PLUGIN_")
"""Beginnings of names: telemetry is the host's own, and a plugin's variables are those of this hook or of none."""
NOT_FROM_ABOVE = frozenset({"CLAUDE_ENV_FILE", "PEGBOARD_ENV_FILE", "PEGBOARD_HOOK_WORKER", "OLDPWD"})
CREDENTIAL = re.compile(
    r"(^|_)(API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|AUTH|TOKENS?|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(_|$)",
    re.IGNORECASE,
)
SCRUB = "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB"

_is_credential: dict[str, bool] = {}
_of_turn: dict[tuple[object, ...], dict[str, str]] = {}


def is_credential(name: str) -> bool:
    """Whether a variable of this name holds a secret, as far as a name can tell."""
    known = _is_credential.get(name)
    if known is None:
        known = _is_credential[name] = bool(CREDENTIAL.search(name))
    return known


def environment(handler: Handler, job: Job, folder: Path) -> dict[str, str]:
    """Return the environment for one run in *folder*. What the job says of variables stands above what is inherited."""
    kept = _inherited(job)
    project = str(job.project)
    # A shell believes PWD if it is the folder it stands in: so a folder that was reached by a link keeps its name.
    kept["PWD"] = str(folder)
    kept["CLAUDE_PROJECT_DIR"] = kept["PEGBOARD_PROJECT_DIR"] = project
    if job.session_id:
        kept["CLAUDE_CODE_SESSION_ID"] = kept["PEGBOARD_SESSION_ID"] = job.session_id
    if job.env_file is not None:
        kept["CLAUDE_ENV_FILE"] = kept["PEGBOARD_ENV_FILE"] = str(job.env_file)
    if effort := job.facts.get("effort"):
        kept["CLAUDE_EFFORT"] = effort["level"]
    if handler.plugin is not None:
        kept.update(plugin_variables(handler.plugin))
    kept.update(job.environment)
    return kept


def _inherited(job: Job) -> dict[str, str]:
    """Return what comes from the host, as it was when the turn began: to read it all takes as long as three pipes."""
    turn = (job.session_id, job.facts.get("prompt_id"), job.scrub)
    known = _of_turn.get(turn)
    if known is None:
        known = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(NEVER_INHERITED) and name not in NOT_FROM_ABOVE
        }
        if job.scrub or known.get(SCRUB) == "1":
            known = {name: value for name, value in known.items() if not is_credential(name)}
        known |= {"CLAUDECODE": "1", "CLAUDE_CODE_CHILD_SESSION": "1", "CLAUDE_PID": str(os.getpid())}
        # Python would read the byte code that lies beside a module in the project, and believe some of it unseen:
        # consent is given to sources. It also would leave byte code there.
        known.setdefault("PYTHONPYCACHEPREFIX", str(user_cache_path("pegboard", appauthor=False) / "hooks"))
        _of_turn.clear()  # of one turn only: the last
        if all(turn[:2]):
            _of_turn[turn] = known
    return known.copy()


def plugin_variables(plugin: PluginFolder) -> dict[str, str]:
    """Return what a hook of a plugin folder finds beside the rest: its folders and its user's options."""
    variables = {
        f"CLAUDE_PLUGIN_OPTION_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}": value
        for name, value in plugin.options.items()
    }
    for owner in ("CLAUDE", "PEGBOARD"):
        variables[f"{owner}_PLUGIN_ROOT"] = str(plugin.root)
        variables[f"{owner}_PLUGIN_DATA"] = str(plugin.data)
    return variables


def folder_of(job: Job) -> Path:
    """Return where to run: the session's folder, or where that is gone the project, the home folder, the root."""
    for folder in (job.cwd, job.project):
        if os.path.isdir(folder):
            return folder
    home = Path(os.path.expanduser("~"))
    return home if home.is_dir() else Path("/")


# --- placeholders --------------------------------------------------------------------------------------

PLACEHOLDER = re.compile(r"\$\{(user_config\.)?([A-Za-z_][A-Za-z0-9_.-]*)\}")
FOLDERS = frozenset({"PROJECT_DIR", "PLUGIN_ROOT", "PLUGIN_DATA"})


class UnknownPlaceholderError(ValueError):
    """A placeholder of the exec form stands for nothing; the text says which, and what there is."""


def filled(text: str, handler: Handler, variables: Mapping[str, str]) -> str:
    """Return an element of the exec form with its placeholders replaced, each by plain text.

    Everything else stays as it is: `$HOME` is no placeholder. Raises UnknownPlaceholderError for an option that the
    plugin's user did not set.
    """
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        option, name = match.groups()
        if option:
            options = handler.plugin.options if handler.plugin is not None else {}
            if name not in options:
                known = ", ".join(sorted(options)) or "none"
                raise UnknownPlaceholderError(f"{match[0]} stands for nothing: the options that are set: {known}")
            return options[name]
        owner, _, what = name.partition("_")
        if owner in ("CLAUDE", "PEGBOARD") and what in FOLDERS:
            return variables.get(name, match[0])
        return match[0]

    return PLACEHOLDER.sub(value, text)
