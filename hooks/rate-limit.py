#!/usr/bin/env python3
# /// hook
# name = "rate-limit"
# summary = "Slows the agent down: so many calls of a tool in so many seconds, and no more"
# needs = ["python3"]
# kit = true
#
# [[hooks.PreToolUse]]
# matcher = "Bash|WebFetch|WebSearch|Write|Edit"
# [[hooks.PreToolUse.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 10
# ///
"""Slows the agent down: so many calls of a tool in so many seconds, and no more.

The limits are below, for each tool; edit them, and the matcher above with them. A call that is too many is refused, and
the model is told when to try again. The counts are kept for one session, with a lock, so calls in parallel count, too.

Install: `pegboard hooks add rate-limit`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not do: a call counts when it is asked for, whether it runs or is refused by somebody else; two sessions
have two counts; one Bash call may do a thousand things. If the state cannot be read or locked within five seconds, the
hook fails, and by the contract the call runs.
"""

import time

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

LIMITS = {
    # tool: (calls, seconds)
    "WebFetch": (10, 60),
    "WebSearch": (10, 60),
    "Bash": (60, 60),
}
OTHERS = (120, 60)


@hook.on("PreToolUse")
def limit(event: hook.PreToolUse):
    """Refuse a call if there were too many of its tool in the last seconds."""
    calls, seconds = LIMITS.get(event.tool_name, OTHERS)
    with hook.state(event, "rate-limit") as kept:
        now = time.time()  # only now: whoever held the state meanwhile must not seem to come from the future
        # A clock that was set back would leave times of the future behind, which never grow old.
        recent = [then for then in kept.get(event.tool_name, []) if now - seconds < then <= now]
        full = len(recent) >= calls
        kept[event.tool_name] = recent if full else [*recent, now]
    if not full:
        return None
    wait = max(1, round(recent[0] + seconds - now))
    return hook.deny(f"{event.tool_name} may be called {calls} times in {seconds} s. Try again in {wait} s.")


hook.run()
