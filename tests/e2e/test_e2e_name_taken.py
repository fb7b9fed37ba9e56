"""Given an object of a needed name that is somebody else's, then it is left alone."""

import pytest

from kube import Json, steadily
from world import World, open_spec

HELD_SECONDS = 8.0


def _service(world: World, name: str, owner: Json | None) -> Json:
    meta: Json = {"name": name, "namespace": world.namespace, "labels": {"team": "other"}}
    if owner is not None:
        meta["ownerReferences"] = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
    ports = [{"name": "theirs", "port": 4242}]
    return world.kube.create(
        {"kind": "Service", "metadata": meta, "spec": {"selector": {"app": "x"}, "ports": ports}}
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("owned", [False, True], ids=["nobody's", "somebody else's"])
def test_when_the_name_is_taken_then_it_is_not_touched_and_when_freed_it_heals(
    world: World, owned: bool
) -> None:
    name = "taken-owned" if owned else "taken"
    owner = None
    if owned:
        meta = {"name": "their-parent", "namespace": world.namespace}
        owner = world.kube.create({"kind": "ConfigMap", "metadata": meta})
    theirs = _service(world, name, owner)

    world.create(name, open_spec(replicas=1))
    ready = world.wait_condition(name, "Ready", "False", "NameTaken")
    assert f"Service {name}" in ready["message"]

    def untouched() -> bool:
        now = world.kube.get("Service", world.namespace, name)
        return bool(now == theirs)

    steadily(untouched, HELD_SECONDS, "their Service is as they made it", dump=world.dump)
    world.eventually(lambda: len(world.pods(name)) == 1, "what is not in the way is made", 60)

    world.kube.delete("Service", world.namespace, name)
    seconds = world.eventually(
        lambda: len(world.of("Service", name)) == 1, "the freed name is used"
    )
    world.figures["name freed, seconds to heal"] = f"{seconds:.1f}"
    world.wait_ready(name)
    with world.client(name) as client:
        assert client.generate("hello")["accepted"]


@pytest.mark.timeout(120)
def test_when_the_engine_goes_then_what_it_never_owned_stays(world: World) -> None:
    theirs = _service(world, "bystander", None)
    world.create("bystander", open_spec(replicas=0))
    world.wait_condition("bystander", "Ready", "False", "NameTaken")

    world.kube.delete("CognitiveEngine", world.namespace, "bystander")

    world.eventually(lambda: not world.of("Deployment", "bystander"), "its children are gone", 60)
    assert world.kube.get("Service", world.namespace, "bystander") == theirs
