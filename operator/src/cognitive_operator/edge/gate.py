"""Where every trigger ends: a queue of keys, each served by one worker at a time.

A key that is triggered while its pass runs gets one more pass, however often it was triggered. A
failed pass comes back after a delay that doubles; a broken object never slows another.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import perf_counter

import structlog

from ..adapters.cache import EngineKey
from ..domain import limits
from ..reconcile import PassFailed
from ..telemetry import PASS_SECONDS, PASSES, QUEUE_DEPTH

log = structlog.get_logger("cognitive_operator.gate")

RunPass = Callable[[EngineKey], Awaitable[float | None]]


class Gate:
    """Serialises and coalesces passes."""

    def __init__(self, run: RunPass, workers: int = limits.WORKERS) -> None:
        self._run = run
        self._workers = workers
        self._queue: asyncio.Queue[EngineKey] = asyncio.Queue()
        self._waiting: set[EngineKey] = set()
        self._running: set[EngineKey] = set()
        self._again: set[EngineKey] = set()
        self._failures: dict[EngineKey, int] = {}
        self._timers: dict[EngineKey, asyncio.TimerHandle] = {}

    def trigger(self, key: EngineKey) -> None:
        """Ask for a pass over this key, soon."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._queue.put_nowait(key)
            QUEUE_DEPTH.set(self._queue.qsize())

    async def serve(self) -> None:
        """Run the workers until cancelled; passes under way are cancelled with them.

        A pass may end between any two writes: the next start goes on from there.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"worker-{number}")
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            QUEUE_DEPTH.set(self._queue.qsize())
            self._waiting.discard(key)
            self._running.add(key)
            try:
                delay = await self._pass(key)
            finally:
                self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.trigger(key)
            elif delay is not None:
                loop = asyncio.get_running_loop()
                self._timers[key] = loop.call_later(delay, self.trigger, key)

    async def _pass(self, key: EngineKey) -> float | None:
        started = perf_counter()
        try:
            async with asyncio.timeout(limits.PASS_TIMEOUT_SECONDS):
                delay = await self._run(key)
        except (PassFailed, TimeoutError) as fault:
            PASSES.labels("failed").inc()
            log.warning("pass_failed", namespace=key.namespace, name=key.name, why=str(fault))
            return self._backoff(key)
        except Exception:
            # A fault of ours in one object must not take the others down.
            PASSES.labels("crashed").inc()
            log.exception("pass_crashed", namespace=key.namespace, name=key.name)
            return self._backoff(key)
        finally:
            PASS_SECONDS.observe(perf_counter() - started)
        PASSES.labels("done").inc()
        self._failures.pop(key, None)
        return None if delay is None else delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter

    def _backoff(self, key: EngineKey) -> float:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        return backoff_seconds(count) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter


def backoff_seconds(failures: int) -> float:
    """Return the delay after one more failure: doubled each time, bounded."""
    doublings = min(failures, 60)
    return min(limits.BACKOFF_FIRST_SECONDS * 2.0**doublings, limits.BACKOFF_LAST_SECONDS)
