"""A backend's API key: from a file that may be replaced while the engine runs, or a variable."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from cognitive_engine.adapters.failures import BackendUnusable
from cognitive_engine.domain import limits

# What may stand in a header: printable ASCII without blanks.
_KEY_BYTES: Final = frozenset(range(0x21, 0x7F))

_log = structlog.stdlib.get_logger(__name__)


class BackendKey:
    """Tells the key in a file.

    The kubelet replaces a mounted Secret by swapping a link, so the
    file behind the link is looked at, at most every two seconds. A replacement that cannot be used
    keeps the key in force.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float]) -> None:
        self._path = path
        self._monotonic = monotonic
        self._seen = self._signature()
        self._key = self._load()
        self._checked = monotonic()
        self._failing = False

    def __call__(self) -> str:
        """The key."""
        now = self._monotonic()
        if now - self._checked >= limits.KEY_FILE_CHECK_SECONDS:
            self._checked = now
            self._refresh()
        return self._key

    def _refresh(self) -> None:
        try:
            seen = self._signature()
            if seen == self._seen:
                return
            key = self._load()
        except BackendUnusable as error:
            # Said once for each failure, and tried again until the file is good.
            if not self._failing:
                _log.warning("backend_key_kept", reason=str(error))
            self._failing, self._seen = True, None
            return
        self._key, self._seen, self._failing = key, seen, False
        _log.info("backend_key_loaded")

    def _signature(self) -> tuple[int, int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise BackendUnusable(f"{self._path} cannot be read: {error.strerror}") from error
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> str:
        try:
            with self._path.open("rb") as file:
                content = file.read(limits.BACKEND_KEY_BYTES_MAX + 1)
        except OSError as error:
            raise BackendUnusable(f"{self._path} cannot be read: {error.strerror}") from error
        return _parse_key(content, str(self._path))


def find_key(
    environment: Mapping[str, str],
    file_variable: str,
    variables: Sequence[str],
    monotonic: Callable[[], float],
) -> Callable[[], str] | None:
    """What tells the key: the file that `file_variable` names, else the first variable that is set.

    None when there is neither.

    Raises:
        BackendUnusable: the one that goes first holds no usable key; the text never quotes it.
    """
    path = environment.get(file_variable)
    if path:
        return BackendKey(Path(path), monotonic)
    for name in variables:
        if environment.get(name):
            key = _parse_key(environment[name].encode("utf-8", "surrogateescape"), name)
            return lambda: key
    return None


def _parse_key(content: bytes, where: str) -> str:
    key = content.strip()
    if not key:
        raise BackendUnusable(f"{where} holds no API key")
    if len(content) > limits.BACKEND_KEY_BYTES_MAX:
        raise BackendUnusable(f"{where} is longer than {limits.BACKEND_KEY_BYTES_MAX} bytes")
    if not _KEY_BYTES.issuperset(key):
        raise BackendUnusable(
            f"{where} holds something that is no API key: blanks or odd characters"
        )
    return key.decode("ascii")


def bearer(key: Callable[[], str] | None) -> Callable[[], dict[str, str]]:
    """What makes the header that most vendors want; none without a key."""
    if key is None:
        return dict
    return lambda: {"Authorization": f"Bearer {key()}"}
