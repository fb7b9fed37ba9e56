"""The compiled kernel, called through ctypes. Absent where it was not built for this machine."""

import ctypes
import struct
from ctypes import c_int, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cognitive_engine.domain.errors import InvalidVector
from cognitive_engine.domain.memory.vectors import REFUSALS, WRITTEN, Vector

from .layout import (
    COUNTS,
    NO_MEMORY,
    TOLD,
    Chunk,
    Columns,
    Found,
    Kernel,
    View,
)

_LIBRARY: Final = Path(__file__).with_name("recall.so")
_KERNELS_MAX: Final = 8
# What a desk has room for at first: queries, and answers to all of them.
_QUERIES: Final = 16
_ROOM: Final = 80


class _Bank(ctypes.Structure):
    _fields_ = (
        ("capacity", c_int64),
        ("dimension", c_int64),
        ("stride", c_int64),
        *((name, c_void_p) for name in ("rows", "norms", "phases", "confidences", "created")),
        *((name, c_void_p) for name in ("ids", "words", "labels", "prints", "keys")),
        ("digest", c_uint64),
    )


class _Segment(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("codes", "scales", "errors", "slots", "signs", "mask")),
        ("count", c_int64),
    )


class _Search(ctypes.Structure):
    _fields_ = (
        ("asked", c_void_p),
        ("queries", c_int64),
        ("top_k", c_int64),
        *((name, c_void_p) for name in ("told", "vectors", "counts")),
    )


# As `Memory` in the header.
_pack_memory = struct.Struct("=qqdddqII").pack_into
_MEMORY_BYTES: Final = struct.calcsize("=qqdddqII")

# Addresses go as integers: that costs least. Short calls keep the interpreter's lock, searches
# give it up.
_SHORT: Final[dict[str, tuple[Any, ...]]] = {
    "write": (c_int, c_void_p, c_void_p, c_void_p, c_void_p),
    "clear": (None, c_void_p, c_int64),
    "intact": (c_int, c_void_p, c_int64),
    "move": (c_int64, c_void_p, c_void_p, c_int64, c_int64),
    "mend": (None, c_void_p, c_void_p, c_int64, c_int64),
}
_LONG: Final[dict[str, tuple[Any, ...]]] = {
    "search": (c_int, c_void_p, c_void_p, c_int64, c_void_p),
    "sift": (c_int, c_void_p, c_void_p, c_int64, c_void_p, c_int64),
}


class _Table(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        *((name, ctypes.CFUNCTYPE(*signature)) for name, signature in _LONG.items()),
        *((name, ctypes.PYFUNCTYPE(*signature)) for name, signature in _SHORT.items()),
    )


@cache
def native_kernels() -> tuple[type[Kernel], ...]:
    """The compiled kernels this processor can run, fastest first."""
    if not _LIBRARY.is_file():
        return ()
    pick = ctypes.CDLL(str(_LIBRARY)).cognitive_kernel
    pick.restype = ctypes.POINTER(_Table)
    tables = (pick(number) for number in range(_KERNELS_MAX))
    return tuple(
        type("NativeKernel", (_NativeKernel,), {"name": table[0].name.decode(), "table": table[0]})
        for table in tables
        if table
    )


class _NativeKernel:
    """Arrays are handed over by address: columns never move, chunks renew their handle."""

    name: ClassVar[str]
    table: ClassVar[Any]

    def __init__(self, columns: Columns) -> None:
        self._columns = columns  # keeps the arrays alive
        names = [field[0] for field in _Bank._fields_ if field[1] is c_void_p]
        self._bank = _Bank(
            capacity=len(columns.ids),
            dimension=columns.dimension,
            stride=columns.stride,
            **{name: getattr(columns, name).ctypes.data for name in names},
        )
        self._at = ctypes.addressof(self._bank)
        # Where a memory to be written is laid out for the library.
        self._facts = bytearray(_MEMORY_BYTES)
        self._facts_at = ctypes.addressof(ctypes.c_char.from_buffer(self._facts))
        self._vector = np.zeros(columns.dimension, np.float32)
        self._vector_at = self._vector.ctypes.data
        self._desks: list[_Desk] = []
        # Reading a function from the table makes a new object each time.
        table = self.table
        self._write, self._clear, self._intact = table.write, table.clear, table.intact
        self._move, self._mend = table.move, table.mend
        self._search, self._sift = table.search, table.sift

    @property
    def digest(self) -> int:
        return int(self._bank.digest)

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
        self._vector[:] = vector
        _pack_memory(
            self._facts, 0, slot, position, phase, confidence, created, memory_id, words, label
        )
        at = chunk.address if chunk.handle is not None else _at(chunk)
        status: int = self._write(self._at, at, self._vector_at, self._facts_at)
        return status

    def clear(self, slot: int) -> None:
        self._clear(self._at, slot)

    def intact(self, slot: int) -> bool:
        return bool(self._intact(self._at, slot))

    def move(self, chunk: Chunk, source: int, target: int) -> int:
        return int(self._move(self._at, _at(chunk), source, target))

    def mend(self, chunk: Chunk, position: int, slot: int) -> None:
        self._mend(self._at, _at(chunk), position, slot)

    def search(self, views: list[View], vectors: NDArray[np.float32], top_k: int) -> list[Found]:
        return self._ask(self._search, views, vectors, top_k)

    def sift(
        self, views: list[View], vectors: NDArray[np.float32], top_k: int, wanted: int
    ) -> list[Found]:
        return self._ask(self._sift, views, vectors, top_k, wanted)

    def _ask(
        self,
        function: Any,
        views: list[View],
        vectors: NDArray[np.float32],
        top_k: int,
        *more: object,
    ) -> list[Found]:
        queries, room = len(vectors), len(vectors) * top_k
        desk = self._desk(queries, room)
        desk.asked[:queries] = vectors
        desk.question.queries, desk.question.top_k = queries, top_k
        segments = self._segments(views)
        status = function(self._at, ctypes.addressof(segments), len(views), desk.at, *more)
        if status == NO_MEMORY:
            raise MemoryError("no memory for a search")
        if status != WRITTEN:
            raise InvalidVector(REFUSALS[status])
        told, counts = desk.told[:room].tolist(), desk.counts[:queries].tolist()
        copies = desk.vectors[:room].copy()
        copies.setflags(write=False)
        self._desks.append(desk)
        return [
            Found(told[at : at + found], copies[at : at + found], reranked, damaged)
            for at, (found, reranked, damaged) in zip(range(0, room, top_k), counts, strict=True)
        ]

    def _desk(self, queries: int, room: int) -> "_Desk":
        """A desk that is free and large enough. Threads may search at the same time."""
        try:
            desk = self._desks.pop()
        except IndexError:  # asked beforehand, another thread could still be first
            desk = None
        if desk is None or len(desk.asked) < queries or len(desk.told) < room:
            desk = _Desk(max(queries, _QUERIES), max(room, _ROOM), self._columns.dimension)
        return desk

    def _segments(self, views: list[View]) -> Any:
        if len(views) == 1 and views[0].mask is None:
            chunk, first, last, _ = views[0]
            if first == 0 and last == chunk.count:
                _at(chunk)
                whole: Any = chunk.handle
                whole.count = last
                return whole
        return (_Segment * len(views))(*map(self._segment, views))

    def _segment(self, view: View) -> _Segment:
        chunk, first, stride = view.chunk, view.first, self._columns.stride
        _at(chunk)
        whole: Any = chunk.handle
        return _Segment(
            whole.codes + first * stride,
            whole.scales + first * 4,
            whole.errors + first * 4,
            whole.slots + first * 4,
            whole.signs + first * stride // 8 if whole.signs else None,
            None if view.mask is None else view.mask.ctypes.data,
            view.last - first,
        )


class _Desk:
    """Where questions and answers lie. Finding an array's address costs more than copying it."""

    def __init__(self, queries: int, room: int, dimension: int) -> None:
        self.asked = np.empty((queries, dimension), np.float32)
        self.told = np.empty((room, TOLD))
        self.vectors = np.empty((room, dimension), np.float32)
        self.counts = np.empty((queries, COUNTS), np.int64)
        outputs: tuple[NDArray[Any], ...] = (self.told, self.vectors, self.counts)
        self.question = _Search(_address(self.asked), 0, 0, *(_address(each) for each in outputs))
        self.at = ctypes.addressof(self.question)


def _address(array: NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _at(chunk: Chunk) -> int:
    """Address of the chunk's segment, which is made once and again after it has grown."""
    if chunk.handle is None:
        arrays = (chunk.codes, chunk.scales, chunk.errors, chunk.slots)
        signs = None if chunk.signs is None else chunk.signs.ctypes.data
        chunk.handle = _Segment(*(array.ctypes.data for array in arrays), signs)
        chunk.address = ctypes.addressof(chunk.handle)
    return chunk.address
