"""The embedder that the settings name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cognitive_api import identity as api_names
from cognitive_api.engine_config import (
    BreakerSettings,
    BulkheadSettings,
    EmbeddingProvider,
    EmbeddingSettings,
)
from cognitive_engine.adapters.backend_key import bearer, find_key
from cognitive_engine.adapters.built import Built
from cognitive_engine.adapters.embedders import openai_embeddings
from cognitive_engine.adapters.embedders.async_embedder import AsyncEmbedder, Immediate
from cognitive_engine.adapters.embedders.hashing import HashingEmbedder
from cognitive_engine.adapters.embedders.model2vec import Model2VecEmbedder
from cognitive_engine.adapters.embedders.openai_embeddings import OpenAIEmbeddings
from cognitive_engine.adapters.embedders.remote import CachedEmbedder, GuardedEmbedder
from cognitive_engine.adapters.guard import CallMeter, Guard
from cognitive_engine.adapters.http import Backend
from cognitive_engine.domain import limits

NAME: Final = "embeddings"
# Its own key: a key given for the model goes to the model's address only.
_KEY_VARIABLES: Final = ("EMBEDDINGS_API_KEY",)


def build_embedder(
    embeddings: EmbeddingSettings,
    dimension: int,
    environment: Mapping[str, str],
    *,
    meter: CallMeter,
    monotonic: Callable[[], float],
) -> Built[AsyncEmbedder]:
    """What `embeddings` describes, for vectors of `dimension` components.

    Raises:
        BackendUnusable: it cannot be built.
    """
    if embeddings.provider is EmbeddingProvider.HASHING:
        return Built(Immediate(HashingEmbedder(dimension)))
    if embeddings.provider is EmbeddingProvider.MODEL2VEC:
        return Built(Immediate(Model2VecEmbedder(Path(embeddings.model or ""), dimension)))
    variable = api_names.ENV_EMBEDDINGS_API_KEY_FILE
    bulkhead = BulkheadSettings()
    backend = Backend(
        NAME,
        embeddings.base_url or "",
        headers=bearer(find_key(environment, variable, _KEY_VARIABLES, monotonic)),
        timeout_seconds=embeddings.timeout_seconds,
        connections=bulkhead.concurrent,
        substitutes=openai_embeddings.SUBSTITUTES,
    )
    guard = Guard(
        NAME,
        BreakerSettings(),
        bulkhead,
        call_seconds=embeddings.timeout_seconds,
        meter=meter,
        monotonic=monotonic,
    )
    asking = OpenAIEmbeddings(backend, embeddings.model or "", dimension)
    guarded = GuardedEmbedder(asking, guard)
    return Built(CachedEmbedder(guarded, limits.EMBEDDINGS_CACHE_BYTES_MAX), guard, backend)
