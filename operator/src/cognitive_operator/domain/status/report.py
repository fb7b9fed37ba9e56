"""From a plan, and from what became of it, to status and events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cognitive_api.conditions import ConditionType as Type
from cognitive_api.conditions import Reason

from .. import labels
from ..builders.service import endpoint
from ..observed import Engine, Observed
from ..plan import Plan
from ..rollout import Rollout, Stage
from ..secrets import MountedSecret
from .conditions import Judgement, dated


@dataclass(frozen=True)
class Failure:
    """A write that the API server did not take."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Transition:
    """A change of a condition that people should hear of."""

    warning: bool
    reason: str
    message: str


def build_status(
    engine: Engine,
    plan: Plan,
    observed: Observed,
    failure: Failure | None,
    previous: Mapping[str, Any],
    now: str,
) -> dict[str, Any]:
    """Return the whole status, as it will be applied."""
    ready = _ready(plan, failure)
    judgements = [
        ready,
        _available(plan.rollout),
        _progressing(plan.rollout, ready),
        Judgement(Type.ACCEPTED, True, Reason.SPEC_ACCEPTED),
        _monitoring(engine, observed),
        Judgement(Type.SUSPENDED, plan.suspended, Reason.SUSPENDED),
        *_kstatus(plan, ready),
    ]
    return {
        "observedGeneration": engine.generation,
        "replicas": plan.rollout.replicas,
        "readyReplicas": plan.rollout.ready,
        "selector": labels.selector_text(engine.name),
        "revision": plan.revision,
        "image": plan.image,
        "endpoint": endpoint(engine),
        "conditions": dated(judgements, previous.get("conditions", ()), engine.generation, now),
    }


def build_blocked_status(
    generation: int, failure: Failure, previous: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """Return the status of a pass that could not look at the world.

    Numbers and conditions that were not judged stay as they were; `observedGeneration` moves on
    only when the spec itself is at fault, because then nothing more will be done with it.
    """
    invalid = failure.reason is Reason.INVALID_SPEC
    stalled = invalid or failure.reason is Reason.WRITE_REFUSED
    judged = [
        Judgement(Type.READY, False, failure.reason, failure.message),
        Judgement(
            Type.STALLED if stalled else Type.RECONCILING, True, failure.reason, failure.message
        ),
    ]
    if invalid:
        judged.append(Judgement(Type.ACCEPTED, False, failure.reason, failure.message))
    old = previous.get("conditions", ())
    replaced = {item.type.value for item in judged} | {Type.STALLED.value, Type.RECONCILING.value}
    kept = [item for item in old if item["type"] not in replaced]
    conditions = sorted(
        [*kept, *dated(judged, old, generation, now)], key=lambda item: str(item["type"])
    )
    return {
        **previous,
        "observedGeneration": generation if invalid else previous.get("observedGeneration", -1),
        "conditions": conditions,
    }


def is_ready(status: Mapping[str, Any]) -> bool:
    """Return whether the Ready condition holds."""
    ready = _ready_of(status)
    return ready is not None and ready["status"] == "True"


def transitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Transition]:
    """Return what changed in the Ready condition, as events; repeats make none."""
    old = _ready_of(before)
    new = _ready_of(after)
    if new is None or (old is not None and _key(old) == _key(new)):
        return []
    return [Transition(new["reason"] in _WARNINGS, new["reason"], new["message"])]


_WARNINGS = frozenset(
    reason.value
    for reason in (
        Reason.DEADLINE_EXCEEDED,
        Reason.POD_FAILING,
        Reason.PODS_REFUSED,
        Reason.SECRET_NOT_FOUND,
        Reason.NAME_TAKEN,
        Reason.WRITE_REFUSED,
        Reason.API_UNAVAILABLE,
        Reason.INVALID_SPEC,
    )
)


def _ready_of(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((c for c in status.get("conditions", ()) if c["type"] == Type.READY.value), None)


def _key(condition: Mapping[str, Any]) -> tuple[str, str]:
    return condition["status"], condition["reason"]


def _ready(plan: Plan, failure: Failure | None) -> Judgement:
    rollout = plan.rollout
    if failure is not None:
        return Judgement(Type.READY, False, failure.reason, failure.message)
    if plan.taken:
        named = ", ".join(f"{key.kind} {key.name}" for key in plan.taken)
        return Judgement(
            Type.READY,
            False,
            Reason.NAME_TAKEN,
            f"{named} exists and is not this engine's; it is left alone. Rename or delete it, or "
            "give the engine another name.",
        )
    if plan.missing_secrets:
        return Judgement(
            Type.READY,
            False,
            Reason.SECRET_NOT_FOUND,
            _missing_secrets(plan.missing_secrets),
        )
    reason, message = _rollout_reason(rollout)
    return Judgement(Type.READY, rollout.complete and rollout.wanted > 0, reason, message)


def _missing_secrets(missing: Sequence[MountedSecret]) -> str:
    fields: dict[str, list[str]] = {}
    for item in missing:
        fields.setdefault(item.secret, []).append(item.field)
    named = ", ".join(
        f"Secret {secret}, which {' and '.join(by)} {'names' if len(by) == 1 else 'name'}"
        for secret, by in fields.items()
    )
    verb, them = ("does", "it") if len(fields) == 1 else ("do", "them")
    return (
        f"{named}, {verb} not exist in this namespace. Create {them}; until then the pods stay as "
        "they are."
    )


def _rollout_reason(rollout: Rollout) -> tuple[Reason, str]:
    count = f"{rollout.ready} of {rollout.wanted} pods are ready"
    if rollout.stage is Stage.ABSENT:
        return Reason.WAITING_FOR_PODS, "The Deployment is not there yet."
    if rollout.complete:
        if rollout.wanted == 0:
            return Reason.SCALED_TO_ZERO, ""
        return Reason.ALL_REPLICAS_READY, f"{count}, all of the wanted revision."
    if rollout.stage is Stage.REFUSED:
        return Reason.PODS_REFUSED, f"{count}; the cluster refuses pods: {rollout.refusal}"
    if rollout.fault is not None:
        fault = rollout.fault
        stuck = rollout.stage is Stage.STUCK
        return (
            Reason.DEADLINE_EXCEEDED if stuck else Reason.POD_FAILING,
            f"{count}; pod {fault.pod}: {fault.reason}: {fault.message}",
        )
    if rollout.stage is Stage.STUCK:
        return Reason.DEADLINE_EXCEEDED, f"{count}; no progress within the deadline."
    if rollout.stage is Stage.ROLLING:
        return Reason.ROLLING_OUT, f"{count}, {rollout.updated} of the wanted revision."
    return Reason.WAITING_FOR_PODS, f"{count}; the others are starting."


def _available(rollout: Rollout) -> Judgement:
    serves = rollout.ready > 0
    reason = Reason.MINIMUM_AVAILABLE if serves else Reason.NO_POD_READY
    return Judgement(Type.AVAILABLE, serves, reason)


def _progressing(rollout: Rollout, ready: Judgement) -> Judgement:
    if rollout.complete:
        return Judgement(Type.PROGRESSING, False, Reason.SETTLED)
    moves = ready.reason not in _WAITS_FOR_PEOPLE
    return Judgement(Type.PROGRESSING, moves, ready.reason, ready.message)


def _monitoring(engine: Engine, observed: Observed) -> Judgement:
    if not engine.spec.monitoring.service_monitor.enabled:
        return Judgement(Type.MONITORING_READY, True, Reason.MONITOR_DISABLED)
    if not observed.monitor_kind_known:
        return Judgement(Type.MONITORING_READY, False, Reason.MONITOR_CRD_MISSING)
    return Judgement(Type.MONITORING_READY, True, Reason.MONITOR_APPLIED)


_WAITS_FOR_PEOPLE = frozenset(
    {
        Reason.NAME_TAKEN,
        Reason.SECRET_NOT_FOUND,
        Reason.DEADLINE_EXCEEDED,
        Reason.PODS_REFUSED,
        Reason.WRITE_REFUSED,
    }
)


def _kstatus(plan: Plan, ready: Judgement) -> list[Judgement]:
    """Reconciling while it goes on by itself, Stalled when somebody has to act."""
    if plan.suspended or ready.holds or ready.reason is Reason.SCALED_TO_ZERO:
        return []
    kind = Type.STALLED if ready.reason in _WAITS_FOR_PEOPLE else Type.RECONCILING
    return [Judgement(kind, True, ready.reason, ready.message)]
