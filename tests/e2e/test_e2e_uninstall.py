"""Given engines that serve, when the operator is uninstalled, then only the operator goes."""

import pytest

from kube import steadily
from world import World, open_spec

NAME = "survivor"
CRD_NAME = "cognitiveengines.mlsdm.io"
HELD_SECONDS = 10.0

pytestmark = pytest.mark.last


@pytest.mark.timeout(300)
def test_when_uninstalled_then_engines_serve_and_a_reinstall_restarts_nothing(
    world: World,
) -> None:
    world.create(NAME, open_spec(replicas=2))
    world.wait_ready(NAME)
    pods, body = world.pod_starts(NAME), world.engine(NAME)
    kept = world.kube.get("CustomResourceDefinition", "", CRD_NAME)["metadata"]["uid"]
    try:
        world.system.uninstall()

        world.eventually(lambda: world.system.pods() == [], "the operator is gone", 60)
        assert world.kube.get("CustomResourceDefinition", "", CRD_NAME)["metadata"]["uid"] == kept
        assert world.engine(NAME) == body

        def serving() -> bool:
            with world.client(NAME) as client:
                return bool(client.generate("hello")["accepted"]) and world.pod_starts(NAME) == pods

        steadily(serving, HELD_SECONDS, "engines serve without the operator", dump=world.dump)
        # Something to catch up with.
        world.kube.delete("PodDisruptionBudget", world.namespace, NAME)
    finally:
        world.system.install()

    world.eventually(
        lambda: len(world.of("PodDisruptionBudget", NAME)) == 1, "the operator has caught up", 30
    )
    now = world.wait_ready(NAME)
    assert now["metadata"]["uid"] == body["metadata"]["uid"]
    assert now["status"]["revision"] == body["status"]["revision"]
    assert world.kube.get("CustomResourceDefinition", "", CRD_NAME)["metadata"]["uid"] == kept
    assert world.pod_starts(NAME) == pods
