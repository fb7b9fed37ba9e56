"""Embeddings over HTTP, as OpenAI publishes them and many others speak them."""

from collections.abc import Mapping
from typing import Final

import msgspec

from cognitive_engine.adapters.embedders.unit import unit
from cognitive_engine.adapters.failures import AnswerInvalid
from cognitive_engine.adapters.http import Backend
from cognitive_engine.domain import limits
from cognitive_engine.domain.memory.vectors import Vector

PATH: Final = "/embeddings"
# Only models that can be cut to a length take it.
SUBSTITUTES: Final[Mapping[str, str | None]] = {"dimensions": None}


class _Item(msgspec.Struct):
    embedding: list[float]


class _Embeddings(msgspec.Struct):
    data: list[_Item]


class OpenAIEmbeddings:
    """Asks `model` at `backend` for vectors of `dimension` components."""

    def __init__(self, backend: Backend, model: str, dimension: int) -> None:
        self._backend = backend
        self._model = model
        self._dimension = dimension

    async def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,); of a long text its first part's.

        Raises:
            BackendFailed: there is none.
        """
        body = {
            "model": self._model,
            "input": text[: limits.EMBEDDED_CHARS_MAX],
            "dimensions": self._dimension,
        }
        answer = await self._backend.ask(PATH, body, _Embeddings)
        name = self._backend.name
        if len(answer.data) != 1:
            raise AnswerInvalid(f"the {name} backend gave {len(answer.data)} vectors for one text")
        return unit(answer.data[0].embedding, self._dimension, name)
