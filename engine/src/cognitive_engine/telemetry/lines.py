"""Lines on their way to standard output.

A thread of its own writes them, many at once: whoever logs never waits for the reader of the log,
and when that one has stopped reading, lines are lost and counted.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from cognitive_engine.domain import limits


class LineWriter:
    """Passes lines on to `write`, in order. Any thread may put."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        *,
        most: int = limits.LOG_LINES_WAITING_MAX,
        pause_seconds: float = limits.LOG_WRITE_PAUSE_SECONDS,
    ) -> None:
        self._write = write
        self._most = most
        self._pause_seconds = pause_seconds
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._woken = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that were not written, and will not be."""
        return self._lost

    def put(self, line: bytes) -> None:
        """Hand over a line, with its end."""
        if len(self._waiting) >= self._most:
            self._lost += 1
            return
        self._waiting.append(line)
        if not self._woken:
            self._woken = True
            self._wake.set()

    def close(self, seconds: float = limits.LOG_CLOSE_SECONDS_MAX) -> None:
        """Write what waits, for at most so long. What is put afterwards is not written."""
        self._closing.set()
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            # More lines gather meanwhile, and are written for the price of one.
            self._closing.wait(self._pause_seconds)
            self._wake.clear()
            # Before the lines are taken: a later one wakes the thread again.
            self._woken = False
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        try:
            self._write(b"".join(lines))
        except (OSError, ValueError):
            # Closed, or gone: there is nobody left to tell.
            self._lost += len(lines)


class Stamp:
    """The time as text, in UTC with microseconds. The whole seconds are put into words once."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known = (-1, "")

    def __call__(self, now: float) -> str:
        """`now`, seconds since the epoch."""
        whole = int(now)
        second, text = self._known
        if second != whole:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
            self._known = (whole, text)
        return f"{text}.{int((now - whole) * 1e6):06d}Z"
