"""Sessions and sub-agents in a checkout of their own: where they work, what holds there, and what is kept of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pegboard._agent.journal import read_records
from pegboard._agent.store import open_journal
from pegboard.errors import PegboardError
from pegboard.host import Options
from pegboard.messages import ToolResultBlock
from pegboard.records import LifecycleRecord, SystemRecord, UserLine, WorkspaceRecord
from pegboard.testing import HostFixture, call, turn_table

pytestmark = pytest.mark.anyio

WHO = {f"GIT_{role}_{what}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **WHO}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """Make a repository with one commit."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.py").write_text("print(1)\n")
    (folder / "README.md").write_text("# It\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project")


def a_host(
    folder: Path, *, name: str = "wt1", settings: dict[str, Any] | None = None, mode: str = "acceptEdits"
) -> Any:
    host = HostFixture(folder=folder, settings=settings, options=Options(worktree=name, mode=mode))
    host.builtin("worktrees", "file_tools", "shell_tool", "permissions", "agents", "git_safety")
    return host


def trees(project: Path) -> list[str]:
    """Return the branches that are checked out in worktrees besides the project's own."""
    listed = git(project, "worktree", "list", "--porcelain").split("\n\n")
    return sorted(one.rpartition("refs/heads/")[2].strip() for one in listed[1:])


def branches(project: Path) -> list[str]:
    return git(project, "branch", "--format=%(refname:short)").split()


def results(host: HostFixture) -> list[ToolResultBlock]:
    return [block for message in host.messages for block in message.content if isinstance(block, ToolResultBlock)]


def warnings(host: HostFixture) -> list[str]:
    return [shown.text for shown in host.shown if shown.kind == "notice" and shown.data.get("level") == "warning"]


# --- a session -----------------------------------------------------------------------------------------


async def test_a_session_changes_its_checkout_and_not_the_project(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as host:
        host.model.script(call("Write", file_path="new.txt", content="x"), call("Bash", command="pwd"), "Done.")
        await host.prompt("Go.")
        folder = host.session.workspace
        assert (folder / "new.txt").read_text() == "x"
        assert not (project / "new.txt").exists()
        assert str(folder) in str(results(host)[1].content)
        (record,) = host.records("workspace")
        assert isinstance(record, WorkspaceRecord)
        assert (record.name, record.folder) == ("wt1", str(folder))
        (system,) = [one for one in host.records() if isinstance(one, SystemRecord)]
        assert f"The working folder is {folder}." in str(system.system)
    assert trees(project) == ["worktree-wt1"]
    (kept,) = warnings(host)
    assert f"{folder}: 1 changed file, on the branch worktree-wt1" in kept


async def test_a_checkout_in_which_nothing_has_changed_goes_away_with_its_branch(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as host:
        host.model.script("Done.")
        await host.prompt("Go.")
        assert trees(project) == ["worktree-wt1"]
        folder = host.session.workspace
    assert not folder.exists()
    assert branches(project) == ["main"]
    assert not warnings(host)


async def test_a_commit_of_its_own_keeps_it_and_one_that_was_merged_does_not(tmp_path: Path, project: Path) -> None:
    commit = "git add -A && git -c user.name=a -c user.email=a@b commit -q -m more"
    settings = {"permissions": {"allow": ["Bash"]}}
    async with a_host(tmp_path, settings=settings) as host:
        host.model.script(call("Bash", command=f"echo x > new.txt && {commit}"), "Done.")
        await host.prompt("Go.")
    assert "1 new commit, on the branch worktree-wt1" in warnings(host)[0]
    assert trees(project) == ["worktree-wt1"]
    git(project, "merge", "-q", "worktree-wt1")
    async with a_host(tmp_path) as host:
        await host.open()
        assert (host.session.workspace / "new.txt").exists()
    assert branches(project) == ["main"]


async def test_a_session_goes_on_in_its_checkout_also_where_that_was_taken_away(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as host:
        host.model.script("One.", call("Write", file_path="new.txt", content="x"), "Two.")
        await host.prompt("Go.")
        first = host.session.workspace
        session_id = host.session.session_id
    assert not first.exists()
    async with a_host(tmp_path, name="") as again:
        again._session_id = session_id
        again.model.script("never", call("Write", file_path="new.txt", content="x"), "Two.")
        session = await again.open()
        assert session.workspace == session.cwd == first
        await again.prompt("Go on.")
        assert (first / "new.txt").exists()
    assert trees(project) == ["worktree-wt1"]


async def test_two_sessions_share_one_and_the_first_to_end_does_not_take_it_away(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as first:
        await first.open()
        async with a_host(tmp_path) as second:
            await second.open()
            assert second.session.workspace == first.session.workspace
        assert first.session.workspace.is_dir()
        assert "another session works in it" in warnings(second)[0]
        folder = first.session.workspace
    assert not folder.exists()


async def test_a_session_below_the_root_works_in_the_same_folder_of_the_checkout(tmp_path: Path) -> None:
    repository(tmp_path / "whole")
    (tmp_path / "project").symlink_to(tmp_path / "whole" / "src")
    async with a_host(tmp_path) as host:
        await host.open()
        assert (host.session.workspace / "main.py").exists()
        assert host.session.workspace.parent.name == "wt1"


async def test_what_is_not_committed_is_told_and_stays(tmp_path: Path, project: Path) -> None:
    (project / "README.md").write_text("changed\n")
    async with a_host(tmp_path) as host:
        await host.open()
        assert (host.session.workspace / "README.md").read_text() == "# It\n"
        assert "in the worktree as it was last committed" in warnings(host)[0]
    assert (project / "README.md").read_text() == "changed\n"


@pytest.mark.parametrize("name", ["a/b", "..", "-x", "a..b", "x.lock", "a b", "é", "x" * 300, "@{-1}", ".git"])
async def test_a_name_that_is_no_part_of_a_path_is_refused(tmp_path: Path, project: Path, name: str) -> None:
    with pytest.raises(PegboardError, match="is no name for one"):
        async with a_host(tmp_path, name=name) as host:
            await host.open()
    assert trees(project) == []


async def test_without_a_repository_or_a_commit_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(PegboardError, match="is no git repository, and no WorktreeCreate hook makes one"):
        async with a_host(tmp_path) as host:
            await host.open()
    git(tmp_path / "project", "init", "-q")
    with pytest.raises(PegboardError, match="has no commit yet"):
        async with a_host(tmp_path) as host:
            await host.open()


async def test_without_the_plugin_nobody_makes_one(tmp_path: Path, project: Path) -> None:
    host = HostFixture(folder=tmp_path, options=Options(worktree="wt1"))
    with pytest.raises(PegboardError, match="no plugin that takes part here makes one"):
        async with host:
            await host.open()


async def test_a_session_that_has_none_leaves_its_journal_whole_and_free(tmp_path: Path, project: Path) -> None:
    with pytest.raises(PegboardError):
        async with a_host(tmp_path, name="..") as host:
            await host.open()
    async with HostFixture(folder=tmp_path) as later:
        await later.open()
        (path,) = [path for path in later.host.store.paths() if path.stem != later.session.session_id]
        assert [record.type for record in read_records(path)][-1] == "session_end"
        journal, _, damage = open_journal(path, fsync="off")
        journal.close()
        assert damage.tail_bytes == 0


async def test_programs_that_a_repository_names_are_run_only_if_the_user_says_so(tmp_path: Path, project: Path) -> None:
    (project / ".gitattributes").write_text("*.md filter=theirs\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "attributes")
    for key in ("smudge", "clean"):
        git(project, "config", f"filter.theirs.{key}", f"sh -c 'touch {tmp_path}/filtered; cat'")
    git(project, "config", "core.fsmonitor", f"touch {tmp_path}/looked-at")
    hook = project / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/checked-out\n")
    hook.chmod(0o755)
    with pytest.raises(PegboardError, match=r"\(filter.theirs.\w+\); if it is yours, say `filters = true`"):
        async with a_host(tmp_path) as host:
            await host.open()
    ran = [tmp_path / name for name in ("filtered", "looked-at", "checked-out")]
    assert [path.exists() for path in ran] == [False, False, False]
    async with a_host(tmp_path, settings={"worktrees": {"filters": True}}) as host:
        session = await host.open()
        (session.workspace / "README.md").write_text("# That\n")
    assert [path.exists() for path in ran] == [True, False, False]
    assert "1 changed file," in warnings(host)[-1]


# --- what holds there ----------------------------------------------------------------------------------

RULES = {"permissions": {"deny": ["Edit(/src/**)"], "allow": ["Write(/*.md)"]}}


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        pytest.param("{tree}/src/main.py", "denied", id="a deny rule holds in the checkout"),
        pytest.param("{project}/src/main.py", "denied", id="and in the project"),
        pytest.param("{tree}/README.md", "ok", id="an allow rule holds in the checkout"),
        pytest.param("{project}/README.md", "denied", id="and not in the project, which is outside now"),
    ],
)
async def test_rules_of_the_project_hold_in_its_checkout(
    tmp_path: Path, project: Path, path: str, outcome: str
) -> None:
    async with a_host(tmp_path, settings=RULES, mode="default") as host:
        session = await host.open()
        said = path.format(tree=session.workspace, project=project)
        host.model.script(call("Read", file_path=said), call("Write", file_path=said, content="changed"), "Done.")
        await host.prompt("Go.")
        done = [one.tool for one in host.records() if isinstance(one, UserLine) and one.tool is not None]
        assert [one.outcome for one in done if one.name == "Write"] == [outcome]


async def test_accepted_edits_are_those_in_the_checkout(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as host:
        host.model.script(call("Write", file_path=str(project / "escaped.txt"), content="x"), "Done.")
        await host.prompt("Go.")
    assert not (project / "escaped.txt").exists()


async def test_a_checkpoint_of_the_checkout_is_taken(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as host:
        host.model.script(call("Write", file_path="new.txt", content="x"), "Done.")
        await host.prompt("Go.")
        assert not [text for text in warnings(host) if "checkpoint" in text]


# --- sub-agents ----------------------------------------------------------------------------------------


def sub(*turns: Any) -> list[dict[str, Any]]:
    return [{**turn_table(turn), "purpose": "subagent"} for turn in turns]


def start(**given: Any) -> Any:
    return call("Agent", description="change it", prompt="Change it.", **given)


async def test_a_sub_agent_works_in_a_checkout_and_its_report_says_where(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path, name="") as host:
        host.model.script(
            start(isolation="worktree"), "Done.", *sub(call("Write", file_path="new.txt", content="x"), "I wrote it.")
        )
        await host.prompt("Go.")
        (result,) = results(host)
        (branch,) = trees(project)
        assert branch.startswith("worktree-agent-a")
        assert f"1 changed file, on the branch {branch}" in str(result.content)
        assert not (project / "new.txt").exists()
        assert host.session.workspace == project


async def test_one_that_only_looks_leaves_nothing_behind(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path, name="") as host:
        host.model.script(
            start(isolation="worktree"), "Done.", *sub(call("Bash", command="cat README.md"), "It says It.")
        )
        await host.prompt("Go.")
        assert "It says It." in str(results(host)[0].content)
        assert "worktree" not in str(results(host)[0].content)
    assert trees(project) == []
    assert branches(project) == ["main"]


async def test_its_file_can_say_so(tmp_path: Path, project: Path) -> None:
    (project / ".claude" / "agents").mkdir(parents=True)
    (project / ".claude" / "agents" / "fixer.md").write_text(
        "---\nname: fixer\ndescription: fixes\nisolation: worktree\n---\nFix it.\n"
    )
    async with a_host(tmp_path, name="") as host:
        session = await host.open()
        host.host.trust.consent(host.host.cwd, host.host.wanted())
        host.model.script(
            start(subagent_type="fixer"), "Done.", *sub(call("Write", file_path="new.txt", content="x"), "Fixed.")
        )
        await host.prompt("Go.")
        assert "worktree-agent-" in str(results(host)[0].content)
        assert session.session_id


async def test_two_at_once_do_not_see_each_others_files(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path, name="") as host:
        write = call("Bash", command="ls; echo $$ > mine.txt; ls")
        host.settings["permissions"] = {"allow": ["Bash"]}
        host.model.script(
            [start(isolation="worktree"), start(isolation="worktree")], "Done.", *sub(write, write, "A.", "B.")
        )
        await host.prompt("Go.")
        assert len(trees(project)) == 2
    assert not (project / "mine.txt").exists()


async def test_where_there_is_no_repository_no_sub_agent_is_started(tmp_path: Path) -> None:
    async with a_host(tmp_path, name="") as host:
        host.model.script(start(isolation="worktree"), "Done.", *sub("never"))
        await host.prompt("Go.")
        (result,) = results(host)
        assert result.is_error
        assert "is no git repository" in str(result.content)


async def test_a_sub_agent_of_a_session_in_a_checkout_works_in_that_one(tmp_path: Path, project: Path) -> None:
    async with a_host(tmp_path) as host:
        host.model.script(start(), "Done.", *sub(call("Write", file_path="new.txt", content="x"), "I wrote it."))
        await host.prompt("Go.")
        assert (host.session.workspace / "new.txt").exists()
        events = [one.event for one in host.records() if isinstance(one, LifecycleRecord)]
        assert events.count("WorktreeWanted") == 1


# --- the command line ----------------------------------------------------------------------------------


def test_run_says_where_it_worked_and_refuses_to_move_a_session(tmp_path: Path, project: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text(
        '[[turn]]\n[[turn.call]]\nname = "Write"\ninput = { file_path = "n.txt", content = "x" }\n'
        '[[turn]]\ntext = "done"\n'
    )
    state = {f"XDG_{what}_HOME": str(tmp_path / what.lower()) for what in ("STATE", "CONFIG", "DATA", "CACHE")}

    def pegboard(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pegboard", *words],
            cwd=project,
            env={**os.environ, **state, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    done = pegboard("run", "-w", "wt1", "-m", f"scripted:{script}", "--mode", "acceptEdits", "Go.")
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "1 changed file, on the branch worktree-wt1" in done.stderr
    assert not (project / "n.txt").exists()
    refused = pegboard("run", "-w", "wt2", "--continue", "Go.")
    assert refused.returncode == 2
    assert "is gone on with where it worked" in refused.stderr
    bad = pegboard("run", "-w", "..", "-m", f"scripted:{script}", "Go.")
    assert bad.returncode == 1
    assert "'..' is no name for one" in bad.stderr
