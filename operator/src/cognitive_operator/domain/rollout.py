"""How far a Deployment has come, read from its status alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cognitive_api.identity import LABEL_REVISION

from .observed import Child, Manifest, PodFault


class Stage(Enum):
    """Where the pods stand."""

    ABSENT = "absent"
    ROLLING = "rolling"
    STARTING = "starting"
    STUCK = "stuck"
    REFUSED = "refused"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Rollout:
    """Counts and stage of the pods."""

    stage: Stage = Stage.ABSENT
    wanted: int = 0
    replicas: int = 0
    ready: int = 0
    updated: int = 0
    fault: PodFault | None = None
    refusal: str = ""

    @property
    def complete(self) -> bool:
        """Whether every wanted pod runs the wanted revision and serves."""
        return self.stage is Stage.COMPLETE


def revision_of(deployment: Mapping[str, Any]) -> str:
    """Return the revision that a Deployment's pod template names; empty when it names none."""
    return str(deployment["spec"]["template"]["metadata"].get("labels", {}).get(LABEL_REVISION, ""))


def judge_rollout(
    desired: Manifest, live: Child | None, faults: tuple[PodFault, ...] = ()
) -> Rollout:
    """Judge a live Deployment against the wanted one.

    The controller's own numbers count only once it has seen the newest generation.
    """
    if live is None:
        return Rollout()
    manifest = live.manifest
    status = manifest.get("status", {})
    wanted = int(manifest["spec"].get("replicas", 1))
    ready = int(status.get("readyReplicas", 0))
    asked = desired["spec"].get("replicas", wanted)
    seen = int(status.get("observedGeneration", 0)) >= int(manifest["metadata"]["generation"])
    current = seen and revision_of(manifest) == revision_of(desired)
    # Until the controller has seen the newest template, its count is of an older one.
    updated = int(status.get("updatedReplicas", 0)) if current else 0
    replicas = int(status.get("replicas", 0))
    conditions = {c["type"]: c for c in status.get("conditions", ())}
    fault = faults[0] if faults else None

    def rollout(stage: Stage, refusal: str = "") -> Rollout:
        return Rollout(stage, wanted, replicas, ready, updated, fault, refusal)

    if not current or asked != wanted:
        return rollout(Stage.ROLLING if replicas else Stage.STARTING)
    if updated == wanted == replicas == ready:
        return rollout(Stage.COMPLETE)
    refused = conditions.get("ReplicaFailure")
    if refused is not None and refused["status"] == "True":
        return rollout(Stage.REFUSED, str(refused.get("message", "")))
    progressing = conditions.get("Progressing")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        return rollout(Stage.STUCK)
    return rollout(Stage.ROLLING if replicas > updated else Stage.STARTING)
