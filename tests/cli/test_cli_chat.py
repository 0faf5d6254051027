"""`pegboard chat` as a person uses it, driven through tmux."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_room import Room, asks, needs_tmux, says

pytestmark = needs_tmux
QUESTION = "❯ 1. Yes, once"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.end()


def test_a_question_is_answered_in_each_way_and_each_answer_holds_as_long_as_it_says(room: Room) -> None:
    once, session, always = asks("touch once"), asks("touch session"), asks("touch always")
    room.start(once + once + session + session + always + asks("touch always2") + asks("rm once") + says("The end."))
    room.type("go")
    screen = room.wait(QUESTION)
    assert "Bash wants to run" in screen
    assert "touch once" in screen
    assert "asked by the host: no rule allows it" in screen
    room.press("1")
    room.wait("allowed: Yes, once")
    room.wait(QUESTION)  # the same call again: once was once
    room.press("Down", "Up", "Enter")
    room.wait("allowed: Yes, once", times=2)
    room.wait(QUESTION)
    room.press("2")  # and the same call again is not asked about
    room.wait("allowed: Yes, and this very call")
    room.wait(QUESTION + r"(?s:.*)writes the rule Bash\(touch:\*\)")
    room.press("3")
    room.wait("from now on allowed in this folder")  # and another call that the rule covers is not asked about
    screen = room.wait("rm once(?s:.*)" + QUESTION)
    room.press("4")
    room.wait("what should it do instead")
    room.type("keep the file")
    screen = room.wait("The end.")
    assert "the user said no: keep the file" in screen
    assert (room.project / "once").exists()
    assert (room.project / "always2").exists()
    assert "touch:*" in "".join(path.read_text() for path in room.config.rglob("*.toml"))


def test_words_in_the_face_of_a_question_are_a_no_and_a_command_is_a_command(room: Room) -> None:
    room.start(asks("touch made") + says("As you like."))
    room.type("go")
    room.wait(QUESTION)
    room.type("/mode")
    room.wait("permission mode: default")
    room.wait(QUESTION)
    room.keys("use the other file")
    room.wait("Enter answers 4 with your words")
    room.press("Enter")
    screen = room.wait("As you like.")
    assert "the user said no: use the other file" in screen
    assert not (room.project / "made").exists()


def test_a_question_that_is_interrupted_runs_nothing(room: Room) -> None:
    room.start(asks("touch made") + says("So?"))
    room.type("go")
    room.wait(QUESTION)
    room.press("Escape")
    room.wait("interrupted; type what to do instead")
    assert QUESTION not in room.screen(past=False)
    assert not (room.project / "made").exists()
    room.type("and now?")
    room.wait("So\\?")


@pytest.mark.parametrize("how", [{"TERM": "dumb"}, {"PLAIN": "1"}], ids=["TERM=dumb", "--plain"])
def test_a_bare_terminal_gets_lines_alone(room: Room, how: dict[str, str]) -> None:
    words = ("--plain",) if "PLAIN" in how else ()
    room.start(asks("touch made; echo done") + says("The *end*."), *words, **how)
    room.type("go")
    room.wait("1 to 4:")
    room.type("9")
    room.wait("'9' is none of these")
    room.type("1")
    screen = room.wait("The end.")
    assert "working" not in screen
    assert re.findall(r"(?m)^.*\bgo\b.*$", screen) == ["> go"]
    room.type("/mode plan")
    screen = room.wait("permission mode: plan|is plan|plan")
    assert len(re.findall("/mode plan", screen)) == 1
    room.press("C-c")
    room.wait("ended with 0")
    assert (room.project / "made").exists()


def test_without_colours_there_are_none(room: Room) -> None:
    room.start(asks("touch made") + says("Done, `really`."), NO_COLOR="1")
    room.type("go")
    room.wait(QUESTION)
    room.press("Enter")
    room.wait("Done, really.")
    room.type("/why")
    room.wait("decided")
    coloured = re.findall(r"\x1b\[[0-9;]*m", room.tmux("capture-pane", "-p", "-e", "-S", "-500"))
    assert coloured  # bold and dim stay
    assert not re.search(r"[;\[](3[0-7]|4[0-7]|9[0-7]|38|48)[;m]", "".join(coloured))


def test_what_was_typed_is_there_again_in_the_next_chat_and_for_nobody_else(room: Room) -> None:
    room.start(says("Hello."))
    room.type("a prompt to find again")
    room.wait("Hello.")
    room.press("C-d")
    room.wait("ended with 0")
    room.begin("--model", "scripted:script.toml")
    room.wait("/help tells more")
    room.press("Up")
    room.wait("❯ a prompt to find again")
    (typed,) = room.state.glob("sessions/*/typed")
    assert typed.stat().st_mode & 0o777 == 0o600


def test_a_turn_is_interrupted_and_gone_on_with(room: Room) -> None:
    waits = "touch started; until [ -e go ]; do sleep 0.05; done; echo after"
    room.start(asks(waits) + says("I went on."), "--allow", "Bash")
    room.type("go")
    room.wait_file("started")
    room.wait("working")
    room.press("Escape")
    room.wait("interrupted; type what to do instead")
    room.wait_gone("working")
    room.type("/continue")
    room.wait("I went on.")
    assert "interrupted by the user" in room.records()


def test_words_during_a_turn_arrive_after_the_call_that_runs(room: Room) -> None:
    waits = "echo early; touch started; until [ -e go ]; do sleep 0.05; done; echo late"
    room.start(asks(waits) + '[[turn]]\nexpect = { contains = "rather this" }\ntext = "I see."\n', "--allow", "Bash")
    room.type("go")
    room.wait_file("started")
    room.wait("│ early")  # live
    room.type("rather this")
    room.wait("↳ rather this")
    (room.project / "go").touch()
    screen = room.wait("I see.")
    assert screen.index("late") < screen.index("❯ rather this") < screen.index("I see.")
    assert "↳" not in screen


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_window_stays_readable(room: Room, width: int) -> None:
    paragraph = "A paragraph that is much longer than the window is wide, with 漢字漢字漢字漢字漢字漢字 in it."
    command = f"touch x; echo {'long ' * 30}end of it"
    turn = f'[[turn]]\ntext = """{paragraph}\n\n- an item that is long, too, as items are\n"""\n'
    turn += f'[[turn.call]]\nname = "Bash"\ninput = {{ command = "{command}" }}\n'
    room.start(turn + says("Done."), width=width, height=50)
    room.type("go")
    room.wait(QUESTION)
    room.press("1")
    screen = room.wait("Done.")
    assert "longer than" in screen
    assert " • an item" in screen
    lines = screen.splitlines()
    assert all(len(line) <= width for line in lines)
    assert sum(line.count("long ") + line.endswith("long") for line in lines) >= 30  # nothing was cut off
    status = next(line for line in reversed(lines) if "script.toml" in line)
    assert "200.0k" in status
    room.tmux("resize-window", "-x", str(width - 10), "-y", "30")
    room.type("/mode")
    room.wait("permission mode:")


def test_commands_complete_and_an_unknown_one_names_the_nearest(room: Room) -> None:
    room.start(says("Hello."))
    room.keys("/res")
    room.wait("/resume .*go on with another conversation")
    room.press("Tab", "Enter")
    room.press("Enter")
    room.wait("there is no other conversation in this folder")
    room.type("/modle")
    room.wait(r"there is no command /modle. Did you mean /mod")
    room.type("/flags")
    room.wait("flags of this session")
    room.type("/he")
    room.wait("make the conversation shorter")
    room.type("/hooks")
    room.wait(r"resolve_ask\s+permissions")
    room.type("/quit")
    room.wait("ended with 0")


def test_commands_in_files_complete_and_are_sent(room: Room) -> None:
    (room.config / "commands").mkdir(parents=True)
    (room.config / "commands" / "greet.md").write_text("---\ndescription: Say hello\n---\nGreet $1, \x1b[31mplease.")
    room.start('[[turn]]\nexpect = { contains = "Greet Ada," }\ntext = "Hello, Ada."\n')
    room.keys("/gre")
    room.wait("/greet .*Say hello")
    room.press("Tab")
    room.type(" Ada")
    room.wait("Hello, Ada.")


def test_a_pack_is_reloaded_between_turns_while_it_is_written(room: Room) -> None:
    pack = room.folder / "pack"
    pack.mkdir()
    (pack / "pyproject.toml").write_text(
        '[project]\nname = "acme"\nversion = "1"\ndependencies = ["pegboard"]\n'
        '[project.entry-points.pegboard]\nacme = "acme_dev"\n'
    )
    source = (
        "from pegboard import Declares, PromptDecision, hookimpl\ndeclares = Declares(permissions=['context'])\n"
        "@hookimpl\ndef prompt_submit(prompt):\n"
    )
    (pack / "acme_dev.py").write_text(f"{source}    return PromptDecision(context='quokka one')\n")
    (room.project / "script.toml").write_text(says("One.") + says("Two."))
    command = f"{sys.executable} -m pegboard dev {pack} --model scripted:script.toml; echo ended with $?"
    room.tmux("new-session", "-d", "-x", "80", "-y", "40", "-c", str(room.project), "bash --norc")
    room.type(f"clear; {command}")
    room.wait("/help tells more")
    room.type("go")
    room.wait("One.")
    (pack / "acme_dev.py").write_text(f"{source}    return PromptDecision(context='quokka two')\n")
    room.type("go on")
    room.wait("acme was reloaded")
    room.wait("Two.")
    room.type("/quit")
    room.wait("ended with 0")
    said = "".join(path.read_text() for path in room.state.rglob("*.jsonl"))
    assert said.count("quokka one") == 1
    assert said.count("quokka two") == 1


def test_ctrl_c_twice_leaves_and_nothing_is_left_behind(room: Room) -> None:
    room.start(asks("touch started; sleep 1000") + says("x"), "--allow", "Bash")
    room.type("go")
    room.wait_file("started")
    room.press("C-c")
    room.wait("interrupted; type")
    room.press("C-c")
    screen = room.wait("ended with 0")
    assert "pegboard chat --resume" in screen
    left = subprocess.run(["pgrep", "-f", "sleep 1000"], capture_output=True, text=True).stdout
    assert left == ""
    assert '"type":"session_end"' in room.records()


def test_a_conversation_is_gone_on_with_forked_and_left_for_a_new_one(room: Room) -> None:
    room.start(says("First answer.") + says("Second answer.") + says("Third answer."))
    room.type("remember this")
    room.wait("First answer.")
    room.press("C-d")
    room.wait("ended with 0")
    room.begin("--model", "scripted:script.toml", "--continue")
    screen = room.wait("First answer.(?s:.*)script.toml")
    assert "❯ remember this" in screen
    room.type("again")
    room.wait("Second answer.")
    room.type("/fork 999")
    room.wait("there is no record 999 in")
    room.type("/fork 0")
    room.wait("there is no record 0 in")
    room.type("/fork")
    room.wait("this is a fork now")
    room.type("once more")
    room.wait("Third answer.")
    room.type("/clear")
    room.wait("a new conversation")
    room.type("begin anew")
    room.wait("❯ begin anew(?s:.*)First answer.")
    room.press("C-d")
    room.wait("ended with 0")
    records = room.records()
    assert '"source":"clear"' in records
    assert '"type":"forked"' in records


def test_over_a_pipe_it_says_what_to_use_instead(room: Room) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pegboard", "chat", "hi"],
        cwd=room.project,
        env=room.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pegboard run" in done.stderr
    assert done.stdout == ""
