"""What a backend's refusal means: status, headers and error body, turned into failures of ours.

The body is the vendor's text and may quote the prompt: of it only a published word is kept, and
whether it names a field of the request.
"""

import math
import re
import socket
import ssl
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import msgspec

from cognitive_engine.adapters.failures import (
    AnswerInvalid,
    BackendFailed,
    BackendRateLimited,
    BackendTimedOut,
    BackendUnreachable,
)
from cognitive_engine.domain import limits

_TIMED_OUT: Final = frozenset({408, 504})
_TURNED_AWAY: Final = frozenset({429, 503, 529})
_MALFORMED: Final = frozenset({400, 422})
_MEANINGS: Final = {
    401: "it does not accept the API key",
    403: "it refuses access",
    404: "it knows no such path or model",
    413: "the request is too long for it",
    429: "it wants fewer requests",
    503: "it is overloaded",
    529: "it is overloaded",
}
# The types and codes that vendors publish.
_PUBLISHED_WORDS: Final = (
    "api_error authentication_error billing_error conflict_error content_policy_violation "
    "context_length_exceeded insufficient_quota internal_server_error invalid_api_key "
    "invalid_request_error model_not_found not_found_error overloaded_error permission_error "
    "rate_limit_error rate_limit_exceeded request_too_large requests server_error timeout_error "
    "tokens unsupported_parameter unsupported_value"
)
_PUBLISHED: Final = frozenset(_PUBLISHED_WORDS.split())
_MENTION: Final = r"\b{}\b(?![\"']\s*:)"
_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError)


class FieldRefused(BackendFailed):
    """The refusal names `fields` of the request."""

    def __init__(self, text: str, *, fields: frozenset[str], status: int, kind: str) -> None:
        super().__init__(text, status=status, kind=kind)
        self.fields = fields


def refusal(
    name: str, status: int, retry_after: str | None, body: bytes, fields: Iterable[str]
) -> BackendFailed:
    """The failure that an HTTP answer without success stands for.

    `name` is the backend's, `retry_after` a header; `fields` are looked for in the body.
    """
    fault = _fault(body)
    kind = _published_kind(fault)
    if 300 <= status < 400:
        text = f"the {name} backend redirects; its base URL must be where it leads to"
        return AnswerInvalid(text, status=status)
    meaning = _MEANINGS.get(status)
    text = f"the {name} backend answered {status}" + (f": {meaning}" if meaning else "")
    if status in _TIMED_OUT:
        return BackendTimedOut(text, status=status, kind=kind)
    if status in _TURNED_AWAY:
        return _turned_away(text, status, kind, _seconds(retry_after))
    named = _named(fault, body, fields) if status in _MALFORMED else frozenset()
    if named:
        return FieldRefused(text, fields=named, status=status, kind=kind)
    return BackendFailed(text, status=status, kind=kind)


def unreachable(name: str, error: Exception) -> BackendUnreachable:
    """The failure of a call that ended without an answer."""
    if isinstance(error, _UNSENT):
        text = f"the {name} backend cannot be reached: {_reason(error)}"
        return BackendUnreachable(text, again_after=limits.BACKEND_RETRY_PAUSE_SECONDS)
    return BackendUnreachable(f"the connection to the {name} backend was lost")


def _turned_away(text: str, status: int, kind: str, told: int | None) -> BackendFailed:
    short = told is not None and told <= limits.BACKEND_RETRY_WAIT_SECONDS_MAX
    failure = BackendRateLimited if status == 429 else BackendFailed
    return failure(
        text,
        status=status,
        kind=kind,
        retry_after=limits.BUSY_RETRY_SECONDS if told is None else max(1, told),
        again_after=told if short else None,
    )


def _seconds(retry_after: str | None) -> int | None:
    """Seconds in a Retry-After header, which may hold a date; None when it says nothing useful."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    else:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return math.ceil(min(max(seconds, 0.0), limits.BACKEND_RETRY_AFTER_SECONDS_MAX))


def _fault(body: bytes) -> dict[str, object]:
    """The object that vendors describe an error with; empty when there is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    fault = document.get("error") if isinstance(document, dict) else None
    return fault if isinstance(fault, dict) else {}


def _published_kind(fault: dict[str, object]) -> str:
    words = (fault.get("code"), fault.get("type"))
    return next((word for word in words if isinstance(word, str) and word in _PUBLISHED), "other")


def _named(fault: dict[str, object], body: bytes, fields: Iterable[str]) -> frozenset[str]:
    """Which of `fields` is at fault: `param` says it, or the beginning of the message.

    A message may quote the request, and with it every field: that is no mention.
    """
    if isinstance(fault.get("param"), str):
        return frozenset(fields) & {str(fault["param"])}
    said = fault.get("message")
    text = said if isinstance(said, str) else body.decode(errors="replace")
    text = text[: limits.BACKEND_REFUSAL_CHARS_READ]
    return frozenset(field for field in fields if re.search(_MENTION.format(field), text))


def _reason(error: BaseException) -> str:
    """Why no connection came about, in words that hold nothing of the request."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not trusted"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as it should"
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection is refused"
        if isinstance(cause, TimeoutError | httpx2.ConnectTimeout):
            return "no connection in time"
        if isinstance(cause, httpx2.ProxyError):
            return "the proxy does not let it through"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
