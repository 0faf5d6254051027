"""What a simple command really runs: `sudo env A=b timeout 5 rm x` runs `rm x`, `sh -c "a; b"` runs two commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pegboard.shell import OPENERS, Word

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "mksh", "rbash"})
FOLLOWS = Word("", "", certain=0)
"""Stands for words that only come while running, as xargs adds them."""


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A program that runs another: how its own options end.

    `values` are the short options that take a value, `long` the long ones that take it as the next word;
    `flags` the short ones that take none. `skip` counts its own operands before the command, `assigns` says that
    VAR=x may stand there, `feeds` that more words come while running; with a `query` option nothing is run.
    `harmless` ones give the command no further power, so that a rule that allows the command allows it in this dress.
    """

    values: str = ""
    flags: str = ""
    long: frozenset[str] = frozenset()
    skip: int = 0
    assigns: bool = False
    feeds: bool = False
    harmless: bool = False
    query: str = ""


def _long(*names: str) -> frozenset[str]:
    return frozenset(f"--{name}" for name in names)


WRAPPERS: dict[str, Wrapper] = {
    "env": Wrapper("uCS", "i0v", _long("unset", "chdir", "split-string"), assigns=True),
    "sudo": Wrapper(
        "ugUhpCrtTDRa",
        "AbEeHiKklnPSsVvBN",
        _long("user", "group", "host", "prompt", "close-from", "role", "type", "chdir", "chroot", "other-user"),
        assigns=True,
    ),
    "doas": Wrapper("uCa", "nsL"),
    "timeout": Wrapper("ks", "vfp", _long("kill-after", "signal"), skip=1, harmless=True),
    "nice": Wrapper("n", "0123456789", _long("adjustment"), harmless=True),
    "ionice": Wrapper("cnpPu", "t", _long("class", "classdata")),
    "chrt": Wrapper("TPD", "abfiormpvd", skip=1),
    "taskset": Wrapper("", "acp", skip=1),
    "nohup": Wrapper(harmless=True),
    "time": Wrapper("fo", "pvaqVl", _long("format", "output")),
    "command": Wrapper("", "p", harmless=True, query="vV"),
    "builtin": Wrapper(),
    "exec": Wrapper("a", "cl"),
    "xargs": Wrapper(
        "adEILnPs",
        "0oprtxeil",
        _long("arg-file", "delimiter", "max-lines", "max-args", "max-procs", "max-chars", "process-slot-var"),
        feeds=True,
    ),
    "parallel": Wrapper("jNnaIdS", "0kvtuX", _long("jobs", "arg-file", "colsep"), feeds=True),
    "stdbuf": Wrapper("ioe", "", _long("input", "output", "error")),
    "setsid": Wrapper("", "cfw"),
    "unbuffer": Wrapper("", "p"),
    "chroot": Wrapper("", "", _long("userspec", "groups"), skip=1),
    "flock": Wrapper("wE", "sxeonuF", _long("wait", "timeout", "conflict-exit-code"), skip=1),
    "strace": Wrapper("aeEoOpPsSuXbI", "cCdfFhiqrtTvVxyDkwzZ"),
    "ltrace": Wrapper("aeFlnopsuwxX", "bcCfhiLrStTV"),
    "watch": Wrapper("nq", "bcdegptwx", _long("interval", "equexit")),
    "busybox": Wrapper(),
    "toybox": Wrapper(),
    "systemd-run": Wrapper("pEutHMG", "dPqrS", _long("unit", "property", "setenv", "uid", "gid", "description")),
    "unshare": Wrapper("GSRw", "mupinUCTfrc"),
    "nsenter": Wrapper("tSGW", "amuinpCTUrFZ", _long("target")),
    "runuser": Wrapper("ugGsw", "lmpfP", _long("user", "group")),
    "pkexec": Wrapper("", "", _long("user")),
    "caffeinate": Wrapper("tw", "dimsu"),
    "arch": Wrapper("de", ""),
    "rlwrap": Wrapper("CDHPSabfglmopqstw", ""),
    "firejail": Wrapper(),
    "fakeroot": Wrapper("lsib", "uhv"),
    "dbus-run-session": Wrapper(),
    "xvfb-run": Wrapper("enfps", "a", _long("server-args", "server-num", "error-file")),
    "coproc": Wrapper(),
    "-": Wrapper(),
}
JOINED = frozenset({"eval", "watch"})
"""Their words, joined with blanks, are a script."""
COMMAND_OPTION = frozenset({*SHELLS, "su", "script", "flock", "runuser", "fish"})
"""The value of their -c is a script."""
WORD_OPTIONS = frozenset({"expand_aliases", "dotglob", "extglob", "globstar", "nocaseglob"})
"""Options of bash with which later words mean something else."""
MAX_READINGS = 20
GIT_VALUES = frozenset(
    {
        *("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--super-prefix", "--config-env", "--attr-source"),
        "--list-cmds",
    }
)
INTERPRETERS = frozenset(
    {"bun", "deno", "julia", "lua", "node", "osascript", "perl", "php", "python", "Rscript", "ruby", "tclsh"}
)
ASKING_GIT = frozenset({"--get", "--get-all", "--get-regexp", "--list", "-l", "--unset", "get", "list", "unset"})
"""Words with which `git config` changes no alias."""
MOVES_BY = {"env": ("-C", "--c"), "sudo": ("-D", "--chd"), "unshare": ("-w", "--w"), "nsenter": ("-w", "--w")}
"""Wrappers with an option that runs the command in another folder, by how it begins."""


def name_of(word: Word) -> str:
    """Return a command's name without its folder."""
    return word.text.rpartition("/")[2]


def plain_words(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the words without the assignments and reserved words in front."""
    at = 0
    while at < len(words) and (words[at].assigned or (words[at].raw in OPENERS and not words[at].quoted)):
        at += 1
    return words[at:]


def inner_commands(words: tuple[Word, ...]) -> Iterator[tuple[Word, ...]]:
    """Yield the commands that this one runs, one level down: several where its options can be read two ways."""
    if not words:
        return
    name = name_of(words[0])
    wrapper = WRAPPERS.get(name)
    if wrapper is not None:
        for rest in _after_options(wrapper, words[1:], wrapper.skip):
            yield _fed(words, rest) if wrapper.feeds else rest
        if name == "coproc":
            yield words[2:]  # `coproc NAME { rm x; }`
    elif name == "find":
        yield from _find_commands(words)
    elif name in SHELLS or name in ("source", "."):
        rest = _script_file(words[1:])
        if rest:
            yield rest
    elif name == "git":
        yield from _git_without_options(words)


def inner_scripts(words: tuple[Word, ...]) -> Iterator[Word]:
    """Yield the scripts that this command runs, as words: `sh -c SCRIPT`, `eval WORDS`, `env -S SCRIPT`."""
    if not words:
        return
    name = name_of(words[0])
    rest = words[1:]
    if name in COMMAND_OPTION:
        script = _command_option(rest)
        if script is not None:
            yield script
    if name in JOINED:
        yield joined(rest[1:] if rest[:1] and rest[0].text == "--" else rest)
    if name == "env":
        yield from _split_strings(rest)
    if name == "trap":
        yield from [word for word in rest if word.text not in ("--", "-")][:1]
    if name == "alias":
        yield from (Word(word.text.partition("=")[2], word.raw, word.certain and 0) for word in rest)
    if name in ("mapfile", "readarray", "complete", "compgen", "bind"):
        yield from (word for word in rest if not word.text.startswith("-"))
    if name == "ssh" and len(rest) > 1:
        yield joined(rest[1:])


def reads_its_script(words: tuple[Word, ...]) -> bool:
    """Whether this is a shell that takes its commands from its standard input, where nobody sees them."""
    if not words or name_of(words[0]) not in {*SHELLS, "source", "."}:
        return words[:1] != () and name_of(words[0]) == "parallel" and all(w.text.startswith("-") for w in words[1:])
    for word in words[1:]:
        if word.text == "-s":
            return True
        if word.text in ("-", "/dev/stdin", "/dev/fd/0") or word.text.startswith(("/dev/fd/", "<(")):
            return True
        if word.text.startswith(("-", "+")):
            if _is_bundle(word.text) and "c" in word.text:
                return False
            continue
        return False
    return name_of(words[0]) in SHELLS


def interprets_its_input(words: tuple[Word, ...]) -> bool:
    """Whether this is an interpreter of another language that takes its program from its standard input."""
    name = name_of(words[0]).rstrip("0123456789.")
    rest = words[1:]
    if name not in INTERPRETERS and name not in ("make", "gmake"):
        return False
    if any(word.raw.startswith("<(") or word.text.startswith("/dev/fd/") for word in rest):
        return True
    if name not in INTERPRETERS:
        return any(word.text in ("-", "/dev/stdin") for word in rest)
    return all(re.fullmatch(r"-[uEsIqiBOSbdvxwWn]*|/dev/stdin", word.text) for word in rest)


def runs_what_it_reads(words: tuple[Word, ...]) -> bool:
    """Whether sed or awk is told to run commands that do not stand in its own text."""
    name = name_of(words[0])
    if name in ("sed", "gsed"):
        return any(_SED_RUNS.search(word.text) for word in _sed_scripts(words[1:]))
    if name.removeprefix("busybox ") in ("awk", "gawk", "mawk", "nawk"):
        programs = [word.text for word in words[1:] if re.search(r"\{|system|getline", word.text)]
        return any(_AWK_RUNS.search(_AWK_TEXTS.sub('""', _AWK_PATTERNS.sub(r"\1", text))) for text in programs)
    return False


_SED_RUNS = re.compile(r"(?:^|[;{}\n\d$/])\s*e\s*(?:[;}\n]|$)|s([/|#,:@!])(?:(?!\1).)*\1(?:(?!\1).)*\1[gpiImM\d]*e")
_AWK_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"')
_AWK_PATTERNS = re.compile(r"((?:^|[,({;!~&|]|\n)\s*)/(?:[^/\\\n]|\\.)*/")
_AWK_RUNS = re.compile(
    r'\bsystem\s*\(\s*(?!""\s*\))|(?<!\|)\|&?+\s*+(?!\||""|&|getline)|\|&?\s*""\s*[\w($]|[\w)\]]\s*\|&?\s*getline'
)


def _sed_scripts(words: tuple[Word, ...]) -> Iterator[Word]:
    given = [at for at, word in enumerate(words) if re.fullmatch(r"-[a-zA-Z]*e|--expression", word.text)]
    yield from (words[at + 1] for at in given if at + 1 < len(words))
    yield from (word for word in words if word.text.startswith("--expression="))
    if not given:
        yield from [word for word in words if not word.text.startswith("-")][:1]


def changes_what_words_mean(words: tuple[Word, ...]) -> bool:
    """Whether commands no longer run what their words say: aliases (of git, too), hashed paths, loaded built-ins."""
    name, texts = name_of(words[0]), [word.text for word in words[1:]]
    if name == "hash":
        return any(text.startswith("-") and "p" in text for text in texts)
    if name == "enable":
        return any(text.startswith("-") and ("f" in text or "n" in text) for text in texts)
    if name == "git":
        aliases = any(text.lower().removeprefix("--config-env=").startswith("alias.") for text in texts)
        asks = not ASKING_GIT.isdisjoint(texts)
        return aliases and not asks and (texts[0].startswith("-") or texts[0] == "config")
    return (name == "shopt" and not WORD_OPTIONS.isdisjoint(texts)) or (name == "set" and "posix" in texts)


# --- options -------------------------------------------------------------------------------------------


def _after_options(wrapper: Wrapper, words: tuple[Word, ...], skip: int) -> Iterator[tuple[Word, ...]]:
    """Yield what stands after a wrapper's own words; an option that nobody knows is read with and without a value."""
    starts, seen, at = {0}, set[int](), 0
    while starts:
        at = min(starts)
        starts.remove(at)
        if at >= len(words):
            continue
        text = words[at].text
        if text == "--":
            seen.add(at + 1)
        elif wrapper.assigns and words[at].assigned:
            starts.add(at + 1)
        elif not text.startswith("-") or (text == "-" and not wrapper.assigns):
            seen.add(at)
        elif not any(letter in wrapper.query for letter in text[1:]) or text.startswith("--"):
            takes = _takes_next(wrapper, text)
            starts |= {at + 1, at + 2} if takes is None else {at + 2} if takes else {at + 1}
    for end in sorted(seen)[:MAX_READINGS]:
        while wrapper.assigns and end < len(words) and words[end].assigned:
            end += 1
        if words[end + skip :]:
            yield words[end + skip :]


def _fed(words: tuple[Word, ...], command: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the command of an xargs with its gaps: where `{}` (or what -I says) stands, and at its end."""
    token = "{}"
    for at, word in enumerate(words[: len(words) - len(command)]):
        if word.text in ("-I", "--replace"):
            token = words[at + 1].text
        elif word.text.startswith(("-I", "--replace=")):
            token = word.text[2:] if word.text.startswith("-I") else word.text.partition("=")[2]
    given = [place for place, word in enumerate(command) if word.text.startswith(":::")]
    if given and name_of(words[0]) == "parallel":
        command = command[: given[0]]  # what follows are the words that it is run with
    return (*(_with_gap(word, token) for word in command), FOLLOWS)


def _with_gap(word: Word, token: str) -> Word:
    at = word.text.find(token) if token else -1
    if at < 0:
        return word
    return Word(word.text, word.raw, at if word.certain is None else min(at, word.certain), word.quoted)


def _takes_next(wrapper: Wrapper, option: str) -> bool | None:
    """Whether the option's value is the next word; None if nobody knows."""
    if option.startswith("--"):
        name = option.partition("=")[0]
        if "=" in option:
            return False
        return True if any(known.startswith(name) for known in wrapper.long) else None
    for place, letter in enumerate(option[1:], 1):
        if letter in wrapper.values:
            return place == len(option) - 1
        if letter not in wrapper.flags:
            return None
    return False


def _script_file(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the file that a shell runs, with its arguments; nothing where its commands come from elsewhere."""
    for at, word in enumerate(words):
        if word.text.startswith(("-", "+")) and word.text not in ("-", "--"):
            if _is_bundle(word.text) and "c" in word.text:
                return ()
            continue
        if word.text in ("-", "--"):
            continue
        return words[at:]
    return ()


def _is_bundle(text: str) -> bool:
    return text.startswith(("-", "+")) and not text.startswith("--") and len(text) > 1


def _command_option(words: tuple[Word, ...]) -> Word | None:
    """Return the script of `-c SCRIPT`, also in a bundle (`-lc`) or as `--command=SCRIPT`."""
    for at, word in enumerate(words):
        if word.text.startswith("--command="):
            return Word(word.text.partition("=")[2], word.raw, None if word.certain is None else 0, word.quoted)
        if word.text == "--command" or (word.text[:1] == "-" and _is_bundle(word.text) and "c" in word.text):
            return _first_operand(words[at:])
    return None


def _first_operand(words: tuple[Word, ...]) -> Word | None:
    """Return the first word after all options: that is the script, also in `sh -c -o pipefail SCRIPT`."""
    at = 0
    while at < len(words):
        text = words[at].text
        if _is_bundle(text):
            at += 2 if text[-1] in "oO" else 1
        elif text.startswith("--"):
            at += 1
        else:
            return words[at]
    return None


def joined(words: tuple[Word, ...]) -> Word:
    """Return several words as one, certain as far as all of it is."""
    text = ""
    certain: int | None = None
    for place, word in enumerate(words):
        text += " " if place else ""
        if word.certain is not None and certain is None:
            certain = len(text) + word.certain
        text += word.text
    return Word(text, text, certain, True)


def _split_strings(words: tuple[Word, ...]) -> Iterator[Word]:
    for at, word in enumerate(words):
        text = word.text
        if text.startswith("--split-string="):
            yield joined((Word(text.partition("=")[2], "", word.certain and 0), *words[at + 1 :]))
        elif text in ("-S", "--split-string") or (_is_bundle(text) and text.endswith("S")):
            yield joined(words[at + 1 :])
        elif _is_bundle(text) and "S" in text:
            yield joined((Word(text.partition("S")[2], "", word.certain and 0), *words[at + 1 :]))


def _find_commands(words: tuple[Word, ...]) -> Iterator[tuple[Word, ...]]:
    """Yield what `find` runs with -exec and its kin, and -delete as the rm that it is."""
    for at, word in enumerate(words):
        if word.text in ("-exec", "-execdir", "-ok", "-okdir"):
            rest = words[at + 1 :]
            ends = [place for place, other in enumerate(rest) if other.text in (";", "+")]
            command = rest[: ends[0]] if ends else rest
            yield tuple(_with_gap(other, "{}") for other in command)
        elif word.text == "-delete":
            yield (Word("rm", "rm"), FOLLOWS)


def _git_without_options(words: tuple[Word, ...]) -> Iterator[tuple[Word, ...]]:
    """Yield `git push` for `git -C /x -c a=b push`; an option that nobody knows may have taken the next word."""
    at = 1
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in GIT_VALUES else 1
    if at == 1 or at >= len(words):
        return
    yield (words[0], *words[at:])
    if re.fullmatch(r"--[a-z-]+", words[at - 1].text) and at + 1 < len(words):
        yield (words[0], *words[at + 1 :])
