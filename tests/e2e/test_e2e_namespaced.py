"""Given an operator for one namespace, then it serves that one and cannot reach another."""

import os

import pytest

from kube import steadily
from world import SOON_SECONDS, World, open_spec

NAME = "local"
HELD_SECONDS = 10.0

pytestmark = pytest.mark.last


@pytest.mark.timeout(300)
def test_when_one_namespace_is_watched_then_only_that_one_is_served(world: World) -> None:
    elsewhere = World(
        world.kube, world.system, world.ways, f"e2e-elsewhere-{os.urandom(3).hex()}", world.figures
    )
    world.kube.create({"kind": "Namespace", "metadata": {"name": elsewhere.namespace}})
    try:
        world.system.install(watched=(world.namespace,))
        world.create(NAME, open_spec(replicas=1))
        elsewhere.create(NAME, open_spec(replicas=1))
        world.wait_ready(NAME)

        before = world.of("PodDisruptionBudget", NAME)[0]["metadata"]["uid"]
        world.kube.delete("PodDisruptionBudget", world.namespace, NAME)

        def put_back() -> bool:
            found = world.of("PodDisruptionBudget", NAME)
            return bool(found) and found[0]["metadata"]["uid"] != before

        world.eventually(put_back, "the deleted child is back", SOON_SECONDS)
        steadily(
            lambda: elsewhere.engine(NAME)["status"]["observedGeneration"] == -1,
            HELD_SECONDS,
            "the other namespace is left alone",
            dump=elsewhere.dump,
        )
    finally:
        world.system.install()
        world.kube.delete("CognitiveEngine", elsewhere.namespace, NAME)
        world.kube.delete("Namespace", "", elsewhere.namespace)
