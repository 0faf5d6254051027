"""Golden cases of hooks: a TOML file of events, each with what the hooks should come to.

settings = "hooks.toml"        # the hooks of this file, beside the cases; this project's where it is absent

[[case]]
name = "no force"
event = "PreToolUse"           # any spelling
tool = "Bash"
input = { command = "git push --force" }
[case.expect]
decision = "deny"
reason = "force"
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pegboard.errors import SettingsError, did_you_mean
from pegboard.typed import dataclass


class Expected(BaseModel):
    """What a case expects; what it does not name may be anything, but nothing may be decided that it does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: str = Field(default="none", pattern="^(none|allow|ask|defer|deny|block|stop)$")
    reason: str | list[str] = Field(default=[], description="Texts that the reason contains.")
    context: str | list[str] = Field(default=[], description="Texts that what the model reads contains.")
    message: str | list[str] = Field(default=[], description="Texts that the messages to the user contain.")
    updated_input: dict[str, Any] | None = Field(default=None, description="The new input, whole.")
    by: str = Field(default="", description="The id of the hook whose answer counts.")
    ran: list[str] | None = Field(default=None, description="The ids of the hooks that ran, in order.")


class Case(BaseModel):
    """One event and what is expected of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    event: str
    tool: str = ""
    input: dict[str, Any] | None = None
    payload: dict[str, Any] = Field(default={}, description="Further fields of the event, or all of them.")
    expect: Expected = Expected()


class Cases(BaseModel):
    """A whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: str = Field(default="", description="The settings file whose hooks are tested; else the project's.")
    case: list[Case]


@dataclass(slots=True)
class Verdict:
    """How a case ended: the lines that differ, none where all is as expected."""

    name: str
    event: str
    differences: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.differences


def read_cases(path: Path) -> Cases:
    """Read a file of cases. Raises SettingsError with file, line and what is wrong."""
    import tomli

    try:
        text = path.read_text(encoding="utf-8")
        value = tomli.loads(text)
    except tomli.TOMLDecodeError as wrong:
        raise SettingsError(f"is no TOML: {wrong.msg}", file=path, line=wrong.lineno) from None
    except FileNotFoundError:
        raise SettingsError(f"there is no such file.{_near(path)}", file=path) from None
    except OSError as wrong:
        raise SettingsError(f"cannot be read: {wrong.strerror}", file=path) from None
    except UnicodeDecodeError as wrong:
        raise SettingsError(f"is no text in UTF-8: {wrong.reason} at byte {wrong.start}", file=path) from None
    try:
        return Cases.model_validate(value)
    except ValidationError as wrong:
        raise _explained(path, text, wrong) from None


def _near(path: Path) -> str:
    try:
        return did_you_mean(path.name, [one.name for one in path.parent.glob("*.toml")])
    except OSError:
        return ""


def _explained(path: Path, text: str, wrong: ValidationError) -> SettingsError:
    error = wrong.errors()[0]
    place = list(error["loc"])
    line = None
    if place[:1] == ["case"] and len(place) > 1 and isinstance(place[1], int):
        starts = [number for number, said in enumerate(text.splitlines(), 1) if said.strip().startswith("[[case]]")]
        line = starts[place[1]] if place[1] < len(starts) else None
    name = str(place[-1]) if place else ""
    known = (
        Expected.model_fields if "expect" in place[:-1] else Case.model_fields if len(place) > 2 else Cases.model_fields
    )
    if error["type"] == "extra_forbidden":
        return SettingsError(f"there is no key {name!r} here.{did_you_mean(name, known)}", file=path, line=line)
    where = ".".join(str(part) for part in place)
    return SettingsError(f"{where}: {error['msg']} (it is {error['input']!r:.80})", file=path, line=line)


def differences(expected: Expected, outcome: Mapping[str, Any], ran: list[str]) -> list[str]:
    """Return the lines in which an outcome differs from what is expected, as `- expected` and `+ got`."""
    return [*_differences(expected, outcome, ran)]


def _differences(expected: Expected, outcome: Mapping[str, Any], ran: list[str]) -> Iterator[str]:
    if outcome["decision"] != expected.decision:
        yield f"- decision = {expected.decision}"
        reason = f": {outcome['reason']}" if outcome["reason"] else ""
        by = f" by {outcome['by']}" if outcome["by"] else ""
        yield f"+ decision = {outcome['decision']}{by}{reason}"
    if expected.by and outcome["by"] != expected.by:
        yield f"- by = {expected.by}"
        yield f"+ by = {outcome['by'] or '(nobody)'}"
    texts = (
        ("reason", expected.reason, outcome["reason"]),
        ("context", expected.context, "\n".join(outcome["context"])),
        ("message", expected.message, "\n".join(outcome["messages"])),
    )
    for name, wanted, text in texts:
        for one in [wanted] if isinstance(wanted, str) else wanted:
            if one not in text:
                yield f"- {name} contains {one!r}"
                yield f"+ {name} = {text!r}"
    if expected.updated_input is not None and outcome["updated_input"] != expected.updated_input:
        yield f"- updated_input = {json.dumps(expected.updated_input, ensure_ascii=False)}"
        yield f"+ updated_input = {json.dumps(outcome['updated_input'], ensure_ascii=False)}"
    if expected.ran is not None and ran != expected.ran:
        yield f"- ran = {', '.join(expected.ran) or '(none)'}"
        yield f"+ ran = {', '.join(ran) or '(none)'}"
