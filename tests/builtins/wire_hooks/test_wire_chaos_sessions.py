"""Hooks that misbehave, in whole sessions: the session goes on, in time, and the trace says what happened."""

from __future__ import annotations

import json
import time

import pytest
from talk import outcomes, pre

from pegboard.messages import EndReason
from pegboard.testing import call

pytestmark = pytest.mark.anyio

DEADLINE = 1.0
MOST = 10 * (DEADLINE + 0.5)
"""Ten times what is expected: a busy machine is no bug."""

HALF = json.dumps(pre("deny", "half"))[:40]

CHAOS = {
    "exits at once": ("exit 0", "ran"),
    "never exits": ("while :; do sleep 1; done", "timeout"),
    "ignores SIGTERM": ("trap '' TERM; while :; do sleep 1; done", "timeout"),
    "leaves a grandchild that holds stdout": ("sleep 60 & exit 0", "ran"),
    "prints 100 MB": ("head -c 100000000 /dev/zero | tr '\\0' x", None),
    "prints half a JSON": (f"printf %s '{HALF}'", "ran"),
    "prints what is no UTF-8": ("printf '\\377\\376\\200'", "ran"),
    "closes its pipes and goes on": ("exec <&- >&- 2>&-; sleep 60", "timeout"),
    "deletes its working folder": ("cd .. && rm -rf project/gone", "ran"),
    "is not executable": ("./not-executable", "broken"),
    "changes the settings while it runs": ("echo '{' > .claude/settings.json", "ran"),
    "kills its own group": ("kill -9 0", "failed"),
    "kills the group of its parent": ("kill -9 -$PPID 2>/dev/null; exit 0", "ran"),
    "speaks of another event": ('echo \'{"hookSpecificOutput":{"hookEventName":"Stop"}}\'', "failed"),
}


@pytest.mark.parametrize("name", CHAOS)
async def test_a_session_goes_on_whatever_its_hook_does(project, host_of, name):
    command, status = CHAOS[name]
    (project.root / "not-executable").write_text("#!/bin/sh\n")
    (project.root / "gone").mkdir()
    project.declare({"PreToolUse": [{"command": command, "timeout": DEADLINE, "id": "chaos"}]})
    async with host_of() as host:
        host.model.script(call("Bash", command="echo still here"), "Done.")
        began = time.monotonic()
        result = await host.prompt("Go.")
        assert time.monotonic() - began < MOST
        assert (result.reason, outcomes(host)) == (EndReason.COMPLETED, ["ok"])
        [record] = host.records("declared")
        [row] = record.rows
        assert row.id == "chaos"
        if status is not None:
            assert row.status == status
        if row.status != "ran":
            assert row.problem
        host.model.script("And on.")
        assert (await host.prompt("Go on.")).text == "And on."
