"""Three levels that fade at different speeds, and what moves from one to the next.

The order of operations, in float32, is part of the rule: fade all, add the event to L1, move what
is above the threshold from L1 to L2, then from L2 to L3.
"""

from dataclasses import dataclass

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
        return {name: float(np.linalg.norm(level)) for name, level in named.items()}


def initial(dimension: int) -> Levels:
    """Three zero vectors."""
    return Levels(*(_sealed(np.zeros(dimension, dtype=np.float32)) for _ in range(3)))


def update(levels: Levels, event: Vector, settings: LevelSettings) -> Levels:
    """The levels after `event`, a checked vector of shape (dimension,)."""
    l1 = levels.l1 * (1.0 - settings.lambda_l1)
    l2 = levels.l2 * (1.0 - settings.lambda_l2)
    l3 = levels.l3 * (1.0 - settings.lambda_l3)
    l1 += event
    moved = _above(l1, settings.theta_l1, settings.gating12, settings.gate)
    l1 -= moved
    l2 += moved
    moved = _above(l2, settings.theta_l2, settings.gating23, settings.gate)
    l2 -= moved
    l3 += moved
    return Levels(_sealed(l1), _sealed(l2), _sealed(l3))


def _above(level: Vector, threshold: float, share: float, gate: Gate) -> Vector:
    """What leaves `level`: the gated share of all that stands above the threshold."""
    if gate is Gate.NORM:
        opens = float(np.linalg.norm(level)) > threshold
        return level * share if opens else np.zeros_like(level)
    return np.where(level > threshold, level * share, np.float32(0.0))


def _sealed(level: Vector) -> Vector:
    level.setflags(write=False)
    return level
