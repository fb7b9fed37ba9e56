"""Answer headers: the ones that every answer carries, and those of other origins (CORS)."""

from collections.abc import Iterable
from typing import Final

from .exchange import Exchange, Header, Headers

_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
# The documentation page loads its viewer from a public address.
_POLICY_DOCS: Final = (
    b"default-src 'none'; frame-ancestors 'none'; connect-src 'self'; img-src 'self' data: https:; "
    b"script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net"
)
_COMMON: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
SECURITY: Final[tuple[Header, ...]] = (*_COMMON, (b"content-security-policy", _POLICY))
SECURITY_DOCS: Final[tuple[Header, ...]] = (*_COMMON, (b"content-security-policy", _POLICY_DOCS))
# Said only where it counts: browsers ignore it over plain HTTP.
_TRANSPORT: Final[Header] = (
    b"strict-transport-security",
    b"max-age=31536000; includeSubDomains",
)
JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"

_EXPOSED: Final = (
    b"X-Request-ID, X-Response-Time, Retry-After, RateLimit, RateLimit-Policy, traceparent"
)
_ASKED: Final = b"Authorization, Content-Type, X-API-Key, X-Request-ID, traceparent"
_METHODS: Final = b"GET, POST"
_PREFLIGHT_SECONDS: Final = b"600"
_ANY: Final = "*"


def answer_headers(exchange: Exchange, body: bytes, content_type: bytes) -> Headers:
    """All headers of an answer that is made here."""
    headers: Headers = [
        *SECURITY,
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        *exchange.headers,
    ]
    _identify(headers, exchange)
    return headers


def complete(made: Iterable[Header], exchange: Exchange, security: Iterable[Header]) -> Headers:
    """The headers of an answer that the framework made, with what every answer carries."""
    headers: Headers = [*made, *security, *exchange.headers]
    _identify(headers, exchange)
    return headers


def _identify(headers: Headers, exchange: Exchange) -> None:
    headers += (
        (b"x-request-id", exchange.request_id.encode()),
        (b"x-response-time", b"%.2fms" % exchange.elapsed_ms()),
        (b"traceparent", exchange.trace.header),
    )
    if exchange.given.get(b"x-forwarded-proto") == b"https":
        headers.append(_TRANSPORT)


class Origins:
    """Which web pages of other origins may call the API. No cookies: callers send their key."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)
        self._any = _ANY.encode() in self._allowed

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def greet(self, exchange: Exchange) -> bool:
        """Add what the caller's browser wants to know; whether its origin is welcome."""
        origin = exchange.given.get(b"origin")
        if not self._any:
            exchange.headers.append((b"vary", b"Origin"))
        if origin is None or not (self._any or origin in self._allowed):
            return False
        exchange.headers += (
            (b"access-control-allow-origin", _ANY.encode() if self._any else origin),
            (b"access-control-expose-headers", _EXPOSED),
        )
        return True

    def is_preflight(self, exchange: Exchange) -> bool:
        """Whether a browser asks before it asks."""
        return (
            exchange.method == "OPTIONS"
            and b"origin" in exchange.given
            and b"access-control-request-method" in exchange.given
        )

    def permit(self, exchange: Exchange) -> None:
        """Add what a page may do."""
        exchange.headers += (
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ASKED),
            (b"access-control-max-age", _PREFLIGHT_SECONDS),
        )
