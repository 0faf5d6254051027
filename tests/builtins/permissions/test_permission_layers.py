"""Rules come from every layer with their origin; an untrusted folder only tightens; modes; answers of a session."""

from __future__ import annotations

import json
import time

import pytest

from pegboard.context import HealthCheck
from pegboard.decisions import Verdict
from pegboard.errors import SettingsError
from pegboard.hookspecs import OPTIONS, Ask
from pegboard.messages import ToolCall, input_hash
from pegboard.records import AskRecord, SessionStart
from pegboard_builtins import permissions
from pegboard_builtins.permissions.rules import rules_for
from pegboard_builtins.permissions.settings import PermissionSettings


def claude(**lists):
    return json.dumps({"permissions": lists}, indent=2)


def test_the_plugin_is_a_guard_that_does_not_rewrite():
    options = getattr(permissions.pre_tool, OPTIONS)
    assert options.guard
    assert not options.rewrites


def test_lists_add_up_over_all_layers(guarded):
    guarded.write("~/.config/pegboard/settings.toml", '[permissions]\ndeny = ["Bash(a:*)"]\n')
    guarded.write("pyproject.toml", '[tool.pegboard.permissions]\ndeny = ["Bash(b:*)"]\n')
    guarded.write(".pegboard/settings.toml", '[permissions]\ndeny = ["Bash(c:*)"]\n')
    guarded.write(".pegboard/settings.local.toml", '[permissions]\ndeny = ["Bash(d:*)"]\n')
    guarded.write("~/.claude/settings.json", claude(deny=["Bash(e:*)"]))
    guarded.write(".claude/settings.json", claude(deny=["Bash(f:*)"]))
    guarded.write(".claude/settings.local.json", claude(deny=["Bash(g:*)"]))
    for command in "abcdefgh":
        assert guarded.bash(command, deny=["Bash(h:*)"], allow=["Bash"]) == "deny", command
    assert guarded.bash("i", deny=["Bash(h:*)"], allow=["Bash"]) == "allow"


@pytest.mark.parametrize("lists", [("deny", "ask", "allow"), ("deny", "allow", "ask")])
def test_lists_are_asked_in_one_order_whatever_is_more_specific(guarded, lists):
    wide, narrow = "Bash", "Bash(make all)"
    first, second, _ = lists
    strict = {"deny": "deny", "ask": "ask", "allow": "allow"}
    winner = min((first, second), key=["deny", "ask", "allow"].index)
    assert guarded.bash("make all", **{first: [wide], second: [narrow]}) == strict[winner]
    assert guarded.bash("make all", **{first: [narrow], second: [wide]}) == strict[winner]


def test_a_reason_names_layer_file_and_line(guarded):
    file = guarded.write(".pegboard/settings.toml", '[permissions]\ndeny = [\n  "Bash(mv:*)",\n  "Bash(rm *)",\n]\n')
    decision = guarded.ask(guarded.open(), "Bash", {"command": "rm x"})
    assert decision.reason == f"denied by the rule Bash(rm *) (project {file}:4)"
    other = guarded.write(".claude/settings.local.json", claude(deny=["Bash(cp:*)", "Bash(dd:*)"]))
    decision = guarded.ask(guarded.open(), "Bash", {"command": "dd x"})
    assert decision.reason == f"denied by the rule Bash(dd:*) (local {other}:5)"
    decision = guarded.ask(guarded.open(allow=["Bash(make:*)"]), "Bash", {"command": "make"})
    assert decision.reason == "allowed by the rule Bash(make:*) (command line)"


LOOSENING = {
    "our allow": (".pegboard/settings.toml", '[permissions]\nallow = ["Bash"]\n'),
    "our local allow": (".pegboard/settings.local.toml", '[permissions]\nallow = ["Bash"]\n'),
    "our mode": (".pegboard/settings.toml", '[permissions]\nmode = "bypassPermissions"\n'),
    "pyproject": ("pyproject.toml", '[tool.pegboard.permissions]\nallow = ["Bash"]\n'),
    "claude allow": (".claude/settings.json", claude(allow=["Bash"])),
    "claude local allow": (".claude/settings.local.json", claude(allow=["Bash"])),
    "claude mode": (".claude/settings.json", claude(defaultMode="bypassPermissions")),
}


@pytest.mark.parametrize("name", LOOSENING)
def test_an_untrusted_folder_cannot_loosen(guarded, name):
    guarded.write(*LOOSENING[name])
    assert guarded.bash("make", trusted=False) == "none"
    assert guarded.bash("make", trusted=True) == "allow"


def test_an_untrusted_folder_cannot_add_folders_or_switch_claude_files_off(guarded):
    outside = guarded.home / "elsewhere" / "x"
    guarded.write(
        ".pegboard/settings.toml", '[permissions]\nadditional_directories = ["~/elsewhere"]\nclaude = false\n'
    )
    guarded.write(".claude/settings.json", claude(additionalDirectories=["~/elsewhere"], deny=["Bash(rm:*)"]))
    assert guarded.verdict("Read", {"file_path": str(outside)}, trusted=False) == "ask"
    assert guarded.verdict("Read", {"file_path": str(outside)}, trusted=True) == "none"
    assert guarded.bash("rm x", trusted=False) == "deny"


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("key", ["deny", "ask"])
@pytest.mark.parametrize("file", [".pegboard/settings.toml", ".claude/settings.json"])
def test_deny_and_ask_count_whether_the_folder_is_trusted_or_not(guarded, trusted, key, file):
    text = f'[permissions]\n{key} = ["Bash(make:*)"]\n' if file.endswith("toml") else claude(**{key: ["Bash(make:*)"]})
    guarded.write(file, text)
    assert guarded.bash("make", trusted=trusted, allow=["Bash"]) == key


BROKEN_JSON = [
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)", 7, null, "Bash(", "Bash()"]}}', id="wrong entries"),
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)",],}, // ok\n}', id="comments and commas"),
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)"], "allow": [}', id="no JSON at all"),
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)"', id="cut off"),
    pytest.param('{"permissions": {"deny": "Bash(rm:*)"}}', id="a text for a list"),
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)"], "deny": ["Bash(x)"]}}', id="a key twice"),
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)"]}, "permissions": {"deny": []}}', id="the object twice"),
    pytest.param('\ufeff{"permissions": {"deny": ["Bash(rm:*)"], "allow": 3, "defaultMode": []}}', id="others wrong"),
    pytest.param('{"permissions": {"deny": ["Bash(rm:*)"]}, "hooks": nonsense}', id="wrong elsewhere"),
]


@pytest.mark.parametrize("text", BROKEN_JSON)
def test_a_well_formed_deny_rule_of_a_broken_file_holds(guarded, text):
    guarded.write(".claude/settings.json", text)
    assert guarded.bash("rm x", allow=["Bash"]) == "deny"


def test_a_broken_file_allows_nothing(guarded):
    guarded.write(".claude/settings.json", '{"permissions": {"allow": ["Bash"], "deny": [}')
    assert guarded.bash("make") == "none"


def test_what_does_not_count_is_told_with_file_and_line(guarded):
    first = guarded.write(".claude/settings.json", '{"permissions": {"deny": [\n"Bash(rm:*)",\n"Bash(rm"]}}')
    second = guarded.write(
        ".pegboard/settings.toml",
        '[permissions]\nmode = "fast"\ndeny = ["Bsh(rm)"]\nallow = ["*", "Edit(!x)", 3]\n',
    )
    ctx = guarded.open()
    permissions.lifecycle(SessionStart(), ctx)
    told = "\n".join(guarded.session.notices)
    assert f"{first}:3" in told
    assert "has no closing ')'" in told
    assert f"{second}:2" in told
    assert "Did you mean 'Bash'?" in told
    assert "only mcp__SERVER__* may do that" in told
    assert "'!'" in told
    assert "3 is no text" in told


def test_a_wrong_type_in_the_settings_does_not_switch_the_guard_off(guarded):
    guarded.write(".pegboard/settings.toml", '[permissions]\ndeny = 3\nask = [4, "Bash(make:*)"]\n')
    ctx = guarded.open(trusted=False, allow=["Bash"])
    assert ctx.all_settings.parse("permissions", PermissionSettings).ask == ("Bash(make:*)",)
    assert guarded.ask(ctx, "Bash", {"command": "make"}).verdict is Verdict.ASK


class RegistryStandIn:
    def __init__(self, view, error=None):
        self.view = view
        self.error = error
        self.checks = []

    def settings(self, model, *, table="", tightening=()):
        if self.error:
            raise self.error
        self.view.declare(table, model, tightening=tightening)
        return self.view.parse(table, model)

    def all_settings(self):
        return self.view

    def add_command(self, name, target, *, help=""):
        self.commands = {name: target}

    def add_health_check(self, name, ask):
        self.checks.append(HealthCheck(name, ask))


def test_the_health_check_is_silent_only_when_all_is_well(guarded, monkeypatch):
    monkeypatch.chdir(guarded.project)
    registry = RegistryStandIn(guarded.open().all_settings)
    permissions.register(registry)
    assert registry.checks[0].ask() is None
    guarded.write(".claude/settings.json", '{"permissions": {"deny": [5]}}')
    assert "settings.json:1" in registry.checks[0].ask()


def test_a_typing_error_in_the_table_leaves_the_guard_on(guarded, monkeypatch):
    monkeypatch.chdir(guarded.project)
    registry = RegistryStandIn(guarded.open().all_settings, SettingsError("has no key 'denny'"))
    permissions.register(registry)
    assert "denny" in registry.checks[0].ask()


# --- tools other than Bash -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "tool", "given", "holds"),
    [
        pytest.param("Edit(src/**)", "Edit", {"file_path": "src/a/b.py"}, True, id="below a folder"),
        pytest.param("Edit(src/**)", "Edit", {"file_path": "lib/src/b.py"}, False, id="anchored by its slash"),
        pytest.param("Edit(**/src/**)", "Edit", {"file_path": "lib/src/b.py"}, True, id="any depth"),
        pytest.param("Edit(src/**)", "Write", {"file_path": "src/b.py"}, True, id="Edit covers Write"),
        pytest.param("Edit(src/**)", "NotebookEdit", {"notebook_path": "src/b.ipynb"}, True, id="and NotebookEdit"),
        pytest.param("Edit(src/**)", "Read", {"file_path": "src/b.py"}, False, id="not Read"),
        pytest.param("Edit", "Write", {"file_path": "src/b.py"}, True, id="the bare name covers Write, too"),
        pytest.param("Write(src/**)", "Write", {"file_path": "src/b.py"}, True, id="Write itself"),
        pytest.param("Write(src/**)", "Edit", {"file_path": "src/b.py"}, False, id="Write is not Edit"),
        pytest.param("Read(*.env)", "Read", {"file_path": "a/b/x.env"}, True, id="no slash, any depth"),
        pytest.param("Read(./*.env)", "Read", {"file_path": "a/x.env"}, False, id="dot slash anchors"),
        pytest.param("Read(.env)", "Read", {"file_path": "./a/../.env"}, True, id="dots are read"),
        pytest.param("Read(secrets)", "Read", {"file_path": "secrets/key"}, True, id="a folder and what is in it"),
        pytest.param("Read(secrets/)", "Read", {"file_path": "secrets/key"}, True, id="with a slash at its end"),
        pytest.param("Read(secrets/**)", "Grep", {"pattern": "x", "path": "secrets"}, True, id="Read covers Grep"),
        pytest.param("Read(secrets/**)", "Glob", {"pattern": "secrets/*"}, True, id="Read covers Glob's pattern"),
        pytest.param("Read(/a.txt)", "Read", {"file_path": "a.txt"}, True, id="slash is the settings' root"),
        pytest.param("Read(//etc/**)", "Read", {"file_path": "/etc/passwd"}, True, id="two slashes are the root"),
        pytest.param("Read(~/.ssh/**)", "Read", {"file_path": "~/.ssh/id"}, True, id="home"),
        pytest.param("Read(a?c.[ch])", "Read", {"file_path": "abc.h"}, True, id="question mark and class"),
        pytest.param("Read(a*c)", "Read", {"file_path": "a/c"}, False, id="a star stays in its folder"),
        pytest.param("mcp__github__*", "mcp__github__get_issue", {}, True, id="a server's tools by star"),
        pytest.param("mcp__github", "mcp__github__get_issue", {}, True, id="a server by its name"),
        pytest.param("mcp__git", "mcp__github__get_issue", {}, False, id="not a part of a name"),
        pytest.param("mcp__*", "mcp__slack__post", {}, True, id="every server"),
        pytest.param("*", "Bash", {"command": "x"}, True, id="every tool"),
        pytest.param("Web*", "WebFetch", {"url": "http://x"}, True, id="a part of a tool's name"),
        pytest.param("WebFetch(domain:x.org)", "WebFetch", {"url": "https://x.org/a"}, True, id="a domain"),
        pytest.param("WebFetch(domain:x.org)", "WebFetch", {"url": "https://y.org/x.org"}, False, id="no other"),
        pytest.param("WebFetch(domain:*.x.org)", "WebFetch", {"url": "https://a.x.org"}, True, id="a domain's hosts"),
        pytest.param("Agent(subagent_type:Explore)", "Agent", {"subagent_type": "Explore"}, True, id="a parameter"),
        pytest.param("Task(Explore)", "Agent", {"subagent_type": "Explore"}, True, id="the main input, an old name"),
        pytest.param("mcp__slack__post(channel:gen*)", "mcp__slack__post", {"channel": "general"}, True, id="a glob"),
        pytest.param("mcp__slack__post(channel:x)", "mcp__slack__post", {"channel": "general"}, False, id="not that"),
    ],
)
def test_a_deny_rule_names_what_it_is_for(guarded, rule, tool, given, holds):
    assert (guarded.verdict(tool, given, deny=[rule], mode="default") == "deny") is holds


def test_a_domain_is_denied_with_its_hosts_and_allowed_alone(guarded):
    below = {"url": "https://www.x.org/"}
    assert guarded.verdict("WebFetch", below, deny=["WebFetch(domain:x.org)"]) == "deny"
    assert guarded.verdict("WebFetch", below, allow=["WebFetch(domain:x.org)"]) == "none"


def test_a_link_evades_no_deny_and_widens_no_allow(guarded):
    guarded.write("secrets/key", "x")
    (guarded.project / "open").symlink_to(guarded.project / "secrets")
    (guarded.project / "src").mkdir()
    (guarded.project / "src" / "out").symlink_to(guarded.home)
    assert guarded.verdict("Read", {"file_path": "open/key"}, deny=["Read(secrets/**)"]) == "deny"
    assert guarded.verdict("Edit", {"file_path": "src/out/.bashrc"}, allow=["Edit(src/**)"]) == "none"
    assert guarded.verdict("Edit", {"file_path": "src/out/../x"}, allow=["Edit(src/**)"]) == "none"
    assert guarded.verdict("Edit", {"file_path": "src/x"}, allow=["Edit(src/**)"]) == "allow"


def test_a_deny_rule_does_not_move_with_the_working_folder(guarded):
    (guarded.project / "sub").mkdir()
    given = {"file_path": "../secrets/x"}
    assert guarded.verdict("Read", given, deny=["Read(secrets/**)"], cwd=guarded.project / "sub") == "deny"


@pytest.mark.parametrize(
    "command",
    ["cat .env", "head -5 ./.env", "grep x < .env", "cd sub && cat ../.env", "sudo cp .env x", "echo `tac .env`"],
)
def test_a_read_rule_holds_for_the_commands_that_read_files(guarded, command):
    (guarded.project / "sub").mkdir()
    assert guarded.bash(command, deny=["Read(.env)"], allow=["Bash"]) == "deny"


@pytest.mark.parametrize("command", ["echo x > .env", "tee .env", "rm -f .env", "sed -i s/a/b/ .env", "cat x >>.env"])
def test_an_edit_rule_holds_for_the_commands_that_write_files(guarded, command):
    assert guarded.bash(command, deny=["Edit(.env)"], allow=["Bash"]) == "deny"


# --- modes ---------------------------------------------------------------------------------------------

INSIDE, OUTSIDE = {"file_path": "a.py", "content": ""}, {"file_path": "/etc/x", "content": ""}


@pytest.mark.parametrize(
    ("mode", "tool", "given", "expected"),
    [
        ("default", "Write", INSIDE, "none"),
        ("default", "Read", INSIDE, "none"),
        ("default", "Read", OUTSIDE, "ask"),
        ("default", "Glob", {"pattern": "../*"}, "ask"),
        ("default", "Glob", {"pattern": "**/*.py"}, "none"),
        ("default", "Grep", {"pattern": "x", "path": "~/.ssh"}, "ask"),
        ("auto", "Write", INSIDE, "none"),
        ("acceptEdits", "Write", INSIDE, "allow"),
        ("acceptEdits", "Write", OUTSIDE, "none"),
        ("acceptEdits", "Edit", {"file_path": ".git/hooks/pre-commit"}, "ask"),
        ("acceptEdits", "Edit", {"file_path": ".pegboard/settings.toml"}, "ask"),
        ("acceptEdits", "Bash", {"command": "make"}, "none"),
        ("plan", "Write", INSIDE, "deny"),
        ("plan", "Bash", {"command": "make"}, "deny"),
        ("plan", "Bash", {"command": "git log"}, "allow"),
        ("plan", "Read", INSIDE, "none"),
        ("dontAsk", "Write", INSIDE, "deny"),
        ("dontAsk", "Read", INSIDE, "none"),
        ("dontAsk", "Read", OUTSIDE, "deny"),
        ("dontAsk", "Bash", {"command": "ls"}, "allow"),
        ("bypassPermissions", "Write", OUTSIDE, "allow"),
        ("bypassPermissions", "Read", OUTSIDE, "allow"),
        ("bypassPermissions", "Bash", {"command": "make"}, "allow"),
        ("bypassPermissions", "Bash", {"command": "echo 'open"}, "allow"),
    ],
)
def test_a_mode_decides(guarded, mode, tool, given, expected):
    assert guarded.verdict(tool, given, mode=mode) == expected


def test_every_decision_names_a_rule_and_a_reason(guarded):
    for mode in ("default", "acceptEdits", "plan", "dontAsk", "bypassPermissions"):
        for tool, given in [("Write", INSIDE), ("Read", OUTSIDE), ("Bash", {"command": "ls"})]:
            decision = guarded.ask(guarded.open(mode=mode), tool, given)
            assert decision is None or (decision.rule and decision.reason), (mode, tool)


def test_the_mode_of_the_settings_counts_until_a_mode_is_set(guarded):
    guarded.write(".claude/settings.json", claude(defaultMode="plan"))
    ctx = guarded.open()
    assert guarded.ask(ctx, "Write", INSIDE).rule == "mode plan"
    guarded.session.mode = "acceptEdits"
    assert guarded.ask(ctx, "Write", INSIDE).rule == "mode acceptEdits"
    guarded.session.mode = "default"
    assert guarded.ask(ctx, "Write", INSIDE) is None


def test_the_spilled_output_of_the_own_session_may_be_read(guarded):
    spilled = guarded.project.parent / "state" / "s1" / "c1.txt"
    assert guarded.verdict("Read", {"file_path": str(spilled)}) == "none"
    assert guarded.verdict("Read", {"file_path": str(spilled.parent.parent / "s1.jsonl")}) == "ask"


# --- answers for a session -----------------------------------------------------------------------------


def asked(command: str, call_id: str = "c1", by: str = "permissions", rule: str = "") -> Ask:
    given = {"command": command}
    return Ask(ToolCall(id=call_id, name="Bash", input=given, input_hash=input_hash(given)), "why", by, rule)


def answered(ask: Ask, *, allowed: bool, remember: str) -> AskRecord:
    return AskRecord(
        call=ask.call.id, name="Bash", input_hash=ask.call.input_hash, allowed=allowed, remember=remember, by="chat"
    )


@pytest.mark.parametrize("allowed", [True, False])
def test_an_answer_for_the_session_is_given_again_for_the_same_question(guarded, allowed):
    ctx = guarded.open()
    first = asked("make")
    assert permissions.resolve_ask(first, ctx) is None
    permissions.event(answered(first, allowed=allowed, remember="session"), ctx)
    again = permissions.resolve_ask(asked("make", "c2"), ctx)
    assert again is not None
    assert again.allow is allowed
    for other in (asked("make all"), asked("make", by="git_safety"), asked("make", rule="Bash(make:*)")):
        assert permissions.resolve_ask(other, ctx) is None


def test_an_answer_for_once_or_for_another_input_is_not_kept(guarded):
    ctx = guarded.open()
    for record in (
        answered(asked("make"), allowed=True, remember="once"),
        answered(asked("make"), allowed=True, remember="session").model_copy(update={"input_hash": "0"}),
    ):
        assert permissions.resolve_ask(asked("make"), ctx) is None
        permissions.event(record, ctx)
    assert permissions.resolve_ask(asked("make"), ctx) is None


def test_a_kept_answer_stands_below_a_deny(guarded):
    ctx = guarded.open()
    permissions.resolve_ask(asked("make"), ctx)
    permissions.event(answered(asked("make"), allowed=True, remember="always"), ctx)
    state = guarded.session.state
    denying = guarded.open(deny=["Bash(make:*)"])
    guarded.session.state = state
    assert guarded.ask(denying, "Bash", {"command": "make"}).verdict is Verdict.DENY


# --- cost ----------------------------------------------------------------------------------------------


def test_rules_are_compiled_once_per_settings(guarded):
    guarded.write(".claude/settings.json", claude(deny=["Bash(rm:*)"]))
    ctx = guarded.open()
    assert rules_for(ctx.all_settings, ctx.project, ctx.workspace) is rules_for(
        ctx.all_settings, ctx.project, ctx.workspace
    )
    other = guarded.open()
    assert rules_for(ctx.all_settings, ctx.project, ctx.workspace) is not rules_for(
        other.all_settings, other.project, other.workspace
    )


def test_a_call_that_no_rule_is_about_costs_little(guarded):
    ctx = guarded.open(deny=["Bash(rm:*)"], allow=["Edit(src/**)"])
    call = ToolCall(id="c", name="mcp__slack__post", input={"text": "x"})
    permissions.pre_tool(call, ctx)
    began = time.process_time()
    for _ in range(1_000):
        permissions.pre_tool(call, ctx)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({}, "ask", id="no rule"),
        pytest.param({"allow": ["Write"]}, "allow", id="a rule of the user's"),
    ],
)
def test_files_that_decide_what_runs_are_asked_about_whatever_a_hook_allows(guarded, rules, expected):
    for path in (".git/hooks/pre-commit", ".claude/settings.json", ".pegboard/settings.toml"):
        assert guarded.verdict("Write", {"file_path": path, "content": "x"}, **rules) == expected


@pytest.mark.parametrize("command", ["rm -rf {project}", "rm -r .", "cd src && rm -rf ..", "rm -rf ./"])
def test_taking_the_project_away_is_asked_about_in_every_mode(guarded, command):
    command = command.format(project=guarded.project)
    assert guarded.verdict("Bash", {"command": command}, mode="bypassPermissions") == "ask"


def test_git_in_a_folder_with_a_repository_of_its_own_needs_a_rule(guarded):
    (guarded.project / "src").mkdir(exist_ok=True)
    (guarded.project / "vendor" / ".git").mkdir(parents=True)
    assert guarded.bash("cd src && git status") == "allow"
    assert guarded.bash("cd vendor && git status") == "none"
    assert guarded.bash("cd /tmp && git status") == "none"


def test_rules_that_come_with_an_answer_hold_for_the_session(guarded):
    ctx = guarded.open()
    call = ToolCall(id="c1", name="Bash", input={"command": "make"}, input_hash="h")
    permissions.resolve_ask(Ask(call, "no rule allows it"), ctx)
    rules = ("Bash(make:*)", "no rule at all (")
    record = AskRecord(call="c1", name="Bash", input_hash="h", allowed=True, remember="session", rules=rules)
    permissions.event(record, ctx)
    assert guarded.ask(ctx, "Bash", {"command": "make all"}).verdict is Verdict.ALLOW
    assert guarded.ask(ctx, "Bash", {"command": "curl x"}) is None


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("cat .env", "deny"), ("cat .e*", "deny"), ("cat .en?", "deny"), ("cat ./.[e]nv", "deny"),
        ("shopt -s dotglob; cat [.]env", "ask"),
        ("cat < .env", "deny"),
        ("cat src/../.env", "deny"), ("cat src/.env", "deny"), ("cd src && cat .env", "deny"),
        ("head -n1 .env", "deny"),
        ("cat $X", "ask"), ("cat $(echo .env)", "ask"), ("cat .e{n,x}v", "ask"), ("cat < $X", "ask"),
        ("cd src; cd ..; cat x", "ask"), ("cat *.md", "allow"), ("ls -a", "allow"), ("cat README.md 2>&1", "allow"),
    ],
)  # fmt: skip
def test_a_rule_for_a_file_holds_for_commands_that_read_it_however_it_is_named(guarded, command, verdict):
    for name in (".env", "README.md", "src/.env"):
        guarded.write(name, "x")
    assert guarded.bash(command, deny=["Read(.env)"], allow=["Bash"]) == verdict
