"""A plugin's verb may work in a session of its own: with a journal, and on the same ways as everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegboard import hookimpl
from pegboard.context import Ctx, Registry
from pegboard.egress import refuse
from pegboard.errors import EgressClosedError, ModelError
from pegboard.host import Host, HostFace
from pegboard.records import RequestRecord, SessionEnded
from pegboard.requests import Purpose
from pegboard.testing import installed


class Masking:
    """Masks a word on every way out, and closes one."""

    @hookimpl
    def register(self, registry: Registry) -> None:
        registry.add_filter("*", self.masked)

    def masked(self, surface: str, payload: Any) -> Any:
        if surface == "package":
            raise refuse(surface, "masking", "nothing is published")
        return payload.replace("zorblax", "[internal]") if isinstance(payload, str) else payload


@pytest.fixture
def face(tmp_path: Path) -> HostFace:
    host = Host(
        tmp_path,
        environment={},
        state_dir=tmp_path / "state",
        config_dir=tmp_path / "config",
        entry_points=[installed("scripted_model")],
        plugins=[("masking", Masking())],
    )
    return HostFace(host.open())


def test_a_verb_asks_a_model_in_a_session_of_its_own(face: HostFace, tmp_path: Path) -> None:
    (tmp_path / "script.toml").write_text('[[turn]]\npurpose = "memory"\ntext = "four"\n')

    async def work(ctx: Ctx) -> tuple[str, Path]:
        said = await ctx.model("two and two", purpose=Purpose.MEMORY)
        return said.text, ctx.journal.path

    text, journal = face.in_session("masking", work, model=f"scripted:{tmp_path / 'script.toml'}")
    assert text == "four"
    records = list(face.records(journal))
    assert [one.purpose for one in records if isinstance(one, RequestRecord)] == ["memory"]
    assert isinstance(records[-1], SessionEnded)


def test_what_fails_in_it_is_told_and_the_session_ends_in_good_order(face: HostFace) -> None:
    async def work(ctx: Ctx) -> str:
        return (await ctx.model("two and two", model="nobody:knows")).text

    with pytest.raises(ModelError):
        face.in_session("masking", work)
    assert isinstance(list(face.records(face.find_session()))[-1], SessionEnded)


def test_words_outside_of_sessions_pass_the_same_filters(face: HostFace) -> None:
    assert face.emit("memory", "zorblax ships") == "[internal] ships"
    with pytest.raises(EgressClosedError, match="nothing is published"):
        face.emit("package", "zorblax ships")
