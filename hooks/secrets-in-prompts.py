#!/usr/bin/env python3
# /// hook
# name = "secrets-in-prompts"
# summary = "Stops a prompt that holds a key, a token or a password before the model sees it"
# needs = ["python3"]
# kit = true
#
# [[hooks.UserPromptSubmit]]
# [[hooks.UserPromptSubmit.hooks]]
# type = "command"
# command = 'python3 "{hook}"'
# timeout = 10
# on_error = "closed"
# ///
"""Stops a prompt that holds a key, a token or a password before the model sees it.

You see which kind was found and where, never the secret itself. If it is none, or meant to be sent, write
`[secret ok]` into the prompt.

Install: `pegboard hooks add secrets-in-prompts --user`. In another host of the contract, put this file and the kit
(`host/pegboard/hook.py`, named pegboard_hook.py) into one folder and its entry above into the settings.

What it does not catch: it knows the shapes below and no others, so a plain password in a sentence goes through. It
reads the prompt alone: what the agent reads from files and commands, images, and files that the prompt names with @ go
to the model without passing here. The host's own history of prompts may keep what was stopped.
"""

import re

try:
    from pegboard import hook
except ImportError:
    import pegboard_hook as hook  # the kit's one file, copied beside this one

SHAPES = {
    "a private key": r"-----BEGIN (?:[A-Z ]+ )?PRIVATE KEY-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "an Anthropic key": r"\bsk-ant-[A-Za-z0-9_-]{20,}",
    "an OpenAI key": r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,}",
    "a Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a Stripe key": r"\b[sr]k_live_[A-Za-z0-9]{16,}",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])",
    "an npm token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a PyPI token": r"\bpypi-AgE[A-Za-z0-9_-]{50,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}\b",
    "a signed web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a password in a URL": r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:(?!\$|<|\{)[^\s/@]{6,}@",
    "a password or key": r"(?i)\b(?:api[_-]?key|secret|token|passw(?:or)?d|pwd)\b[\"']?\s*[:=]\s*[\"']?"
    r"(?=[^\s\"']*\d)(?=[^\s\"']*[a-z])(?!\$|<|\{)[^\s\"']{12,}",
}
FINDERS = {kind: re.compile(shape) for kind, shape in SHAPES.items()}
MEANT = "[secret ok]"


@hook.on("UserPromptSubmit")
def stop_secrets(event: hook.UserPromptSubmit):
    """Block a prompt in which something looks like a secret."""
    if MEANT in event.prompt:
        return None
    found = [
        f"{kind} in line {event.prompt.count(chr(10), 0, match.start()) + 1}"
        for kind, finder in FINDERS.items()
        for match in [finder.search(event.prompt)]
        if match
    ]
    if not found:
        return None
    reason = f"This prompt seems to hold {', '.join(found)}. It was not sent. If it may be, add {MEANT} to it."
    return hook.block(reason) + hook.fields(suppressOriginalPrompt=True)


hook.run()
