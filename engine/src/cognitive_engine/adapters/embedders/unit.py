"""From a model's numbers to a direction."""

import numpy as np
from numpy.typing import ArrayLike

from cognitive_engine.adapters.failures import AnswerInvalid
from cognitive_engine.domain.memory.vectors import Vector


def unit(numbers: ArrayLike, dimension: int, name: str) -> Vector:
    """`numbers` as a float32 vector of norm 1, shape (dimension,), not writable.

    Raises:
        AnswerInvalid: they are no direction of so many components; `name` is the backend's.
    """
    wide = np.asarray(numbers, np.float64)
    if wide.shape != (dimension,):
        raise AnswerInvalid(
            f"the {name} backend gives vectors of {wide.size} components where memory.dimension "
            f"is {dimension}"
        )
    largest = float(np.max(np.abs(wide)))
    # Not a number is not above zero either.
    if not 0.0 < largest < np.inf:
        raise AnswerInvalid(f"the {name} backend gave a vector that has no direction")
    # Scaled first, so that no square is too large or too small.
    scaled = wide / largest
    vector: Vector = (scaled / np.sqrt(np.sum(scaled * scaled))).astype(np.float32)
    vector.flags.writeable = False
    return vector
