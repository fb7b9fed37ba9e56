"""Governance and memory settings: one set of models, read by the CRD and by the engine at boot.

Bounds and defaults are the published ones of the engine's rules; a default of `None` means
"decided from another field", and the description says how.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class Strict(BaseModel):
    """A model that refuses unknown fields and reads the CRD's camelCase names."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        allow_inf_nan=False,
        alias_generator=lambda name: _camel(name),  # noqa: PLW0108 - defined below
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(_WORDS.get(word, word.capitalize()) for word in rest)


_WORDS = {"cpu": "CPU", "url": "URL", "uri": "URI"}


class MoralPolicy(StrEnum):
    """How the acceptance threshold moves."""

    EVIDENCE = "evidence"
    HOMEOSTATIC = "homeostatic"


class Scorer(StrEnum):
    """Who scores a prompt."""

    CALLER = "caller"
    LEXICON = "lexicon"


class SleepPolicy(StrEnum):
    """What a request meets while the engine sleeps."""

    SERVE = "serve"
    REJECT = "reject"


class Gate(StrEnum):
    """What the consolidation thresholds of L1 and L2 are compared with."""

    COMPONENT = "component"
    NORM = "norm"


class RecallMode(StrEnum):
    """How the memory is searched."""

    EXACT = "exact"
    TWO_STAGE = "twoStage"


class MoralSettings(Strict):
    """The moral filter: decides whether a prompt's score passes the adaptive threshold."""

    policy: MoralPolicy = Field(
        MoralPolicy.EVIDENCE,
        description="`evidence` raises the threshold with harmful scores and relaxes when they "
        "fade; `homeostatic` steers towards targetAcceptRate and so refuses about half of any "
        "stream scored below 0.9.",
    )
    scorer: Scorer = Field(
        Scorer.CALLER,
        description="`caller` trusts the request's moral_value; `lexicon` also scores the text "
        "and the lower of the two counts.",
    )
    initial_threshold: Unit = Field(
        0.5, description="Threshold at start; between minThreshold and maxThreshold."
    )
    min_threshold: Unit = Field(0.3, description="The threshold never falls below this.")
    max_threshold: Unit = Field(0.9, description="The threshold never rises above this.")
    ema_alpha: float = Field(
        0.1, gt=0.0, le=1.0, description="Weight of the newest decision in the moving average."
    )
    dead_band: Unit = Field(
        0.05, description="Deviation of the moving average that moves nothing yet."
    )
    step: Unit = Field(0.05, description="The most that one decision moves the threshold.")
    target_accept_rate: Unit | None = Field(
        None,
        description="Accepted share that the `homeostatic` policy steers towards; 0.5 when "
        "absent. Refused with the `evidence` policy, which has no such target.",
    )

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "self.minThreshold < self.maxThreshold",
            "governance.moral.minThreshold must be below governance.moral.maxThreshold",
        ),
        (
            "self.minThreshold <= self.initialThreshold "
            "&& self.initialThreshold <= self.maxThreshold",
            "governance.moral.initialThreshold must lie between minThreshold and maxThreshold",
        ),
        (
            "!has(self.targetAcceptRate) || self.policy == 'homeostatic'",
            "governance.moral.targetAcceptRate is only used by the homeostatic policy",
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> "MoralSettings":
        if not self.min_threshold <= self.initial_threshold <= self.max_threshold:
            raise ValueError("minThreshold <= initialThreshold <= maxThreshold must hold")
        if self.min_threshold >= self.max_threshold:
            raise ValueError("minThreshold must be below maxThreshold")
        if self.target_accept_rate is not None and self.policy is not MoralPolicy.HOMEOSTATIC:
            raise ValueError("targetAcceptRate is only used by the homeostatic policy")
        return self


class RhythmSettings(Strict):
    """The wake/sleep rhythm: every processed request is one step."""

    wake_duration: int = Field(8, ge=1, le=100, description="Steps awake.")
    sleep_duration: int = Field(3, ge=1, le=100, description="Steps asleep.")
    max_sleep_seconds: int = Field(
        30, ge=1, le=86400, description="An idle engine wakes by the clock after this long."
    )
    sleep_policy: SleepPolicy = Field(
        SleepPolicy.SERVE,
        description="`serve` answers asleep with at most 150 tokens; `reject` answers 503 with "
        "Retry-After.",
    )


class SpeechSettings(Strict):
    """Telegraphic answers: how they are told, and whether they are written again."""

    enabled: bool = Field(True, description="Whether answers are judged for telegraphic speech.")
    repair: bool = Field(
        True,
        description="Have a telegraphic answer written again, once; the new one is kept only if "
        "it is less telegraphic. Otherwise it is only reported.",
    )
    min_sentence_length: float = Field(
        6.0,
        ge=0.0,
        le=100.0,
        description="An answer with fewer words a sentence on average is marked; 0 marks none.",
    )
    min_function_word_ratio: Unit = Field(
        0.15,
        description="An answer with a smaller share of function words is marked; 0 marks none.",
    )
    max_fragment_ratio: Unit = Field(
        0.5,
        description="An answer with a larger share of sentences below four words is marked; 1 "
        "marks none.",
    )
    repair_severity: Unit = Field(
        0.3, description="A marked answer this severe or worse is written again."
    )


class LevelSettings(Strict):
    """Decay and consolidation of the three memory levels L1 (fast) to L3 (slow)."""

    lambda_l1: float = Field(0.5, gt=0.0, le=1.0, description="Decay of L1 per step.")
    lambda_l2: float = Field(0.1, gt=0.0, le=1.0, description="Decay of L2 per step.")
    lambda_l3: float = Field(0.01, gt=0.0, le=1.0, description="Decay of L3 per step.")
    theta_l1: float = Field(1.2, gt=0.0, le=1000.0, description="L1 consolidates above this.")
    theta_l2: float = Field(2.5, gt=0.0, le=1000.0, description="L2 consolidates above this.")
    gating12: Unit = Field(0.45, description="Share that moves from L1 to L2.")
    gating23: Unit = Field(0.3, description="Share that moves from L2 to L3.")
    gate: Gate = Field(
        Gate.COMPONENT,
        description="`component` compares each component with the threshold (exact rule of the "
        "original; unit-norm embeddings never reach it); `norm` compares the level's norm.",
    )

    cel: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "self.lambdaL3 <= self.lambdaL2 && self.lambdaL2 <= self.lambdaL1",
            "memory.levels: lambdaL3 <= lambdaL2 <= lambdaL1 must hold",
        ),
    )

    @model_validator(mode="after")
    def _ordered(self) -> "LevelSettings":
        if not self.lambda_l3 <= self.lambda_l2 <= self.lambda_l1:
            raise ValueError("lambdaL3 <= lambdaL2 <= lambdaL1 must hold")
        return self


class MemorySettings(Strict):
    """What is remembered, how much, and how it is found again."""

    dimension: int = Field(384, ge=2, le=4096, description="Length of an embedding.")
    capacity: int = Field(
        20000,
        ge=1,
        le=1000000,
        description="Entries kept; a full memory drops the least confident, then the oldest.",
    )
    phase_tolerance: Unit = Field(
        0.15, description="Entries whose phase differs by at most this are recalled."
    )
    top_k: int = Field(
        5, ge=0, le=20, description="Entries recalled when a request does not say; 0 recalls none."
    )
    recall: RecallMode = Field(
        RecallMode.EXACT,
        description="`exact` proves every answer; `twoStage` looks at one bit a component first: "
        "several times faster from some 100,000 entries on, and it may miss an entry.",
    )
    store_text: bool = Field(
        True, description="Keep the text beside its embedding, so that it can be given as context."
    )
    levels: LevelSettings = Field(LevelSettings(), description="The three memory levels.")


class GovernanceSettings(Strict):
    """The rules an answer has to pass."""

    moral: MoralSettings = Field(MoralSettings(), description="The moral filter.")
    rhythm: RhythmSettings = Field(RhythmSettings(), description="The wake/sleep rhythm.")
    speech: SpeechSettings = Field(SpeechSettings(), description="Governance of what is said.")
