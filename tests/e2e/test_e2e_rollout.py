"""Given an engine with clients, when its spec changes, then nobody of them is turned away."""

import pytest

from kube import condition_of, steadily
from world import KEY, World, keyed_spec

NAME = "rolled"
REVISION = "mlsdm.io/revision"
# Comes from no registry: the node asks itself, where nobody answers.
UNPULLABLE = "localhost/absent:0"
HELD_SECONDS = 8.0


@pytest.fixture(scope="module")
def served(world: World) -> World:
    """Given two pods behind a Service."""
    world.secret("keys")
    world.create(NAME, keyed_spec("keys", replicas=2))
    world.wait_ready(NAME)
    return world


def _config_names(world: World) -> set[str]:
    return {item["metadata"]["name"] for item in world.of("ConfigMap", NAME)}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "wake_duration",
    [9, *(pytest.param(number, marks=pytest.mark.long) for number in (10, 11, 12, 13))],
)
def test_when_a_field_changes_then_it_rolls_out_without_a_failed_request(
    served: World, wake_duration: int
) -> None:
    old = served.engine(NAME)["status"]["revision"]
    old_configs = _config_names(served)
    with served.traffic(NAME, KEY) as traffic:
        served.eventually(lambda: traffic.report()["sent"] >= 20, "traffic flows")

        served.change(NAME, governance={"rhythm": {"wakeDuration": wake_duration}})
        new = served.wait_ready(NAME)["status"]["revision"]

        at_ready = traffic.report()["sent"]
        served.eventually(lambda: traffic.report()["sent"] >= at_ready + 40, "traffic goes on")
        report = traffic.stop()

    served.figures["requests during a roll-out"] = traffic.summary(report)
    assert report["failed"] == 0, report["faults"]
    assert new != old
    assert set(report["revisions"]) == {old, new}, "the traffic met both revisions"
    assert {pod["metadata"]["labels"][REVISION] for pod in served.pods(NAME)} == {new}

    served.eventually(lambda: len(_config_names(served)) == 1, "the old configuration is pruned")
    assert _config_names(served).isdisjoint(old_configs)


@pytest.mark.timeout(300)
def test_when_the_image_cannot_be_pulled_then_old_pods_serve_and_going_back_is_free(
    served: World,
) -> None:
    pods = served.pod_starts(NAME)
    revision = served.engine(NAME)["status"]["revision"]

    served.change(NAME, image=UNPULLABLE)

    ready = served.wait_condition(NAME, "Ready", "False", "PodFailing", seconds=45)
    assert "Pull" in ready["message"], "the pod's own fault is quoted"
    assert NAME in ready["message"], "the pod is named"
    served.wait_condition(NAME, "Available", "True")

    def serving() -> bool:
        running = served.pod_starts(NAME)
        with served.client(NAME, KEY) as client:
            client.state()
        return all(running.get(uid) == starts for uid, starts in pods.items())

    steadily(serving, HELD_SECONDS, "all old pods keep serving", dump=served.dump, every=1.0)
    body = served.engine(NAME)
    assert body["status"]["readyReplicas"] == len(pods)
    ready_now = condition_of(body, "Ready")
    assert ready_now is not None
    assert ready_now["status"] == "False"

    served.change(NAME, image=None)
    assert served.wait_ready(NAME)["status"]["revision"] == revision
    served.eventually(lambda: served.pod_starts(NAME) == pods, "the very same pods serve")
