"""What memory calls its things to the host: nothing else is needed of it before a session begins."""

from __future__ import annotations

PLUGIN = SERVICE = "memory"
TOOL = "Memory"
TYPES = "user|assistant|turn_end"
"""The records that are looked at."""
BLOCK = "block"
"""The key of our state: what a session was told when it began."""
