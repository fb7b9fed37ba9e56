"""The front of the engine: one ASGI layer that every request passes, and that answers most.

    request id, trace → preflight → hot route: body, caller, limit, answer
                                  → or what stands behind: the framework
    → headers → one count → one log line

Everything a frequent request needs is done here in plain ASGI; the framework costs more than the
rest of such a request together. Its own middleware is not used.
"""

import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cognitive_engine.domain import limits
from cognitive_engine.security.principals import Principal, Role
from cognitive_engine.telemetry import logs
from cognitive_engine.telemetry.traces import Tracing

from . import problems
from .access import Door
from .bodies import check_announced, read_body, too_large
from .deadlines import Deadlines
from .exchange import Exchange
from .headers import JSON, PROBLEM, SECURITY, SECURITY_DOCS, Origins, answer_headers, complete
from .problems import Problem, from_status, problem_of

EXCHANGE: Final = "exchange"
UNMATCHED: Final = "unmatched"

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Not a status that was sent: the request was cancelled, or its client had gone.
_UNANSWERED: Final = 499
_DOCS_PATH: Final = "/docs"
# Routes that the framework adds by itself carry no template.
_FRAMEWORK_PATHS: Final = frozenset({_DOCS_PATH, "/openapi.json"})

_log = structlog.stdlib.get_logger("cognitive_engine.requests")


class RequestMeter(Protocol):
    """Counts requests as they end."""

    def count_request(
        self, method: str, route: str, status: int, seconds: float, code: str
    ) -> None:
        """Count one that took so many seconds; `code` is of the problem answered, or empty."""


class Hot(NamedTuple):
    """A route with a body that is answered here: JSON in, JSON out, for callers with a role."""

    template: str
    role: Role
    answer: Callable[[Exchange, Principal, bytes], Awaitable[bytes]]


class Open(NamedTuple):
    """A route without a body that is answered here and at once, for everybody."""

    template: str
    answer: Callable[[], tuple[int, bytes]]
    content_type: bytes = JSON


class Front:
    """Serves `routes` by (path → method), and by `app` what is not among them."""

    def __init__(
        self,
        app: ASGIApp | None,
        routes: Mapping[str, Mapping[str, Hot | Open]],
        *,
        door: Door,
        meter: RequestMeter,
        deadlines: Deadlines,
        origins: Origins,
        tracing: Tracing | None = None,
    ) -> None:
        self._app = app
        self._routes = routes
        self._door = door
        self._meter = meter
        self._deadlines = deadlines
        self._origins = origins
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        methods = self._routes.get(scope["path"])
        route = methods.get(scope["method"]) if methods is not None else None
        exchange = Exchange(scope, UNMATCHED if route is None else route.template)
        trace = exchange.trace
        logs.about(exchange.request_id, trace.trace_id, trace.span_id)
        if self._tracing is not None:
            exchange.traced = self._tracing.request(trace)
        try:
            await self._served(exchange, route, methods, scope, receive, send)
        finally:
            self._report(exchange)

    async def _served(
        self,
        exchange: Exchange,
        route: Hot | Open | None,
        methods: Mapping[str, Hot | Open] | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        if self._origins and self._origins.greet(exchange) and self._origins.is_preflight(exchange):
            self._origins.permit(exchange)
            await _send(send, exchange, 204, b"")
            return
        content_type = JSON
        deadline = self._deadlines.begin()
        try:
            if len(exchange.given) > limits.HEADERS_MAX:
                detail = f"There are more than {limits.HEADERS_MAX} headers."
                raise Problem(problems.HEADERS_TOO_LARGE, detail)
            if type(route) is Hot:
                caller = await self._door.admit(exchange, route.role)
                body = await read_body(exchange, receive)
                answer, status = await route.answer(exchange, caller, body), 200
            elif type(route) is Open:
                status, answer = route.answer()
                content_type = route.content_type
            elif methods is not None:
                raise from_status(405, {"Allow": ", ".join(sorted(methods))})
            elif self._app is None:
                raise from_status(404, None)
            else:
                check_announced(exchange)
                await self._behind(self._app, exchange, scope, receive, send)
                return
        except CancelledError:
            if not deadline.expired or deadline.task.uncancel():
                raise
            await _send_problem(send, exchange, self._late(exchange))
            return
        except Exception as error:
            await self._failed(send, exchange, error)
            return
        finally:
            self._deadlines.end(deadline)
        await _send(send, exchange, status, answer, content_type)

    def _late(self, exchange: Exchange) -> Problem:
        if exchange.reading:
            detail, headers = "The body did not come in time.", {"Connection": "close"}
            return Problem(problems.TOO_SLOW, detail, headers=headers)
        headers = {"X-Request-Timeout": f"{self._deadlines.seconds:g}"}
        return Problem(problems.TIMED_OUT, "The answer took too long.", headers=headers)

    async def _behind(
        self, app: ASGIApp, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope.setdefault("state", {})[EXCHANGE] = exchange
        security = SECURITY_DOCS if scope["path"] == _DOCS_PATH else SECURITY

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = complete(message.get("headers", ()), exchange, security)
            await send(message)

        try:
            await app(scope, _bounded(receive), sending)
        finally:
            if scope["path"] in _FRAMEWORK_PATHS:
                exchange.route = scope["path"]
            else:
                exchange.route = getattr(scope.get("route"), "path", UNMATCHED)

    async def _failed(self, send: Send, exchange: Exchange, error: Exception) -> None:
        problem = problem_of(error)
        if problem.kind is problems.INTERNAL:
            _log.error("request_failed", **logs.describe(error))
        await _send_problem(send, exchange, problem)

    def _report(self, exchange: Exchange) -> None:
        status = exchange.status or _UNANSWERED
        method = exchange.method if exchange.method in _METHODS else "OTHER"
        seconds = time.perf_counter() - exchange.started
        route, fields, trace = exchange.route, exchange.fields, exchange.trace
        self._meter.count_request(method, route, status, seconds, exchange.code)
        quiet = status < 400 and (route.startswith("/health") or route == "/metrics")
        if exchange.traced is not None:
            exchange.traced.end(method, route, status, fields)
        logs.log_request(
            exchange.request_id,
            trace.trace_id,
            trace.span_id,
            method,
            route,
            status,
            seconds,
            fields,
            quiet,
        )


async def _send(
    send: Send, exchange: Exchange, status: int, body: bytes, content_type: bytes = JSON
) -> None:
    exchange.status = status
    headers = answer_headers(exchange, body, content_type)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_problem(send: Send, exchange: Exchange, problem: Problem) -> None:
    exchange.fail(problem.kind.code)
    if exchange.status:
        return  # an answer is on its way already
    exchange.status = problem.kind.status
    body = problem.body(exchange.request_id, exchange.trace.trace_id)
    exchange.headers += [
        (name.lower().encode(), value.encode()) for name, value in problem.headers.items()
    ]
    headers = answer_headers(exchange, body, PROBLEM)
    await send({"type": "http.response.start", "status": exchange.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _bounded(receive: Receive) -> Receive:
    """`receive` that ends a request whose body grows too large, announced or not."""
    total = 0

    async def receiving() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limits.BODY_BYTES_MAX:
            raise too_large()
        return message

    return receiving
