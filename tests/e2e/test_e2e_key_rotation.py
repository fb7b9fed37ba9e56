"""Given a running engine, when its keys are replaced, then it follows without a restart."""

import pytest

from world import KEY, World, keyed_spec

NAME = "rotated"
NEW_KEY = "fedcba9876543210-new"
# The kubelet looks at mounted Secrets about once a minute; the engine at the file every 2 s.
ROTATION_SECONDS = 120.0


@pytest.mark.timeout(300)
def test_when_the_secret_changes_then_the_new_key_opens_and_the_old_one_does_not(
    world: World,
) -> None:
    world.secret("keys")
    world.create(NAME, keyed_spec("keys", replicas=1))
    world.wait_ready(NAME)
    pods = world.pod_starts(NAME)
    with world.client(NAME, KEY) as old, world.client(NAME, NEW_KEY) as new:
        assert old.get("/v1/state").status_code == 200
        assert new.get("/v1/state").status_code == 401

        world.kube.patch("Secret", world.namespace, "keys", {"stringData": {"api-key": NEW_KEY}})
        seconds = world.eventually(
            lambda: new.get("/v1/state").status_code == 200, "the new key opens", ROTATION_SECONDS
        )
        assert old.get("/v1/state").status_code == 401
    world.figures["keys replaced, seconds to follow"] = f"{seconds:.0f}"
    assert world.pod_starts(NAME) == pods
    world.wait_condition(NAME, "Ready", "True")
