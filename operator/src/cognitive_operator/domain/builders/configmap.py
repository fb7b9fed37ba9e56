"""The engine's configuration: immutable, named by its content, mounted as a file."""

import json

from cognitive_api import identity
from cognitive_api.engine_config import (
    APISettings,
    AuthSettings,
    EmbeddingSettings,
    EngineConfig,
    LLMSettings,
)

from .. import names
from ..hashing import content_hash
from ..kinds import CONFIG_MAP
from ..observed import Engine, Manifest
from .base import manifest

# The spec's own models add references to Secrets, which are no business of this file.
LLM_FIELDS = set(LLMSettings.model_fields)
EMBEDDING_FIELDS = set(EmbeddingSettings.model_fields)
API_FIELDS = set(APISettings.model_fields)


def engine_config(engine: Engine) -> EngineConfig:
    """Return what an engine of this spec reads at boot."""
    spec = engine.spec
    return EngineConfig(
        governance=spec.governance,
        memory=spec.memory,
        llm=LLMSettings.model_validate(spec.llm.model_dump(include=LLM_FIELDS)),
        embeddings=EmbeddingSettings.model_validate(
            spec.embeddings.model_dump(include=EMBEDDING_FIELDS)
        ),
        api=APISettings.model_validate(spec.api.model_dump(include=API_FIELDS)),
        rate_limit=spec.api.rate_limit,
        auth=AuthSettings(mode=spec.api.auth.mode, oidc=spec.api.auth.oidc),
        logging=spec.logging,
    )


def build_configmap(engine: Engine) -> Manifest:
    """Return the ConfigMap; another configuration gets another name, so it is never edited."""
    content = engine_config(engine).model_dump(mode="json", by_alias=True, exclude_none=True)
    # JSON is YAML; sorted, so that equal configurations are equal bytes.
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    return manifest(
        engine,
        CONFIG_MAP,
        names.child(engine.name, f"config-{content_hash(text)}"),
        {"immutable": True, "data": {identity.CONFIG_FILE_NAME: text}},
    )
