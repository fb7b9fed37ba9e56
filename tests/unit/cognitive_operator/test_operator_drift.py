"""Drift: what counts as changed, and what is other people's."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

import gen
from cognitive_operator.domain.drift import drifted, parse_quantity
from cognitive_operator.domain.observed import Observed
from cognitive_operator.domain.plan import desired_children

EMPTY = Observed(default_image=gen.IMAGE)


def deployment() -> dict[str, Any]:
    engine = gen.engine(
        resources={"requests": {"cpu": "100m", "memory": "1024Mi"}, "limits": {"cpu": "1000m"}}
    )
    return next(c for c in desired_children(engine, EMPTY) if c["kind"] == "Deployment")


def container(body: dict[str, Any]) -> dict[str, Any]:
    return body["spec"]["template"]["spec"]["containers"][0]


UNCHANGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda body: None,
    "a default of the server": lambda body: container(body).update(terminationMessagePath="/dev/x"),
    "an annotation of somebody else": lambda body: body["metadata"]["annotations"].update(a="b"),
    "a variable of somebody else": lambda body: container(body)["env"].insert(
        0, {"name": "EXTRA", "value": "1"}
    ),
    "another order of variables": lambda body: container(body)["env"].reverse(),
    "a shorter quantity": lambda body: container(body)["resources"]["limits"].update(cpu="1"),
    "a larger unit": lambda body: container(body)["resources"]["requests"].update(memory="1Gi"),
}

CHANGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a number of pods": lambda body: body["spec"].update(replicas=9),
    "an image": lambda body: container(body).update(image="evil"),
    "a removed variable": lambda body: container(body)["env"].pop(),
    "a changed variable": lambda body: container(body)["env"][0].update(value="x"),
    "a removed volume": lambda body: body["spec"]["template"]["spec"]["volumes"].pop(),
    "a lost label": lambda body: body["metadata"]["labels"].popitem(),
    "a narrower selector": lambda body: body["spec"]["selector"]["matchLabels"].update(a="b"),
    "a selector of another kind": lambda body: body["spec"]["selector"].update(
        matchExpressions=[{"key": "a", "operator": "Exists"}]
    ),
    "a lost owner": lambda body: body["metadata"].pop("ownerReferences"),
    "a lost hash": lambda body: body["metadata"].pop("annotations"),
    "a weaker guard": lambda body: container(body)["securityContext"].update(
        readOnlyRootFilesystem=False
    ),
    "a capability given back": lambda body: container(body)["securityContext"].update(
        capabilities={"drop": []}
    ),
    "more memory": lambda body: container(body)["resources"]["limits"].update(memory="4Gi"),
    "a field of another type": lambda body: body["spec"].update(strategy="RollingUpdate"),
}


@pytest.mark.parametrize("change", UNCHANGED.values(), ids=UNCHANGED.keys())
def test_left_alone(change: Callable[[dict[str, Any]], Any]) -> None:
    wanted = deployment()
    found = copy.deepcopy(wanted)
    change(found)
    assert not drifted(wanted, found)


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_put_back(change: Callable[[dict[str, Any]], Any]) -> None:
    wanted = deployment()
    found = copy.deepcopy(wanted)
    change(found)
    assert drifted(wanted, found)


def test_a_field_we_stopped_sending_is_noticed() -> None:
    rich = gen.engine(podTemplate={"nodeSelector": {"disk": "ssd"}})
    before = next(c for c in desired_children(rich, EMPTY) if c["kind"] == "Deployment")
    after = next(c for c in desired_children(gen.engine(), EMPTY) if c["kind"] == "Deployment")
    assert drifted(after, before)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("250m", 0.25), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), (2, 2), ("x", None)],
)
def test_quantities(text: object, value: float | None) -> None:
    parsed = parse_quantity(text)
    assert (None if parsed is None else float(parsed)) == value
