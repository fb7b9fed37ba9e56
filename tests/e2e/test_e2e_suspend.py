"""Given a suspended engine, when things drift, then they stay so until it is resumed."""

import pytest

from kube import condition_of, steadily
from world import World, open_spec

NAME = "paused"
HELD_SECONDS = 10.0
EDIT = {"spec": {"sessionAffinity": "None", "sessionAffinityConfig": None}}


@pytest.mark.timeout(180)
def test_when_suspended_then_drift_stays_and_when_resumed_it_is_undone(world: World) -> None:
    world.create(NAME, open_spec(replicas=1))
    world.wait_ready(NAME)
    assert condition_of(world.engine(NAME), "Suspended") is None
    pods, revision = world.pod_starts(NAME), world.engine(NAME)["status"]["revision"]

    world.change(NAME, suspend=True)
    world.wait_condition(NAME, "Suspended", "True", "SuspendedBySpec")
    world.kube.patch("Service", world.namespace, NAME, EDIT)
    world.kube.delete("PodDisruptionBudget", world.namespace, NAME)
    world.change(NAME, logging={"level": "DEBUG"})
    world.wait_condition(NAME, "Suspended", "True", "SuspendedBySpec")

    def as_drifted() -> bool:
        affinity: str = world.child("Service", NAME)["spec"]["sessionAffinity"]
        return (
            affinity == "None"
            and world.of("PodDisruptionBudget", NAME) == []
            and world.pod_starts(NAME) == pods
        )

    steadily(as_drifted, HELD_SECONDS, "drift stays while suspended", dump=world.dump)
    with world.client(NAME) as client:
        assert client.generate("are you there?")["accepted"], "pods keep serving"

    world.change(NAME, suspend=False)
    seconds = world.eventually(
        lambda: (
            world.child("Service", NAME)["spec"]["sessionAffinity"] == "ClientIP"
            and len(world.of("PodDisruptionBudget", NAME)) == 1
        ),
        "drift is undone after resuming",
    )
    world.figures["resumed, seconds until drift is undone"] = f"{seconds:.1f}"
    body = world.wait_ready(NAME)
    assert condition_of(body, "Suspended") is None
    assert body["status"]["revision"] != revision, "the change made meanwhile rolls out"


@pytest.mark.timeout(120)
def test_when_deleted_while_suspended_then_it_goes_with_all_its_children(world: World) -> None:
    world.change(NAME, suspend=True)
    world.wait_condition(NAME, "Suspended", "True")
    world.kube.delete("CognitiveEngine", world.namespace, NAME)
    world.eventually(
        lambda: not world.of("Deployment", NAME) and not world.of("Pod", NAME),
        "its children are gone",
        60,
    )
