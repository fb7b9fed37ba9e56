"""Vectors of the memory: the one dtype, the checks at the door, and a norm that cannot overflow."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidVector

Vector = NDArray[np.float32]
"""One vector, shape (dimension,)."""

NORM_MIN: Final = 1e-9


def parse_vector(values: ArrayLike, dimension: int) -> Vector:
    """A copy of `values` as float32, shape (dimension,).

    Raises:
        InvalidVector: not numbers, wrong shape, not finite, or a component beyond the bound.
    """
    try:
        wide = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidVector("a vector holds numbers only") from error
    if wide.shape != (dimension,):
        raise InvalidVector(f"a vector has {dimension} components in one row")
    # NaN fails the comparison, so this is the finiteness check too.
    if not bool(np.all(np.abs(wide) <= limits.VECTOR_COMPONENT_MAX)):
        raise InvalidVector("a component is not finite or out of range")
    return wide.astype(np.float32)


def norm(vector: Vector) -> float:
    """Euclidean norm, scaled by the largest component first; never below `NORM_MIN`."""
    wide = vector.astype(np.float64)
    largest = float(np.max(np.abs(wide)))
    if largest == 0.0:
        return NORM_MIN
    scaled = wide / largest
    return max(largest * float(np.sqrt(np.sum(scaled * scaled))), NORM_MIN)
