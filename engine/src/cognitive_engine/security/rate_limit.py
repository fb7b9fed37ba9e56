"""A token bucket for each client, and a bound on the number of buckets."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from cognitive_api.engine_config import RateLimitSettings
from cognitive_engine.domain import limits


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client has: whether this request passes, requests left, whole seconds to wait.

    `wait_seconds` is the time to the next request that would pass, or to a full bucket.
    """

    allowed: bool
    remaining: int
    wait_seconds: int


class RateLimiter:
    """Buckets by client name. The one idle longest makes room when there are too many."""

    def __init__(self, settings: RateLimitSettings, monotonic: Callable[[], float]) -> None:
        self.burst = settings.burst
        self.rate = settings.requests_per_second
        self.window_seconds = max(1, math.ceil(self.burst / self.rate))
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, seen

    def take(self, client: str) -> Allowance:
        """Take one token of `client`, if there is one."""
        now = self._monotonic()
        tokens, seen = self._buckets.pop(client, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - seen) * self.rate)
        allowed = tokens >= 1.0
        if allowed:
            tokens -= 1.0
        self._buckets[client] = (tokens, now)
        if len(self._buckets) > limits.RATE_BUCKETS_MAX:
            self._buckets.popitem(last=False)
        missing = (self.burst if allowed else 1) - tokens
        return Allowance(allowed, int(tokens), max(1, math.ceil(missing / self.rate)))
