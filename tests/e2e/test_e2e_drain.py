"""Given an engine with clients, when its pods are told to end, then no request is lost."""

import pytest

from world import KEY, World, keyed_spec

NAME = "drained"


@pytest.mark.timeout(240)
def test_when_pods_end_one_after_the_other_then_no_request_is_lost(world: World) -> None:
    world.secret("keys")
    world.create(NAME, keyed_spec("keys", replicas=2))
    world.wait_ready(NAME)
    first = world.pods(NAME)

    with world.traffic(NAME, KEY) as traffic:
        world.eventually(lambda: traffic.report()["sent"] >= 20, "traffic flows")
        # The Service binds a client to one pod: ending both, in turn, ends that one for sure.
        for pod in first:
            name = pod["metadata"]["name"]
            world.kube.kubectl("-n", world.namespace, "delete", "pod", name, "--timeout=60s")
            world.wait_ready(NAME)
        report = traffic.stop()

    world.figures["requests while two pods ended"] = traffic.summary(report)
    assert report["failed"] == 0, report["faults"]
    assert report["sent"] >= 60
