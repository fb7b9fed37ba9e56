"""The bank that is searched: vectors with a phase, found again by direction and phase.

    store → a free row, else the row of the least confident, then oldest → columns and chunk
    recall → the chunks of one scope near one phase → bounded 8-bit pass → exact scores → copies

Scopes keep tenants apart: a search sees the rows of one scope only. Each row carries a fingerprint
of all that was stored; it is verified when the row is returned, copied or scrubbed. A damaged row
is dropped and counted, never handed out and never given a new fingerprint.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import isfinite
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from cognitive_api.governance import RecallMode
from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidEntry, InvalidVector

from .entries import Entry, Query, Recalled, Recollection, label_of, words_of
from .eviction import EvictionOrder
from .kernel import Columns, Found, Kernel, best_kernel
from .partitions import Partitions
from .parts import merged, split
from .provenance import Origin, Provenance, Source
from .vectors import REFUSALS, WRITTEN, Vector, check_components, parse_vector, shaped

Spread = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""How parts of a search are run: `map`, or a thread pool's `map`."""

__all__ = ["Entry", "Pelm", "Query", "Recalled", "Recollection"]

# The approximate way reads this many rows exactly, or so many a wanted row; fewer rows than that
# are searched exactly at no greater cost.
_SIFTED_MIN: Final = 1_000
_SIFTED_PER_WANTED: Final = 50

_NOTHING: Final = Recollection((), exact=True, reranked=0)
_ORIGIN: Final = Origin()
_FLOAT32: Final = np.dtype(np.float32)
_NO_PHASE: Final = "a phase lies in [0, 1]"


class Pelm:
    """A bank of `capacity` rows of `dimension` components. One writer at a time."""

    def __init__(
        self,
        dimension: int,
        capacity: int,
        recall: RecallMode = RecallMode.EXACT,
        *,
        kernel: type[Kernel] | None = None,
    ) -> None:
        self.dimension = dimension
        self.capacity = capacity
        self.damaged = 0
        self.evicted = 0
        self._mode = recall
        self._columns = Columns(dimension, capacity)
        self._kernel = (kernel or best_kernel())(self._columns)
        self._partitions = Partitions(self._columns, capacity, signs=recall is RecallMode.TWO_STAGE)
        self._order = EvictionOrder()
        self._slots: dict[int, int] = {}  # id → slot
        self._owners = array("q", bytes(8 * capacity))  # slot → id
        self._texts: list[str | None] = [None] * capacity
        self._origins: list[Origin | None] = [None] * capacity
        self._text_chars = 0
        self._next_id = 0
        self._high = 0  # slots below were used at least once
        self._free: list[int] = []
        self._scrubbed = 0
        self._shape = (dimension,)
        self._last_label = ("", _ORIGIN, label_of("", _ORIGIN))

    @property
    def used(self) -> int:
        """Rows that hold a memory."""
        return len(self._slots)

    @property
    def kernel_name(self) -> str:
        """Which loops run: the name of an instruction set, or `portable`."""
        return self._kernel.name

    @property
    def memory_mb(self) -> float:
        """Mebibytes of vectors and phases, allocated in advance."""
        return (self._columns.rows.nbytes + self._columns.phases.nbytes) / 2**20

    @property
    def memory_bytes(self) -> int:
        """Bytes of all arrays, and one for each character of text."""
        return self._columns.nbytes + self._partitions.nbytes + self._text_chars

    @property
    def fingerprint(self) -> int:
        """64 bits over all that is stored, whatever the order; kept up, never computed anew."""
        return self._kernel.digest

    def __contains__(self, memory_id: int) -> bool:
        return memory_id in self._slots

    def store(self, entry: Entry) -> int | None:
        """Store `entry`; its id (ascending, never reused), or None if its confidence is too low.

        Raises:
            InvalidVector, InvalidEntry: nothing was stored.
        """
        vector = self._checked(entry)
        return None if entry.confidence < limits.CONFIDENCE_MIN else self._store(entry, vector)

    def store_many(self, entries: Sequence[Entry]) -> list[int | None]:
        """Store all of `entries` in order, or none; their ids as from `store`.

        Raises:
            InvalidVector, InvalidEntry: nothing was stored.
        """
        vectors = self._all_checked(entries)
        return [
            None if entry.confidence < limits.CONFIDENCE_MIN else self._store(entry, vector)
            for entry, vector in zip(entries, vectors, strict=True)
        ]

    def copy_to_phase(self, memory_id: int, phase: float) -> int | None:
        """Store a memory again at `phase`, as the system's; the new id, None if it is gone.

        The copy keeps time and confidence, so both fade from the bank together.

        Raises:
            InvalidEntry: the phase is not acceptable.
        """
        if not 0.0 <= phase <= 1.0:
            raise InvalidEntry(_NO_PHASE)
        slot = self._slots.get(memory_id)
        if slot is None or not self._verified(slot):
            return None
        origin = self._origins[slot]
        assert origin is not None, "a slot in use has an origin"
        copy = Entry(
            vector=self._columns.rows[slot].copy(),
            phase=phase,
            created=float(self._columns.created[slot]),
            text=self._texts[slot],
            scope=self._partitions.scope_of(slot),
            confidence=float(self._columns.confidences[slot]),
            origin=msgspec.structs.replace(origin, source=Source.SYSTEM),
        )
        return self.store(copy)

    def recall(self, query: Query, *, parts: int = 1, spread: Spread = map) -> Recollection:
        """What is nearest to `query`. In `parts` parts, which `spread` may run at the same time.

        Raises:
            InvalidVector, InvalidEntry: the query is not acceptable.
        """
        (found,) = self.recall_many([query], parts=parts, spread=spread)
        return found

    def recall_many(
        self, queries: Sequence[Query], *, parts: int = 1, spread: Spread = map
    ) -> list[Recollection]:
        """The answers to `queries`, each as from `recall`; those that read the same rows together.

        Raises:
            InvalidVector, InvalidEntry: a query is not acceptable.
        """
        vectors = self._asked(queries)
        if len(queries) == 1:
            return self._answers(queries[0], vectors, parts, spread)
        alike: dict[tuple[object, ...], list[int]] = {}
        for number, query in enumerate(queries):
            reads = (query.scope, query.phase, query.tolerance, query.min_confidence)
            alike.setdefault((*reads, query.top_k), []).append(number)
        answers: list[Recollection] = [_NOTHING] * len(queries)
        for numbers in alike.values():
            asked = vectors if len(numbers) == len(queries) else vectors[numbers]
            found = self._answers(queries[numbers[0]], asked, parts, spread)
            for number, answer in zip(numbers, found, strict=True):
                answers[number] = answer
        return answers

    def erase(self, scope: str) -> int:
        """Remove all memories of `scope`; how many there were. Vectors are overwritten."""
        slots = self._partitions.slots_of(scope)
        for slot in slots:
            self._drop(slot)
            self._columns.rows[slot] = 0.0
        return len(slots)

    def scrub(self, rows: int) -> int:
        """Verify the next `rows` rows, round and round; how many were damaged, and so dropped.

        A code that no longer follows from its row would hide the row: it is made anew.
        """
        damaged = self.damaged
        for _ in range(min(rows, self._high)):
            slot = self._scrubbed % self._high
            self._scrubbed = slot + 1
            in_use = self._slots.get(self._owners[slot]) == slot
            if in_use and self._verified(slot):
                self._kernel.mend(*self._partitions.code_of(slot), slot)
        return self.damaged - damaged

    def _checked(self, entry: Entry) -> Vector:
        """The vector of an acceptable entry. Of a float32 one the kernel checks the components."""
        if not 0.0 <= entry.phase <= 1.0:
            raise InvalidEntry(_NO_PHASE)
        if not 0.0 <= entry.confidence <= 1.0:
            raise InvalidEntry("a confidence lies in [0, 1]")
        if not isfinite(entry.created):
            raise InvalidEntry("a time is a finite number of seconds")
        if entry.text is not None and len(entry.text) > limits.MEMORY_TEXT_CHARS_MAX:
            raise InvalidEntry(f"a text has at most {limits.MEMORY_TEXT_CHARS_MAX} characters")
        vector = entry.vector
        if (
            type(vector) is np.ndarray
            and vector.dtype is _FLOAT32
            and vector.shape == self._shape
            and entry.confidence >= limits.CONFIDENCE_MIN
        ):
            return vector
        return parse_vector(vector, self.dimension)

    def _all_checked(self, entries: Sequence[Entry]) -> NDArray[np.float32]:
        """The vectors of acceptable entries, copied."""
        vectors = np.empty((len(entries), self.dimension), np.float32)
        for row, entry in zip(vectors, entries, strict=True):
            row[:] = self._checked(entry)
        if len(entries):
            check_components(vectors)
        return vectors

    def _store(self, entry: Entry, vector: Vector) -> int:
        slot, old = self._next_slot()
        memory_id, scope, phase = self._next_id, entry.scope, entry.phase
        words, label = words_of(entry.text), self._label(scope, entry.origin)
        home, position = self._partitions.place(scope, phase, None if old is None else slot)
        status = self._kernel.write(
            home.chunk,
            position,
            vector,
            slot,
            phase,
            entry.confidence,
            entry.created,
            memory_id,
            words,
            label,
        )
        if status != WRITTEN:
            self._partitions.shut(home)
            raise InvalidVector(REFUSALS[status])
        self._partitions.settle(slot, home, position, phase, self._kernel)
        self._book(slot, old, entry)
        return memory_id

    def _book(self, slot: int, old: int | None, entry: Entry) -> None:
        """What the columns do not hold, once the row is written."""
        memory_id, text = self._next_id, entry.text
        if old is not None:
            del self._slots[old]
            self._text_chars -= len(self._texts[slot] or "")
            self.evicted += 1
        elif self._free:
            self._free.pop()
        else:
            self._high += 1
        self._slots[memory_id] = slot
        self._owners[slot] = memory_id
        self._texts[slot] = text
        self._origins[slot] = entry.origin
        if text is not None:
            self._text_chars += len(text)
        self._order.add(memory_id, entry.confidence)
        self._next_id = memory_id + 1

    def _label(self, scope: str, origin: Origin) -> int:
        """CRC-32 of scope and origin; those of the last memory are most often the next one's."""
        last_scope, last_origin, label = self._last_label
        if scope != last_scope or origin is not last_origin:
            label = label_of(scope, origin)
            self._last_label = (scope, origin, label)
        return label

    def _next_slot(self) -> tuple[int, int | None]:
        """The slot to write to, and the id of the memory that has to leave it."""
        if self._free:
            return self._free[-1], None
        if self._high < self.capacity:
            return self._high, None
        old = self._order.first(self._slots)
        return self._slots[old], old

    def _asked(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """The vectors (queries, dimension) of acceptable queries, but for their components."""
        vectors = np.empty((len(queries), self.dimension), np.float32)
        for row, query in zip(vectors, queries, strict=True):
            if query.top_k < 0:
                raise InvalidEntry("top_k is not negative")
            if not 0.0 <= query.phase <= 1.0:
                raise InvalidEntry(_NO_PHASE)
            if not (0.0 <= query.tolerance <= 1.0 and 0.0 <= query.min_confidence <= 1.0):
                raise InvalidEntry("a tolerance and a confidence lie in [0, 1]")
            row[:] = shaped(query.vector, self.dimension)
        return vectors

    def _answers(
        self, query: Query, vectors: NDArray[np.float32], parts: int, spread: Spread
    ) -> list[Recollection]:
        """Answers for vectors that share all else with `query`."""
        while True:
            views = self._partitions.views(
                query.scope, query.phase, query.tolerance, query.min_confidence
            )
            rows = sum([view.last - view.first for view in views])
            top_k = min(query.top_k, rows)
            if top_k == 0:
                check_components(vectors)
                return [_NOTHING] * len(vectors)
            wanted = max(_SIFTED_MIN, _SIFTED_PER_WANTED * top_k)
            exact = self._mode is RecallMode.EXACT or rows <= wanted
            if not exact:
                found = self._kernel.sift(views, vectors, top_k, wanted)
            elif parts > 1:
                search = partial(self._kernel.search, vectors=vectors, top_k=top_k)
                pieces = list(spread(search, split(views, parts)))
                found = [merged(each, top_k) for each in zip(*pieces, strict=True)]
            else:
                found = self._kernel.search(views, vectors, top_k)
            # A damaged row may have kept a better one out: all is asked again without it.
            if not any(each.damaged for each in found) and self._are_told(found, query.scope):
                return [self._recollection(each, exact) for each in found]
            self._drop_damaged(found, query.scope)

    def _recollection(self, found: Found, exact: bool) -> Recollection:
        owners, texts, origins = self._owners, self._texts, self._origins
        items = [
            Recalled(
                owners[slot := int(place)],
                min(max(score, -1.0), 1.0),
                phase,
                texts[slot],
                Provenance(origins[slot] or _ORIGIN, confidence, created),
                vector,
            )
            for (score, place, _, phase, confidence, created, *_), vector in zip(
                found.hits, found.vectors, strict=False
            )
        ]
        return Recollection(tuple(items), exact, found.reranked)

    def _drop_damaged(self, found: list[Found], scope: str) -> None:
        """Drop what is damaged; if nothing is, a chunk has its slots wrong, and is put right."""
        damaged = self.damaged
        for slot in {int(hit[1]) for each in found for hit in each.hits}:
            if self._partitions.holds(scope, slot):
                self._verified(slot)
        helped = self.damaged > damaged or self._partitions.mend(scope)
        assert helped, "what a search finds damaged is so for everybody"

    def _are_told(self, found: list[Found], scope: str) -> bool:
        """Whether texts, origins and scope are as stored, and none is found twice."""
        texts, origins = self._texts, self._origins
        known, label = None, 0
        for each in found:
            last = -1.0
            for hit in each.hits:
                slot = int(hit[1])
                origin = origins[slot]
                if origin is not known:
                    known, label = origin, self._label(scope, origin or _ORIGIN)
                if hit[2] == last or words_of(texts[slot]) != hit[6] or label != hit[7]:
                    return False
                last = hit[2]
        return True

    def _verified(self, slot: int) -> bool:
        """Whether `slot` is as it was stored; a damaged one is dropped and counted."""
        origin, text = self._origins[slot], self._texts[slot]
        assert origin is not None, "a slot in use has an origin"
        if (
            self._kernel.intact(slot)
            and self._columns.words[slot] == words_of(text)
            and self._columns.labels[slot] == label_of(self._partitions.scope_of(slot), origin)
        ):
            return True
        self._drop(slot)
        self.damaged += 1
        return False

    def _drop(self, slot: int) -> None:
        self._partitions.leave(slot, self._kernel)
        self._kernel.clear(slot)
        del self._slots[self._owners[slot]]
        self._text_chars -= len(self._texts[slot] or "")
        self._texts[slot] = self._origins[slot] = None
        self._free.append(slot)
        self._order.sweep(self._slots)
