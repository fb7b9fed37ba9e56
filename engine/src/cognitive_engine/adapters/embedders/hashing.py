"""An embedder without a model: signed feature hashing of words and their pieces.

Texts that share words point in similar directions; words that share pieces ("cat", "cats") help a
little. Words that every sentence has count for little. The hash is CRC-32 with a final mix, so a
text has the same vector in every process and on every machine.
"""

import re
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cognitive_engine.domain import limits
from cognitive_engine.domain.memory.vectors import Vector

_WORD: Final = re.compile(r"\w+")
_PIECE_BYTES: Final = (3, 4)
# A seed of its own tells a short word apart from a piece of the same letters.
_WHOLE_WORD: Final = 1
_WORD_WEIGHT: Final = 1.0
_PIECES_WEIGHT: Final = 0.6
_COMMON_WEIGHT: Final = 0.15
_LENGTH_MIN: Final = 1e-9
_COMMON_WORDS: Final = (
    "a about am an and any are as at be been but by can could did do does for from had has have "
    "he her his how i if in is it its me my no not of on or our she so that the their them they "
    "this to us was we were what when where which who whom why will with would you your"
)
_COMMON: Final = frozenset(_COMMON_WORDS.split())

_Features = tuple[NDArray[np.uint64], NDArray[np.float64]]


class HashingEmbedder:
    """Embeds text into `dimension` components."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._features = lru_cache(limits.EMBEDDED_WORDS_CACHED_MAX)(_word_features)

    def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,), also for text without any word."""
        folded = unicodedata.normalize("NFKC", text).casefold()
        counts = Counter(_words(folded) or [folded])
        checksums, weights = [], []
        for word, count in counts.items():
            found, weight = self._features(word)
            checksums.append(found)
            # A word said ten times matters more than one said once, but not ten times more.
            weights.append(weight * np.sqrt(count))
        return self._fold(_mix(np.concatenate(checksums)), np.concatenate(weights))

    def _fold(self, hashes: NDArray[np.uint64], weights: NDArray[np.float64]) -> Vector:
        places = (hashes % np.uint64(self.dimension)).astype(np.intp)
        signs = np.where(hashes >> np.uint64(63), -1.0, 1.0)
        wide = np.bincount(places, weights=signs * weights, minlength=self.dimension)
        length = float(np.linalg.norm(wide))
        if length < _LENGTH_MIN:
            # Opposite signs met in few components and left nothing: any fixed direction will do.
            wide[int(places[0])] = length = 1.0
        return (wide / length).astype(np.float32)


def _words(folded: str) -> list[str]:
    """Words, the overlong ones (scripts without blanks, noise) in parts."""
    size = limits.EMBEDDED_WORD_CHARS_MAX
    return [
        word[start : start + size]
        for word in _WORD.findall(folded)
        for start in range(0, len(word), size)
    ]


def _word_features(word: str) -> _Features:
    """Checksums (uint64) and weights (float64) of the word and of its pieces, same shape (n,)."""
    marked = f"<{word}>".encode("utf-8", "surrogatepass")
    pieces = [
        zlib.crc32(marked[start : start + size])
        for size in _PIECE_BYTES
        for start in range(len(marked) - size + 1)
    ]
    weights = np.full(len(pieces) + 1, _PIECES_WEIGHT / np.sqrt(max(len(pieces), 1)))
    weights[0] = _WORD_WEIGHT
    checksums = np.array([zlib.crc32(marked, _WHOLE_WORD), *pieces], dtype=np.uint64)
    return checksums, weights * (_COMMON_WEIGHT if word in _COMMON else 1.0)


def _mix(checksums: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 well-mixed bits of each: place and sign must not depend on each other."""
    mixed = checksums * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return mixed
