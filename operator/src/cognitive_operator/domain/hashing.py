"""Content hashes: the same content gives the same digits on every machine and version."""

import hashlib
import json
from typing import Any

from .limits import HASH_DIGITS


def content_hash(content: Any, digits: int = HASH_DIGITS) -> str:
    """Return the first hex digits of the SHA-256 over key-sorted compact JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
