"""What an engine reads at boot from the file that CONFIG_PATH names.

The operator writes this file (a ConfigMap); a person may write one by hand. Secrets are never in
it: API keys, the model's key and the scope secret come from files or variables of their own.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from .governance import GovernanceSettings, MemorySettings, Strict

Rules = tuple[tuple[str, str], ...]

# No user, password, query or fragment: nothing secret hides in an address.
WebAddress = Annotated[
    str, Field(min_length=8, max_length=512, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
]
ModelName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^\S+$")]
Origin = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$")
]

# Whose answers are believed must not be replaceable on the way; within a host there is no way.
_SAFE_ADDRESS: Final = r"^(https://|http://(localhost|127[.]0[.]0[.]1)(:[0-9]+)?(/|$))"


class LLMBackend(StrEnum):
    """Who writes the answers."""

    LOCAL_STUB = "LocalStub"
    OPENAI = "OpenAI"
    ANTHROPIC = "Anthropic"
    OPENAI_COMPATIBLE = "OpenAICompatible"


DEFAULT_MODELS: Final = {
    LLMBackend.OPENAI: "gpt-3.5-turbo",
    LLMBackend.ANTHROPIC: "claude-3-sonnet-20240229",
}


class EmbeddingProvider(StrEnum):
    """Who turns text into vectors."""

    HASHING = "Hashing"
    MODEL2VEC = "Model2Vec"
    OPENAI_COMPATIBLE = "OpenAICompatible"


class LogLevel(StrEnum):
    """Least severity that is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    """Shape of a log line."""

    JSON = "json"
    TEXT = "text"


class AuthMode(StrEnum):
    """How callers identify themselves."""

    API_KEY = "APIKey"
    OIDC = "OIDC"
    ANY = "Any"
    NONE = "None"

    @property
    def takes_keys(self) -> bool:
        """Whether API keys open the door."""
        return self in (AuthMode.API_KEY, AuthMode.ANY)

    @property
    def takes_tokens(self) -> bool:
        """Whether tokens of an OpenID Connect issuer open the door."""
        return self in (AuthMode.OIDC, AuthMode.ANY)


class TokenAlgorithm(StrEnum):
    """Signatures of tokens; only such that the verifier cannot make itself."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


class BreakerSettings(Strict):
    """Stops calls to a model that fails, and tries it again later."""

    failures: int = Field(
        5, ge=1, le=1000, description="Failures in a row after which no call is made for a while."
    )
    recovery_seconds: int = Field(
        30, ge=1, le=3600, description="That while; then a few calls are let through to probe."
    )
    probes: int = Field(
        3, ge=1, le=100, description="Calls let through at once, which all have to succeed."
    )


class BulkheadSettings(Strict):
    """Bounds the calls to the model, so that a slow one holds up nothing else."""

    concurrent: int = Field(64, ge=1, le=10000, description="Calls that run at the same time.")
    wait_seconds: int = Field(
        5, ge=0, le=600, description="A call that waits longer for its turn is answered with 503."
    )


class LLMSettings(Strict):
    """The generator of answers."""

    backend: LLMBackend = Field(
        LLMBackend.LOCAL_STUB,
        description="`LocalStub` answers by rule, from the prompt and the recalled context; "
        "`OpenAI` and `Anthropic` ask those services; `OpenAICompatible` asks whatever speaks "
        "OpenAI's chat API at baseURL. All but the first send prompts and recalled texts there.",
    )
    model: ModelName | None = Field(
        None,
        description="Model that is asked; when absent "
        + ", ".join(f"{model} with `{backend}`" for backend, model in DEFAULT_MODELS.items())
        + ".",
    )
    base_url: WebAddress | None = Field(
        None,
        description="Address of the model's API, with `/v1` at its end; the service's own when "
        "absent.",
    )
    timeout_seconds: int = Field(
        30, ge=1, le=600, description="A call that takes longer is given up and answered with 504."
    )
    max_tokens: int = Field(
        2048,
        ge=1,
        le=4096,
        description="Longest answer, in tokens, when a request names no max_tokens.",
    )
    temperature: float = Field(
        0.7,
        ge=0.0,
        le=2.0,
        description="How freely the model words its answers; 0 is driest. `Anthropic` takes at "
        "most 1.",
    )
    breaker: BreakerSettings = Field(
        BreakerSettings(), description="Stops calls to a model that fails."
    )
    bulkhead: BulkheadSettings = Field(
        BulkheadSettings(), description="Bounds the calls that run at the same time."
    )

    cel: ClassVar[Rules] = (
        (
            "self.backend != 'OpenAICompatible' || (has(self.baseURL) && has(self.model))",
            "llm.baseURL and llm.model are required when llm.backend is OpenAICompatible",
        ),
        (
            "self.backend != 'Anthropic' || self.temperature <= 1.0",
            "llm.temperature must not exceed 1 when llm.backend is Anthropic",
        ),
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.backend is LLMBackend.OPENAI_COMPATIBLE and not (self.base_url and self.model):
            raise ValueError("baseURL and model are required when backend is OpenAICompatible")
        if self.backend is LLMBackend.ANTHROPIC and self.temperature > 1.0:
            raise ValueError("temperature must not exceed 1 when backend is Anthropic")
        return self

    @property
    def model_name(self) -> str:
        """The model that is asked; empty for the stub."""
        return self.model or DEFAULT_MODELS.get(self.backend, "")


class EmbeddingSettings(Strict):
    """The embedder: turns texts into vectors of memory.dimension components."""

    provider: EmbeddingProvider = Field(
        EmbeddingProvider.HASHING,
        description="`Hashing` needs no model and finds shared words; `Model2Vec` reads a static "
        "model from a folder and finds related meanings; `OpenAICompatible` asks an API at "
        "baseURL, which sees every prompt.",
    )
    model: ModelName | None = Field(
        None,
        description="For `Model2Vec` the path of the model's folder within the container, for "
        "`OpenAICompatible` the model's name. Its vectors must have memory.dimension components.",
    )
    base_url: WebAddress | None = Field(
        None, description="Address of the embedding API, `/v1` included where it has one."
    )
    timeout_seconds: int = Field(
        10, ge=1, le=600, description="A call that takes longer is given up and answered with 504."
    )

    cel: ClassVar[Rules] = (
        (
            "self.provider != 'Model2Vec' || has(self.model)",
            "embeddings.model is required when embeddings.provider is Model2Vec: name the folder",
        ),
        (
            "self.provider != 'OpenAICompatible' || (has(self.baseURL) && has(self.model))",
            "embeddings.baseURL and embeddings.model are required when embeddings.provider is "
            "OpenAICompatible",
        ),
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.provider is EmbeddingProvider.MODEL2VEC and not self.model:
            raise ValueError("model is required when provider is Model2Vec: name the folder")
        if self.provider is EmbeddingProvider.OPENAI_COMPATIBLE and not (
            self.base_url and self.model
        ):
            raise ValueError("baseURL and model are required when provider is OpenAICompatible")
        return self


class OIDCSettings(Strict):
    """Tokens of an OpenID Connect issuer."""

    issuer: WebAddress = Field(
        description="Issuer whose tokens are accepted, as it stands in their `iss`."
    )
    audience: str = Field(
        min_length=1,
        max_length=256,
        description="A token counts only if its `aud` names this: it was meant for this engine.",
    )
    roles_claim: str = Field(
        "roles",
        min_length=1,
        max_length=256,
        description="Claim that holds the caller's roles, `read`, `write` or `admin`, each "
        "including the one before; dots lead into nested claims.",
    )
    jwks_uri: WebAddress | None = Field(
        None,
        description="Where the issuer's keys stand; the issuer's discovery document says it when "
        "absent.",
    )
    algorithms: list[TokenAlgorithm] = Field(
        [TokenAlgorithm.RS256, TokenAlgorithm.ES256, TokenAlgorithm.EDDSA],
        min_length=1,
        max_length=len(TokenAlgorithm),
        description="Signatures that are accepted.",
    )

    cel: ClassVar[Rules] = (
        (
            f"self.issuer.matches('{_SAFE_ADDRESS}')",
            "api.auth.oidc.issuer must start with https:// (http:// only for localhost)",
        ),
        (
            f"!has(self.jwksURI) || self.jwksURI.matches('{_SAFE_ADDRESS}')",
            "api.auth.oidc.jwksURI must start with https:// (http:// only for localhost)",
        ),
    )

    @model_validator(mode="after")
    def _safe(self) -> Self:
        for name, address in (("issuer", self.issuer), ("jwksURI", self.jwks_uri)):
            if address is not None and not re.match(_SAFE_ADDRESS, address):
                raise ValueError(f"{name} must start with https:// (http:// only for localhost)")
        return self


class AuthSettings(Strict):
    """Who may call the API. The keys themselves come from API_KEYS_FILE or the environment."""

    mode: AuthMode = Field(
        AuthMode.API_KEY,
        description="`APIKey` asks every caller for a key, `OIDC` for a token of an issuer, "
        "`Any` for either; `None` lets anybody in and has to be said aloud.",
    )
    oidc: OIDCSettings | None = Field(
        None, description="The issuer; for the modes `OIDC` and `Any`."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode.takes_tokens and self.oidc is None:
            raise ValueError("oidc.issuer and oidc.audience are required with mode OIDC or Any")
        return self


class APISettings(Strict):
    """The HTTP edge."""

    cors_origins: list[Origin] = Field(
        [],
        max_length=32,
        description="Web pages of these origins may call the API from a browser; `*` means all, "
        "and none may when the list is empty.",
    )
    max_prompt_characters: int = Field(
        10000, ge=1, le=10000, description="A longer prompt is refused."
    )
    request_timeout_seconds: int = Field(
        30, ge=1, le=600, description="A request that takes longer is answered with 504."
    )
    max_concurrent: int = Field(
        256, ge=1, le=10000, description="Requests that each pod works on at the same time."
    )
    queue_timeout_seconds: int = Field(
        5,
        ge=0,
        le=60,
        description="A request that waits longer for its turn is answered with 503; 0 lets none "
        "wait.",
    )


class RateLimitSettings(Strict):
    """A token bucket for each caller, or for each client address without one."""

    enabled: bool = Field(True, description="Whether requests are limited at all.")
    requests_per_second: float = Field(
        5.0,
        ge=0.001,
        le=100000.0,
        description="Rate at which a caller's bucket refills; 0.5 is one request in two seconds.",
    )
    burst: int = Field(10, ge=1, le=100000, description="Requests a full bucket allows at once.")

    # An API server compares a whole number with the whole part of a bound: without this, 0 passes.
    cel: ClassVar[Rules] = (
        (
            "self.requestsPerSecond >= 0.001",
            "api.rateLimit.requestsPerSecond must be at least 0.001",
        ),
    )


class LoggingSettings(Strict):
    """The engine's log. Prompts, answers and keys are never in it."""

    level: LogLevel = Field(LogLevel.INFO, description="Least severity that is logged.")
    format: LogFormat = Field(
        LogFormat.JSON, description="One JSON object a line, or text for people."
    )


class EngineConfig(Strict):
    """The whole engine configuration; every part has a default, so an empty file is valid."""

    governance: GovernanceSettings = Field(GovernanceSettings(), description="The rules.")
    memory: MemorySettings = Field(MemorySettings(), description="The memory.")
    llm: LLMSettings = Field(LLMSettings(), description="The generator.")
    embeddings: EmbeddingSettings = Field(EmbeddingSettings(), description="The embedder.")
    api: APISettings = Field(APISettings(), description="The HTTP edge.")
    rate_limit: RateLimitSettings = Field(RateLimitSettings(), description="Request limits.")
    auth: AuthSettings = Field(AuthSettings(), description="Who may call the API.")
    logging: LoggingSettings = Field(LoggingSettings(), description="The log.")

    @model_validator(mode="before")
    @classmethod
    def _older_spelling(cls, data: Any) -> Any:
        """Read `authMode`, as files of the first release have it, as `auth.mode`."""
        if not isinstance(data, Mapping) or "authMode" not in data or "auth" in data:
            return data
        rest = {name: value for name, value in data.items() if name != "authMode"}
        return {**rest, "auth": {"mode": data["authMode"]}}

    @property
    def auth_mode(self) -> AuthMode:
        """How callers identify themselves."""
        return self.auth.mode
