"""Every environment variable that means something here: what it sets, how it is read, and why not.

Names are those of MLSDM's documents and releases, and our own. Where two set the same thing, the
one that stands first in the table counts. The reference page is written from this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cognitive_api import identity as api_names
from cognitive_api.engine_config import LLMBackend

from . import parsers as p

Read = Callable[[str, Mapping[str, str]], object]


class Sort(Enum):
    """What a variable is for."""

    SETTING = "setting"
    SECRET = "secret"  # noqa: S105
    PROCESS = "process"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `example` is a value that it takes; `says` is for the reference."""

    name: str
    sort: Sort
    example: str
    says: str = ""
    sets: tuple[tuple[str, Read], ...] = ()
    """Paths of the configuration, each with its parser."""
    backends: frozenset[LLMBackend] = frozenset()
    """It counts only with these values of llm.backend; with all when empty."""
    alarming: bool = False
    """Whether somebody who switches it on has to hear that it has no effect."""


def _setting(
    name: str,
    path: str,
    example: str,
    parse: Callable[[str], object] = p.plain,
    *,
    says: str = "",
    backends: tuple[LLMBackend, ...] = (),
) -> Variable:
    read: Read = lambda text, _: parse(text)  # noqa: E731
    return Variable(name, Sort.SETTING, example, says, ((path, read),), frozenset(backends))


def _secret(name: str, says: str) -> Variable:
    example = "/run/secrets/a-file" if name.endswith("_FILE") else "a-secret-of-the-tests"
    return Variable(name, Sort.SECRET, example, says)


def _process(name: str, example: str, says: str) -> Variable:
    return Variable(name, Sort.PROCESS, example, says)


def _unused(example: str, says: str, *names: str, alarming: bool = False) -> tuple[Variable, ...]:
    return tuple(Variable(name, Sort.UNUSED, example, says, alarming=alarming) for name in names)


def _refill(_: str, environment: Mapping[str, str]) -> float:
    requests = p.number(environment.get(RATE_LIMIT_REQUESTS) or RATE_REQUESTS_DEFAULT)
    window = p.number(environment.get(RATE_LIMIT_WINDOW) or 1)
    if window <= 0:
        raise ValueError("must be above 0")
    return requests / window


RATE_LIMIT_REQUESTS: Final = "RATE_LIMIT_REQUESTS"
RATE_LIMIT_WINDOW: Final = "RATE_LIMIT_WINDOW"
RATE_REQUESTS_DEFAULT: Final = 5

_OPENAI: Final = (LLMBackend.OPENAI, LLMBackend.OPENAI_COMPATIBLE)
_ONE_PROCESS: Final = (
    "one process serves all requests of a pod, because its memory is one; add replicas instead"
)
_NO_DISK: Final = "memories are not written to a database of this kind"
_NO_CACHE: Final = "answers are not cached: each one is judged and remembered"
_NO_POLICIES: Final = "rules are part of this configuration (`governance`), not files of their own"
_NO_SIGNATURES: Final = "requests are not signed; callers are recognised by key or token"
_NO_MTLS: Final = "TLS ends in front of the engine (Gateway, mesh), client certificates included"
_RETRIES: Final = "how a failed call is repeated follows from its failure"
_DRIFT: Final = "each change of the moral threshold shows in metrics; there is no log to thin out"

VARIABLES: Final[tuple[Variable, ...]] = (
    _process(
        api_names.ENV_CONFIG_PATH, "/etc/cognitive-engine/engine.yaml", "Path of the file below."
    ),
    _process(api_names.ENV_TRACK, "stable", "Label `track` of the metrics; the operator sets it."),
    _process(
        api_names.ENV_REVISION, "0123456789", "Label `revision` of the metrics, set likewise."
    ),
    # What the process is there for
    _setting("MLSDM_ENV", "environment", "production", p.stage, says="`dev`, `prod` are read too."),
    _setting(
        "MLSDM_RUNTIME_MODE",
        "environment",
        "cloud-prod",
        p.run_mode,
        says="`dev` means development; `local-prod`, `cloud-prod`, `agent-api` mean production.",
    ),
    _setting("MLSDM_SECURE_MODE", "requireCredentials", "1", p.flag),
    # Where it listens
    _setting("HOST", "server.host", "127.0.0.1"),
    _setting("API_PORT", "server.port", "8001"),
    _setting("PORT", "server.port", "8001"),
    _setting("METRICS_ENABLED", "server.metricsEnabled", "true", p.flag),
    _setting("ENABLE_METRICS", "server.metricsEnabled", "true", p.flag),
    _setting("METRICS_PORT", "server.metricsPort", "9091"),
    _setting("SHUTDOWN_SECONDS", "server.shutdownSeconds", "20"),
    # Requests
    _setting(
        "API_TIMEOUT",
        "api.requestTimeoutSeconds",
        "20",
        p.seconds,
        says="Rounded up to whole seconds.",
    ),
    _setting("MLSDM_REQUEST_TIMEOUT", "api.requestTimeoutSeconds", "20.0", p.seconds),
    _setting("MLSDM_MAX_CONCURRENT", "api.maxConcurrent", "100"),
    _setting(
        "MLSDM_QUEUE_TIMEOUT",
        "api.queueTimeoutSeconds",
        "2.5",
        p.seconds,
        says="Rounded up to whole seconds.",
    ),
    _setting("DISABLE_RATE_LIMIT", "rateLimit.enabled", "1", p.inverse, says="The opposite of it."),
    Variable(
        RATE_LIMIT_REQUESTS,
        Sort.SETTING,
        "100",
        "So many requests at once, and so many per RATE_LIMIT_WINDOW.",
        (("rateLimit.requestsPerSecond", _refill), ("rateLimit.burst", lambda text, _: text)),
    ),
    Variable(
        RATE_LIMIT_WINDOW,
        Sort.SETTING,
        "60",
        f"Seconds; {RATE_REQUESTS_DEFAULT} requests in it when RATE_LIMIT_REQUESTS is not set.",
        (("rateLimit.requestsPerSecond", _refill),),
    ),
    # Who may call
    _secret(
        api_names.ENV_API_KEYS_FILE,
        "File with one accepted key a line, read again when it changes.",
    ),
    _secret("API_KEY", "One accepted key, with the role write."),
    _secret("ADMIN_API_KEY", "One accepted key, with the role admin."),
    _secret("SCOPE_SECRET", "Secret under which a caller's name becomes a scope."),
    _secret(api_names.ENV_SCOPE_SECRET_FILE, "File with that secret, instead."),
    _setting(
        "MLSDM_OIDC_ENABLED",
        "auth.mode",
        "true",
        p.flag,
        says="`OIDC`, or `Any` where keys are accepted as well; false takes tokens out again.",
    ),
    _setting("MLSDM_OIDC_ISSUER", "auth.oidc.issuer", "https://login.example/"),
    _setting("MLSDM_OIDC_AUDIENCE", "auth.oidc.audience", "mlsdm"),
    _setting("MLSDM_OIDC_ROLES_CLAIM", "auth.oidc.rolesClaim", "roles"),
    _setting("MLSDM_OIDC_JWKS_URI", "auth.oidc.jwksURI", "https://login.example/keys"),
    _setting(
        "MLSDM_OIDC_ALGORITHMS",
        "auth.oidc.algorithms",
        "RS256,ES256",
        p.words,
        says="With commas between them.",
    ),
    *_unused(
        "3600",
        "the issuer's keys are fetched again when a token names an unknown one, and each hour",
        "MLSDM_OIDC_CACHE_TTL",
    ),
    # The log
    _setting("LOG_LEVEL", "logging.level", "WARNING", p.level),
    _setting("MLSDM_LOG_LEVEL", "logging.level", "warning", p.level),
    _setting("MLSDM_DEBUG", "logging.level", "true", p.debug_level, says="True means DEBUG."),
    _setting("LOG_FORMAT", "logging.format", "text", p.log_format),
    _setting("JSON_LOGGING", "logging.format", "false", p.json_or_text, says="False means text."),
    *_unused(
        "true",
        "prompts and answers are never logged",
        "LOG_PAYLOADS",
        alarming=True,
    ),
    # The mind
    _setting("MLSDM_DIM", "memory.dimension", "128"),
    _setting("EMBEDDING_DIM", "memory.dimension", "128"),
    _setting("MLSDM_CAPACITY", "memory.capacity", "5000"),
    _setting("MLSDM_WAKE_DURATION", "governance.rhythm.wakeDuration", "5"),
    _setting("MLSDM_SLEEP_DURATION", "governance.rhythm.sleepDuration", "2"),
    _setting("MLSDM_INITIAL_THRESHOLD", "governance.moral.initialThreshold", "0.6"),
    *_unused(
        "0.05",
        _DRIFT,
        "MLSDM_DRIFT_MIN_LOGGING",
        "MLSDM_DRIFT_THRESHOLD",
        "MLSDM_DRIFT_CRITICAL_THRESHOLD",
    ),
    *_unused("production", _DRIFT, "MLSDM_DRIFT_LOGGING"),
    *_unused("true", "this part of MLSDM does not exist here", "ENABLE_FSLGS"),
    *_unused(
        "true",
        "measurements are always taken; server.metricsEnabled decides whether they are served",
        "MLSDM_ENGINE_ENABLE_METRICS",
    ),
    # The model
    _setting(
        "LLM_BACKEND",
        "llm.backend",
        "openai",
        p.backend,
        says="`local_stub`, `openai`, `anthropic`, `openai_compatible` or the names of the file.",
    ),
    _setting("OPENAI_MODEL", "llm.model", "a-model", backends=_OPENAI),
    _setting("ANTHROPIC_MODEL", "llm.model", "a-model", backends=(LLMBackend.ANTHROPIC,)),
    _secret(api_names.ENV_LLM_API_KEY_FILE, "File with the model's key, read again on change."),
    _secret("OPENAI_API_KEY", "Key for `OpenAI`, and for no other address."),
    _secret("ANTHROPIC_API_KEY", "Key for `Anthropic`, and for no other address."),
    _secret("LLM_API_KEY", "Key for whichever model `llm` names."),
    _secret(
        api_names.ENV_EMBEDDINGS_API_KEY_FILE,
        "File with the embedding API's key, read again on change.",
    ),
    _secret("EMBEDDINGS_API_KEY", "Key for the embedding API."),
    *_unused("openai,local_stub", "one backend answers: llm.backend", "MULTI_LLM_BACKENDS"),
    *_unused("local_stub", "the stub has no other name", "LOCAL_STUB_PROVIDER_ID"),
    *_unused("3", _RETRIES, "MLSDM_RETRY_ATTEMPTS"),
    *_unused(
        "1.0",
        _RETRIES,
        "MLSDM_RETRY_MIN_WAIT",
        "MLSDM_RETRY_MAX_WAIT",
        "MLSDM_RETRY_MAX_ELAPSED",
        "MLSDM_RETRY_JITTER_RATIO",
    ),
    # Traces
    _setting(
        "OTEL_SDK_DISABLED",
        "tracing.enabled",
        "true",
        p.unless_disabled,
        says="True means no traces, whatever else is set.",
    ),
    _setting("MLSDM_OTEL_ENABLED", "tracing.enabled", "true", p.flag),
    _setting("OTEL_TRACING_ENABLED", "tracing.enabled", "true", p.flag),
    _setting(
        "OTEL_EXPORTER_TYPE",
        "tracing.enabled",
        "otlp",
        p.tracing_exporter,
        says="`none` means no traces; spans are sent by OTLP only.",
    ),
    _setting("MLSDM_OTEL_ENDPOINT", "tracing.endpoint", "http://collector:4318", p.address),
    _setting("OTEL_EXPORTER_OTLP_ENDPOINT", "tracing.endpoint", "http://collector:4318", p.address),
    _setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "tracing.endpoint",
        "http/protobuf",
        p.otlp_protocol,
        says="`http/protobuf` is the only one.",
    ),
    _setting("OTEL_SERVICE_NAME", "tracing.serviceName", "mind"),
    _setting("OTEL_TRACES_SAMPLER_ARG", "tracing.sampleRatio", "0.25"),
    _setting("DEPLOYMENT_ENV", "tracing.deployment", "staging"),
    # What MLSDM has and this engine has not
    *_unused("4", _ONE_PROCESS, "API_WORKERS", "MLSDM_WORKERS"),
    *_unused("false", "a changed file counts from the next start", "MLSDM_RELOAD"),
    *_unused(
        "30", "how long idle connections stay is the server's business", "MLSDM_TIMEOUT_KEEP_ALIVE"
    ),
    *_unused("10485760", "the engine bounds bodies itself", "MLSDM_MAX_PAYLOAD_SIZE"),
    *_unused("memories.db", _NO_DISK, "MLSDM_LTM_DB_PATH", alarming=True),
    *_unused("1", _NO_DISK, "MLSDM_LTM_ENCRYPTION", alarming=True),
    *_unused("00ff", _NO_DISK, "MLSDM_LTM_KEY"),
    *_unused("true", _NO_CACHE, "MLSDM_CACHE_ENABLED"),
    *_unused("memory", _NO_CACHE, "MLSDM_CACHE_BACKEND"),
    *_unused("3600", _NO_CACHE, "MLSDM_CACHE_TTL", "MLSDM_CACHE_MAX_SIZE"),
    *_unused("redis://cache:6379/0", _NO_CACHE, "MLSDM_REDIS_URL"),
    *_unused(
        "/policies",
        _NO_POLICIES,
        "MLSDM_POLICY_DIR",
        "MLSDM_POLICIES_DIR",
        "MLSDM_POLICY_REGISTRY_PATH",
        "MLSDM_POLICY_CATALOG_PATH",
        alarming=True,
    ),
    *_unused(
        "true", _NO_SIGNATURES, "MLSDM_SIGNING_ENABLED", "MLSDM_REQUIRE_SIGNATURES", alarming=True
    ),
    *_unused("00ff", _NO_SIGNATURES, "MLSDM_SIGNING_KEY", "MLSDM_SIGNING_KEYS_PATH"),
    *_unused("300", _NO_SIGNATURES, "MLSDM_SIGNING_MAX_AGE"),
    *_unused("/generate", _NO_SIGNATURES, "MLSDM_SIGNATURE_REQUIRED_ROUTES", alarming=True),
    *_unused("true", _NO_MTLS, "MLSDM_MTLS_ENABLED", alarming=True),
    *_unused("true", _NO_MTLS, "MLSDM_MTLS_REQUIRE_CLIENT_CERT"),
    *_unused("/ca.pem", _NO_MTLS, "MLSDM_MTLS_CA_CERT"),
    *_unused("3", _NO_MTLS, "MLSDM_MTLS_VERIFY_DEPTH"),
    *_unused(
        "a-value-of-the-tests",
        "write further keys, with their roles and names, to the file of API_KEYS_FILE",
        "API_KEY_n_VALUE",
        "API_KEY_n_ROLES",
        "API_KEY_n_USER",
        alarming=True,
    ),
)
