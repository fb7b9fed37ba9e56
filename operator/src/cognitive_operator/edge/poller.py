"""Children of kinds that a cluster may not have: listed every few seconds instead of watched.

The framework learns of a kind that is installed later only by chance, when its discovery is quick
enough, and not at all when it serves single namespaces. A list costs one read and is always right.
"""

import asyncio

import structlog

from ..adapters.api import API, APIError, NotFound
from ..adapters.cache import Cache
from ..domain import labels, limits
from ..domain.kinds import POLLED, Kind
from .gate import Gate

log = structlog.get_logger("cognitive_operator.poller")


async def poll_optional_kinds(
    api: API, cache: Cache, gate: Gate, namespaces: tuple[str, ...]
) -> None:
    """Keep the cache true until cancelled."""
    while True:
        for kind in POLLED:
            for namespace in namespaces or ("",):
                try:
                    bodies = await _listed(api, kind, namespace)
                except APIError as fault:
                    log.warning("list_failed", kind=kind.name, why=str(fault))
                    continue
                for key in cache.replace_kind(kind.name, namespace, bodies):
                    gate.trigger(key)
        await asyncio.sleep(limits.OPTIONAL_POLL_SECONDS)


async def _listed(api: API, kind: Kind, namespace: str) -> list[dict[str, object]]:
    try:
        return [
            {**item, "kind": kind.name}
            async for item in api.list(kind.path(namespace), labelSelector=labels.MANAGED_SELECTOR)
        ]
    except NotFound:
        # Without the kind there are no objects of it.
        return []
