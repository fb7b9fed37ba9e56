"""Vectors of the memory: the one dtype, the checks at the door, and sums that agree everywhere."""

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidVector

Vector = NDArray[np.float32]
"""One vector, shape (dimension,)."""

NORM_MIN: Final = 1e-9
LANES: Final = 8
# Verdicts on a vector, and what is said of it.
WRITTEN, NOT_FINITE, NO_DIRECTION = range(3)
REFUSALS: Final = {
    NOT_FINITE: "a component is not finite or out of range",
    NO_DIRECTION: "a zero vector has no direction",
}


def parse_vector(values: ArrayLike, dimension: int) -> Vector:
    """A copy of `values` as float32, shape (dimension,).

    Raises:
        InvalidVector: not numbers, wrong shape, not finite, a component beyond the bound, or all
            components zero (in float32): a zero vector has no direction.
    """
    vector = shaped(values, dimension)
    check_components(vector)
    return vector.copy() if vector is values else vector


def shaped(values: ArrayLike, dimension: int) -> Vector:
    """`values` as float32, shape (dimension,); itself if it is that.

    Raises:
        InvalidVector: not numbers, or wrong shape.
    """
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidVector("a vector holds numbers only") from error
    if given.dtype.kind not in "fiub":
        raise InvalidVector("a vector holds numbers only")
    if given.shape != (dimension,):
        raise InvalidVector(f"a vector has {dimension} components in one row")
    if given.dtype == np.float32:
        return given
    with np.errstate(over="ignore"):
        return given.astype(np.float32)


def check_components(vectors: NDArray[np.float32]) -> None:
    """Check `vectors`, the last axis their components.

    Raises:
        InvalidVector: a component is not finite or beyond the bound, or all of one are zero.
    """
    largest = np.abs(vectors).max(axis=-1)
    # NaN fails the comparison, so this is the finiteness check too.
    if not largest.max() <= limits.VECTOR_COMPONENT_MAX:
        raise InvalidVector(REFUSALS[NOT_FINITE])
    if largest.min() == 0.0:
        raise InvalidVector(REFUSALS[NO_DIRECTION])


def lane_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over the last axis: every eighth value in order, then the eight sums.

    The order is part of the rule: it makes a sum the same on every machine and in every kernel.
    """
    *shape, length = values.shape
    padded = np.zeros((*shape, -(-length // LANES), LANES))
    padded.reshape(*shape, -1)[..., :length] = values
    lanes = padded[..., 0, :] + 0.0  # a sum from zero has no negative zero
    for number in range(1, padded.shape[-2]):
        lanes += padded[..., number, :]
    one, two, three, four, five, six, seven, eight = np.moveaxis(lanes, -1, 0)
    total: Any = ((one + five) + (three + seven)) + ((two + six) + (four + eight))
    return np.asarray(total)


def norm(vector: Vector) -> float:
    """Euclidean norm in double precision; never below `NORM_MIN`."""
    wide = vector.astype(np.float64)
    return max(float(np.sqrt(lane_sums(wide * wide))), NORM_MIN)
