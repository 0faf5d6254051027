"""The provider that OpenFeature's clients ask: each session is a domain of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, GeneralError, ParseError, TypeMismatchError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata

from pegboard.errors import PegboardError
from pegboard.flags import Flag, FlagDetails, FlagLayer, FlagView
from pegboard_builtins.flags.targeting import Match, evaluate

NAME = "pegboard"
Evaluate = Callable[[Flag, Any, Mapping[str, Any]], Match | None]


class PegboardProvider(AbstractProvider):
    """Answers from a session's frozen flags.

    A client that asks for somebody else (a targeting key or attributes of its own in the evaluation context) gets
    what the flag's rule says for them; everybody else gets the session's value, whatever has changed since.
    """

    def __init__(self, view: FlagView, *, rule: Evaluate = evaluate) -> None:
        super().__init__()
        self._view = view
        self._rule = rule

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(NAME)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """See OpenFeature."""
        return self._resolve(flag_key, default_value, evaluation_context, bool)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """See OpenFeature."""
        return self._resolve(flag_key, default_value, evaluation_context, str)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """See OpenFeature."""
        return self._resolve(flag_key, default_value, evaluation_context, int)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """See OpenFeature."""
        return self._resolve(flag_key, default_value, evaluation_context, float)

    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Any]:
        """See OpenFeature."""
        return self._resolve(flag_key, default_value, evaluation_context, dict)

    def _resolve(
        self, key: str, fallback: Any, context: EvaluationContext | None, wanted: type
    ) -> FlagResolutionDetails[Any]:
        flag = self._view.declared.get(key)
        if flag is None:
            raise FlagNotFoundError(f"there is no flag {key!r}")
        metadata = dict(flag.metadata)
        if flag.disabled:
            return FlagResolutionDetails(fallback, reason=Reason.DISABLED, flag_metadata=metadata)
        again = dict.__contains__(self._view, key)  # in this turn it was read before
        found = self._view.details(key)
        if not again and not isinstance(found.value, dict):
            self._view[key]
        value, variant, reason = self._for_whom(flag, found, context)
        if reason == Reason.DEFAULT and flag.undecided:
            value, variant = fallback, ""
        elif reason == Reason.STATIC and again:
            reason = Reason.CACHED
        value = fitting(value, wanted, key)
        return FlagResolutionDetails(value, reason=Reason(reason), variant=variant or None, flag_metadata=metadata)

    def _for_whom(self, flag: Flag, found: FlagDetails, context: EvaluationContext | None) -> tuple[Any, str, str]:
        """Return value, variant and reason: the session's, or for others what the rule says."""
        if flag.targeting is None and found.layer is FlagLayer.DEFAULT and flag.undecided:
            return found.value, "", Reason.DEFAULT
        asked_for = _attributes(context)
        settled = bool(found.rule) and not asked_for  # the session's own answer, as it was when it began
        if flag.targeting is None or found.layer is not FlagLayer.DEFAULT or settled:
            reason = found.reason if found.reason in set(Reason) else Reason.STATIC
            if flag.targeting is not None and found.layer is FlagLayer.DEFAULT and reason == Reason.STATIC:
                reason = Reason.DEFAULT
            return found.value, found.variant, reason
        try:
            match = self._rule(flag, flag.targeting, asked_for)
        except PegboardError as wrong:
            raise (ParseError if "evaluated" in str(wrong) else GeneralError)(str(wrong)) from None
        if match is None:
            return flag.default, flag.variant, Reason.DEFAULT
        return match.value, match.variant, Reason.TARGETING_MATCH


def _attributes(context: EvaluationContext | None) -> dict[str, Any]:
    if context is None:
        return {}
    found = {name: value for name, value in context.attributes.items() if value is not None}
    return {**found, "targetingKey": context.targeting_key} if context.targeting_key else found


def fitting(value: Any, wanted: type, key: str) -> Any:
    """Return a value as the client asked for it: a whole number will do for a float. Raises TypeMismatchError."""
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is dict and isinstance(value, dict | list):
        return value
    if type(value) is not wanted:
        raise TypeMismatchError(f"flag {key!r} is {type(value).__name__}, and was asked for as {wanted.__name__}")
    return value


def bind(session_id: str, view: FlagView, rule: Evaluate = evaluate) -> None:
    """Make a session a domain: `openfeature.api.get_client(session_id)` asks its flags. No other domain is touched."""
    api.set_provider_and_wait(PegboardProvider(view, rule=rule), domain=session_id)


def release(session_id: str) -> None:
    """Take a session's domain away again; who still has its client gets fallbacks."""
    from openfeature.provider.no_op_provider import NoOpProvider

    api.set_provider_and_wait(NoOpProvider(), domain=session_id)
