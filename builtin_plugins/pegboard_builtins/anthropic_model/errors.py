"""The SDK's exceptions become ours, with the facts that others decide by: status, retryable, retry_after."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

from pegboard.errors import ContextOverflowError, ModelError

STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""An error in the middle of a stream has no status of its own: the response began with 200."""

PASSING = (408, 409, 429)
TOO_LONG = ("prompt is too long", "exceed context limit", "context window")
HINTS = {
    401: "Check the API key ({source}).",
    403: "Check what the API key may do ({source}).",
    404: "Check the model's name: {model}.",
}


def model_error(error: Exception, *, model: str, source: str = "") -> ModelError:
    """Return *error* as one of ours, whatever it is: a model that cannot answer is an outcome, not a broken frame."""
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return _status_error(error, model, source)
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return ModelError("the Anthropic API did not answer in time (anthropic_model.timeout)", retryable=True)
    if isinstance(error, anthropic.APIConnectionError):
        cause = error.__cause__ or error
        return ModelError(f"the Anthropic API at {error.request.url.host} cannot be reached: {cause}", retryable=True)
    if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        return broken(f"{type(error).__name__}: {error}")
    if isinstance(error, anthropic.APIError):
        return ModelError(f"the Anthropic API answered something that the SDK does not understand: {error.message}")
    return ModelError(f"the Anthropic SDK failed: {type(error).__name__}: {error}")


def broken(how: str) -> ModelError:
    """Return the error for a stream that ended before the message was complete."""
    return ModelError(f"the answer of the Anthropic API broke off ({how})", retryable=True)


def _status_error(error: Any, model: str, source: str) -> ModelError:
    kind = error.type or ""
    status = error.status_code if error.status_code >= 400 else STATUS_OF.get(kind, 500)
    said = error.api_message or error.message
    text = f"the Anthropic API answered {status}{f' ({kind})' if kind else ''}: {said}"
    if hint := HINTS.get(status):
        text = f"{text.rstrip('.')}. {hint.format(model=model, source=source or 'of this request')}"
    if error.request_id:
        text += f" [{error.request_id}]"
    if status == 413 or (status == 400 and any(words in said.lower() for words in TOO_LONG)):
        return ContextOverflowError(text, status=status)
    headers = error.response.headers
    return ModelError(
        text, status=status, retryable=_passes(status, headers, error.error_code), retry_after=retry_after(headers)
    )


def _passes(status: int, headers: Mapping[str, str], code: str | None) -> bool:
    """Whether the same request may succeed later. The server's own word counts most."""
    said = headers.get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    if code is not None and code.endswith("spend_limit_reached"):
        return False  # a 429 that no waiting mends
    return status in PASSING or status >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the server asks to wait: `retry-after-ms`, `retry-after` in seconds or as a date."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            return max(0.0, float(value) / scale)
        except ValueError:
            continue
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())
