"""Given an engine under an autoscaler, when load comes and goes, then pods do the same."""

import time

import pytest

from kube import Json
from world import KEY, World, keyed_spec, open_spec

OUT_SECONDS = 120.0
IN_SECONDS = 180.0
# Small requests make a small load a large share; memory must not decide anything here.
ELASTIC = {
    "minReplicas": 1,
    "maxReplicas": 3,
    "targetCPUUtilizationPercent": 50,
    "targetMemoryUtilizationPercent": 1000,
    "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 0, "periodSeconds": 5, "pods": 2},
        "scaleDown": {"stabilizationWindowSeconds": 10, "periodSeconds": 5, "percent": 100},
    },
}
RESOURCES = {
    "requests": {"cpu": "100m", "memory": "128Mi"},
    "limits": {"cpu": "400m", "memory": "512Mi"},
}


def _owners_of_replicas(deployment: Json) -> set[str]:
    return {
        entry["manager"]
        for entry in deployment["metadata"]["managedFields"]
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    }


@pytest.mark.timeout(480)
def test_when_load_comes_and_goes_then_pods_are_added_and_removed(world: World) -> None:
    name = "elastic"
    world.secret("keys")
    world.create(name, keyed_spec("keys", autoscaling=ELASTIC, resources=RESOURCES))
    world.wait_ready(name)
    assert len(world.pods(name)) == 1

    load = {"THREADS": 3, "PAUSE_SECONDS": 0.005, "MAX_SECONDS": OUT_SECONDS}
    with world.traffic(name, KEY, **load) as traffic:
        seconds = world.eventually(
            lambda: world.engine(name)["status"]["readyReplicas"] == 3,
            "load makes three pods of one",
            OUT_SECONDS,
        )
        report = traffic.stop()
    world.figures["scaled out 1 → 3, seconds"] = f"{seconds:.0f}"
    world.figures["requests while scaling out"] = traffic.summary(report)
    assert report["failed"] == 0, report["faults"]
    world.wait_condition(name, "Ready", "True")

    seconds = world.eventually(
        lambda: len(world.pods(name)) == 1, "without load one pod is left", IN_SECONDS
    )
    world.figures["scaled in 3 → 1, seconds"] = f"{seconds:.0f}"
    world.wait_ready(name)
    assert "cognitive-operator" not in _owners_of_replicas(world.child("Deployment", name))


@pytest.mark.timeout(240)
def test_when_a_fixed_size_becomes_elastic_then_no_pod_is_dropped_on_the_way(
    world: World,
) -> None:
    name = "switched"
    bounds = {**ELASTIC, "minReplicas": 2, "targetCPUUtilizationPercent": 1000}
    world.create(name, open_spec(replicas=2))
    world.wait_ready(name)
    pods = world.pod_starts(name)
    selector = f"app.kubernetes.io/instance={name}"

    with world.kube.watch("Deployment", world.namespace, labelSelector=selector) as watch:
        started = time.monotonic()
        world.change(name, replicas=None, autoscaling=bounds)
        world.eventually(
            lambda: world.of("HorizontalPodAutoscaler", name), "the autoscaler is made"
        )

        def decides() -> bool:
            status = world.child("HorizontalPodAutoscaler", name).get("status", {})
            active = {c["type"]: c["status"] for c in status.get("conditions", ())}
            return status.get("desiredReplicas") == 2 and active.get("ScalingActive") == "True"

        world.eventually(decides, "the autoscaler decides", 90)
        world.figures["autoscaler decides after a switch, seconds"] = (
            f"{time.monotonic() - started:.0f}"
        )
        world.wait_ready(name)
        assert "cognitive-operator" not in _owners_of_replicas(world.child("Deployment", name))

        world.change(name, replicas=2, autoscaling=None)
        world.wait_ready(name)
        world.eventually(
            lambda: not world.of("HorizontalPodAutoscaler", name), "the autoscaler is gone"
        )
        history = [body["spec"]["replicas"] for body in watch.objects()]

    assert history, "the watch saw the Deployment change"
    assert set(history) == {2}, f"spec.replicas was {history}"
    assert world.pod_starts(name) == pods
    assert "cognitive-operator" in _owners_of_replicas(world.child("Deployment", name))
