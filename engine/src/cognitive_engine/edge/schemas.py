"""Shapes of the other answers, and of what administrators send."""

from typing import Annotated

from msgspec import Meta, Struct

from .wire import HealthResponse, Score, Text


class MemoryStats(Struct, frozen=True):
    """Use of the memory."""

    capacity: int
    used: int
    memory_mb: float


class EmergencyStatus(Struct, frozen=True):
    """Whether the engine turns everybody away, and why."""

    active: bool
    reason: str | None


class DriftStatus(Struct, frozen=True):
    """How far the moral threshold has wandered, from the newest hundred changes."""

    total_changes: int
    drift_range: float
    min_threshold: float
    max_threshold: float
    current_threshold: float
    ema_acceptance: float


class ReliabilityStatus(Struct, frozen=True):
    """What failed since the start."""

    stateless_mode: bool
    circuit_breaker_state: str
    pelm_failure_count: int
    qilm_failure_count: int
    embedding_failure_count: int
    llm_failure_count: int


class StateResponse(Struct, frozen=True):
    """Counts and measures of the whole engine, no content."""

    step: int
    phase: str
    phase_counter: int
    moral_threshold: float
    moral_threshold_held: Annotated[
        bool, Meta(description="Set by an administrator, and kept there.")
    ]
    moral_ema: float
    moral_harm_ema: float
    moral_drift: DriftStatus
    accepted_count: int
    rejected_count: int
    synaptic_norms: dict[str, float]
    pelm_stats: MemoryStats
    qilm_stats: MemoryStats
    consolidation_buffer_size: int
    consolidations: int
    halted_count: int
    erased_count: int
    damaged_memories: int
    evicted_memories: int
    emergency: EmergencyStatus
    reliability: ReliabilityStatus
    state_digest: str
    policy: str
    sleep_policy: str
    config_hash: str
    track: str
    revision: str
    L1_norm: float
    L2_norm: float
    L3_norm: float
    current_phase: str
    latent_events_count: int
    accepted_events_count: int
    total_events_processed: int
    moral_filter_threshold: float


class SystemStatus(Struct, frozen=True):
    """What the process uses; 100 percent is one processor."""

    memory_mb: float
    cpu_percent: float


class ConfigStatus(Struct, frozen=True):
    """A few settings."""

    dimension: int
    rate_limiting_enabled: bool
    rate_limit_requests: int
    rate_limit_window: float
    secure_mode: bool


class StatusResponse(Struct, frozen=True):
    """Which engine this is."""

    status: str
    version: str
    backend: str
    system: SystemStatus
    config: ConfigStatus


class CallerResponse(Struct, frozen=True):
    """Who is calling."""

    subject: str
    roles: tuple[str, ...]
    kind: str


class Greeting(Struct, frozen=True):
    """A word for everybody."""

    message: str


class DetailedSystem(Struct, frozen=True):
    """The container's memory; null when it has no limit."""

    memory_percent: float | None


class DetailedStatistics(Struct, frozen=True):
    """Counts since the start."""

    total_events_processed: int
    accepted_events_count: int
    rejected_events_count: int
    latent_events_count: int
    consolidations: int
    halted_events_count: int
    damaged_memories: int
    moral_filter_threshold: float


class DetailedHealth(HealthResponse, frozen=True, gc=False, kw_only=True):
    """The engine with statistics."""

    uptime_seconds: float
    system: DetailedSystem
    memory_state: dict[str, float]
    statistics: DetailedStatistics


class AdminEmergency(Struct, frozen=True):
    """The emergency after the command."""

    emergency: EmergencyStatus


class ThresholdResponse(Struct, frozen=True):
    """The moral threshold, and whether it is held."""

    moral_threshold: float
    held: bool


class ErasedResponse(Struct, frozen=True):
    """Number of memories erased."""

    erased: int


class EraseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose memories to erase: one of the two."""

    scope: Annotated[Text | None, Meta(description="A scope, as exports name it.")] = None
    user_id: Annotated[
        Text | None, Meta(description="A user of the caller's own, as the caller names them.")
    ] = None


class ThresholdRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to hold the moral threshold."""

    threshold: Annotated[
        Score | None,
        Meta(description="Kept within the configured bounds; null lets it move again."),
    ]
