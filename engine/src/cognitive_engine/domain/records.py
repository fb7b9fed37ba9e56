"""Records: what changed the mind, in the order in which it did, and their bytes.

A record holds facts only: the command as it was judged and the answer that was given. The same
record has the same bytes everywhere (MessagePack, vectors as little-endian float32), so that bytes
can be hashed, stored and sent. A reader ignores fields that came after its time.
"""

import msgspec
import numpy as np

from .commands import Command, Verdict
from .errors import DamagedRecord


class Record(msgspec.Struct, frozen=True, array_like=True, eq=False, gc=False):
    """One change of state. `sequence` starts at 1; `now` is in seconds.

    `verdict` is the answer to a judged command (`Decide`, `Observe`), None for all others.
    """

    sequence: int
    now: float
    command: Command
    verdict: Verdict | None = None


def encode(record: Record) -> bytes:
    """The bytes of `record`."""
    return _ENCODER.encode(record)


def decode(data: bytes) -> Record:
    """The record in `data`; its vectors are read-only.

    The shape is checked, the values are not: `step.fold` does that.

    Raises:
        DamagedRecord: `data` is no record, or more than one.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedRecord("these bytes are no record") from error


def _pack(value: object) -> memoryview:
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return np.ascontiguousarray(value, "<f4").data
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _unpack(kind: type, value: object) -> object:
    if not isinstance(value, bytes):
        raise ValueError("a vector is a string of bytes")
    vector = np.frombuffer(value, dtype="<f4").astype(np.float32, copy=False)
    vector.setflags(write=False)
    return vector


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_pack)
_DECODER = msgspec.msgpack.Decoder(Record, dec_hook=_unpack)
