"""Rules for commands: deny and ask hold in any dress, allow covers all or nothing."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard.decisions import Verdict
from pegboard.settings import SettingsLayer, Source
from pegboard_builtins.permissions.commands import analyse
from pegboard_builtins.permissions.decide import decide
from pegboard_builtins.permissions.grammar import parse
from pegboard_builtins.permissions.rule import Rule
from pegboard_builtins.permissions.rules import RuleSet
from pegboard_builtins.permissions.subject import Subject

DRESSED_RM = [
    "rm -rf build",
    "'rm' -rf build",
    'r"m" -rf build',
    "\\rm -rf build",
    "$'\\x72m' -rf build",
    "$'\\162\\155' -rf build",
    "r\\\nm -rf build",
    "/bin/rm -rf build",
    "../../bin/rm -rf build",
    "rm   -rf\tbuild",
    "X=1 rm -rf build",
    "X=1 Y='a b' rm -rf build",
    ">log rm -rf build",
    "rm -rf build > log 2>&1 &",
    "true && rm -rf build",
    "false || rm -rf build",
    "ls; rm -rf build",
    "ls | rm -rf build",
    "ls |& rm -rf build",
    "ls & rm -rf build",
    "ls\nrm -rf build",
    "(rm -rf build)",
    "(cd x && (rm -rf build))",
    "{ rm -rf build; }",
    "! rm -rf build",
    "if true; then rm -rf build; fi",
    "while rm -rf build; do true; done",
    "for x in a b; do rm -rf build; done",
    "for x in $(rm -rf build); do true; done",
    "case x in x) rm -rf build;; esac",
    "f() { rm -rf build; }; f",
    "function f { rm -rf build; }; f",
    "[[ -f x ]] && rm -rf build",
    "echo $(rm -rf build)",
    'echo "a $(rm -rf build) b"',
    "echo `rm -rf build`",
    'echo "`rm -rf build`"',
    "echo `echo \\`rm -rf build\\``",
    "echo $(echo $(rm -rf build))",
    "echo ${X:-$(rm -rf build)}",
    "echo $(( $(rm -rf build) + 1 ))",
    "diff <(rm -rf build) x",
    "cat <<EOF\n$(rm -rf build)\nEOF",
    "bash <<EOF\nrm -rf build\nEOF",
    "bash <<< 'rm -rf build'",
    "cat <<'EOF'\nhello\nEOF\nrm -rf build",
    "env rm -rf build",
    "env -i A=b rm -rf build",
    "env -u HOME -- rm -rf build",
    "env -S 'rm -rf build'",
    "sudo rm -rf build",
    "sudo -u root -n rm -rf build",
    "sudo --user=root -- rm -rf build",
    "sudo -E X=1 rm -rf build",
    "doas -u root rm -rf build",
    "timeout 5 rm -rf build",
    "timeout -s KILL --preserve-status 5 rm -rf build",
    "timeout --signal KILL 5s rm -rf build",
    "nice rm -rf build",
    "nice -n 10 rm -rf build",
    "nice -10 rm -rf build",
    "nohup rm -rf build &",
    "time rm -rf build",
    "time -p rm -rf build",
    "time { rm -rf build; }",
    "command rm -rf build",
    "command -p rm -rf build",
    "exec rm -rf build",
    "exec -a ls rm -rf build",
    "builtin command rm -rf build",
    "stdbuf -oL rm -rf build",
    "setsid -w rm -rf build",
    "ionice -c2 -n7 rm -rf build",
    "chroot /x rm -rf build",
    "flock /tmp/l rm -rf build",
    "flock /tmp/l -c 'rm -rf build'",
    "busybox rm -rf build",
    "watch -n 2 rm -rf build",
    "sudo -Z unknown rm -rf build",
    "xargs rm -rf build < list",
    "ls | xargs -0 -n1 rm -rf",
    "ls | xargs -I{} rm -rf {}",
    "find . -name x -exec rm -rf {} +",
    "find . -exec sudo rm -rf {} \\;",
    "find . -delete",
    "bash -c 'rm -rf build'",
    'sh -c "true; rm -rf build"',
    "bash -lc 'rm -rf build'",
    "bash -o pipefail -c 'rm -rf build'",
    "bash -c -o pipefail 'rm -rf build'",
    "/bin/sh -ec 'rm -rf build'",
    "sudo env A=b bash -c \"timeout 5 bash -c 'rm -rf build'\"",
    "eval rm -rf build",
    "eval 'rm -rf' build",
    "su root -c 'rm -rf build'",
    "trap 'rm -rf build' EXIT",
    "coproc rm -rf build",
    "ssh host rm -rf build",
    "echo $(rm -rf build",
    "echo `rm -rf build",
    "echo (rm -rf build",
    "X=rm; $X -rf build",
    "{rm,-rf,build}",
    "$(echo rm) -rf build",
    "`echo rm` build",
    "echo 'rm -rf build' | bash",
    "bash <(echo rm -rf build)",
]

MAYBE_RM = [
    "$X -rf build",
    "r$Y -rf build",
    "/bin/r? -rf build",
    "eval $X",
    'bash -c "$X"',
    "curl http://x | sh -s -- a",
    "xargs -I% sh -c '%'",
    "echo )",
    "$'r\\cm' x",
    "$'rm\\0x' build",
    "x" * 70_000,
    "echo " + "$(" * 600 + "rm x" + ")" * 600,
]


def rule(text: str, *, allows: bool = False) -> Rule:

    return Rule(parse(text, allows=allows), Source(SettingsLayer.USER, "/u/settings.toml", 3), Path("/p"))


def rule_set(**lists: list[str]) -> RuleSet:
    made = {key: tuple(rule(text, allows=key == "allow") for text in texts) for key, texts in lists.items()}
    return RuleSet(**made, workspace=("/p",), readable=("/p",))


def verdict(command: str, *, mode: str = "default", **lists: list[str]) -> str:

    subject = Subject("Bash", {"command": command}, False, Path("/p"), Path("/p"))
    decision = decide(subject, rule_set(**lists), mode)
    return "none" if decision is None or decision.verdict is None else str(decision.verdict)


@pytest.mark.parametrize("command", DRESSED_RM)
def test_a_deny_rule_holds_in_every_dress(command):
    assert verdict(command, deny=["Bash(rm *)"], allow=["Bash"]) == "deny"


@pytest.mark.parametrize("command", DRESSED_RM)
def test_an_ask_rule_holds_in_every_dress_and_every_mode(command):
    assert verdict(command, ask=["Bash(rm:*)"], allow=["Bash"], mode="bypassPermissions") == "ask"


@pytest.mark.parametrize("command", MAYBE_RM)
def test_what_may_be_denied_is_asked_even_where_everything_is_allowed(command):
    assert verdict(command, deny=["Bash(rm *)"], allow=["Bash"], mode="bypassPermissions") == "ask"
    assert verdict(command, deny=["Bash(rm *)"], mode="dontAsk") == "deny"


@pytest.mark.parametrize(
    "command", ["echo 'rm", "echo 'rm -rf build", "{ rm x", "case x in", "if rm x", "f() {", "a <<E\nrm x"]
)
def test_what_is_no_whole_command_is_never_allowed(command):
    assert verdict(command, deny=["Bash(rm *)"], allow=["Bash"], mode="bypassPermissions") in ("ask", "deny")
    assert verdict(command, allow=["Bash(echo:*)", "Bash(rm:*)"]) in ("ask", "none")


@pytest.mark.parametrize(
    "command",
    [
        "rmdir build",
        "echo rm -rf build",
        "grep rm file",
        "git rm file",
        "timeout 5 echo rm",
        "command -v rm",
        "echo 'a && rm -rf build'",
        "cat <<'EOF'\n$(rm -rf build)\nEOF",
        "echo $HOME",
        "git log $X",
        "ls *.py # rm -rf build",
        "echo '$(rm x)'",
        'printf "%s" "; rm x"',
        "[ -f x ] && echo y",
    ],
)
def test_a_deny_rule_leaves_other_commands_alone(command):
    assert verdict(command, deny=["Bash(rm *)"], allow=["Bash"]) == "allow"


@pytest.mark.parametrize(
    ("spec", "command", "holds"),
    [
        pytest.param("git push:*", "git push", True, id="a prefix alone"),
        pytest.param("git push:*", "git push origin main", True, id="a prefix and more"),
        pytest.param("git push:*", "git pushx", False, id="the prefix ends with a word"),
        pytest.param("git *", "git", True, id="blank and star end a word, too"),
        pytest.param("git *", "github", False, id="not another word"),
        pytest.param("git*", "github", True, id="no blank, no word"),
        pytest.param("npm run test", "npm run test", True, id="exact"),
        pytest.param("npm run test", "npm run test:unit", False, id="exact means exact"),
        pytest.param("* --force", "git push --force", True, id="star in front"),
        pytest.param("git * main", "git push origin main", True, id="star in the middle"),
        pytest.param("git * main", "git push origin dev", False, id="the end counts"),
        pytest.param("git push:*", "git -C /x -c a=b push origin", True, id="options of git itself"),
    ],
)
def test_the_star_means_what_the_contract_says(spec, command, holds):
    assert (verdict(command, deny=[f"Bash({spec})"]) == "deny") is holds


@pytest.mark.parametrize(
    "command",
    [
        "npm test",
        "npm test -- --watch=false",
        "npm test && npm test",
        "npm test | tail -5",
        "npm test 2>&1 | grep -c ok",
        "npm test > out.txt",
        "npm test 2>/dev/null",
        "CI=1 npm test",
        "timeout 60 npm test",
        "timeout -k 5 60 nice -n 5 npm test",
        "npm test $X",
        "npm test *.js",
        "(npm test; npm test)",
        "[[ -f x ]] && npm test",
        "case $X in a|b) npm test;; *) ls;; esac",
        "for x in a b; do npm test $x; done",
        "while npm test; do :; done",
        "f() { npm test $1; }; f -v",
        "n=3; npm test $n",
        "bash -c 'npm test && npm test'",
        "xargs npm test",
        "if npm test; then echo ok; fi",
        "git commit -m \"$(cat <<'EOF'\nfirst line\nEOF\n)\"",
    ],
)
def test_an_allow_rule_covers(command):
    assert verdict(command, allow=["Bash(npm test:*)", "Bash(xargs npm:*)", "Bash(git commit:*)"]) == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "npm test && make",
        "npm test; make",
        "npm test | make",
        "npm test & make",
        "npm test\nmake",
        "npm test $(make)",
        "npm test `make`",
        'npm test "$(make)"',
        "npm test <(make)",
        "npm test $(cat $X)",
        "npm test <<EOF\n$(make)\nEOF",
        "npm test > ../out.txt",
        "npm test > /etc/passwd",
        "npm test >> ~/.bashrc",
        "npm test > $OUT",
        "npm test > .git/hooks/pre-commit",
        "npm test > .pegboard/settings.toml",
        "npm test < /etc/shadow",
        "cd .. && npm test > x",
        "LD_PRELOAD=./x.so npm test",
        "PATH=. npm test",
        "PATH=.; npm test",
        "sudo npm test",
        "env A=b npm test",
        "npm tests",
        "'npm test'",
        "npm 'test x; make'x",
        "npm $X",
        "$X test",
        "npm test 'open",
        "npm test)",
        "bash -c 'npm test; make'",
        'bash -c "npm test $X"',
        "find . -exec make {} +",
        "find . -delete",
        "xargs make",
        "ls | xargs sh -c make",
        "timeout 5 make",
        "npm test | bash",
        "[[ -f $(make) ]] && npm test",
        "f() { make; npm test; }; f",
        "f() { $1 test; }; f npm",
        "npm() { make; }; npm test",
        "cd() { :; }; cd x && npm test > ../../y",
    ],
)
def test_an_allow_rule_does_not_cover(command):
    lists = {"allow": ["Bash(npm test:*)", "Bash(find:*)", "Bash(xargs:*)", "Bash(timeout:*)"]}
    assert verdict(command, **lists) in ("none", "ask")


@pytest.mark.parametrize(
    "command",
    [
        "ls -la src",
        "pwd",
        "git status",
        "git --no-pager log --oneline -5",
        "git diff HEAD~1 -- src/a.py",
        "cat README.md | head -20",
        "cd src && git status",
        "grep -rn 'a b' src 2>/dev/null",
        "echo hello",
        "ls *.py",
        "git branch -a",
        "wc -l a b && sort -k2,2n a",
    ],
)
def test_what_plainly_reads_runs_without_a_rule(command):
    assert verdict(command) == "allow"
    assert verdict(command, mode="plan") == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "cat /etc/passwd",
        "cat ~/.ssh/id_rsa",
        "cat ../other/x",
        "cat $X",
        "cat {/etc/passwd,x}",
        "cat .*/id_rsa",
        "grep -f/etc/passwd x",
        "grep --file=/etc/passwd x",
        "ls > out",
        "echo x > a",
        "git branch new",
        "git log --output=x",
        "git log --outp=x",
        "git diff --no-index /etc/passwd x",
        "git -c core.pager=x log",
        "git diff --ext-diff",
        "sort -o a b",
        "sort -ro a b",
        "rg --pre=x y",
        "date -s 2020-01-01",
        "cd / && cat etc/passwd",
        "cd sub; cd ..; cat x",
        "cd && ls",
        "LD_PRELOAD=x ls",
        "echo $(id)",
        "python x.py",
    ],
)
def test_what_may_do_more_than_read_the_workspace_is_not_plain(command):
    assert verdict(command) in ("none", "ask")
    assert verdict(command, mode="plan") == "deny"


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /",
        "rm -rf /*",
        "rm -fr --no-preserve-root x",
        "rm -rf ~",
        "rm -rf $HOME",
        'rm -rf "$X/"',
        "rm -rf ${X}/*",
        "sudo rm -r -f /etc",
        "cd / && rm -rf *",
        "rm -rf ..",
        "bash -c 'rm -rf /'",
        "mkfs.ext4 /dev/sda1",
        "dd if=x of=/dev/sda",
    ],
)
def test_what_cannot_be_undone_is_asked_in_every_mode_under_every_allow(command):
    assert verdict(command, mode="bypassPermissions") == "ask"
    assert verdict(command, allow=["Bash", "Bash(rm:*)"]) == "ask"


@pytest.mark.parametrize("command", ["rm -rf build", "rm -rf ./node_modules/*", "rm -rf $X", "rm /x"])
def test_other_removals_are_not_called_irreparable(command):
    assert verdict(command, mode="bypassPermissions") == "allow"


def test_a_long_command_is_read_in_reasonable_time():
    for piece in ("$((", "{a,", "$a", "`", "sudo -Z ", "((", '"$(', "<<E\n", "${a:-"):
        source = piece * (60_000 // len(piece))
        began = time.process_time()
        verdict(source, deny=["Bash(rm *)"])
        assert time.process_time() - began < 20, piece


# --- properties ----------------------------------------------------------------------------------------

WRAPS = [
    "env {}", "env -i A=b {}", "sudo {}", "sudo -u root {}", "timeout 5 {}", "timeout -k 1 5s {}", "nice -n 5 {}",
    "nohup {}", "time {}", "command {}", "exec {}", "xargs {}", "xargs -0 -n 1 {}", "X=1 {}", "stdbuf -oL {}",
    "setsid {}", "doas {}", "ionice -c 2 {}",
]  # fmt: skip
LISTS = [
    "true && {}", "{} || ls", "ls; {}", "{} | cat", "cat | {}", "{} &", "ls\n{}", "( {} )", "{{ {}; }}", "! {}",
    "echo $( {})", 'echo "x $( {}) y"', "echo `{}`", "if {}; then ls; fi", "for i in 1 2; do {}; done", "cat <({})",
    "echo ${{A:-$({})}}", "{} > log 2>&1", "cat <<E$D\n$({})\nE$D\n",
]  # fmt: skip
QUOTES = [str, lambda w: f"'{w}'", lambda w: f'"{w}"', lambda w: f"\\{w}", lambda w: f"{w[0]}''{w[1:]}"]


def dress(command: str, wraps: list[str], lists: list[str], shell: bool) -> str:
    for template in wraps:
        command = template.format(command)
    if shell:
        command = f"bash -c {shlex.quote(command)}"
    for place, template in enumerate(lists):
        template = template.replace("$D", str(place))  # a here-document ends at the first line that is its delimiter
        if "`" in template and "`" in command:
            continue  # backticks within backticks need escapes of their own
        command = template.format(command)
    return command


@settings(max_examples=400, deadline=None)
@given(
    wraps=st.lists(st.sampled_from(WRAPS), max_size=4),
    lists=st.lists(st.sampled_from(LISTS), max_size=4),
    quote=st.sampled_from(QUOTES),
    shell=st.booleans(),
)
def test_a_deny_rule_holds_whatever_is_wrapped_around(wraps, lists, quote, shell):
    command = dress(f"{quote('forbidden')} now", wraps, lists, shell)
    assert verdict(command, deny=["Bash(forbidden:*)"], allow=["Bash"], mode="bypassPermissions") == "deny", command


@settings(max_examples=400, deadline=None)
@given(
    covered=st.lists(st.sampled_from(["npm test", "npm test -v", "git status", "ls", "CI=1 npm test"]), max_size=4),
    place=st.integers(0, 4),
    operators=st.lists(st.sampled_from([" && ", "; ", " | ", " || ", "\n", " & "]), min_size=5, max_size=5),
    uncovered=st.sampled_from(["make", "npm install", "rm x", "sudo npm test", "X=1 make", "$Y", "sh x.sh"]),
    wraps=st.lists(st.sampled_from(WRAPS), max_size=2),
    lists=st.lists(st.sampled_from(LISTS), max_size=2),
    shell=st.booleans(),
)
def test_an_allow_never_covers_a_list_with_one_uncovered_command(
    covered, place, operators, uncovered, wraps, lists, shell
):
    commands = list(covered)
    commands.insert(min(place, len(commands)), dress(uncovered, wraps, lists, shell))
    line = "".join(part for pair in zip(commands, operators, strict=False) for part in pair).rstrip(" &|;\n")
    assert verdict(line, allow=["Bash(npm test:*)"]) != "allow", line


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="rm \t\n;&|()<>$`'\"\\{}#=~*x/-E", max_size=40))
def test_reading_a_command_never_raises(source):
    analyse(source)


@settings(max_examples=300, deadline=None)
@given(
    deny=st.lists(st.sampled_from(["Bash(a *)", "Bash(b:*)", "Bash", "Bash(c)", "Edit"]), max_size=3),
    ask=st.lists(st.sampled_from(["Bash(a *)", "Bash(b:*)", "Bash(c)"]), max_size=3),
    allow=st.lists(st.sampled_from(["Bash", "Bash(a *)", "Bash(b:*)", "Bash(c)"]), max_size=3),
    command=st.sampled_from(["a x", "b", "c", "a x && b", "ls", "$X", "c; d"]),
    mode=st.sampled_from(["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"]),
)
def test_allow_rules_and_modes_never_undo_a_deny(deny, ask, allow, command, mode):
    if verdict(command, deny=deny) == "deny":
        assert verdict(command, deny=deny, ask=ask, allow=allow, mode=mode) == "deny"
    if verdict(command, ask=ask) == "ask":
        assert verdict(command, ask=ask, deny=deny, allow=allow, mode=mode) != "allow"


def test_a_reason_names_the_rule_with_its_file_and_line():

    subject = Subject("Bash", {"command": "rm x"}, False, Path("/p"), Path("/p"))
    decision = decide(subject, rule_set(deny=["Bash(rm *)"]), "default")
    assert decision is not None
    assert decision.verdict is Verdict.DENY
    assert decision.rule == "Bash(rm *)"
    assert decision.reason == "denied by the rule Bash(rm *) (user /u/settings.toml:3)"
