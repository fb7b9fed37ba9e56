"""Health and probes. Open to all and never limited, so they are answered at the front."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from cognitive_engine.domain import limits
from cognitive_engine.ports import MemoryGauge
from cognitive_engine.security.authenticator import Authenticator
from cognitive_engine.service import Service, Snapshot

from .wire import (
    Alive,
    Component,
    EmergencyCheck,
    HealthChecks,
    HealthResponse,
    MemoryCheck,
    MoralCheck,
    PhaseCheck,
    Readiness,
)

MEMORY_PERCENT_WARNING: Final = 95.0

_encode: Final = msgspec.json.Encoder().encode
_NOT_JUDGED: Final = "not judged: a busy processor is no reason to be sent nothing"


class Health:
    """What the probes ask.

    Liveness: the process turns; restart it when it does not answer. Readiness: requests are
    welcome. That is no longer so from the moment the engine is asked to leave, while its own
    memory is nearly used up, and as long as it cannot recognise callers. The node's load and an
    emergency do not count: an engine that answers 503 with a time says more than one that is gone.
    """

    def __init__(
        self,
        service: Service,
        gauge: MemoryGauge,
        authenticator: Authenticator,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._gauge = gauge
        self._authenticator = authenticator
        self._monotonic = monotonic
        self._share: float | None = None
        self._read_at: float | None = None

    def glance(self) -> tuple[int, bytes]:
        """`/health`: the engine at a glance; always 200."""
        return 200, _encode(health_of(self._service.snapshot()))

    def alive(self) -> tuple[int, bytes]:
        """`/health/liveness`: 200 as long as the process turns."""
        return 200, _encode(Alive("alive", round(time.time(), 3)))

    def ready(self) -> tuple[int, bytes]:
        """`/health/readiness`: 200 while requests are welcome, else 503 and why."""
        judged = self.judge()
        return 200 if judged.ready else 503, _encode(judged)

    def memory_share(self) -> float | None:
        """Used share of the container's memory; read at most once a second."""
        now = self._monotonic()
        if self._read_at is None or now - self._read_at >= limits.MEMORY_POLL_SECONDS:
            self._share, self._read_at = self._gauge.share(), now
        return self._share

    def judge(self) -> Readiness:
        """Whether requests are welcome."""
        share = self.memory_share()
        roomy = share is None or share < limits.READY_MEMORY_SHARE
        accepting, known = not self._service.draining, self._authenticator.ready
        used = "there is no limit to measure by" if share is None else f"{share:.0%} is used"
        components = {
            "cognitive_controller": Component(accepting, "accepting" if accepting else "leaving"),
            "memory_bounds": Component(True, "as configured"),
            "moral_filter": Component(True, "in force"),
            "aphasia": Component(True, "in force" if self._speech_judged else "switched off"),
            "memory_manager": Component(True, "in this process; it ends with it"),
            "system_memory": Component(roomy, used),
            "system_cpu": Component(True, _NOT_JUDGED),
            "credentials": Component(
                known, "at hand" if known else "the issuer's keys were not had yet"
            ),
        }
        unhealthy = [name for name, component in components.items() if not component.healthy]
        return Readiness(
            ready=not unhealthy,
            status="not_ready" if unhealthy else "ready",
            timestamp=round(time.time(), 3),
            components=components,
            details={"unhealthy_components": unhealthy},
            checks={
                "memory_manager": True,
                "accepting": accepting,
                "memory_available": roomy,
                "cpu_available": True,
                "credentials": known,
            },
        )

    @property
    def _speech_judged(self) -> bool:
        return self._service.config.governance.speech.enabled


def health_of(snapshot: Snapshot) -> HealthResponse:
    """The engine at a glance."""
    state = snapshot.state
    used, capacity = state.pelm.used, state.pelm.capacity
    percentage = round(100.0 * used / capacity, 2)
    moral = state.rules.governance.moral
    threshold, phase = round(state.moral.threshold, 4), snapshot.rhythm.phase.value
    roomy = percentage < MEMORY_PERCENT_WARNING
    bounded = moral.min_threshold <= state.moral.threshold <= moral.max_threshold
    calm = not snapshot.emergency.active
    return HealthResponse(
        status="healthy" if roomy and bounded and calm else "degraded",
        step=state.counts.steps,
        phase=phase,
        memory_used=used,
        memory_capacity=capacity,
        checks=HealthChecks(
            memory=MemoryCheck("ok" if roomy else "warning", used, capacity, percentage),
            moral_filter=MoralCheck("ok" if bounded else "error", threshold),
            phase=PhaseCheck(phase, state.counts.steps),
            emergency=EmergencyCheck(
                "ok" if calm else "error", snapshot.emergency.active, snapshot.emergency.reason
            ),
        ),
        damaged_memories=state.pelm.damaged,
        evicted_memories=state.pelm.evicted,
        state_digest=state.digest.hex(),
    )
