#!/usr/bin/env python3
# /// hook
# name = "protect-paths"
# summary = "Keeps secrets, keys, git's own files and settings of agents from being changed"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreToolUse]]
# matcher = "Write|Edit|MultiEdit|NotebookEdit|Bash"
# [[hooks.PreToolUse.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 10
# on_error = "closed"
# ///
"""Keeps secrets, keys, git's own files and settings of agents from being changed.

The patterns are below; a file `.protected-paths` in the project adds its own, one a line, as in a .gitignore, and
lines with `!` take something out again. Links are followed, letter case does not count. To keep files unread as well,
add `Read|Grep` to the matcher: the hook looks at the path of any tool.

Install: `pegboard hooks add protect-paths`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not catch: of shell commands it sees redirections and the arguments of programs that are known to write
(the list is below). Scripts, `python -c`, variables, `cd` into a protected folder by way of a variable, hard links
that were made before, and MCP tools with other names for their paths are out of its sight.
"""

import os

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

PROTECTED = [
    ".env",
    ".env.*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa",
    "id_ecdsa",
    "id_ed25519",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git/",
    "~/.ssh/",
    "~/.aws/",
    "~/.gnupg/",
    ".claude/settings*.json",
    ".pegboard/",
    ".protected-paths",
]
EXCEPT = [".env.example", ".env.sample", ".env.template", ".pegboard/sessions/"]
WRITERS = {"rm", "rmdir", "mv", "cp", "tee", "touch", "truncate", "ln", "install", "shred", "chmod", "chown", "unlink"}
WRITERS_WITH_OPTION = {"sed": ("-i", "--in-place"), "perl": ("-i",), "sort": ("-o", "--output")}


@hook.on("PreToolUse")
def guard(event: hook.PreToolUse):
    """Refuse a call that would change a protected file."""
    protected, exceptions = patterns(event.project)

    def hit(path):
        path = os.path.join(folder, os.path.expanduser(path))
        found = hook.matches(path, protected, event.project)
        # By where it leads: an example that is a link to the real thing is no example.
        return "" if found and hook.matches(os.path.realpath(path), exceptions, event.project) else found

    folder = event.cwd
    if event.path and hit(event.path):
        return refusal(event.path, hit(event.path))
    if not event.command:
        return None
    try:
        commands = hook.shell_commands(event.command)
    except hook.ShellSyntaxError as wrong:
        return hook.ask(f"This command cannot be read ({wrong}), so nobody knows which files it changes.")
    for command in commands:
        if command.name == "cd" and command.args:
            folder = os.path.join(folder, os.path.expanduser(command.args[-1]))
        for path in written_by(command):
            if hit(path):
                return refusal(path, hit(path))
    return None


def patterns(project):
    """Return (protected, exceptions), those of the project's own file included."""
    protected, exceptions = list(PROTECTED), list(EXCEPT)
    try:
        with open(os.path.join(project, ".protected-paths"), encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except FileNotFoundError:
        lines = []
    for line in lines:
        if line.startswith("!"):
            exceptions.append(line[1:])
        elif line and not line.startswith("#"):
            protected.append(line.lstrip("/"))
    return protected, exceptions


def written_by(command):
    """Go through the files that a command names and may write."""
    for operator, target in command.redirects:
        if ">" in operator and not target.isdigit():
            yield target
    writes = command.name in WRITERS or command.has(*WRITERS_WITH_OPTION.get(command.name, ()))
    if writes:
        for arg in command.args:
            yield arg.partition("=")[2] if arg.startswith("--") else arg
    if command.name == "dd":
        yield from (arg[3:] for arg in command.args if arg.startswith("of="))


def refusal(path, pattern):
    return hook.deny(
        f"{path} is protected (pattern {pattern}). Leave it as it is; tell the user what should be changed in it."
    )


hook.run()
