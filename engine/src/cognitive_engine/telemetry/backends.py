"""Calls of backends as metrics: language models and embedders that are asked over HTTP."""

from collections.abc import Iterator, Mapping
from typing import Final

from cognitive_api import metric_names as names
from cognitive_engine.adapters.failures import (
    AnswerEmpty,
    AnswerInvalid,
    BackendFailed,
    BackendRateLimited,
    BackendTimedOut,
    BackendUnreachable,
    BreakerOpen,
    BulkheadFull,
)
from cognitive_engine.adapters.guard import ANSWERED, CANCELLED, CRASHED, GuardReading
from cognitive_engine.domain.breaker import BreakerState

from .exposition import Family, counter, gauge, histogram
from .tallies import Distribution, Tally

_BOUNDS: Final = (
    *(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
)
REASONS: Final = {
    BackendFailed.code: "refused",
    BackendTimedOut.code: "timeout",
    BackendRateLimited.code: "quota",
    AnswerEmpty.code: "empty",
    BackendUnreachable.code: "transport",
    AnswerInvalid.code: "invalid",
    BreakerOpen.code: "breaker_open",
    BulkheadFull.code: "bulkhead_full",
    CANCELLED: CANCELLED,
    CRASHED: CRASHED,
}
# Refused before they began: these say nothing of how fast a backend is.
_NEVER_BEGUN: Final = frozenset({BreakerOpen.code, BulkheadFull.code})


class Backends:
    """Calls that have ended, by the name of the backend: there are two, so the set is bounded."""

    def __init__(self) -> None:
        self._seconds: dict[str, Distribution] = {}
        self._failures: dict[str, Tally] = {}

    def observe(self, backend: str, result: str, seconds: float) -> None:
        """See `guard.CallMeter`."""
        if backend not in self._seconds:
            self._seconds[backend] = Distribution(_BOUNDS)
            self._failures[backend] = Tally(REASONS.values())
        if result not in _NEVER_BEGUN:
            self._seconds[backend].observe(seconds)
        if result != ANSWERED:
            self._failures[backend].add(REASONS.get(result, ""))

    def families(self, readings: Mapping[str, GuardReading]) -> Iterator[Family]:
        """Everything that is known of backends."""
        seconds = histogram(names.ENGINE_BACKEND_SECONDS, "Seconds of calls of a backend.")
        failures = counter(names.ENGINE_BACKEND_FAILURES, "Calls without an answer, by reason.")
        for backend in sorted(self._seconds):
            seconds.spread(self._seconds[backend], backend=backend)
            for reason, count in self._failures[backend].items():
                failures.add(count, backend=backend, reason=reason)
        yield seconds
        yield failures
        breakers = gauge(names.ENGINE_BREAKER_STATE, "1 for the state that the breaker is in.")
        active = gauge(names.ENGINE_BULKHEAD_ACTIVE, "Calls under way.")
        waiting = gauge(names.ENGINE_BULKHEAD_WAITING, "Calls that wait for room.")
        for backend, reading in sorted(readings.items()):
            for state in BreakerState:
                breakers.add(int(reading.breaker is state), backend=backend, state=state.value)
            active.add(reading.in_flight, backend=backend)
            waiting.add(reading.waiting, backend=backend)
        yield from (breakers, active, waiting)
