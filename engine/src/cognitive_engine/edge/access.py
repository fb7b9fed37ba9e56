"""Who may pass: recognise, limit, authenticate, and only then look at the role."""

from typing import Final, Protocol

from cognitive_engine.security.authenticator import Authenticator, require
from cognitive_engine.security.errors import AccessError, Unauthenticated
from cognitive_engine.security.principals import Kind, Principal, Role
from cognitive_engine.security.rate_limit import Allowance, RateLimiter, client_name

from .exchange import Exchange
from .problems import RATE_LIMITED, Problem

_API_KEY: Final = b"x-api-key"
_AUTHORIZATION: Final = b"authorization"
_PRINCIPAL: Final = "principal"
_ADDRESS: Final = "address"


class AccessMeter(Protocol):
    """Counts who does not pass."""

    def count_rate_limited(self, by: str) -> None:
        """Count one who came too often, as a "principal" or from an "address"."""

    def count_auth_failure(self, reason: str) -> None:
        """Count one who is not let in."""


class Door:
    """Admits callers. Without a `limiter` they may come as often as they like."""

    def __init__(
        self, authenticator: Authenticator, limiter: RateLimiter | None, meter: AccessMeter
    ) -> None:
        self.authenticator = authenticator
        self._limiter = limiter
        self._meter = meter
        self._policy = limiter.policy_field.encode() if limiter is not None else b""

    async def admit(self, exchange: Exchange, role: Role) -> Principal:
        """The caller, who has `role`.

        Raises:
            AccessError: 401, 403 or 503.
            Problem: 429. Who fails to identify spends the tokens of their address, so keys cannot
                be guessed at speed.
        """
        given = exchange.given
        api_key, authorization = given.get(_API_KEY), given.get(_AUTHORIZATION)
        principal = self.authenticator.recognise(api_key, authorization)
        if principal is None:
            principal = await self._identify(exchange, api_key, authorization)
        if self._limiter is not None:
            self._spend(self._limiter, exchange, principal)
        if role not in principal.roles:
            try:
                require(principal, role)
            except AccessError as error:
                self._meter.count_auth_failure(error.reason)
                raise
        return principal

    async def _identify(
        self, exchange: Exchange, api_key: bytes | None, authorization: bytes | None
    ) -> Principal:
        # Verifying a token is dear: who has failed too often is not listened to.
        if self._limiter is not None:
            refusal = self._limiter.refusal(client_name(None, exchange.host))
            if refusal is not None:
                raise self._refused(exchange, refusal, _ADDRESS)
        try:
            return await self.authenticator.authenticate(api_key, authorization)
        except AccessError as error:
            self._meter.count_auth_failure(error.reason)
            if self._limiter is not None and isinstance(error, Unauthenticated):
                self._spend(self._limiter, exchange, None)
            raise

    def _spend(self, limiter: RateLimiter, exchange: Exchange, principal: Principal | None) -> None:
        allowance = limiter.take(client_name(principal, exchange.host))
        if not allowance.allowed:
            known = principal is not None and principal.kind is not Kind.ANONYMOUS
            raise self._refused(exchange, allowance, _PRINCIPAL if known else _ADDRESS)
        self._tell(exchange, allowance)

    def _refused(self, exchange: Exchange, allowance: Allowance, by: str) -> Problem:
        self._meter.count_rate_limited(by)
        self._tell(exchange, allowance)
        wait = {"Retry-After": str(allowance.wait_seconds)}
        return Problem(RATE_LIMITED, "Too many requests; wait and try again.", headers=wait)

    def _tell(self, exchange: Exchange, allowance: Allowance) -> None:
        exchange.headers += (
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", allowance.field.encode()),
        )
