"""The token bucket: burst, refill, separation, bound."""

from cognitive_api.engine_config import RateLimitSettings
from cognitive_engine.domain import limits
from cognitive_engine.security.rate_limit import Allowance, RateLimiter


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def limiter(**settings):
    time = Time()
    return RateLimiter(RateLimitSettings(**settings), time), time


def test_the_published_trace():
    limit, time = limiter()
    assert [limit.take("a").allowed for _ in range(11)] == [True] * 10 + [False]
    time.now = 0.2
    assert [limit.take("a").allowed for _ in range(2)] == [True, False]


def test_a_client_learns_what_is_left():
    limit, _ = limiter(requests_per_second=1, burst=3)
    assert limit.window_seconds == 3
    assert [limit.take("a") for _ in range(4)] == [
        Allowance(True, 2, 1),
        Allowance(True, 1, 2),
        Allowance(True, 0, 3),
        Allowance(False, 0, 1),
    ]


def test_a_refusal_costs_nothing():
    limit, time = limiter(requests_per_second=1, burst=1)
    limit.take("a")
    for _ in range(50):
        assert not limit.take("a").allowed
    time.now = 1.0
    assert limit.take("a").allowed


def test_clients_are_apart():
    limit, _ = limiter(burst=1)
    assert limit.take("a").allowed
    assert limit.take("b").allowed
    assert not limit.take("a").allowed


def test_a_rest_fills_the_bucket_and_no_more():
    limit, time = limiter(requests_per_second=5, burst=2)
    time.now = 1e6
    assert [limit.take("a").allowed for _ in range(3)] == [True, True, False]


def test_the_number_of_buckets_is_bounded_and_the_idlest_goes():
    limit, _ = limiter(burst=1)
    for number in range(limits.RATE_BUCKETS_MAX):
        limit.take(str(number))
    limit.take("0")
    limit.take("one more")
    assert len(limit._buckets) == limits.RATE_BUCKETS_MAX
    assert not limit.take("0").allowed
    assert limit.take("1").allowed
