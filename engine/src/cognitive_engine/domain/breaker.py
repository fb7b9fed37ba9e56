"""A circuit breaker: when to leave a failing backend alone, and how to try it again.

    closed ── `failures` in a row ──▶ open ── `recovery_seconds` ──▶ half-open
      ▲                                ▲                                 │
      │                                └────────── any failure ──────────┤
      └──────────────────── `probes` successes ──────────────────────────┘

Half-open lets at most `probes` calls be under way. A call counts for the era that admitted it: what
comes in late from an earlier one says nothing about now.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NewType

from cognitive_api.engine_config import BreakerSettings

Permit = NewType("Permit", int)
"""The era that admitted a call. Each permit is settled once."""


class BreakerState(StrEnum):
    """Whether calls go through: all, none, or a few to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    """What a call says of its backend; NOTHING when it ended for reasons of its own."""

    SUCCESS = "success"
    FAILURE = "failure"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Breaker:
    """One moment of a breaker. `failures` in a row count while closed, the others half-open."""

    state: BreakerState = BreakerState.CLOSED
    era: int = 0
    failures: int = 0
    successes: int = 0
    under_way: int = 0
    recovers_at: float = 0.0


def at(breaker: Breaker, now: float) -> Breaker:
    """`breaker` at `now` (seconds): half-open once it has been open long enough."""
    if breaker.state is BreakerState.OPEN and now >= breaker.recovers_at:
        return Breaker(BreakerState.HALF_OPEN, breaker.era + 1)
    return breaker


def admit(breaker: Breaker, rules: BreakerSettings, now: float) -> tuple[Breaker, Permit | None]:
    """Let a call through, or not: no permit."""
    breaker = at(breaker, now)
    if breaker.state is BreakerState.CLOSED:
        return breaker, Permit(breaker.era)
    if breaker.state is BreakerState.HALF_OPEN and breaker.under_way < rules.probes:
        return replace(breaker, under_way=breaker.under_way + 1), Permit(breaker.era)
    return breaker, None


def settle(
    breaker: Breaker, rules: BreakerSettings, permit: Permit, verdict: Verdict, now: float
) -> Breaker:
    """Take in how the call that holds `permit` has ended."""
    breaker = at(breaker, now)
    if permit != breaker.era or breaker.state is BreakerState.OPEN:
        return breaker
    if breaker.state is BreakerState.CLOSED:
        if verdict is Verdict.NOTHING:
            return breaker
        failures = breaker.failures + 1 if verdict is Verdict.FAILURE else 0
        if failures >= rules.failures:
            return _opened(breaker, rules, now)
        return replace(breaker, failures=failures)
    if verdict is Verdict.FAILURE:
        return _opened(breaker, rules, now)
    successes = breaker.successes + (verdict is Verdict.SUCCESS)
    if successes >= rules.probes:
        return Breaker(BreakerState.CLOSED, breaker.era + 1)
    return replace(breaker, successes=successes, under_way=breaker.under_way - 1)


def wait_seconds(breaker: Breaker, rules: BreakerSettings, now: float) -> float:
    """Seconds until a call may be let through: 0 when one would be at once.

    A half-open breaker whose probes are all under way tells the recovery time: it is the longest
    that a failed probe could cost.
    """
    breaker = at(breaker, now)
    if breaker.state is BreakerState.OPEN:
        return breaker.recovers_at - now
    if breaker.state is BreakerState.HALF_OPEN and breaker.under_way >= rules.probes:
        return rules.recovery_seconds
    return 0.0


def _opened(breaker: Breaker, rules: BreakerSettings, now: float) -> Breaker:
    return Breaker(BreakerState.OPEN, breaker.era + 1, recovers_at=now + rules.recovery_seconds)
