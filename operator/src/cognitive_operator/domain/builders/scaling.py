"""Number of pods: the autoscaler and the disruption budget."""

from typing import Any

from cognitive_api.cognitive_engine import DEFAULT_REPLICAS, ScaleDownBehavior, ScaleUpBehavior

from .. import labels, names
from ..kinds import DEPLOYMENT, HPA, PDB
from ..observed import Engine, Manifest
from .base import manifest

DEFAULT_MIN_AVAILABLE = 2


def fixed_replicas(engine: Engine) -> int | None:
    """Return the number of pods that the spec asks for; None while an autoscaler decides."""
    if engine.spec.autoscaling is not None:
        return None
    return DEFAULT_REPLICAS if engine.spec.replicas is None else engine.spec.replicas


def build_hpa(engine: Engine) -> Manifest | None:
    """Return the autoscaler, when the spec has one."""
    scaling = engine.spec.autoscaling
    if scaling is None:
        return None
    return manifest(
        engine,
        HPA,
        names.child(engine.name),
        {
            "spec": {
                "scaleTargetRef": {
                    "apiVersion": DEPLOYMENT.api_version,
                    "kind": DEPLOYMENT.name,
                    "name": names.child(engine.name),
                },
                "minReplicas": scaling.min_replicas,
                "maxReplicas": scaling.max_replicas,
                "metrics": [
                    _utilization("cpu", scaling.target_cpu_utilization_percent),
                    _utilization("memory", scaling.target_memory_utilization_percent),
                ],
                "behavior": {
                    "scaleUp": _scale_up(scaling.behavior.scale_up),
                    "scaleDown": _scale_down(scaling.behavior.scale_down),
                },
            }
        },
    )


def _utilization(resource: str, percent: int) -> dict[str, Any]:
    return {
        "type": "Resource",
        "resource": {
            "name": resource,
            "target": {"type": "Utilization", "averageUtilization": percent},
        },
    }


def _scale_up(rule: ScaleUpBehavior) -> dict[str, Any]:
    return {
        "stabilizationWindowSeconds": rule.stabilization_window_seconds,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": rule.percent, "periodSeconds": rule.period_seconds},
            {"type": "Pods", "value": rule.pods, "periodSeconds": rule.period_seconds},
        ],
    }


def _scale_down(rule: ScaleDownBehavior) -> dict[str, Any]:
    return {
        "stabilizationWindowSeconds": rule.stabilization_window_seconds,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": rule.percent, "periodSeconds": rule.period_seconds}
        ],
    }


def build_pdb(engine: Engine) -> Manifest:
    """Return the disruption budget; it always leaves a drain at least one pod to move."""
    budget = engine.spec.disruption_budget
    if budget.max_unavailable is not None:
        bound: dict[str, int] = {"maxUnavailable": budget.max_unavailable}
    else:
        wanted = DEFAULT_MIN_AVAILABLE if budget.min_available is None else budget.min_available
        bound = {"minAvailable": min(wanted, max(0, _least_pods(engine) - 1))}
    return manifest(
        engine,
        PDB,
        names.child(engine.name),
        {"spec": {**bound, "selector": {"matchLabels": labels.selector(engine.name)}}},
    )


def _least_pods(engine: Engine) -> int:
    scaling = engine.spec.autoscaling
    if scaling is not None:
        return scaling.min_replicas
    return fixed_replicas(engine) or 0
