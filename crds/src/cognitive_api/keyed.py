"""The parts of the spec that name Secrets: the generator, the embedder, and who may call.

What they add to the engine's own settings is where a secret stands, never the secret itself.
"""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from .engine_config import (
    APISettings,
    AuthMode,
    EmbeddingProvider,
    EmbeddingSettings,
    LLMBackend,
    LLMSettings,
    OIDCSettings,
    RateLimitSettings,
    Rules,
)
from .governance import Strict

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class SecretKeyRef(Strict):
    """One key of a Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field("api-key", description="Key within the Secret.")


class ScopeSecretRef(Strict):
    """One key of a Secret in the same namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field("scope-secret", description="Key within the Secret.")


class LLM(LLMSettings):
    """The generator of answers, with its key."""

    api_key_secret_ref: SecretKeyRef | None = Field(
        None,
        description="Where the key of the model's API stands. A changed Secret is picked up "
        "without a restart.",
    )

    cel: ClassVar[Rules] = (
        *LLMSettings.cel,
        (
            "(self.backend != 'OpenAI' && self.backend != 'Anthropic') "
            "|| has(self.apiKeySecretRef)",
            "llm.apiKeySecretRef is required when llm.backend is OpenAI or Anthropic",
        ),
        (
            "self.backend != 'LocalStub' "
            "|| !(has(self.model) || has(self.baseURL) || has(self.apiKeySecretRef))",
            "llm.model, llm.baseURL and llm.apiKeySecretRef have no effect while llm.backend is "
            "LocalStub: remove them, or name another backend",
        ),
    )

    @model_validator(mode="after")
    def _keyed(self) -> Self:
        needs_key = self.backend in (LLMBackend.OPENAI, LLMBackend.ANTHROPIC)
        if needs_key and self.api_key_secret_ref is None:
            raise ValueError("apiKeySecretRef is required when backend is OpenAI or Anthropic")
        given = self.model or self.base_url or self.api_key_secret_ref
        if self.backend is LLMBackend.LOCAL_STUB and given:
            raise ValueError("model, baseURL and apiKeySecretRef have no effect with LocalStub")
        return self


class Embeddings(EmbeddingSettings):
    """The embedder, with its key."""

    api_key_secret_ref: SecretKeyRef | None = Field(
        None,
        description="Where the key of the embedding API stands, if it asks for one. A changed "
        "Secret is picked up without a restart.",
    )

    cel: ClassVar[Rules] = (
        *EmbeddingSettings.cel,
        (
            "self.provider == 'OpenAICompatible' "
            "|| !(has(self.baseURL) || has(self.apiKeySecretRef))",
            "embeddings.baseURL and embeddings.apiKeySecretRef have an effect only when "
            "embeddings.provider is OpenAICompatible: remove them, or name that provider",
        ),
        (
            "self.provider != 'Hashing' || !has(self.model)",
            "embeddings.model has no effect while embeddings.provider is Hashing: remove it, or "
            "name another provider",
        ),
    )

    @model_validator(mode="after")
    def _effective(self) -> Self:
        remote = self.provider is EmbeddingProvider.OPENAI_COMPATIBLE
        if not remote and (self.base_url or self.api_key_secret_ref):
            raise ValueError("baseURL and apiKeySecretRef are only for OpenAICompatible")
        if self.provider is EmbeddingProvider.HASHING and self.model:
            raise ValueError("model has no effect with the Hashing provider")
        return self


class Auth(Strict):
    """Who may call the API."""

    mode: AuthMode = Field(
        AuthMode.API_KEY,
        description="`APIKey` asks every caller for a key, `OIDC` for a token of an issuer, "
        "`Any` for either; `None` lets anybody in and has to be said aloud.",
    )
    api_key_secret_ref: SecretKeyRef | None = Field(
        None,
        description="Where the accepted keys stand, one a line; for the modes `APIKey` and "
        "`Any`. A changed Secret is picked up without a restart.",
    )
    scope_secret_ref: ScopeSecretRef | None = Field(
        None,
        description="Where the secret stands under which a caller's name becomes the scope of "
        "their memories, 16 bytes or more. Without it whoever sees a scope, in an export say, can "
        "confirm a guess of whose it is. Another secret means other scopes.",
    )
    oidc: OIDCSettings | None = Field(
        None, description="The issuer of tokens; for the modes `OIDC` and `Any`."
    )

    cel: ClassVar[Rules] = (
        (
            "(self.mode != 'APIKey' && self.mode != 'Any') || has(self.apiKeySecretRef)",
            "api.auth.apiKeySecretRef is required unless api.auth.mode is OIDC or None",
        ),
        (
            "self.mode == 'APIKey' || self.mode == 'Any' || !has(self.apiKeySecretRef)",
            "api.auth.apiKeySecretRef has no effect while api.auth.mode is OIDC or None: remove "
            "one",
        ),
        (
            "(self.mode != 'OIDC' && self.mode != 'Any') || has(self.oidc)",
            "api.auth.oidc is required when api.auth.mode is OIDC or Any",
        ),
        (
            "self.mode == 'OIDC' || self.mode == 'Any' || !has(self.oidc)",
            "api.auth.oidc has no effect while api.auth.mode is APIKey or None: remove it, or "
            "name the mode OIDC or Any",
        ),
    )


class API(APISettings):
    """The HTTP edge."""

    auth: Auth = Field(default_factory=Auth, description="Who may call the API.")
    rate_limit: RateLimitSettings = Field(
        RateLimitSettings(), description="How often one caller may call each pod."
    )
