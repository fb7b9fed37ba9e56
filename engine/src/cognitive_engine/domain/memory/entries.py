"""What goes into the memory, what is asked of it, and what comes back."""

import zlib

import msgspec
from numpy.typing import ArrayLike

from .provenance import Origin, Provenance
from .vectors import Vector

_encode = msgspec.msgpack.Encoder().encode


class Entry(msgspec.Struct, frozen=True, eq=False):
    """What is to be stored.

    `vector` is anything that reads as (dimension,) numbers, not all zero; `phase` and `confidence`
    lie in [0, 1]; `created` is in seconds.
    """

    vector: ArrayLike
    phase: float
    created: float
    text: str | None = None
    scope: str = ""
    confidence: float = 1.0
    origin: Origin = Origin()


class Query(msgspec.Struct, frozen=True, eq=False):
    """What is asked for: the `top_k` entries of `scope` nearest in direction to `vector`.

    Only entries with a phase at most `tolerance` from `phase` (float32, inclusive) and a
    confidence of at least `min_confidence` count.
    """

    vector: ArrayLike
    phase: float
    tolerance: float
    top_k: int
    scope: str = ""
    min_confidence: float = 0.0


class Recalled(msgspec.Struct, frozen=True, eq=False):
    """One entry found. `vector` is a read-only copy; `resonance` is a cosine."""

    memory_id: int
    resonance: float
    phase: float
    text: str | None
    provenance: Provenance
    vector: Vector


class Recollection(msgspec.Struct, frozen=True, eq=False):
    """An answer: entries best first, newest first among equals.

    `exact` says that no entry left out can be better than one returned. That is proven for each
    query: all but the `reranked` entries have an upper bound below the last lower bound.
    """

    items: tuple[Recalled, ...]
    exact: bool
    reranked: int


def words_of(text: str | None) -> int:
    """CRC-32 of a text; 0 of none."""
    return 0 if text is None else zlib.crc32(text.encode("utf-8", "surrogatepass"))


def label_of(scope: str, origin: Origin) -> int:
    """CRC-32 of a scope and an origin."""
    return zlib.crc32(_encode(origin), zlib.crc32(scope.encode("utf-8", "surrogatepass")))
