"""The administrators' routes. Each is a command like any other, and leaves a line in the log."""

from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import Response

from cognitive_engine.domain.commands import (
    Adjusted,
    Command,
    Emergency,
    Erase,
    Erased,
    Outcome,
    Override,
    Reset,
)
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.security.principals import Principal, Role, Scopes
from cognitive_engine.service import Service

from . import problems
from .bodies import Shape, read_body
from .problems import Fault, Problem
from .routes import Gate, emergency_status, exchange_of, json_response
from .schemas import (
    AdminEmergency,
    ErasedResponse,
    EraseRequest,
    ThresholdRequest,
    ThresholdResponse,
)

_ERASE: Final = Shape(EraseRequest)
_THRESHOLD: Final = Shape(ThresholdRequest)

_log = structlog.stdlib.get_logger(__name__)


def admin_routes(service: Service, gate: Gate, scopes: Scopes) -> APIRouter:
    """`/admin` and below."""
    router = APIRouter(prefix="/admin")
    admin = gate.having(Role.ADMIN)

    def apply(request: Request, caller: Principal, command: Command) -> Outcome:
        outcome = service.apply(command)
        _log.warning(
            "admin_command",
            request_id=exchange_of(request).request_id,
            command=type(command).__name__.lower(),
            subject=caller.subject,
        )
        return outcome

    @router.post("/reset")
    async def reset(request: Request, caller: Annotated[Principal, admin]) -> Response:
        apply(request, caller, Reset())
        return json_response(AdminEmergency(emergency_status(service.snapshot())))

    @router.post("/emergency")
    async def emergency(request: Request, caller: Annotated[Principal, admin]) -> Response:
        apply(request, caller, Emergency(EmergencyReason.MANUAL))
        return json_response(AdminEmergency(emergency_status(service.snapshot())))

    @router.post("/threshold")
    async def threshold(request: Request, caller: Annotated[Principal, admin]) -> Response:
        asked = _THRESHOLD.parse(await read_body(exchange_of(request), request.receive))
        outcome = apply(request, caller, Override(asked.threshold))
        assert isinstance(outcome, Adjusted)
        return json_response(ThresholdResponse(round(outcome.threshold, 4), outcome.held))

    @router.post("/erase")
    async def erase(request: Request, caller: Annotated[Principal, admin]) -> Response:
        asked = _ERASE.parse(await read_body(exchange_of(request), request.receive))
        scope = _scope(asked, caller, scopes)
        outcome = apply(request, caller, Erase(scope))
        assert isinstance(outcome, Erased)
        return json_response(ErasedResponse(outcome.count))

    return router


def _scope(asked: EraseRequest, caller: Principal, scopes: Scopes) -> str:
    if asked.scope is not None and asked.user_id is None:
        return asked.scope
    if asked.user_id is not None and asked.scope is None:
        return scopes.of_user(caller, asked.user_id)
    fault = Fault("", "either scope or user_id is required, not both")
    raise Problem(problems.VALIDATION, "One scope is wanted.", faults=(fault,))
