"""Metric names: exported by one side, read by the other and by people's queries."""

from typing import Final

# Engine, the names that published queries use literally (no suffix may be added).
ENGINE_STEPS: Final = "mlsdm_steps_total"
ENGINE_ACCEPTED: Final = "mlsdm_accepted_total"
ENGINE_REJECTED: Final = "mlsdm_rejected_total"
ENGINE_MEMORY_USED: Final = "mlsdm_memory_used"
ENGINE_MEMORY_BYTES: Final = "mlsdm_memory_bytes"
ENGINE_MORAL_THRESHOLD: Final = "mlsdm_moral_threshold"
ENGINE_PHASE: Final = "mlsdm_phase"
ENGINE_PHASE_STATE: Final = "mlsdm_phase_state"
ENGINE_CONSOLIDATIONS: Final = "mlsdm_consolidations_total"
ENGINE_GENERATION_SECONDS: Final = "mlsdm_generation_duration_seconds"
ENGINE_RETRIEVAL_SECONDS: Final = "mlsdm_retrieval_duration_seconds"
ENGINE_MEMORY_DAMAGED: Final = "mlsdm_memory_damaged_total"
ENGINE_MEMORY_EVICTIONS: Final = "mlsdm_memory_evictions_total"
ENGINE_MEMORY_RISES: Final = "mlsdm_memory_rises_total"
ENGINE_MORAL_DRIFTS: Final = "mlsdm_moral_drift_events_total"
ENGINE_EMERGENCY: Final = "mlsdm_emergency_shutdown_active"
ENGINE_EMERGENCIES: Final = "mlsdm_emergency_shutdowns_total"
ENGINE_STATE_DIGEST: Final = "mlsdm_state_digest"
ENGINE_HTTP_REQUESTS: Final = "http_requests_total"
ENGINE_INFO: Final = "mlsdm_engine_info"

# Operator.
OPERATOR_PASSES: Final = "cognitive_operator_reconcile_total"
OPERATOR_PASS_SECONDS: Final = "cognitive_operator_reconcile_duration_seconds"  # noqa: S105
OPERATOR_WRITES: Final = "cognitive_operator_writes_total"
OPERATOR_QUEUE_DEPTH: Final = "cognitive_operator_queue_depth"
OPERATOR_WATCH_AGE: Final = "cognitive_operator_watch_age_seconds"
OPERATOR_READY: Final = "cognitiveengine_ready"
OPERATOR_REPLICAS: Final = "cognitiveengine_replicas"
