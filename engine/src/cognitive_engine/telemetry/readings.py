"""The state as metrics. It is read at the scrape, so no counter of ours can disagree with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cognitive_api import metric_names as names
from cognitive_engine.adapters.guard import GuardReading
from cognitive_engine.domain.drift import DriftAlarm
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.domain.rhythm import Phase

from .exposition import Family, by_label, counter, gauge

_RISES: Final = ("L2", "L3")


@dataclass(frozen=True, slots=True)
class Gauges:
    """What the state and the service say at one moment.

    `in_flight` requests are being answered and `queued` wait to be; `backends` holds those that
    have a guard.
    """

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
    memory_capacity: int
    halted: int
    erased: int
    level_norms: Mapping[str, float]
    in_flight: int
    queued: int
    ready: bool
    backends: Mapping[str, GuardReading]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which engine this is: the same for the life of the process."""

    version: str
    track: str
    revision: str
    config: str


def families(now: Gauges, identity: Identity) -> Iterator[Family]:
    """Everything that the state tells."""
    yield from _counters(now)
    yield from _gauges(now)
    yield by_label(
        names.ENGINE_EMERGENCIES,
        "Emergencies entered.",
        "reason",
        {reason.value: count for reason, count in now.emergencies.items()},
    )
    yield by_label(
        names.ENGINE_MEMORY_EVICTIONS,
        "Memories that made room.",
        "reason",
        {"capacity": now.memory_evicted},
    )
    yield by_label(
        names.ENGINE_MORAL_DRIFTS,
        "Changes of the moral threshold that are worth a look.",
        "severity",
        {alarm.value: count for alarm, count in now.drifts.items()},
    )
    yield by_label(
        names.ENGINE_MEMORY_RISES,
        "Events that moved something up a level.",
        "to",
        zip(_RISES, now.rises, strict=True),
    )
    phases = gauge(names.ENGINE_PHASE_STATE, "1 for the phase in force.")
    for phase in Phase:
        phases.add(int(now.phase is phase), phase=phase.value)
    yield phases
    levels = gauge(names.ENGINE_LEVEL_NORM, "Length of what a level of the memory holds.")
    for level, norm in now.level_norms.items():
        levels.add(norm, level=level)
    yield levels
    info = gauge(names.ENGINE_INFO, "Which engine this is.")
    info.add(
        1,
        version=identity.version,
        track=identity.track,
        revision=identity.revision,
        config=identity.config,
    )
    yield info


def _counters(now: Gauges) -> Iterator[Family]:
    yield counter(names.ENGINE_STEPS, "Requests judged, refused ones too.", now.steps)
    yield counter(names.ENGINE_EVENTS, "The same, as published queries name it.", now.steps)
    yield counter(names.ENGINE_ACCEPTED, "Requests that passed.", now.accepted)
    yield counter(names.ENGINE_EVENTS_ACCEPTED, "The same, as queries name it.", now.accepted)
    yield counter(names.ENGINE_REJECTED, "Requests refused.", now.rejected)
    yield counter(names.ENGINE_EVENTS_REJECTED, "The same, as queries name it.", now.rejected)
    yield counter(names.ENGINE_HALTED, "Requests turned away in an emergency.", now.halted)
    yield counter(names.ENGINE_CONSOLIDATIONS, "Consolidations of memory.", now.consolidations)
    yield counter(names.ENGINE_MEMORY_DAMAGED, "Memories dropped as damaged.", now.memory_damaged)
    yield counter(names.ENGINE_MEMORY_ERASED, "Memories erased on request.", now.erased)


def _gauges(now: Gauges) -> Iterator[Family]:
    yield gauge(names.ENGINE_MEMORY_USED, "Memories stored.", now.memory_used)
    yield gauge(names.ENGINE_MEMORY_CAPACITY, "Memories there is room for.", now.memory_capacity)
    yield gauge(names.ENGINE_MEMORY_BYTES, "Bytes of the memory.", now.memory_bytes)
    yield gauge(names.ENGINE_MORAL_THRESHOLD, "Moral threshold in force.", now.moral_threshold)
    yield gauge(names.ENGINE_FILTER_THRESHOLD, "The same, as queries name it.", now.moral_threshold)
    yield gauge(names.ENGINE_PHASE, "0 awake, 1 asleep.", int(now.phase is Phase.SLEEP))
    yield gauge(names.ENGINE_EMERGENCY, "1 while everybody is turned away.", int(now.emergency))
    yield gauge(names.ENGINE_READY, "1 while requests are welcome.", int(now.ready))
    yield gauge(names.ENGINE_IN_FLIGHT, "Requests being answered.", now.in_flight)
    yield gauge(names.ENGINE_QUEUED, "Requests that wait to be answered.", now.queued)
    yield gauge(
        names.ENGINE_STATE_DIGEST,
        "First 52 bits of the state digest: the same records, the same number.",
        int.from_bytes(now.state_digest[:7]) >> 4,
    )
