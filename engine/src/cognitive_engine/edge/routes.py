"""The routes of the API: read, hand to the use case, shape the answer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import Asleep, Halted
from cognitive_engine.ports import GenerationFailed
from cognitive_engine.security.api_keys import Principal
from cognitive_engine.service import Overloaded, Service, Snapshot
from cognitive_engine.telemetry.metrics import Identity
from cognitive_engine.turn import Answer
from cognitive_engine.turn import Request as Wish

from . import problems
from .access import Gate
from .bodies import read_json
from .middleware import Exchange
from .problems import Problem
from .schemas import (
    ContextItem,
    EmergencyStatus,
    GenerateRequest,
    GenerateResponse,
    MemoryStats,
    StateResponse,
    parse_generate,
)

_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        name: {"type": "integer" if name == "status" else "string"}
        for name in ("type", "title", "status", "detail", "instance", "code", "request_id")
    },
}
_GENERATE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": GenerateRequest.model_json_schema()}},
    }
}


def _may_answer(*statuses: int) -> dict[int | str, dict[str, object]]:
    content = {problems.CONTENT_TYPE: {"schema": _PROBLEM_SCHEMA}}
    return {status: {"description": "Problem", "content": content} for status in statuses}


def api_routes(service: Service, gate: Gate, identity: Identity) -> APIRouter:
    """The routes below `/v1`; every one needs a principal."""
    router = APIRouter(prefix="/v1")

    @router.post(
        "/generate",
        openapi_extra=_GENERATE_BODY,
        responses=_may_answer(400, 401, 413, 415, 422, 429, 500, 502, 503, 504),
    )
    async def generate(
        request: Request, caller: Annotated[Principal, Depends(gate.admit)]
    ) -> GenerateResponse:
        """Judge a prompt, recall what is known of it, answer, and remember it."""
        body = parse_generate(await read_json(request))
        wish = Wish(
            scope=caller.scope,
            prompt=body.prompt,
            moral_value=body.moral_value,
            max_tokens=body.max_tokens,
            context_top_k=body.context_top_k,
        )
        answer = await _generated(service, wish)
        exchange: Exchange = request.state.exchange
        exchange.fields |= {
            "accepted": answer.accepted,
            "phase": answer.phase.value,
            "step": answer.step,
            "moral_value": answer.moral_value,
            "moral_threshold": round(answer.moral_threshold, 4),
            "context_items": len(answer.context),
            "prompt_length": len(body.prompt),
            "response_length": len(answer.response),
        }
        return _response(answer)

    @router.get("/state", responses=_may_answer(401, 429))
    async def state(_: Annotated[Principal, Depends(gate.admit)]) -> StateResponse:
        """Where the engine stands: counts and measures, no content."""
        return _state(service.snapshot(), identity)

    return router


async def _generated(service: Service, wish: Wish) -> Answer:
    try:
        outcome = await service.generate(wish)
    except Overloaded as error:
        wait = {"Retry-After": str(limits.BUSY_RETRY_SECONDS)}
        detail = "Too many requests are being answered; try again."
        raise Problem(problems.OVERLOADED, detail, headers=wait) from error
    except GenerationFailed as error:
        raise Problem(problems.GENERATION, "No answer could be generated.") from error
    if isinstance(outcome, Asleep):
        wait = {"Retry-After": str(outcome.retry_after_seconds)}
        raise Problem(problems.ASLEEP, "The engine sleeps; try again.", headers=wait)
    if isinstance(outcome, Halted):
        wait = {"Retry-After": str(outcome.retry_after_seconds)}
        detail = "The engine answers nobody in an emergency; try again."
        raise Problem(problems.EMERGENCY, detail, headers=wait)
    return outcome


def _response(answer: Answer) -> GenerateResponse:
    return GenerateResponse(
        response=answer.response,
        accepted=answer.accepted,
        phase=answer.phase.value,
        step=answer.step,
        note=answer.note,
        moral_threshold=round(answer.moral_threshold, 4),
        moral_value=answer.moral_value,
        context_items=len(answer.context),
        max_tokens_used=answer.max_tokens_used,
        context=[
            ContextItem(
                text=item.text,
                resonance=round(item.resonance, 6),
                phase=round(item.phase, 4),
                age_seconds=round(item.age_seconds, 3),
            )
            for item in answer.context
        ],
    )


def _state(snapshot: Snapshot, identity: Identity) -> StateResponse:
    state, rhythm = snapshot.state, snapshot.rhythm
    stats = MemoryStats(
        capacity=state.pelm.capacity,
        used=state.pelm.used,
        memory_mb=round(state.pelm.memory_mb, 2),
    )
    governance = state.rules.governance
    return StateResponse(
        step=state.counts.steps,
        phase=rhythm.phase.value,
        phase_counter=rhythm.counter,
        moral_threshold=round(state.moral.threshold, 4),
        moral_ema=round(state.moral.accept_ema, 4),
        moral_harm_ema=round(state.moral.harm_ema, 4),
        accepted_count=state.counts.accepted,
        rejected_count=state.counts.rejected,
        synaptic_norms={name: round(norm, 6) for name, norm in state.levels.norms().items()},
        pelm_stats=stats,
        qilm_stats=stats,
        consolidation_buffer_size=len(state.pending),
        consolidations=state.counts.consolidations,
        halted_count=state.counts.halted,
        damaged_memories=state.pelm.damaged,
        evicted_memories=state.pelm.evicted,
        emergency=EmergencyStatus(
            active=snapshot.emergency.active, reason=snapshot.emergency.reason
        ),
        state_digest=state.digest.hex(),
        policy=governance.moral.policy.value,
        sleep_policy=governance.rhythm.sleep_policy.value,
        config_hash=identity.config,
        track=identity.track,
        revision=identity.revision,
    )
