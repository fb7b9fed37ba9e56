"""Status: every state of the world has one stable reason, and repeats change nothing."""

import copy
from typing import Any

import pytest

import gen
from cognitive_api.conditions import TABLE, ConditionType, Reason, at_rest
from cognitive_operator.domain.observed import ChildKey, Observed, PodFault
from cognitive_operator.domain.plan import plan
from cognitive_operator.domain.status.report import (
    Failure,
    build_blocked_status,
    build_status,
    is_ready,
    transitions,
)

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"
KEY = ChildKey("Deployment", "mind")


def world(spec: dict[str, Any] | None = None, fault: PodFault | None = None, **status: Any) -> Any:
    engine = gen.engine(**(spec or {}))
    base = gen.settled(engine)
    deployment = gen.live(copy.deepcopy(dict(base.children[KEY].manifest)), **status)
    return engine, Observed(
        {**base.children, KEY: deployment},
        pod_faults=(fault,) if fault else (),
        default_image=gen.IMAGE,
    )


def judged(engine: Any, observed: Observed, failure: Failure | None = None) -> dict[str, Any]:
    return build_status(engine, plan(engine, observed), observed, failure, {}, NOW)


def by_type(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


PULL = PodFault("mind-x", "ImagePullBackOff", "no such image")
STUCK = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
REFUSED = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]

CASES: dict[str, tuple[Any, str, str, set[str]]] = {
    "all pods ready": (world(), "True", "AllReplicasReady", set()),
    "no pods wanted": (world({"replicas": 0}), "False", "ScaledToZero", set()),
    "pods starting": (world(readyReplicas=0), "False", "WaitingForPods", {"Reconciling"}),
    "pods being replaced": (
        world(updatedReplicas=1, replicas=4),
        "False",
        "RollingOut",
        {"Reconciling"},
    ),
    "controller has not seen it": (
        world(observedGeneration=0),
        "False",
        "RollingOut",
        {"Reconciling"},
    ),
    "a pod cannot start": (
        world(None, PULL, readyReplicas=2),
        "False",
        "PodFailing",
        {"Reconciling"},
    ),
    "no progress in time": (
        world(None, PULL, readyReplicas=2, conditions=STUCK),
        "False",
        "ProgressDeadlineExceeded",
        {"Stalled"},
    ),
    "the cluster refuses pods": (
        world(replicas=0, readyReplicas=0, updatedReplicas=0, conditions=REFUSED),
        "False",
        "PodsRefused",
        {"Stalled"},
    ),
}


@pytest.mark.parametrize(("made", "status", "reason", "abnormal"), CASES.values(), ids=CASES)
def test_reason_of(made: Any, status: str, reason: str, abnormal: set[str]) -> None:
    found = by_type(judged(*made))
    assert found["Ready"] == (status, reason)
    assert {"Reconciling", "Stalled"} & found.keys() == abnormal


def test_the_pods_fault_is_told_in_the_message() -> None:
    message = next(
        c["message"]
        for c in judged(*CASES["a pod cannot start"][0])["conditions"]
        if c["type"] == "Ready"
    )
    assert "mind-x: ImagePullBackOff: no such image" in message
    assert "2 of 3" in message


def test_a_failed_write_outranks_the_pods() -> None:
    failure = Failure(Reason.WRITE_REFUSED, "PATCH x: 403 forbidden")
    found = by_type(judged(*world(), failure))
    assert found["Ready"] == ("False", "WriteRefused")
    assert "Stalled" in found


def test_a_missing_monitor_kind_is_said_but_hurts_nothing() -> None:
    engine = gen.engine(monitoring={"serviceMonitor": {"enabled": True}})
    found = by_type(judged(engine, gen.settled(engine)))
    assert found["MonitoringReady"] == ("False", "ServiceMonitorCRDMissing")
    assert found["Ready"][0] == "True"


def test_suspended_is_neither_reconciling_nor_stalled() -> None:
    found = by_type(judged(gen.engine(suspend=True), Observed(default_image=gen.IMAGE)))
    assert found["Suspended"][0] == "True"
    assert not {"Reconciling", "Stalled"} & found.keys()


def test_an_unchanged_world_gives_the_same_bytes_at_any_time() -> None:
    engine, observed = world()
    first = judged(engine, observed)
    again = build_status(engine, plan(engine, observed), observed, None, first, LATER)
    assert again == first


def test_a_changed_condition_gets_a_new_time_and_one_event() -> None:
    engine, observed = world()
    first = judged(engine, observed)
    engine, observed = world(readyReplicas=1)
    second = build_status(engine, plan(engine, observed), observed, None, first, LATER)
    ready = next(c for c in second["conditions"] if c["type"] == "Ready")
    accepted = next(c for c in second["conditions"] if c["type"] == "Accepted")
    assert (ready["lastTransitionTime"], accepted["lastTransitionTime"]) == (LATER, NOW)
    assert [t.reason for t in transitions(first, second)] == ["WaitingForPods"]
    assert transitions(second, second) == []


def test_an_unreachable_world_keeps_what_was_known() -> None:
    before = judged(*world())
    after = build_blocked_status(7, Failure(Reason.API_UNAVAILABLE, "late"), before, LATER)
    found = by_type(after)
    assert not is_ready(after)
    assert found["Available"] == by_type(before)["Available"]
    assert after["observedGeneration"] == before["observedGeneration"]
    assert after["revision"] == before["revision"]


def test_an_unreadable_spec_is_judged_for_its_generation() -> None:
    after = build_blocked_status(7, Failure(Reason.INVALID_SPEC, "spec.x: no"), {}, NOW)
    assert after["observedGeneration"] == 7
    assert by_type(after)["Accepted"] == ("False", "InvalidSpec")


def test_at_rest_every_condition_reads_as_the_reference_says() -> None:
    found = by_type(judged(*world()))
    assert {kind.value: found.get(kind.value, ("absent", ""))[0] for kind in ConditionType} == {
        kind.value: at_rest(kind) for kind in ConditionType
    }


def test_every_reason_has_a_row() -> None:
    assert set(TABLE) == set(Reason)
