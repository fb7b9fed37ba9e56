"""Prometheus metrics: state read at scrape time, the rest counted as it ends.

Everything that the state already counts is read from it, so a scrape and `GET /v1/state` cannot
disagree. Counting costs less than a microsecond a call and belongs to the thread of the event loop.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from cognitive_api import metric_names as names
from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import Asleep, Halted
from cognitive_engine.turn import Answer

from . import logs, readings
from .backends import Backends
from .exposition import CONTENT_TYPE, Family, by_label, counter, gauge, render
from .process import CpuShare, resident_bytes
from .readings import Gauges, Identity
from .requests import Requests
from .tallies import Tally
from .traces import NO_SPANS
from .turns import Turns

__all__ = ["CONTENT_TYPE", "Gauges", "Identity", "Metrics"]

_LIMITED_BY = ("principal", "address")


class Metrics:
    """All that is measured. It is a `ports.Meter` and a `guard.CallMeter` too."""

    def __init__(
        self,
        identity: Identity,
        read: Callable[[], Gauges],
        spans: Callable[[], Mapping[str, int]] = lambda: NO_SPANS,
    ) -> None:
        self._identity = identity
        self._read = read
        self._spans = spans
        self._requests = Requests(identity.track)
        self._turns = Turns()
        self._backends = Backends()
        self._limited = Tally(_LIMITED_BY)
        self._unauthenticated = Tally(most=limits.METRIC_WORDS_MAX)
        self._cpu = CpuShare()
        self._platform = CollectorRegistry()
        ProcessCollector(registry=self._platform)
        PlatformCollector(registry=self._platform)
        GCCollector(registry=self._platform)

    def count_request(
        self, method: str, route: str, status: int, seconds: float, code: str
    ) -> None:
        """Count one HTTP request as it ends.

        `route` is a template, of a bounded set; `code` that of the problem answered, or empty.
        """
        self._requests.count(method, route, status, seconds, code)

    def count_turn(self, outcome: Answer | Asleep | Halted) -> None:
        """Count one turn as it ends."""
        self._turns.count(outcome)

    def observe_generation(self, seconds: float) -> None:
        """See `ports.Meter`."""
        self._turns.observe_generation(seconds)

    def observe_retrieval(self, seconds: float, queries: int) -> None:
        """See `ports.Meter`: one search for so many queries at once, in seconds for each."""
        self._turns.observe_retrieval(seconds, queries)

    def observe_call(self, backend: str, result: str, seconds: float) -> None:
        """See `guard.CallMeter`."""
        self._backends.observe(backend, result, seconds)

    def count_rate_limited(self, by: str) -> None:
        """Count a request that was turned away by the limit of its "principal" or "address"."""
        self._limited.add(by)

    def count_auth_failure(self, reason: str) -> None:
        """Count a caller who did not pass; see `security.errors.AccessError.reason`."""
        self._unauthenticated.add(reason)

    def text(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return render(self._families()).encode() + generate_latest(self._platform)

    def _families(self) -> Iterator[Family]:
        now = self._read()
        yield from readings.families(now, self._identity)
        yield from self._requests.families()
        yield from self._turns.families()
        yield from self._backends.families(now.backends)
        yield by_label(
            names.ENGINE_RATE_LIMIT_HITS,
            "Requests beyond a rate limit.",
            "by",
            self._limited.items(),
        )
        yield by_label(
            names.ENGINE_AUTH_FAILURES,
            "Callers who did not pass.",
            "reason",
            self._unauthenticated.items(),
        )
        yield counter(names.ENGINE_LOG_LINES_LOST, "Log lines that nobody took.", logs.lost())
        yield by_label(names.ENGINE_SPANS, "Spans by what became of them.", "result", self._spans())
        yield gauge(names.ENGINE_PROCESS_BYTES, "Resident memory in bytes.", resident_bytes())
        yield gauge(
            names.ENGINE_CPU_PERCENT, "Processor use; 100 is one processor.", self._cpu.percent()
        )
