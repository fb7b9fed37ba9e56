"""Shapes of the hot routes: what they read and what they write.

The description of the API is made from these very classes, so it cannot say anything else.
"""

from typing import Annotated

from msgspec import Meta, Struct

from cognitive_engine.domain import limits

Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Text = Annotated[str, Meta(max_length=limits.SCOPE_CHARS_MAX, min_length=1)]

Prompt = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=limits.PROMPT_CHARS_MAX,
        description="What is asked; not blank.",
        examples=["What is my cat called?"],
    ),
]
MoralValue = Annotated[
    Score, Meta(description="The caller's moral score of what is sent.", examples=[0.9])
]
MaxTokens = Annotated[
    Annotated[int, Meta(ge=1, le=limits.MAX_TOKENS_MAX)] | None,
    Meta(description="Longest answer; asleep at most 150.", examples=[512]),
]
TopK = Annotated[
    Annotated[int, Meta(ge=0, le=limits.TOP_K_MAX)] | None,
    Meta(
        description="Memories to recall; the configured number when absent.",
        examples=[5],
    ),
]
UserId = Annotated[
    Text | None,
    Meta(
        description="The user on whose behalf a trusted caller asks: the memories are theirs.",
        examples=["user-7"],
    ),
]

MORAL_VALUE_DEFAULT = 0.5


class GenerateRequest(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What `POST /v1/generate` takes."""

    prompt: Prompt
    moral_value: MoralValue
    max_tokens: MaxTokens = None
    context_top_k: TopK = None
    user_id: UserId = None


class SimpleGenerateRequest(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What `POST /generate` takes."""

    prompt: Prompt
    moral_value: MoralValue = MORAL_VALUE_DEFAULT
    max_tokens: MaxTokens = None
    context_top_k: TopK = None
    user_id: UserId = None


class InferRequest(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What `POST /infer` takes."""

    prompt: Prompt
    moral_value: MoralValue = MORAL_VALUE_DEFAULT
    max_tokens: MaxTokens = None
    secure_mode: Annotated[bool, Meta(description="Add 0.2 to the score, up to 1.")] = False
    aphasia_mode: Annotated[
        bool, Meta(description="Judge the answer for telegraphic speech, whatever the settings.")
    ] = False
    rag_enabled: Annotated[bool, Meta(description="Recall memories at all.")] = True
    context_top_k: Annotated[
        Annotated[int, Meta(ge=1, le=limits.CONTEXT_ITEMS_MAX)] | None,
        Meta(description="Memories to recall; the configured number when absent.", examples=[5]),
    ] = None
    user_intent: Annotated[
        Annotated[str, Meta(max_length=limits.USER_INTENT_CHARS_MAX)] | None,
        Meta(description="What the user wants, in a word; nothing follows from it."),
    ] = None
    user_id: UserId = None


class EventRequest(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What `POST /event` takes: one of the two vectors, of `memory.dimension` components."""

    moral_value: MoralValue
    event_vector: Annotated[
        Annotated[list[float], Meta(min_length=1, max_length=limits.EVENT_COMPONENTS_MAX)] | None,
        Meta(description="The event as numbers."),
    ] = None
    event_vector_b64: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="The same as float32, little-endian, in Base64; half the size."),
    ] = None
    user_id: UserId = None


class ContextItem(Struct, frozen=True, gc=False):
    """One recalled memory of the caller's own."""

    text: Annotated[str | None, Meta(description="What was said; null when texts are not kept.")]
    resonance: Annotated[float, Meta(description="Likeness to the prompt, a cosine.")]
    phase: Annotated[float, Meta(description="0.1 filed awake, 0.9 consolidated.")]
    age_seconds: Annotated[float, Meta(description="Time since it was said.")]


class Timing(Struct, frozen=True, gc=False):
    """Where the time went."""

    total: Annotated[float, Meta(description="Milliseconds from arrival to answer.")]


class Measures(Struct, frozen=True, gc=False):
    """Measures of one request."""

    timing: Timing


class CognitiveState(Struct, frozen=True, gc=False):
    """The engine after this step."""

    phase: str
    stateless_mode: bool
    emergency_shutdown: bool
    memory_used_mb: float
    moral_threshold: float


class SafetyFlags(Struct, frozen=True, gc=False):
    """Where the request was turned down, if it was."""

    validation_steps: tuple[str, ...]
    rejected_at: str | None


class MemoryUse(Struct, frozen=True, gc=False):
    """The memory's part in this step."""

    step: int
    moral_threshold: float
    context_items: int


class GenerateResponse(Struct, frozen=True, gc=False):
    """The answer to a prompt, also when a filter refuses."""

    response: Annotated[str, Meta(description="The answer; empty when refused.")]
    accepted: Annotated[bool, Meta(description="Whether request and answer passed every filter.")]
    phase: Annotated[str, Meta(description="wake or sleep, after this step.")]
    step: Annotated[int, Meta(description="Number of this step.")]
    note: Annotated[str, Meta(description="processed, or why there is no answer.")]
    moral_threshold: Annotated[float, Meta(description="Threshold after this step, 4 decimals.")]
    moral_value: Annotated[float, Meta(description="The score that was tested.")]
    context_items: Annotated[int, Meta(description="Number of memories recalled.")]
    max_tokens_used: Annotated[
        int, Meta(description="Length the answer was held to; 0 when refused.")
    ]
    context: Annotated[
        tuple[ContextItem, ...], Meta(description="The memories recalled, best first.")
    ]
    moral_score: Annotated[float, Meta(description="The same as moral_value.")]
    aphasia_flags: Annotated[
        tuple[str, ...] | None, Meta(description="What is telegraphic in the draft; null unjudged.")
    ]
    emergency_shutdown: bool
    cognitive_state: CognitiveState
    metrics: Measures
    safety_flags: SafetyFlags
    memory_stats: MemoryUse


class MoralMetadata(Struct, frozen=True, gc=False):
    """How the score was judged."""

    threshold: float
    secure_mode: bool
    applied_moral_value: float


class AphasiaMetadata(Struct, frozen=True, gc=False):
    """How the draft's speech was judged."""

    enabled: bool
    detected: bool
    severity: float
    repaired: bool
    note: str


class RagMetadata(Struct, frozen=True, gc=False):
    """What was recalled."""

    enabled: bool
    context_items_retrieved: int
    top_k: int


class Governance(Struct, frozen=True, gc=False):
    """What the filters had to say."""

    note: str
    rejected_at: str | None
    risk_mode: str
    quality_action: str | None


class InferResponse(Struct, frozen=True, gc=False):
    """The answer to a prompt, with how it came about."""

    response: str
    accepted: bool
    phase: str
    step: int
    note: str
    moral_metadata: MoralMetadata
    aphasia_metadata: AphasiaMetadata
    rag_metadata: RagMetadata
    timing: Timing
    governance: Governance


class EventResponse(Struct, frozen=True, gc=False):
    """What became of an event, and the state after it."""

    accepted: bool
    note: Annotated[str, Meta(description="processed, or why it was not kept.")]
    step: int
    phase: str
    moral_threshold: float
    moral_value: Annotated[float, Meta(description="The score that was tested.")]
    memory_id: Annotated[int | None, Meta(description="Null when it was not kept.")]
    L1_norm: float
    L2_norm: float
    L3_norm: float
    current_phase: str
    latent_events_count: Annotated[int, Meta(description="Events that were refused.")]
    accepted_events_count: int
    total_events_processed: int
    moral_filter_threshold: float


class Alive(Struct, frozen=True, gc=False):
    """The process turns."""

    status: str
    timestamp: float


class Component(Struct, frozen=True, gc=False):
    """One part of the engine."""

    healthy: bool
    details: str


class Readiness(Struct, frozen=True, gc=False):
    """Whether requests are welcome, and what stands against it."""

    ready: bool
    status: str
    timestamp: float
    components: dict[str, Component]
    details: dict[str, list[str]]
    checks: dict[str, bool]


class MemoryCheck(Struct, frozen=True, gc=False):
    """How full the memory is."""

    status: str
    used: int
    capacity: int
    percentage: float


class MoralCheck(Struct, frozen=True, gc=False):
    """Whether the threshold lies within its bounds."""

    status: str
    threshold: float


class PhaseCheck(Struct, frozen=True, gc=False):
    """Where in the rhythm the engine is."""

    current: str
    step: int


class EmergencyCheck(Struct, frozen=True, gc=False):
    """Whether everybody is turned away, and why."""

    status: str
    active: bool
    reason: str | None


class HealthChecks(Struct, frozen=True, gc=False):
    """What is looked at."""

    memory: MemoryCheck
    moral_filter: MoralCheck
    phase: PhaseCheck
    emergency: EmergencyCheck


class HealthResponse(Struct, frozen=True, gc=False):
    """The engine at a glance."""

    status: Annotated[str, Meta(description="healthy or degraded.")]
    step: int
    phase: str
    memory_used: int
    memory_capacity: int
    checks: HealthChecks
    damaged_memories: int
    evicted_memories: int
    state_digest: str
