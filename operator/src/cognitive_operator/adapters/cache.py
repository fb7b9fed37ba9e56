"""What the watches last said: engines and children, as plain objects.

Fed by events and by the answers to our own writes; read by every pass. Bounded by what exists in
the cluster: a deleted object leaves at once.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cognitive_api import identity

from ..domain.observed import Child, ChildKey


class EngineKey(NamedTuple):
    """Where an engine lives: the key of the queue."""

    namespace: str
    name: str


class Cache:
    """Live objects by place. Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        self._engines: dict[EngineKey, Mapping[str, Any]] = {}
        self._children: dict[tuple[str, ChildKey], Child] = {}
        self._by_owner: dict[str, set[tuple[str, ChildKey]]] = {}

    def engine(self, key: EngineKey) -> Mapping[str, Any] | None:
        """Return the engine's object, or None when there is none."""
        return self._engines.get(key)

    def put_engine(self, body: Mapping[str, Any]) -> EngineKey:
        """Remember an engine's object and return its key."""
        key = EngineKey(body["metadata"]["namespace"], body["metadata"]["name"])
        if not _older(body, self._engines.get(key)):
            self._engines[key] = _slim(body)
        return key

    def drop_engine(self, body: Mapping[str, Any]) -> EngineKey:
        """Forget an engine's object and return its key."""
        key = EngineKey(body["metadata"]["namespace"], body["metadata"]["name"])
        if _same_uid(body, self._engines.get(key)):
            self._engines.pop(key, None)
        return key

    def put_child(self, body: Mapping[str, Any]) -> EngineKey | None:
        """Remember a child; return its owner's key, or None when no engine can be told.

        The watch may bring a version that is older than the answer to our own write: the newer
        one stays. An object whose owner was edited away still leads to the engine it belonged to.
        """
        place = _place(body)
        before = self._children.get(place)
        if before is not None and _older(body, before.manifest):
            return _owner_key(before.manifest)
        self._forget(place)
        if not body["metadata"].get("deletionTimestamp"):
            self._children[place] = Child(_slim(body), _owns_replicas(body))
            uid = _owner_uid(body)
            if uid is not None:
                self._by_owner.setdefault(uid, set()).add(place)
        return (
            _owner_key(body)
            or (_owner_key(before.manifest) if before else None)
            or (_labelled_key(body))
        )

    def drop_child(self, body: Mapping[str, Any]) -> EngineKey | None:
        """Forget a child that was deleted; return its owner's key."""
        place = _place(body)
        before = self._children.get(place)
        if before is not None and _same_uid(body, before.manifest):
            self._forget(place)
        return _owner_key(body) or (_owner_key(before.manifest) if before else None)

    def replace_kind(
        self, kind: str, namespace: str, bodies: Iterable[Mapping[str, Any]]
    ) -> set[EngineKey]:
        """Take a whole list of one kind (of one namespace, or of all: empty) for the truth.

        Returns:
            The owners of what differs from before.
        """
        touched: set[EngineKey | None] = set()
        listed = {_place(body): body for body in bodies}
        for place, child in list(self._children.items()):
            inside = place[1].kind == kind and namespace in {"", place[0]}
            if inside and place not in listed:
                touched.add(self.drop_child(child.manifest))
        for place, body in listed.items():
            before = self._children.get(place)
            if before is None or _version(before.manifest) != _version(body):
                touched.add(self.put_child(body))
        return {key for key in touched if key is not None}

    def drop_pruned(self, namespace: str, key: ChildKey) -> None:
        """Forget a child that we deleted ourselves."""
        self._forget((namespace, key))

    def children_of(self, uid: str) -> Mapping[ChildKey, Child]:
        """Return the children whose controller is the engine with this uid."""
        return MappingProxyType(
            {place[1]: self._children[place] for place in self._by_owner.get(uid, ())}
        )

    def _forget(self, place: tuple[str, ChildKey]) -> None:
        child = self._children.pop(place, None)
        if child is None:
            return
        uid = _owner_uid(child.manifest)
        if uid is not None:
            owned = self._by_owner.get(uid, set())
            owned.discard(place)
            if not owned:
                self._by_owner.pop(uid, None)


def _place(body: Mapping[str, Any]) -> tuple[str, ChildKey]:
    meta = body["metadata"]
    return meta["namespace"], ChildKey(body["kind"], meta["name"])


def _slim(body: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    return {**body, "metadata": meta}


def _older(body: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    """Resource versions of one object are ordered numbers."""
    if known is None or body["metadata"]["uid"] != known["metadata"]["uid"]:
        return False
    return int(body["metadata"]["resourceVersion"]) < int(known["metadata"]["resourceVersion"])


def _version(body: Mapping[str, Any]) -> tuple[str, str]:
    return body["metadata"]["uid"], body["metadata"]["resourceVersion"]


def _same_uid(body: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    return known is not None and body["metadata"]["uid"] == known["metadata"]["uid"]


def _labelled_key(body: Mapping[str, Any]) -> EngineKey | None:
    name = body["metadata"].get("labels", {}).get(identity.LABEL_INSTANCE)
    return EngineKey(body["metadata"]["namespace"], name) if name else None


def _controller(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next(
        (
            ref
            for ref in body["metadata"].get("ownerReferences", ())
            if ref.get("kind") == identity.KIND
            and ref.get("apiVersion", "").startswith(f"{identity.GROUP}/")
            and ref.get("controller")
        ),
        None,
    )


def _owner_uid(body: Mapping[str, Any]) -> str | None:
    ref = _controller(body)
    return None if ref is None else str(ref["uid"])


def _owner_key(body: Mapping[str, Any]) -> EngineKey | None:
    ref = _controller(body)
    return None if ref is None else EngineKey(body["metadata"]["namespace"], str(ref["name"]))


def _owns_replicas(body: Mapping[str, Any]) -> bool:
    return any(
        entry.get("manager") == identity.FIELD_MANAGER
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in body["metadata"].get("managedFields", ())
    )
