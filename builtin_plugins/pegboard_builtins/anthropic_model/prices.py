"""What requests cost, at public list prices."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pegboard.messages import Usage
from pegboard_builtins.anthropic_model.settings import Price

MILLION = 1_000_000

OPUS = Price(input=5.0, output=25.0, cache_read=0.5, cache_write=6.25)
PRICES = {
    "claude-fable-5": Price(input=10.0, output=50.0, cache_read=1.0, cache_write=12.5),
    "claude-haiku-4-5": Price(input=1.0, output=5.0, cache_read=0.1, cache_write=1.25),
    "claude-opus-4-5": OPUS,
    "claude-opus-4-6": OPUS,
    "claude-opus-4-7": OPUS,
    "claude-opus-4-8": OPUS,
    "claude-opus-5": OPUS,
    "claude-opus-5-5": Price(input=4.0, output=20.0, cache_read=0.2, cache_write=5.0),
}
"""List prices as the provider publishes them, cache writes for five minutes. Missing on purpose: models whose price
depends on the prompt's length or has changed lately. A wrong cost is worse than none; `prices` in the settings adds."""

DATE = re.compile(r"-\d{8}$")


def cost(model: str, usage: Usage, prices: Mapping[str, Price]) -> float | None:
    """Return what *usage* costs in US dollars; None if nobody knows the price. The settings' *prices* go first."""
    bare = DATE.sub("", model)
    price = prices.get(model) or prices.get(bare) or PRICES.get(bare)
    if price is None:
        return None
    return (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_input_tokens * price.cache_read
        + usage.cache_creation_input_tokens * price.cache_write
    ) / MILLION
