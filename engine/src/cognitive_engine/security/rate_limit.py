"""A token bucket for each client, and a bound on the number of buckets."""

import ipaddress
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from cognitive_api.engine_config import RateLimitSettings
from cognitive_engine.domain import limits

from .principals import Kind, Principal

# Share of a token: rounding must not cost a client the request that is due.
_ROUNDING: Final = 1e-6
# One in so many buckets goes at once, so that the search for them is rarely paid.
_ROOM: Final = 10
_IPV6_PREFIX_BITS: Final = 64


class Allowance(NamedTuple):
    """What a client has: whether this request passes, requests left, whole seconds to wait.

    `wait_seconds` is the time to the next request that would pass, or to a full bucket; never 0,
    so it serves as Retry-After.
    """

    allowed: bool
    remaining: int
    wait_seconds: int

    @property
    def field(self) -> str:
        """The value of the RateLimit response field."""
        return f'"default";r={self.remaining};t={self.wait_seconds}'


class RateLimiter:
    """Buckets by client name.

    A bucket is kept as the one moment at which it will be full again. When there are too many,
    those that are full go, which forgets nothing, and the fullest of the others: a flood of new
    names has these, so it drives out itself and not the clients who have used theirs up.
    """

    def __init__(self, settings: RateLimitSettings, monotonic: Callable[[], float]) -> None:
        self.burst = settings.burst
        self.rate = settings.requests_per_second
        self.window_seconds = max(1, math.ceil(self.burst / self.rate))
        self.policy_field = f'"default";q={self.burst};w={self.window_seconds}'
        self._interval = 1.0 / self.rate
        self._monotonic = monotonic
        self._full_at: dict[str, float] = {}

    def take(self, client: str) -> Allowance:
        """Take one token of `client`, if there is one."""
        now = self._monotonic()
        full_at = self._full_at.get(client, now)
        if full_at < now:  # noqa: PLR1730 - twice as fast as max()
            full_at = now
        missing = (full_at - now) * self.rate
        tokens = self.burst - missing + _ROUNDING
        if tokens < 1.0:
            return Allowance(False, 0, _whole_seconds((1.0 - tokens) * self._interval))
        if client not in self._full_at and len(self._full_at) >= limits.RATE_BUCKETS_MAX:
            self._make_room(now)
        self._full_at[client] = full_at + self._interval
        return Allowance(True, int(tokens - 1.0), _whole_seconds((missing + 1.0) * self._interval))

    def refusal(self, client: str) -> Allowance | None:
        """What `take` would refuse with; None when it would not. Takes nothing."""
        full_at = self._full_at.get(client)
        if full_at is None:
            return None
        tokens = self.burst - (full_at - self._monotonic()) * self.rate + _ROUNDING
        if tokens >= 1.0:
            return None
        return Allowance(False, 0, _whole_seconds((1.0 - tokens) * self._interval))

    def __len__(self) -> int:
        """Buckets in memory."""
        return len(self._full_at)

    def _make_room(self, now: float) -> None:
        moments = sorted(self._full_at.values())
        last = max(now, moments[limits.RATE_BUCKETS_MAX // _ROOM])
        self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > last}


def client_name(principal: Principal | None, host: str | None) -> str:
    """Whose bucket it is: the principal's; without one that of the address `host`.

    An IPv6 address stands for its network of 64 bits: whoever has one has all of them.
    """
    if principal is not None and principal.kind is not Kind.ANONYMOUS:
        return principal.scope
    return _address_name(host or "unknown")


@lru_cache(maxsize=4096)
def _address_name(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return f"address:{host}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            network = int(address) >> (128 - _IPV6_PREFIX_BITS)
            return f"address:{network:x}/{_IPV6_PREFIX_BITS}"
        address = address.ipv4_mapped
    return f"address:{address}"


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds - _ROUNDING))
