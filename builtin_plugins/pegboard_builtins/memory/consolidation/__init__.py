"""Consolidation: what was observed becomes facts, as patches that cite events."""
