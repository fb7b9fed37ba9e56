"""What the metrics read of the state at a scrape."""

from collections.abc import Mapping
from typing import Any

from cognitive_engine.adapters.built import Built
from cognitive_engine.domain.drift import DriftAlarm
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.service import Service
from cognitive_engine.telemetry.metrics import Gauges

from .admission import Admission
from .health import Health


def gauges(
    service: Service, admission: Admission, health: Health, parts: Mapping[str, Built[Any]]
) -> Gauges:
    """The state in figures."""
    snapshot = service.snapshot()
    state = snapshot.state
    return Gauges(
        steps=state.counts.steps,
        accepted=state.counts.accepted,
        rejected=state.counts.rejected,
        consolidations=state.counts.consolidations,
        memory_used=state.pelm.used,
        memory_bytes=state.pelm.memory_bytes,
        moral_threshold=state.moral.threshold,
        phase=snapshot.rhythm.phase,
        emergency=snapshot.emergency.active,
        emergencies=dict(zip(EmergencyReason, state.counts.emergencies, strict=True)),
        memory_damaged=state.pelm.damaged,
        memory_evicted=state.pelm.evicted,
        state_digest=state.digest,
        drifts=dict(zip(DriftAlarm, state.counts.drifts, strict=True)),
        rises=state.counts.rises,
        memory_capacity=state.pelm.capacity,
        halted=state.counts.halted,
        erased=state.counts.erased,
        level_norms=state.levels.norms(),
        in_flight=admission.in_flight,
        queued=admission.waiting,
        ready=health.judge().ready,
        backends={name: part.guard.reading() for name, part in parts.items() if part.guard},
    )
