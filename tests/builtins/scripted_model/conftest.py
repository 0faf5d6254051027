"""Conversations with scripted models, for the tests of this folder."""

from __future__ import annotations

import uuid

import pytest
from scripted_talk import Talk

from pegboard_builtins import scripted_model


@pytest.fixture
def talk(tmp_path):
    """Return a function that opens a conversation with a script: TOML text, or a list of turns."""

    def begin(script) -> Talk:
        if isinstance(script, str):
            (tmp_path / "script.toml").write_text(script)
            return Talk("scripted:script.toml", tmp_path)
        return Talk(scripted_model.play(f"test-{uuid.uuid4()}", script), tmp_path)

    return begin


@pytest.fixture
def new_process():
    """Return a function that forgets what a killed process would forget."""
    from pegboard_builtins.scripted_model import playing

    return playing._places.clear
