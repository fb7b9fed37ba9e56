"""API keys from a file: hashed in memory, compared in constant time, read again when replaced."""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from cognitive_engine.domain import limits

SCOPE_CHARS: Final = 16
ANONYMOUS: Final = "anonymous"

_log = structlog.stdlib.get_logger(__name__)


class KeyFileError(Exception):
    """The key file cannot be read or holds no usable key; the text says which, never a key."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling. `scope` is what they may recall: their own memories."""

    scope: str


class KeyFile:
    """The keys in a file, one a line; blank lines and lines that begin with # do not count.

    The kubelet replaces a mounted Secret by swapping a link, so the file behind the link is looked
    at, at most every two seconds. A replacement that cannot be used keeps the keys in force.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._monotonic = monotonic
        self._seen = self._signature()
        self._hashes = self._load()
        self._checked = monotonic()
        self._failing = False

    def authenticate(self, key: bytes) -> Principal | None:
        """Whose key it is; None when it is nobody's."""
        self._refresh()
        digest = hashlib.sha256(key).digest()
        known = False
        # Every key is compared, so the time taken does not tell which one was near.
        for candidate in self._hashes:
            known |= hmac.compare_digest(candidate, digest)
        return Principal(digest.hex()[:SCOPE_CHARS]) if known else None

    def _refresh(self) -> None:
        now = self._monotonic()
        if now - self._checked < limits.KEY_FILE_CHECK_SECONDS:
            return
        self._checked = now
        try:
            seen = self._signature()
            if seen == self._seen:
                return
            self._hashes = self._load()
        except KeyFileError as error:
            # Said once for each failure, and tried again until the file is good.
            if not self._failing:
                _log.warning("api_keys_kept", reason=str(error))
            self._failing = True
            self._seen = None
            return
        self._seen = seen
        self._failing = False
        _log.info("api_keys_loaded", count=len(self._hashes))

    def _signature(self) -> tuple[int, int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise KeyFileError(f"the API key file cannot be read: {error.strerror}") from error
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> tuple[bytes, ...]:
        try:
            with self._path.open("rb") as file:
                content = file.read(limits.KEY_FILE_BYTES_MAX + 1)
        except OSError as error:
            raise KeyFileError(f"the API key file cannot be read: {error.strerror}") from error
        if len(content) > limits.KEY_FILE_BYTES_MAX:
            raise KeyFileError("the API key file is too large")
        lines = [line.strip() for line in content.splitlines()]
        keys = {line for line in lines if line and not line.startswith(b"#")}
        if not keys:
            raise KeyFileError("the API key file holds no key")
        if len(keys) > limits.API_KEYS_MAX:
            raise KeyFileError(f"the API key file holds more than {limits.API_KEYS_MAX} keys")
        if any(len(key) > limits.API_KEY_BYTES_MAX for key in keys):
            raise KeyFileError(f"an API key is longer than {limits.API_KEY_BYTES_MAX} bytes")
        return tuple(sorted(hashlib.sha256(key).digest() for key in keys))
