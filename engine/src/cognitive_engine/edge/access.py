"""Who may pass: authentication, then the rate limit."""

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from cognitive_engine.security.api_keys import ANONYMOUS, KeyFile, Principal
from cognitive_engine.security.rate_limit import RateLimiter

from .middleware import Exchange
from .problems import KEY_INVALID, KEY_MISSING, RATE_LIMITED, Kind, Problem

_KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)
_BEARER = HTTPBearer(auto_error=False)


class Gate:
    """Admits requests. Without `keys` everybody is the same anonymous caller."""

    def __init__(self, keys: KeyFile | None, limiter: RateLimiter | None) -> None:
        self._keys = keys
        self._limiter = limiter

    async def admit(
        self,
        request: Request,
        key: Annotated[str | None, Security(_KEY_HEADER)],
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    ) -> Principal:
        """The caller of `request`.

        Raises:
            Problem: 401 or 429. Who fails to identify also spends the tokens of their address,
                so keys cannot be guessed at speed.
        """
        if self._keys is None:
            self._limit(request, f"address:{_address(request)}")
            return Principal(ANONYMOUS)
        given = key or (bearer.credentials if bearer else "")
        principal = self._keys.authenticate(given.encode("latin-1")) if given else None
        if principal is None:
            self._limit(request, f"address:{_address(request)}")
            kind, detail = (
                (KEY_INVALID, "The API key is not known.")
                if given
                else (KEY_MISSING, "Send an API key as X-API-Key or as a bearer token.")
            )
            raise _unauthenticated(kind, detail)
        self._limit(request, f"principal:{principal.scope}")
        return principal

    def _limit(self, request: Request, client: str) -> None:
        if self._limiter is None:
            return
        limiter = self._limiter
        allowance = limiter.take(client)
        exchange: Exchange = request.state.exchange
        exchange.headers["RateLimit-Policy"] = (
            f'"default";q={limiter.burst};w={limiter.window_seconds}'
        )
        exchange.headers["RateLimit"] = (
            f'"default";r={allowance.remaining};t={allowance.wait_seconds}'
        )
        if not allowance.allowed:
            wait = {"Retry-After": str(allowance.wait_seconds)}
            raise Problem(RATE_LIMITED, "Too many requests; wait and try again.", headers=wait)


def _unauthenticated(kind: Kind, detail: str) -> Problem:
    return Problem(kind, detail, headers={"WWW-Authenticate": "Bearer"})


def _address(request: Request) -> str:
    # The peer's own address: a forwarded one is whatever the sender says.
    return request.client.host if request.client else "unknown"
