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
            uid = pod["metadata"]["uid"]
            world.kube.delete("Pod", world.namespace, pod["metadata"]["name"])
            world.eventually(
                lambda uid=uid: all(  # type: ignore[misc]
                    item["metadata"]["uid"] != uid for item in world.of("Pod", NAME)
                ),
                "the pod has ended",
                60,
            )
            world.wait_ready(NAME)
        report = traffic.stop()

    world.figures["requests while two pods ended"] = (
        f"{report['failed']} of {report['sent']} failed"
    )
    assert report["failed"] == 0, report["faults"]
    assert report["sent"] >= 60
