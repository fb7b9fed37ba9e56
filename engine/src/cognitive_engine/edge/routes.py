"""The routes that the framework serves: state, status, who am I, metrics."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cognitive_api.engine_config import AuthMode
from cognitive_engine import __version__
from cognitive_engine.domain import drift
from cognitive_engine.security.principals import Principal, Role
from cognitive_engine.service import Service, Snapshot
from cognitive_engine.telemetry.metrics import Identity
from cognitive_engine.telemetry.process import CpuShare, resident_bytes

from .access import Door
from .exchange import Exchange
from .health import Health, health_of
from .schemas import (
    CallerResponse,
    ConfigStatus,
    DetailedHealth,
    DetailedStatistics,
    DetailedSystem,
    DriftStatus,
    EmergencyStatus,
    Greeting,
    MemoryStats,
    ReliabilityStatus,
    StateResponse,
    StatusResponse,
    SystemStatus,
)

STATE_PATHS: Final = ("/v1/state", "/v1/state/", "/state")
_BYTES_IN_MB: Final = 2**20


class Gate:
    """The door as the framework's routes see it."""

    def __init__(self, door: Door) -> None:
        self.door = door

    def having(self, role: Role) -> Any:
        """A dependency on a caller with `role`."""

        async def admitted(request: Request) -> Principal:
            return await self.door.admit(exchange_of(request), role)

        return Depends(admitted)


def exchange_of(request: Request) -> Exchange:
    """What the front knows of `request`."""
    found: Exchange = request.state.exchange
    return found


def json_response(answer: msgspec.Struct) -> Response:
    """`answer` as JSON."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


def api_routes(
    service: Service,
    gate: Gate,
    health: Health,
    identity: Identity,
    breaker_state: Callable[[], str],
) -> APIRouter:
    """All but the hot routes and the administrators'."""
    router = APIRouter()
    started, processor = time.monotonic(), CpuShare()
    reader = gate.having(Role.READ)

    async def state() -> Response:
        return json_response(_state(service.snapshot(), identity, breaker_state()))

    for path in STATE_PATHS:
        router.get(path, dependencies=[reader])(state)

    @router.get("/me")
    async def caller(principal: Annotated[Principal, reader]) -> Response:
        roles = tuple(role.value for role in Role if role in principal.roles)
        return json_response(CallerResponse(principal.subject, roles, principal.kind.value))

    @router.get("/public")
    async def greeting() -> Response:
        return json_response(Greeting("This is a cognitive engine; see /docs."))

    @router.get("/status")
    async def status() -> Response:
        return json_response(_status(service, processor.percent()))

    @router.get("/health/detailed", dependencies=[reader])
    async def detailed() -> Response:
        uptime = time.monotonic() - started
        return json_response(_detailed(service.snapshot(), health.memory_share(), uptime))

    return router


def _state(snapshot: Snapshot, identity: Identity, breaker_state: str) -> StateResponse:
    state, rhythm, counts = snapshot.state, snapshot.rhythm, snapshot.state.counts
    stats = MemoryStats(
        capacity=state.pelm.capacity,
        used=state.pelm.used,
        memory_mb=round(state.pelm.memory_mb, 2),
    )
    governance = state.rules.governance
    norms = {name: round(norm, 6) for name, norm in state.levels.norms().items()}
    threshold, phase = round(state.moral.threshold, 4), rhythm.phase.value
    return StateResponse(
        step=counts.steps,
        phase=phase,
        phase_counter=rhythm.counter,
        moral_threshold=threshold,
        moral_threshold_held=state.moral.held,
        moral_ema=round(state.moral.accept_ema, 4),
        moral_harm_ema=round(state.moral.harm_ema, 4),
        moral_drift=DriftStatus(**asdict(drift.stats(state.drift, state.moral))),
        accepted_count=counts.accepted,
        rejected_count=counts.rejected,
        synaptic_norms=norms,
        pelm_stats=stats,
        qilm_stats=stats,
        consolidation_buffer_size=len(state.pending),
        consolidations=counts.consolidations,
        halted_count=counts.halted,
        erased_count=counts.erased,
        damaged_memories=state.pelm.damaged,
        evicted_memories=state.pelm.evicted,
        emergency=emergency_status(snapshot),
        reliability=ReliabilityStatus(
            # The memory is part of the process: it cannot be away.
            stateless_mode=False,
            circuit_breaker_state=breaker_state,
            pelm_failure_count=state.pelm.damaged,
            qilm_failure_count=state.pelm.damaged,
            embedding_failure_count=snapshot.failures.embedder,
            llm_failure_count=snapshot.failures.generator,
        ),
        state_digest=state.digest.hex(),
        policy=governance.moral.policy.value,
        sleep_policy=governance.rhythm.sleep_policy.value,
        config_hash=identity.config,
        track=identity.track,
        revision=identity.revision,
        L1_norm=norms["L1"],
        L2_norm=norms["L2"],
        L3_norm=norms["L3"],
        current_phase=phase,
        latent_events_count=counts.rejected,
        accepted_events_count=counts.accepted,
        total_events_processed=counts.steps,
        moral_filter_threshold=threshold,
    )


def emergency_status(snapshot: Snapshot) -> EmergencyStatus:
    """Whether everybody is turned away, and why."""
    return EmergencyStatus(snapshot.emergency.active, snapshot.emergency.reason)


def _status(service: Service, cpu_percent: float) -> StatusResponse:
    config = service.config
    return StatusResponse(
        status="draining" if service.draining else "ok",
        version=__version__,
        backend=config.llm.backend.value,
        system=SystemStatus(
            memory_mb=round(resident_bytes() / _BYTES_IN_MB, 2), cpu_percent=round(cpu_percent, 2)
        ),
        config=ConfigStatus(
            dimension=config.memory.dimension,
            rate_limiting_enabled=config.rate_limit.enabled,
            rate_limit_requests=config.rate_limit.burst,
            rate_limit_window=round(
                config.rate_limit.burst / config.rate_limit.requests_per_second, 3
            ),
            secure_mode=config.auth.mode is not AuthMode.NONE,
        ),
    )


def _detailed(snapshot: Snapshot, share: float | None, uptime: float) -> DetailedHealth:
    state, counts = snapshot.state, snapshot.state.counts
    norms = {f"{name}_norm": round(norm, 6) for name, norm in state.levels.norms().items()}
    return DetailedHealth(
        **msgspec.structs.asdict(health_of(snapshot)),
        uptime_seconds=round(uptime, 3),
        system=DetailedSystem(None if share is None else round(100.0 * share, 2)),
        memory_state=norms,
        statistics=DetailedStatistics(
            total_events_processed=counts.steps,
            accepted_events_count=counts.accepted,
            rejected_events_count=counts.rejected,
            latent_events_count=counts.rejected,
            consolidations=counts.consolidations,
            halted_events_count=counts.halted,
            damaged_memories=state.pelm.damaged,
            moral_filter_threshold=round(state.moral.threshold, 4),
        ),
    )
