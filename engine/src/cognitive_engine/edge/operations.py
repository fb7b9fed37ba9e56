"""Every operation of the API, once: path, role, shapes, errors. The description is made of it."""

from typing import Final, NamedTuple

import msgspec

from cognitive_api import identity as api_names
from cognitive_engine.security.principals import Role

from . import schemas, wire
from .wire import (
    AphasiaMetadata,
    CognitiveState,
    ContextItem,
    EventResponse,
    GenerateResponse,
    Governance,
    InferResponse,
    Measures,
    MemoryUse,
    MoralMetadata,
    RagMetadata,
    SafetyFlags,
    Timing,
)

# What any request can meet, one with a caller, one with a body, and one that the mind judges.
_ANY: Final = (431, 500, 504)
_CALLER: Final = (401, 403, 429, 503)
_BODY: Final = (400, 408, 413, 415, 422)
_JUDGED: Final = (*_ANY, *_CALLER, *_BODY)
_GENERATED: Final = (*_JUDGED, 502)

_PROMPT: Final = {"prompt": "What is my cat called?", "moral_value": 0.9}
_ITEM: Final = ContextItem("My cat is called Whiskers.", 0.61, 0.1, 12.5)
_GENERATE_ANSWER: Final = GenerateResponse(
    response="Your cat is called Whiskers.",
    accepted=True,
    phase="wake",
    step=2,
    note="processed",
    moral_threshold=0.5,
    moral_value=0.9,
    context_items=1,
    max_tokens_used=2048,
    context=(_ITEM,),
    moral_score=0.9,
    aphasia_flags=(),
    emergency_shutdown=False,
    cognitive_state=CognitiveState("wake", False, False, 31.02, 0.5),
    metrics=Measures(Timing(0.214)),
    safety_flags=SafetyFlags(("moral", "quality_gate"), None),
    memory_stats=MemoryUse(2, 0.5, 1),
)
_INFER_ANSWER: Final = InferResponse(
    response="Your cat is called Whiskers.",
    accepted=True,
    phase="wake",
    step=2,
    note="processed",
    moral_metadata=MoralMetadata(0.5, True, 1.0),
    aphasia_metadata=AphasiaMetadata(True, False, 0.0, False, "skip"),
    rag_metadata=RagMetadata(True, 1, 5),
    timing=Timing(0.214),
    governance=Governance("processed", None, "normal", "allow"),
)
_EVENT: Final = {"event_vector_b64": "zczMPc3MTD4=", "moral_value": 0.9}
_EVENT_ANSWER: Final = EventResponse(
    accepted=True,
    note="processed",
    step=3,
    phase="wake",
    moral_threshold=0.5,
    moral_value=0.9,
    memory_id=2,
    L1_norm=1.0,
    L2_norm=0.0,
    L3_norm=0.0,
    current_phase="wake",
    latent_events_count=0,
    accepted_events_count=3,
    total_events_processed=3,
    moral_filter_threshold=0.5,
)


class Operation(NamedTuple):
    """One operation. `unready`: it may answer 503 with the same shape."""

    method: str
    path: str
    name: str
    tag: str
    summary: str
    answer: str
    role: Role | None = None
    request: type[msgspec.Struct] | None = None
    request_example: object = None
    response: type[msgspec.Struct] | None = None
    response_example: msgspec.Struct | None = None
    errors: tuple[int, ...] = _ANY
    media_type: str = "application/json"
    unready: bool = False


def _generate(path: str, name: str, request: type[msgspec.Struct]) -> Operation:
    return Operation(
        method="POST",
        path=path,
        name=name,
        tag="mind",
        summary="Judge a prompt, recall what is known of it, answer, and remember it.",
        answer="The answer, or a refusal with accepted false.",
        role=Role.WRITE,
        request=request,
        request_example=_PROMPT,
        response=GenerateResponse,
        response_example=_GENERATE_ANSWER,
        errors=_GENERATED,
    )


def _event(path: str, name: str) -> Operation:
    return Operation(
        method="POST",
        path=path,
        name=name,
        tag="mind",
        summary="Judge an event, and keep it at once when it is admitted.",
        answer="What became of it, or a refusal with accepted false.",
        role=Role.WRITE,
        request=wire.EventRequest,
        request_example=_EVENT,
        response=EventResponse,
        response_example=_EVENT_ANSWER,
        errors=_JUDGED,
    )


def _read(path: str, name: str, summary: str, response: type[msgspec.Struct]) -> Operation:
    return Operation(
        method="GET",
        path=path,
        name=name,
        tag="health" if path.startswith("/health") else "state",
        summary=summary,
        answer=response.__doc__ or "",
        role=Role.READ,
        response=response,
        errors=(*_ANY, *_CALLER),
    )


def _look(
    path: str, name: str, summary: str, response: type[msgspec.Struct], unready: bool = False
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        name=name,
        tag="state" if path == "/public" else "health",
        summary=summary,
        answer=response.__doc__ or "",
        response=response,
        unready=unready,
    )


def _command(
    path: str,
    name: str,
    summary: str,
    response: type[msgspec.Struct],
    request: type[msgspec.Struct] | None = None,
    example: object = None,
) -> Operation:
    return Operation(
        method="POST",
        path=f"/admin/{path}",
        name=name,
        tag="admin",
        summary=summary,
        answer=response.__doc__ or "",
        role=Role.ADMIN,
        request=request,
        request_example=example,
        response=response,
        errors=(*_ANY, *_CALLER, *(_BODY if request else (413,))),
    )


_STATE: Final = "Where the engine stands: counts and measures, no content."
_LIVE: Final = "200 as long as the process turns."
_READY: Final = "200 while requests are welcome."

OPERATIONS: Final = (
    _generate("/v1/generate", "generateV1", wire.GenerateRequest),
    _generate("/generate", "generate", wire.SimpleGenerateRequest),
    Operation(
        method="POST",
        path="/infer",
        name="infer",
        tag="mind",
        summary="Answer a prompt, with switches for security, speech and recall.",
        answer="The answer, or a refusal with accepted false.",
        role=Role.WRITE,
        request=wire.InferRequest,
        request_example=_PROMPT | {"secure_mode": True},
        response=InferResponse,
        response_example=_INFER_ANSWER,
        errors=_GENERATED,
    ),
    _event("/event", "event"),
    _event("/v1/process_event", "processEventV1"),
    _event("/v1/process_event/", "processEventV1Slash"),
    _read("/v1/state", "getStateV1", _STATE, schemas.StateResponse),
    _read("/v1/state/", "getStateV1Slash", _STATE, schemas.StateResponse),
    _read("/state", "getState", _STATE, schemas.StateResponse),
    _read("/me", "getCaller", "Who is calling, and what they may do.", schemas.CallerResponse),
    _look("/public", "getGreeting", "A word for everybody.", schemas.Greeting),
    _look("/status", "getStatus", "Which engine this is, and its use.", schemas.StatusResponse),
    _look("/health", "getHealth", "The engine at a glance; always 200.", wire.HealthResponse),
    _look(api_names.PATH_LIVENESS, "getLiveness", _LIVE, wire.Alive),
    _look("/health/live", "getLive", _LIVE, wire.Alive),
    _look(api_names.PATH_READINESS, "getReadiness", _READY, wire.Readiness, unready=True),
    _look("/health/ready", "getReady", _READY, wire.Readiness, unready=True),
    _read(
        "/health/detailed",
        "getHealthDetailed",
        "Health with statistics, for those who may read.",
        schemas.DetailedHealth,
    ),
    Operation(
        method="GET",
        path="/health/metrics",
        name="getMetrics",
        tag="health",
        summary="Prometheus text, the same as on the metrics port.",
        answer="All metrics.",
        media_type="text/plain",
    ),
    _command("reset", "adminReset", "End an emergency by hand.", schemas.AdminEmergency),
    _command("emergency", "adminEmergency", "Turn everybody away.", schemas.AdminEmergency),
    _command(
        "threshold",
        "adminThreshold",
        "Hold the moral threshold at a value, or let it move again.",
        schemas.ThresholdResponse,
        schemas.ThresholdRequest,
        {"threshold": 0.8},
    ),
    _command(
        "erase",
        "adminErase",
        "Forget all memories of a scope.",
        schemas.ErasedResponse,
        schemas.EraseRequest,
        {"user_id": "user-7"},
    ),
)
