"""Errors as `application/problem+json` (RFC 9457): one table, one body.

A body names the place of a fault and never what stood there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its code, HTTP status and title."""

    code: str
    status: int
    title: str


VALIDATION: Final = Kind("E100", 422, "Invalid request")
MORAL_VALUE: Final = Kind("E102", 422, "Invalid moral value")
PROMPT: Final = Kind("E103", 422, "Invalid prompt")
MAX_TOKENS: Final = Kind("E104", 422, "Invalid max_tokens")
PROMPT_EMPTY: Final = Kind("E107", 422, "Empty prompt")
PROMPT_TOO_LONG: Final = Kind("E108", 422, "Prompt too long")
BODY_TOO_LARGE: Final = Kind("E108", 413, "Body too large")
MALFORMED_JSON: Final = Kind("E109", 400, "Malformed JSON")
KEY_INVALID: Final = Kind("E204", 401, "Invalid API key")
KEY_MISSING: Final = Kind("E206", 401, "Missing API key")
ASLEEP: Final = Kind("E501", 503, "Asleep")
GENERATION: Final = Kind("E600", 502, "Generation failed")
EMERGENCY: Final = Kind("E701", 503, "Emergency")
INTERNAL: Final = Kind("E900", 500, "Internal error")
RATE_LIMITED: Final = Kind("E901", 429, "Too many requests")
TIMED_OUT: Final = Kind("E902", 504, "Timed out")
OVERLOADED: Final = Kind("E903", 503, "Overloaded")
BAD_REQUEST: Final = Kind("E904", 400, "Bad request")
MEDIA_TYPE: Final = Kind("E904", 415, "Unsupported media type")
NOT_FOUND: Final = Kind("E905", 404, "Not found")
METHOD: Final = Kind("E906", 405, "Method not allowed")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a body: a JSON pointer to its place, and what is expected there."""

    pointer: str
    message: str


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

    def body(self, request_id: str) -> bytes:
        """The JSON body."""
        document: dict[str, object] = {
            "type": f"urn:mlsdm:problem:{self.kind.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "instance": f"urn:mlsdm:request:{request_id}",
            "code": self.kind.code,
            "request_id": request_id,
        }
        if self.faults:
            document["errors"] = [
                {"pointer": fault.pointer, "message": fault.message} for fault in self.faults
            ]
        return json.dumps(document).encode()


def from_status(status: int, headers: Mapping[str, str] | None) -> Problem:
    """The problem for a status that the framework decided."""
    known = {
        404: (NOT_FOUND, "There is nothing at this path."),
        405: (METHOD, "This path does not take this method."),
    }
    kind, detail = known.get(status, (BAD_REQUEST, "The request cannot be served."))
    return Problem(kind, detail, headers=headers)
