"""Given engines with every kind of child, when they are deleted, then nothing is left."""

import pytest

from world import World, open_spec

GONE_SECONDS = 90.0
# Kinds that are no objects of their own: reports that fade, and figures of pods.
FADING = ("events", "metrics.k8s.io")


def _everything(world: World) -> set[str]:
    kinds = world.kube.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name")
    wanted = [kind for kind in kinds.split() if not any(word in kind for word in FADING)]
    listed = world.kube.kubectl("-n", world.namespace, "get", ",".join(wanted), "-o", "name")
    return set(listed.split())


@pytest.mark.timeout(240)
def test_when_engines_are_deleted_then_nothing_is_left(world: World) -> None:
    world.eventually(lambda: "configmap/kube-root-ca.crt" in _everything(world), "the ground")
    before = _everything(world)
    world.create("fixed", open_spec(replicas=2))
    world.create("elastic", open_spec(autoscaling={"minReplicas": 1, "maxReplicas": 2}))
    world.wait_ready("fixed")
    world.wait_ready("elastic")
    made = {name.partition("/")[0].partition(".")[0] for name in _everything(world) - before}
    assert made >= {
        "cognitiveengine", "configmap", "deployment", "endpointslice", "horizontalpodautoscaler",
        "pod", "poddisruptionbudget", "replicaset", "service", "serviceaccount",
    }  # fmt: skip

    world.kube.kubectl("-n", world.namespace, "delete", "ce", "--all", "--timeout=30s")

    seconds = world.eventually(
        lambda: _everything(world) <= before, "nothing is left of the engines", GONE_SECONDS
    )
    world.figures["engine deleted, seconds until nothing is left"] = f"{seconds:.1f}"
