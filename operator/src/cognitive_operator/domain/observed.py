"""What a pass saw: frozen facts, gathered before anything is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from cognitive_api.cognitive_engine import CognitiveEngineSpec

Manifest = dict[str, Any]


class ChildKey(NamedTuple):
    """Kind and name of a child; its namespace is the engine's."""

    kind: str
    name: str


@dataclass(frozen=True)
class Engine:
    """One CognitiveEngine object, parsed."""

    name: str
    namespace: str
    uid: str
    generation: int
    spec: CognitiveEngineSpec


@dataclass(frozen=True)
class Child:
    """A live object of ours, as the API server last reported it."""

    manifest: Mapping[str, Any]
    owns_replicas: bool = False
    """Whether our field manager owns `spec.replicas` (Deployments only)."""

    @property
    def uid(self) -> str:
        """Identity that a delete is bound to."""
        return str(self.manifest["metadata"]["uid"])


@dataclass(frozen=True)
class PodFault:
    """Why a pod does not serve, in the cluster's own words."""

    pod: str
    reason: str
    message: str


@dataclass(frozen=True)
class Observed:
    """Everything that the plan may depend on, beside the engine itself and the clock."""

    children: Mapping[ChildKey, Child] = field(default_factory=lambda: MappingProxyType({}))
    taken: frozenset[ChildKey] = frozenset()
    """Names we need that belong to somebody else."""
    missing_secrets: frozenset[str] = frozenset()
    """Referenced Secrets that do not exist."""
    monitor_kind_known: bool = False
    """Whether the cluster serves ServiceMonitors."""
    pod_faults: tuple[PodFault, ...] = ()
    default_image: str = ""
    """Engine image of the operator's own release."""
