"""What a plugin contributes beside its hooks may fail or return anything: that costs what it would have said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pegboard._cli.plugin_answers import answer_of
from pegboard.context import Registry
from pegboard.errors import PegboardError
from pegboard.flags import Flag, FlagRequest
from pegboard.hookspecs import hookimpl
from pegboard.testing import HostFixture

pytestmark = pytest.mark.anyio


def exits(*given: Any) -> Any:
    raise SystemExit(3)


def fails(*given: Any) -> Any:
    raise RuntimeError("no")


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def fails_without_words(*given: Any) -> Any:
    raise Wordless


DEEDS = [exits, fails, fails_without_words, lambda *given: 42, lambda *given: [42], lambda *given: object()]


class Pack:
    def __init__(self, deed: Callable[..., Any]) -> None:
        self.deed = deed

    @hookimpl
    def register(self, registry: Registry) -> None:
        registry.add_flag(Flag("acme.on", default=False, help="Something."))
        registry.add_flag_source(self.deed)
        registry.add_health_check("its health", self.deed)
        registry.add_command("acme", "test_hostile_contributions:fails", help="Fails.", chat=f"{__name__}:fails")


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_session_goes_on_without_a_flag_source_that_fails(deed: Callable[..., Any]) -> None:
    async with HostFixture() as host:
        host.load(Pack(deed), "acme")
        host.model.script("Done.")
        assert (await host.prompt("Go.")).text == "Done."
        host.host.resolve_flags(FlagRequest(host.host.declared_flags()))
        (problem,) = host.host.flag_problems
        assert "the flag source of 'acme' failed" in problem


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_health_check_that_fails_is_found_to_have_failed(deed: Callable[..., Any]) -> None:
    async with HostFixture() as host:
        host.load(Pack(deed), "acme")
        await host.open()
        ((_, check, (found,)),) = [one for one in host.host.health() if one[0] == "acme"]
        assert check == "its health"
        assert "the check itself failed" in found.text


async def test_a_verb_that_fails_names_its_plugin() -> None:
    async with HostFixture() as host:
        host.load(Pack(fails), "acme")
        session = await host.open()
        with pytest.raises(PegboardError, match=r"/acme of the plugin 'acme' failed: RuntimeError: no"):
            await answer_of(host.host, session, "acme", "")
        assert await answer_of(host.host, session, "nobody", "") is None
