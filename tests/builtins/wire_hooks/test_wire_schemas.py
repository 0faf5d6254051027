"""The JSON Schemas hold what was recorded, what hooks answer, and the settings that work; and nothing that does not."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pegboard.flags import FlagDetails, FlagLayer, FlagSnapshot, FlagView
from pegboard.messages import Outcome, OutcomeKind, ToolCall, ToolResult
from pegboard.shipped import shipped
from pegboard_builtins.wire_hooks import payloads
from pegboard_builtins.wire_hooks.events import EVENTS
from pegboard_builtins.wire_hooks.examples import example
from pegboard_builtins.wire_hooks.handlers import HandlerType
from pegboard_builtins.wire_hooks.inputs import PostToolUseInput, PreToolUseInput
from pegboard_builtins.wire_hooks.load import KEYS_OF, OUR_KEYS
from pegboard_builtins.wire_hooks.schemas import COMMON, OWN

ROOT = Path(__file__).parents[3]
SCHEMAS = sorted(str(path.relative_to(ROOT / "schemas")) for path in (ROOT / "schemas").rglob("*.json"))
RECORDED = ROOT / "tests" / "conformance" / "recorded_payloads.jsonl"


def schema(name: str) -> Draft202012Validator:
    found = json.loads((shipped("schemas") / name).read_text())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def recorded() -> list[Any]:
    return [json.loads(line.replace('"<ms>"', "12")) for line in RECORDED.read_text().splitlines()]


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str) -> None:
    schema(name)


def test_there_is_a_schema_for_each_event_and_for_settings() -> None:
    names = {path.name for path in (ROOT / "schemas" / "events").iterdir()}
    assert names == {f"{event}.{what}.json" for event in EVENTS for what in ("input", "output")}
    included = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert included["force-include"]["schemas"] == "pegboard/_data/schemas"


def test_what_was_recorded_of_the_contract_is_valid() -> None:
    payloads = recorded()
    assert len(payloads) > 50
    for payload in payloads:
        schema(f"events/{payload['hook_event_name']}.input.json").validate(payload)


@pytest.mark.parametrize("row", EVENTS.values(), ids=EVENTS)
def test_what_we_send_is_valid_and_anything_short_of_it_is_not(row: Any) -> None:
    validator = schema(f"events/{row.name}.input.json")
    sent = json.loads(example(row, Path("/p")).line())
    validator.validate(sent)
    for field in ("session_id", "hook_event_name"):
        assert not validator.is_valid({key: value for key, value in sent.items() if key != field})
    assert not validator.is_valid({**sent, "hook_event_name": "Nothing"})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NO_FLAGS = FlagView(FlagSnapshot())
SOME_FLAGS = FlagView(FlagSnapshot({"a": FlagDetails("a", True, layer=FlagLayer.USER)}))


@given(
    name=st.sampled_from(["Bash", "mcp__server__tool"]),
    tool_input=st.dictionaries(TEXTS, JSON, max_size=3),
    response=JSON,
    prompt=st.sampled_from(["", "p"]),
    flags=st.sampled_from([NO_FLAGS, SOME_FLAGS]),
    parents=st.sampled_from([(), ("top",)]),
    effort=st.sampled_from([None, "low"]),
)
@settings(deadline=None)
def test_what_is_put_together_as_values_is_what_its_model_would_send(
    name: str,
    tool_input: Any,
    response: Any,
    prompt: str,
    flags: FlagView,
    parents: tuple[str, ...],
    effort: str | None,
) -> None:
    where = {"cwd": Path("/p"), "transcript": Path("/j.jsonl"), "parents": parents}
    who = {"session_id": "s", "agent_id": "a" if parents else "", "agent_type": "Explore" if parents else ""}
    said = SimpleNamespace(model=SimpleNamespace(effort=effort))
    ctx: Any = SimpleNamespace(**where, **who, prompt_id=prompt, mode="plan", flags=flags, all_settings=said)
    call = ToolCall(id="c", name=name, input=tool_input)
    shared: dict[str, Any] = {**payloads.working(ctx), "tool_name": name, "tool_input": tool_input, "tool_use_id": "c"}
    if name.startswith("mcp__"):
        shared["mcp_server"] = {"name": "server", "source": "dynamic"}
    always = payloads.Always(ctx)
    assert payloads.pre_tool_use(call, always()).line() == PreToolUseInput(**shared).line()
    outcome = Outcome(OutcomeKind.OK, ToolResult(content="x", data=response), duration_ms=1.23456)
    told = "x" if response is None else response
    model = PostToolUseInput(**shared, tool_response=told, duration_ms=1.235)
    assert payloads.post_tool_use(call, outcome, always()).line() == model.line()


@pytest.mark.parametrize(
    ("event", "answer", "valid"),
    [
        ("PreToolUse", {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny"}}, True),
        ("PreToolUse", {"hookSpecificOutput": {"hookEventName": "Stop"}}, False),
        ("PreToolUse", {"permissionDecision": "deny"}, False),
        ("PreToolUse", {"decision": "deny"}, False),
        ("Stop", {"decision": "block", "reason": "not yet"}, True),
        ("Notification", {"decision": "block"}, False),
        ("SessionStart", {"continue": "no"}, False),
        ("Stop", {}, True),
        (
            "PermissionRequest",
            {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": {"behavior": "maybe"}}},
            False,
        ),
    ],
)
def test_an_answer_is_valid_if_somebody_reads_it(event: str, answer: dict[str, Any], valid: bool) -> None:
    assert schema(f"events/{event}.output.json").is_valid(answer) is valid


# --- settings ------------------------------------------------------------------------------------------

GOOD = {
    "PreToolUse": [
        {"matcher": "Bash", "hooks": [{"type": "command", "command": "true", "timeout": 5, "id": "a"}]},
        {"hooks": [{"type": "http", "url": "http://localhost/", "headers": {"A": "b"}, "allowedEnvVars": ["X"]}]},
    ],
    "Stop": [{"hooks": [{"type": "prompt", "prompt": "done?"}, {"function": "a.py:f"}], "description": "tolerated"}],
}
BAD: list[Any] = [
    {"PreTolUse": []},
    {"Stop": {}},
    {"Stop": [{"hooks": {}}]},
    {"Stop": [{"hooks": [{"type": "command"}]}]},
    {"Stop": [{"hooks": [{"type": "comand", "command": "x"}]}]},
    {"Stop": [{"hooks": [{"type": "command", "command": "x", "timeout": "5"}]}]},
    {"PreToolUse": [{"matcher": ["Bash"], "hooks": []}]},
    {"Stop": [{"hooks": [{"type": "command", "command": "x", "on_error": "never"}]}]},
]


def test_settings_of_the_contract_and_ours_mean_the_same_to_the_schemas() -> None:
    theirs, ours, whole = schema("hooks.json"), schema("hooks-table.json"), schema("settings.json")
    theirs.validate({"$schema": "hooks.json", "hooks": GOOD, "disableAllHooks": False, "model": "anything else"})
    ours.validate(GOOD)
    whole.validate({"hooks": {**GOOD, "disabled": ["a"]}, "permissions": {"allow": ["Bash"]}})
    for bad in BAD:
        assert not theirs.is_valid({"hooks": bad}), bad
        assert not ours.is_valid(bad), bad
        assert not whole.is_valid({"hooks": bad}), bad


def test_our_own_spellings_and_short_form_are_valid() -> None:
    text = '[[hooks.pre-tool]]\ntype = "command"\ncommand = "true"\n[[hooks.user_prompt_submit]]\nfunction = "a.py:f"\n'
    schema("settings.json").validate(tomli.loads(text))
    with pytest.raises(ValidationError):
        schema("settings.json").validate({"hook": {}})


def test_every_key_that_an_entry_may_have_is_in_the_schema() -> None:
    assert set(COMMON) >= OUR_KEYS
    for kind in HandlerType:
        assert set(OWN[kind]) >= KEYS_OF[kind]


# --- the verb, and files that name their schema --------------------------------------------------------


def test_the_verb_prints_a_schema_by_any_spelling(typed: Any) -> None:
    told = json.loads(typed.fine("hooks", "schema", "pre-tool"))
    assert told["title"] == "PreToolUse: what a hook is sent"
    assert json.loads(typed.fine("hooks", "schema", "stop", "--output"))["title"] == "Stop: what a hook may answer"
    assert json.loads(typed.fine("hooks", "schema", "settings"))["title"] == "Pegboard settings"
    assert Path(typed.fine("hooks", "schema", "hooks", "--path").strip()).is_file()
    assert "Did you mean" in typed.error("hooks", "schema", "PreTolUse")
    assert "settings are not answered" in typed.error("hooks", "schema", "hooks", "--output")


def test_files_may_name_their_schema(typed: Any, project: Any) -> None:
    path = project.declare({"Stop": ["true"]}, where="user")
    path.write_text(json.dumps({"$schema": "hooks.json", **json.loads(path.read_text())}))
    config = project.outer / "config" / "settings.toml"
    config.parent.mkdir()
    config.write_text('#:schema settings.json\n[[hooks.Stop]]\ntype = "command"\ncommand = "false"\n')
    told = typed.json("hooks", "list")
    assert (len(told["hooks"]), told["problems"]) == (2, [])
    assert typed.json("hooks", "check")["findings"] == []


def test_the_settings_of_every_built_in_are_in_the_whole(typed: Any) -> None:
    told = json.loads(typed.fine("settings", "schema"))
    assert "PreToolUse" in told["properties"]["hooks"]["properties"]
    shipped_whole = json.loads((shipped("schemas") / "settings.json").read_text())
    assert set(told["properties"]) <= set(shipped_whole["properties"]) | {"pegboard"}
