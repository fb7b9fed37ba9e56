"""The kernel in numpy: for machines the compiled one was not built for, and as its check."""

from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cognitive_engine.domain import limits
from cognitive_engine.domain.memory.vectors import (
    NO_DIRECTION,
    NOT_FINITE,
    WRITTEN,
    Vector,
    check_components,
    lane_sums,
    norm,
)

from .layout import (
    CODE_MAX,
    CODE_ZERO,
    ESTIMATE_SLACK,
    FREE,
    Chunk,
    Columns,
    Found,
    View,
    mixed,
)

_MASK: Final = (1 << 64) - 1
_BLOCK_ROWS: Final = 2048
# Up to this length every sum of code products is an integer that float32 holds exactly.
_FLOAT32_EXACT_DIMENSION: Final = 1024


class PortableKernel:
    """The same rules as the compiled kernel's, in whole-array operations."""

    name: ClassVar[str] = "portable"

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._digest = 0

    @property
    def digest(self) -> int:
        return self._digest

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
        largest = float(np.max(np.abs(vector)))
        if not largest <= limits.VECTOR_COMPONENT_MAX:
            return NOT_FINITE
        if largest == 0.0:
            return NO_DIRECTION
        columns = self._columns
        if columns.ids[slot] >= 0:
            self._book(slot, -1)
        columns.rows[slot] = vector
        columns.norms[slot] = norm(vector)
        columns.phases[slot] = phase
        columns.confidences[slot] = confidence
        columns.created[slot] = created
        columns.ids[slot] = memory_id
        columns.words[slot] = words
        columns.labels[slot] = label
        columns.prints[slot] = self._fingerprint(slot)
        self._book(slot, 1)
        self.mend(chunk, position, slot)
        return WRITTEN

    def clear(self, slot: int) -> None:
        self._book(slot, -1)
        self._columns.ids[slot] = FREE

    def intact(self, slot: int) -> bool:
        return self._fingerprint(slot) == int(self._columns.prints[slot])

    def move(self, chunk: Chunk, source: int, target: int) -> int:
        chunk.codes[target] = chunk.codes[source]
        chunk.scales[target] = chunk.scales[source]
        chunk.errors[target] = chunk.errors[source]
        chunk.slots[target] = chunk.slots[source]
        if chunk.signs is not None:
            chunk.signs[target] = chunk.signs[source]
        return int(chunk.slots[target])

    def search(self, views: list[View], vectors: NDArray[np.float32], top_k: int) -> list[Found]:
        uppers, lowers, slots = [], [], []
        check_components(vectors)
        queries = [_encode(vector, norm(vector)) for vector in vectors]
        for view in views:
            upper, lower, owners = self._bounds(view, queries)
            uppers.append(upper)
            lowers.append(lower)
            slots.append(owners)
        upper, lower = np.concatenate(uppers, axis=1), np.concatenate(lowers, axis=1)
        owners = np.concatenate(slots)
        found = []
        for number, vector in enumerate(vectors):
            if owners.size > top_k:
                floor = np.partition(lower[number], -top_k)[-top_k]
                found.append(self._rank(owners[upper[number] >= floor], vector, top_k))
            else:
                found.append(self._rank(owners, vector, top_k))
        return found

    def sift(
        self, views: list[View], vectors: NDArray[np.float32], top_k: int, wanted: int
    ) -> list[Found]:
        check_components(vectors)
        found = []
        for vector in vectors:
            asked = _signs(vector, self._columns.stride)
            apart, slots = [], []
            for view in views:
                signs = view.chunk.signs
                assert signs is not None, "a bank that is sifted keeps signs"
                taken = _taken(view)
                apart.append(np.bitwise_count(signs[taken] ^ asked).sum(axis=1, dtype=np.int64))
                slots.append(view.chunk.slots[taken])
            distances, owners = np.concatenate(apart), np.concatenate(slots)
            if owners.size > wanted:
                owners = owners[distances <= np.partition(distances, wanted - 1)[wanted - 1]]
            found.append(self._rank(owners, vector, top_k))
        return found

    def _bounds(
        self, view: View, queries: list[tuple[NDArray[np.int8], float, float]]
    ) -> tuple[Vector, Vector, NDArray[np.int32]]:
        """Upper and lower bounds (queries, rows) and slots of the rows taken."""
        taken, chunk, dimension = _taken(view), view.chunk, self._columns.dimension
        exact = np.dtype("f4" if dimension <= _FLOAT32_EXACT_DIMENSION else "f8")
        asked = np.stack([codes for codes, _, _ in queries]).astype(exact)
        codes = chunk.codes[taken, :dimension]
        dots = np.empty((len(queries), len(codes)), exact)
        for at in range(0, len(codes), _BLOCK_ROWS):
            block = codes[at : at + _BLOCK_ROWS].astype(exact) - exact.type(CODE_ZERO)
            np.matmul(asked, block.T, out=dots[:, at : at + _BLOCK_ROWS])
        scales = np.array([[scale] for _, scale, _ in queries], np.float32)
        errors = np.array([[error] for _, _, error in queries], np.float32)
        estimate = dots.astype(np.float32) * (chunk.scales[taken] * scales)
        bound = chunk.errors[taken] * (1 + errors) + (errors + np.float32(ESTIMATE_SLACK))
        # A damaged code may bound nothing: it must not raise the bar for others.
        lower = np.fmax(estimate - bound, np.float32(-np.inf))
        return estimate + bound, lower, chunk.slots[taken]

    def _rank(self, slots: NDArray[np.int32], vector: Vector, top_k: int) -> Found:
        columns = self._columns
        known = (slots >= 0) & (slots < len(columns.ids))
        strays = len(slots) - int(np.count_nonzero(known))
        slots = slots[known] if strays else slots
        scores = np.empty(len(slots))
        asked, length = vector.astype(np.float64), norm(vector)
        with np.errstate(all="ignore"):
            for at in range(0, len(slots), _BLOCK_ROWS):
                part = slots[at : at + _BLOCK_ROWS]
                products = columns.rows[part].astype(np.float64) * asked
                scores[at : at + _BLOCK_ROWS] = lane_sums(products) / (columns.norms[part] * length)
        # Stored and asked vectors are finite: this is damage, and has to be seen.
        scores[np.isnan(scores)] = np.inf
        order = np.lexsort((-columns.ids[slots], -scores))[:top_k]
        best = slots[order]
        damaged = strays + sum(not self.intact(slot) for slot in best.tolist())
        copies = columns.rows[best]
        copies.setflags(write=False)
        told = (
            *(columns.ids, columns.phases, columns.confidences, columns.created),
            *(columns.words, columns.labels),
        )
        hits = np.stack([scores[order], best, *(column[best] for column in told)], axis=1)
        return Found(hits.tolist(), copies, len(slots), damaged)

    def mend(self, chunk: Chunk, position: int, slot: int) -> None:
        columns = self._columns
        row = columns.rows[slot]
        codes, scale, error = _encode(row, float(columns.norms[slot]))
        chunk.codes[position] = CODE_ZERO
        chunk.codes[position, : columns.dimension] += codes.view(np.uint8)
        chunk.scales[position], chunk.errors[position] = scale, error
        chunk.slots[position] = slot
        if chunk.signs is not None:
            chunk.signs[position] = _signs(row, columns.stride)

    def _fingerprint(self, slot: int) -> int:
        columns = self._columns
        words = columns.rows[slot].view(np.uint32).astype(np.uint64)
        total = int(np.sum(words * columns.keys[: columns.dimension], dtype=np.uint64))
        facts: tuple[NDArray[Any], ...] = (
            columns.phases[slot : slot + 1].view(np.uint32),
            columns.confidences[slot : slot + 1].view(np.uint64),
            columns.created[slot : slot + 1].view(np.uint64),
            columns.ids[slot : slot + 1].view(np.uint64),
            columns.words[slot : slot + 1],
            columns.norms[slot : slot + 1].view(np.uint64),
            columns.labels[slot : slot + 1],
        )
        for key, fact in zip(columns.keys[columns.dimension :].tolist(), facts, strict=True):
            total += key * mixed(int(fact[0]))
        return total & _MASK

    def _book(self, slot: int, sign: int) -> None:
        self._digest = (self._digest + sign * mixed(int(self._columns.prints[slot]))) & _MASK


def _taken(view: View) -> NDArray[np.intp]:
    if view.mask is None:
        return np.arange(view.first, view.last)
    return np.flatnonzero(view.mask) + view.first


def _encode(vector: Vector, length: float) -> tuple[NDArray[np.int8], float, float]:
    """Codes of vector / length, their scale, and the length of what they leave out."""
    with np.errstate(all="ignore"):
        scale = np.float32(float(np.max(np.abs(vector))) / length / CODE_MAX)
        scale = scale if scale > 0 else np.float32(1)
        unit = vector.astype(np.float64) * (1.0 / length)
        codes = np.clip(np.rint(unit * (1.0 / float(scale))), -CODE_MAX, CODE_MAX)
        rest = unit - codes * float(scale)
        error = np.float32(np.sqrt(np.sum(rest * rest)) * (1 + 1e-6) + 1e-9)
    return codes.astype(np.int8), float(scale), float(error)


def _signs(vector: Vector, stride: int) -> NDArray[np.uint64]:
    bits = np.zeros(stride, np.uint8)
    bits[: len(vector)] = vector > 0
    return np.packbits(bits, bitorder="little").view(np.uint64)
