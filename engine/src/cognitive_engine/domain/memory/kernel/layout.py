"""What a kernel works on: the columns of the bank, and the chunks that a search reads.

A bank row ("slot") holds a memory's float32 vector and its facts. A chunk holds, side by side, the
8-bit codes of memories that share a scope and lie near each other on the phase axis, so a search
reads nothing else.
"""

from typing import ClassVar, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cognitive_engine.domain.memory.vectors import Vector

FREE: Final = -1
CODE_ZERO: Final = 128
CODE_MAX: Final = 127
CODE_ALIGN: Final = 64
GROUP: Final = 16
FACTS: Final = 7
# Covers the float32 rounding of an estimate and its bound; the compiled kernel has the same.
ESTIMATE_SLACK: Final = 4e-6

NO_MEMORY: Final = -1
# Numbers told of a hit, and of a search.
TOLD: Final = 8
COUNTS: Final = 3

_MASK: Final = (1 << 64) - 1


def mixed(value: int) -> int:
    """A 64-bit word stirred so that each bit of it decides half of the result's (splitmix64)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Columns:
    """The bank: one row a memory, allocated once (pages are touched when first written)."""

    def __init__(self, dimension: int, capacity: int) -> None:
        self.dimension = dimension
        self.stride = -(-dimension // CODE_ALIGN) * CODE_ALIGN
        self.rows: NDArray[np.float32] = np.zeros((capacity, dimension), np.float32)
        self.norms = np.zeros(capacity, np.float64)
        self.phases = np.zeros(capacity, np.float32)
        self.confidences = np.zeros(capacity, np.float64)
        self.created = np.zeros(capacity, np.float64)
        self.ids = np.full(capacity, FREE, np.int64)
        self.words = np.zeros(capacity, np.uint32)  # CRC-32 of the text
        self.labels = np.zeros(capacity, np.uint32)  # CRC-32 of scope and origin
        self.prints = np.zeros(capacity, np.uint64)
        # Odd, so that a change of any one word changes the sum they are the factors of.
        step = 0x9E3779B97F4A7C15
        keys = [mixed((number * step) & _MASK) | 1 for number in range(1, dimension + FACTS + 1)]
        self.keys = np.array(keys, np.uint64)

    @property
    def nbytes(self) -> int:
        """Bytes of all columns."""
        arrays = (self.rows, self.norms, self.phases, self.confidences)
        more = (self.created, self.ids, self.words, self.labels, self.prints, self.keys)
        return sum(array.nbytes for array in (*arrays, *more))


class Chunk:
    """Codes of up to `room` memories.

    `low` and `high` enclose the phases (float32) of those in it. They do not shrink: too wide
    costs a search time, never an answer.
    """

    def __init__(self, stride: int, room: int, *, signs: bool) -> None:
        self.count = 0
        self.low, self.high = 1.0, 0.0
        self.codes: NDArray[np.uint8] = np.zeros((room, stride), np.uint8)
        self.scales: Vector = np.zeros(room, np.float32)
        self.errors: Vector = np.zeros(room, np.float32)
        self.slots: NDArray[np.int32] = np.zeros(room, np.int32)
        self.signs: NDArray[np.uint64] | None = None
        if signs:
            self.signs = np.zeros((room, stride // 64), np.uint64)
        self.handle: object = None  # the compiled kernel's description of these arrays
        self.address = 0  # of the handle

    @property
    def room(self) -> int:
        """Memories it has space for; a multiple of `GROUP`."""
        return len(self.slots)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        signs = 0 if self.signs is None else self.signs.nbytes
        arrays = (self.codes, self.scales, self.errors, self.slots)
        return signs + sum(array.nbytes for array in arrays)

    def grow(self, room: int) -> None:
        """Make space for `room` memories."""
        for name in ("codes", "scales", "errors", "slots", "signs"):
            old = getattr(self, name)
            if old is not None:
                new = np.zeros((room, *old.shape[1:]), old.dtype)
                new[: self.count] = old[: self.count]
                setattr(self, name, new)
        self.handle = None


class View(NamedTuple):
    """Rows [first, last) of a chunk, without those whose `mask` (one a row from `first`) is 0.

    `first` is a multiple of `GROUP`.
    """

    chunk: Chunk
    first: int
    last: int
    mask: NDArray[np.uint8] | None = None


class Found(NamedTuple):
    """One query's answer, best first, newest first among equals.

    A hit is (score, slot, id, phase, confidence, created, words, label), all as float; the score
    is a cosine. `vectors` holds at least as many rows, copies of theirs. `damaged` counts the hits
    that are not as they were written, and places in a chunk that name no slot there is.
    """

    hits: list[list[float]]
    vectors: NDArray[np.float32]
    reranked: int
    damaged: int


class Kernel(Protocol):
    """The loops. Vectors are float32; those asked for (queries, dimension), in C order."""

    name: ClassVar[str]

    def __init__(self, columns: Columns) -> None: ...

    @property
    def digest(self) -> int:
        """Sum of the stirred fingerprints of all rows in use, modulo 2⁶⁴."""

    def write(
        self,
        chunk: Chunk,
        position: int,
        vector: Vector,
        slot: int,
        phase: float,
        confidence: float,
        created: float,
        memory_id: int,
        words: int,
        label: int,
    ) -> int:
        """Put a memory into `slot`, and its code into `chunk` at `position`.

        `words` and `label` are CRC-32s of what is text in it. Not `WRITTEN`: the vector is refused
        and nothing has changed.
        """

    def clear(self, slot: int) -> None:
        """Free a row in use."""

    def intact(self, slot: int) -> bool:
        """Whether the row is what was written."""

    def move(self, chunk: Chunk, source: int, target: int) -> int:
        """Move a code within its chunk; the slot it belongs to."""

    def mend(self, chunk: Chunk, position: int, slot: int) -> None:
        """Make the code at `position` anew from the row in `slot`."""

    def search(self, views: list[View], vectors: NDArray[np.float32], top_k: int) -> list[Found]:
        """The `top_k` best of `views` for each of `vectors`; exact.

        Raises:
            InvalidVector: one of the vectors is not acceptable.
        """

    def sift(
        self, views: list[View], vectors: NDArray[np.float32], top_k: int, wanted: int
    ) -> list[Found]:
        """Like `search`, of the `wanted` memories whose signs differ least only; not exact."""
