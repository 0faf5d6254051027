"""The contract's statements C60 to C72, one test each: decisions, merging, permissions (hook-contract 6 D)."""

from __future__ import annotations

import pytest
from talk import outcomes, pre, results, specific, told

from pegboard.messages import EndReason
from pegboard.testing import call

pytestmark = pytest.mark.anyio

RUN = call("Bash", command="echo ran >> ran.txt")
"""A call that no rule covers unless a test says so."""


def ran(project):
    return (project.root / "ran.txt").exists()


async def run(host, *turns):
    host.model.script(*(turns or (RUN, "Done.")))
    return await host.prompt("Go.")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        pytest.param([pre("allow"), pre("deny", "d")], "deny", id="deny beats allow"),
        pytest.param([pre("deny", "d"), pre("allow")], "deny", id="in either order"),
        pytest.param([pre("ask", "a"), pre("allow")], "ask", id="ask beats allow"),
        pytest.param([pre("defer"), pre("ask", "a")], "defer", id="defer beats ask"),
        pytest.param([pre("defer"), pre("deny", "d")], "deny", id="deny beats defer"),
        pytest.param([pre("allow"), {}], "allow", id="allow beats nothing"),
    ],
)
async def test_c60_the_strictest_of_all_hooks_decides(project, host_of, answers, verdict):
    project.declare({"PreToolUse": [project.hook(f"h{n}", stdout=one) for n, one in enumerate(answers)]})
    async with host_of(allow=()) as host:
        result = await run(host)
        assert host.records("declared")[0].outcome == verdict
        assert ran(project) is (verdict == "allow")
        assert (result.reason is EndReason.DEFERRED) is (verdict == "defer")


async def test_c61_a_deny_does_not_keep_the_other_hooks_from_ending(project, host_of):
    written = project.folder / "written"
    slow = f"sleep 0.3; touch {written}"
    project.declare({"PreToolUse": [project.hook("deny", stdout=pre("deny", "d")), slow]})
    async with host_of() as host:
        await run(host)
        assert outcomes(host) == ["denied"]
    assert written.exists()


async def test_c62_a_hooks_allow_beats_neither_a_deny_nor_an_ask_rule(project, host_of):
    for key in ("deny", "ask"):
        project.declare({"PreToolUse": [project.hook("h", stdout=pre("allow"))]})
        async with host_of(settings={"permissions": {key: ["Bash(echo *)"]}, "hooks": {"trust_project": True}}) as host:
            await run(host)
            assert outcomes(host) == ["denied"]
    assert not ran(project)


async def test_c63_a_hooks_deny_holds_in_every_mode(project, host_of):
    from pegboard.testing import Options

    project.declare({"PreToolUse": [project.hook("h", stdout=pre("deny", "d"))]})
    async with host_of(options=Options(mode="bypassPermissions")) as host:
        await run(host)
        assert outcomes(host) == ["denied"]


async def test_c64_a_new_input_without_a_decision_runs_whole_and_by_the_rules(project, host_of):
    answer = specific("PreToolUse", updatedInput={"command": "echo new"})
    project.declare({"PreToolUse": [project.hook("h", stdout=answer)]})
    described = call("Bash", command="echo old", description="the old one")
    async with host_of() as host:
        await run(host, described, "Done.")
        assert (outcomes(host), "new" in results(host)[0]) == (["ok"], True)
        [started] = host.records("tool_start")
        assert "the old one" not in started.input
    answer = specific("PreToolUse", updatedInput={"command": "touch ran.txt"})
    project.declare({"PreToolUse": [project.hook("h", stdout=answer)]})
    async with host_of(allow=("Bash(echo *)",)) as host:
        await run(host, described, "Done.")
        assert outcomes(host) == ["denied"]
    assert not ran(project)


async def test_c65_of_several_new_inputs_the_last_in_configuration_order_runs(project, host_of):
    """Deviation: the contract takes the last to finish, which is a race; here the order of the files decides."""
    slow = project.hook("slow", sleep=0.4, stdout=specific("PreToolUse", updatedInput={"command": "echo slow"}))
    quick = project.hook("quick", stdout=specific("PreToolUse", updatedInput={"command": "echo quick"}))
    for listed, word in (([slow, quick], "quick"), ([quick, slow], "slow")):
        project.declare({"PreToolUse": listed})
        async with host_of() as host:
            await run(host)
            assert results(host)[0].strip() == word
            assert any("several hooks changed the input" in notice for notice in host.notices)


async def test_c65_an_allow_holds_for_the_bytes_that_it_saw(project, host_of):
    """Deviation: the contract lets an allow stand for an input that another hook brought; here it is dropped."""
    allow = project.hook("allow", stdout=pre("allow"))
    change = project.hook("change", stdout=specific("PreToolUse", updatedInput={"command": "touch ran.txt"}))
    project.declare({"PreToolUse": [allow, change]})
    async with host_of(allow=()) as host:
        await run(host)
        assert outcomes(host) == ["denied"]
    assert not ran(project)


async def test_c66_the_older_words_still_count(project, host_of):
    project.declare({"PreToolUse": [project.hook("h", stdout={"decision": "approve"})]})
    async with host_of(allow=()) as host:
        await run(host)
        assert outcomes(host) == ["ok"]
    project.declare({"PreToolUse": [project.hook("h", stdout={"decision": "block", "reason": "old word"})]})
    async with host_of() as host:
        await run(host)
        assert (outcomes(host), "old word" in results(host)[0]) == (["denied"], True)


async def test_c67_ask_asks_with_the_reason_and_is_a_refusal_where_nobody_is_there(project, host_of):
    project.declare({"PreToolUse": [project.hook("h", stdout=pre("ask", "are you sure"))]})
    async with host_of() as host:
        await run(host)
        assert (outcomes(host), "are you sure" in results(host)[0]) == (["denied"], True)
        [asked] = host.records("ask")
        assert asked.reason == "are you sure"


async def test_c68_a_defer_does_not_count_where_a_person_is_there_and_parts_a_batch_where_not(project, host_of):
    from pegboard.testing import Options

    project.declare({"PreToolUse": [{"matcher": "Bash", "command": project.hook("h", stdout=pre("defer"))}]})
    async with host_of(options=Options(interactive=True)) as host:
        await run(host)
        assert outcomes(host) == ["ok"]
        assert any("cannot defer" in notice for notice in host.notices)
    (project.root / "a.txt").write_text("a\n")
    async with host_of() as host:
        # The recording is newer than the statement: a defer counts beside other calls, too.
        result = await run(host, [RUN, call("Read", file_path="a.txt")], "Done.")
        assert result.reason is EndReason.DEFERRED
        assert outcomes(host) == ["ok"]


async def test_c69_an_allow_may_hold_for_the_session_and_its_input_is_judged_again(project, host_of):
    keep = {
        "behavior": "allow",
        "updatedPermissions": [
            {"type": "addRules", "rules": [{"toolName": "Bash"}], "behavior": "allow", "destination": "session"}
        ],
    }
    project.declare({"PermissionRequest": [project.hook("h", stdout=specific("PermissionRequest", decision=keep))]})
    before = sorted(project.root.rglob("*"))
    async with host_of(allow=()) as host:
        await run(host, call("Bash", command="touch x"), call("Bash", command="touch x"), "Done.")
        assert (outcomes(host), project.ran) == (["ok", "ok"], ["h"])
    assert sorted(project.root.rglob("*")) == sorted([*before, project.root / "x"])
    change = {"behavior": "allow", "updatedInput": {"command": "rm x"}}
    project.declare({"PermissionRequest": [project.hook("h", stdout=specific("PermissionRequest", decision=change))]})
    settings = {"permissions": {"deny": ["Bash(rm *)"]}, "hooks": {"trust_project": True}}
    async with host_of(settings=settings) as host:
        await run(host, call("Bash", command="touch y"), "Done.")
        assert outcomes(host) == ["denied"]
    assert (project.root / "x").exists()


@pytest.mark.parametrize(
    ("output", "word"),
    [
        pytest.param({"stdout": "REDACTED", "stderr": "", "interrupted": False}, "REDACTED", id="the same shape"),
        pytest.param({"foo": 1}, "hi", id="another shape"),
        pytest.param("REDACTED", "hi", id="a text for an object"),
    ],
)
async def test_c70_a_new_output_counts_if_it_has_the_tools_shape(project, host_of, output, word):
    project.declare({"PostToolUse": [project.hook("h", stdout=specific("PostToolUse", updatedToolOutput=output))]})
    async with host_of() as host:
        await run(host, call("Bash", command="echo hi"), "Done.")
        assert results(host)[0].strip() == word


async def test_c71_the_model_reads_the_context_of_every_hook(project, host_of):
    hooks = [project.hook(f"h{n}", stdout=specific("PreToolUse", additionalContext=f"CTX{n}")) for n in (1, 2)]
    project.declare({"PreToolUse": hooks})
    async with host_of() as host:
        await run(host)
        assert told(host).index("CTX1") < told(host).index("CTX2")


async def test_c72_hooks_are_told_whose_call_it_is(project, host_of):
    project.declare({"PreToolUse": [{"matcher": "Bash", "command": project.hook("pre")}]})
    async with host_of() as host:
        host.builtin("agents")
        agent = call("Agent", description="look", prompt="Look.")
        bash = {"call": [{"name": "Bash", "input": {"command": "echo"}}], "purpose": "subagent"}
        await run(host, agent, "Done.", bash, {"text": "ok", "purpose": "subagent"})
        (began,) = host.records("agent_start")
        (sent,) = (payload for _, payload in project.seen)
        assert (sent["agent_id"], sent["agent_type"]) == (began.agent, "general-purpose")
        assert (sent["session_id"], sent["transcript_path"]) == (host.session.session_id, str(host.session.path))


async def test_c72_a_permission_request_has_no_call_id_and_a_main_thread_no_agent(project, host_of):
    project.declare({"PermissionRequest": [project.hook("ask")], "PreToolUse": [project.hook("pre")]})
    async with host_of(allow=()) as host:
        await run(host)
    sent = dict(project.seen)
    assert "tool_use_id" not in sent["ask"]
    assert "tool_use_id" in sent["pre"]
    assert not {"agent_id", "agent_type"} & (sent["pre"].keys() | sent["ask"].keys())
