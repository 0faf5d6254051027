#!/usr/bin/env python3
# /// hook
# name = "block-dangerous-commands"
# summary = "Refuses shell commands that destroy what cannot be brought back, and asks about those that might"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreToolUse]]
# matcher = "Bash"
# [[hooks.PreToolUse.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 10
# on_error = "closed"
# ///
"""Refuses shell commands that destroy what cannot be brought back, and asks about those that might.

Refused: removing, or opening to everybody, a system folder, a home, the project or its history; writing to a disk;
running what was just downloaded; force pushes; shutting down. Asked about: what throws work away (`git reset --hard`,
`git clean -f`), publishes, or destroys in the cloud. The tables below are meant to be edited.

Install: `pegboard hooks add block-dangerous-commands`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not catch: it reads the command and runs nothing, so a script, an alias, `python -c`, `make`, a variable
that holds a command, another machine behind ssh, and any other tool than the shell are out of its sight. It is a net
under mistakes, not a wall against somebody who wants through; for that there are sandboxes and permission rules.
"""

import os
import re

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

REFUSED_PROGRAMS = {
    "mkfs": "makes a file system on a disk",
    "fdisk": "changes the partitions of a disk",
    "parted": "changes the partitions of a disk",
    "wipefs": "wipes a disk",
    "blkdiscard": "wipes a disk",
    "shutdown": "stops this machine",
    "reboot": "stops this machine",
    "halt": "stops this machine",
    "poweroff": "stops this machine",
}
REFUSED = [
    # what the command begins with (options of git itself left out), what makes it dangerous, and what to do instead
    (("git", "push"), ("-f", "--force"), "rewrites history that others have; use --force-with-lease"),
    (("git", "push"), ("--mirror",), "deletes whatever is on the other side only"),
    (("kill",), ("-1",), "kills every process of the user; name the process"),
]
ASKED = [
    (("git", "reset"), ("--hard",), "throws away uncommitted work"),
    (("git", "checkout"), (".",), "throws away uncommitted work"),
    (("git", "restore"), (".",), "throws away uncommitted work"),
    (("git", "clean"), ("-f", "--force"), "deletes files that git does not know"),
    (("git", "branch"), ("-D",), "deletes a branch that may not be merged"),
    (("git", "push"), ("-d", "--delete"), "deletes a branch on the other side"),
    (("git", "stash"), ("drop", "clear"), "throws away stashed work"),
    (("git", "filter-branch"), (), "rewrites all of the history"),
    (("git", "commit"), ("--no-verify", "-n"), "goes round the checks of this repository"),
    (("terraform", "destroy"), (), "destroys infrastructure"),
    (("kubectl", "delete"), (), "deletes from a cluster"),
    (("docker", "system", "prune"), (), "deletes images and volumes"),
    (("aws", "s3", "rm"), ("--recursive",), "deletes from a bucket"),
    (("npm", "publish"), (), "publishes, which cannot be taken back"),
    (("twine", "upload"), (), "publishes, which cannot be taken back"),
    (("cargo", "publish"), (), "publishes, which cannot be taken back"),
    (("crontab",), ("-r",), "deletes all of the user's jobs"),
]
INTERPRETER = re.compile(r"(sh|bash|dash|zsh|ksh|fish|python[\d.]*|node|perl|ruby)$")
DOWNLOADERS = ("curl", "wget")
GIT_VALUES = ("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path")
DISK = re.compile(r"^/dev/(sd|hd|vd|nvme|mmcblk|disk|mapper/|dm-)")
FORK_BOMB = re.compile(r"(\S+)\s*\(\)\s*\{\s*\1\s*\|\s*\1\s*&\s*\}")
VARIABLE = re.compile(r"\$(\w+|\{\w+\})")
EXPANSION = re.compile(r"\$(\w+|\{[^}]*\}|\(.*\))|`.*`")
HOME = re.compile(r"\$(HOME|\{HOME\})(/|$)")
SQL = re.compile(r"\b(drop\s+(table|database|schema)|truncate\s+table|delete\s+from\s+\w+\s*(;|$))", re.IGNORECASE)


@hook.on("PreToolUse", matcher="Bash")
def guard(event: hook.PreToolUse):
    """Look at each simple command of the call; the strictest answer counts."""
    if FORK_BOMB.search(event.command):
        return hook.deny("This is a fork bomb.")
    try:
        commands = hook.shell_commands(event.command)
    except hook.ShellSyntaxError as wrong:
        return hook.ask(f"This command cannot be read ({wrong}), so nobody knows what it does.")
    folder, answer = event.cwd, hook.pass_()
    downloads = any(command.name in DOWNLOADERS for command in commands)
    for command in commands:
        if command.name == "cd" and command.args and command.args[-1].sure:
            folder = os.path.join(folder, os.path.expanduser(command.args[-1]))
        answer += judge(command, folder, event.project, downloads=downloads)
    return answer


def judge(command, folder, project, *, downloads):
    """Return what is to be said about one simple command, run in *folder*."""
    for operator, target in command.redirects:
        if ">" in operator and DISK.match(target):
            return hook.deny(f"`{operator} {target}` overwrites a disk.")
    name, said = command.name, " ".join(command.words)
    program = name.partition(".")[0]  # mkfs.ext4
    if program in REFUSED_PROGRAMS and not command.has("--help", "--version"):
        return hook.deny(f"`{said}` {REFUSED_PROGRAMS[program]}.")
    if name == "dd" and any(arg.startswith("of=") and DISK.match(arg[3:]) for arg in command.args):
        return hook.deny(f"`{said}` overwrites a disk.")
    if name in ("rm", "chmod", "chown", "chgrp", "shred") or not command.is_sure:
        found = about_files(command, folder, project)
        if found is not None:
            return found
    if downloads and runs_what_it_is_fed(command):
        return hook.deny(f"`{said}` runs what was just downloaded. Save it to a file and read it first.")
    if name in ("psql", "mysql", "mariadb", "sqlite3") and SQL.search(said):
        return hook.ask(f"`{said}` deletes from a database.")
    if fits(command, ("git", "push"), ()) and any(arg.startswith("+") for arg in command.args):
        return hook.deny(f"`{said}` forces a push by its +; use --force-with-lease.")
    for table, answer in ((REFUSED, hook.deny), (ASKED, hook.ask)):
        for start, options, why in table:
            if fits(command, start, options):
                return answer(f"`{said}` {why}.")
    return hook.pass_()


def about_files(command, folder, project):
    """Judge a command that removes or changes files with all that is in them; None if it is harmless."""
    if not command.has("-r", "-R", "--recursive", "-f", "--force") and command.name != "shred":
        return None
    said, vital = " ".join(command.words), vital_places(project)
    for arg in command.args:
        if arg.startswith("-"):
            continue
        place = place_of(VARIABLE.sub("~", arg, count=1) if HOME.match(arg) else arg, folder)
        if place in vital:
            return hook.deny(f"`{said}` is about {place}, which must stay. Name what you mean more narrowly.")
        if not arg.sure and EXPANSION.sub("", arg) and place_of(EXPANSION.sub("", arg), folder) in vital:
            return hook.ask(f"`{said}` is about {arg}; if what is expanded in it is empty, that is too much.")
    return None


def place_of(text, folder):
    """Return the folder that an argument means, a star at its end left out."""
    text = re.sub(r"(/(\*|\.\*|\.)?)+$", "", text) or "/"
    text = "." if text in ("*", "./*", ".*") else text
    return os.path.realpath(os.path.join(folder, os.path.expanduser(text)))


def vital_places(project):
    """Return the folders that must never go: the root, what is in it, home, and the project with all above it."""
    home, project = os.path.expanduser("~"), os.path.realpath(project)
    places = {"/", os.path.realpath(home), project, os.path.join(project, ".git")}
    places.update(os.path.realpath(entry) for entry in map("/".__add__, os.listdir("/")))
    while project != os.path.dirname(project):
        project = os.path.dirname(project)
        places.add(project)
    return places


def runs_what_it_is_fed(command):
    """Whether an interpreter takes its program from a pipe or a substitution."""
    if command.name in ("eval", "source", "."):
        return any(not arg.sure and names_a_downloader(arg) for arg in command.args)
    if not INTERPRETER.match(command.name):
        return False
    if any(not arg.sure and names_a_downloader(arg) for arg in command.args):
        return True
    files = [arg for arg in command.args if not arg.startswith("-")]
    return command.reads_pipe and (not files or command.has("-s")) and not command.has("-c", "-e", "-m")


def names_a_downloader(text):
    return any(re.search(rf"\b{name}\b", text) for name in DOWNLOADERS)


def fits(command, start, options):
    """Whether a command begins with the words *start* and has one of *options*, where any are named."""
    words = list(command.words)
    if command.name == "git":
        while len(words) > 1 and words[1].startswith("-"):
            del words[1 : 3 if words[1] in GIT_VALUES else 2]
    if [command.name, *words[1 : len(start)]] != list(start):
        return False
    if not options:
        return True
    rest = hook.Command([*words[:1], *words[len(start) :]], [])
    if start == ("kill",):
        return list(rest.args[-1:]) == ["-1"] and len(rest.args) > 1
    plain = [option for option in options if not option.startswith("-")]
    return rest.has(*(set(options) - set(plain))) or any(word in plain for word in rest.args[:1])


hook.run()
