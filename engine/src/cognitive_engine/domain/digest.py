"""The state digest: a chain over all records, so it costs the same however much is remembered.

Each link hashes the link before, the record, and what the record led to: the small parts of the
state whole, the levels by a checksum each, the bank by the fingerprint it keeps itself. Two minds
that took the same records by the same rules have the same digest; one that reached another
threshold, phase, level or memory from the same records does not.
"""

import hashlib
import zlib

import msgspec

from .state import DIGEST_BYTES, State

_ENCODER = msgspec.msgpack.Encoder()


def link(previous: bytes, record: bytes, after: State) -> bytes:
    """The digest that follows `previous`, when `record` (its bytes) led to `after`."""
    levels = after.levels
    # The record holds the vector already, so a checksum each shows well enough that the same
    # vectors added up alike, at a quarter of the cost of hashing all three.
    crc = zlib.crc32
    sums = (crc(levels.l1.data), crc(levels.l2.data), crc(levels.l3.data))
    small = (after.moral, after.rhythm, after.counts, after.emergency, after.drift)
    led_to = _ENCODER.encode((small, sums, after.pelm.fingerprint, len(record)))
    chained = b"".join((previous, led_to, record))
    return hashlib.blake2b(chained, digest_size=DIGEST_BYTES).digest()
