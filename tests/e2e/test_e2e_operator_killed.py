"""Given a first reconcile, when the operator dies right after a child appears, then it goes on.

Killed at the moment the watch tells of the child, which is about that write or a few later ones; a
crash between any two chosen writes is proved in process by tests/apiserver.
"""

import time

import pytest

from kube import Json
from world import CHILD_KINDS, World, open_spec

RESOURCES = {
    "ServiceAccount": "serviceaccounts",
    "ConfigMap": "configmaps",
    "Service": "services",
    "Deployment": "deployments",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}
ELASTIC = {
    "minReplicas": 1,
    "maxReplicas": 2,
    "targetCPUUtilizationPercent": 1000,
    "targetMemoryUtilizationPercent": 1000,
}


@pytest.mark.parametrize("kind", CHILD_KINDS)
def test_when_killed_after_a_child_appears_then_each_child_is_made_once(
    world: World, kind: str
) -> None:
    world.system.wait_serving()
    audit, name = world.system.audit, f"killed-{RESOURCES[kind][:12]}"
    killer = world.system.killer()
    before = world.system.incarnations()
    deaths: list[float] = []

    def kill(event: str, body: Json) -> None:
        if event == "ADDED" and not deaths:
            killer.kill()
            deaths.append(time.monotonic())

    selector = f"app.kubernetes.io/instance={name}"
    watch = world.kube.watch(kind, world.namespace, labelSelector=selector).on_event(kill)
    since = audit.mark()
    with watch:
        # An autoscaler, so that every kind has its turn.
        world.create(name, open_spec(autoscaling=ELASTIC))
        world.eventually(lambda: deaths, f"the first {kind} appears")
    world.eventually(killer.dead, "the operator that was killed is dead")
    how = "SIGKILL" if killer.processes else "forced deletion"

    world.wait_ready(name)
    seconds = time.monotonic() - deaths[0]
    world.figures[f"{how} after {kind}, seconds to ready"] = f"{seconds:.1f}"
    assert world.system.incarnations().isdisjoint(before)
    made: dict[str, int] = {}
    for write in audit.writes(since, world.system.user_prefix, world.namespace):
        mine = write.name.startswith(name) and write.resource in RESOURCES.values()
        if mine and write.code == 201:
            made[write.resource] = made.get(write.resource, 0) + 1
    assert made == dict.fromkeys(RESOURCES.values(), 1)
