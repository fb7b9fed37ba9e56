"""How fast one core can read memory: a few plain numpy reads, of which the fastest counts."""

from collections.abc import Callable
from functools import partial

import numpy as np

from .rounds import Candidate
from .vectors import DIMENSION

SUM = "float32 sum"
DOT = "float32 dot with itself"
MATVEC = "float32 matrix by vector"
MAXIMUM = "int8 maximum"
NAMES = (SUM, DOT, MATVEC, MAXIMUM)

LAP_BYTES = 128 * 2**20


def candidates(size: int) -> list[Candidate]:
    """Reads of `size` bytes again and again; a unit is one byte."""
    rows = size // (4 * DIMENSION)
    matrix = np.ones((rows, DIMENSION), np.float32)
    flat, octets = matrix.reshape(-1), matrix.reshape(-1).view(np.int8)
    vector = np.ones(DIMENSION, np.float32)
    repeats = max(1, LAP_BYTES // matrix.nbytes)

    works: dict[str, Callable[[], object]] = {
        SUM: flat.sum,
        DOT: lambda: flat.dot(flat),
        MATVEC: lambda: matrix @ vector,
        MAXIMUM: octets.max,
    }

    def again(work: Callable[[], object]) -> None:
        for _ in range(repeats):
            work()

    return [Candidate(name, matrix.nbytes * repeats, partial(again, works[name])) for name in NAMES]
