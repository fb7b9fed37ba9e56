"""Shapes of requests and answers."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cognitive_engine.domain import limits

from . import problems
from .problems import Fault, Kind, Problem


class GenerateRequest(BaseModel):
    """What `POST /v1/generate` takes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    prompt: Annotated[str, Field(min_length=1, max_length=limits.PROMPT_CHARS_MAX)] = Field(
        description="What is asked; not blank."
    )
    moral_value: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        description="The caller's moral score of the prompt."
    )
    max_tokens: Annotated[int, Field(ge=1, le=limits.MAX_TOKENS_MAX)] | None = Field(
        None, description="Longest answer; asleep at most 150."
    )
    context_top_k: Annotated[int, Field(ge=0, le=limits.TOP_K_MAX)] | None = Field(
        None, description="Memories to recall; the configured number when absent."
    )


class ContextItem(BaseModel):
    """One recalled memory of the caller's own."""

    text: str | None = Field(description="What was said; null when texts are not kept.")
    resonance: float = Field(description="Likeness to the prompt, a cosine.")
    phase: float = Field(description="0.1 filed awake, 0.9 consolidated.")
    age_seconds: float = Field(description="Time since it was said.")


class GenerateResponse(BaseModel):
    """What `POST /v1/generate` answers, also when a filter refuses."""

    response: str = Field(description="The answer; empty when refused.")
    accepted: bool = Field(description="Whether request and answer passed every filter.")
    phase: str = Field(description="wake or sleep, after this step.")
    step: int = Field(description="Number of this step.")
    note: str = Field(description="processed, or why there is no answer.")
    moral_threshold: float = Field(description="Threshold after this step, 4 decimals.")
    moral_value: float = Field(description="The score that was tested.")
    context_items: int = Field(description="Number of memories recalled.")
    max_tokens_used: int = Field(description="Length the answer was held to; 0 when refused.")
    context: list[ContextItem] = Field(description="The memories recalled, best first.")


class MemoryStats(BaseModel):
    """Use of the memory."""

    capacity: int
    used: int
    memory_mb: float


class EmergencyStatus(BaseModel):
    """Whether the engine turns everybody away, and why."""

    active: bool
    reason: str | None


class StateResponse(BaseModel):
    """What `GET /v1/state` answers: counts and measures of the whole engine, no content."""

    step: int
    phase: str
    phase_counter: int
    moral_threshold: float
    moral_ema: float
    moral_harm_ema: float
    accepted_count: int
    rejected_count: int
    synaptic_norms: dict[str, float]
    pelm_stats: MemoryStats
    qilm_stats: MemoryStats
    consolidation_buffer_size: int
    consolidations: int
    halted_count: int
    damaged_memories: int
    evicted_memories: int
    emergency: EmergencyStatus
    state_digest: str
    policy: str
    sleep_policy: str
    config_hash: str
    track: str
    revision: str


_FIELD_KINDS: Final = {
    "prompt": problems.PROMPT,
    "moral_value": problems.MORAL_VALUE,
    "max_tokens": problems.MAX_TOKENS,
}


def parse_generate(document: object) -> GenerateRequest:
    """`document` as a request.

    Raises:
        Problem: 422, with the code of the first fault and the places of all.
    """
    try:
        request = GenerateRequest.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        raise _problem(errors[: limits.PROBLEM_ERRORS_MAX]) from error
    if not request.prompt.strip():
        fault = Fault("/prompt", "must not be blank")
        raise Problem(problems.PROMPT_EMPTY, "The prompt is blank.", faults=(fault,))
    return request


def _problem(errors: list[Any]) -> Problem:
    kind = _kind(errors[0])
    faults = tuple(dict.fromkeys(_fault(error) for error in errors))
    return Problem(kind, "The body does not have the expected shape.", faults=faults)


def _kind(error: Any) -> Kind:
    if error["loc"][:1] == ("prompt",):
        if error["type"] == "string_too_long":
            return problems.PROMPT_TOO_LONG
        if error["type"] == "string_too_short":
            return problems.PROMPT_EMPTY
    place = error["loc"][0] if error["loc"] else ""
    return _FIELD_KINDS.get(place, problems.VALIDATION)


def _fault(error: Any) -> Fault:
    if error["type"] == "extra_forbidden":
        # The unknown name is the caller's own text: it is not repeated.
        known = ", ".join(GenerateRequest.model_fields)
        return Fault("", f"a field is not known; known are {known}")
    pointer = "".join(f"/{part}" for part in error["loc"][:1])
    return Fault(pointer, error["msg"])
