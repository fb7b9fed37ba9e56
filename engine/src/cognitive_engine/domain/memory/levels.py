"""Three levels that fade at different speeds, and what moves from one to the next.

The order of operations, in float32, is part of the rule: fade all, add the event to L1, move what
is above the threshold from L1 to L2, then from L2 to L3. Nothing here goes through a linear
algebra library, whose sums differ from one processor to the next.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cognitive_api.governance import Gate, LevelSettings

from .vectors import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """L1 (fast) to L3 (slow), each float32 of shape (dimension,), read-only."""

    l1: Vector
    l2: Vector
    l3: Vector

    def norms(self) -> dict[str, float]:
        """Euclidean norm of each level."""
        named = {"L1": self.l1, "L2": self.l2, "L3": self.l3}
        return {name: _norm(level) for name, level in named.items()}


class Absorbed(NamedTuple):
    """The levels after an event, and whether anything rose to the second and to the third."""

    levels: Levels
    to_l2: bool
    to_l3: bool


def initial(dimension: int) -> Levels:
    """Three zero vectors."""
    return _sealed(*(np.zeros(dimension, dtype=np.float32) for _ in range(3)))


def absorb(levels: Levels, event: Vector, settings: LevelSettings) -> Absorbed:
    """The levels after `event`, a checked vector of shape (dimension,), and what rose."""
    l1 = levels.l1 * _float32(1.0 - settings.lambda_l1)
    l2 = levels.l2 * _float32(1.0 - settings.lambda_l2)
    l3 = levels.l3 * _float32(1.0 - settings.lambda_l3)
    l1 += event
    to_l2 = _rise(l1, l2, settings.theta_l1, settings.gating12, settings.gate)
    to_l3 = _rise(l2, l3, settings.theta_l2, settings.gating23, settings.gate)
    return Absorbed(_sealed(l1, l2, l3), to_l2, to_l3)


def _rise(low: Vector, high: Vector, threshold: float, share: float, gate: Gate) -> bool:
    """Move the gated share of what stands above the threshold, in place; whether any did."""
    if gate is Gate.NORM:
        if _norm(low) <= threshold:
            return False
        moved = low * _float32(share)
    else:
        stays = low <= _float32(threshold)
        # Mostly everything does: to count costs less than to move zeros.
        if np.count_nonzero(stays) == len(low):
            return False
        moved = low * _float32(share)
        moved[stays] = 0.0
    low -= moved
    high += moved
    return bool(np.count_nonzero(moved))


@lru_cache(maxsize=64)
def _float32(number: float) -> Vector:
    """`number` as an array without dimensions: numpy would make one anew for each operation."""
    return np.array(number, dtype=np.float32)


def _norm(level: Vector) -> float:
    # In float64 the square of a float32 is exact and cannot overflow.
    wide = level.astype(np.float64)
    wide *= wide
    return math.sqrt(np.add.reduce(wide))


def _sealed(l1: Vector, l2: Vector, l3: Vector) -> Levels:
    for level in (l1, l2, l3):
        level.setflags(write=False)
    return Levels(l1, l2, l3)
