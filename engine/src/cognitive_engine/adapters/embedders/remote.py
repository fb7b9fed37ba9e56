"""What stands before an embedder that is somewhere else: a memory of its answers, and a guard."""

import hashlib
from collections import OrderedDict
from typing import Final

from cognitive_engine.adapters.embedders.async_embedder import AsyncEmbedder
from cognitive_engine.adapters.guard import Guard
from cognitive_engine.domain.memory.vectors import Vector

_DIGEST_BYTES: Final = 16
# What the dictionary and the array's header take, measured.
_ENTRY_BYTES: Final = 400


class GuardedEmbedder:
    """Asks `embedder` when `guard` lets it."""

    def __init__(self, embedder: AsyncEmbedder, guard: Guard) -> None:
        self._embedder = embedder
        self._guard = guard

    async def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,).

        Raises:
            BackendFailed: there is none, or nobody was asked.
        """
        return await self._guard.run(lambda: self._embedder.embed(text))


class CachedEmbedder:
    """Asks `embedder` once for a text, as long as the answers fit into `bytes_max`.

    The vectors are not writable. Texts are not kept, only their digests.
    """

    def __init__(self, embedder: AsyncEmbedder, bytes_max: int) -> None:
        self._embedder = embedder
        self._bytes_max = bytes_max
        self._vectors: OrderedDict[bytes, Vector] = OrderedDict()
        self.bytes = 0

    async def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,).

        Raises:
            BackendFailed: there is none.
        """
        key = hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES
        ).digest()
        found = self._vectors.get(key)
        if found is None:
            found = await self._embedder.embed(text)
            self._keep(key, found)
        self._vectors.move_to_end(key)
        return found

    def _keep(self, key: bytes, vector: Vector) -> None:
        if key not in self._vectors:
            self._vectors[key] = vector
            self.bytes += _cost(vector)
        while self.bytes > self._bytes_max and len(self._vectors) > 1:
            _, oldest = self._vectors.popitem(last=False)
            self.bytes -= _cost(oldest)


def _cost(vector: Vector) -> int:
    return vector.nbytes + _DIGEST_BYTES + _ENTRY_BYTES
