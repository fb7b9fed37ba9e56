"""The plan: what is written, pruned and held back."""

import copy
import json

import pytest

import gen
from cognitive_api import __version__, identity
from cognitive_api.engine_config import EngineConfig
from cognitive_operator.domain import limits
from cognitive_operator.domain.builders import base
from cognitive_operator.domain.observed import Child, ChildKey, Observed
from cognitive_operator.domain.plan import Plan, desired_children, plan

EMPTY = Observed(default_image=gen.IMAGE)


def kinds(decided: Plan) -> list[str]:
    return [write.key.kind for write in decided.writes]


def test_first_pass_creates_what_pods_need_before_the_pods() -> None:
    decided = plan(gen.engine(), EMPTY)
    assert kinds(decided) == [
        "ServiceAccount",
        "ConfigMap",
        "Service",
        "Deployment",
        "PodDisruptionBudget",
    ]
    assert all(write.creates for write in decided.writes)


def test_a_settled_engine_needs_no_write_and_sleeps_long() -> None:
    engine = gen.engine()
    decided = plan(engine, gen.settled(engine))
    assert decided.settled
    assert decided.rollout.complete
    assert decided.requeue_after == limits.RESYNC_SECONDS


@pytest.mark.parametrize(
    "optional",
    [
        {"autoscaling": {}},
        {"monitoring": {"serviceMonitor": {"enabled": True, "labels": {"team": "a"}}}},
        {"podTemplate": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]}},
    ],
)
def test_an_option_set_and_removed_leaves_the_same_children(optional: dict[str, object]) -> None:
    plain, rich = gen.engine(), gen.engine(**optional)
    world = gen.settled(rich, monitor_kind_known=True)
    decided = plan(plain, world)
    extra = {k for k in world.children if k.kind in {"HorizontalPodAutoscaler", "ServiceMonitor"}}
    assert {prune.key for prune in decided.prunes} == extra
    assert desired_children(plain, EMPTY) == desired_children(gen.engine(), EMPTY)


def test_every_changed_setting_gives_another_config_and_revision() -> None:
    before = plan(gen.engine(), EMPTY)
    after = plan(gen.engine(governance={"rhythm": {"wakeDuration": 9}}), EMPTY)
    assert before.revision != after.revision
    assert {w.key for w in before.writes if w.key.kind == "ConfigMap"}.isdisjoint(
        {w.key for w in after.writes}
    )


def test_scaling_alone_changes_no_revision() -> None:
    assert (
        plan(gen.engine(replicas=1), EMPTY).revision == plan(gen.engine(replicas=9), EMPTY).revision
    )


def test_an_old_config_stays_until_the_last_pod_left_it() -> None:
    old, new = gen.engine(), gen.engine(governance={"rhythm": {"wakeDuration": 9}})
    children = {**gen.settled(new).children}
    old_config = next(w for w in plan(old, EMPTY).writes if w.key.kind == "ConfigMap")
    children[old_config.key] = gen.live(old_config.manifest)
    deployment = ChildKey("Deployment", "mind")
    done = children[deployment]
    half = gen.live(copy.deepcopy(dict(done.manifest)), updatedReplicas=1)
    rolling = plan(new, Observed({**children, deployment: half}, default_image=gen.IMAGE))
    assert rolling.prunes == ()
    finished = plan(new, Observed(children, default_image=gen.IMAGE))
    assert [prune.key for prune in finished.prunes] == [old_config.key]
    assert finished.prunes[0].uid == "uid-ConfigMap"


def test_a_missing_secret_leaves_pods_and_config_alone_but_nothing_else() -> None:
    engine = gen.engine(**gen.KEYED)
    decided = plan(engine, Observed(missing_secrets=frozenset({"keys"}), default_image=gen.IMAGE))
    assert kinds(decided) == ["ServiceAccount", "Service", "PodDisruptionBudget"]
    assert [item.secret for item in decided.missing_secrets] == ["keys"]
    assert decided.requeue_after == limits.MISSING_POLL_SECONDS


def test_a_taken_name_is_never_written() -> None:
    taken = ChildKey("Service", "mind")
    decided = plan(gen.engine(), Observed(taken=frozenset({taken}), default_image=gen.IMAGE))
    assert taken not in {write.key for write in decided.writes}
    assert decided.taken == (taken,)


def test_suspended_writes_nothing_whatever_is_missing() -> None:
    decided = plan(gen.engine(suspend=True), EMPTY)
    assert decided.settled
    assert decided.suspended


def test_under_an_autoscaler_replicas_are_never_written() -> None:
    engine = gen.engine(autoscaling={"minReplicas": 2, "maxReplicas": 4})
    deployment = next(c for c in desired_children(engine, EMPTY) if c["kind"] == "Deployment")
    assert "replicas" not in deployment["spec"]


def test_switching_to_an_autoscaler_hands_the_number_over_first() -> None:
    fixed = gen.engine(replicas=5)
    world = gen.settled(fixed)
    key = ChildKey("Deployment", "mind")
    owned = Child(world.children[key].manifest, owns_replicas=True)
    decided = plan(
        gen.engine(autoscaling={}),
        Observed({**world.children, key: owned}, default_image=gen.IMAGE),
    )
    assert decided.handover is not None
    assert (decided.handover.key, decided.handover.replicas) == (key, 5)


@pytest.mark.parametrize(
    ("spec", "bound"),
    [
        ({"replicas": 0}, {"minAvailable": 0}),
        ({"replicas": 1}, {"minAvailable": 0}),
        ({"replicas": 2}, {"minAvailable": 1}),
        ({}, {"minAvailable": 2}),
        ({"replicas": 9}, {"minAvailable": 2}),
        ({"replicas": 3, "disruptionBudget": {"minAvailable": 9}}, {"minAvailable": 2}),
        ({"disruptionBudget": {"maxUnavailable": 1}}, {"maxUnavailable": 1}),
        ({"autoscaling": {"minReplicas": 1}}, {"minAvailable": 0}),
        ({"autoscaling": {"minReplicas": 4}}, {"minAvailable": 2}),
    ],
)
def test_the_budget_always_leaves_a_drain_one_pod_to_move(
    spec: dict[str, object], bound: dict[str, int]
) -> None:
    pdb = next(
        c for c in desired_children(gen.engine(**spec), EMPTY) if c["kind"] == "PodDisruptionBudget"
    )
    assert {k: v for k, v in pdb["spec"].items() if k != "selector"} == bound


def test_no_child_holds_a_secret_and_the_config_boots() -> None:
    engine = gen.engine(**gen.KEYED)
    children = desired_children(engine, EMPTY)
    config = next(c for c in children if c["kind"] == "ConfigMap")
    assert config["immutable"] is True
    parsed = EngineConfig.model_validate(json.loads(config["data"][identity.CONFIG_FILE_NAME]))
    assert parsed.memory.capacity == 20000
    deployment = next(c for c in children if c["kind"] == "Deployment")
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert all("valueFrom" not in item for item in env)


def test_pods_meet_the_restricted_standard() -> None:
    deployment = next(c for c in desired_children(gen.engine(), EMPTY) if c["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    guard = pod["containers"][0]["securityContext"]
    assert guard == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_new_release_of_the_operator_restarts_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    def template() -> object:
        children = desired_children(gen.engine(), EMPTY)
        return next(c for c in children if c["kind"] == "Deployment")["spec"]["template"]

    before = template()
    monkeypatch.setattr(base, "__version__", "9.9.9")
    assert template() == before


def test_long_names_fit_and_stay_apart() -> None:
    head = "a" * 70
    names = [
        child["metadata"]["name"]
        for tail in ("x", "y")
        for child in desired_children(gen.engine(head + tail), EMPTY)
        if child["kind"] in {"Deployment", "ConfigMap"}
    ]
    assert all(len(name) <= 63 for name in names)
    assert len(set(names)) == 4


def test_every_child_is_owned_labelled_and_hashed() -> None:
    world = Observed(monitor_kind_known=True, default_image=gen.IMAGE)
    engine = gen.engine(autoscaling={}, monitoring={"serviceMonitor": {"enabled": True}})
    children = desired_children(engine, world)
    assert len(children) == 7
    for child in children:
        meta = child["metadata"]
        assert meta["ownerReferences"][0]["uid"] == engine.uid
        assert meta["ownerReferences"][0]["controller"] is True
        assert meta["labels"][identity.LABEL_MANAGED_BY] == identity.FIELD_MANAGER
        assert meta["labels"][identity.LABEL_VERSION] == __version__
        assert len(meta["annotations"][identity.ANNOTATION_APPLIED]) == limits.HASH_DIGITS
