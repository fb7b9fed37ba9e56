"""Admission: so many requests are worked on at a time; the others wait their turn, for a while."""

import asyncio
from collections import deque
from contextlib import suppress

from cognitive_engine.domain import limits

from .problems import OVERLOADED, Problem


class Admission:
    """Room for `concurrent` requests; who comes then waits up to `wait_seconds`, first come first.

    Single-threaded: one event loop owns it.
    """

    def __init__(self, concurrent: int, wait_seconds: float) -> None:
        self._places = concurrent
        self._free = concurrent
        self._wait_seconds = wait_seconds
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def in_flight(self) -> int:
        """Requests that are worked on."""
        return self._places - self._free

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    async def enter(self) -> None:
        """Take a place; give it back with `leave`.

        Raises:
            Problem: 503, no place was free in time.
        """
        if self._free and not self._waiting:
            self._free -= 1
            return
        if not self._wait_seconds or len(self._waiting) >= limits.REQUESTS_WAITING_MAX:
            raise _overloaded()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # The place came in the same moment in which the waiting ended.
                self.leave()
            else:
                with suppress(ValueError):  # whoever gave a place back may have passed over it
                    self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise _overloaded() from error
            raise

    def leave(self) -> None:
        """Give a place back; the next in line has it at once."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _overloaded() -> Problem:
    wait = {"Retry-After": str(limits.BUSY_RETRY_SECONDS)}
    return Problem(OVERLOADED, "Too many requests are being answered; try again.", headers=wait)
