"""The only writes to children and status."""

from collections.abc import Awaitable, Mapping
from typing import Any

from cognitive_api import identity

from ..domain.kinds import BY_NAME, ENGINE
from ..domain.plan import Handover, Plan
from ..telemetry import WRITES
from .api import API, APIError
from .cache import Cache


class Writer:
    """Carries out a plan. Idempotent: stopping between any two writes loses nothing."""

    def __init__(self, api: API, cache: Cache) -> None:
        self._api = api
        self._cache = cache

    async def carry_out(self, plan: Plan, namespace: str) -> None:
        """Write in order, then prune.

        Raises:
            APIError: at the first write that fails; what was done stays done.
        """
        if plan.handover is not None:
            await self._hand_over(plan.handover, namespace)
        for write in plan.writes:
            path = BY_NAME[write.key.kind].path(namespace, write.key.name)
            body = await self._counted(
                "create" if write.creates else "apply",
                write.key.kind,
                self._api.apply(path, write.manifest, identity.FIELD_MANAGER),
            )
            self._cache.put_child(body)
        for prune in plan.prunes:
            path = BY_NAME[prune.key.kind].path(namespace, prune.key.name)
            await self._counted("delete", prune.key.kind, self._api.delete(path, prune.uid))
            self._cache.drop_pruned(namespace, prune.key)

    async def status(self, namespace: str, name: str, status: Mapping[str, Any]) -> None:
        """Apply the whole status in one write."""
        path = f"{ENGINE.path(namespace, name)}/status"
        manifest = {
            "apiVersion": identity.API_VERSION,
            "kind": identity.KIND,
            "metadata": {"name": name, "namespace": namespace},
            "status": dict(status),
        }
        body = await self._counted(
            "status", identity.KIND, self._api.apply(path, manifest, identity.FIELD_MANAGER)
        )
        self._cache.put_engine(body)

    async def _hand_over(self, handover: Handover, namespace: str) -> None:
        """A second manager holds the number, so that it survives our letting go of it."""
        kind = BY_NAME[handover.key.kind]
        manifest = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": handover.key.name, "namespace": namespace},
            "spec": {"replicas": handover.replicas},
        }
        await self._counted(
            "apply",
            kind.name,
            self._api.apply(
                kind.path(namespace, handover.key.name),
                manifest,
                identity.SCALE_HANDOVER_MANAGER,
            ),
        )

    async def _counted(self, verb: str, kind: str, request: Awaitable[Any]) -> dict[str, Any]:
        try:
            answer = await request
        except APIError:
            WRITES.labels(verb, kind, "failed").inc()
            raise
        WRITES.labels(verb, kind, "done").inc()
        return answer or {}
