"""Proves that the watch is alive, without writing anything.

Now and then the engines are listed beside the watch. A version that was in the list one round ago
and has still not come through the watch means that the watch is dead, however busy the process
looks.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from ..adapters.api import API, METADATA_LIST, APIError
from ..adapters.cache import Cache, EngineKey
from ..domain import limits
from ..domain.kinds import ENGINE
from ..telemetry import WATCH_AGE

log = structlog.get_logger("cognitive_operator.freshness")


class Freshness:
    """Knows for how long the watch has not proved to be alive."""

    def __init__(
        self,
        api: API,
        cache: Cache,
        namespaces: tuple[str, ...],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._cache = cache
        self._namespaces = namespaces
        self._monotonic = monotonic
        self._proved_at = monotonic()
        self._expected: dict[EngineKey, int] | None = None
        self.seen = False
        """Whether everything listed once has come through the watch."""

    @property
    def age(self) -> float:
        """Return seconds since the last proof."""
        return self._monotonic() - self._proved_at

    @property
    def stale(self) -> bool:
        """Return whether the process should be restarted."""
        return self.age > limits.WATCH_STALE_SECONDS

    async def serve(self) -> None:
        """Measure until cancelled; in quick succession until the watch has caught up once."""
        while True:
            await self.measure()
            WATCH_AGE.set(self.age)
            await asyncio.sleep(
                limits.HEARTBEAT_SECONDS if self.seen else limits.FIRST_LOOK_SECONDS
            )

    async def measure(self) -> None:
        """Compare the cache with what the list said a round ago, then list again."""
        before = self._expected
        try:
            self._expected = await self._list()
        except APIError as fault:
            # No list, no verdict: an API server that is away says nothing about our watch.
            log.warning("freshness_unknown", why=str(fault))
            self._proved_at = self._monotonic()
            return
        if before is None:
            return
        late = [
            key
            for key, version in before.items()
            if key in self._expected and self._behind(key, version)
        ]
        if not late:
            self._proved_at = self._monotonic()
            self.seen = True
        elif self.seen:
            log.error("watch_behind", objects=len(late), age_seconds=round(self.age))

    def _behind(self, key: EngineKey, version: int) -> bool:
        body = self._cache.engine(key)
        return body is None or int(body["metadata"]["resourceVersion"]) < version

    async def _list(self) -> dict[EngineKey, int]:
        found: dict[EngineKey, int] = {}
        for namespace in self._namespaces or ("",):
            async for item in self._api.list(ENGINE.path(namespace), METADATA_LIST):
                meta = item["metadata"]
                key = EngineKey(meta["namespace"], meta["name"])
                found[key] = int(meta["resourceVersion"])
        return found
