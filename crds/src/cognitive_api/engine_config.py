"""What an engine reads at boot from the file that CONFIG_PATH names.

The operator writes this file (a ConfigMap); a person may write one by hand. Secrets are never in
it: API keys come from a file of their own.
"""

from enum import StrEnum

from pydantic import Field

from .governance import GovernanceSettings, MemorySettings, Strict


class LLMBackend(StrEnum):
    """Who writes the answers."""

    LOCAL_STUB = "LocalStub"


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
    NONE = "None"


class LLMSettings(Strict):
    """The generator."""

    backend: LLMBackend = Field(
        LLMBackend.LOCAL_STUB,
        description="`LocalStub` answers by rule, from the prompt and the recalled context.",
    )


class RateLimitSettings(Strict):
    """A token bucket for each API key, or for each client address without one."""

    enabled: bool = Field(True, description="Whether requests are limited at all.")
    requests_per_second: int = Field(
        5, ge=1, le=100000, description="Rate at which a client's bucket refills."
    )
    burst: int = Field(10, ge=1, le=100000, description="Requests a full bucket allows at once.")


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
    rate_limit: RateLimitSettings = Field(RateLimitSettings(), description="Request limits.")
    auth_mode: AuthMode = Field(
        AuthMode.API_KEY, description="`APIKey` needs the file named by API_KEYS_FILE."
    )
    logging: LoggingSettings = Field(LoggingSettings(), description="The log.")
