"""Counters and distributions that cost a fraction of a microsecond.

Plain numbers without locks: only the thread of the event loop writes them, and it reads them too.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

OTHER: Final = "other"


class Distribution:
    """Values by bucket. `bounds` ascend and belong to their bucket; one more takes the rest."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Take in one value, or the same one several times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def add(self, other: "Distribution") -> None:
        """Take in all values of `other`.

        Its bounds are these and perhaps more: its finer buckets go into the wider ones here.
        """
        for bound, count in zip(other.bounds, other.counts, strict=False):
            self.counts[bisect_left(self.bounds, bound)] += count
        self.counts[-1] += other.counts[-1]
        self.total += other.total

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(self.counts)


class Tally:
    """Counts by word. Words beyond the first `most` count as "other", so the set is bounded."""

    __slots__ = ("_counts", "_most")

    def __init__(self, words: Iterable[str] = (), most: int = 0) -> None:
        self._counts = dict.fromkeys(words, 0)
        self._most = max(most, len(self._counts))

    def add(self, word: str) -> None:
        """Count `word` once."""
        counts = self._counts
        if word not in counts:
            if len(counts) >= self._most:
                word = OTHER
            counts.setdefault(word, 0)
        counts[word] += 1

    def items(self) -> list[tuple[str, int]]:
        """All words with their counts, sorted."""
        return sorted(self._counts.items())

    def __getitem__(self, word: str) -> int:
        """The count of `word`, 0 when it never came."""
        return self._counts.get(word, 0)
