"""`pegboard undercover`, and what trace, why, sessions and errors print where there is a list of names."""

from __future__ import annotations

import json
import shlex
import stat

import pytest
from undercover_room import CANARIES, EXTERNAL, git, leaks_in, make_repository, write_list

from pegboard._cli import way_out
from pegboard._cli.main import main
from pegboard_builtins.undercover.engine import HashedList, read_names


class Typed:
    """Types verbs in a project; what they print is searched for names each time."""

    def __init__(self, tmp_path, monkeypatch, capsys):
        self.project = make_repository(tmp_path / "project", EXTERNAL)
        self.config = tmp_path / "config"
        self.names = write_list(tmp_path / "secret")
        self._patch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(self.project)
        monkeypatch.setenv("PEGBOARD_CONFIG_DIR", str(self.config))
        monkeypatch.setenv("PEGBOARD_STATE_DIR", str(tmp_path / "state"))
        self.configure(f'[undercover]\nnames = "file:{self.names}"\n')

    def configure(self, text):
        self.config.mkdir(exist_ok=True)
        (self.config / "settings.toml").write_text(text)

    def __call__(self, *words, given="", code=0, may_leak=False):
        import io
        import sys

        way_out.egress_of.cache_clear()
        raw = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
        self._patch.setattr(sys, "stdin", raw)
        ended = main([*words])
        said = self._capsys.readouterr()
        assert ended == code, said.out + said.err
        if not may_leak:
            assert not leaks_in(said.out + said.err)
        self.errors = said.err
        return said.out


@pytest.fixture
def type_(tmp_path, monkeypatch, capsys):
    return Typed(tmp_path, monkeypatch, capsys)


def undercover(type_, *words, **more):
    return type_("undercover", *words, **more)


# --- scan ----------------------------------------------------------------------------------------------


def test_a_file_is_scanned_and_told_by_place_and_id(type_):
    (type_.project / "b.txt").write_text("one\n  the Qorvantix here\n")
    out = undercover(type_, "scan", "b.txt", code=1)
    assert out.startswith("b.txt:2:7: name#")
    assert out.endswith("(plain)\n")
    assert undercover(type_, "scan", "a.txt") == ""


def test_folders_are_scanned_with_the_names_of_their_files(type_):
    (type_.project / "sub").mkdir()
    (type_.project / "sub" / "velmora_drift.md").write_text("nothing\n")
    out = undercover(type_, "scan", ".", "--json", code=1)
    (found,) = json.loads(out)["found"]
    assert found["where"] == "the path of sub/[internal].md"


def test_input_is_scanned(type_):
    assert "input:1:1" in undercover(type_, "scan", "-", given="cW9ydmFudGl4IQ==", code=1)
    assert undercover(type_, "scan", "-", given="nothing") == ""


def test_a_commit_message_is_scanned_without_its_comments(type_):
    message = type_.project / "MSG"
    message.write_text(
        "Fine\n\n# On branch qorvantix\n# ------------------------ >8 ------------------------\n+Qorvantix\n"
    )
    assert undercover(type_, "scan", "--message-file", "MSG") == ""
    message.write_text("About Qorvantix\n")
    assert "the message:1:7" in undercover(type_, "scan", "--message-file", "MSG", code=1)


def test_what_is_staged_is_scanned_by_its_added_lines(type_):
    (type_.project / "a.txt").write_text("nothing special\nQorvantix was here\n")
    assert undercover(type_, "scan", "--staged") == "", "not staged yet"
    git(type_.project, "add", "-A")
    assert undercover(type_, "scan", "--staged", code=1).startswith("a.txt:2:1: name#")
    git(type_.project, "commit", "-q", "-m", "x")
    (type_.project / "a.txt").write_text("nothing special\n")
    git(type_.project, "add", "-A")
    assert undercover(type_, "scan", "--staged") == "", "taking a name away is fine"


def test_a_range_of_commits_is_scanned_by_message_people_lines_and_paths(type_):
    start = git(type_.project, "rev-parse", "HEAD").strip()
    git(type_.project, "commit", "-q", "--allow-empty", "-m", "x", "--author", "Q <ops@zanthique-db-4.corp.example>")
    (type_.project / "qorvantix").write_text("The velmora  drift\n")
    git(type_.project, "add", "-A")
    git(type_.project, "commit", "-q", "-m", "VelmoraDrift")
    out = undercover(type_, "scan", "--range", f"{start}..HEAD", code=1)
    assert {"author and committer", "the message", "the path of [internal]"} <= {
        line.split(": ")[1].partition(":")[0] for line in out.splitlines()
    }
    assert undercover(type_, "scan", "--range", f"{start}..{start}") == ""


@pytest.mark.parametrize(
    "words",
    [("scan", "no-such-file"), ("scan", "--range", "no..where"), ("scan", "--message-file", "none")],
)
def test_what_could_not_be_scanned_ends_with_3(type_, words):
    undercover(type_, *words, code=3)
    assert "could not be looked at" in type_.errors


@pytest.mark.parametrize("how", ["no settings", "gone", "open to others", "disabled"])
def test_without_a_usable_list_a_scan_ends_with_3(type_, how):
    if how == "no settings":
        type_.configure("")
    elif how == "gone":
        type_.names.unlink()
    elif how == "open to others":
        type_.names.chmod(0o640)
    else:
        type_.configure(f'[undercover]\nenabled = false\nnames = "file:{type_.names}"\n')
    undercover(type_, "scan", "a.txt", code=3)


def test_a_scan_of_nothing_is_wrong_usage(type_):
    undercover(type_, "scan", code=2)


# --- the others ----------------------------------------------------------------------------------------


def test_a_text_is_shown_as_it_would_leave(type_):
    assert undercover(type_, "test", given="about the Qorvantix", code=1) == "about the [internal]\n"
    assert undercover(type_, "test", "nothing") == "nothing\n"


def test_a_hit_is_explained_without_its_name(type_):
    out = json.loads(undercover(type_, "explain", "--json", given="Qorvantix, %71orvantix"))
    assert [(one["start"], one["end"], one["dress"]) for one in out["found"]] == [(0, 9, "plain"), (11, 22, "decoded")]
    assert len({one["id"] for one in out["found"]}) == 1
    assert "no name" in undercover(type_, "explain", "nothing")


def test_names_are_added_removed_and_counted(type_):
    assert undercover(type_, "names", "add", "--group", "hosts", given="Aldervane\nqorvantix\n") == "added: 1\n"
    assert type_.names.read_text().splitlines()[-2:] == ["[hosts]", "Aldervane"]
    assert stat.S_IMODE(type_.names.stat().st_mode) == 0o600
    assert json.loads(undercover(type_, "names", "count", "--json")) == {"names": 4, "groups": {"": 3, "hosts": 1}}
    assert undercover(type_, "names", "remove", given="ALDER_VANE\n") == "removed: 1\n"
    assert "Aldervane" not in type_.names.read_text()
    assert type_.names.read_text().startswith("# canaries"), "comments stay"
    undercover(type_, "names", "add", given="xy\n", code=3)
    assert "name 1" in type_.errors


def test_a_hashed_list_finds_names_and_shows_none(type_, tmp_path):
    hashed = tmp_path / "names.hash"
    undercover(type_, "names", "hash", str(hashed))
    assert not leaks_in(hashed.read_text())
    type_.configure(f'[undercover]\nnames = "hashed:{hashed}"\n')
    for text in ("a Qorvantix b", "velmora_drift", "VelmoraDrift", "the ZANTHIQUE_DB_4_CORP_EXAMPLE"):
        out = undercover(type_, "test", given=text, code=1)
        assert "[internal]" in out, text
    assert undercover(type_, "test", given="velmora and drift") == "velmora and drift\n"
    hashed.write_text("{}")
    undercover(type_, "test", "x", code=3)


def test_hashed_digests_differ_from_list_to_list():
    names = read_names("Qorvantix", key=b"k")
    assert HashedList.of(names).dump() != HashedList.of(names).dump()


def test_ordinary_names_are_told_and_a_context_settles_it(type_):
    type_.names.write_text("Falcon\nQorvantix\n[hw]\nStone\n")
    out = json.loads(undercover(type_, "lint", "--json", code=1))
    assert [bool(one["advice"]) for one in out] == [True, False, True]
    assert out[0]["words"] > 1
    type_.configure(
        f'[undercover]\nnames = "file:{type_.names}"\n'
        '[[undercover.rule]]\nmatch = "*"\ncontext = ["project {name}", "{name} chip"]\n'
    )
    undercover(type_, "lint")
    assert undercover(type_, "test", given="a falcon, Project Falcon, falcon-chip", code=1) == (
        "a falcon, [internal], [internal]\n"
    )


def test_lint_measures_against_a_folder(type_):
    (type_.project / "b.txt").write_text("qorvantix " * 10)
    out = json.loads(undercover(type_, "lint", "--against", ".", "--json", code=1))
    assert out[0]["repository"] > 1


def test_exact_case_lets_the_ordinary_word_pass(type_):
    type_.names.write_text("Stone\n")
    type_.configure(f'[undercover]\nnames = "file:{type_.names}"\n[[undercover.rule]]\nmatch = "*"\ncase = "exact"\n')
    assert undercover(type_, "test", given="a stone, the Stone", code=1) == "a stone, the [internal]\n"


def test_the_audit_has_every_way_out_of_every_tool(type_):
    rows = json.loads(undercover(type_, "audit", "--json"))
    state = {(row["kind"], row["name"], row["surface"]): row["state"] for row in rows}
    assert state["surface", "text", "text"] == "covered"
    assert state["surface", "model", "model"] == "inside"
    assert state["surface", "subagent", "subagent"] == "inside"
    assert state["surface", "memory", "memory"] == "covered", "the plugin memory declares it"
    assert state["tool", "Bash", "shell"] == "blocked"
    assert state["tool", "Write", "file"] == "blocked"
    assert state["tool", "Read", "none"] == "inside"
    type_.configure("")
    assert {row["state"] for row in json.loads(undercover(type_, "audit", "--json"))} <= {
        "open",
        "inside",
        "unused",
        "unknown",
    }


def test_audit_and_status_tell_of_stand_ins(type_):
    assert "aliases" not in undercover(type_, "status")
    type_.configure(f'[undercover]\nnames = "file:{type_.names}"\naliases = true\n')
    rows = json.loads(undercover(type_, "audit", "--json"))
    assert [(row["policy"], row["state"]) for row in rows if row["name"] == "model"] == [("aliases", "covered")]
    assert "models work under stand-in names" in undercover(type_, "status")
    assert json.loads(undercover(type_, "status", "--json"))["aliases"] is True


def test_the_status_says_what_is_wrong(type_):
    assert json.loads(undercover(type_, "status", "--json"))["names"] == 3
    assert "names:    3 (from file)" in undercover(type_, "status")
    type_.names.chmod(0o644)
    assert "chmod 600" in undercover(type_, "status", code=3)
    type_.configure("")
    assert "is not set" in undercover(type_, "status")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ('names = "x"', "must be"),
        ('names = "file:x"\nsurfaces = { commit = "mask" }', "never rewritten"),
        ('names = "file:x"\nsurfaces = { tekst = "mask" }', "no such way out"),
    ],
)
def test_wrong_settings_are_told(type_, settings, word):
    type_.configure(f"[undercover]\n{settings}\n")
    way_out.egress_of.cache_clear()
    ended = main(["undercover", "test", "x"])
    assert ended != 0
    assert word in type_._capsys.readouterr().err


def test_the_command_that_gives_the_list_never_shows_it(type_, tmp_path):
    script = tmp_path / "give.sh"
    script.write_text(f"echo {CANARIES[0]}\necho {CANARIES[0]} >&2\nexit $(cat {tmp_path}/code)\n")
    (tmp_path / "code").write_text("0")
    type_.configure(f'[undercover]\nnames = "cmd:sh {script}"\n')
    assert undercover(type_, "test", given="the qorvantix", code=1) == "the [internal]\n"
    (tmp_path / "code").write_text("4")
    undercover(type_, "test", "x", code=3)
    assert "ended with 4" in type_.errors


def test_the_keyring_may_hold_the_list(type_, monkeypatch):
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, name: {"codenames": "Qorvantix"}.get(name))
    type_.configure('[undercover]\nnames = "keyring:codenames"\n')
    assert undercover(type_, "test", given="the qorvantix", code=1) == "the [internal]\n"
    type_.configure('[undercover]\nnames = "keyring:others"\n')
    undercover(type_, "test", "x", code=3)


def test_an_untrusted_folder_cannot_say_where_the_list_is(type_):
    (type_.project / ".pegboard").mkdir()
    (type_.project / ".pegboard" / "settings.toml").write_text(
        '[undercover]\nenabled = false\nnames = "cmd:touch ran"\n'
    )
    assert undercover(type_, "test", given="the qorvantix", code=1) == "the [internal]\n"
    assert not (type_.project / "ran").exists()


# --- what other verbs print ----------------------------------------------------------------------------


@pytest.fixture
def ran(type_, tmp_path):
    """A session in which names were said by everybody."""
    script = tmp_path / "script.toml"
    script.write_text(
        '[[turn]]\ntext = "On Qorvantix."\n[[turn.call]]\nname = "Bash"\n'
        'input = { command = "git commit --allow-empty -m velmora-drift" }\n'
        f'[[turn]]\ntext = "{"x" * 190} Qorvantix is done."\n'
    )
    type_("run", "-m", f"scripted:{script}", "--allow", "Bash", "--output", "stream-json", "Go to Qorvantix, please")
    return type_


def test_runs_print_no_names_in_any_format(type_, tmp_path):
    script = tmp_path / "script.toml"
    script.write_text('[[turn]]\ntext = "Qorvantix is done."\n')
    for output in ("text", "json", "stream-json"):
        out = type_("run", "-m", f"scripted:{script}", "--output", output, "Do it")
        assert "[internal] is done." in out


def test_trace_why_and_sessions_print_no_names(ran):
    for words in (
        ("trace",), ("trace", "--json"), ("why", "last"), ("why", "last", "--json"),
        ("sessions", "list"), ("sessions", "list", "--json"),
    ):  # fmt: skip
        out = ran(*words)
        assert "[internal]" in out or words[0] == "why", words
        assert f"undercover: masked in {'export' if '--json' in words else 'trace'}: name#" in ran.errors
    session = json.loads(ran("sessions", "list", "--json"))[0]["id"]
    for words in (("sessions", "show", session), ("sessions", "show", session, "--json")):
        assert "[internal]" in ran(*words)


HOOKS = """
[flags."shop.colour"]
default = "red"
choices = ["red", "Qorvantix"]
[flags."house.no-drift"]
default = "shadow"
choices = ["off", "shadow", "warn", "enforce"]
"""


@pytest.fixture
def hooked(type_, tmp_path):
    """A session in which declared hooks, flags and rules say names too, and a hook gives it a title."""
    said = {"hookSpecificOutput": {"hookEventName": "UserPromptSubmit", "sessionTitle": "The Qorvantix move"}}
    (tmp_path / "titles.sh").write_text(f"echo {shlex.quote(json.dumps(said))}\n")
    (tmp_path / "guards.sh").write_text("echo 'not at velmora drift' >&2; exit 2\n")
    lines = [
        f'[undercover]\nnames = "file:{type_.names}"',
        "[[hooks.prompt-submit]]\n[[hooks.prompt-submit.hooks]]\nid = 'titles'\ntype = 'command'",
        f"command = {json.dumps(f'sh {tmp_path}/titles.sh')}",
        "[[hooks.pre-tool]]\nmatcher = 'Bash'\n[[hooks.pre-tool.hooks]]\nid = 'qorvantix-guard'\ntype = 'command'",
        f"command = {json.dumps(f'sh {tmp_path}/guards.sh')}",
        '[permissions]\nallow = ["Bash"]\ndeny = ["Bash(echo velmora drift*)"]',
        '[permissions.ramps]\n"Bash(echo velmora drift*)" = "house.no-drift"',
        '[flags.values]\n"shop.colour" = "Qorvantix"' if False else "",
    ]
    type_.configure("\n".join(lines))
    (type_.config / "flags.toml").write_text(HOOKS)
    script = tmp_path / "hooked.toml"
    script.write_text(
        '[[turn]]\n[[turn.call]]\nname = "Bash"\ninput = { command = "echo velmora drift" }\n[[turn]]\ntext = "Done."\n'
    )
    words = ("--output", "stream-json", "--flag", "shop.colour=Qorvantix")
    type_("run", "-m", f"scripted:{script}", *words, "Go to Qorvantix, please")
    return type_


def test_what_verbs_of_plugins_print_of_a_session_holds_no_names(hooked):
    for words in (
        ("hooks", "explain", "last", "--payload"), ("hooks", "explain", "last", "--json"),
        ("hooks", "replay", "--all"), ("hooks", "replay", "--all", "--json"),
        ("flags", "audit"), ("flags", "audit", "shop.colour", "--json"),
        ("flags", "report"), ("flags", "report", "--json"),
        ("hooks", "list"), ("hooks", "list", "--json"),
    ):  # fmt: skip
        out = hooked(*words)
        assert "[internal]" in out, words
        assert f"undercover: masked in {'export' if '--json' in words else 'trace'}: name#" in hooked.errors, words


def test_a_title_is_shown_without_names(hooked):
    (session,) = json.loads(hooked("sessions", "list", "--json"))
    assert session["title"] == "The [internal] move"
    assert "The [internal] move" in hooked("sessions", "list")
    assert "masked in title: name#" in hooked.errors
    hooked.configure(f'[undercover]\nnames = "file:{hooked.names}"\nsurfaces = {{ title = "deny" }}\n')
    hooked("sessions", "list", code=1)


def test_json_for_others_has_a_policy_of_its_own(ran):
    ran.configure(f'[undercover]\nnames = "file:{ran.names}"\nsurfaces = {{ export = "deny" }}\n')
    assert "[internal]" in ran("trace")
    for words in (("trace", "--json"), ("why", "last", "--json"), ("sessions", "list", "--json")):
        ran(*words, code=1)
        assert "'export'" in ran.errors


def test_a_trace_may_be_refused_as_a_whole(ran):
    ran.configure(f'[undercover]\nnames = "file:{ran.names}"\nsurfaces = {{ trace = "deny" }}\n')
    ran("trace", code=1)
    assert "name#" in ran.errors


def test_where_the_list_cannot_be_used_nothing_is_traced(ran):
    ran.names.unlink()
    ran("trace", code=1)
    assert "cannot be read" in ran.errors
    (ran.config / "settings.toml").write_text("[undercover\n")
    ran("trace", code=1)


def test_errors_and_crash_reports_hold_no_names(type_, monkeypatch):
    type_("sessions", "show", "qorvantix", code=1)
    assert "[internal]" in type_.errors

    def crash(*given, **more):
        raise RuntimeError("at Qorvantix")

    from pegboard._cli import app

    monkeypatch.setattr(app, "build_app", crash)
    type_("trace", code=3)
    assert "at [internal]" in type_.errors
    type_.names.unlink()
    type_("trace", code=3)
    assert "RuntimeError" not in type_.errors, "who cannot look shows nothing"


def test_without_a_table_the_verbs_import_no_filter(type_, monkeypatch):
    type_.configure('[model]\nname = "x:y"\n')
    monkeypatch.setattr(way_out, "_points", lambda: pytest.fail("nobody asked for filters"))
    type_("sessions", "list")
