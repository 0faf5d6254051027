"""`pegboard doctor`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def findings(terminal: Any, *, code: int) -> list[dict[str, str]]:
    result = terminal.type("doctor", "--json")
    assert result.exit_code == code, result.output
    told = json.loads(result.stdout)
    assert told["ok"] is (code == 0)
    found: list[dict[str, str]] = told["findings"]
    return found


def wrong(found: list[dict[str, str]], area: str) -> list[dict[str, str]]:
    return [one for one in found if one["state"] == "wrong" and one["area"] == area]


def test_nothing_is_wrong_in_an_empty_folder(acme: Any) -> None:
    found = findings(acme, code=0)
    assert {one["area"] for one in found} == {
        "versions", "state", "settings", "trust", "plugins", "snapshot", "health", "journals",
    }  # fmt: skip
    assert "Nothing is wrong." in acme.fine("doctor")


def test_every_wrong_line_of_the_settings_is_named(acme: Any) -> None:
    user = acme.settings("[session]\nmax_step = 3\n\n[sesion]\n", where="user")
    local = acme.settings("[acme]\nlevel = 'x'\n", where="local")
    acme.fine("trust", "--yes")
    lines = {one["subject"] for one in wrong(findings(acme, code=1), "settings")}
    assert lines == {f"{user}:2", f"{user}:4", f"{local}:2"}


def test_a_file_that_is_no_toml_is_named_with_its_line(terminal: Any) -> None:
    file = terminal.settings("\n[session\n", where="user")
    (one,) = wrong(findings(terminal, code=1), "settings")
    assert one["subject"] == f"{file}:2"


def test_a_broken_plugin_is_wrong_and_a_disabled_one_is_not(acme: Any) -> None:
    acme.install("acme-broken", {"acme_broken": "acme_broken"}, acme_broken="import not_there_at_all\n")
    acme.settings('[plugins]\ndisabled = ["acme"]\n', where="user")
    found = findings(acme, code=1)
    (one,) = wrong(found, "plugins")
    assert one["subject"] == "acme_broken"
    assert one["mend"]
    (disabled,) = [one for one in found if one["subject"] == "acme"]
    assert disabled["state"] == "note"


def test_what_is_held_back_is_a_note_until_it_is_trusted(terminal: Any) -> None:
    terminal.settings('[permissions]\nallow = ["Edit"]\n')
    (note,) = [one for one in findings(terminal, code=0) if one["area"] == "trust"]
    assert (note["state"], note["subject"]) == ("note", "permissions.allow")
    assert "settings.toml:2" in note["text"]
    terminal.fine("trust", "--yes")
    assert [one["state"] for one in findings(terminal, code=0) if one["area"] == "trust"] == ["ok"]


def test_what_the_contracts_own_files_say_is_held_back_but_for_what_tightens(terminal: Any) -> None:
    folder = terminal.folder / ".claude"
    folder.mkdir()
    said = {"permissions": {"allow": ["Bash"], "deny": ["Read(.env)"], "defaultMode": "plan"}, "hooks": {}}
    (folder / "settings.json").write_text(json.dumps(said))
    held = {one["subject"] for one in findings(terminal, code=0) if one["area"] == "trust"}
    assert held == {"hooks", "permissions.allow", "permissions.defaultMode"}


def test_a_health_check_that_complains_is_wrong(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("PEGBOARD_MODEL__NAME", "anthropic:claude-opus-4-5")
    (one,) = wrong(findings(terminal, code=1), "health")
    assert one["subject"].startswith("anthropic_model")


def test_damaged_journals_are_named_with_their_mend(acme: Any) -> None:
    torn, holed = acme.session(), acme.session()
    paths = {path.stem: path for path in acme.journals}
    paths[torn].write_bytes(paths[torn].read_bytes()[:-7])
    lines = paths[holed].read_bytes().splitlines(keepends=True)
    lines[3] = b"nonsense\n"
    paths[holed].write_bytes(b"".join(lines))
    found = {one["subject"]: one for one in wrong(findings(acme, code=1), "journals")}
    assert found[torn]["text"] == f"the end is torn, from line {len(lines)} on"
    assert "--resume" in found[torn]["mend"]
    assert found[holed]["text"] == "damaged lines are skipped: 4"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written_is_wrong(terminal: Any) -> None:
    terminal.state.chmod(0o500)
    try:
        (one,) = wrong(findings(terminal, code=1), "state")
    finally:
        terminal.state.chmod(0o700)
    assert "PEGBOARD_STATE_DIR" in one["mend"]


def test_a_state_folder_that_is_a_file_is_wrong(terminal: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("PEGBOARD_STATE_DIR", str(file))
    assert wrong(findings(terminal, code=1), "state")


def test_a_person_reads_a_line_per_finding(acme: Any) -> None:
    acme.settings("[session]\nmax_step = 3\n", where="user")
    result = acme.type("doctor")
    assert result.exit_code == 1
    assert "settings.toml:2: [session] has no key 'max_step'. Did you mean 'max_steps'?" in result.stdout
    assert "mend: change that line" in result.stdout
    assert "\x1b" not in result.stdout


def test_what_is_safe_is_mended_with_fix_and_nothing_without_it(acme: Any) -> None:
    state = acme.state
    (state / "trust.json").write_text("{}")
    left = state / ".trust.json.999999999"
    left.write_text("half")
    left.chmod(0o600)
    os.utime(left, (1_700_000_000, 1_700_000_000))
    found = findings(acme, code=0)
    assert [one["fixable"] for one in found if one["area"] == "state"] == [False, True, True]
    assert "can be mended at once: pegboard doctor --fix" in acme.type("doctor").output
    assert left.exists()
    said = acme.fine("doctor", "--fix")
    assert "mended: took away .trust.json.999999999" in said
    assert not left.exists()
    assert state.stat().st_mode & 0o077 == 0
    assert all(not one["fixable"] for one in findings(acme, code=0))


def test_a_torn_journal_is_cut_with_fix_and_what_was_cut_is_kept(acme: Any) -> None:
    acme.session()
    (path,) = acme.journals
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type":"user","mess')
    (one,) = wrong(findings(acme, code=1), "journals")
    assert one["fixable"]
    assert "mended: the torn end was cut" in acme.fine("doctor", "--fix")
    assert path.read_bytes().startswith(whole)
    assert any(b'{"type":"user","mess' in kept.read_bytes() for kept in path.parent.rglob("*") if kept.is_file())
    findings(acme, code=0)


def test_a_pack_can_offer_a_mend_of_its_own(acme: Any) -> None:
    acme.install(
        "acme-sick",
        {"acme_sick": "acme_sick"},
        acme_sick=(
            "from pegboard import hookimpl\nfrom pegboard.context import Ailment\n"
            "@hookimpl\ndef register(registry):\n"
            "    well = Ailment('it is dusty', mend='dust it', fix=lambda: 'dusted')\n"
            "    fails = Ailment('it is bent', mend='bend it back', fix=lambda: 1 / 0)\n"
            "    registry.add_health_check('dust', lambda: [well, fails])\n"
        ),
    )
    result = acme.type("doctor", "--fix")
    assert result.exit_code == 1
    assert "mended: dusted" in result.output
    assert "it could not be mended: division by zero" in result.output


def test_a_name_in_the_list_of_disabled_plugins_that_is_none_is_a_note(acme: Any) -> None:
    acme.settings('[plugins]\ndisabled = ["acmee"]\n', where="user")
    (one,) = [one for one in findings(acme, code=0) if one["subject"] == "acmee"]
    assert one["mend"] == "pegboard plugins enable acmee"


def test_an_alias_that_names_nothing_is_a_note(acme: Any) -> None:
    aliases = {"acme.touch": "poke", "acme.tuch": "p", "acme-pack:acme": "acme", "acme-pack:other": "o"}
    lines = "".join(f'"{key}" = "{name}"\n' for key, name in aliases.items())
    acme.settings(f"[plugins.aliases]\n{lines}", where="user")
    found = {one["subject"]: one["text"] for one in findings(acme, code=0) if one["area"] == "plugins"}
    assert "no such tool" in found["acme.tuch"]
    assert "no such plugin" in found["acme-pack:other"]
    assert not {"acme.touch", "acme-pack:acme"} & found.keys()


def test_two_that_rewrite_the_same_are_named_in_their_order(acme: Any) -> None:
    text = (
        "from pegboard import Declares, hookimpl\n\ndeclares = Declares(permissions=['rewrite'], before=['acme'])\n\n\n"
        "@hookimpl(rewrites=True)\ndef pre_tool(call):\n    return None\n"
    )
    acme.install("acme-other", {"acme_other": "acme_other"}, acme_other=text)
    found = json.loads(acme.type("doctor", "--json").stdout)["findings"]
    (told,) = [one["text"] for one in found if one["area"] == "order" and one["subject"] == "pre_tool"]
    assert "acme_other, then acme" in told


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_what_a_first_run_makes_is_for_the_user_alone(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('[[turn]]\ntext = "Done."\n')
    made = tmp_path / "made"
    places = {f"XDG_{what}_HOME": str(made / what.lower()) for what in ("STATE", "CONFIG", "DATA", "CACHE")}

    def pegboard(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pegboard", *words],
            cwd=tmp_path,
            env={**os.environ, **places, "HOME": str(tmp_path)},
            check=False,
            capture_output=True,
            text=True,
            umask=0o022,
        )
        return done.stdout

    assert pegboard("run", "-m", "scripted:s.toml", "Go.") == "Done.\n"
    state = made / "state" / "pegboard"
    assert [oct(path.stat().st_mode & 0o777) for path in (state, state / "sessions")] == ["0o700", "0o700"]
    assert "others may look into it" not in pegboard("doctor")
