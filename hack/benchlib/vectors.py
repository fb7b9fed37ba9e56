"""Synthetic memories, questions about them, and the true answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DIMENSION = 384
AWAKE, ASLEEP = np.float32(0.1), np.float32(0.9)
TOLERANCE = 0.15
TOP_K = 5

LATENT = 64
ROWS_PER_CENTRE = 100
CLUSTER_SPREAD = 0.35
LATENT_NOISE = 0.02
QUERY_NOISE = 0.3
CHUNK_ROWS = 65_536

Kind = Literal["clustered", "isotropic"]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """Rows to search and what to ask of them.

    `rows` is (rows, dimension) and `queries` (queries, dimension), both float32 of length 1;
    `phases` is (rows,), awake and asleep in turn. `truth` is (queries, top_k): the numbers of the
    nearest rows in phase, best first, and `scores` their cosines, both from double precision.
    """

    kind: Kind
    rows: Floats
    phases: Floats
    queries: Floats
    truth: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def passing(self) -> NDArray[np.int64]:
        """Numbers of the rows in phase."""
        return np.flatnonzero(in_phase(self.phases))


def make(kind: Kind, size: int, questions: int, seed: int = 1) -> Field:
    """Rows, as many questions near a stored row in phase, and their answers."""
    dice = np.random.default_rng(seed)
    rows = np.empty((size, DIMENSION), np.float32)
    at = 0
    for chunk in _chunks(kind, size, dice):
        rows[at : at + len(chunk)] = chunk
        at += len(chunk)
    phases = np.where(np.arange(size) % 2 == 0, AWAKE, ASLEEP)
    passing = np.flatnonzero(in_phase(phases))
    near = rows[dice.choice(passing, questions, replace=False)]
    noise = _unit(dice.standard_normal((questions, DIMENSION), np.float32))
    queries = _unit(near + np.float32(QUERY_NOISE) * noise)
    truth, scores = nearest(rows, phases, queries)
    return Field(kind, rows, phases, queries, truth, scores)


def in_phase(phases: Floats) -> NDArray[np.bool_]:
    """Which rows a question asked awake may see."""
    near: NDArray[np.bool_] = np.abs(phases - AWAKE) <= np.float32(TOLERANCE)
    return near


def nearest(
    rows: Floats, phases: Floats, queries: Floats, top_k: int = TOP_K
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers and cosines of the nearest rows in phase, in double precision, newest first on ties.

    Both have shape (queries, top_k).
    """
    wide = queries.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    numbers = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float64)
    for start in range(0, len(rows), CHUNK_ROWS):
        inside = start + np.flatnonzero(in_phase(phases[start : start + CHUNK_ROWS]))
        block = rows[inside].astype(np.float64)
        found = wide @ (block / np.linalg.norm(block, axis=1, keepdims=True)).T
        numbers = np.hstack([numbers, np.broadcast_to(inside, found.shape)])
        scores = np.hstack([scores, found])
        order = np.lexsort((-numbers, -scores))[:, :top_k]
        numbers = np.take_along_axis(numbers, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
    return numbers, scores


def _chunks(kind: Kind, size: int, dice: np.random.Generator) -> Iterator[Floats]:
    lengths = [min(CHUNK_ROWS, size - start) for start in range(0, size, CHUNK_ROWS)]
    if kind == "isotropic":
        for length in lengths:
            yield _unit(dice.standard_normal((length, DIMENSION), np.float32))
        return
    fading = (1.0 / np.sqrt(1.0 + np.arange(LATENT))).astype(np.float32)
    lift, _ = np.linalg.qr(dice.standard_normal((DIMENSION, LATENT)))
    lift = np.ascontiguousarray(lift.T, np.float32)
    many = max(1, size // ROWS_PER_CENTRE)
    centres = dice.standard_normal((many, LATENT), np.float32) * fading
    for length in lengths:
        latent = dice.standard_normal((length, LATENT), np.float32) * fading
        latent *= np.float32(CLUSTER_SPREAD)
        latent += centres[dice.integers(many, size=length)]
        noise = dice.standard_normal((length, DIMENSION), np.float32)
        yield _unit(latent @ lift + np.float32(LATENT_NOISE) * noise)


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt(np.sum(rows.astype(np.float64) ** 2, axis=1, keepdims=True))
    unit: Floats = (rows / lengths).astype(np.float32)
    return unit
