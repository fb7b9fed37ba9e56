"""The system's time."""

import time


class SystemClock:
    """Epoch seconds, read once at the start and carried on by the monotonic clock.

    A correction of the system's clock cannot make time go backwards, nor make an engine oversleep.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._offset + time.monotonic()
