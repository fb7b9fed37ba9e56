"""What the process itself uses: memory and processor time."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_STATM: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Resident memory; where the system does not tell, the most there ever was."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class CpuShare:
    """Processor time per time, in percent of one processor, between one reading and the next.

    Readings that follow within `window_seconds` repeat the one before: two readers do not spoil
    each other's figure.
    """

    def __init__(
        self,
        window_seconds: float = 1.0,
        used: Callable[[], float] = time.process_time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._window_seconds = window_seconds
        self._used, self._now = used, now
        self._since, self._used_then = now(), used()
        self._percent = 0.0

    def percent(self) -> float:
        """The share; above 100 when more than one processor was busy."""
        now, used = self._now(), self._used()
        elapsed = now - self._since
        if elapsed >= self._window_seconds:
            self._percent = 100.0 * (used - self._used_then) / elapsed
            self._since, self._used_then = now, used
        return self._percent
