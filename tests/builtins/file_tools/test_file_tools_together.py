"""Several calls in one message: results in source order, files as if the calls had run one after another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from pegboard.context import Registry
from pegboard.hookspecs import hookimpl
from pegboard.messages import ToolResultBlock
from pegboard.testing import HostFixture, call
from pegboard.tools import tool

ALLOW = {"permissions": {"allow": ["Bash", "Read", "Edit", "Write"]}}


async def run(host: HostFixture, *calls: object) -> list[str]:
    """Run calls in one message and return their results in order."""
    host.model.script(list(calls), "done")
    await host.prompt("Go.")
    return [
        str(block.content)
        for message in host.messages
        for block in message.content
        if isinstance(block, ToolResultBlock)
    ]


def opened(folder: Path) -> HostFixture:
    host = HostFixture(folder=folder, settings=ALLOW)
    host.builtin("file_tools", "shell_tool", "permissions")
    return host


@pytest.mark.anyio
async def test_calls_on_one_file_run_in_their_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        results = await run(
            host,
            call("Write", file_path="a.txt", content="one\n"),
            call("Edit", file_path="a.txt", old_string="one", new_string="two"),
            call("Bash", command="cat a.txt; echo three >> a.txt"),
            call("Read", file_path="a.txt"),
            call("Edit", file_path="a.txt", old_string="three", new_string="four"),
            call("Bash", command="cat a.txt"),
        )
        assert "created" in results[0]
        assert "updated" in results[1]
        assert results[2] == "two"
        assert results[3] == "     1\ttwo\n     2\tthree"
        assert results[5] == "two\nfour"
        assert (host.project / "a.txt").read_text() == "two\nfour\n"


@pytest.mark.anyio
async def test_random_batches_end_as_if_run_one_after_another(tmp_path: Path, count: Callable[[int], int]) -> None:
    """Each call adds its number to a file: what stands there then tells the order in which they ran."""
    chance = random.Random(7)
    for batch in range(count(50)):
        calls, wanted, expected = [], {"a": "", "b": ""}, []
        for number in range(6):
            name = chance.choice("ab")
            text = f"{number}\n"
            kind = chance.choice(["Write", "Bash", "Bash by cat", "Read"])
            if kind == "Write" and not wanted[name]:
                calls.append(call("Write", file_path=f"{name}.txt", content=text))
                wanted[name], answer = text, "created"
            elif kind == "Bash by cat" and wanted[name]:
                calls.append(call("Bash", command=f"cat {name}.txt"))
                answer = wanted[name].rstrip("\n")
            elif kind == "Read" and wanted[name]:
                calls.append(call("Read", file_path=f"{name}.txt"))
                answer = "\n".join(f"{at:>6}\t{line}" for at, line in enumerate(wanted[name].split(), 1))
            else:
                calls.append(call("Bash", command=f"sleep 0.01; echo {number} >> {name}.txt"))
                wanted[name], answer = wanted[name] + text, "(no output)"
            expected.append(answer)
        async with opened(tmp_path / str(batch)) as host:
            results = await run(host, *calls)
            for result, answer in zip(results, expected, strict=True):
                assert answer in result, (calls, results)
            for name, text in wanted.items():
                path = host.project / f"{name}.txt"
                assert (path.read_text() if path.exists() else "") == text


class Slow:
    """A tool that reads for a while, and counts how many of it run at once."""

    def __init__(self) -> None:
        self.running = self.most = 0

    @hookimpl
    def register(self, registry: Registry) -> None:
        @tool(read_only=True)
        async def look(seconds: float) -> str:
            """Look for a while."""
            self.running += 1
            self.most = max(self.most, self.running)
            await asyncio.sleep(seconds)
            self.running -= 1
            return "seen"

        registry.add_tool(look)


@pytest.mark.anyio
async def test_calls_that_only_read_run_together(tmp_path: Path) -> None:
    slow = Slow()
    async with HostFixture(folder=tmp_path) as host:
        host.load(slow)
        assert await run(host, *(call("look", seconds=0.5) for _ in range(8))) == ["seen"] * 8
        assert slow.most == 8


@pytest.mark.anyio
async def test_reading_commands_run_together_and_others_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as host:
        (host.project / "pipe").write_text("x")
        results = await run(
            host,
            call("Bash", command="cat pipe"),
            call("Bash", command="mkdir lock && sleep 0.1 && rmdir lock"),
            call("Bash", command="mkdir lock && sleep 0.1 && rmdir lock"),
            call("Read", file_path="pipe"),
        )
        assert results == ["x", "(no output)", "(no output)", "     1\tx"]
