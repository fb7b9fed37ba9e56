"""What the engine does for itself while it serves: verify its memory, and mind its own size.

Both loops work in slices of less than a millisecond and wait in between, so no request notices.
"""

import asyncio

import structlog

from cognitive_engine.domain import limits
from cognitive_engine.ports import MemoryGauge
from cognitive_engine.service import Service

_log = structlog.stdlib.get_logger(__name__)


async def upkeep(service: Service, gauge: MemoryGauge) -> None:
    """Look after `service` until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_scrub(service))
        group.create_task(_watch(service, gauge))


def scrub_pause(used: int) -> float:
    """Seconds from one slice of rows to the next, when `used` rows are in use."""
    return limits.SCRUB_SECONDS / max(1, -(-used // limits.SCRUB_ROWS))


async def _scrub(service: Service) -> None:
    while True:
        await asyncio.sleep(scrub_pause(service.snapshot().state.pelm.used))
        dropped = service.scrub(limits.SCRUB_ROWS)
        if dropped:
            _log.error("damaged_memories_dropped", count=dropped)


async def _watch(service: Service, gauge: MemoryGauge) -> None:
    while True:
        share = gauge.share()
        command = service.watch_memory(share)
        if command is not None:
            _log.warning(f"memory_{type(command).__name__.lower()}", share=share)
        await asyncio.sleep(limits.MEMORY_POLL_SECONDS)
