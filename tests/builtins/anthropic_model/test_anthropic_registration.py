"""What the plugin registers, and when it imports the SDK."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from pegboard.hookspecs import OPTIONS
from pegboard.requests import ModelInfo
from pegboard.settings import LayerFile, SettingsLayer, SettingsView
from pegboard_builtins import anthropic_model
from pegboard_builtins.anthropic_model.models import CONTEXT_WINDOWS
from pegboard_builtins.anthropic_model.prices import PRICES


class Registry:
    """Takes down what is registered."""

    def __init__(self, model: str = "") -> None:
        self.view = SettingsView([LayerFile(SettingsLayer.USER, {"model": {"name": model}})])
        self.models: list[ModelInfo] = []
        self.services: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {}
        self.checks: dict[str, Callable[[], str | None]] = {}

    def settings(self, model: type[Any]) -> Any:
        return self.view.parse("anthropic_model", model)

    def all_settings(self) -> SettingsView:
        return self.view

    def add_model(self, model: ModelInfo) -> None:
        self.models.append(model)

    def add_service(self, name: str, factory: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self.services[name] = factory

    def add_health_check(self, name: str, ask: Callable[[], str | None]) -> None:
        self.checks[name] = ask


def test_the_models_are_declared_with_their_windows() -> None:
    registry = Registry()
    anthropic_model.register(registry)  # type: ignore[arg-type]
    (info,) = registry.models
    assert (info.prefix, info.count_tokens) == ("anthropic", True)
    assert info.windows["claude-opus-5-5"] == 1_000_000
    assert info.windows.get("claude-of-tomorrow", info.context_window) == 200_000
    assert len(registry.services) == 1


def test_the_model_stands_innermost() -> None:
    assert getattr(anthropic_model.model_call, OPTIONS).after == ("*",)


@pytest.mark.parametrize(
    ("model", "asked"),
    [("", False), ("anthropic:claude-opus-5-5", True), ("scripted:a.toml", False)],
    ids=["no model is set", "one of ours", "another's"],
)
def test_doctor_asks_for_a_key_only_where_one_is_needed(model: str, asked: bool) -> None:
    registry = Registry(model)
    anthropic_model.register(registry)  # type: ignore[arg-type]
    (check,) = registry.checks.values()
    assert bool(check()) is asked


def test_whoever_has_a_price_is_a_model_that_costs() -> None:
    for name, price in PRICES.items():
        assert price.cache_read < price.input < price.cache_write < price.output, name
    assert all(window >= 200_000 for window in CONTEXT_WINDOWS.values())


PROGRAM = """
import asyncio, sys, time
from types import SimpleNamespace
from pegboard.records import SessionStart
from pegboard_builtins import anthropic_model

assert "anthropic" not in sys.modules and "asyncio" in sys.modules
anthropic_model.lifecycle(SessionStart(), SimpleNamespace(model_name={model!r}))
from pegboard_builtins.anthropic_model.clients import begin_import, sdk
started = any(thread.name == "import anthropic" for thread in __import__("threading").enumerate())
assert started or "anthropic" in sys.modules or not {begins}, "nothing was begun"
if not {begins}:
    time.sleep(0.2)
    assert not started and "anthropic" not in sys.modules and "httpx2" not in sys.modules, "it was imported for nothing"

beats = 0

async def beat():
    global beats
    while True:
        await asyncio.sleep(0.001)
        beats += 1

async def main():
    beating = asyncio.create_task(beat())
    module = await sdk()
    assert module is sys.modules["anthropic"] and (await sdk()) is module
    assert not beating.done() and beats >= 5, f"the loop stood still: {{beats}}"

asyncio.run(main())
print("well")
"""


@pytest.mark.parametrize(
    ("model", "begins"),
    [("anthropic:claude-opus-5-5", True), ("scripted:a.toml", False)],
    ids=["our model", "another model"],
)
def test_the_sdk_is_imported_in_the_background_for_our_models_only(model: str, begins: bool) -> None:
    program = PROGRAM.format(model=model, begins=begins)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("well\n", 0), done.stderr
