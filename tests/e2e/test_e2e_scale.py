"""Given an engine, when people look at it and scale it, then kubectl is all they need."""

from collections.abc import Iterator

import pytest

from kube import Json, Watch, condition_of
from world import World, open_spec

NAME = "scaled"


@pytest.fixture(scope="module")
def watch(world: World) -> Iterator[Watch]:
    """Given an engine that was watched from before its first moment."""
    with world.kube.watch("CognitiveEngine", world.namespace) as watch:
        world.create(NAME, open_spec(replicas=1))
        world.wait_ready(NAME)
        yield watch


def _transitions(versions: list[Json]) -> list[str]:
    """Return the reasons that the Ready condition took, one for each change."""
    seen: list[tuple[str, str]] = []
    for body in versions:
        ready = condition_of(body, "Ready")
        if ready is not None and seen[-1:] != [(ready["status"], ready["reason"])]:
            seen.append((ready["status"], ready["reason"]))
    return [reason for _, reason in seen]


def test_when_listed_then_the_columns_tell_whether_and_why(world: World, watch: Watch) -> None:
    narrow = world.kube.kubectl("-n", world.namespace, "get", "ce", NAME).splitlines()
    wide = world.kube.kubectl("-n", world.namespace, "get", "ce", NAME, "-o", "wide").splitlines()
    status = world.engine(NAME)["status"]
    assert narrow[0].split() == ["NAME", "READY", "REASON", "REPLICAS", "REVISION", "AGE"]
    assert narrow[1].split()[:5] == [NAME, "True", "AllReplicasReady", "1", status["revision"]]
    assert wide[0].split()[-2:] == ["IMAGE", "ENDPOINT"]
    assert wide[1].split()[-2:] == [
        world.system.engine_image,
        f"http://{NAME}.{world.namespace}.svc:80",
    ]


def test_when_all_is_listed_then_the_engine_is_in_it(world: World, watch: Watch) -> None:
    listed = world.kube.kubectl("-n", world.namespace, "get", "all", "-o", "name")
    assert f"cognitiveengine.mlsdm.io/{NAME}" in listed.split()


@pytest.mark.parametrize("replicas", [2, 1])
def test_when_scaled_by_kubectl_then_that_many_pods_serve(
    world: World, watch: Watch, replicas: int
) -> None:
    world.kube.kubectl("-n", world.namespace, "scale", f"ce/{NAME}", f"--replicas={replicas}")
    body = world.wait_ready(NAME)
    assert body["status"]["replicas"] == replicas
    world.eventually(lambda: len(world.pods(NAME)) == replicas, f"{replicas} pods run")

    scale = world.kube.request(
        "GET", world.kube.path("CognitiveEngine", world.namespace, NAME, "scale")
    )
    assert scale["status"]["replicas"] == replicas
    selected = world.kube.items("Pod", world.namespace, labelSelector=scale["status"]["selector"])
    running = [pod for pod in selected if not pod["metadata"].get("deletionTimestamp")]
    assert len(running) == replicas


def test_when_it_has_settled_then_each_transition_made_one_event(
    world: World, watch: Watch
) -> None:
    uid = world.engine(NAME)["metadata"]["uid"]

    def told() -> bool:
        events = world.kube.items(
            "Event", world.namespace, fieldSelector=f"involvedObject.uid={uid}"
        )
        events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        wanted = _transitions(list(watch.objects()))
        assert [event["reason"] for event in events] == wanted
        return all(event["count"] == 1 and event["message"] for event in events)

    assert _transitions(list(watch.objects()))[-1] == "AllReplicasReady"
    world.eventually(told, "the events are the transitions of Ready, each told once")
