"""The bank that is searched: vectors with a phase, found again by direction and phase.

Arrays are allocated once. A row that is no longer wanted is overwritten: the free rows first, then
the least confident, and among equals the oldest. Scopes keep tenants apart: a search sees the rows
of one scope only.

Search takes one dot product a row, in float32 and row by row: it is as fast as a matrix product,
because both wait for memory, and unlike a matrix product it sums equal rows equally wherever they
lie. So equal rows tie exactly, and the newest comes first.

Each row carries a CRC of all that was stored. It is verified when the row is returned or copied; a
damaged row is dropped and counted, never handed out and never given a new CRC.
"""

import heapq
import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidEntry

from .vectors import Vector, norm, parse_vector

Rows = NDArray[np.intp]

_FREE: Final = -1
# Below one row in this many, copying the candidates costs less than multiplying the whole bank.
_GATHER_ONE_IN: Final = 8


class Source(StrEnum):
    """Where a memory comes from."""

    USER_INPUT = "user_input"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What is to be stored.

    `vector` is anything that reads as (dimension,) numbers; `created` is in seconds.
    """

    vector: ArrayLike
    phase: float
    created: float
    text: str | None = None
    scope: str = ""
    source: Source = Source.USER_INPUT
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """One answer of a search. `vector` is a read-only copy; `resonance` is a cosine."""

    memory_id: int
    row: int
    resonance: float
    phase: float
    text: str | None
    source: Source
    confidence: float
    created: float
    vector: Vector


class Pelm:
    """A bank of `capacity` rows of `dimension` components."""

    def __init__(self, dimension: int, capacity: int) -> None:
        self.dimension = dimension
        self.capacity = capacity
        self.damaged = 0
        self._bank: NDArray[np.float32] = np.zeros((capacity, dimension), dtype=np.float32)
        self._phases: Vector = np.zeros(capacity, dtype=np.float32)
        self._norms: Vector = np.zeros(capacity, dtype=np.float32)
        self._confidences = np.zeros(capacity, dtype=np.float64)
        self._created = np.zeros(capacity, dtype=np.float64)
        self._ids = np.full(capacity, _FREE, dtype=np.int64)
        self._scope_numbers = np.full(capacity, _FREE, dtype=np.int64)
        self._checks = np.zeros(capacity, dtype=np.uint32)
        self._texts: list[str | None] = [None] * capacity
        self._sources: list[Source] = [Source.SYSTEM] * capacity
        self._scopes: dict[str, tuple[int, int]] = {}  # name → number, rows
        self._row_scopes: list[str] = [""] * capacity
        self._text_chars = 0
        self._next_id = 0
        self._next_scope = 0
        self._high = 0  # rows below were used at least once
        self._free: list[int] = []
        # (confidence, id, row): the head goes first. Pairs of a dropped row stay until met.
        self._order: list[tuple[float, int, int]] = []

    @property
    def used(self) -> int:
        """Rows that hold a memory."""
        return self._high - len(self._free)

    @property
    def memory_mb(self) -> float:
        """Mebibytes of vectors and phases, allocated in advance."""
        return (self._bank.nbytes + self._phases.nbytes) / 2**20

    @property
    def memory_bytes(self) -> int:
        """Estimate of all bytes: the arrays with 15 % on top, and a byte for each character."""
        arrays = self._bank.nbytes + self._phases.nbytes + self._norms.nbytes
        return int((arrays + 1024) * 1.15) + self._text_chars

    def store(self, entry: Entry) -> int | None:
        """Store `entry`; the row it lies in, or None when its confidence is too low to keep.

        Raises:
            InvalidVector, InvalidEntry: nothing was stored.
        """
        vector = parse_vector(entry.vector, self.dimension)
        if not 0.0 <= entry.phase <= 1.0:
            raise InvalidEntry("a phase lies in [0, 1]")
        if not 0.0 <= entry.confidence <= 1.0:
            raise InvalidEntry("a confidence lies in [0, 1]")
        if entry.confidence < limits.CONFIDENCE_MIN:
            return None
        row = self._take_row()
        self._bank[row] = vector
        self._phases[row] = entry.phase
        self._norms[row] = norm(vector)
        self._confidences[row] = entry.confidence
        self._created[row] = entry.created
        self._ids[row] = self._next_id
        self._texts[row] = entry.text
        self._sources[row] = entry.source
        self._text_chars += len(entry.text or "")
        self._join_scope(row, entry.scope)
        self._checks[row] = self._check(row)
        heapq.heappush(self._order, (entry.confidence, self._next_id, row))
        self._next_id += 1
        return row

    def memory_id(self, row: int) -> int:
        """Id of the memory in `row`: ascending, never used twice; −1 for a free row."""
        return int(self._ids[row])

    def copy_to_phase(self, row: int, memory_id: int, phase: float) -> int | None:
        """Store the memory again at `phase`, as the system's; the new row, None if it is gone.

        The copy keeps time and confidence, so both fade from the bank together.
        """
        if self.memory_id(row) != memory_id or not self._verified(row):
            return None
        copy = Entry(
            vector=self._bank[row],
            phase=phase,
            created=float(self._created[row]),
            text=self._texts[row],
            scope=self._row_scopes[row],
            source=Source.SYSTEM,
            confidence=float(self._confidences[row]),
        )
        return self.store(copy)

    def recall(
        self, query: ArrayLike, phase: float, tolerance: float, top_k: int, scope: str = ""
    ) -> list[Recalled]:
        """The `top_k` entries of `scope` nearest in direction, best first, newest first on ties.

        Only entries with a phase at most `tolerance` from `phase` (float32, inclusive) count.

        Raises:
            InvalidVector: `query` does not read as (dimension,) finite numbers.
            InvalidEntry: `top_k` is negative.
        """
        vector = parse_vector(query, self.dimension)
        if top_k < 0:
            raise InvalidEntry("top_k is not negative")
        if top_k == 0:
            return []
        while True:
            dropped = self.damaged
            rows = self._candidates(phase, tolerance, scope)
            found = self._best(rows, vector, top_k) if rows.size else []
            if self.damaged == dropped:
                return found

    def _candidates(self, phase: float, tolerance: float, scope: str) -> Rows:
        number, _ = self._scopes.get(scope, (_FREE, 0))
        if number == _FREE:
            return np.empty(0, dtype=np.intp)
        near = np.abs(self._phases[: self._high] - np.float32(phase)) <= np.float32(tolerance)
        near &= self._scope_numbers[: self._high] == number
        return np.flatnonzero(near)

    def _best(self, rows: Rows, query: Vector, top_k: int) -> list[Recalled]:
        scores = self._resonances(rows, query)
        # Stored and asked vectors are finite, so a score that is no number comes from damage.
        for row in rows[np.isnan(scores)]:
            self._verified(int(row))
        if rows.size > top_k:
            best = scores >= np.partition(scores, -top_k)[-top_k]
            rows, scores = rows[best], scores[best]
        order = np.lexsort((-self._ids[rows], -scores))[:top_k]
        return [
            self._recalled(int(rows[at]), float(scores[at]))
            for at in order
            if self._verified(int(rows[at]))
        ]

    def _resonances(self, rows: Rows, query: Vector) -> Vector:
        with np.errstate(all="ignore"):
            if rows.size * _GATHER_ONE_IN < self._high:
                products = np.vecdot(self._bank[rows], query)
            else:
                products = np.vecdot(self._bank[: self._high], query)[rows]
            scores: Vector = products / (self._norms[rows] * np.float32(norm(query)))
        return np.clip(scores, -1.0, 1.0)

    def _recalled(self, row: int, resonance: float) -> Recalled:
        vector = self._bank[row].copy()
        vector.setflags(write=False)
        return Recalled(
            memory_id=self.memory_id(row),
            row=row,
            resonance=resonance,
            phase=float(self._phases[row]),
            text=self._texts[row],
            source=self._sources[row],
            confidence=float(self._confidences[row]),
            created=float(self._created[row]),
            vector=vector,
        )

    def _take_row(self) -> int:
        if self._free:
            return self._free.pop()
        if self._high < self.capacity:
            self._high += 1
            return self._high - 1
        while True:
            _, memory_id, row = heapq.heappop(self._order)
            if self.memory_id(row) == memory_id:
                self._clear(row)
                return row

    def _verified(self, row: int) -> bool:
        """Whether `row` is as it was stored; a damaged one is dropped and counted."""
        if self._ids[row] == _FREE:
            return False
        if self._check(row) == int(self._checks[row]):
            return True
        self._clear(row)
        self._free.append(row)
        self.damaged += 1
        return False

    def _clear(self, row: int) -> None:
        scope = self._row_scopes[row]
        number, count = self._scopes[scope]
        if count > 1:
            self._scopes[scope] = (number, count - 1)
        else:
            del self._scopes[scope]
        self._text_chars -= len(self._texts[row] or "")
        self._texts[row] = None
        self._ids[row] = self._scope_numbers[row] = _FREE

    def _join_scope(self, row: int, scope: str) -> None:
        number, count = self._scopes.get(scope, (_FREE, 0))
        if number == _FREE:
            number = self._next_scope
            self._next_scope += 1
        self._scopes[scope] = (number, count + 1)
        self._row_scopes[row] = scope
        self._scope_numbers[row] = number

    def _check(self, row: int) -> int:
        head = struct.pack(
            "<ffddqq",
            self._phases[row],
            self._norms[row],
            self._confidences[row],
            self._created[row],
            self._ids[row],
            self._scope_numbers[row],
        )
        words = "\0".join((self._sources[row], self._row_scopes[row], self._texts[row] or ""))
        crc = zlib.crc32(self._bank[row].tobytes(), zlib.crc32(head))
        return zlib.crc32(words.encode("utf-8", "surrogatepass"), crc)
