"""The SDK's exceptions become ours, with the facts that others decide by: status, retryable, retry_after."""

from __future__ import annotations

import email.utils
import html
import re
import time
from collections.abc import Mapping
from typing import Any

from pegboard.errors import ContextOverflowError, ModelError, did_you_mean
from pegboard.output import one_line
from pegboard.typed import dataclass
from pegboard_builtins.anthropic_model.models import CONTEXT_WINDOWS

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
TOO_LONG = (
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "context window",
    "context_length_exceeded",
    "maximum context length",
)
"""How the API says it, and the gateways in front of it."""

NO_CREDIT = "credit balance is too low"
LONGEST = 500
"""Characters of a server's own words; a page of a proxy can be a megabyte."""

TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.I | re.S)
USER = re.compile(r"//[^/@]*@")
"""Name and password in an address."""

TAG = re.compile(r"<[^<>]*>")
HEAD_OF_A_PAGE = 10_000
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an error says of the request that met it, so that a person knows what to mend.

    `key_from` and `address_from` name who gave the key and the address; without the latter it is the API's own.
    """

    model: str
    timeout: float = 0.0
    key_from: str = ""
    address: str = ""
    address_from: str = ""

    @property
    def where(self) -> str:
        """The API, for the middle of a sentence."""
        address = one_line(USER.sub("//", self.address), 200)
        return f"the Anthropic API at {address} ({self.address_from})" if self.address_from else "the Anthropic API"

    @property
    def key(self) -> str:
        """The key, by who gave it."""
        return f"the API key (from {self.key_from})" if self.key_from else "the API key"


def model_error(error: Exception, asked: Asked) -> ModelError:
    """Return *error* as one of ours, whatever it is: a model that cannot answer is an outcome, not a broken frame."""
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        return _status_error(error, asked)
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException):
        return _late(error, asked)
    if isinstance(error, anthropic.APIConnectionError):
        return _unreachable(error.__cause__ or error, asked)
    if isinstance(error, httpx2.HTTPError | httpx2.StreamError):
        return broken(_cause(error))
    if isinstance(error, httpx2.InvalidURL):
        return _wrong_address(error, asked)
    if isinstance(error, anthropic.APIError):
        return ModelError(
            f"{asked.where} answered something that the SDK does not understand: {one_line(error.message, LONGEST)}"
        )
    return ModelError(f"the Anthropic SDK failed: {type(error).__name__}: {one_line(str(error), LONGEST)}")


def broken(how: str) -> ModelError:
    """Return the error for a stream that ended before the message was complete."""
    return ModelError(f"the answer of the Anthropic API broke off ({one_line(how, LONGEST)})", retryable=True)


def without_events(kind: str, asked: Asked) -> ModelError:
    """Return the error for an answer that ended without one event; *kind* is its content type."""
    kind = kind.partition(";")[0].strip()
    if kind in ("", EVENTS):
        return broken("it ended before it began")
    what = "a page" if kind == "text/html" else kind
    return ModelError(
        f"{asked.where} answered 200 with {what} where a stream of events was asked for: something else answers "
        f"there, such as a proxy or a login page.{_look_at(asked)}"
    )


# --- connections ---------------------------------------------------------------------------------------


def _late(error: Exception, asked: Asked) -> ModelError:
    if "Connect" in type(error.__cause__ or error).__name__:
        return ModelError(
            f"{asked.where} took no connection in time. Check the network, and a proxy's address (HTTPS_PROXY)."
            f"{_look_at(asked)}",
            retryable=True,
        )
    return ModelError(
        f"{asked.where} did not answer in time: it sent nothing for {asked.timeout:g} s (anthropic_model.timeout)",
        retryable=True,
    )


def _unreachable(cause: BaseException, asked: Asked) -> ModelError:
    import httpx2

    if isinstance(cause, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError):
        return broken(_cause(cause))
    if isinstance(cause, httpx2.UnsupportedProtocol):
        return _wrong_address(cause, asked)
    if isinstance(cause, httpx2.LocalProtocolError):  # its text has what was to be sent, the key too
        return ModelError(f"a request to {asked.where} cannot be sent: a header has characters that no header may have")
    said = one_line(str(cause), LONGEST)
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return ModelError(
            f"{asked.where} cannot be reached, because its certificate is not trusted: {said}. Behind a proxy that "
            f"has a certificate of its own, name the file with its authority in SSL_CERT_FILE.{_look_at(asked)}"
        )
    return ModelError(
        f"{asked.where} cannot be reached: {said}.{_look_at(asked) or ' Check the network.'}", retryable=True
    )


def _wrong_address(error: BaseException, asked: Asked) -> ModelError:
    said, address = one_line(str(error), LONGEST).rstrip("."), one_line(USER.sub("//", asked.address), 200)
    return ModelError(
        f"{address!r} is no address ({asked.address_from or 'base_url'}): {said}. It begins with https:// or http://."
    )


def _look_at(asked: Asked) -> str:
    return f" Check {asked.address_from}." if asked.address_from else ""


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__


# --- answers -------------------------------------------------------------------------------------------


def _status_error(error: Any, asked: Asked) -> ModelError:
    if 300 <= error.status_code < 400:
        to = one_line(USER.sub("//", error.response.headers.get("location", "")), 200) or "another address"
        return ModelError(
            f"{asked.where} sends on to {to}. The key goes to the address that was named and to no other: if that one "
            f"is right, name it ([anthropic_model] base_url, or ANTHROPIC_BASE_URL)",
            status=error.status_code,
        )
    kind = error.type or ""
    status = error.status_code if error.status_code >= 400 else STATUS_OF.get(kind, 500)
    said = _words(error)
    text = f"{asked.where if not kind else 'the Anthropic API'} answered {status}{f' ({kind})' if kind else ''}: {said}"
    if hint := _hint(status, kind, said.lower(), asked):
        text = f"{text.rstrip('.')}. {hint}"
    if error.request_id:
        text += f" [{one_line(error.request_id, 100)}]"
    if status == 413 or (status == 400 and any(words in said.lower() for words in TOO_LONG)):
        return ContextOverflowError(text, status=status)
    headers = error.response.headers
    return ModelError(
        text, status=status, retryable=_passes(status, headers, error.error_code), retry_after=retry_after(headers)
    )


def _words(error: Any) -> str:
    """Return what a server said in one line: of a page its title, or the beginning of its words."""
    if error.api_message:
        return one_line(error.api_message, LONGEST)
    said = error.body if isinstance(error.body, str) else error.message
    if not said.lstrip().startswith("<"):
        return one_line(said, LONGEST)
    head = said[:HEAD_OF_A_PAGE]
    title = TITLE.search(head)
    return f"a page, {one_line(html.unescape(title[1] if title else TAG.sub(' ', head)), 100)!r}"


def _hint(status: int, kind: str, said: str, asked: Asked) -> str:
    if NO_CREDIT in said or status == 402:
        return f"Add credit, or use a key of another account: this one is {asked.key}."
    if status == 401:
        return f"Check {asked.key}."
    if status == 403:
        return f"Check what {asked.key} may do."
    if status == 404 and kind:
        return f"Check the model's name: {asked.model}.{did_you_mean(asked.model, CONTEXT_WINDOWS)}"
    if status == 400 and said.startswith("max_tokens:"):
        return "Set [model] max_tokens to what this model may write."
    # Not the API's own words: the request may have gone to something else.
    return _look_at(asked).strip() if not kind and status < 500 else ""


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
