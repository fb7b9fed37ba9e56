"""Banks of every kernel, rows that are hard to rank, and the answer worked out the slow way."""

import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from cognitive_engine.domain.memory.entries import Entry, Query, Recollection
from cognitive_engine.domain.memory.kernel import Kernel, kernels
from cognitive_engine.domain.memory.pelm import Pelm

FLOOR = 1e-9
LANES = 8

KINDS = ("random", "clustered", "nearly equal", "anti-parallel", "tiny", "huge", "spiky")


def expected_kernels() -> list[str]:
    """Names of the kernels this machine has to have, fastest first."""
    names = ["portable"]
    if platform.system() != "Linux" or platform.machine() not in {"x86_64", "aarch64"}:
        return [kernel.name for kernel in kernels()]
    names.insert(0, "plain")
    flags = set(Path("/proc/cpuinfo").read_text().split())
    if {"avx2", "fma", "popcnt"} <= flags:
        names.insert(0, "avx2")
        wide = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vnni"}
        if wide <= flags:
            names.insert(0, "avx512vnni")
    return names


def kernel_named(name: str) -> type[Kernel]:
    """The kernel `name`; without it the test fails."""
    for kernel in kernels():
        if kernel.name == name:
            return kernel
    pytest.fail(f"the kernel {name} is not there: run ./hack/venv", pytrace=False)


def maker(name: str) -> Callable[..., Pelm]:
    """A maker of banks that run the kernel `name`."""

    def make(dimension: int, capacity: int, **options: Any) -> Pelm:
        return Pelm(dimension, capacity, kernel=kernel_named(name), **options)

    return make


def entry(vector: ArrayLike, phase: float = 0.1, **fields: Any) -> Entry:
    """An entry at the phase of wake, unless told otherwise."""
    return Entry(vector, phase, fields.pop("created", 0.0), **fields)


def query(
    vector: ArrayLike, phase: float = 0.1, tolerance: float = 0.15, top_k: int = 5, **fields: Any
) -> Query:
    """A query at the phase of wake, unless told otherwise."""
    return Query(vector, phase, tolerance, top_k, **fields)


def filled(entries: Sequence[Entry], dimension: int, **options: Any) -> list[Pelm]:
    """One bank of each kernel, filled alike."""
    banks = [maker(name)(dimension, len(entries), **options) for name in expected_kernels()]
    for bank in banks:
        bank.store_many(entries)
    assert len({bank.fingerprint for bank in banks}) == 1
    return banks


class Answer(NamedTuple):
    """What has to be equal in two answers to one query."""

    ids: list[int]
    bits: list[str]
    exact: bool


def answer(found: Recollection) -> Answer:
    """Ids, resonances to the last bit, and the certificate."""
    items = found.items
    bits = [item.resonance.hex() for item in items]
    return Answer([item.memory_id for item in items], bits, found.exact)


def agreed(found: Iterable[Any]) -> Any:
    """The one thing that all say."""
    first, *others = found
    for other in others:
        assert other == first
    return first


def slot_of(bank: Pelm, memory_id: int) -> int:
    """Where a memory lies."""
    return bank._slots[memory_id]


def unit_rows(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Directions at random, shape (count, dimension)."""
    wide = np.random.default_rng(seed).standard_normal((count, dimension))
    return (wide / np.sqrt((wide * wide).sum(axis=1, keepdims=True))).astype(np.float32)


def clusters(count: int, dimension: int, centres: int, spread: float) -> NDArray[np.float32]:
    """Rows around a few centres, shape (count, dimension)."""
    rng = np.random.default_rng(5)
    middle = rng.standard_normal((centres, dimension))
    stray = rng.standard_normal((count, dimension))
    return (middle[rng.integers(centres, size=count)] + spread * stray).astype(np.float32)


def hard_rows(kind: str, count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Rows of one of `KINDS`, shape (count, dimension), none of them zero."""
    rng = np.random.default_rng([seed, dimension, KINDS.index(kind)])
    rows = rng.standard_normal((count, dimension))
    if kind == "clustered":
        rows = clusters(count, dimension, 5, 0.05).astype(np.float64)
    elif kind == "nearly equal":
        rows = rows[0] * (1 + 1e-7 * rng.standard_normal((count, dimension)))
    elif kind == "anti-parallel":
        near = rows[0] + 1e-4 * rows
        rows = near * rng.choice([-3.0, -1.0, 1.0, 0.25], (count, 1))
    elif kind == "tiny":
        # Most lie below the floor of a norm, some above.
        rows = rows * rng.choice([1e-12, 1e-11, 1e-7, 1.0], (count, 1))
    elif kind == "huge":
        rows = rows * 1e5
    elif kind == "spiky":
        rows = rows * 10.0 ** rng.integers(-20, 5, (count, dimension))
    return rows.astype(np.float32)


def lane_scores(rows: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines by the order of sums that the rules name: eight lanes, then across."""

    def total(products: NDArray[np.float64]) -> NDArray[np.float64]:
        lanes = np.zeros((len(products), LANES))
        for at in range(0, products.shape[1], LANES):
            part = products[:, at : at + LANES]
            lanes[:, : part.shape[1]] += part
        a, b, c, d, e, f, g, h = lanes.T
        return np.asarray(((a + e) + (c + g)) + ((b + f) + (d + h)))

    wide, want = rows.astype(np.float64), asked.astype(np.float64)[None]
    norms = np.maximum(np.sqrt(total(wide * wide)), FLOOR)
    length = max(float(np.sqrt(total(want * want))[0]), FLOOR)
    return np.asarray(total(wide * want) / (norms * length))


def true_scores(rows: NDArray[np.float32], asked: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines from sums in extended precision, in no order that matters."""
    wide, want = rows.astype(np.longdouble), asked.astype(np.longdouble)
    norms = np.maximum(np.sqrt((wide * wide).sum(axis=1)), FLOOR)
    length = max(np.sqrt((want * want).sum()), np.longdouble(FLOOR))
    return np.asarray((wide * want).sum(axis=1) / (norms * length), dtype=np.float64)


def ranked(scores: NDArray[np.float64], top_k: int) -> list[int]:
    """Numbers of the best rows: best first, newest first among equals."""
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], -row))
    return order[:top_k]
