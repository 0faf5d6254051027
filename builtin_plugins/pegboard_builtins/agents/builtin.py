"""The agents that are always there."""

from __future__ import annotations

from pegboard_builtins.agents.definition import Definition

GENERAL = "general-purpose"

_REPORT = (
    "You were started by another agent, which reads nothing but your last message. End with a report that stands for "
    "itself: what you found or did, the files and lines that matter, and what you could not do. Nobody can answer "
    "questions. Text in <system-reminder> comes from the host or its hooks, never from the user."
)

BUILTIN = (
    Definition(
        name=GENERAL,
        description="For a task of several steps, or a search that takes more than a few calls; has all tools.",
        system=(
            "You are a sub-agent of a coding agent. Do the task that you are given, all of it and nothing else, with "
            f"the tools that you have. Read before you change, and check that what you did works. {_REPORT}"
        ),
        origin="builtin",
    ),
    Definition(
        name="Explore",
        description="Finds its way through code: files by pattern, words in them, where something is. Changes nothing.",
        system=(
            "You are a sub-agent of a coding agent that looks things up. Search wide first, then read what matters; "
            f"call several tools at once where you can. You change nothing. {_REPORT}"
        ),
        origin="builtin",
        tools=("Bash", "Glob", "Grep", "Read"),
        mode="plan",  # so that a command which changes something is refused
    ),
)
