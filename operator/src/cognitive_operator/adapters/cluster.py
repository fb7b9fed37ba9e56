"""Reads of the cluster: gathers everything that one plan depends on."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..domain import labels, limits
from ..domain.kinds import BY_NAME, SERVICE_MONITOR
from ..domain.observed import Child, ChildKey, Engine, Observed, PodFault
from ..domain.plan import desired_children, key_of, secret_names
from .api import API, METADATA_ONLY, NotFound
from .cache import Cache

Json = Mapping[str, Any]


class Cluster:
    """Gathers facts; changes nothing."""

    def __init__(
        self,
        api: API,
        cache: Cache,
        default_image: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._cache = cache
        self._default_image = default_image
        self._monotonic = monotonic
        self._monitor_known = (float("-inf"), False)

    async def observe(self, engine: Engine) -> Observed:
        """Return the facts about one engine.

        Children come from the cache; a name that the cache does not know is looked up, so that
        an object of somebody else, or one that our watch has not seen yet, is never overwritten
        or made twice.
        """
        children = dict(self._cache.children_of(engine.uid))
        known = await self._monitor_kind_known()
        facts = Observed(monitor_kind_known=known, default_image=self._default_image)
        taken: set[ChildKey] = set()
        if not engine.spec.suspend:
            for key in map(key_of, desired_children(engine, facts)):
                if key not in children:
                    await self._look_up(engine, key, children, taken)
        return Observed(
            children=children,
            taken=frozenset(taken),
            missing_secrets=await self._missing_secrets(engine),
            monitor_kind_known=known,
            pod_faults=await self._pod_faults(engine),
            default_image=self._default_image,
        )

    async def _look_up(
        self,
        engine: Engine,
        key: ChildKey,
        children: dict[ChildKey, Child],
        taken: set[ChildKey],
    ) -> None:
        try:
            body = await self._api.get(BY_NAME[key.kind].path(engine.namespace, key.name))
        except NotFound:
            return
        owners = body["metadata"].get("ownerReferences", ())
        controllers = [ref for ref in owners if ref.get("controller")]
        if any(ref["uid"] == engine.uid for ref in controllers):
            self._cache.put_child({**body, "kind": key.kind})
            children.update(self._cache.children_of(engine.uid))
        elif not _abandoned(body, engine, bool(controllers)):
            taken.add(key)

    async def _missing_secrets(self, engine: Engine) -> frozenset[str]:
        """Ask for metadata only: contents of Secrets never enter this process."""
        missing = set()
        for name in secret_names(engine):
            try:
                await self._api.get(
                    f"/api/v1/namespaces/{engine.namespace}/secrets/{name}", accept=METADATA_ONLY
                )
            except NotFound:
                missing.add(name)
        return frozenset(missing)

    async def _monitor_kind_known(self) -> bool:
        asked, known = self._monitor_known
        if self._monotonic() - asked < limits.DISCOVERY_TTL_SECONDS:
            return known
        try:
            answer = await self._api.get(f"/apis/{SERVICE_MONITOR.api_version}")
            known = any(
                item["name"] == SERVICE_MONITOR.plural for item in answer.get("resources") or ()
            )
        except NotFound:
            known = False
        self._monitor_known = (self._monotonic(), known)
        return known

    async def _pod_faults(self, engine: Engine) -> tuple[PodFault, ...]:
        """Return why pods do not serve; nothing is read while all do."""
        deployments = [
            child.manifest
            for key, child in self._cache.children_of(engine.uid).items()
            if key.kind == "Deployment"
        ]
        if not any(_wants_explaining(item) for item in deployments):
            return ()
        listed = await self._api.get(
            f"/api/v1/namespaces/{engine.namespace}/pods",
            labelSelector=labels.selector_text(engine.name),
            limit=str(limits.PODS_READ_MAX),
        )
        faults = (fault_of(pod) for pod in listed.get("items") or ())
        return tuple(fault for fault in faults if fault is not None)


def _abandoned(body: Json, engine: Engine, has_controller: bool) -> bool:
    """Ours by label but without an owner: somebody removed the reference by hand."""
    carried = body["metadata"].get("labels", {})
    mine = all(carried.get(k) == v for k, v in labels.common(engine.name).items())
    return mine and not has_controller


def _wants_explaining(deployment: Json) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status", {})
    return bool(status.get("readyReplicas", 0) < wanted or status.get("unavailableReplicas", 0))


def fault_of(pod: Json) -> PodFault | None:
    """Return what keeps a pod from serving, in the kubelet's or scheduler's words."""
    name = str(pod["metadata"]["name"])
    status = pod.get("status", {})
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        ended = container.get("lastState", {}).get("terminated")
        if waiting and waiting.get("reason") not in _STARTING:
            last = f" (last exit code {ended['exitCode']})" if ended else ""
            return PodFault(name, str(waiting["reason"]), str(waiting.get("message", "")) + last)
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            reason = str(condition.get("reason", "Unscheduled"))
            return PodFault(name, reason, str(condition.get("message", "")))
    return None


_STARTING = frozenset({None, "ContainerCreating", "PodInitializing"})
