"""All that one engine process can be told: what the operator knows of, and what only it needs."""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from cognitive_api import identity as api_names
from cognitive_api.engine_config import AuthMode, EngineConfig, WebAddress
from cognitive_api.governance import Strict
from cognitive_engine.domain import limits

HASH_CHARS: Final = 16
PORT_MAX: Final = 65_535

Port = Annotated[int, Field(ge=0, le=PORT_MAX)]


class Environment(StrEnum):
    """What a process is there for."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class ServerSettings(Strict):
    """Where the process listens, and how it leaves."""

    host: str = Field(
        # Inside a container the network decides who reaches the port.
        "0.0.0.0",  # noqa: S104
        min_length=1,
        max_length=255,
        pattern=r"^\S+$",
        description="Address to listen on.",
    )
    port: Port = Field(api_names.PORT_HTTP, description="Port of the API; 0 takes any free one.")
    metrics_enabled: bool = Field(True, description="Whether metrics have a port of their own.")
    metrics_port: Port = Field(
        api_names.PORT_METRICS, description="That port; 0 takes any free one."
    )
    shutdown_seconds: int = Field(
        limits.SHUTDOWN_SECONDS_DEFAULT,
        ge=limits.SHUTDOWN_SECONDS_MIN,
        le=limits.SHUTDOWN_SECONDS_MAX,
        description="Longest time from SIGTERM to the end of the process.",
    )


class TracingSettings(Strict):
    """Traces by OpenTelemetry. Prompts, answers and keys are never in them."""

    enabled: bool = Field(False, description="Whether spans are made and sent.")
    endpoint: WebAddress = Field(
        "http://localhost:4318", description="Collector that takes OTLP over HTTP (protobuf)."
    )
    service_name: str = Field(
        "mlsdm", min_length=1, max_length=256, description="`service.name` of every span."
    )
    sample_ratio: float = Field(
        1.0, ge=0.0, le=1.0, description="Share of requests that are traced."
    )
    deployment: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="`deployment.environment` of every span; `environment` when absent.",
    )


class Configuration(EngineConfig):
    """The whole configuration of a process."""

    environment: Environment | None = Field(
        None,
        description="`production` refuses to start when anybody may call; in `development` "
        "anybody may, with a warning, as long as nothing is said about callers.",
    )
    require_credentials: bool = Field(
        False, description="Refuse to start when anybody may call, as in production."
    )
    server: ServerSettings = Field(ServerSettings(), description="Where the process listens.")
    tracing: TracingSettings = Field(TracingSettings(), description="Traces.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.auth.mode is AuthMode.NONE:
            if self.environment is Environment.PRODUCTION:
                raise ValueError(
                    "environment production needs callers with credentials: set auth.mode to "
                    "APIKey, OIDC or Any"
                )
            if self.require_credentials:
                raise ValueError(
                    "requireCredentials needs callers with credentials: set auth.mode to APIKey, "
                    "OIDC or Any"
                )
        return self


def effective(config: EngineConfig) -> dict[str, object]:
    """Every setting in force, in the file's spelling."""
    return config.model_dump(mode="json", by_alias=True)


def config_hash(config: EngineConfig) -> str:
    """Short hash of the settings in force: equal settings, equal hash, however written."""
    canonical = json.dumps(effective(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_CHARS]
