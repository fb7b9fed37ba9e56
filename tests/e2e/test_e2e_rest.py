"""Given engines that have nothing left to do, when a minute passes, then nothing is written."""

import pytest

from auditlog import Mark
from kube import steadily
from world import World, keyed_spec, open_spec

# The longer one outlasts the resync and the server's own end of each watch (5 minutes both).
REST_SECONDS = [60.0, pytest.param(400.0, marks=pytest.mark.long)]
SECRET = "keys"
NEVER_SCALES = {
    "minReplicas": 1,
    "maxReplicas": 2,
    "targetCPUUtilizationPercent": 1000,
    "targetMemoryUtilizationPercent": 1000,
}


@pytest.fixture(scope="module")
def resting(world: World, quiet: None) -> World:
    """Given one that is ready, one under an autoscaler, and two that wait.

    One waits for a Secret and one for the ServiceMonitor kind: both are asked for all the time.
    """
    world.secret(SECRET)
    world.create("keyed", keyed_spec(SECRET, replicas=1))
    world.create("elastic", open_spec(autoscaling=NEVER_SCALES))
    world.create("waiting", keyed_spec("nowhere", replicas=1))
    monitor = {"serviceMonitor": {"enabled": True}}
    world.create("watched", open_spec(replicas=1, monitoring=monitor))
    for name in ("keyed", "elastic", "watched"):
        world.wait_ready(name)
    world.wait_condition("waiting", "Ready", "False", "SecretNotFound")
    return world


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", REST_SECONDS)
def test_when_time_passes_then_the_operator_writes_nothing(resting: World, seconds: float) -> None:
    world = resting
    audit, user = world.system.audit, world.system.user_prefix

    def written(since: Mark) -> list[str]:
        return [str(write) for write in audit.writes(since, user)]

    # The same count sees a change: it is able to find something.
    before_change = audit.mark()
    known = world.engine("keyed")["spec"]["memory"]["topK"]
    world.change("keyed", memory={"topK": known + 1})
    world.wait_ready("keyed")
    # The last of it is the prune of the old configuration and the event.
    world.eventually(lambda: len(world.of("ConfigMap", "keyed")) == 1, "the old one is pruned")
    changed = written(before_change)
    assert any("patch deployments" in line for line in changed), changed
    assert any("cognitiveengines/status" in line for line in changed), changed

    at_rest = audit.mark()
    steadily(
        lambda: not written(at_rest),
        seconds,
        "the operator writes nothing at rest",
        dump=lambda: "\n".join([*written(at_rest), world.dump()]),
        every=1.0,
    )
    world.figures["writes at rest"] = f"{len(written(at_rest))} in {seconds:.0f} s"
    world.figures["writes of one change"] = str(len(changed))
