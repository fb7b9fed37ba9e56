"""Embedders that may have to wait, and those that need not, behind one face."""

from typing import Protocol

from cognitive_engine.domain.memory.vectors import Vector
from cognitive_engine.ports import Embedder


class AsyncEmbedder(Protocol):
    """Turns text into a direction, somewhere."""

    async def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,).

        Raises:
            BackendFailed: there is none.
        """


class Immediate:
    """An embedder that answers at once, as one that might not."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,)."""
        return self._embedder.embed(text)
