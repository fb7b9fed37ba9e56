"""Given a spec that names a Secret, when that is missing, then nothing breaks and it heals."""

import pytest

from kube import condition_of, steadily
from world import KEY, World, keyed_spec

NAME = "guarded"
HELD_SECONDS = 8.0


@pytest.mark.timeout(240)
def test_when_a_new_engine_names_a_missing_secret_then_it_waits_and_heals(world: World) -> None:
    world.create(NAME, keyed_spec("keys", replicas=1))

    ready = world.wait_condition(NAME, "Ready", "False", "SecretNotFound")
    assert "keys" in ready["message"]
    assert condition_of(world.engine(NAME), "Stalled")
    assert world.of("Deployment", NAME) == [], "pods without their Secret would only hang"
    assert len(world.of("Service", NAME)) == 1

    world.secret("keys")
    seconds = world.eventually(
        lambda: len(world.of("Deployment", NAME)) == 1, "the Deployment follows the Secret"
    )
    world.figures["missing Secret appears, seconds to heal"] = f"{seconds:.1f}"
    world.wait_ready(NAME)
    assert condition_of(world.engine(NAME), "Stalled") is None


@pytest.mark.timeout(240)
def test_when_a_running_engine_is_pointed_at_a_missing_secret_then_its_pods_stay(
    world: World,
) -> None:
    pods = world.pod_starts(NAME)
    assert pods, "the engine of the first proof runs"

    world.change(NAME, api={"auth": {"apiKeySecretRef": {"name": "other-keys"}}})

    ready = world.wait_condition(NAME, "Ready", "False", "SecretNotFound")
    assert "other-keys" in ready["message"]
    world.wait_condition(NAME, "Available", "True")

    def untouched() -> bool:
        with world.client(NAME, KEY) as client:
            client.state()
        return world.pod_starts(NAME) == pods

    steadily(untouched, HELD_SECONDS, "the old pods serve", dump=world.dump, every=1.0)

    world.secret("other-keys", key="another-key-0123456789")
    world.wait_condition(NAME, "Ready", "True")
    with world.client(NAME, "another-key-0123456789") as client:
        # Ready comes a moment before the last connection is led away from the old pod.
        world.eventually(lambda: client.generate("hello")["accepted"], "the new key opens", 5)
