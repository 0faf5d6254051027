"""One timer for all programs: each is watched and woken in its time, and none is left when nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pegboard_builtins.wire_hooks.runners.lookout import Lookout

pytestmark = pytest.mark.anyio
SOON = 10.0


class Waiting:
    """A program that never ends."""

    def __init__(self) -> None:
        self.patience = self.deadline = 0.0
        self.watched, self.woken = asyncio.Event(), asyncio.Event()

    def watch(self) -> None:
        self.watched.set()

    def wake(self) -> None:
        self.woken.set()


@pytest.fixture
async def lookout() -> AsyncIterator[Lookout]:
    made = Lookout()
    yield made
    made.close()


async def test_each_is_watched_after_a_moment_and_woken_at_its_deadline(lookout: Lookout) -> None:
    first, second = Waiting(), Waiting()
    async with asyncio.timeout(SOON):
        lookout.begin(first, 0.05)
        lookout.begin(second, 600.0)
        await first.woken.wait()
        await second.watched.wait()
    assert not second.woken.is_set()


async def test_one_that_begins_while_another_waits_for_long_is_watched_in_its_time(lookout: Lookout) -> None:
    first, second = Waiting(), Waiting()
    async with asyncio.timeout(SOON):
        lookout.begin(first, 600.0)
        await first.watched.wait()  # the timer stands at its deadline now
        lookout.begin(second, 600.0)
        await second.watched.wait()


async def test_one_with_little_time_is_woken_though_the_timer_of_an_earlier_one_stands(lookout: Lookout) -> None:
    first, second = Waiting(), Waiting()
    async with asyncio.timeout(SOON):
        lookout.begin(first, 600.0)
        lookout.begin(second, 0.001)
        await second.woken.wait()


@pytest.mark.parametrize("watched", [True, False], ids=["after its patience", "at once"])
async def test_no_timer_is_left_when_nobody_waits_any_more(lookout: Lookout, watched: bool) -> None:
    one = Waiting()
    async with asyncio.timeout(SOON):
        lookout.begin(one, 600.0)
        if watched:
            await one.watched.wait()
        lookout.finish(one)
        while lookout._timer is not None:
            await asyncio.sleep(0.01)
    assert one.watched.is_set() is watched
