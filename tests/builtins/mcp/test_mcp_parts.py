"""The small parts of the client: the breaker, the pace, names, and what `${NAME}` stands for."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.tools import mcp_tool_name
from pegboard_builtins.mcp import pace
from pegboard_builtins.mcp.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker
from pegboard_builtins.mcp.connection import Connection
from pegboard_builtins.mcp.declared import UnsetError, expanded
from pegboard_builtins.mcp.settings import ServerSettings
from pegboard_builtins.mcp.words import clean, clean_schema


@given(st.lists(st.one_of(st.sampled_from(["good", "bad"]), st.floats(0.1, 2000.0)), max_size=60))
def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_through_after_its_pause(
    steps: list[str | float],
) -> None:
    now, in_a_row, since_opened = 0.0, 0, 0.0
    breaker = Breaker(lambda: now)
    for step in steps:
        if isinstance(step, float):
            now += step
            since_opened += step
        elif breaker.state != "open":  # nobody calls a server that is left alone
            was_closed = breaker.state == "closed"
            if step == "good":
                breaker.succeeded()
                in_a_row = 0
            else:
                breaker.failed()
                in_a_row += 1
                if not was_closed or in_a_row == FAILURES:
                    since_opened = 0.0
        if in_a_row < FAILURES:
            assert breaker.state == "closed"
        elif since_opened < FIRST_PAUSE:
            assert breaker.state == "open"
        elif since_opened >= LONGEST_PAUSE:
            assert breaker.state == "half open"


@pytest.mark.anyio
async def test_a_flood_is_read_at_the_pace_and_a_burst_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MESSAGES", (50.0, 10.0))
    bucket = pace.Pace()
    began = time.monotonic()
    for _ in range(50):
        await bucket.take(10)
    assert time.monotonic() - began < 4, "paced they take five seconds"
    for _ in range(5):
        await bucket.take(10)
    assert time.monotonic() - began > 0.4, "55 messages at 10 a second, 50 of them at once"


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_tools_name_is_one_that_the_api_takes_and_long_ones_stay_apart(one: str, other: str) -> None:
    names = [mcp_tool_name("server", tool) for tool in (one, other)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name) for name in names)
    if len(one) > 200 and len(other) > 200 and one != other:
        assert names[0] != names[1]


@given(st.text(max_size=400))
def test_a_clean_text_is_short_and_has_nothing_that_is_not_seen(text: str) -> None:
    shown = clean(text, 100)
    assert len(shown) < 100 * 10 + 60
    assert all(one.isprintable() or one in "\n\t" for one in shown)
    assert "<system-reminder" not in shown.lower()
    if text.isprintable() and len(text) <= 100 and "<" not in text:
        assert shown == text


def test_a_schema_keeps_what_it_demands() -> None:
    schema = {"type": "object", "properties": {"description": {"enum": ["\x1b", "b"], "description": "\x1b"}}}
    made = clean_schema(schema)["properties"]["description"]
    assert made == {"enum": ["\x1b", "b"], "description": "<U+001B>"}


def test_variables_are_put_in_and_one_that_is_not_set_is_an_error() -> None:
    said = ServerSettings(command="run", args=("${A}-${B:-b}", "$A", "${C:-}"), env={"X": "${A}"})
    made = expanded(said, {"A": "a"}.get)
    assert made.args == ("a-b", "$A", "")
    assert made.env == {"X": "a"}
    with pytest.raises(UnsetError, match="A"):
        expanded(said, {}.get)


def test_a_session_without_servers_imports_nothing_of_it(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from pegboard.host import Host, Options
async def main():
    async with Host(Path(sys.argv[1]), state_dir=Path(sys.argv[2]), config_dir=Path(sys.argv[2])) as host:
        async with host.session(Options(model="scripted:" + sys.argv[3])) as session:
            assert (await session.run("Go.")).text == "Hello."
asyncio.run(main())
print(*sorted(name for name in sys.modules if name.split(".")[0] == "mcp" or name.startswith("pegboard_builtins.mcp")))
"""
    (tmp_path / "hello.toml").write_text('[[turn]]\ntext = "Hello."\n')
    (tmp_path / "project").mkdir()
    words = [
        sys.executable,
        "-c",
        script,
        str(tmp_path / "project"),
        str(tmp_path / "state"),
        str(tmp_path / "hello.toml"),
    ]
    said = []
    for _ in range(2):  # the first start may have to look at every plugin
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        said.append(done.stdout.split())
    assert "mcp" not in said[0]
    assert said[1] == [] or said[1] == said[0] == ["pegboard_builtins.mcp", "pegboard_builtins.mcp.settings"]
    (tmp_path / "project" / ".mcp.json").write_text(json.dumps({"mcpServers": {}}))
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "pegboard_builtins.mcp.desk" in done.stdout.split()
    assert "mcp" not in done.stdout.split()


@pytest.mark.anyio
async def test_no_calls_time_runs_while_the_person_thinks_and_nobody_is_asked_for_a_call_that_ended() -> None:
    deadlines: list[list[float | None]] = []
    never = asyncio.Event()

    async def elicit(server: str, params: Any) -> str:
        deadlines.append([call.when() for call in one._calls])
        if params == "wait":
            await never.wait()
        return f"{server}: {params}"

    server: Any = SimpleNamespace(name="odd", settings=ServerSettings(command="true"))
    host: Any = SimpleNamespace()
    one = Connection(server, host, elicit=elicit)
    async with one._in_time(60), one._in_time(90):
        assert await one._asked(None, "now") == "odd: now"
        after = [call.when() for call in one._calls]
        asked = asyncio.create_task(one._asked(None, "wait"))
        while len(deadlines) < 2:
            await asyncio.sleep(0)
    assert deadlines == [[None, None], [None, None]]
    assert None not in after
    assert (await asked).action == "cancel"
