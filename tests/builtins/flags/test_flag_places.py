"""Where flags may be said (files, variables, options, one session), and every mistake in each of them."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from test_flag_words import one_edits

from pegboard.errors import SettingsError
from pegboard.flags import FlagLayer, FlagRequest, UnknownFlagError
from pegboard.host import Host
from pegboard.settings import SettingsView, load_settings

NAMES = ("shop.limit", "shop.kill", "shop.locked", "shop.colour", "shop.ratio", "shop.map", "shop.trial")


def host_of(place, *, managed=None, command_line=None, **variables) -> Host:
    environment = {**place.environment, **variables}
    view: SettingsView = load_settings(
        place.project,
        config_dir=place.config,
        trusted=Host(place.project, state_dir=place.state).trust.trusts(place.project),
        environment=environment,
        command_line=command_line,
        managed=managed,
    )
    return Host(
        place.project, settings=view, state_dir=place.state, config_dir=place.config, environment=environment
    ).open()


def resolved(host: Host, session: str = ""):
    return host.resolve_flags(FlagRequest(host.declared_flags(), session_id=session, project=host.cwd))


def test_each_layer_stands_above_the_one_before(place, tmp_path):
    """Every layer is added in turn, lowest first, and decides at once, with its file and line."""
    managed = tmp_path / "managed.toml"
    said = []

    def now(**more):
        found = resolved(host_of(place, **more), "s1").snapshot.details["shop.limit"]
        said.append((found.value, str(found.layer)))
        return found

    now()
    place.user('\n[flags.values]\n"shop.limit" = 2\n')
    assert now().line == 3
    (place.project / ".pegboard/settings.toml").write_text('[flags.values]\n"shop.limit" = 3\n')
    place.trust()
    now()
    (place.project / ".pegboard/settings.local.toml").write_text("[flags.values.shop]\nlimit = 4\n")
    place.trust()
    assert now().file.endswith("settings.local.toml")
    host = host_of(place)
    (place.state / "flags/sessions").mkdir(parents=True)
    (place.state / "flags/sessions/s1.json").write_text('{"shop.limit": 5}')
    now()
    assert now(PEGBOARD_FLAG_SHOP_LIMIT="6").file == "PEGBOARD_FLAG_SHOP_LIMIT"
    said.pop()
    now(PEGBOARD_FLAG_SHOP_LIMIT="6")
    options = {"flags": {"values": {"shop.limit": "7"}}}
    now(PEGBOARD_FLAG_SHOP_LIMIT="6", command_line=options)
    managed.write_text('[flags.values]\n"shop.limit" = 9\n"shop.locked" = true\n')
    now(PEGBOARD_FLAG_SHOP_LIMIT="6", command_line=options, managed=managed)
    assert [value for value, _ in said] == [8, 2, 3, 4, 5, 6, 7, 9]
    assert [layer for _, layer in said] == [
        *("default", "user", "project", "local", "session", "environment", "command line", "managed")
    ]
    assert resolved(host_of(place, managed=managed)).snapshot.details["shop.locked"].value is True
    assert host.declared_flags()["shop.limit"].line == 2


def test_a_folder_that_is_not_trusted_declares_nothing_and_sets_nothing(place, flags):
    place.flags_file.write_text(place.flags_file.read_text() + "\n# other bytes\n")
    (place.project / ".pegboard/settings.toml").write_text('[flags.values]\n"shop.limit" = 3\n')
    host = host_of(place)
    assert "shop.limit" not in host.declared_flags()
    assert resolved(host).problems == []
    code, said = flags("list")
    assert code == 0
    assert "not trusted" in said
    place.trust()
    assert resolved(host_of(place)).snapshot.details["shop.limit"].value == 3


def test_the_trust_store_watches_the_flags_file(place):
    from pegboard._board.trust import TrustStore

    store = TrustStore(place.state)
    assert store.trusts(place.project)
    place.flags_file.write_text("")
    assert not store.trusts(place.project)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        pytest.param('[flags."a.b"]\ndefault = 1\nminn = 2\n', 3, "Did you mean 'min'", id="a key with a slip"),
        pytest.param('[flags."a.b"]\ndefault = 1\nlocked = "yes"\n', 3, "true or false", id="no switch"),
        pytest.param('[flags."a.b"]\nowner = "x"\n', 1, "has no default", id="no default"),
        pytest.param('[flags."a.b"]\ndefault = 1\nexpires = "soon"\n', 3, "date", id="no date"),
        pytest.param("[flags]\na = 1\n", 2, "is a table", id="no table"),
        pytest.param('[flagss."a.b"]\ndefault = 1\n', 1, "Did you mean 'flags'", id="another table"),
        pytest.param('x = 1\n[flags."a.b"\n', 2, "no TOML", id="no TOML"),
        pytest.param('[flags."a.b"]\ndefault = 1\ntargeting = "{"\n', 1, "no JSON", id="a rule that is no JSON"),
        pytest.param('[flags."a.b"]\ndefault = []\n', 1, "list", id="a list"),
        pytest.param('[flags."a.b"]\ndefault = 1\nkind = "experiment"\n', 1, "expires", id="an experiment for ever"),
    ],
)
def test_a_mistake_in_the_flags_file_is_told_with_its_line(place, text, line, why):
    place.flags_file.write_text(text)
    place.trust()
    with pytest.raises(SettingsError, match=why) as caught:
        host_of(place)
    assert f"flags.toml:{line}:" in str(caught.value)


def wrong_names(count: int) -> list[tuple[str, str]]:
    letters = random.Random(7)
    pairs = [(name, wrong) for name in NAMES for wrong in sorted(one_edits(name)) if wrong not in NAMES]
    return letters.sample(pairs, count)


@pytest.mark.parametrize("where", ["file", "environment", "command line", "code"])
def test_a_name_with_one_slip_is_told_with_the_right_one(place, where, count):
    """In four places; how often the right name is found over every mutation of every name is in test_flag_words."""
    host = host_of(place)
    flags = host.declared_flags()
    right = 0
    slips = wrong_names(min(count(3_000), 3_000))
    desk = next(iter(host.board.contributions["flags"].flag_sources)).__self__
    for name, wrong in slips:
        meant = name
        if where == "file":
            path = place.user(f"[flags.values]\n{json.dumps(wrong)} = 1\n")
            desk_view = load_settings(
                place.project, config_dir=place.config, trusted=True, environment={}, managed=None
            )
            problems = problems_with(desk, desk_view, {}, flags)
            assert str(path) == problems[0].file
            assert problems[0].line == 2
        elif where == "environment":
            variable = "PEGBOARD_FLAG_" + "".join(c if c.isalnum() else "_" for c in wrong.upper())
            if variable in {flag.variable for flag in flags.values()}:
                right += 1  # the slip is in how words are joined, which a variable does not say
                continue
            meant = flags[name].variable
            problems = problems_with(desk, SettingsView(), {variable: "1"}, flags)
            assert problems[0].file == variable
        elif where == "command line":
            view = load_settings(
                place.project,
                config_dir=place.config / "none",
                trusted=True,
                environment={},
                command_line={"flags": {"values": {wrong: "1"}}},
                managed=None,
            )
            problems = problems_with(desk, view, {}, flags)
        else:
            from pegboard.flags import FlagView

            view_of_all = FlagView({one: flag.default for one, flag in flags.items()})
            with pytest.raises(UnknownFlagError) as caught:
                view_of_all[wrong]
            problems = [caught.value]
        assert len(problems) == 1
        right += problems[0].nearest == meant
    assert right >= 0.99 * len(slips)


def problems_with(desk, view, environment, flags):
    from pegboard.flags import resolve
    from pegboard_builtins.flags.voting import from_environment, from_settings

    votes = [*from_settings(view, flags, lambda name: ""), *from_environment(environment, flags)]
    return resolve(flags, votes).problems


@pytest.mark.parametrize(
    ("words", "variables", "file"),
    [
        (("run", "hi", "--flag", "shop.limti=2"), {}, "command line"),
        (("run", "hi", "--flag", "shop.limit=many"), {}, "command line"),
        (("run", "hi"), {"PEGBOARD_FLAG_SHOP_LIMTI": "2"}, "PEGBOARD_FLAG_SHOP_LIMTI"),
    ],
)
def test_a_session_does_not_begin_with_a_flag_that_is_wrong(place, words, variables, file):
    done = place.run(*words, "--model", "scripted:none.toml", **variables)
    assert done.returncode == 1
    assert file in done.stderr
    assert "shop.limit" in done.stderr.lower() or "SHOP_LIMIT" in done.stderr
    assert not list(place.state.glob("sessions/*/*.jsonl")) or all(
        not path.read_text() for path in place.state.glob("sessions/*/*.jsonl")
    )


def test_who_may_declare_it_but_takes_no_part_excuses_a_name_in_a_file(place):
    place.user('[flags.values]\n"gone.flag" = true\n')
    assert isinstance(resolved(host_of(place)).problems[0], UnknownFlagError)
    host = Host(
        place.project,
        state_dir=place.state,
        config_dir=place.config,
        environment=place.environment,
        no_plugins="retry",
    ).open()
    found = resolved(host)
    assert found.problems == []


# --- setting -------------------------------------------------------------------------------------------


def test_set_keeps_comments_and_the_form_that_is_there(place, flags):
    path = place.user("# mine\n[session]\nmax_steps = 5 # why\n\n[flags.values.shop]\nlimit = 2 # two\n")
    assert flags("set", "shop.limit", "3")[0] == 0
    assert path.read_text() == "# mine\n[session]\nmax_steps = 5 # why\n\n[flags.values.shop]\nlimit = 3 # two\n"
    assert flags("get", "shop.limit") == (0, "3\n")
    assert flags("unset", "shop.limit")[0] == 0
    assert flags("get", "shop.limit") == (0, "8\n")
    assert "# mine" in path.read_text()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(("set", "shop.limti", "3"), "Did you mean 'shop.limit'", id="an unknown name"),
        pytest.param(("set", "shop.limit", "300"), "more than 32", id="out of bounds"),
        pytest.param(("set", "shop.limit", "a"), "is integer", id="another type"),
        pytest.param(("set", "shop.locked", "true"), "locked", id="locked"),
        pytest.param(("set", "shop.limit", "3", "--live"), "not live", id="no kill switch"),
        pytest.param(("set", "shop.kill", "true", "--live"), "safe side", id="a kill switch the wrong way"),
        pytest.param(("set", "shop.limit", "3", "--user", "--project"), "say one of", id="two places"),
        pytest.param(("get", "nothing.like.it"), "no flag", id="get of nothing"),
        pytest.param(("explain", "shop.kil"), "'shop.kill'", id="explain of nothing"),
        pytest.param(("unset", "shop.kil"), "'shop.kill'", id="unset of nothing"),
        pytest.param(("diff", "abc", "def"), "no snapshot", id="diff of nothing"),
        pytest.param(("audit", "shop.kil"), "'shop.kill'", id="audit of nothing"),
    ],
)
def test_what_cannot_be_set_changes_nothing(place, flags, words, why):
    path = place.user("# nothing\n")
    code, said = flags(*words)
    assert code == 1
    assert why in said
    assert path.read_text() == "# nothing\n"


def test_set_says_who_decides_all_the_same(place, flags):
    code, said = flags("set", "shop.limit", "3", PEGBOARD_FLAG_SHOP_LIMIT="5")
    assert code == 0
    assert "stays 5 here: environment (PEGBOARD_FLAG_SHOP_LIMIT) decides" in said


def test_list_is_a_list_of_objects(flags):
    code, said = flags("list", "--json")
    found = json.loads(said)
    assert code == 0
    assert {"name", "value", "type", "layer"} <= set(found[0])
    assert {one["name"] for one in found} >= set(NAMES)
    assert [one["name"] for one in found] == sorted(one["name"] for one in found)


def test_explain_shows_every_vote_and_what_would_change_it(place, flags):
    path = place.user('[flags.values]\n"shop.limit" = 4\n')
    code, said = flags("explain", "shop.limit", "--json", PEGBOARD_FLAG_SHOP_LIMIT="5")
    told = json.loads(said)
    assert code == 0
    assert [(vote["layer"], vote["value"], vote["wins"]) for vote in told["votes"]] == [
        ("default", 8, False),
        ("user", 4, False),
        ("environment", 5, True),
    ]
    assert (told["votes"][1]["file"], told["votes"][1]["line"]) == (str(path), 2)
    assert told["would_change"][0].startswith("environment")
    assert "what would change it" in flags("explain", "shop.limit")[1]


def test_two_processes_that_set_at_once_lose_nothing(place, count):
    """Each sets flags of its own, many times, in one file."""
    rounds = count(60)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from pegboard.settings_writing import change_file\n"
        "from pegboard_builtins.flags.changing import with_flag\n"
        "path, who, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
        "for number in range(rounds):\n"
        "    change_file(path, lambda text: with_flag(text, path, f'{who}.n{number}', number))\n"
    )
    path = place.user("# both\n")
    words = [sys.executable, "-c", script, str(path)]
    writers = [subprocess.Popen([*words, who, str(rounds)]) for who in ("left", "right", "third")]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    import tomli

    values = tomli.loads(path.read_text())["flags"]["values"]
    assert len(values) == 3 * rounds
    assert path.read_text().startswith("# both\n")


def test_a_read_only_file_stays_as_it_is(place, flags):
    path = place.user("# mine\n")
    path.chmod(0o444)
    code, said = flags("set", "shop.limit", "3")
    assert code == 1
    assert "read-only" in said
    assert path.read_text() == "# mine\n"


def test_a_full_disk_leaves_the_file_as_it_was(place, flags, monkeypatch):
    import errno
    import os

    path = place.user("# mine\n")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, said = flags("set", "shop.limit", "3")
    assert code == 1
    assert "No space left" in said
    assert path.read_text() == "# mine\n"
    assert [one.name for one in place.config.iterdir()] == ["settings.toml"]
    code, said = flags("set", "shop.kill", "false", "--live")
    assert code == 1
    assert "No space left" in said
    assert not (place.state / "flags/live.json").exists()


def test_a_damaged_state_file_is_told_with_the_mend(place, flags):
    (place.state / "flags").mkdir()
    (place.state / "flags/live.json").write_text('{"half')
    code, said = flags("doctor")
    assert code == 1
    assert "live.json" in said
    assert "remove it" in said


# --- one session ---------------------------------------------------------------------------------------


def test_what_is_said_for_the_next_session_counts_for_it_alone(place, flags):
    assert flags("set", "shop.limit", "3", "--session", "next")[0] == 0
    host = host_of(place)
    assert resolved(host, "one").snapshot.details["shop.limit"].layer is FlagLayer.SESSION
    assert resolved(host, "two").snapshot.details["shop.limit"].layer is FlagLayer.DEFAULT
    assert resolved(host, "one").snapshot.details["shop.limit"].value == 3
