"""Given settled engines, when somebody changes a child by hand, then it is put back soon."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kube import Json
from world import CHILD_KINDS, SOON_SECONDS, World, open_spec

FIXED = "fixed"
ELASTIC = "elastic"
NOTE = {"example.com/note": "kept"}
APPLIED = "mlsdm.io/applied-hash"
MANAGED = "app.kubernetes.io/managed-by"

# For each kind, fields that we own. A ConfigMap of ours is immutable: only its head can change.
EDITS: dict[str, list[tuple[str, Any]]] = {
    "ServiceAccount": [("token mounted", {"automountServiceAccountToken": True})],
    "ConfigMap": [("label", {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}})],
    "Service": [
        ("selector", {"spec": {"selector": {"app.kubernetes.io/instance": "other"}}}),
        # Atomic for the API server: whoever adds a label to a selector takes the pods away.
        ("selector narrowed", {"spec": {"selector": {"example.com/more": "x"}}}),
        ("affinity", {"spec": {"sessionAffinity": "None", "sessionAffinityConfig": None}}),
    ],
    "Deployment": [
        ("replicas", {"spec": {"replicas": 5}}),
        (
            "image",
            [
                {
                    "op": "replace",
                    "path": "/spec/template/spec/containers/0/image",
                    "value": "localhost/other:1",
                }
            ],
        ),
    ],
    "PodDisruptionBudget": [
        ("bound", {"spec": {"minAvailable": 0}}),
        (
            "selector narrowed",
            {"spec": {"selector": {"matchLabels": {"example.com/more": "x"}}}},
        ),
    ],
    "HorizontalPodAutoscaler": [("ceiling", {"spec": {"maxReplicas": 9}})],
}
HEADS: list[tuple[str, Any]] = [
    ("managed-by label gone", {"metadata": {"labels": {MANAGED: None}}}),
    ("owner gone", {"metadata": {"ownerReferences": None}}),
    ("applied hash gone", {"metadata": {"annotations": {APPLIED: None}}}),
]
CASES = [
    pytest.param(kind, change, id=f"{kind}: {what}")
    for kind in CHILD_KINDS
    for what, change in [*EDITS[kind], *HEADS]
]


@dataclass(frozen=True)
class Settled:
    """Engines at rest, and what their children are then."""

    world: World
    wanted: dict[str, Json]


@pytest.fixture(scope="module")
def settled(world: World) -> Settled:
    """Given one engine of fixed size and one under an autoscaler."""
    limits = {"targetCPUUtilizationPercent": 1000, "targetMemoryUtilizationPercent": 1000}
    world.create(FIXED, open_spec(replicas=2))
    world.create(ELASTIC, open_spec(autoscaling={"minReplicas": 1, "maxReplicas": 2, **limits}))
    world.wait_ready(FIXED)
    world.wait_ready(ELASTIC)
    return Settled(world, {kind: _ours(_child(world, kind)) for kind in CHILD_KINDS})


def _child(world: World, kind: str) -> Json:
    name = ELASTIC if kind == "HorizontalPodAutoscaler" else FIXED
    # By name, not by label: labels are among what is tampered with.
    if kind == "ConfigMap":
        name = next(
            volume["configMap"]["name"]
            for volume in _child(world, "Deployment")["spec"]["template"]["spec"]["volumes"]
            if "configMap" in volume
        )
    return world.kube.get(kind, world.namespace, name)


def _ours(body: Json) -> Json:
    """Return what the operator answers for: all but what the cluster itself fills in."""
    meta = body["metadata"]
    spec = {
        key: value
        for key, value in body.get("spec", {}).items()
        if key not in {"clusterIP", "clusterIPs"}
    }
    rest = ("data", "immutable", "automountServiceAccountToken")
    return {
        "labels": meta.get("labels"),
        "owners": meta.get("ownerReferences"),
        "hash": meta.get("annotations", {}).get(APPLIED),
        "spec": spec,
        **{key: body.get(key) for key in rest},
    }


def _timed(world: World, same: Callable[[], bool], what: str) -> None:
    seconds = world.eventually(same, what)
    worst = max(seconds, float(world.figures.get("drift undone, worst seconds", "0")))
    world.figures["drift undone, worst seconds"] = f"{worst:.1f}"
    assert seconds <= SOON_SECONDS


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_when_a_child_is_edited_then_it_is_undone_and_foreign_notes_stay(
    settled: Settled, kind: str, change: Any
) -> None:
    world, wanted = settled.world, settled.wanted[kind]
    note = {"metadata": {"annotations": NOTE}}
    name = _child(world, kind)["metadata"]["name"]
    before = world.kube.patch(kind, world.namespace, name, note)
    edited = world.kube.patch(kind, world.namespace, name, change)
    assert _ours(edited) != wanted, "the edit changed nothing: it proves nothing"

    _timed(
        world,
        lambda: _ours(_child(world, kind)) == wanted,
        f"the edit of {kind} {name} is undone",
    )
    after = _child(world, kind)["metadata"]
    assert after["uid"] == before["metadata"]["uid"]
    assert NOTE.items() <= after["annotations"].items()


@pytest.mark.parametrize("kind", CHILD_KINDS)
def test_when_a_child_is_deleted_then_it_is_back(settled: Settled, kind: str) -> None:
    world, wanted = settled.world, settled.wanted[kind]
    before = _child(world, kind)["metadata"]
    world.kube.delete(kind, world.namespace, before["name"])

    def back() -> bool:
        now = _child(world, kind)
        uid: str = now["metadata"]["uid"]
        return uid != before["uid"] and _ours(now) == wanted

    _timed(world, back, f"a deleted {kind} is back")


def test_when_all_was_put_back_then_both_engines_are_ready(settled: Settled) -> None:
    world = settled.world
    world.wait_ready(FIXED)
    world.wait_ready(ELASTIC)
    with world.client(FIXED) as client:
        assert client.generate("still there?")["accepted"]
