"""The framework's side: which kinds are watched, and what an event means (only: look again)."""

from collections.abc import Mapping
from typing import Any

import kopf

from cognitive_api import identity

from ..adapters.cache import Cache
from ..domain import labels
from ..domain.kinds import WATCHED, Kind
from .gate import Gate

# Retries of the framework's own reads and watches. Past the last one it ends the process, and a
# restart is cheap: so wait out an API server that is away for some twenty minutes.
_BACKOFFS = (1, 2, 4, 8, 16, *[30] * 40)


def build_registry(cache: Cache, gate: Gate, *, namespaced: bool) -> kopf.OperatorRegistry:
    """Return the handlers: they feed the cache, trigger the gate, and decide nothing."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)
        # Rights over a few namespaces do not include looking at the cluster's kinds.
        settings.scanning.disabled = namespaced

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(identity.GROUP, identity.VERSION, identity.PLURAL, registry=registry)
    async def engine_event(event: kopf.RawEvent, **_: Any) -> None:
        body = _body(event, identity.KIND)
        deleted = event["type"] == "DELETED"
        gate.trigger(cache.drop_engine(body) if deleted else cache.put_engine(body))

    for kind in WATCHED:
        _watch_children(registry, cache, gate, kind)
    return registry


def _watch_children(registry: kopf.OperatorRegistry, cache: Cache, gate: Gate, kind: Kind) -> None:
    @kopf.on.event(
        kind.group, kind.version, kind.plural, registry=registry, id=f"child-{kind.plural}"
    )
    async def child_event(event: kopf.RawEvent, **_: Any) -> None:
        body = _body(event, kind.name)
        deleted = event["type"] == "DELETED"
        key = cache.drop_child(body) if deleted else cache.put_child(body)
        if key is not None and (deleted or cache.engine(key) is not None):
            gate.trigger(key)


def _body(event: kopf.RawEvent, kind: str) -> Mapping[str, Any]:
    # Items of a list come without their kind.
    return {**event["object"], "kind": kind}


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 10
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.5
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = _BACKOFFS
    settings.process.ultimate_exiting_timeout = 20
    for kind in WATCHED:
        # Filtered by the server: an object that loses the label arrives as deleted.
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = (
            labels.MANAGED_SELECTOR
        )
