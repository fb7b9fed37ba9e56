"""The hot routes that ask the mind: read, hand to the use case, shape the answer."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
import numpy as np

from cognitive_engine.domain.commands import Asleep, Halted, Observe, Observed
from cognitive_engine.domain.memory.vectors import Vector
from cognitive_engine.domain.speech.governors import PIPELINE, Decision
from cognitive_engine.security.principals import Principal, Scopes
from cognitive_engine.service import Service
from cognitive_engine.turn import (
    MORALLY_REJECTED,
    PROCESSED,
    Answer,
    Outcome,
    Report,
    Request,
    Stage,
)

from . import problems
from .admission import Admission
from .bodies import Shape
from .exchange import Exchange
from .problems import Fault, Problem
from .wire import (
    AphasiaMetadata,
    CognitiveState,
    ContextItem,
    EventRequest,
    EventResponse,
    GenerateRequest,
    GenerateResponse,
    Governance,
    InferRequest,
    InferResponse,
    Measures,
    MemoryUse,
    MoralMetadata,
    RagMetadata,
    SafetyFlags,
    SimpleGenerateRequest,
    Timing,
)

# What secure mode adds to a score.
SECURE_MODE_BONUS: Final = 0.2

_TURN_SPAN: Final = "engine.generate"
_BLANK: Final = Fault("/prompt", "must not be blank")
_encode: Final = msgspec.json.Encoder().encode

AnyGenerate = GenerateRequest | SimpleGenerateRequest


class TurnMeter(Protocol):
    """Counts turns as they end."""

    def count_turn(self, outcome: Outcome) -> None:
        """Count one."""


class MindRoutes:
    """Answers `generate`, `infer` and events with bytes of JSON."""

    def __init__(
        self, service: Service, admission: Admission, scopes: Scopes, meter: TurnMeter
    ) -> None:
        config = service.config
        self._service = service
        self._admission = admission
        self._scopes = scopes
        self._meter = meter
        self._tokens = config.llm.max_tokens
        self._prompt_chars = config.api.max_prompt_characters
        self._top_k = config.memory.top_k
        self._speech_judged = config.governance.speech.enabled
        self._generate = Shape(GenerateRequest)
        self._simple = Shape(SimpleGenerateRequest)
        self._infer = Shape(InferRequest)
        self._event = Shape(EventRequest)

    async def generate(self, exchange: Exchange, caller: Principal, body: bytes) -> bytes:
        """Judge a prompt, recall what is known of it, answer, and remember it."""
        return await self._generated(exchange, caller, self._generate.parse(body))

    async def generate_simply(self, exchange: Exchange, caller: Principal, body: bytes) -> bytes:
        """The same for a prompt whose score may be missing."""
        return await self._generated(exchange, caller, self._simple.parse(body))

    async def infer(self, exchange: Exchange, caller: Principal, body: bytes) -> bytes:
        """The same with switches for security, speech and recall."""
        asked = self._infer.parse(body)
        score = asked.moral_value
        if asked.secure_mode:
            score = min(1.0, score + SECURE_MODE_BONUS)
        top_k = asked.context_top_k if asked.rag_enabled else 0
        request = Request(
            scope=self._scope(caller, asked.user_id),
            prompt=self._prompt(asked.prompt),
            moral_value=score,
            max_tokens=asked.max_tokens or self._tokens,
            context_top_k=top_k,
        )
        answer = await self._answered(exchange, request, judge_speech=asked.aphasia_mode)
        report = answer.report
        return _encode(
            InferResponse(
                response=answer.response,
                accepted=answer.accepted,
                phase=answer.phase.value,
                step=answer.step,
                note=answer.note,
                moral_metadata=MoralMetadata(
                    threshold=round(answer.moral_threshold, 4),
                    secure_mode=asked.secure_mode,
                    applied_moral_value=answer.moral_value,
                ),
                aphasia_metadata=_aphasia(report, asked.aphasia_mode or self._speech_judged),
                rag_metadata=RagMetadata(
                    enabled=asked.rag_enabled,
                    context_items_retrieved=len(answer.context),
                    top_k=self._top_k if top_k is None else top_k,
                ),
                timing=_timing(exchange),
                governance=Governance(
                    note=answer.note,
                    rejected_at=answer.rejected_at,
                    risk_mode=report.risk.mode.value,
                    quality_action=report.quality.action.value if report.quality else None,
                ),
            )
        )

    async def event(self, exchange: Exchange, caller: Principal, body: bytes) -> bytes:
        """Judge an event, and keep it at once when it is admitted."""
        asked = self._event.parse(body)
        vector = _vector(asked)
        scope = self._scope(caller, asked.user_id)
        outcome = self._service.apply(Observe(scope, asked.moral_value, vector))
        if isinstance(outcome, Asleep | Halted):
            raise _turned_away(outcome)
        kept = isinstance(outcome, Observed)
        state = self._service.snapshot().state
        counts, norms = state.counts, state.levels.norms()
        threshold = round(state.moral.threshold, 4)
        phase = state.rhythm.phase.value
        exchange.fields |= {
            "accepted": kept,
            "phase": phase,
            "step": counts.steps,
            "moral_value": asked.moral_value,
            "moral_threshold": threshold,
        }
        return _encode(
            EventResponse(
                accepted=kept,
                note=PROCESSED if kept else MORALLY_REJECTED,
                step=counts.steps,
                phase=phase,
                moral_threshold=threshold,
                moral_value=asked.moral_value + 0.0,
                memory_id=outcome.memory_id if isinstance(outcome, Observed) else None,
                L1_norm=round(norms["L1"], 6),
                L2_norm=round(norms["L2"], 6),
                L3_norm=round(norms["L3"], 6),
                current_phase=phase,
                latent_events_count=counts.rejected,
                accepted_events_count=counts.accepted,
                total_events_processed=counts.steps,
                moral_filter_threshold=threshold,
            )
        )

    async def _generated(self, exchange: Exchange, caller: Principal, asked: AnyGenerate) -> bytes:
        request = Request(
            scope=self._scope(caller, asked.user_id),
            prompt=self._prompt(asked.prompt),
            moral_value=asked.moral_value,
            max_tokens=asked.max_tokens or self._tokens,
            context_top_k=asked.context_top_k,
        )
        answer = await self._answered(exchange, request)
        state = self._service.snapshot().state
        threshold, phase = round(answer.moral_threshold, 4), answer.phase.value
        return _encode(
            GenerateResponse(
                response=answer.response,
                accepted=answer.accepted,
                phase=phase,
                step=answer.step,
                note=answer.note,
                moral_threshold=threshold,
                moral_value=answer.moral_value,
                context_items=len(answer.context),
                max_tokens_used=answer.max_tokens_used,
                context=_context(answer),
                moral_score=answer.moral_value,
                aphasia_flags=_flags(answer.report),
                emergency_shutdown=state.emergency.active,
                cognitive_state=CognitiveState(
                    phase=phase,
                    stateless_mode=False,
                    emergency_shutdown=state.emergency.active,
                    memory_used_mb=round(state.pelm.memory_mb, 2),
                    moral_threshold=threshold,
                ),
                metrics=Measures(_timing(exchange)),
                safety_flags=SafetyFlags(_steps(answer), answer.rejected_at),
                memory_stats=MemoryUse(answer.step, threshold, len(answer.context)),
            )
        )

    async def _answered(
        self, exchange: Exchange, request: Request, *, judge_speech: bool = False
    ) -> Answer:
        await self._admission.enter()
        traced = exchange.traced
        trace = traced.turn(_TURN_SPAN) if traced is not None else None
        try:
            outcome = await self._service.generate(request, judge_speech=judge_speech, trace=trace)
        finally:
            self._admission.leave()
        self._meter.count_turn(outcome)
        if isinstance(outcome, Asleep | Halted):
            raise _turned_away(outcome)
        exchange.fields |= {
            "accepted": outcome.accepted,
            "phase": outcome.phase.value,
            "step": outcome.step,
            "moral_value": outcome.moral_value,
            "moral_threshold": round(outcome.moral_threshold, 4),
            "context_items": len(outcome.context),
            "prompt_length": len(request.prompt),
            "response_length": len(outcome.response),
        }
        return outcome

    def _prompt(self, prompt: str) -> str:
        if len(prompt) > self._prompt_chars:
            fault = Fault("/prompt", f"must be `str` of length <= {self._prompt_chars}")
            raise Problem(problems.PROMPT_TOO_LONG, "The prompt is too long.", faults=(fault,))
        if not prompt.strip():
            raise Problem(problems.PROMPT_EMPTY, "The prompt is blank.", faults=(_BLANK,))
        return prompt

    def _scope(self, caller: Principal, user_id: str | None) -> str:
        return caller.scope if user_id is None else self._scopes.of_user(caller, user_id)


def _turned_away(outcome: Asleep | Halted) -> Problem:
    wait = {"Retry-After": str(outcome.retry_after_seconds)}
    if isinstance(outcome, Asleep):
        return Problem(problems.ASLEEP, "The engine sleeps; try again.", headers=wait)
    detail = "The engine answers nobody in an emergency; try again."
    return Problem(problems.EMERGENCY, detail, headers=wait)


def _timing(exchange: Exchange) -> Timing:
    return Timing(round(exchange.elapsed_ms(), 3))


def _context(answer: Answer) -> tuple[ContextItem, ...]:
    return tuple(
        [
            ContextItem(
                text=item.text,
                resonance=round(item.resonance, 6),
                phase=round(item.phase, 4),
                age_seconds=round(item.age_seconds, 3),
            )
            for item in answer.context
        ]
    )


def _steps(answer: Answer) -> tuple[str, ...]:
    report = answer.report
    came_to = (
        (Stage.PRE_FLIGHT, report.prompt_check or report.risk.blocked),
        (Stage.MORAL, answer.rejected_at is not Stage.PRE_FLIGHT),
        (Stage.QUALITY, report.quality),
        (Stage.POST_MORAL, report.answer_check),
    )
    return tuple([stage.value for stage, came in came_to if came])


def _speech(report: Report) -> Mapping[str, Any]:
    """What the governor of speech found; empty when nothing was said, or when it failed."""
    if report.speech is None:
        return {}
    stages: Any = report.speech.metadata[PIPELINE]
    found: Mapping[str, Any] = stages[0]["metadata"]
    return found if "decision" in found else {}


def _flags(report: Report) -> tuple[str, ...] | None:
    found = _speech(report)
    if found.get("severity_before") is None:
        return None
    flags: tuple[str, ...] = found["flags"]
    return flags


def _aphasia(report: Report, enabled: bool) -> AphasiaMetadata:
    found = _speech(report)
    severity = found.get("severity_before") or 0.0
    decision = found.get("decision")
    return AphasiaMetadata(
        enabled=enabled,
        detected=bool(found.get("flags")),
        severity=round(severity, 4),
        repaired=decision is Decision.REPAIRED,
        note=decision.value if decision is not None else "not judged",
    )


def _vector(asked: EventRequest) -> Vector:
    """The event as float32; the domain checks its length and its numbers."""
    if (asked.event_vector is None) is (asked.event_vector_b64 is None):
        fault = Fault("/event_vector", "either this or event_vector_b64 is required, not both")
        raise Problem(problems.VECTOR, "One vector is wanted.", faults=(fault,))
    if asked.event_vector is not None:
        with np.errstate(over="ignore"):
            return np.array(asked.event_vector, np.float32)
    try:
        data = base64.b64decode(asked.event_vector_b64 or "", validate=True)
        return np.frombuffer(data, "<f4").astype(np.float32)
    except (binascii.Error, ValueError) as error:
        fault = Fault("/event_vector_b64", "must be Base64 of float32 values, little-endian")
        raise Problem(problems.VECTOR, "The vector cannot be read.", faults=(fault,)) from error
