"""Steps for OpenFeature's and flagd's gherkin suites, on a client of our provider. Run by behave, not by pytest."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from behave import given, step, then, use_step_matcher, when
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderFatalError
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook import Hook
from openfeature.provider import ProviderEventDetails
from openfeature.transaction_context import (
    ContextVarsTransactionContextPropagator,
    set_transaction_context,
    set_transaction_context_propagator,
)

from pegboard.flags import FlagSnapshot, FlagView, at_default
from pegboard_builtins.flags.exchanging import from_flagd, to_flagd
from pegboard_builtins.flags.openfeature_provider import PegboardProvider

use_step_matcher("re")

IS_BALLMER = {"==": [{"var": "email"}, "ballmer@macrosoft.com"]}
RULES = {
    "email == 'ballmer@macrosoft.com' ? 'zero' : ''": {"if": [IS_BALLMER, "zero", None]},
    "!customer && email == 'ballmer@macrosoft.com' && age > 10 ? 'internal' : ''": {
        "if": [{"and": [{"!": {"var": "customer"}}, IS_BALLMER, {">": [{"var": "age"}, 10]}]}, "internal", None]
    },
}
"""The suite's own expressions as JSON-logic."""


def flags_of(path: Path):
    raw = json.loads(path.read_text())
    if "flags" not in raw:
        raw = {
            "flags": {
                name: {
                    "state": "DISABLED" if facts.get("disabled") else "ENABLED",
                    "variants": facts["variants"],
                    "defaultVariant": facts.get("defaultVariant"),
                    "metadata": facts.get("flagMetadata") or {},
                    **({"targeting": RULES[rule]} if (rule := facts.get("contextEvaluator")) else {}),
                }
                for name, facts in raw.items()
            }
        }
    flags = from_flagd(raw)
    if os.environ.get("ROUND_TRIP"):
        flags = from_flagd(json.loads(json.dumps(to_flagd({flag.name: flag for flag in flags}))))
    return {flag.name: flag for flag in flags}


class Provider(PegboardProvider):
    """Ours, which also remembers the context that it was asked with."""

    seen: EvaluationContext | None = None
    fails: Exception | None = None
    ready = True

    def initialize(self, evaluation_context):
        if self.fails is not None:
            raise self.fails

    def _resolve(self, key, fallback, context, wanted):
        self.seen = context
        return super()._resolve(key, fallback, context, wanted)


def provider() -> Provider:
    flags = flags_of(Path(os.environ["FLAGS_FILE"]))
    return Provider(FlagView(FlagSnapshot({name: at_default(flag) for name, flag in flags.items()}), declared=flags))


def fresh(context, *, fails: Exception | None = None) -> None:
    api.shutdown()
    context.provider = provider()
    context.provider.fails = fails
    context.asked = {}
    context.key = None
    context.calls = []
    context.levels = []
    context.options = None


@given("(?:a stable provider|an evaluator)")
def stable(context):
    fresh(context)
    api.set_provider_and_wait(context.provider, "suite")
    context.client = api.get_client("suite")


@given("a (not ready|error|fatal|stale) provider")
def unwell(context, how):
    fails = {"error": RuntimeError("broken"), "fatal": ProviderFatalError("fatal")}.get(how)
    fresh(context, fails=fails)
    if how == "not ready":
        import threading

        context.gate = threading.Event()
        context.provider.initialize = lambda evaluation_context: context.gate.wait(5)
        api.set_provider(context.provider, "suite")
    else:
        with pytest.raises(type(fails)) if fails is not None else nullcontext():
            api.set_provider_and_wait(context.provider, "suite")
    if how == "stale":
        context.provider.emit_provider_stale(ProviderEventDetails())
    context.client = api.get_client("suite")


@then('the provider status should be "(.*)"')
def status(context, wanted):
    assert context.client.get_provider_status().value == wanted, context.client.get_provider_status()


# --- asking --------------------------------------------------------------------------------------------


def typed(kind: str, text: str):
    text = text.replace('\\"', '"')
    return {
        "boolean": lambda: text.lower() == "true",
        "string": lambda: text,
        "integer": lambda: int(text),
        "float": lambda: float(text),
        "object": lambda: json.loads(text),
    }[kind.lower()]()


@given('an? (\\w+)-flag with key "(.*)" and a fallback value "(.*)"')
def a_flag(context, kind, key, fallback):
    context.kind, context.key, context.fallback = kind.lower(), key, typed(kind, fallback)


@given('a context containing a key "(.*)", with type "(.*)" and with value "(.*)"')
def an_attribute(context, key, kind, value):
    context.asked[key] = typed(kind, value)


@given('a context containing a key "(.*)" with null value')
def a_null(context, key):
    context.asked[key] = None


@given('a context containing a targeting key with value "(.*)"')
def a_targeting_key(context, value):
    context.asked["targetingKey"] = value


@given('a context containing a nested property with outer key "(.*)" and inner key "(.*)", with value "(.*)"')
def a_nested_one(context, outer, inner, value):
    context.asked[outer] = {inner: value}


def the_context(context) -> EvaluationContext:
    given_ = dict(context.asked)
    return EvaluationContext(given_.pop("targetingKey", None), given_)


@when("the flag was evaluated with details")
def ask(context):
    call = getattr(context.client, f"get_{context.kind}_details")
    context.details = call(context.key, context.fallback, the_context(context), context.options)


@step("the flag was evaluated with details asynchronously")
def ask_async(context):
    call = getattr(context.client, f"get_{context.kind}_details_async")
    context.details = asyncio.run(call(context.key, context.fallback, the_context(context)))


@then("the evaluation should complete without blocking")
def completed(context):
    assert context.details is not None


@then('the resolved details value should be "(.*)"')
def value_is(context, wanted):
    value = typed(context.kind, wanted)
    assert context.details.value == value, context.details
    assert type(context.details.value) is type(value), context.details


@then('the reason should be "(.*)"')
def reason_is(context, wanted):
    assert context.details.reason == wanted, context.details


@then('the error-code should be "(.*)"')
def error_is(context, wanted):
    assert context.details.error_code == ErrorCode[wanted], context.details


@then('the variant should be "(.*)"')
def variant_is(context, wanted):
    assert context.details.variant == wanted, context.details


@then('the flag key should be "(.*)"')
def key_is(context, wanted):
    assert context.details.flag_key == wanted


@then("the resolved metadata should contain")
def metadata(context):
    for row in context.table:
        wanted = typed(row["metadata_type"], row["value"])
        assert context.details.flag_metadata[row["key"]] == wanted, context.details


@then("the resolved metadata is empty")
def no_metadata(context):
    assert not context.details.flag_metadata


# --- hooks ---------------------------------------------------------------------------------------------


class Watching(Hook):
    """Remembers the stages it was called at, and the details it was shown."""

    def __init__(self, calls, name=""):
        self.calls, self.name = calls, name

    def before(self, hook_context, hints):
        self.calls.append(("before", self.name, None))

    def after(self, hook_context, details, hints):
        self.calls.append(("after", self.name, details))

    def error(self, hook_context, exception, hints):
        self.calls.append(("error", self.name, None))

    def finally_after(self, hook_context, details, hints):
        self.calls.append(("finally", self.name, details))


@given("a client with added hook")
def with_hook(context):
    context.client.add_hooks([Watching(context.calls)])


@then('the "(\\w+)" hook should have been executed')
def hook_ran(context, stage):
    assert stage in [one for one, _, _ in context.calls], context.calls


@then('the "(.*)" hooks? should be called with evaluation details')
def hook_saw(context, stages):
    for stage in stages.split(", "):
        (details,) = [shown for one, _, shown in context.calls if one == stage]
        for row in context.table:
            found = getattr(details, row["key"])
            wanted = None if row["value"] == "null" else typed(row["data_type"], row["value"])
            assert (found.value if isinstance(found, ErrorCode) else found) == wanted, (row["key"], found)


@given("evaluation options containing specific hooks")
def with_options(context):
    context.options = FlagEvaluationOptions(hooks=[Watching(context.calls, "first"), Watching(context.calls, "second")])


@when("the flag was evaluated with details using the evaluation options")
def ask_with_options(context):
    ask(context)


@then("the specified hooks should execute during evaluation")
def options_ran(context):
    assert {name for _, name, _ in context.calls} == {"first", "second"}


@then("the hook order should be maintained")
def in_order(context):
    assert [name for stage, name, _ in context.calls if stage == "before"] == ["first", "second"]
    assert [name for stage, name, _ in context.calls if stage == "after"] == ["second", "first"]


# --- immutability --------------------------------------------------------------------------------------


@given("an evaluation context with modifiable data")
def modifiable(context):
    context.asked = {"list": [1, 2], "map": {"a": 1}}
    context.before = copy.deepcopy(context.asked)


@then("the original evaluation context should remain unmodified")
def unmodified(context):
    assert context.asked == context.before


@then("the evaluation details should be immutable")
def immutable(context):
    try:
        context.details.value = "other"
    except (AttributeError, TypeError):
        return
    raise AssertionError("FlagEvaluationDetails is a dataclass of the SDK that is not frozen")


# --- contexts ------------------------------------------------------------------------------------------


class Adding(Hook):
    def __init__(self, entries):
        self.entries = entries

    def before(self, hook_context, hints):
        return EvaluationContext(attributes=dict(self.entries))


@given("a stable provider with retrievable context is registered")
def retrievable(context):
    stable(context)
    set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    set_transaction_context(EvaluationContext())
    context.entries = {}


@given('A context entry with key "(.*)" and value "(.*)" is added to the "(.*)" level')
def add_entry(context, key, value, level):
    context.entries.setdefault(level, {})[key] = value


@given("A table with levels of increasing precedence")
def levels(context):
    # The table's first row is a level, too: behave takes it for the heading.
    context.levels = [context.table.headings[0], *(row[0] for row in context.table)]


@given('Context entries for each level from API level down to the "(.*)" level, with key "(.*)" and value "(.*)"')
def down_to(context, last, key, value):
    for level in context.levels[: context.levels.index(last) + 1]:
        add_entry(context, key, level, level)


@when("Some flag was evaluated")
def some_flag(context):
    entries = context.entries
    api.set_evaluation_context(EvaluationContext(attributes=entries.get("API", {})))
    set_transaction_context(EvaluationContext(attributes=entries.get("Transaction", {})))
    context.client.context = EvaluationContext(attributes=entries.get("Client", {}))
    if "Before Hooks" in entries:
        context.client.add_hooks([Adding(entries["Before Hooks"])])
    context.client.get_boolean_value("boolean-flag", False, EvaluationContext(attributes=entries.get("Invocation", {})))


@then('The merged context contains an entry with key "(.*)" and value "(.*)"')
def merged(context, key, value):
    assert context.provider.seen.attributes[key] == value, context.provider.seen
