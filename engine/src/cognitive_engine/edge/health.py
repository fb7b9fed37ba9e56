"""Health, probes and metrics; open to all but the detailed one, and never limited."""

import time
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from cognitive_api import identity as api_names
from cognitive_engine.domain.drift import DriftAlarm
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.security.api_keys import Principal
from cognitive_engine.service import Service, Snapshot
from cognitive_engine.telemetry import metrics as telemetry
from cognitive_engine.telemetry.metrics import Gauges, Metrics

from .access import Gate

MEMORY_PERCENT_WARNING: Final = 95.0


def health_routes(service: Service, gate: Gate, metrics: Metrics) -> APIRouter:
    """`/health` and below."""
    router = APIRouter()
    started = time.monotonic()

    @router.get("/health")
    async def health() -> dict[str, object]:
        """The engine at a glance; always 200."""
        return _health(service.snapshot())

    @router.get(api_names.PATH_LIVENESS)
    async def liveness() -> dict[str, object]:
        """200 as long as the process turns."""
        return {"status": "alive"}

    @router.get(api_names.PATH_READINESS)
    async def readiness() -> JSONResponse:
        """200 while requests are welcome, 503 from the moment the engine is asked to leave."""
        ready = not service.draining
        body = {
            "ready": ready,
            "status": "ready" if ready else "not_ready",
            "checks": {"memory_manager": True, "accepting": ready},
        }
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get("/health/detailed")
    async def detailed(_: Annotated[Principal, Depends(gate.admit)]) -> dict[str, object]:
        """Health with statistics, for those with a key."""
        snapshot = service.snapshot()
        return _health(snapshot) | _detail(snapshot, started)

    @router.get("/health/metrics")
    async def exposition() -> Response:
        """Prometheus text, the same as on the metrics port."""
        return metrics_response(metrics)

    return router


def metrics_routes(metrics: Metrics) -> APIRouter:
    """What the metrics port serves."""
    router = APIRouter()

    @router.get(api_names.PATH_METRICS)
    async def exposition() -> Response:
        """Prometheus text."""
        return metrics_response(metrics)

    return router


def metrics_response(metrics: Metrics) -> Response:
    """All metrics as an HTTP answer."""
    return Response(metrics.text(), headers={"Content-Type": telemetry.CONTENT_TYPE})


def gauges(service: Service) -> Gauges:
    """What the metrics read at a scrape."""
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
    )


def _health(snapshot: Snapshot) -> dict[str, object]:
    state = snapshot.state
    used, capacity = state.pelm.used, state.pelm.capacity
    percentage = round(100.0 * used / capacity, 2)
    threshold = round(state.moral.threshold, 4)
    moral = state.rules.governance.moral
    roomy = percentage < MEMORY_PERCENT_WARNING
    bounded = moral.min_threshold <= state.moral.threshold <= moral.max_threshold
    calm = not snapshot.emergency.active
    return {
        "status": "healthy" if roomy and bounded and calm else "degraded",
        "step": state.counts.steps,
        "phase": snapshot.rhythm.phase.value,
        "memory_used": used,
        "memory_capacity": capacity,
        "checks": {
            "memory": {
                "status": "ok" if roomy else "warning",
                "used": used,
                "capacity": capacity,
                "percentage": percentage,
            },
            "moral_filter": {"status": "ok" if bounded else "error", "threshold": threshold},
            "phase": {"current": snapshot.rhythm.phase.value, "step": state.counts.steps},
            "emergency": {
                "status": "ok" if calm else "error",
                "active": snapshot.emergency.active,
                "reason": snapshot.emergency.reason,
            },
        },
        "damaged_memories": state.pelm.damaged,
        "evicted_memories": state.pelm.evicted,
        "state_digest": state.digest.hex(),
    }


def _detail(snapshot: Snapshot, started: float) -> dict[str, object]:
    state = snapshot.state
    norms = {f"{name}_norm": round(norm, 6) for name, norm in state.levels.norms().items()}
    return {
        "uptime_seconds": round(time.monotonic() - started, 3),
        "memory_state": norms,
        "statistics": {
            "total_events_processed": state.counts.steps,
            "accepted_events_count": state.counts.accepted,
            "rejected_events_count": state.counts.rejected,
            "consolidations": state.counts.consolidations,
            "halted_events_count": state.counts.halted,
            "damaged_memories": state.pelm.damaged,
            "moral_filter_threshold": round(state.moral.threshold, 4),
        },
    }
