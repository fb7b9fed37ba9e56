"""The operator without its framework: one incarnation a `Rooms`, killed at will."""

import copy
from collections.abc import Mapping
from typing import Any

from cognitive_api import identity
from cognitive_operator.adapters.api import API, NotFound, Unavailable
from cognitive_operator.adapters.apply import Writer
from cognitive_operator.adapters.cache import Cache, EngineKey
from cognitive_operator.adapters.clock import Clock
from cognitive_operator.adapters.cluster import Cluster
from cognitive_operator.adapters.events import Events
from cognitive_operator.domain import labels
from cognitive_operator.domain.kinds import ALL, ENGINE
from cognitive_operator.reconcile import Reconciler

IMAGE = "localhost/not-pulled:1"
KEY_NAME = "mind"


class Killed(BaseException):
    """The process ends here; nothing in the operator may catch it."""


class FaultyAPI(API):
    """The real client, which dies or fails at one chosen write and counts all of them."""

    kill_after: int | None = None
    fail_at: int | None = None

    def __init__(self, configuration: Any, timeout: float = 20.0) -> None:
        super().__init__(configuration, timeout)
        self.writes: list[str] = []

    async def _request(self, method: str, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if method == "GET":
            return await super()._request(method, path, *args, **kwargs)
        number = len(self.writes)
        self.writes.append(f"{method} {path}")
        if number == self.fail_at:
            raise Unavailable(f"{method} {path}: planted")
        answer = await super()._request(method, path, *args, **kwargs)
        if number == self.kill_after:
            raise Killed
        return answer


class Rooms:
    """One incarnation of the operator, bound to one engine."""

    def __init__(self, api: FaultyAPI, namespace: str) -> None:
        self.api = api
        self.key = EngineKey(namespace, KEY_NAME)
        self.cache = Cache()
        clock = Clock()
        self._reconciler = Reconciler(
            self.cache,
            Cluster(api, self.cache, IMAGE),
            Writer(api, self.cache),
            Events(api, clock, "test"),
            clock,
        )

    @classmethod
    async def start(
        cls, namespace: str, *, kill_after: int | None = None, fail_at: int | None = None
    ) -> "Rooms":
        """Return a new incarnation that knows what a first list brings."""
        api = await FaultyAPI.connect()
        assert isinstance(api, FaultyAPI)
        api.kill_after, api.fail_at = kill_after, fail_at
        rooms = cls(api, namespace)
        await rooms.watch()
        return rooms

    async def watch(self) -> None:
        """Bring the cache up to date, as the watches would."""
        self.cache.put_engine({**await self.engine(), "kind": identity.KIND})
        for body in (await self.children()).values():
            self.cache.put_child(body)

    async def engine(self) -> dict[str, Any]:
        return await self.api.get(self._engine_path())

    async def apply_engine(self, spec: Mapping[str, Any]) -> None:
        """Write the resource as a user would, outside of the operator's counting."""
        manifest = {
            "apiVersion": identity.API_VERSION,
            "kind": identity.KIND,
            "metadata": {"name": self.key.name, "namespace": self.key.namespace},
            "spec": dict(spec),
        }
        await API._request(
            self.api,
            "PATCH",
            self._engine_path(),
            manifest,
            content="application/apply-patch+yaml",
            query={"fieldManager": "user", "force": "true"},
        )

    async def one_pass(self) -> float | None:
        return await self._reconciler.run(self.key)

    async def settle(self, bound: int = 20) -> int:
        """Run passes, each with fresh eyes, until one writes nothing; return the writes made."""
        for _ in range(bound):
            before = len(self.api.writes)
            await self.watch()
            await self.one_pass()
            if len(self.api.writes) == before:
                return before
        raise AssertionError(f"still writing after {bound} passes: {self.api.writes}")

    def child_writes(self) -> list[str]:
        """Return the writes to children; the status may follow what the controllers do."""
        return [w for w in self.api.writes if not w.endswith(("/status", "/events"))]

    async def children(self) -> dict[str, dict[str, Any]]:
        """Return what exists, by kind and name."""
        found = {}
        for kind in ALL:
            try:
                listed = await self.api.get(
                    kind.path(self.key.namespace), labelSelector=labels.MANAGED_SELECTOR
                )
            except NotFound:
                continue
            for item in listed["items"]:
                found[f"{kind.name}/{item['metadata']['name']}"] = {**item, "kind": kind.name}
        return found

    async def close(self) -> None:
        await self.api.close()

    def _engine_path(self) -> str:
        return ENGINE.path(self.key.namespace, self.key.name)


def normal(children: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return children without what differs between any two runs."""
    out = {}
    for name, body in children.items():
        item = copy.deepcopy(dict(body))
        item.pop("status", None)
        meta = item["metadata"]
        item["metadata"] = {key: meta[key] for key in ("name", "labels", "annotations")}
        # Hashes include the owner's uid, which every engine has anew.
        item["metadata"]["annotations"] = sorted(item["metadata"]["annotations"])
        spec = item.get("spec", {})
        for field in ("clusterIP", "clusterIPs"):
            spec.pop(field, None)
        out[name] = item
    return out
