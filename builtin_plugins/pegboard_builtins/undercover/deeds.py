"""What a shell command does with words that may be names: which ways out it takes, to where, and what it reads.

The words are split as a shell would, as far as that can be done without running anything. Where it cannot, the whole
text is taken for what it may be: this errs towards refusing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import field
from pathlib import Path

from pegboard.typed import dataclass

_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][\w.-]*)\1")
_NESTED = re.compile(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)|`([^`]*)`")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
_ENDS = frozenset({";", "&", "&&", "|", "||", "|&", "(", ")", ";;", "\n", "{", "}", "!"})
_WORDS = frozenset(
    {"then", "do", "else", "elif", "if", "while", "until", "time", "exec", "builtin", "command", "nohup"}
)
_WRAPPERS = {"sudo": "-u", "env": "-u", "nice": "-n", "timeout": "", "xargs": "-I", "stdbuf": "", "setsid": ""}
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh"})
_URL = re.compile(r"\b(?:https?|ftp|ssh|wss?)://(?:[^\s/@'\"]*@)?(\[[^\]]+\]|[^\s/:'\"?#]+)", re.IGNORECASE)
_REDIRECT = re.compile(r"(?<![<>&\d])\d?>>?(?!&)\s*(?!/dev/null)[^\s&|;]")
_FROM_FILE = re.compile(r"(?<!<)<(?![<(&])\s*(?:\"([^\"]+)\"|'([^']+)'|([^\s&|;<>()]+))")
_HOST = re.compile(r"(?:[\w.-]+@)?[\w-]+(?:\.[\w-]+)+(?::.*)?\Z|[\w.-]+@[\w-]+")
DEPTH = 4

_NETWORK = """
    curl wget http https xh ssh scp sftp rsync ftp nc ncat netcat socat telnet mail sendmail mutt aws gcloud az s3cmd
    dig nslookup host whois ping
"""
NETWORK = frozenset(_NETWORK.split())
PUBLISH = {
    "npm": {"publish"}, "pnpm": {"publish"}, "yarn": {"publish"}, "twine": {"upload"}, "cargo": {"publish"},
    "gem": {"push"}, "docker": {"push"}, "podman": {"push"}, "helm": {"push"}, "poetry": {"publish"},
    "uv": {"publish"}, "flit": {"publish"}, "hatch": {"publish"}, "mvn": {"deploy"},
}  # fmt: skip
READERS = frozenset(
    {"cat", "tac", "head", "tail", "nl", "sed", "awk", "grep", "cut", "tr", "sort", "uniq", "jq", "base64", "xxd", "od"}
)
"""Programs whose output may be what another one sends, through a pipe or `$(...)`."""
FED = frozenset({"commit", "tag", "branch", "pr", "network"})
FORGES = frozenset({"gh", "glab", "hub", "tea"})
WRITERS = frozenset({"tee", "cp", "mv", "patch", "sed", "perl", "install", "dd", "ln"})
READS_FILE = {
    "git": {"-F", "--file", "-t", "--template"},
    "gh": {"-F", "--body-file", "--notes-file", "--input"},
    "glab": {"-F", "--description-file", "--notes-file"},
    "curl": {"-T", "--upload-file", "-K", "--config"},
}
_AT_FILES = frozenset({"-d", "--data", "--data-binary", "--data-ascii", "--data-urlencode", "-F", "--form", "--json"})


@dataclass(slots=True)
class Deed:
    """One thing that a command does. `surface` is a way out; `folder` where it happens; `reads` the files it sends.

    `remote` is the one that a push names, `refs` what it pushes; `hosts` those that it talks to.
    """

    surface: str
    folder: Path
    words: tuple[str, ...] = ()
    reads: list[Path] = field(default_factory=list)
    remote: str = ""
    refs: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    amends: bool = False


def deeds_of(command: str, cwd: Path) -> Iterator[Deed]:
    """Go through all that a command does on a way out, with the files that its parts feed to each other."""
    fed = list(_fed(_without_heredocs(command)[0]))
    for deed in _deeds(command, cwd):
        if deed.surface in FED:
            folders = {cwd, deed.folder}
            deed.reads += [folder / Path(name).expanduser() for name in fed for folder in folders]
        yield deed


def _fed(text: str) -> Iterator[str]:
    """Go through the files that come in by `<`, or are read by a program whose output goes into another."""
    for found in _FROM_FILE.finditer(text):
        yield found[1] or found[2] or found[3]
    parts = [found[1] or found[2] or "" for found in _NESTED.finditer(text)]
    for part in [*parts, text] if "|" in text else parts:
        for words in map(_bare, _commands(part)):
            if words and Path(words[0]).name in READERS:
                yield from (word for word in words[1:] if not word.startswith("-"))


def _deeds(command: str, cwd: Path, *, depth: int = 0) -> Iterator[Deed]:
    if depth > DEPTH:
        yield Deed("external", cwd)
        return
    text, _ = _without_heredocs(command)
    folder = cwd
    for words in _commands(text):
        words = _bare(words)
        if not words:
            continue
        name = Path(words[0]).name
        if name == "cd" and len(words) > 1:
            folder = (folder / Path(words[-1]).expanduser()).resolve()
            continue
        if name in _SHELLS and "-c" in words[:-1]:
            yield from _deeds(words[words.index("-c") + 1], folder, depth=depth + 1)
            continue
        yield from _deeds_of(name, words, folder)
    for found in _NESTED.finditer(text):
        yield from _deeds(found[1] or found[2] or "", folder, depth=depth + 1)
    if _REDIRECT.search(text):
        yield Deed("file", folder)
    hosts = tuple(_URL.findall(text))
    if hosts:
        yield Deed("network", folder, hosts=hosts)


def _without_heredocs(command: str) -> tuple[str, list[str]]:
    """Take the bodies of here-documents out: they are no commands. They are looked at as a part of the whole text."""
    lines = command.split("\n")
    kept: list[str] = []
    bodies: list[str] = []
    waiting: list[str] = []
    for line in lines:
        if waiting:
            if line.strip() == waiting[0]:
                waiting.pop(0)
            else:
                bodies.append(line)
            continue
        kept.append(line)
        waiting += [found[2] for found in _HEREDOC.finditer(line)]
    return "\n".join(kept), bodies


def _commands(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").split("\n") if _splits(text) is None else [text]:
        tokens = _splits(line)
        if tokens is None:
            tokens = line.replace(";", " ; ").replace("&&", " && ").replace("|", " | ").split()
        words: list[str] = []
        for token in tokens:
            if token in _ENDS or set(token) <= set(";&|()\n"):
                yield words
                words = []
            else:
                words.append(token)
        yield words


def _splits(text: str) -> list[str] | None:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return None


def _bare(words: list[str]) -> list[str]:
    """Take away what stands before a command: assignments, reserved words, sudo and the like."""
    while words:
        name = Path(words[0]).name
        if _ASSIGNED.match(words[0]) or words[0] in _WORDS:
            words = words[1:]
        elif name in _WRAPPERS:
            takes = _WRAPPERS[name]
            words = words[1:]
            while words and (words[0].startswith("-") or words[0][:1].isdigit() or _ASSIGNED.match(words[0])):
                words = words[2:] if takes and words[0] == takes else words[1:]
        else:
            return words
    return words


def _deeds_of(name: str, words: list[str], folder: Path) -> Iterator[Deed]:
    if name == "git":
        yield from _git(words[1:], folder)
    elif name in FORGES:
        reads = [folder / one for one in _files(name, words)]
        if len(words) > 2 and words[2] not in ("list", "view", "status", "diff", "checks", "checkout", "clone"):
            yield Deed("pr", folder, tuple(words), reads, remote=_value(words, "-R", "--repo"))
    elif name in PUBLISH and PUBLISH[name] & set(words[1:]):
        yield Deed("package", folder, tuple(words), _manifests(folder))
    elif name in NETWORK:
        yield Deed(
            "network", folder, tuple(words), [folder / one for one in _files(name, words)], hosts=hosts_of(words[1:])
        )
    elif name in WRITERS:
        yield Deed("file", folder, tuple(words))


def _git(words: list[str], folder: Path) -> Iterator[Deed]:
    while words and words[0].startswith("-"):
        if words[0] in ("-C", "-c", "--git-dir", "--work-tree", "--namespace"):
            if words[0] == "-C" and len(words) > 1:
                folder = (folder / Path(words[1]).expanduser()).resolve()
            words = words[2:]
        else:
            words = words[1:]
    if not words:
        return
    verb, rest = words[0], words[1:]
    reads = [folder / one for one in _files("git", words)]
    if verb in ("commit", "notes", "merge", "revert", "cherry-pick", "am", "stash", "commit-tree"):
        yield Deed("commit", folder, tuple(rest), reads, amends="--amend" in rest)
    elif verb == "tag" and not {"-l", "--list", "-d", "--delete"} & set(rest) and rest:
        yield Deed("tag", folder, tuple(rest), reads)
    elif verb == "branch" or (
        verb in ("checkout", "switch", "worktree") and {"-b", "-B", "-c", "-C", "--orphan", "--create"} & set(rest)
    ):
        yield Deed("branch", folder, tuple(rest))
    elif verb == "push":
        plain = [word for word in rest if not word.startswith("-")]
        whole = {"--all", "--mirror", "--tags", "--branches"} & set(rest)
        refs = tuple(sorted(whole)) + tuple(ref.lstrip("+").partition(":")[0] for ref in plain[1:])
        yield Deed("push", folder, tuple(rest), remote=plain[0] if plain else "", refs=tuple(filter(None, refs)))
    elif verb in ("clone", "fetch", "pull", "ls-remote", "archive") and hosts_of(rest):
        yield Deed("network", folder, tuple(rest), hosts=hosts_of(rest))
    elif verb in ("send-email", "request-pull", "format-patch"):
        yield Deed("pr", folder, tuple(rest))


def _files(name: str, words: list[str]) -> Iterator[str]:
    """Go through the files that a command sends."""
    options = READS_FILE.get(name, set())
    for place, word in enumerate(words):
        head, equals, value = word.partition("=")
        following = words[place + 1] if place + 1 < len(words) else ""
        if head in options:
            found = value if equals else following
        elif name == "git" and word.startswith("-F") and len(word) > 2:
            found = word[2:]
        elif head in _AT_FILES and name == "curl":
            found = (value if equals else following).rpartition("@")[2] if "@" in (value or following) else ""
        else:
            found = ""
        if found and found != "-":
            yield found


def _value(words: list[str], *options: str) -> str:
    for place, word in enumerate(words):
        head, equals, value = word.partition("=")
        if head in options:
            return value if equals else words[place + 1] if place + 1 < len(words) else ""
    return ""


def hosts_of(words: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that words name: of URLs, of `user@host`, of `host.domain:path`."""
    found = []
    for word in words:
        url = _URL.match(word)
        if url is not None:
            found.append(url[1])
        elif _HOST.match(word):
            found.append(word.rpartition("@")[2].partition(":")[0])
    return tuple(found)


def _manifests(folder: Path) -> list[Path]:
    names = (
        "pyproject.toml",
        "setup.py",
        "setup.cfg",
        "package.json",
        "Cargo.toml",
        "README.md",
        "README.rst",
        "README",
    )
    return [folder / name for name in names if (folder / name).is_file()]
