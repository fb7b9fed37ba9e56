"""Puts the rooms together and runs them until a signal comes."""

import asyncio
from typing import Any, cast

import kopf
import structlog

from cognitive_api import identity

from ..adapters.api import API, NotFound
from ..adapters.apply import Writer
from ..adapters.cache import Cache
from ..adapters.clock import Clock
from ..adapters.cluster import Cluster
from ..adapters.events import Events
from ..reconcile import Reconciler
from ..settings import Settings, SettingsError
from .freshness import Freshness
from .gate import Gate
from .handlers import build_registry
from .poller import poll_optional_kinds
from .probes import serving

log = structlog.get_logger("cognitive_operator")


async def run(settings: Settings) -> None:
    """Run the operator; returns after SIGTERM or SIGINT.

    Raises:
        SettingsError: the cluster lacks the kind that is to be watched.
        Exception: whatever ended a part that must not end; the process is to be restarted.
    """
    api = await API.connect()
    await _require_kind(api)
    cache, clock = Cache(), Clock()
    reconciler = Reconciler(
        cache,
        Cluster(api, cache, settings.engine_image),
        Writer(api, cache),
        Events(api, clock, settings.instance),
        clock,
    )
    gate = Gate(reconciler.run)
    freshness = Freshness(api, cache, settings.namespaces)
    framework = kopf.operator(
        registry=build_registry(cache, gate, namespaced=bool(settings.namespaces)),
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        standalone=True,
        # Left to itself the framework asks for the user's name, and a numeric user has none.
        identity=cast(Any, settings.instance),
    )
    try:
        async with serving(freshness, settings.probe_port, settings.metrics_port):
            log.info("started", namespaces=list(settings.namespaces) or "all")
            tasks = {
                asyncio.create_task(framework, name="framework"),
                asyncio.create_task(gate.serve(), name="gate"),
                asyncio.create_task(freshness.serve(), name="freshness"),
                asyncio.create_task(
                    poll_optional_kinds(api, cache, gate, settings.namespaces), name="poller"
                ),
            }
            done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            for task in done:
                task.result()
            log.info("stopped")
    finally:
        await api.close()


async def _require_kind(api: API) -> None:
    """Without its own kind there is nothing to watch: better to end with a sentence and return."""
    try:
        await api.get(f"/apis/{identity.API_VERSION}")
    except NotFound as fault:
        await api.close()
        raise SettingsError(
            f"the cluster does not know {identity.KIND} ({identity.API_VERSION}): install its CRD"
        ) from fault
