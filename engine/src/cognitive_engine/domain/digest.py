"""The state digest: a chain over all records, so it costs the same however much is remembered.

Each link hashes the link before, the record, and the small part of the state that the record led
to. Two engines that took the same records by the same rules have the same digest; one that
reached another threshold, phase or count from the same records does not.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Final

import numpy as np

DIGEST_BYTES: Final = 16
START: Final = bytes(DIGEST_BYTES)


def chain(previous: bytes, *links: object) -> bytes:
    """The digest after `links`, each a dataclass of numbers, text, arrays or such dataclasses."""
    digest = hashlib.blake2b(previous, digest_size=DIGEST_BYTES)
    for link in links:
        for part in _parts(link):
            digest.update(struct.pack("<Q", len(part)))
            digest.update(part)
    return digest.digest()


def _parts(value: object) -> Iterator[bytes]:
    """`value` as a sequence of byte strings; each is hashed with its length before it."""
    if is_dataclass(value):
        yield type(value).__name__.encode()
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    elif value is None:
        yield b"none"
    elif isinstance(value, str):
        yield b"s" + value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bool | int):
        yield b"i%d" % value
    elif isinstance(value, float):
        yield b"f" + struct.pack("<d", value)
    elif isinstance(value, np.ndarray):
        yield b"a" + value.tobytes()
    else:
        raise TypeError(f"{type(value).__name__} has no place in a record")
