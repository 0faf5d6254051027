"""Hooks that a skill or a command brings along: from when it is used to the end of the session (hook-contract 2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from talk import outcomes, results, specific

from pegboard.records import DeclaredHooks
from pegboard.testing import HostFixture, call

pytestmark = pytest.mark.anyio

BASH = call("Bash", command="echo out")
USE = call("Skill", skill="guard")
DENY = specific("PreToolUse", permissionDecision="deny", permissionDecisionReason="not while guarded")


def skill(project: Any, command: str, *, event: str = "PreToolUse", where: str = "user", once: bool = False) -> Path:
    """Write the skill `guard`, which brings one hook."""
    home = {"user": project.outer / "config", "project": project.root / ".claude"}[where]
    path: Path = home / "skills" / "guard" / "SKILL.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        "---",
        "name: guard",
        "description: Guards.",
        "hooks:",
        f"  {event}:",
        "    - matcher: Bash",
        "      hooks:",
        "        - type: command",
        f"          command: {command}",
        *(["          once: true"] if once else []),
        "---",
        "Be careful.",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


async def run(host: HostFixture, *turns: Any) -> None:
    host.model.script(*turns)
    await host.prompt("Go.")


def host_with_skills(host_of: Any, **facts: Any) -> HostFixture:
    host: HostFixture = host_of(**facts)
    host.builtin("commands")
    return host


async def test_they_hold_from_its_use_on_in_the_same_turn_and_not_before(project, host_of):
    skill(project, project.hook("h", stdout=DENY))
    async with host_with_skills(host_of) as host:
        await run(host, BASH, USE, BASH, "Done.")
        assert outcomes(host) == ["ok", "ok", "denied"]
        assert "not while guarded" in results(host)[2]
        (record,) = [one for one in host.records() if isinstance(one, DeclaredHooks)]
        assert [row.id for row in record.rows] == ["PreToolUse/1.1@skill:guard"]
        assert record.rows[0].where.endswith("SKILL.md")
        await run(host, BASH, "Done.")
        assert outcomes(host)[-1] == "denied"


async def test_what_one_says_of_stop_counts_at_the_end_of_that_very_turn(project, host_of):
    block = {"by_call": [{"stdout": {"decision": "block", "reason": "look once more"}}, {"stdout": ""}]}
    skill(project, project.hook("h", **block), event="Stop")
    async with host_with_skills(host_of) as host:
        await run(host, USE, "Done.", "Looked.")
    assert project.ran == ["h", "h"]


async def test_beside_declared_hooks_they_come_last_and_outlive_a_reload(project, host_of):
    project.declare({"PreToolUse": [project.hook("declared")]})
    skill(project, project.hook("brought"))
    async with host_with_skills(host_of) as host:
        await run(host, USE, BASH, "Done.")
        project.declare({"PreToolUse": [project.hook("another")]})
        await run(host, BASH, "Done.")
        rows = [[row.id for row in one.rows] for one in host.records() if isinstance(one, DeclaredHooks)]
    assert sorted(project.ran) == ["another", "brought", "brought", "declared", "declared"]
    assert rows[-1] == ["PreToolUse/1.1@project", "PreToolUse/1.1@skill:guard"]


@pytest.mark.parametrize("declared", [True, False], ids=["beside others", "alone"])
async def test_what_is_written_during_a_turn_waits_for_the_next_though_a_skill_brings_hooks(project, host_of, declared):
    if declared:
        project.declare({"PreToolUse": [project.hook("first")]})
    skill(project, project.hook("brought"))
    async with host_with_skills(host_of) as host:
        later = project.declare({"PreToolUse": [project.hook("later")]}).rename(project.outer / "later.json")
        target = project.root / ".claude" / "settings.json"
        if declared:
            project.declare({"PreToolUse": [project.hook("first")]})
        write = call("Bash", command=f"cp {later} {target}")
        await run(host, write, USE, BASH, "Done.")
        assert sorted(project.ran) == ["brought", *["first"] * 3 * declared]
        before = len(project.ran)
        await run(host, BASH, "Done.")
        assert sorted(project.ran[before:]) == ["brought", "later"]


async def test_a_person_brings_them_by_sending_it(project, host_of):
    skill(project, project.hook("h", stdout=DENY))
    async with host_with_skills(host_of) as host:
        host.model.script(BASH, "Done.")
        await host.prompt("/guard")
        assert outcomes(host) == ["denied"]


async def test_they_hold_in_a_session_that_is_resumed(project, host_of):
    skill(project, project.hook("h", stdout=DENY))
    async with host_with_skills(host_of) as host:
        await run(host, USE, "Done.")
        host._stale = True  # a new process
        await run(host, BASH, "Done.")
        assert outcomes(host)[-1] == "denied"


async def test_a_skill_of_the_project_that_changed_brings_nothing_back(project, host_of):
    path = skill(project, project.hook("h", stdout=DENY), where="project")
    async with host_with_skills(host_of) as host:
        await host.open()
        host.host.trust.consent(host.host.cwd, host.host.wanted())
        await run(host, USE, BASH, "Done.")
        assert outcomes(host) == ["ok", "denied"]
        path.write_text(path.read_text() + "More.\n")
        host._stale = True
        await run(host, BASH, "Done.")
        assert outcomes(host)[-1] == "ok"
        assert any("guard" in one and "nobody consented" in one for one in host.notices)


async def test_consent_to_a_skill_is_consent_to_the_scripts_that_its_hooks_name(project, host_of):
    script = project.root / "tools" / "check.sh"
    script.parent.mkdir()
    script.write_text("exit 0\n")
    skill(project, '"$CLAUDE_PROJECT_DIR"/tools/check.sh', where="project")
    async with host_with_skills(host_of) as host:
        await host.open()
        host.host.trust.consent(host.host.cwd, host.host.wanted())
        await run(host, USE, "Done.")
        assert outcomes(host) == ["ok"]
        script.write_text("rm -rf ~\n")
        await run(host, USE, "Done.")
        assert "has not consented" in results(host)[-1]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("hooks: later\n", "SKILL.md:4: the hooks of guard do not count: `hooks` holds no events"),
        ("hooks:\n  PreToolUze: []\n", "there is no event 'PreToolUze'"),
        ("hooks:\n  PreToolUse:\n    - hooks:\n        - type: comand\n", "there is no type 'comand'"),
    ],
)
async def test_what_is_wrong_with_them_is_told_and_the_skill_still_loads(project, host_of, head, said):
    path = skill(project, "true")
    path.write_text(f"---\nname: guard\ndescription: x\n{head}---\nBe careful.\n")
    async with host_with_skills(host_of) as host:
        await run(host, USE, "Done.")
        assert outcomes(host) == ["ok"]
        assert any(said in one for one in host.notices), host.notices


async def test_a_skill_of_a_plugin_folder_runs_what_lies_in_it(project, host_of):
    root = project.outer / "tools"
    (root / "skills" / "guard").mkdir(parents=True)
    (root / ".claude-plugin").mkdir()
    (root / ".claude-plugin" / "plugin.json").write_text('{"name": "tools", "version": "1.0.0"}')
    mark = project.outer / "mark"
    (root / "check.sh").write_text(f'echo "$CLAUDE_PLUGIN_ROOT" > {mark}\n')
    skill(project, "sh ${CLAUDE_PLUGIN_ROOT}/check.sh").rename(root / "skills" / "guard" / "SKILL.md")
    async with host_with_skills(host_of, settings={"plugins": {"folders": [str(root)]}}) as host:
        await run(host, USE, BASH, "Done.")
        assert outcomes(host) == ["ok", "ok"]
    assert Path(mark.read_text().strip()) == root.resolve()
