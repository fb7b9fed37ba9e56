"""The envelope of every request: id, deadline, body bound, headers, one log line, one count.

Plain ASGI around the whole application, so that also an answer the framework makes for a crash
leaves with an id and the security headers.
"""

import asyncio
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cognitive_engine.domain import limits
from cognitive_engine.telemetry.logs import describe

from . import problems
from .problems import Problem

_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{limits.REQUEST_ID_CHARS_MAX}}}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Not a status that was sent: the request was cancelled, or its client had gone.
_UNANSWERED: Final = 499
_DOCS_PATH: Final = "/docs"
# Routes that the framework adds by itself carry no template.
_FRAMEWORK_PATHS: Final = frozenset({_DOCS_PATH, "/openapi.json"})
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
# The documentation page loads its viewer from a public address.
_POLICY_DOCS: Final = (
    "default-src 'none'; frame-ancestors 'none'; connect-src 'self'; img-src 'self' data: https:; "
    "script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net"
)

_log = structlog.stdlib.get_logger("cognitive_engine.requests")


class RequestCounter(Protocol):
    """Counts requests as they end."""

    def count_request(self, method: str, route: str, status: int) -> None:
        """Count one."""


@dataclass(slots=True)
class Exchange:
    """What is known of a request; the routes add headers and log fields (never content)."""

    request_id: str
    started: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, object] = field(default_factory=dict)


class Envelope:
    """Wraps `app`. `deadline_seconds` bounds a request, reading its body included."""

    def __init__(
        self,
        app: ASGIApp,
        counter: RequestCounter,
        *,
        deadline_seconds: float = limits.REQUEST_SECONDS_MAX,
    ) -> None:
        self._app = app
        self._counter = counter
        self._deadline_seconds = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = Exchange(_request_id(headers), time.perf_counter())
        scope.setdefault("state", {})["exchange"] = exchange

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                _complete(message, exchange, scope["path"])
            await send(message)

        try:
            await self._answer(scope, _bounded(receive), sending, exchange)
        finally:
            self._report(scope, exchange)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length[:12]) > limits.BODY_BYTES_MAX:
            await send_problem(send, _too_large(), exchange)
            return
        deadline = asyncio.timeout(self._deadline_seconds)
        try:
            async with deadline:
                await self._app(scope, receive, send)
        except Exception as error:
            if deadline.expired():
                problem = Problem(problems.TIMED_OUT, "The answer took too long.")
            else:
                problem = Problem(problems.INTERNAL, "The engine failed; see its log.")
                fields = describe(error)
                _log.error("request_failed", request_id=exchange.request_id, **fields)
            exchange.fields["error_code"] = problem.kind.code
            if not exchange.status:
                await send_problem(send, problem, exchange)

    def _report(self, scope: Scope, exchange: Exchange) -> None:
        route = _route(scope)
        status = exchange.status or _UNANSWERED
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._counter.count_request(method, route, status)
        quiet = status < 400 and (route.startswith("/health") or route == "/metrics")
        log = _log.debug if quiet else _log.info
        log(
            "request",
            request_id=exchange.request_id,
            method=method,
            route=route,
            status=status,
            latency_ms=_elapsed_ms(exchange),
            **exchange.fields,
        )


async def send_problem(send: Send, problem: Problem, exchange: Exchange) -> None:
    """Answer with `problem`."""
    exchange.fields["error_code"] = problem.kind.code
    body = problem.body(exchange.request_id)
    headers = {
        "Content-Type": problems.CONTENT_TYPE,
        "Content-Length": str(len(body)),
        **problem.headers,
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": problem.kind.status, "headers": encoded}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _route(scope: Scope) -> str:
    """The template that matched: a bounded set, whatever paths are asked for."""
    if scope["path"] in _FRAMEWORK_PATHS:
        return str(scope["path"])
    return getattr(scope.get("route"), "path", "unmatched")


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _bounded(receive: Receive) -> Receive:
    """`receive` that ends a request whose body grows too large, announced or not."""
    total = 0

    async def receiving() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limits.BODY_BYTES_MAX:
            raise _too_large()
        return message

    return receiving


def _too_large() -> Problem:
    detail = f"The body is larger than {limits.BODY_BYTES_MAX} bytes."
    # The rest of the body stays unread, so the connection cannot be used again.
    return Problem(problems.BODY_TOO_LARGE, detail, headers={"Connection": "close"})


def _complete(message: Message, exchange: Exchange, path: str) -> None:
    headers = MutableHeaders(raw=list(message.get("headers", [])))
    for name, value in (_HEADERS | exchange.headers).items():
        headers[name] = value
    headers["Content-Security-Policy"] = _POLICY_DOCS if path == _DOCS_PATH else _POLICY
    headers["X-Request-ID"] = exchange.request_id
    headers["X-Response-Time"] = f"{_elapsed_ms(exchange):.2f}ms"
    message["headers"] = headers.raw


def _elapsed_ms(exchange: Exchange) -> float:
    return round((time.perf_counter() - exchange.started) * 1000, 2)
