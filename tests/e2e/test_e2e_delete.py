"""Given engines with every kind of child, when they are deleted, then nothing is left."""

from dataclasses import replace

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


@pytest.mark.long
@pytest.mark.timeout(300)
def test_when_the_namespace_is_deleted_then_it_goes_and_the_operator_serves_on(
    world: World,
) -> None:
    name = f"{world.namespace}-gone"
    labels = {"e2e/suite": "cognitive"}
    world.kube.create({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    there = replace(world, namespace=name)
    there.create("fixed", open_spec(replicas=1))
    there.wait_ready("fixed")
    operator, since = world.system.incarnations(), world.system.audit.mark()

    world.kube.delete("Namespace", "", name)

    seconds = there.eventually(
        lambda: world.kube.find("Namespace", "", name) is None, "the namespace is gone", 120
    )
    tried = world.system.audit.writes(since, world.system.user_prefix, name)
    world.figures["namespace deleted, seconds until gone"] = f"{seconds:.1f}"
    world.figures["writes tried meanwhile"] = str(len(tried))
    assert world.system.incarnations() == operator
    world.create("after", open_spec(replicas=1))
    world.wait_ready("after")
