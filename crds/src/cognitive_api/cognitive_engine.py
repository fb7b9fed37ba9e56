"""The CognitiveEngine resource, v1alpha1: what a team writes and what it reads back.

The CRD, the chart's copy of it and the reference page are generated from these models. A class's
`cel` holds the rules that span several of its fields: expression and message, judged by the API
server. Defaults stand in the schema, never patched into a spec by the operator.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .engine_config import LoggingSettings, Rules
from .governance import GovernanceSettings, MemorySettings, Strict
from .identity import GROUP
from .keyed import API, LLM, Embeddings

DEFAULT_REPLICAS = 3

# Kubernetes' own quantity grammar; an integer without a unit may be written bare.
Quantity = Annotated[
    Annotated[int, Field(ge=0)]
    | Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")],
    Field(json_schema_extra={"x-kubernetes-int-or-string": True}),
]
LabelText = Annotated[
    str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
AnnotationText = Annotated[str, Field(max_length=4096)]


class PullPolicy(StrEnum):
    """When a node fetches the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ScaleUpBehavior(Strict):
    """How fast the autoscaler may add pods: the larger of the two limits counts."""

    stabilization_window_seconds: int = Field(
        0, ge=0, le=3600, description="Take the lowest advice of this long."
    )
    percent: int = Field(100, ge=1, le=1000, description="Pods added per period, in percent.")
    pods: int = Field(2, ge=1, le=1000, description="Pods added per period, as a count.")
    period_seconds: int = Field(15, ge=1, le=1800, description="Length of a period.")


class ScaleDownBehavior(Strict):
    """How fast the autoscaler may remove pods."""

    stabilization_window_seconds: int = Field(
        300, ge=0, le=3600, description="Take the highest advice of this long."
    )
    percent: int = Field(50, ge=1, le=100, description="Pods removed per period, in percent.")
    period_seconds: int = Field(60, ge=1, le=1800, description="Length of a period.")


class ScalingBehavior(Strict):
    """Speed limits of the autoscaler."""

    scale_up: ScaleUpBehavior = Field(ScaleUpBehavior(), description="Adding pods.")
    scale_down: ScaleDownBehavior = Field(ScaleDownBehavior(), description="Removing pods.")


class Autoscaling(Strict):
    """A HorizontalPodAutoscaler decides the number of pods."""

    min_replicas: int = Field(3, ge=1, le=1000, description="Never fewer pods than this.")
    max_replicas: int = Field(10, ge=1, le=1000, description="Never more pods than this.")
    target_cpu_utilization_percent: int = Field(
        70, ge=1, le=1000, description="Average CPU use aimed at, in percent of the request."
    )
    target_memory_utilization_percent: int = Field(
        80, ge=1, le=1000, description="Average memory use aimed at, in percent of the request."
    )
    behavior: ScalingBehavior = Field(ScalingBehavior(), description="Speed limits.")

    cel: ClassVar[Rules] = (
        (
            "self.minReplicas <= self.maxReplicas",
            "autoscaling.minReplicas must not exceed autoscaling.maxReplicas",
        ),
    )


class DisruptionBudget(Strict):
    """How many pods a voluntary disruption (a node drain) must leave or may take."""

    min_available: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Pods that must stay; 2 when neither field is set. Lowered to one less than "
        "the least number of replicas, so that a drain is always possible.",
    )
    max_unavailable: int | None = Field(
        None, ge=1, le=1000, description="Pods that may be gone; instead of minAvailable."
    )

    cel: ClassVar[Rules] = (
        (
            "!(has(self.minAvailable) && has(self.maxUnavailable))",
            "disruptionBudget.minAvailable and disruptionBudget.maxUnavailable exclude each "
            "other: set one of them",
        ),
    )


class Requests(Strict):
    """What the scheduler reserves for a pod."""

    cpu: Quantity = Field("250m", description="CPU, in cores or thousandths (`250m`).")
    memory: Quantity = Field("512Mi", description="Memory, in bytes or with a unit (`512Mi`).")


class Limits(Strict):
    """What a pod may use at most."""

    cpu: Quantity = Field("1", description="CPU, in cores or thousandths (`250m`).")
    memory: Quantity = Field("2Gi", description="Memory, in bytes or with a unit (`512Mi`).")


class Resources(Strict):
    """Reserved and greatest use of each engine pod."""

    requests: Requests = Field(Requests(), description="Reserved for each pod.")
    limits: Limits = Field(Limits(), description="The most that each pod may use.")

    cel: ClassVar[Rules] = (
        (
            "quantity(string(self.requests.cpu)).compareTo(quantity(string(self.limits.cpu))) <= 0",
            "resources.requests.cpu must not exceed resources.limits.cpu",
        ),
        (
            "quantity(string(self.requests.memory))"
            ".compareTo(quantity(string(self.limits.memory))) <= 0",
            "resources.requests.memory must not exceed resources.limits.memory",
        ),
    )


class ServiceMonitorSettings(Strict):
    """A ServiceMonitor for the Prometheus operator."""

    enabled: bool = Field(
        False, description="Make one. Needs the ServiceMonitor CRD; a condition says when absent."
    )
    interval_seconds: int = Field(30, ge=5, le=3600, description="Time between two scrapes.")
    labels: dict[str, LabelText] = Field(
        {},
        max_length=32,
        description="Extra labels, for a Prometheus that selects its monitors by label.",
    )


class Monitoring(Strict):
    """How the engine is watched."""

    service_monitor: ServiceMonitorSettings = Field(
        ServiceMonitorSettings(), description="Scraping by the Prometheus operator."
    )


class TolerationOperator(StrEnum):
    """How a toleration matches a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Strict):
    """A node taint that the pods accept."""

    key: str | None = Field(None, max_length=317, description="Taint key; all keys when absent.")
    operator: TolerationOperator = Field(
        TolerationOperator.EQUAL, description="`Exists` ignores the value."
    )
    value: str | None = Field(None, max_length=63, description="Taint value, for `Equal`.")
    effect: TaintEffect | None = Field(None, description="Taint effect; all when absent.")
    toleration_seconds: int | None = Field(
        None, ge=0, description="How long a NoExecute taint is tolerated; for ever when absent."
    )

    cel: ClassVar[Rules] = (
        (
            "self.operator == 'Exists' || has(self.key)",
            "podTemplate.tolerations: key may be left out only with operator Exists",
        ),
        (
            "self.operator != 'Exists' || !has(self.value)",
            "podTemplate.tolerations: value has no meaning with operator Exists",
        ),
        (
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "podTemplate.tolerations: tolerationSeconds needs effect NoExecute",
        ),
    )


_RESERVED_KEY = f"k == '{GROUP}' || k.startsWith('{GROUP}/') || k.startsWith('app.kubernetes.io/')"


class PodTemplate(Strict):
    """What teams add to the pods."""

    annotations: dict[str, AnnotationText] = Field(
        {}, max_length=32, description="Extra pod annotations."
    )
    labels: dict[str, LabelText] = Field({}, max_length=32, description="Extra pod labels.")
    node_selector: dict[str, LabelText] = Field(
        {}, max_length=32, description="Labels that a node must carry."
    )
    tolerations: list[Toleration] = Field(
        [], max_length=32, description="Node taints that the pods accept."
    )
    termination_grace_period_seconds: int = Field(
        45, ge=15, le=3600, description="Time from SIGTERM to SIGKILL; a drain takes up to 10."
    )

    cel: ClassVar[Rules] = (
        (
            f"!self.labels.exists(k, {_RESERVED_KEY})",
            f"podTemplate.labels: the prefixes {GROUP}/ and app.kubernetes.io/ belong to the "
            "operator",
        ),
        (
            f"!self.annotations.exists(k, k == '{GROUP}' || k.startsWith('{GROUP}/'))",
            f"podTemplate.annotations: the prefix {GROUP}/ belongs to the operator",
        ),
    )


class CognitiveEngineSpec(Strict):
    """The wished-for engine."""

    image: str | None = Field(
        None,
        min_length=1,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="Engine image; the one released with the operator when absent.",
    )
    image_pull_policy: PullPolicy = Field(
        PullPolicy.IF_NOT_PRESENT, description="When nodes fetch the image."
    )
    replicas: int | None = Field(
        None,
        ge=0,
        le=1000,
        description=f"Number of pods; {DEFAULT_REPLICAS} when neither this nor autoscaling is "
        "set. `kubectl scale` needs it to be written. Refused together with autoscaling.",
    )
    autoscaling: Autoscaling | None = Field(
        None, description="Lets a HorizontalPodAutoscaler decide the number of pods."
    )
    disruption_budget: DisruptionBudget = Field(
        DisruptionBudget(), description="Limits of voluntary disruption."
    )
    resources: Resources = Field(Resources(), description="Compute resources of each pod.")
    governance: GovernanceSettings = Field(
        GovernanceSettings(), description="The rules an answer has to pass."
    )
    memory: MemorySettings = Field(MemorySettings(), description="What is remembered.")
    llm: LLM = Field(LLM(), description="The generator of answers.")
    embeddings: Embeddings = Field(
        Embeddings(), description="Turns texts into the vectors that memory compares."
    )
    api: API = Field(default_factory=API, description="The HTTP edge.")
    monitoring: Monitoring = Field(Monitoring(), description="How the engine is watched.")
    logging: LoggingSettings = Field(LoggingSettings(), description="The engine's log.")
    pod_template: PodTemplate = Field(PodTemplate(), description="Additions to the pods.")
    suspend: bool = Field(
        False,
        description="Stop reconciling. Running pods keep serving; deletion still works.",
    )

    cel: ClassVar[Rules] = (
        (
            "!(has(self.replicas) && has(self.autoscaling))",
            "replicas and autoscaling exclude each other: the autoscaler decides the number of "
            "pods, so remove one of the two",
        ),
        (
            "has(self.api) && has(self.api.auth)",
            "api.auth is required: name the accepted keys with api.auth.apiKeySecretRef, or say "
            "api.auth.mode: None",
        ),
    )


class Condition(Strict):
    """One observation of one aspect, as Kubernetes conditions are."""

    type: str = Field(min_length=1, max_length=64, description="Aspect, unique in the list.")
    status: str = Field(
        description="Whether it holds.", json_schema_extra={"enum": ["True", "False", "Unknown"]}
    )
    reason: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Z][A-Za-z0-9]*$",
        description="Stable CamelCase word for programs.",
    )
    message: str = Field(max_length=4096, description="Sentence for people; names the next act.")
    last_transition_time: str = Field(
        description="When status last changed.", json_schema_extra={"format": "date-time"}
    )
    observed_generation: int = Field(ge=-1, description="Generation that was judged.")


class CognitiveEngineStatus(Strict):
    """What the operator saw last."""

    observed_generation: int = Field(
        -1, description="Generation that was last acted on; -1 before the first time."
    )
    replicas: int = Field(0, ge=0, description="Pods that exist.")
    ready_replicas: int = Field(0, ge=0, description="Pods that may serve.")
    selector: str = Field("", description="Label selector of the pods, for autoscalers and tools.")
    revision: str = Field("", description="Revision of the pod template that is wanted.")
    image: str = Field("", description="Engine image that is wanted.")
    endpoint: str = Field("", description="Address of the API inside the cluster.")
    conditions: list[Condition] = Field(
        [],
        max_length=16,
        description="Observations, by type.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
