#!/usr/bin/env python3
# /// hook
# name = "conventional-commits"
# summary = "Refuses a commit whose message does not have the form of Conventional Commits"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreToolUse]]
# matcher = "Bash"
# [[hooks.PreToolUse.hooks]]
# type = "command"
# if = "Bash(git *)"
# command = 'python3 "{hook}"'
# timeout = 10
# ///
"""Refuses a commit whose message does not have the form of Conventional Commits: `type(scope)!: subject`.

It reads messages from -m, --message, -F, --file, a here-document, and from `-m "$(cat <<'EOF' ...)"`, which is how
agents like to write them. Merges, reverts, fixups and commits that keep their message are left alone.

Install: `pegboard hooks add conventional-commits`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not catch: a message from an editor, a variable or a script, and commits that another program makes. A
commit-msg hook of git itself sees them all; this one tells the model before it has tried.
"""

import re

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

TYPES = ["feat", "fix", "docs", "style", "refactor", "perf", "test", "build", "ci", "chore", "revert"]
LONGEST = 72
FORM = re.compile(rf"^({'|'.join(TYPES)})(\([\w ./,-]+\))?!?: \S.*$")
LEFT_ALONE = re.compile(r"^(Merge |Revert \"|fixup! |squash! |amend! )")
FROM_CAT = re.compile(r"^\$\(\s*cat\s+<<-?\s*(['\"]?)(\w+)\1\s*\n(.*?)\n[ \t]*\2\s*\)$", re.DOTALL)
GIT_VALUES = ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path")


@hook.on("PreToolUse", matcher="Bash")
def check(event: hook.PreToolUse):
    """Refuse a commit with a message of another form."""
    try:
        commands = hook.shell_commands(event.command)
    except hook.ShellSyntaxError:
        return None  # the shell will say so itself
    for command in commands:
        message = message_of(command, event)
        problem = problem_of(message) if message is not None else ""
        if problem:
            return hook.deny(
                f"{problem} The form is `type(scope): subject` with one of {', '.join(TYPES)}; a `!` before the colon "
                "marks a breaking change. Commit again with such a message."
            )
    return None


def message_of(command, event):
    """Return the message of a `git commit`; None if this is none, or if nobody can read it off."""
    words = list(command.words)
    if command.name != "git":
        return None
    while len(words) > 1 and words[1].startswith("-"):
        del words[1 : 3 if words[1] in GIT_VALUES else 2]
    if words[1:2] != ["commit"]:
        return None
    rest = words[2:]
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--message", "--file"):
            given = value if equals else next(iter(rest), None)
            sure = word.sure if equals else getattr(given, "sure", True)
            return read_off(given, sure) if name == "--message" else text_of(given, command, event)
        bundle = re.match(r"^-([a-zA-Z]*?)([mFcCt])(.*)$", word, re.DOTALL) if not word.startswith("--") else None
        if bundle:
            given = bundle[3] or next(iter(rest), None)
            if bundle[2] == "m":
                return read_off(given, word.sure if bundle[3] else getattr(given, "sure", True))
            return text_of(given, command, event) if bundle[2] == "F" else None
        if word == "--":
            break
    return None


def read_off(given, sure):
    """Return a message as git gets it; None where there is none, or a variable decides."""
    if given is None or sure:
        return given
    cat = FROM_CAT.match(given)
    return cat[3] if cat else None


def text_of(name, command, event):
    """Return the message in a file, or in the here-document for `-F -`."""
    if name == "-":
        return next((str(target) for operator, target in command.redirects if operator in ("<<", "<<<")), None)
    try:
        with open(event.path_of(name or ""), encoding="utf-8", errors="replace") as file:
            return file.read(10_000)
    except OSError:
        return None


def problem_of(message):
    """Return what is wrong with a message; empty if nothing is."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    while lines and not lines[0].strip():
        del lines[0]
    if not lines:
        return "The commit message is empty."
    if LEFT_ALONE.match(lines[0]):
        return ""
    if not FORM.match(lines[0]):
        return f"The subject {lines[0]!r} has not the form of Conventional Commits."
    if len(lines[0]) > LONGEST:
        return f"The subject has {len(lines[0])} characters; {LONGEST} is the most."
    if len(lines) > 1 and lines[1].strip():
        return "The second line of the message must be empty."
    return ""


hook.run()
