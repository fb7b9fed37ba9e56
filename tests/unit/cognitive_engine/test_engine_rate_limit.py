"""The token bucket: burst, refill, separation, bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_api.engine_config import RateLimitSettings
from cognitive_engine.domain import limits
from cognitive_engine.security.principals import Kind, Principal
from cognitive_engine.security.rate_limit import Allowance, RateLimiter, client_name


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


def test_a_refusal_can_be_foretold_and_costs_nothing():
    limit, time = limiter(requests_per_second=1, burst=2)
    assert limit.refusal("a") is None
    assert limit.take("a").allowed
    assert limit.refusal("a") is None
    assert limit.take("a").allowed
    for _ in range(3):
        assert limit.refusal("a") == Allowance(False, 0, 1)
    time.now = 1.0
    assert limit.refusal("a") is None
    assert limit.take("a").allowed


def test_a_rest_fills_the_bucket_and_no_more():
    limit, time = limiter(requests_per_second=5, burst=2)
    time.now = 1e6
    assert [limit.take("a").allowed for _ in range(3)] == [True, True, False]


def test_a_slow_rate_says_how_long_to_wait():
    limit, time = limiter(requests_per_second=0.1, burst=1)
    assert limit.policy_field == '"default";q=1;w=10'
    assert limit.take("a").field == '"default";r=0;t=10'
    assert limit.take("a") == Allowance(False, 0, 10)
    time.now = 9.5
    assert limit.take("a") == Allowance(False, 0, 1)
    time.now = 10.0
    assert limit.take("a").allowed


@pytest.mark.parametrize("rate", [3, 5, 7, 0.3])
def test_rounding_never_refuses_what_is_due(rate):
    limit, time = limiter(requests_per_second=rate, burst=1)
    for number in range(2000):
        time.now = 1e6 + number / rate
        assert limit.take("a").allowed


@given(
    rate=st.sampled_from([0.5, 1.0, 3.0, 5.0, 7.0, 100.0]),
    burst=st.integers(1, 20),
    start=st.floats(0, 1e7),
    steps=st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_a_bucket_never_gives_more_than_it_holds_and_what_it_promises(rate, burst, start, steps):
    limit, time = limiter(requests_per_second=rate, burst=burst)
    tokens, time.now = float(burst), start
    for step in steps:
        time.now += step
        tokens = min(float(burst), tokens + step * rate)
        foretold = limit.refusal("a")
        allowance = limit.take("a")
        assert foretold == (None if allowance.allowed else allowance)
        # The clock's own rounding decides when it is as close as this.
        if abs(tokens - 1.0) > 1e-4:
            assert allowance.allowed == (tokens > 1.0)
        if allowance.allowed:
            tokens -= 1.0
            assert abs(allowance.remaining - tokens) < 1.001
        else:
            assert tokens + allowance.wait_seconds * rate > 1.0 - 1e-4
        assert allowance.wait_seconds >= 1


def test_the_number_of_buckets_is_bounded_and_a_flood_drives_out_itself():
    limit, time = limiter(requests_per_second=1, burst=3)
    for _ in range(3):
        assert limit.take("used up").allowed
    time.now = 0.1
    for number in range(3 * limits.RATE_BUCKETS_MAX):
        assert limit.take(str(number)).allowed
        assert len(limit) <= limits.RATE_BUCKETS_MAX
    assert not limit.take("used up").allowed


def test_full_buckets_make_room_first():
    limit, time = limiter(requests_per_second=1, burst=1)
    for number in range(limits.RATE_BUCKETS_MAX):
        time.now += 0.001
        limit.take(str(number))
    time.now += 0.001
    limit.take("one more")
    # Whatever took its token within the last second is still known.
    recent = range(limits.RATE_BUCKETS_MAX - 900, limits.RATE_BUCKETS_MAX)
    assert not any(limit.take(str(number)).allowed for number in recent)
    assert len(limit) < 1100


def principal(**changes):
    return Principal(scope="5c0pe", subject="ann", kind=Kind.API_KEY, **changes)


def test_a_caller_has_one_bucket_wherever_it_calls_from():
    assert client_name(principal(), "192.0.2.1") == client_name(principal(), "192.0.2.2")
    nobody = Principal(scope="5c0pe")
    assert client_name(nobody, "192.0.2.1") == client_name(None, "192.0.2.1")
    assert client_name(nobody, "192.0.2.1") != client_name(principal(), "192.0.2.1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unix", "192.0.2.1", False),
        (None, "", True),
    ],
)
def test_an_address_stands_for_whoever_has_it(one, other, same):
    assert (client_name(None, one) == client_name(None, other)) is same
