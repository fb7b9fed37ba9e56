"""Condition types and reasons: one table, read by the judge, the tests and the docs page."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ConditionType(StrEnum):
    """Aspects of an engine that are observed."""

    READY = "Ready"
    AVAILABLE = "Available"
    PROGRESSING = "Progressing"
    ACCEPTED = "Accepted"
    MONITORING_READY = "MonitoringReady"
    SUSPENDED = "Suspended"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


# Present only while they are true; their absence means all is well (kstatus reads them so).
ABNORMAL_TRUE: Final = frozenset(
    {ConditionType.RECONCILING, ConditionType.STALLED, ConditionType.SUSPENDED}
)

# False once nothing is left to do.
FALSE_AT_REST: Final = frozenset({ConditionType.PROGRESSING})


def at_rest(kind: ConditionType) -> str:
    """Return what a condition reads when all is well."""
    if kind in ABNORMAL_TRUE:
        return "absent"
    return "False" if kind in FALSE_AT_REST else "True"


class Reason(StrEnum):
    """Stable words for programs."""

    ALL_REPLICAS_READY = "AllReplicasReady"
    SCALED_TO_ZERO = "ScaledToZero"
    WAITING_FOR_PODS = "WaitingForPods"
    ROLLING_OUT = "RollingOut"
    MINIMUM_AVAILABLE = "MinimumReplicasAvailable"
    NO_POD_READY = "NoPodReady"
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    POD_FAILING = "PodFailing"
    PODS_REFUSED = "PodsRefused"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, not a secret
    NAME_TAKEN = "NameTaken"
    WRITE_REFUSED = "WriteRefused"
    API_UNAVAILABLE = "APIUnavailable"
    INVALID_SPEC = "InvalidSpec"
    SPEC_ACCEPTED = "SpecAccepted"
    SETTLED = "Settled"
    SUSPENDED = "SuspendedBySpec"
    MONITOR_APPLIED = "ServiceMonitorApplied"
    MONITOR_DISABLED = "ServiceMonitorDisabled"
    MONITOR_CRD_MISSING = "ServiceMonitorCRDMissing"


@dataclass(frozen=True)
class Entry:
    """What a reason means and what its reader does next (empty: nothing)."""

    meaning: str
    next_act: str


TABLE: Final[dict[Reason, Entry]] = {
    Reason.ALL_REPLICAS_READY: Entry("Every wanted pod runs the wanted revision.", ""),
    Reason.SCALED_TO_ZERO: Entry(
        "spec.replicas is 0, so nothing serves.", "Raise spec.replicas to serve again."
    ),
    Reason.WAITING_FOR_PODS: Entry(
        "Pods are starting.", "Wait; `kubectl describe pod` shows what a pod waits for."
    ),
    Reason.ROLLING_OUT: Entry("Pods are being replaced by a new revision.", "Wait."),
    Reason.MINIMUM_AVAILABLE: Entry("At least one pod serves.", ""),
    Reason.NO_POD_READY: Entry("No pod can serve.", "Read the Ready condition for the cause."),
    Reason.DEADLINE_EXCEEDED: Entry(
        "The new revision did not become ready in time; older pods keep serving.",
        "Read the pod's fault in the message, then fix or revert the spec.",
    ),
    Reason.POD_FAILING: Entry(
        "A pod cannot start or keeps ending.",
        "Read the pod's fault in the message; `kubectl logs` shows its last words.",
    ),
    Reason.PODS_REFUSED: Entry(
        "The cluster refuses to create pods (quota, admission or Pod Security).",
        "Raise the quota or relax the policy that the message names.",
    ),
    Reason.SECRET_NOT_FOUND: Entry(
        "A Secret that the spec names does not exist; pods stay as they were.",
        "Create the Secret; the operator sees it within seconds.",
    ),
    Reason.NAME_TAKEN: Entry(
        "An object of a needed name exists and belongs to somebody else; it is left alone.",
        "Rename or delete that object, or give the engine another name.",
    ),
    Reason.WRITE_REFUSED: Entry(
        "The API server refused a write of the operator (rights, admission or quota).",
        "Act on the refusal quoted in the message.",
    ),
    Reason.API_UNAVAILABLE: Entry(
        "The API server could not be reached or answered with a fault.", "It is retried by itself."
    ),
    Reason.INVALID_SPEC: Entry(
        "The stored spec breaks a rule that the API server could not judge.",
        "Correct the field that the message names.",
    ),
    Reason.SPEC_ACCEPTED: Entry("The spec is consistent and is acted on.", ""),
    Reason.SETTLED: Entry("Nothing is left to do.", ""),
    Reason.SUSPENDED: Entry(
        "spec.suspend is true: changes and drift are left alone.", "Set spec.suspend to false."
    ),
    Reason.MONITOR_APPLIED: Entry("The ServiceMonitor exists.", ""),
    Reason.MONITOR_DISABLED: Entry(
        "No ServiceMonitor is wanted.", "Set monitoring.serviceMonitor.enabled to have one."
    ),
    Reason.MONITOR_CRD_MISSING: Entry(
        "A ServiceMonitor is wanted but the cluster does not know the kind.",
        "Install the Prometheus operator; the ServiceMonitor then follows by itself.",
    ),
}
