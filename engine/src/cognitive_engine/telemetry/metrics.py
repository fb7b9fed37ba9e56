"""Prometheus metrics: state read at scrape time, requests counted as they end.

Everything that the state already counts is read from it, so a scrape and `GET /v1/state` cannot
disagree.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cognitive_api import metric_names as names
from cognitive_engine.domain.drift import DriftAlarm
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.domain.rhythm import Phase

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_GENERATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RETRIEVAL_BUCKETS: Final = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the state says at one moment."""

    steps: int
    accepted: int
    rejected: int
    consolidations: int
    memory_used: int
    memory_bytes: int
    moral_threshold: float
    phase: Phase
    emergency: bool
    emergencies: Mapping[EmergencyReason, int]
    memory_damaged: int
    memory_evicted: int
    state_digest: bytes
    drifts: Mapping[DriftAlarm, int]
    rises: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which engine this is: the same for the life of the process."""

    version: str
    track: str
    revision: str
    config: str


class Metrics:
    """The engine's registry and what writes to it."""

    def __init__(self, identity: Identity, read: Callable[[], Gauges]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._track = identity.track
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(_StateCollector(identity, read))
        self._requests = Counter(
            names.ENGINE_HTTP_REQUESTS,
            "HTTP requests by outcome.",
            ["method", "route", "status", "track"],
            registry=self.registry,
        )
        self._generation = Histogram(
            names.ENGINE_GENERATION_SECONDS,
            "Seconds from an accepted request to its answer.",
            buckets=_GENERATION_BUCKETS,
            registry=self.registry,
        )
        self._retrieval = Histogram(
            names.ENGINE_RETRIEVAL_SECONDS,
            "Seconds of one search of the memory.",
            buckets=_RETRIEVAL_BUCKETS,
            registry=self.registry,
        )

    def observe_generation(self, seconds: float) -> None:
        """See `ports.Meter`."""
        self._generation.observe(seconds)

    def observe_retrieval(self, seconds: float) -> None:
        """See `ports.Meter`."""
        self._retrieval.observe(seconds)

    def count_request(self, method: str, route: str, status: int) -> None:
        """Count one HTTP request. All three come from bounded sets: a route is a template."""
        self._requests.labels(method, route, str(status), self._track).inc()

    def text(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return generate_latest(self.registry)


class _StateCollector(Collector):
    def __init__(self, identity: Identity, read: Callable[[], Gauges]) -> None:
        self._identity = identity
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Name the families without reading the state, which registering would do otherwise."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The families, from one reading of the state."""
        now = self._read()
        counters = (
            (names.ENGINE_STEPS, "Requests processed, refused ones too.", now.steps),
            (names.ENGINE_ACCEPTED, "Requests that passed.", now.accepted),
            (names.ENGINE_REJECTED, "Requests refused.", now.rejected),
            (names.ENGINE_CONSOLIDATIONS, "Consolidations of memory.", now.consolidations),
            (names.ENGINE_MEMORY_DAMAGED, "Memories dropped as damaged.", now.memory_damaged),
        )
        gauges = (
            (names.ENGINE_MEMORY_USED, "Memories stored.", now.memory_used),
            (names.ENGINE_MEMORY_BYTES, "Bytes of the memory.", now.memory_bytes),
            (names.ENGINE_MORAL_THRESHOLD, "Moral threshold in force.", now.moral_threshold),
            (names.ENGINE_PHASE, "0 awake, 1 asleep.", int(now.phase is Phase.SLEEP)),
            (names.ENGINE_EMERGENCY, "1 while everybody is turned away.", int(now.emergency)),
            (
                names.ENGINE_STATE_DIGEST,
                "First 52 bits of the state digest: the same records, the same number.",
                int.from_bytes(now.state_digest[:7]) >> 4,
            ),
        )
        for name, help_text, value in counters:
            yield CounterMetricFamily(name, help_text, value=value)
        for name, help_text, reading in gauges:
            yield GaugeMetricFamily(name, help_text, value=reading)
        states = GaugeMetricFamily(
            names.ENGINE_PHASE_STATE, "1 for the phase in force.", labels=["phase"]
        )
        for phase in Phase:
            states.add_metric([phase.value], int(now.phase is phase))
        yield states
        yield _labelled(names.ENGINE_EMERGENCIES, "Emergencies entered.", "reason", now.emergencies)
        yield _labelled(
            names.ENGINE_MEMORY_EVICTIONS,
            "Memories that made room.",
            "reason",
            {"capacity": now.memory_evicted},
        )
        yield _labelled(
            names.ENGINE_MORAL_DRIFTS,
            "Changes of the moral threshold that are worth a look.",
            "severity",
            now.drifts,
        )
        yield _labelled(
            names.ENGINE_MEMORY_RISES,
            "Events that moved something up a level.",
            "to",
            dict(zip(("L2", "L3"), now.rises, strict=True)),
        )
        labels = ["version", "track", "revision", "config"]
        info = GaugeMetricFamily(names.ENGINE_INFO, "Which engine this is.", labels=labels)
        mine = self._identity
        info.add_metric([mine.version, mine.track, mine.revision, mine.config], 1)
        yield info


def _labelled(name: str, help_text: str, label: str, counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=[label])
    for value, count in counts.items():
        family.add_metric([str(value)], count)
    return family
