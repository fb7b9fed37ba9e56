"""Keys of MLSDM's configuration files, and what they set here.

Three dialects are understood beside our own, also mixed: the example of MLSDM's documents
(`mlsdm`, `embeddings`, `monitoring`…), its production-ready file (`cognitive_rhythm`, `qilm`,
`security`, `observability`…), and the schema of its releases (`multi_level_memory`, `pelm`,
`aphasia`…). A key that ends in `.*` stands for all below it that have no row of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import parsers as p


@dataclass(frozen=True, slots=True)
class FileKey:
    """One key: the path that it sets, or why it sets none."""

    key: str
    sets: str = ""
    parse: Callable[[object], object] = p.plain
    says: str = ""
    alarming: bool = False
    """Whether somebody who switches it on has to hear that it has no effect."""


def _unused(says: str, *keys: str, alarming: bool = False) -> tuple[FileKey, ...]:
    return tuple(FileKey(key, says=says, alarming=alarming) for key in keys)


OVERLAYS: Final = ("development", "staging", "production")
OVERLAY_HOLDERS: Final = ("environments", "overlays")
AUTH_SWITCH: Final = "security.auth.enabled"

_ONE_PROCESS: Final = (
    "one process serves all requests of a pod, because its memory is one; add replicas instead"
)
_PROBES: Final = "whoever probes decides how often"
_ABSENT: Final = "this part of MLSDM does not exist here"

FILE_KEYS: Final[tuple[FileKey, ...]] = (
    FileKey("authMode", "auth.mode", says="Spelling of the first release."),
    # Memory
    FileKey("mlsdm.dimension", "memory.dimension"),
    FileKey("mlsdm.capacity", "memory.capacity"),
    FileKey("embeddings.dimension", "memory.dimension"),
    FileKey("dimension", "memory.dimension"),
    FileKey("capacity", "memory.capacity"),
    FileKey("pelm.capacity", "memory.capacity"),
    FileKey("pelm.phase_tolerance", "memory.phaseTolerance"),
    FileKey("qilm.phase_tolerance", "memory.phaseTolerance"),
    *_unused("each memory carries a checksum, and damaged ones are dropped", "qilm.*"),
    *(
        FileKey(f"multi_level_memory.{theirs}", f"memory.levels.{ours}")
        for theirs, ours in (
            ("lambda_l1", "lambdaL1"),
            ("lambda_l2", "lambdaL2"),
            ("lambda_l3", "lambdaL3"),
            ("theta_l1", "thetaL1"),
            ("theta_l2", "thetaL2"),
            ("gating12", "gating12"),
            ("gating23", "gating23"),
        )
    ),
    *(
        FileKey(
            f"memory.level{number}.decay_lambda",
            f"memory.levels.lambdaL{number}",
            p.decay,
            "A share that stays, ours is the share that goes: 0.99 there is 0.01 here.",
        )
        for number in (1, 2, 3)
    ),
    # Rhythm and moral filter
    FileKey("mlsdm.wake_duration", "governance.rhythm.wakeDuration"),
    FileKey("mlsdm.sleep_duration", "governance.rhythm.sleepDuration"),
    FileKey("cognitive_rhythm.wake_duration", "governance.rhythm.wakeDuration"),
    FileKey("cognitive_rhythm.sleep_duration", "governance.rhythm.sleepDuration"),
    *_unused("sleep always consolidates", "cognitive_rhythm.enable_consolidation"),
    FileKey("mlsdm.initial_threshold", "governance.moral.initialThreshold"),
    FileKey("moral_filter.initial_threshold", "governance.moral.initialThreshold"),
    FileKey("moral_filter.threshold", "governance.moral.initialThreshold"),
    FileKey("moral_filter.min", "governance.moral.minThreshold"),
    FileKey("moral_filter.max", "governance.moral.maxThreshold"),
    FileKey("moral_filter.min_threshold", "governance.moral.minThreshold"),
    FileKey("moral_filter.max_threshold", "governance.moral.maxThreshold"),
    FileKey("moral_filter.ema_alpha", "governance.moral.emaAlpha"),
    FileKey("moral_filter.adaptation_rate", "governance.moral.step"),
    FileKey("moral_filter.adapt_rate", "governance.moral.step"),
    # Speech
    FileKey("aphasia.detect_enabled", "governance.speech.enabled", p.flag),
    FileKey("aphasia.repair_enabled", "governance.speech.repair", p.flag),
    FileKey("aphasia.severity_threshold", "governance.speech.repairSeverity"),
    # Generator and embedder
    FileKey("llm.provider", "llm.backend", p.backend),
    FileKey(
        "embeddings.provider",
        "embeddings.provider",
        p.embedding_provider,
        "sentence-transformers is not built in: Hashing embeds instead.",
    ),
    # Edge
    FileKey("api.port", "server.port"),
    FileKey("api.timeout", "api.requestTimeoutSeconds", p.seconds, "Rounded up to whole seconds."),
    FileKey("api.request_timeout_seconds", "api.requestTimeoutSeconds", p.seconds),
    FileKey("api.queue_timeout_seconds", "api.queueTimeoutSeconds", p.seconds),
    FileKey("api.max_concurrent_requests", "api.maxConcurrent"),
    *_unused("requests are served in the order of their arrival", "api.priority.*"),
    *_unused(_ONE_PROCESS, "api.workers"),
    FileKey("security.rate_limiting.enabled", "rateLimit.enabled", p.flag),
    FileKey("security.rate_limiting.requests_per_second", "rateLimit.requestsPerSecond"),
    FileKey("security.rate_limiting.burst_capacity", "rateLimit.burst"),
    *_unused(
        "the number of buckets is bounded, none has to be cleaned up",
        "security.rate_limiting.cleanup_interval",
    ),
    FileKey(
        AUTH_SWITCH,
        "auth.mode",
        p.enabled_mode,
        "True is `APIKey`, false is `None`; an API key in the environment outranks it.",
    ),
    *_unused(
        "vectors and scores are always checked: length, bounds, no NaN, no infinity",
        "security.validation.*",
    ),
    # Log, metrics, traces
    *_unused("the log goes to standard output; whoever runs the process keeps it", "logging.file"),
    FileKey("observability.logging.level", "logging.level", p.level),
    FileKey("observability.logging.format", "logging.format", p.log_format),
    *_unused("each line is structured and names its request", "observability.logging.*"),
    FileKey("monitoring.enabled", "server.metricsEnabled", p.flag),
    FileKey("monitoring.metrics_port", "server.metricsPort"),
    *_unused(_PROBES, "monitoring.health_check_interval"),
    FileKey("observability.metrics.enabled", "server.metricsEnabled", p.flag),
    FileKey("observability.metrics.port", "server.metricsPort"),
    *_unused("all metrics are served", "observability.metrics.*"),
    FileKey("observability.tracing.enabled", "tracing.enabled", p.flag),
    *_unused("see `tracing`", "observability.tracing.*"),
    # The process
    FileKey("resources.shutdown_timeout", "server.shutdownSeconds", p.seconds),
    *_unused(
        "memory and CPU are bounded by the container; readiness and emergency look at its memory",
        "resources.*",
    ),
    *_unused(_ONE_PROCESS, "performance.*"),
    *_unused("always on", "features.*"),
    *_unused("a vector is refused for its length and bounds only", "strict_mode"),
    *_unused("each change of the moral threshold shows in metrics", "drift_logging"),
    *_unused("an emergency always ends by itself, each time later", "cognitive_controller.*"),
    *_unused(
        _ABSENT, "ontology_matcher.*", "neurolang.*", "neuro_hybrid.*", "synergy_experience.*"
    ),
)

BY_KEY: Final = {item.key: item for item in FILE_KEYS}


def find(key: str) -> FileKey | None:
    """The row of `key`, or the one that stands for all below one of its parents."""
    if key in BY_KEY:
        return BY_KEY[key]
    parts = key.split(".")
    for end in range(len(parts) - 1, 0, -1):
        found = BY_KEY.get(".".join([*parts[:end], "*"]))
        if found is not None:
            return found
    return None


def is_section(key: str) -> bool:
    """Whether rows stand below `key`."""
    return any(row.startswith(f"{key}.") for row in BY_KEY)
