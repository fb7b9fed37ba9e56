"""Given clients behind the cluster's Gateway, when pods are replaced or killed, then few notice.

The clients never try again: each connects to Envoy, sends a request, and counts what comes back.
Nor does the Gateway, whose routes know no retries.
"""

import time
from collections.abc import Iterator

import httpx2
import pytest

from kube import Json
from system import ENGINE_COMMAND, Killer
from world import KEY, Traffic, World, keyed_spec

NAME = "routed"
GATEWAY = {"namespace": "projectcontour", "name": "contour"}
# Clients name the Gateway's Service, so that is the host they ask for.
ENVOY = {"namespace": "projectcontour", "name": "envoy"}
HOST = f"{ENVOY['name']}.{ENVOY['namespace']}.svc"
CLIENTS, PAUSE_SECONDS = 40, 0.2  # 200 requests a second, as long as answers are quick
TRAFFIC = {
    "TARGET": HOST,
    "THREADS": CLIENTS,
    "PAUSE_SECONDS": PAUSE_SECONDS,
    "MAX_SECONDS": 60,
}
# So many requests in a row without a failure mean that it is over: half a second and more.
CALM = 4 * CLIENTS
# A roll-out on a small machine slows everybody down; less than this would prove little.
RATE_MIN = 100
NOTICED_SECONDS = 10.0
# Limits are on, and far away.
LIMIT = {"enabled": True, "requestsPerSecond": 10_000, "burst": 10_000}


@pytest.fixture(scope="module")
def served(world: World) -> Iterator[World]:
    """Given two pods that the Gateway leads to."""
    world.secret("keys")
    spec = keyed_spec("keys", replicas=2)
    world.create(NAME, {**spec, "api": {**spec["api"], "rateLimit": LIMIT}})
    world.wait_ready(NAME)
    world.kube.create(_route(world))
    try:
        world.eventually(lambda: _attached(world), "the Gateway takes the route")
        way = world.ways.service(ENVOY["namespace"], ENVOY["name"])
        with httpx2.Client(base_url=way, headers={"Host": HOST}, trust_env=False) as client:
            world.eventually(
                lambda: client.get("/health/readiness").status_code == 200,
                "the Gateway leads to the engine",
            )
        yield world
    finally:
        world.kube.delete("HTTPRoute", world.namespace, NAME)


def _route(world: World) -> Json:
    backend = {"name": world.child("Service", NAME)["metadata"]["name"], "port": 80}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": NAME, "namespace": world.namespace},
        "spec": {
            "parentRefs": [GATEWAY],
            "hostnames": [HOST],
            "rules": [{"backendRefs": [backend]}],
        },
    }


def _attached(world: World) -> bool:
    status = world.kube.get("HTTPRoute", world.namespace, NAME).get("status", {})
    wanted = {("Accepted", "True"), ("ResolvedRefs", "True")}
    return any(
        wanted <= {(each["type"], each["status"]) for each in parent["conditions"]}
        for parent in status.get("parents", ())
    )


class Rate:
    """Requests a second since it was made."""

    def __init__(self, report: Json) -> None:
        self._sent, self._since = report["sent"], time.monotonic()

    def of(self, report: Json) -> float:
        return float(report["sent"] - self._sent) / (time.monotonic() - self._since)


@pytest.mark.timeout(300)
def test_when_the_spec_changes_under_load_then_no_request_is_lost(served: World) -> None:
    old = served.engine(NAME)["status"]["revision"]
    with served.traffic(NAME, KEY, **TRAFFIC) as traffic:
        served.eventually(lambda: traffic.report()["sent"] >= 10 * CLIENTS, "traffic flows")
        rate = Rate(traffic.report())

        served.change(NAME, governance={"rhythm": {"wakeDuration": 9}})
        new = served.wait_ready(NAME)["status"]["revision"]

        at_ready = traffic.report()["sent"]
        served.eventually(
            lambda: traffic.report()["sent"] >= at_ready + 10 * CLIENTS, "traffic goes on"
        )
        at_end = rate.of(traffic.report())
        report = traffic.stop()

    told = f"{traffic.summary(report)}, {at_end:.0f} a second"
    served.figures["requests through the Gateway during a roll-out"] = told
    assert report["failed"] == 0, report["faults"]
    assert report["reconnected"] == 0, "nothing was sent twice"
    assert set(report["revisions"]) == {old, new}, "the traffic met both revisions"
    assert at_end >= RATE_MIN


@pytest.mark.timeout(300)
def test_when_a_pod_is_killed_under_load_then_only_requests_in_flight_are_lost(
    served: World,
) -> None:
    before = served.pod_starts(NAME)
    killer = Killer.of(served.kube, served.pods(NAME)[0], ENGINE_COMMAND)
    with served.traffic(NAME, KEY, **TRAFFIC) as traffic:
        served.eventually(lambda: traffic.report()["sent"] >= 10 * CLIENTS, "traffic flows")
        rate = Rate(traffic.report())
        assert traffic.report()["failed"] == 0, traffic.report()["faults"]

        killer.kill()
        served.eventually(killer.dead, "the engine that was killed is dead")
        lost = _failed_when_calm(served, traffic)

        seconds = served.eventually(lambda: _replaced(served, before), "another pod serves", 60)
        served.wait_ready(NAME)
        at_end = rate.of(traffic.report())
        report = traffic.stop()

    how = "SIGKILL" if killer.processes else "forced deletion"
    told = f"{traffic.summary(report)}, {at_end:.0f} a second, new pod after {seconds:.1f} s"
    served.figures[f"requests through the Gateway and a {how}"] = told
    assert lost <= CLIENTS, report["faults"]
    assert report["failed"] == lost, "none was lost later"
    assert report["reconnected"] == 0, "nothing was sent twice"
    assert at_end >= RATE_MIN


@pytest.mark.timeout(300)
def test_when_a_process_is_killed_in_its_pod_then_the_gap_is_short(served: World) -> None:
    """Its address stays with the Gateway until the kubelet notices, and refuses connections."""
    victim = served.pods(NAME)[0]
    starts = served.pod_starts(NAME)[victim["metadata"]["uid"]]
    killer = Killer.of(served.kube, victim, ENGINE_COMMAND)
    if not killer.processes:
        pytest.fail("no process of an engine can be reached from here", pytrace=False)
    with served.traffic(NAME, KEY, **TRAFFIC) as traffic:
        served.eventually(lambda: traffic.report()["sent"] >= 10 * CLIENTS, "traffic flows")

        killer.kill_processes()
        killed = time.monotonic()
        lost = _failed_when_calm(served, traffic)
        gap = time.monotonic() - killed
        served.eventually(
            lambda: served.pod_starts(NAME)[victim["metadata"]["uid"]] == starts + 1,
            "the same pod starts again",
            30,
        )
        served.wait_ready(NAME)
        report = traffic.stop()

    told = f"{traffic.summary(report)}, calm after {gap:.1f} s"
    served.figures["requests through the Gateway and a process killed"] = told
    assert report["failed"] == lost, "none was lost later"
    assert gap < NOTICED_SECONDS


def _replaced(world: World, before: dict[str, int]) -> bool:
    ready = world.engine(NAME)["status"].get("readyReplicas", 0)
    return ready == len(before) and world.pod_starts(NAME).keys() != before.keys()


def _failed_when_calm(world: World, traffic: Traffic) -> int:
    """Return how many requests have failed, once so many in a row have not."""
    counted: Json = traffic.report()

    def calm() -> bool:
        nonlocal counted
        latest = traffic.report()
        if latest["failed"] != counted["failed"]:
            counted = latest
        return bool(latest["sent"] >= counted["sent"] + CALM)

    world.eventually(calm, "requests stop to fail", NOTICED_SECONDS)
    return int(counted["failed"])
