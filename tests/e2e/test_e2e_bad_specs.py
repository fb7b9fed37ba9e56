"""Given a good engine, when anybody applies a bad one, then it is refused and the good one runs."""

from typing import Any

import pytest
import yaml

from badspecs import GOOD, BadSpec, bad_specs
from kube import APIFault
from world import KEY, World

GOOD_NAME = "good"
CASES = bad_specs()


@pytest.fixture(scope="module")
def good(world: World) -> World:
    """Given an engine that runs."""
    world.secret("keys")
    world.kube.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(world.manifest(GOOD_NAME, GOOD)))
    world.wait_ready(GOOD_NAME)
    return world


def _refusal(world: World, spec: Any) -> str:
    """Return why the API server refuses a new engine of this spec."""
    with pytest.raises(APIFault) as refused:
        world.kube.create(world.manifest("bad", spec), dryRun="All", fieldValidation="Strict")
    assert refused.value.status in {400, 422}, str(refused.value)
    return refused.value.message


def test_given_the_base_of_all_cases_then_it_is_accepted(good: World) -> None:
    good.kube.create(good.manifest("bad", GOOD), dryRun="All", fieldValidation="Strict")
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_when_a_bad_spec_is_sent_then_it_is_refused_by_name(good: World, case: BadSpec) -> None:
    assert case.named in _refusal(good, case.spec)


@pytest.mark.parametrize("name", ["1-starts-with-a-digit", "has.a.dot"])
def test_when_the_name_does_not_fit_then_it_is_refused(good: World, name: str) -> None:
    with pytest.raises(APIFault, match=r"metadata\.name must start with a letter"):
        good.kube.create(good.manifest(name, GOOD), dryRun="All")


@pytest.mark.timeout(180)
def test_when_each_is_applied_over_the_good_one_then_that_keeps_running(good: World) -> None:
    before, pods = good.engine(GOOD_NAME), good.pod_starts(GOOD_NAME)
    documents = yaml.safe_dump_all(good.manifest(GOOD_NAME, case.spec) for case in CASES)

    done = good.kube.kubectl_result("apply", "-f", "-", stdin=documents)

    assert done.returncode != 0
    assert done.stdout == "", "kubectl reports something applied"
    assert done.stderr.count("error when patching") == len(CASES), "each was sent and refused"
    # Whatever was sent: the very same version of the object, and the very same pods.
    assert good.engine(GOOD_NAME) == before
    assert good.pod_starts(GOOD_NAME) == pods
    with good.client(GOOD_NAME, KEY) as client:
        assert client.generate("still there?")["accepted"]


def test_when_all_were_refused_then_nothing_was_made(good: World) -> None:
    names = {
        body["metadata"]["name"] for body in good.kube.items("CognitiveEngine", good.namespace)
    }
    assert names == {GOOD_NAME}
    assert {
        item["metadata"]["labels"].get("app.kubernetes.io/instance")
        for item in good.kube.items("Deployment", good.namespace)
    } == {GOOD_NAME}
