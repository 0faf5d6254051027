"""What an answer for "always" writes, where it is kept, and that it ends the question."""

from __future__ import annotations

import pytest

from pegboard.decisions import Resolution, Verdict
from pegboard.hookspecs import Ask, hookimpl
from pegboard.messages import ToolCall, input_hash
from pegboard.records import AskRecord
from pegboard.testing import HostFixture, Options, call
from pegboard_builtins import permissions


def offered(guarded, tool, given, **opened):
    ctx = guarded.open(**opened)
    guarded.session.interactive = True
    decision = guarded.ask(ctx, tool, given)
    return () if decision is None else decision.always


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        pytest.param("npm test -- -x", ("Bash(npm test:*)",), id="a program and its first word"),
        pytest.param("npm run build", ("Bash(npm run build:*)",), id="of a runner the script, too"),
        pytest.param("make && make", ("Bash(make)",), id="a runner without a word as it stands, and once"),
        pytest.param("pytest -q > log.txt", ("Bash(pytest:*)",), id="a file in the folder needs no rule"),
        pytest.param("ls; touch a", ("Bash(touch:*)",), id="nothing for what only reads"),
        pytest.param("git -C x push", ("Bash(git -C x push)",), id="an option first: the whole command"),
        pytest.param("python3 x.py", ("Bash(python3 x.py)",), id="an interpreter: the whole command"),
        pytest.param("rm -r build", ("Bash(rm -r build)",), id="what destroys: the whole command"),
        pytest.param("sed -i s/a/b/ x", ("Bash(sed -i s/a/b/ x)",), id="what can run a text: the whole command"),
        pytest.param("tar xf a.tar", ("Bash(tar xf a.tar)",), id="an archive's options can, too"),
        pytest.param("tee notes", ("Bash(tee notes)",), id="what writes any file: the whole command"),
        pytest.param("docker run x", ("Bash(docker run x)",), id="what runs the rest of its words"),
        pytest.param("docker build .", ("Bash(docker build:*)",), id="another of its words does not"),
        pytest.param("uv run python a.py", ("Bash(uv run python a.py)",), id="an interpreter behind a runner"),
        pytest.param("uv run pytest", ("Bash(uv run pytest:*)",), id="a test behind a runner"),
        pytest.param("sudo make", ("Bash(sudo make)",), id="a wrapper: the whole command"),
        pytest.param("rm -rf /", (), id="what is asked about in every mode"),
        pytest.param("echo 'open", (), id="what cannot be followed"),
        pytest.param("$X y", (), id="what nobody knows"),
        pytest.param("rm *.o", (), id="a whole command with a star would be a pattern"),
    ],
)
def test_the_rule_for_a_command_is_narrow(guarded, command, rules):
    assert offered(guarded, "Bash", {"command": command}) == rules


def test_the_rule_for_a_file_names_that_file(guarded):
    assert offered(guarded, "Edit", {"file_path": str(guarded.project / "src/a[1].py")}) == ("Edit(/src/a\\[1].py)",)
    outside = guarded.home / "notes.txt"
    assert offered(guarded, "Read", {"file_path": str(outside)}) == (f"Read(/{outside})",)
    assert offered(guarded, "WebFetch", {"url": "https://docs.example.org/a?b"}) == (
        "WebFetch(domain:docs.example.org)",
    )
    assert offered(guarded, "mcp__slack__post", {"text": "x"}) == ("mcp__slack__post",)


@pytest.mark.parametrize("lists", [{"ask": ["Bash(make:*)"]}, {"ask": ["Bash"]}])
def test_a_rule_that_asks_is_not_ended_by_an_always(guarded, lists):
    assert offered(guarded, "Bash", {"command": "make all"}, **lists) == ()


def test_nothing_is_offered_where_nobody_can_be_asked(guarded):
    assert guarded.ask(guarded.open(), "Bash", {"command": "make all"}) is None


def answer(guarded, ctx, command, rules):
    """Answer a question with always, as it comes back from the journal."""
    given = {"command": command}
    made = ToolCall(id="c1", name="Bash", input=given, input_hash=input_hash(given))
    assert permissions.resolve_ask(Ask(made, "why"), ctx) is None
    facts = {"call": "c1", "name": "Bash", "input_hash": made.input_hash}
    permissions.event(AskRecord(**facts, allowed=True, remember="always", rules=rules), ctx)


def test_an_always_is_kept_in_the_users_settings_for_this_folder_alone(guarded):
    guarded.write("~/.config/pegboard/settings.toml", "# mine\n[permissions]\ndeny = ['Bash(rm:*)']\n")
    answer(guarded, guarded.open(), "npm test", ("Bash(npm test:*)",))
    kept = (guarded.home / ".config/pegboard/settings.toml").read_text()
    assert kept.startswith("# mine\n")
    assert any("from now on" in notice for notice in guarded.session.notices)
    decision = guarded.ask(guarded.open(), "Bash", {"command": "npm test -- -x"})
    assert decision.verdict is Verdict.ALLOW
    assert "settings.toml:" in decision.reason
    assert guarded.bash("rm x") == "deny"
    guarded.project = guarded.home / "other"
    guarded.project.mkdir()
    assert guarded.bash("npm test") == "none"


def test_an_always_that_cannot_be_kept_holds_for_the_session_and_says_so(guarded):
    guarded.write("~/.config/pegboard/settings.toml", "[permissions]\n").chmod(0o400)
    ctx = guarded.open()
    answer(guarded, ctx, "npm test", ("Bash(npm:*)",))
    assert "cannot be kept" in guarded.session.notices[-1]
    assert guarded.ask(ctx, "Bash", {"command": "npm ci"}).verdict is Verdict.ALLOW


class Person:
    """Answers as a front end does, and keeps the questions."""

    def __init__(self, answer) -> None:
        self.answer, self.asked = answer, []

    @hookimpl
    def resolve_ask(self, ask):
        self.asked.append((ask.by, ask.rule, ask.shown, ask.diff, ask.always))
        return self.answer(ask)


@pytest.mark.anyio
async def test_a_question_has_the_bytes_the_diff_and_the_rule_and_always_ends_it():
    person = Person(lambda ask: Resolution(allow=True, remember="always", rules=ask.always))
    async with HostFixture(options=Options(interactive=True)) as host:
        host.builtin("permissions", "file_tools", "shell_tool")
        (host.project / "a.txt").write_text("one\ntwo\n")
        host.load(person, name="person")
        host.model.script(
            call("Read", file_path="a.txt"),
            call("Edit", file_path="a.txt", old_string="two", new_string="2"),
            call("Bash", command="touch  b"),
            call("Bash", command="touch c"),
            "Done.",
        )
        await host.prompt("Go.")
        edited, touched = person.asked
        assert edited[3].endswith("@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
        assert edited[4] == ("Edit(/a.txt)",)
        assert (touched[2], touched[4]) == ("touch  b", ("Bash(touch:*)",))
        assert (host.project / "c").exists()
        kept = (host.config_dir / "settings.toml").read_text()
        assert '"Bash(touch:*)"' in kept
