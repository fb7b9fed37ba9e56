"""Which memories a search has to read: chunks of codes, by scope and place on the phase axis.

A scope's memories are spread over buckets of the phase axis. Those of one bucket lie side by side
in chunks. A chunk knows the lowest and highest phase in it, so most are read whole or not at all;
only one that the edge of the tolerance cuts through is tested memory by memory.
"""

import struct
from array import array
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from .kernel import Chunk, Columns, Kernel, View
from .kernel.layout import GROUP

_BUCKETS: Final = 16
_CHUNK_ROWS_FIRST: Final = GROUP
_CHUNK_ROWS_MAX: Final = 65_536
_GROWTH: Final = 1.25


_FLOAT32: Final = struct.Struct("f")


def _float32(value: float) -> float:
    rounded: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    return rounded


def _apart(value: float, middle: float) -> float:
    """The difference of two numbers as float32 arithmetic has it; `middle` is a float32."""
    return _float32(_float32(value) - middle)


class Home(NamedTuple):
    """Where a memory's code lies: its scope, its bucket of the phase axis, its chunk."""

    scope: str
    bucket: int
    chunk: Chunk


class Partitions:
    """The chunks of all scopes, and where each slot's code lies."""

    def __init__(self, columns: Columns, capacity: int, *, signs: bool) -> None:
        self._columns = columns
        self._signs = signs
        self._scopes: dict[str, dict[int, list[Home]]] = {}
        self._homes: list[Home | None] = [None] * capacity
        self._positions = array("i", bytes(4 * capacity))

    @property
    def nbytes(self) -> int:
        """Bytes of all chunks."""
        return sum(chunk.nbytes for chunk in self.chunks())

    def chunks(self) -> list[Chunk]:
        """All chunks, in no meaningful order that lasts."""
        return [
            home.chunk
            for buckets in self._scopes.values()
            for homes in buckets.values()
            for home in homes
        ]

    def scope_of(self, slot: int) -> str:
        """The scope of the memory in `slot`."""
        return self._home(slot).scope

    def holds(self, scope: str, slot: int) -> bool:
        """Whether `slot` has a memory of `scope`."""
        home = self._homes[slot]
        return home is not None and home.scope == scope

    def code_of(self, slot: int) -> tuple[Chunk, int]:
        """Chunk and position of the code of the memory in `slot`."""
        return self._home(slot).chunk, self._positions[slot]

    def slots_of(self, scope: str) -> list[int]:
        """All slots of a scope."""
        self.mend(scope)
        homes = chain.from_iterable(self._scopes.get(scope, {}).values())
        return [slot for home in homes for slot in home.chunk.slots[: home.chunk.count].tolist()]

    def mend(self, scope: str) -> bool:
        """Put right which slot each code of `scope` belongs to; whether any chunk had it wrong."""
        wrong = False
        for home in chain.from_iterable(self._scopes.get(scope, {}).values()):
            slots = home.chunk.slots[: home.chunk.count].tolist()
            if not all(self._is_at(slot, home, position) for position, slot in enumerate(slots)):
                wrong = True
                for slot, other in enumerate(self._homes):
                    if other is home:
                        home.chunk.slots[self._positions[slot]] = slot
        return wrong

    def place(self, scope: str, phase: float, leaving: int | None) -> tuple[Home, int]:
        """Where the code of the next memory of `scope` at `phase` is to be written.

        That is in the place of the memory in slot `leaving`, if it lies among its like, else behind
        the last of a chunk. Nothing is booked yet.
        """
        bucket = min(int(phase * _BUCKETS), _BUCKETS - 1)
        if leaving is not None:
            home = self._home(leaving)
            if home.bucket == bucket and home.scope == scope:
                return home, self._positions[leaving]
        buckets = self._scopes.get(scope)
        if buckets is None:
            buckets = self._scopes[scope] = {}
        homes = buckets.get(bucket)
        if homes is None:
            first = Chunk(self._columns.stride, _CHUNK_ROWS_FIRST, signs=self._signs)
            homes = buckets[bucket] = [Home(scope, bucket, first)]
        chunk = homes[-1].chunk
        if chunk.count == chunk.room and chunk.room < _CHUNK_ROWS_MAX:
            more = -(-int(chunk.room * _GROWTH) // GROUP) * GROUP
            chunk.grow(min(more, _CHUNK_ROWS_MAX))
        elif chunk.count == chunk.room:
            chunk = Chunk(self._columns.stride, _CHUNK_ROWS_MAX, signs=self._signs)
            homes.append(Home(scope, bucket, chunk))
        return homes[-1], chunk.count

    def shut(self, home: Home) -> None:
        """Forget a chunk that was opened in vain, or is empty by now."""
        if home.chunk.count == 0:
            buckets = self._scopes[home.scope]
            buckets[home.bucket] = [other for other in buckets[home.bucket] if other is not home]
            if not buckets[home.bucket]:
                del buckets[home.bucket]
                if not buckets:
                    del self._scopes[home.scope]

    def settle(self, slot: int, home: Home, position: int, phase: float, kernel: Kernel) -> None:
        """Book a code that was written; what was in `slot` before leaves."""
        chunk = home.chunk
        if position == chunk.count:
            if self._homes[slot] is not None:
                self.leave(slot, kernel)
            self._homes[slot] = home
            self._positions[slot] = position
            chunk.count = position + 1
        if phase < chunk.low:
            chunk.low = phase
        if phase > chunk.high:
            chunk.high = phase

    def leave(self, slot: int, kernel: Kernel) -> None:
        """Take a slot's code out; the last of its chunk fills the gap."""
        home = self._home(slot)
        self._homes[slot] = None
        position, last = self._positions[slot], home.chunk.count - 1
        if position != last:
            moved = kernel.move(home.chunk, last, position)
            if not self._is_at(moved, home, last):
                self.mend(home.scope)
                moved = int(home.chunk.slots[last])
                home.chunk.slots[position] = moved
            self._positions[moved] = position
        home.chunk.count = last
        self.shut(home)

    def views(
        self, scope: str, phase: float, tolerance: float, min_confidence: float
    ) -> list[View]:
        """What to read for memories at most `tolerance` from `phase` (float32, inclusive)."""
        middle, reach = _float32(phase), _float32(tolerance)
        homes = chain.from_iterable(self._scopes.get(scope, {}).values())
        views = (self._view(home.chunk, middle, reach, min_confidence) for home in homes)
        return [view for view in views if view is not None]

    def _view(
        self, chunk: Chunk, middle: float, reach: float, min_confidence: float
    ) -> View | None:
        # A difference rounded to float32 grows with the distance, so the ends decide for all.
        below, above = _apart(chunk.low, middle), _apart(chunk.high, middle)
        if below > reach or above < -reach:
            return None
        if min_confidence <= 0.0 and -reach <= below and above <= reach:
            return View(chunk, 0, chunk.count)
        slots = chunk.slots[: chunk.count]
        phases = self._columns.phases.take(slots, mode="clip")
        near = np.abs(phases - np.float32(middle)) <= np.float32(reach)
        near &= self._columns.confidences.take(slots, mode="clip") >= min_confidence
        return View(chunk, 0, chunk.count, near.view(np.uint8)) if near.any() else None

    def _is_at(self, slot: int, home: Home, position: int) -> bool:
        """Whether the code at `position` is that of `slot`."""
        known = 0 <= slot < len(self._homes)
        return known and self._homes[slot] is home and self._positions[slot] == position

    def _home(self, slot: int) -> Home:
        home = self._homes[slot]
        assert home is not None, "a slot in use has a home"
        return home
