"""Where a command can hide that no reader of shell finds: in what a program does with its own arguments.

`tmux new 'rm x'`, `git -c alias.x='!rm x' x` and `python -c "os.system('rm x')"` may run `rm x`. Which programs run
their arguments nobody can list, so only those are left alone that are known not to; for all others a rule that
restricts may be meant, and that is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pegboard.shell import Word
from pegboard.shell_wrappers import SHELLS, WRAPPERS, name_of
from pegboard_builtins.permissions.commands import Analysis, Command, analyse, form_of
from pegboard_builtins.permissions.grammar import ShellPattern

TAKES_WORDS_AS_DATA = frozenset(
    {
        *("alias", "apropos", "base64", "basename", "bat", "cat", "cd", "chmod", "chown", "cksum", "cmp", "comm"),
        *("cp", "cut", "date", "declare", "df", "diff", "dirname", "du", "echo", "egrep", "export", "expr", "false"),
        *("fgrep", "file", "fmt", "fold", "gh", "grep", "gzip", "head", "hexdump", "id", "info", "jq", "kill"),
        *("less", "let", "ln", "local", "ls", "md5sum", "mkdir", "more", "mv", "nl", "od", "paste", "pkill", "popd"),
        *("pgrep", "printf", "ps", "pushd", "pwd", "read", "readlink", "readonly", "realpath", "return", "rg", "rm"),
        *("rmdir", "seq", "sha1sum", "sha256sum", "shasum", "sleep", "sort", "stat", "strings", "sum", "tac", "tail"),
        *("tee", "test", "touch", "tr", "tree", "true", "type", "typeset", "uname", "uniq", "unlink", "unset", "wc"),
        *("whatis", "which", "whereis", "who", "whoami", "xxd", "yes", "yq", "zcat", "[", ":", "curl", "wget"),
        *("exit", "man", "set", "find", "wait", "shift", "break", "continue", "umask", "ulimit", "jobs", "fg", "bg"),
        *("getopts", "mktemp", "tput"),
    }
)
"""Programs that run nothing of what they are given (`sort --compress-program` aside, see `_RUNNING_OPTION`)."""
HAVE_VERBS = frozenset(
    {
        *("apk", "apt", "apt-get", "aws", "az", "brew", "bundle", "cargo", "conda", "dnf", "docker", "docker-compose"),
        *("dotnet", "gcloud", "gem", "git", "go", "helm", "hg", "kubectl", "launchctl", "npm", "pacman", "pip", "pip3"),
        *("pnpm", "podman", "poetry", "rails", "rustup", "snap", "svn", "systemctl", "terraform", "uv", "yarn", "yum"),
    }
)
"""Programs whose first word is a verb of their own: `docker rm` is not `rm`."""
GIT_KEEPS_TEXT = frozenset(
    {"add", "blame", "branch", "checkout", "commit", "diff", "grep", "log", "mv", "notes", "rm", "show", "stash", "tag"}
)
RUN_TEXT = frozenset(
    {
        *(
            "at",
            "awk",
            "batch",
            "bind",
            "bun",
            "crontab",
            "deno",
            "ed",
            "emacs",
            "ex",
            "expect",
            "gawk",
            "gdb",
            "julia",
            "lua",
        ),
        *("make", "mawk", "mysql", "nawk", "node", "nvim", "osascript", "perl", "php", "psql", "pwsh", "python", "R"),
        *("python2", "python3", "rake", "rsync", "ruby", "scp", "screen", "sqlite3", "ssh", "tar", "tclsh", "tmux"),
        *("vi", "vim", "zip"),
    }
)
"""Programs that can run a command which stands within a text of another language."""
_RUNNING_OPTION = re.compile(
    r"--(?:compress-program|pre\b|pager|exec|filter|to-command|checkpoint-action|rsh|use-compress)|-P$|\+"
)
"""Options whose value, here or in the next word, is a command; `+` is what less and its like begin with."""
SIGNS = 8
_RUNNING_SED = re.compile(r"(?:^|[;{}\n\d$/])\s*e\b|[/|#,]\s*[gpiIm\d]*e[gpiIm\d]*\s*(?:[;}\n]|$)")


def may_hide(pattern: ShellPattern, analysis: Analysis) -> bool:
    """Whether a command that the pattern matches may be hidden in the arguments of another."""
    words = pattern.prefix.split()
    if not words or not all(word in analysis.said for word in words):
        return False
    ending = r"(?![\w-])" if pattern.whole else ""
    mention = re.compile(r"(?<![\w-])" + r"\W+".join(re.escape(word) for word in words) + ending)
    if analysis.runs_its_own and mention.search(analysis.said):
        return True
    return any(_hides(pattern, mention, command) for command in analysis.commands)


def _hides(pattern: ShellPattern, mention: re.Pattern[str], command: Command) -> bool:
    for run in command.runs:
        name = name_of(run[0])
        if any(mention.search(text) for text in _texts_that_run(name, run, command)):
            return True
        if name in TAKES_WORDS_AS_DATA or name in SHELLS or name in WRAPPERS:
            continue
        if name == "git" and len(run) > 1 and run[1].text in GIT_KEEPS_TEXT:
            continue
        first = 2 if name in HAVE_VERBS else 1
        if any(_is_one(pattern, run[place:]) for place in range(first, len(run))):
            return True
        if any(" " in word.text and _holds_one(pattern, mention, word) for word in run[1:]):
            return True
    return any(mention.search(_value_of(word)) for word in _assignments(command))


def _is_one(pattern: ShellPattern, words: tuple[Word, ...]) -> bool:
    """Whether these words, were they a command, would match."""
    name = name_of(words[0])
    if not name or not pattern.prefix.startswith((name, words[0].text)):
        return False
    named = (Word(name, name, words[0].certain), *words[1:])
    return pattern.matches(form_of(words).text) or pattern.matches(form_of(named).text)


def _holds_one(pattern: ShellPattern, mention: re.Pattern[str], word: Word) -> bool:
    """Whether a word that has blanks in it, were it a script, would run such a command."""
    if not mention.search(word.text):
        return False
    # `--filter=rm x`, `EXEC:rm x` and `+!rm x` hold one behind a sign.
    ends = (match.end() for match in islice(re.finditer(r"[=:!|+]+", word.text), SIGNS))
    for text in (word.text, *(word.text[end:] for end in ends)):
        inner = analyse(text)
        if inner.problems or any(pattern.matches(form.text) for form in inner.forms):
            return True
    return False


def _texts_that_run(name: str, run: tuple[Word, ...], command: Command) -> Iterator[str]:
    for place, word in enumerate(run[1:], 1):
        if _RUNNING_OPTION.match(word.text):
            yield from (other.text for other in run[place : place + 2])
    if name == "gh" and run[1:] and run[1].text == "alias":
        yield from (word.text for word in run[2:])
    if name == "sed":
        yield from (word.text for word in run[1:] if _RUNNING_SED.search(word.text))
    base = name.rstrip("0123456789.")
    if name == "git" and len(run) > 1 and (run[1].text.startswith("-") or run[1].text not in GIT_KEEPS_TEXT):
        yield from (word.text for word in run[1:] if re.search(r"[\s!=]", word.text))
    elif name in RUN_TEXT or base in RUN_TEXT:
        yield from (word.text for word in run[1:] if re.search(r"\W", word.text))
        for redirect in command.redirects:
            yield redirect.body
            if redirect.op == "<<<" and redirect.target is not None:
                yield redirect.target.text


def _assignments(command: Command) -> Iterator[Word]:
    """Yield what a command sets: programs take commands from variables, such as PAGER and GIT_SSH_COMMAND."""
    for word in command.simple.words:
        if word.assigned:
            yield word


def _value_of(word: Word) -> str:
    return word.text.partition("=")[2]
