"""The kit for hook programs: typed events, and what each answer becomes on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from pegboard import hook
from pegboard.testing import payload


def specific(event: str, **fields: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": event, **fields}}


@pytest.mark.parametrize(
    ("answer", "event", "wire"),
    [
        pytest.param(hook.pass_(), "PreToolUse", {}, id="nothing"),
        pytest.param(hook.allow(), "PreToolUse", specific("PreToolUse", permissionDecision="allow"), id="allow"),
        pytest.param(
            hook.deny("no"),
            "PreToolUse",
            specific("PreToolUse", permissionDecision="deny", permissionDecisionReason="no"),
            id="deny a call",
        ),
        pytest.param(
            hook.ask("sure?"),
            "PreToolUse",
            specific("PreToolUse", permissionDecision="ask", permissionDecisionReason="sure?"),
            id="ask",
        ),
        pytest.param(hook.defer(), "PreToolUse", specific("PreToolUse", permissionDecision="defer"), id="defer"),
        pytest.param(
            hook.replace_input({"command": "ls"}),
            "PreToolUse",
            specific("PreToolUse", updatedInput={"command": "ls"}),
            id="a new input decides nothing",
        ),
        pytest.param(
            hook.deny("no") + hook.replace_input({"command": "ls"}),
            "PreToolUse",
            specific("PreToolUse", permissionDecision="deny", permissionDecisionReason="no"),
            id="a refused call has no new input",
        ),
        pytest.param(
            hook.allow() + hook.context("read only") + hook.notice("hm"),
            "PreToolUse",
            {"systemMessage": "hm"} | specific("PreToolUse", permissionDecision="allow", additionalContext="read only"),
            id="several in one",
        ),
        pytest.param(
            hook.deny("no"),
            "PermissionRequest",
            specific("PermissionRequest", decision={"behavior": "deny", "message": "no"}),
            id="deny a request",
        ),
        pytest.param(
            hook.allow() + hook.replace_input({"a": 1}) + hook.fields(updatedPermissions=[]),
            "PermissionRequest",
            specific(
                "PermissionRequest", decision={"behavior": "allow", "updatedPermissions": [], "updatedInput": {"a": 1}}
            ),
            id="allow a request with another input",
        ),
        pytest.param(hook.block("r"), "UserPromptSubmit", {"decision": "block", "reason": "r"}, id="block a prompt"),
        pytest.param(hook.block("r"), "Stop", {"decision": "block", "reason": "r"}, id="block a stop"),
        pytest.param(hook.block("r"), "PreCompact", {"decision": "block", "reason": "r"}, id="block a compaction"),
        pytest.param(
            hook.replace_output("x"),
            "PostToolUse",
            specific("PostToolUse", updatedToolOutput="x"),
            id="another result",
        ),
        pytest.param(
            hook.stop("enough"), "PostToolUse", {"continue": False, "stopReason": "enough"}, id="end the turn"
        ),
        pytest.param(
            hook.fields(watchPaths=["/a/.envrc"]),
            "CwdChanged",
            specific("CwdChanged", watchPaths=["/a/.envrc"]),
            id="an event's own field",
        ),
        pytest.param(
            hook.context("keep X"), "PreCompact", specific("PreCompact", additionalContext="keep X"), id="keep notes"
        ),
    ],
)
def test_an_answer_is_said_where_the_event_has_a_place_for_it(
    answer: hook.Answer, event: str, wire: dict[str, Any]
) -> None:
    assert answer.output(event) == wire


@pytest.mark.parametrize(
    ("answer", "event", "problem"),
    [
        pytest.param(hook.ask(), "Stop", "Stop has no place for 'ask'; it offers deny (block)", id="ask at a stop"),
        pytest.param(hook.allow(), "UserPromptSubmit", "no place for 'allow'", id="allow a prompt"),
        pytest.param(hook.deny("r"), "SessionEnd", "no place for 'deny'; it offers nothing", id="refuse an end"),
        pytest.param(hook.context("c"), "Notification", "no place for 'context'", id="context nobody reads"),
        pytest.param(hook.fields(sessionTitel="x"), "SessionStart", "'sessionTitel'", id="a misspelt field"),
        pytest.param(hook.replace_input({}), "PermissionRequest", "without allow", id="an input without allow"),
        pytest.param(hook.pass_(), "PreToolUs", "Did you mean 'PreToolUse'?", id="no such event"),
    ],
)
def test_what_an_event_has_no_place_for_is_an_error(answer: hook.Answer, event: str, problem: str) -> None:
    with pytest.raises(hook.AnswerError) as raised:
        answer.output(event)
    assert problem in str(raised.value)


def test_a_refusal_is_not_lost_with_what_stands_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    answer = hook.deny("no") + hook.context("never read")
    assert answer.output("PermissionRequest") == specific(
        "PermissionRequest", decision={"behavior": "deny", "message": "no"}
    )
    assert "left out of a refusal" in capsys.readouterr().err


def test_a_refusal_without_a_reason_is_one_all_the_same() -> None:
    assert hook.deny("").output("PreToolUse")["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert hook.block("").output("Stop")["reason"]


def test_of_two_answers_the_stricter_counts_and_nothing_else_is_lost() -> None:
    both = hook.ask("first") + hook.context("a") + hook.deny("second") + hook.ask("third") + hook.context("b")
    assert (both.verdict, both.reason, both.context) == ("deny", "second", "a\nb")
    assert (hook.deny("first") + hook.deny("second")).reason == "first"
    assert hook.pass_() + hook.pass_() == hook.pass_()


# --- several functions, one event ----------------------------------------------------------------------


def answered(*functions: Any, event: str = "PreToolUse", **fields: Any) -> dict[str, Any]:
    return hook.answer_to(payload(event, **fields), functions)


def test_nothing_to_say_is_not_an_allow() -> None:
    assert answered(lambda event: None) == {}
    assert answered(lambda event: hook.pass_(), lambda event: None) == {}
    assert answered() == {}


def test_the_strictest_function_counts_in_any_order() -> None:
    functions = [lambda e: hook.allow(), lambda e: hook.deny("no"), lambda e: hook.ask(), lambda e: None]
    for order in (functions, functions[::-1]):
        assert answered(*order)["hookSpecificOutput"]["permissionDecision"] == "deny"


def test_an_allow_is_left_out_when_another_function_replaces_the_input_that_it_saw() -> None:
    rewrite = lambda event: hook.replace_input({"command": "rm -rf /"})  # noqa: E731
    assert answered(lambda event: hook.allow(), rewrite) == answered(rewrite)
    assert answered(rewrite, lambda event: hook.allow()) == answered(rewrite)
    approved = lambda event: hook.allow() + hook.replace_input({"command": "ls"})  # noqa: E731
    assert answered(approved)["hookSpecificOutput"]["permissionDecision"] == "allow"


def test_a_plain_object_is_passed_on_and_a_text_is_an_error() -> None:
    assert answered(lambda event: {"systemMessage": "x"}) == {"systemMessage": "x"}
    assert answered(lambda e: {"decision": "block", "reason": "r"}, lambda e: hook.allow())["decision"] == "block"
    with pytest.raises(TypeError, match=r"say hook\.context"):
        answered(lambda event: "a text")


def test_a_function_may_be_async() -> None:
    async def late(event: hook.Event) -> hook.Answer:
        return hook.deny("late")

    assert answered(late)["hookSpecificOutput"]["permissionDecisionReason"] == "late"


# --- registering ---------------------------------------------------------------------------------------


@pytest.fixture
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook, "_registered", [])


@pytest.mark.usefixtures("nothing_registered")
@pytest.mark.parametrize(
    ("matcher", "tool", "fits"),
    [
        pytest.param("", "Bash", True, id="none"),
        pytest.param("*", "Bash", True, id="a star"),
        pytest.param("Bash", "Bash", True, id="a name"),
        pytest.param("Bash", "BashOutput", False, id="a name is exact"),
        pytest.param("Edit|Write", "Write", True, id="a list with bars"),
        pytest.param("Edit, Write", "Write", True, id="a list with commas"),
        pytest.param("mcp__memory", "mcp__memory__add", False, id="a prefix is no match"),
        pytest.param("mcp__memory__.*", "mcp__memory__add", True, id="a regex"),
        pytest.param("Edit.*", "NotebookEdit", True, id="a regex is not anchored"),
    ],
)
def test_a_matcher_means_what_it_means_in_the_contract(matcher: str, tool: str, fits: bool) -> None:
    hook.on("PreToolUse", matcher=matcher)(lambda event: hook.deny("x"))
    assert bool(hook.answer_to(payload("PreToolUse", tool=tool))) is fits


@pytest.mark.usefixtures("nothing_registered")
def test_each_event_is_matched_by_its_own_field() -> None:
    hook.on("SessionStart", matcher="startup|resume")(lambda event: hook.context("hello"))
    hook.on("FileChanged", matcher=r"^\.envrc$")(lambda event: hook.notice("changed"))
    assert hook.answer_to(payload("SessionStart", source="resume"))
    assert not hook.answer_to(payload("SessionStart", source="clear"))
    assert hook.answer_to(payload("FileChanged", file_path="/a/.envrc"))
    assert not hook.answer_to(payload("FileChanged", file_path="/.envrc/b"))


@pytest.mark.usefixtures("nothing_registered")
@pytest.mark.parametrize(
    ("events", "matcher", "problem"),
    [
        pytest.param(("PreTooluse",), "", "Did you mean 'PreToolUse'", id="misspelt"),
        pytest.param(("Stop",), "Bash", "nothing that the matcher 'Bash'", id="nothing to match"),
        pytest.param(("PreToolUse",), "Bash(", "no regular expression", id="no regex"),
        pytest.param((), "", "name the events", id="no event"),
        pytest.param((lambda event: None,), "", "name the events", id="a decorator without brackets"),
    ],
)
def test_a_registration_that_could_never_fire_is_an_error_at_once(events: Any, matcher: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)" + problem.replace("(", r"\(")):
        hook.on(*events, matcher=matcher)
    assert hook._registered == []


@pytest.mark.usefixtures("nothing_registered")
def test_a_registered_function_stays_what_it_is() -> None:
    def guard(event: hook.Event) -> None:
        """Guard."""

    assert hook.on("Stop")(guard) is guard


# --- events --------------------------------------------------------------------------------------------


def test_every_event_of_the_contract_has_its_type_or_is_a_plain_one() -> None:
    for name in hook._OFFERS:
        event = hook.event_of(payload(name))
        assert event.name == name
        assert type(event).__name__ in (name, "Event")
    assert set(hook._CLASSES) <= set(hook._OFFERS)
    assert set(hook._MATCHED) <= set(hook._OFFERS)


def test_the_kit_and_the_host_have_one_contract() -> None:
    """The kit stands alone, so it has a table of its own: it may offer nothing that the host would not read."""
    from pegboard_builtins.wire_hooks.events import EVENTS

    assert set(EVENTS) == set(hook._OFFERS)
    for name, row in EVENTS.items():
        style, _, said = hook._OFFERS[name]
        others = set(said.split())
        read = set(row.specific.model_fields) if row.specific is not None else set()
        assert hook._MATCHED.get(name, "") == row.matches, name
        assert ("context" in others) is ("additionalContext" in read), name
        assert "stop" not in others or row.stops, name
        assert "notice" not in others or row.speaks, name
        assert style != "block" or row.decides, name
        own = others - {"context", "notice", "stop", "input", "output"}
        assert own <= read or style == "behavior", name
        known = {*dir(hook._CLASSES[name]), "hook_event_name", "name"}
        assert set(row.input.model_fields) <= known, name


@pytest.mark.parametrize("name", sorted(hook._OFFERS))
def test_the_host_reads_all_that_the_kit_says(name: str) -> None:
    from pegboard_builtins.wire_hooks.events import EVENTS
    from pegboard_builtins.wire_hooks.outputs import Output, unknown_keys

    _, verdicts, said = hook._OFFERS[name]
    values: dict[str, Any] = {"watchPaths": ["/a"], "updatedPermissions": [], "content": {}, "action": "accept"}
    values |= {"reloadSkills": True, "suppressOriginalPrompt": True, "interrupt": True, "retry": True}
    words = set(said.split())
    own = {word: values.get(word, "x") for word in words - {"context", "notice", "stop", "input", "output"}}
    for verdict in ["", *verdicts.split()]:
        answer = hook.Answer(
            verdict,
            "r",
            context="c" if "context" in words else "",
            new_input={"a": 1} if "input" in words and (name == "PreToolUse" or verdict == "allow") else None,
            new_output="o" if "output" in words else None,
            notice="n" if "notice" in words else "",
            stop="s" if "stop" in words else "",
            fields=own if verdict or "interrupt" not in own else {},
        )
        output = answer.output(name)
        specific = EVENTS[name].specific
        assert unknown_keys(output, specific) == []
        Output.model_validate(output)
        if specific is not None and "hookSpecificOutput" in output:
            specific.model_validate(output["hookSpecificOutput"])


def test_a_typed_event_reads_what_the_payload_has() -> None:
    event = hook.event_of(payload("PreToolUse", tool="Write", input={"file_path": "a.txt", "content": "x"}, cwd="/p"))
    assert isinstance(event, hook.PreToolUse)
    assert (event.tool_name, event.path, event.new_text, event.command) == ("Write", "/p/a.txt", "x", "")


def test_a_field_that_is_always_there_is_never_guessed() -> None:
    raw = payload("UserPromptSubmit")
    del raw["prompt"]
    with pytest.raises(hook.PayloadError, match="has no 'prompt'; it has session_id"):
        _ = hook.event_of(raw).prompt  # type: ignore[attr-defined]
    with pytest.raises(hook.PayloadError, match="'tool_input' of this PreToolUse event is a str"):
        _ = hook.ToolEvent({**payload("PreToolUse"), "tool_input": "rm"}).command


def test_a_misspelt_field_is_an_error_with_the_nearest_name() -> None:
    event: Any = hook.event_of(payload("PostToolUse"))
    with pytest.raises(AttributeError, match=r"no 'tool_output'\. Did you mean 'tool_"):
        _ = event.tool_output


def test_a_field_that_the_kit_does_not_know_yet_can_be_read() -> None:
    event: Any = hook.event_of({**payload("Stop"), "brand_new": [1]})
    assert event.brand_new == [1]
    assert hook.event_of({**payload("Stop"), "hook_event_name": "BrandNew"}).name == "BrandNew"


def test_null_stands_for_nothing() -> None:
    event = hook.event_of(payload("PreCompact", custom_instructions=None))
    assert isinstance(event, hook.PreCompact)
    assert event.custom_instructions == ""


@pytest.mark.parametrize(
    ("response", "text"),
    [
        pytest.param({"stdout": "out\nerr", "stderr": "", "interrupted": False}, "out\nerr", id="Bash"),
        pytest.param([{"type": "text", "text": "MCP-ECHO t"}], "MCP-ECHO t", id="MCP"),
        pytest.param({"type": "text", "file": {"filePath": "/a", "content": "one\n"}}, "one\n", id="Read"),
        pytest.param("plain", "plain", id="text"),
        pytest.param({"filenames": ["a.ts"], "numFiles": 1}, '{"filenames": ["a.ts"], "numFiles": 1}', id="Glob"),
    ],
)
def test_a_result_can_be_read_as_text_whatever_its_shape(response: Any, text: str) -> None:
    event = hook.event_of(payload("PostToolUse", tool_response=response))
    assert isinstance(event, hook.PostToolUse)
    assert event.response_text == text


def test_all_new_text_of_several_edits_is_seen() -> None:
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": "d"}]
    event = hook.event_of(payload("PreToolUse", tool="MultiEdit", input={"file_path": "/a", "edits": edits}))
    assert isinstance(event, hook.PreToolUse)
    assert event.new_text == "b\nd"
