"""Given a cluster without the Prometheus operator, when its kind appears, then it is used."""

from collections.abc import Iterator

import pytest

from kube import Json, Kube, eventually
from world import World, open_spec

NAME = "watched"
MINE = {"e2e/suite": "cognitive"}
CRD_NAME = "servicemonitors.monitoring.coreos.com"
SETTLE_SECONDS = 30.0

# The published kind's names, and of its schema the part that decides who owns what.
CRD: Json = {
    "kind": "CustomResourceDefinition",
    "metadata": {"name": CRD_NAME, "labels": MINE},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {
            "kind": "ServiceMonitor",
            "listKind": "ServiceMonitorList",
            "plural": "servicemonitors",
            "singular": "servicemonitor",
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                                "properties": {
                                    "selector": {
                                        "type": "object",
                                        "x-kubernetes-preserve-unknown-fields": True,
                                        "x-kubernetes-map-type": "atomic",
                                    }
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}


def _remove_crd(kube: Kube) -> None:
    kube.delete("CustomResourceDefinition", "", CRD_NAME)
    eventually(
        lambda: kube.find("CustomResourceDefinition", "", CRD_NAME) is None, 30, "the CRD is gone"
    )


@pytest.fixture(scope="module")
def without_kind(world: World) -> Iterator[World]:
    """Given a cluster that does not know ServiceMonitors; as it was, afterwards."""
    found = world.kube.find("CustomResourceDefinition", "", CRD_NAME)
    if found is not None and not MINE.items() <= found["metadata"].get("labels", {}).items():
        pytest.fail(f"this cluster has {CRD_NAME} of its own: run this on a cluster without it")
    if found is not None:
        _remove_crd(world.kube)
    yield world
    _remove_crd(world.kube)


@pytest.mark.timeout(240)
def test_when_the_kind_is_missing_then_a_condition_says_so_and_it_follows_by_itself(
    without_kind: World,
) -> None:
    world = without_kind
    settings = {"enabled": True, "intervalSeconds": 15, "labels": {"release": "prometheus"}}
    world.create(NAME, open_spec(replicas=1, monitoring={"serviceMonitor": settings}))

    world.wait_condition(NAME, "MonitoringReady", "False", "ServiceMonitorCRDMissing")
    world.wait_ready(NAME)

    operator = world.system.incarnations()
    world.kube.create(CRD)
    seconds = world.eventually(
        lambda: world.of("ServiceMonitor", NAME), "the ServiceMonitor appears", SETTLE_SECONDS
    )
    world.figures["ServiceMonitor kind installed, seconds to follow"] = f"{seconds:.1f}"
    world.wait_condition(NAME, "MonitoringReady", "True", "ServiceMonitorApplied")

    monitor = world.child("ServiceMonitor", NAME)
    service = world.child("Service", NAME)
    wanted = monitor["spec"]["selector"]["matchLabels"]
    endpoint = monitor["spec"]["endpoints"][0]
    assert wanted.items() <= service["metadata"]["labels"].items(), "it selects the Service"
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert (endpoint["path"], endpoint["interval"]) == ("/metrics", "15s")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert world.system.incarnations() == operator, "without a restart of the operator"


@pytest.mark.timeout(120)
def test_when_a_monitor_is_tampered_with_then_it_is_put_back(without_kind: World) -> None:
    world = without_kind
    before = world.child("ServiceMonitor", NAME)["spec"]
    edit = {"spec": {"endpoints": [{"port": "other"}]}}
    world.kube.patch("ServiceMonitor", world.namespace, NAME, edit)
    world.eventually(
        lambda: world.child("ServiceMonitor", NAME)["spec"] == before,
        "the edit is undone",
        SETTLE_SECONDS,
    )
    world.kube.delete("ServiceMonitor", world.namespace, NAME)
    world.eventually(
        lambda: world.child("ServiceMonitor", NAME)["spec"] == before,
        "the deleted one is back",
        SETTLE_SECONDS,
    )


@pytest.mark.timeout(120)
def test_when_it_is_switched_off_then_the_monitor_is_pruned(without_kind: World) -> None:
    world = without_kind
    world.change(NAME, monitoring={"serviceMonitor": {"enabled": False}})
    world.eventually(lambda: world.of("ServiceMonitor", NAME) == [], "the monitor is pruned")
    world.wait_condition(NAME, "MonitoringReady", "True", "ServiceMonitorDisabled")
    world.wait_ready(NAME)
