"""Errors as `application/problem+json` (RFC 9457): one table, one body.

A body names the place of a fault and never what stood there.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidInput, InvalidVector
from cognitive_engine.ports import GenerationFailed
from cognitive_engine.security.errors import AccessError, Forbidden, Unauthenticated, Unavailable

CONTENT_TYPE: Final = "application/problem+json"


class Kind(NamedTuple):
    """One kind of problem: its code, HTTP status and title."""

    code: str
    status: int
    title: str


VALIDATION: Final = Kind("E100", 422, "Invalid request")
VECTOR: Final = Kind("E101", 422, "Invalid vector")
MORAL_VALUE: Final = Kind("E102", 422, "Invalid moral value")
PROMPT: Final = Kind("E103", 422, "Invalid prompt")
MAX_TOKENS: Final = Kind("E104", 422, "Invalid max_tokens")
PROMPT_EMPTY: Final = Kind("E107", 422, "Empty prompt")
PROMPT_TOO_LONG: Final = Kind("E108", 422, "Prompt too long")
BODY_TOO_LARGE: Final = Kind("E108", 413, "Body too large")
HEADERS_TOO_LARGE: Final = Kind("E108", 431, "Headers too large")
MALFORMED_JSON: Final = Kind("E109", 400, "Malformed JSON")
ASLEEP: Final = Kind("E501", 503, "Asleep")
GENERATION: Final = Kind("E600", 502, "Generation failed")
EMERGENCY: Final = Kind("E701", 503, "Emergency")
INTERNAL: Final = Kind("E900", 500, "Internal error")
RATE_LIMITED: Final = Kind("E901", 429, "Too many requests")
TIMED_OUT: Final = Kind("E902", 504, "Timed out")
OVERLOADED: Final = Kind("E903", 503, "Overloaded")
BAD_REQUEST: Final = Kind("E904", 400, "Bad request")
TOO_SLOW: Final = Kind("E904", 408, "Request too slow")
MEDIA_TYPE: Final = Kind("E904", 415, "Unsupported media type")
NOT_FOUND: Final = Kind("E905", 404, "Not found")
METHOD: Final = Kind("E906", 405, "Method not allowed")

_ACCESS: Final = {
    "E201": Kind("E201", 401, "Invalid token"),
    "E202": Kind("E202", 401, "Expired token"),
    "E203": Kind("E203", 403, "No role"),
    "E204": Kind("E204", 401, "Invalid API key"),
    "E205": Kind("E205", 403, "Role not allowed"),
    "E206": Kind("E206", 401, "Missing credentials"),
    "E903": Kind("E903", 503, "Unavailable"),
}
_BACKEND: Final = {
    "E600": (GENERATION, "No answer could be generated."),
    "E601": (Kind("E601", 504, "Generation timed out"), "The model took too long."),
    "E602": (Kind("E602", 429, "Model is busy"), "The model wants fewer requests."),
    "E603": (Kind("E603", 502, "Empty answer"), "The model had nothing to say."),
    "E605": (Kind("E605", 502, "Model not reached"), "The model cannot be reached."),
    "E606": (Kind("E606", 502, "Invalid answer"), "The model's answer cannot be used."),
    "E703": (Kind("E703", 503, "Model left alone"), "The model failed too often; try later."),
    "E903": (OVERLOADED, "The model is asked as much as it may be; try again."),
}
# Every kind there is, for the description of the API.
KINDS: Final = (
    *(value for value in tuple(globals().values()) if isinstance(value, Kind)),
    *_ACCESS.values(),
    *(kind for kind, _ in _BACKEND.values() if kind not in (GENERATION, OVERLOADED)),
)


class Fault(msgspec.Struct, frozen=True):
    """One fault in a body: a JSON pointer to its place, and what is expected there."""

    pointer: str
    message: str


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an error answer holds."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    trace_id: str
    retry_after: int | None = None
    errors: tuple[Fault, ...] = ()


class Problem(Exception):
    """Ends a request with an error answer."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.faults = faults

    def body(self, request_id: str, trace_id: str) -> bytes:
        """The JSON body."""
        wait = self.headers.get("Retry-After")
        return msgspec.json.encode(
            ProblemBody(
                type=f"urn:mlsdm:problem:{self.kind.code}",
                title=self.kind.title,
                status=self.kind.status,
                detail=self.detail,
                instance=f"urn:mlsdm:request:{request_id}",
                code=self.kind.code,
                request_id=request_id,
                trace_id=trace_id,
                retry_after=int(wait) if wait else None,
                errors=self.faults,
            )
        )


def problem_of(error: Exception) -> Problem:
    """The problem that `error` is to a caller. What an error says is not repeated."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, AccessError):
        return _of_access(error)
    if isinstance(error, GenerationFailed):
        return _of_backend(error)
    if isinstance(error, InvalidVector):
        fault = Fault("/event_vector", "must be finite numbers, as many as the memory's dimension")
        return Problem(VECTOR, "The vector cannot be used.", faults=(fault,))
    if isinstance(error, InvalidInput):
        return Problem(VALIDATION, "A value is out of its bounds.")
    return Problem(INTERNAL, "The engine failed; see its log.")


def from_status(status: int, headers: Mapping[str, str] | None) -> Problem:
    """The problem for a status that the framework decided."""
    known = {
        404: (NOT_FOUND, "There is nothing at this path."),
        405: (METHOD, "This path does not take this method."),
    }
    kind, detail = known.get(status, (BAD_REQUEST, "The request cannot be served."))
    return Problem(kind, detail, headers=headers)


def _of_access(error: AccessError) -> Problem:
    headers = {}
    if isinstance(error, Unauthenticated | Forbidden):
        headers["WWW-Authenticate"] = error.challenge
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    return Problem(_ACCESS[error.code], error.detail, headers=headers)


def _of_backend(error: GenerationFailed) -> Problem:
    kind, detail = _BACKEND.get(getattr(error, "code", ""), _BACKEND[GENERATION.code])
    wait = getattr(error, "retry_after", None)
    if wait is None and kind.status in (429, 503):
        wait = limits.BUSY_RETRY_SECONDS
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return Problem(kind, detail, headers=headers)
