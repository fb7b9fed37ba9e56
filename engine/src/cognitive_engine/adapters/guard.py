"""What stands before a backend: room for so many calls at once, and a breaker.

A call waits for room a bounded time. It asks the breaker twice: before it waits, so that a broken
backend is refused at once, and when it has room, so that waiting holds no probe.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import structlog

from cognitive_api.engine_config import BreakerSettings, BulkheadSettings
from cognitive_engine.adapters.failures import BackendFailed, BreakerOpen, BulkheadFull
from cognitive_engine.domain import breaker as breakers
from cognitive_engine.domain import limits
from cognitive_engine.domain.breaker import Breaker, BreakerState, Permit, Verdict

T = TypeVar("T")

ANSWERED: Final = "ok"
CANCELLED: Final = "cancelled"
CRASHED: Final = "crashed"

_log = structlog.stdlib.get_logger(__name__)


class CallMeter(Protocol):
    """Counts calls of backends."""

    def observe_call(self, backend: str, result: str, seconds: float) -> None:
        """One call is over, or was refused before it began (E703, E903).

        `result` is "ok", "cancelled", "crashed" or an error code; `seconds` from arrival to end.
        """


@dataclass(frozen=True, slots=True)
class GuardReading:
    """One moment of a guard."""

    in_flight: int
    waiting: int
    breaker: BreakerState


class Guard:
    """Guards the backend called `name`, whose calls take at most `call_seconds`.

    Single-threaded: one event loop owns it.
    """

    def __init__(
        self,
        name: str,
        rules: BreakerSettings,
        bulkhead: BulkheadSettings,
        *,
        call_seconds: float,
        meter: CallMeter,
        monotonic: Callable[[], float],
    ) -> None:
        self._name = name
        self._rules = rules
        self._bulkhead = bulkhead
        self._telling_seconds = call_seconds / 2
        self._meter = meter
        self._monotonic = monotonic
        self._breaker = Breaker()
        self._room = asyncio.Semaphore(bulkhead.concurrent)
        self._waiting = 0
        self._in_flight = 0

    def reading(self) -> GuardReading:
        """How things stand."""
        state = breakers.at(self._breaker, self._monotonic()).state
        return GuardReading(self._in_flight, self._waiting, state)

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of `call`, if it is let through.

        Raises:
            BreakerOpen: the backend is left alone.
            BulkheadFull: there was no room in time.
            Whatever `call` raises.
        """
        arrived, result = self._monotonic(), CRASHED
        try:
            answer = await self._through(call)
            result = ANSWERED
            return answer
        except BackendFailed as error:
            result = error.code
            raise
        except asyncio.CancelledError:
            result = CANCELLED
            raise
        finally:
            self._meter.observe_call(self._name, result, self._monotonic() - arrived)

    async def _through(self, call: Callable[[], Awaitable[T]]) -> T:
        if breakers.wait_seconds(self._breaker, self._rules, self._monotonic()) > 0:
            raise self._open()
        await self._enter()
        self._in_flight += 1
        try:
            now = self._monotonic()
            breaker, permit = breakers.admit(self._breaker, self._rules, now)
            self._become(breaker)
            if permit is None:
                raise self._open()
            return await self._judged(call, permit, now)
        finally:
            self._in_flight -= 1
            self._room.release()

    async def _enter(self) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(self._bulkhead.wait_seconds):
                await self._room.acquire()
            return
        except TimeoutError:
            text = f"as many calls of the {self._name} backend as are let through are under way"
        finally:
            self._waiting -= 1
        raise BulkheadFull(text, retry_after=limits.BUSY_RETRY_SECONDS)

    async def _judged(self, call: Callable[[], Awaitable[T]], permit: Permit, began: float) -> T:
        verdict = Verdict.FAILURE
        try:
            answer = await call()
            verdict = Verdict.SUCCESS
            return answer
        except BackendFailed as error:
            if not error.blames_backend:
                verdict = Verdict.NOTHING
            _log.warning(
                "backend_failed",
                backend=self._name,
                error_code=error.code,
                status=error.status,
                kind=error.kind,
            )
            raise
        except asyncio.CancelledError:
            # Mostly the request's deadline, which may come before the call's own. Whoever gives up
            # soon says nothing of the backend; one that kept silent for long has failed.
            if self._monotonic() - began < self._telling_seconds:
                verdict = Verdict.NOTHING
            raise
        finally:
            now = self._monotonic()
            self._become(breakers.settle(self._breaker, self._rules, permit, verdict, now))

    def _become(self, breaker: Breaker) -> None:
        before, self._breaker = self._breaker, breaker
        if breaker.state is not before.state:
            _log.warning("breaker", backend=self._name, state=breaker.state.value)

    def _open(self) -> BreakerOpen:
        seconds = breakers.wait_seconds(self._breaker, self._rules, self._monotonic())
        text = f"the {self._name} backend failed too often and is left alone for a while"
        return BreakerOpen(text, retry_after=max(1, math.ceil(seconds)))
