#!/usr/bin/env python3
# /// hook
# name = "loop-breaker"
# summary = "Notices when the agent makes the same call again and again: tells the model first, then asks you"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreToolUse]]
# [[hooks.PreToolUse.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 10
# worker = true
#
# [[hooks.UserPromptSubmit]]
# [[hooks.UserPromptSubmit.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 10
# worker = true
# ///
"""Notices when the agent makes the same call again and again: tells the model first, then asks you.

This is the example of a warm worker. It is asked before every call, so a process each time would be felt: with
`worker = true` Pegboard starts it once, and an answer takes less than a millisecond. Another host of the contract does
not know that key and starts it for each call; the program is the same, since what it must remember lies in the
session's state and not in its memory.

Calls are the same when tool and input are. After 4 in a row the model is told, from the 8th on you are asked; your next
prompt begins to count anew.

Install: `pegboard hooks add loop-breaker`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not catch: two calls in turn, or the same thing said in other words. A call that is repeated on purpose, to
wait for something, is noticed, too.
"""

import hashlib
import json

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

TELL, ASK = 4, 8


@hook.on("PreToolUse")
def count(event: hook.PreToolUse):
    """Count calls that are the same as the one before."""
    text = json.dumps([event.agent_id, event.tool_name, event.tool_input], sort_keys=True)
    call = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    with hook.state(event, "loop-breaker") as kept:
        times = kept["times"] = kept.get("times", 0) + 1 if kept.get("call") == call else 1
        kept["call"] = call
    said = f"This is the same {event.tool_name} call for the {times}th time in a row"
    if times >= ASK:
        return hook.ask(f"{said}. Shall it go on?")
    return hook.context(f"{said}; its result will not change. Try something else.") if times >= TELL else None


@hook.on("UserPromptSubmit")
def begin_anew(event: hook.UserPromptSubmit):
    """Forget what was counted: a person has said something new."""
    with hook.state(event, "loop-breaker") as kept:
        kept.clear()


hook.run()
