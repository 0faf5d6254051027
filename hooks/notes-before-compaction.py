#!/usr/bin/env python3
# /// hook
# name = "notes-before-compaction"
# summary = "Writes down what must not be lost before the conversation is compacted, and gives it back afterwards"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreCompact]]
# [[hooks.PreCompact.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 20
#
# [[hooks.SessionStart]]
# matcher = "compact"
# [[hooks.SessionStart.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 20
# ///
"""Writes down what must not be lost before the conversation is compacted, and gives it back afterwards.

The notes: the user's own words, the files that were changed, the open items of the to-do list, and what git says of the
working folder. Pegboard's compaction is asked to keep them; every host of the contract gets them back as context when
the session goes on. They are kept in the user's state folder, for this session alone.

Install: `pegboard hooks add notes-before-compaction`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not do: it understands nothing, it collects. The transcript lags behind, so the very last lines may be
missing. Long words of the user are cut; the oldest go first.
"""

import subprocess

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

MOST = 8000
"""Characters of all notes: hosts cut at 10,000."""
PROMPTS, PROMPT_LENGTH, FILES = 12, 400, 40
CHANGING = ("Write", "Edit", "MultiEdit", "NotebookEdit")


@hook.on("PreCompact")
def write_down(event: hook.PreCompact):
    """Collect the notes, keep them, and ask the compaction to keep them, too."""
    notes = collected(event)
    if not notes:
        return None
    with hook.state(event, "notes-before-compaction") as kept:
        kept["notes"] = notes
    return hook.context(f"Keep these notes in the summary:\n\n{notes}")


@hook.on("SessionStart", matcher="compact")
def give_back(event: hook.SessionStart):
    """Tell the model what was written down, once."""
    with hook.state(event, "notes-before-compaction") as kept:
        notes = kept.pop("notes", "")
    return hook.context(f"Notes from before the compaction:\n\n{notes}") if notes else None


def collected(event):
    """Return the notes as text; empty if there is nothing to note."""
    read = hook.transcript(event)
    calls = read.tool_calls()
    parts = [
        ("What the user said", [shortened(text) for text in prompts(read)][-PROMPTS:]),
        ("Files that were changed", list(dict.fromkeys(filter(None, map(changed_file, calls))))[-FILES:]),
        ("Still to do", open_items(calls)),
        ("Uncommitted", git_status(event.cwd)[:FILES]),
    ]
    parts = [(title, lines) for title, lines in parts if lines]
    while parts and len(written(parts)) > MOST:
        longest = max(parts, key=lambda part: sum(map(len, part[1])))
        del longest[1][0]
        parts = [part for part in parts if part[1]]
    return written(parts)


def written(parts):
    return "\n\n".join(f"{title}:\n" + "\n".join(f"- {line}" for line in lines) for title, lines in parts)


def prompts(read):
    """Return what a person wrote: no tool results, no texts that the host put in."""
    found = []
    for entry in read:
        message = entry.get("message")
        if entry.get("isMeta") or not isinstance(message, dict) or message.get("role") != "user":
            continue
        content = message.get("content")
        texts = (
            [content]
            if isinstance(content, str)
            else [
                block.get("text", "")
                for block in content or []
                if isinstance(block, dict) and block.get("type") == "text"
            ]
        )
        found += [text for text in texts if text.strip() and not text.lstrip().startswith("<")]
    return found


def shortened(text):
    text = " ".join(text.split())
    return text if len(text) <= PROMPT_LENGTH else text[: PROMPT_LENGTH - 3] + "..."


def changed_file(call):
    given = call.get("input")
    if call.get("name") not in CHANGING or not isinstance(given, dict):
        return ""
    return str(given.get("file_path") or given.get("notebook_path") or "")


def open_items(calls):
    """Return the items of the last to-do list that are not done."""
    lists = [call.get("input", {}).get("todos") for call in calls if call.get("name") == "TodoWrite"]
    items = lists[-1] if lists and isinstance(lists[-1], list) else []
    return [
        f"{item.get('content', '')} ({item.get('status', 'open')})"
        for item in items
        if isinstance(item, dict) and item.get("status") != "completed"
    ]


def git_status(folder):
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", folder, "status", "--short"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode(errors="replace").splitlines() if done.returncode == 0 else []


hook.run()
