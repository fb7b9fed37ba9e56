"""What is known of one request: who asks, under which ids, and what the answer will carry."""

import random
import re
import time
from typing import Final, NamedTuple

from starlette.types import Scope

from cognitive_engine.domain import limits
from cognitive_engine.telemetry.traces import RequestTrace

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,%d}" % limits.REQUEST_ID_CHARS_MAX)
# Version 00 of W3C trace context; an id of zeros only is none.
_TRACEPARENT: Final = re.compile(
    rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
# Ids need to differ, not to be secret: this is ten times as fast as a UUID.
_ids: Final = random.Random(random.SystemRandom().getrandbits(256))  # noqa: S311
_UNTRACED: Final = "00"

Header = tuple[bytes, bytes]
Headers = list[Header]


class Trace(NamedTuple):
    """Where a request belongs in a trace; ids in hexadecimal. `parent_id` is the caller's span."""

    trace_id: str
    span_id: str
    flags: str = _UNTRACED
    parent_id: str | None = None

    @property
    def header(self) -> bytes:
        """The value of traceparent that names this request's own span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()


class Exchange:
    """One request and its answer. Routes add answer headers and log fields, never content."""

    __slots__ = (
        "code",
        "fields",
        "given",
        "headers",
        "host",
        "method",
        "reading",
        "request_id",
        "route",
        "started",
        "status",
        "trace",
        "traced",
    )

    def __init__(self, scope: Scope, route: str) -> None:
        self.started = time.perf_counter()
        # Of a name sent twice the last one counts.
        self.given: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.route = route
        client = scope.get("client")
        # The peer's own address: a forwarded one is whatever the sender says.
        self.host: str | None = client[0] if client else None
        self.request_id = _request_id(self.given.get(b"x-request-id"))
        self.trace = _trace(self.given.get(b"traceparent"))
        self.status = 0
        # Whether the rest of the body is waited for.
        self.reading = False
        self.headers: Headers = []
        self.fields: dict[str, object] = {}
        self.code = ""
        self.traced: RequestTrace | None = None

    def fail(self, code: str) -> None:
        """Take note of the problem that is answered."""
        self.code = code
        self.fields["error_code"] = code

    def elapsed_ms(self) -> float:
        """Milliseconds since the request arrived here."""
        return (time.perf_counter() - self.started) * 1000.0


def _request_id(given: bytes | None) -> str:
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return f"{_ids.getrandbits(128):032x}"


def _trace(given: bytes | None) -> Trace:
    span_id = f"{_ids.getrandbits(64) | 1:016x}"
    found = _TRACEPARENT.fullmatch(given) if given is not None else None
    if found is None:
        return Trace(f"{_ids.getrandbits(128) | 1:032x}", span_id)
    trace_id, parent_id, flags = found.groups()
    return Trace(trace_id.decode(), span_id, flags.decode(), parent_id.decode())
