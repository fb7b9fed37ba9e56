"""Put the engine together: adapters into the use cases, these into routes, all behind the front."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from cognitive_api import identity as api_names
from cognitive_api.engine_config import EngineConfig
from cognitive_engine import __version__
from cognitive_engine.adapters.built import Built
from cognitive_engine.adapters.cgroup import CgroupMemory
from cognitive_engine.adapters.clock import SystemClock
from cognitive_engine.adapters.embedders.select import NAME as EMBEDDINGS_NAME
from cognitive_engine.adapters.embedders.select import build_embedder
from cognitive_engine.adapters.failures import BackendUnusable
from cognitive_engine.adapters.generators.select import NAME as LLM_NAME
from cognitive_engine.adapters.generators.select import build_generator
from cognitive_engine.domain.breaker import BreakerState
from cognitive_engine.domain.errors import InvalidInput
from cognitive_engine.ports import AsyncEmbedder, Clock, GenerationFailed, Generator, MemoryGauge
from cognitive_engine.security.authenticator import Authenticator, build_authenticator
from cognitive_engine.security.errors import AccessError, CredentialsError
from cognitive_engine.security.principals import Role
from cognitive_engine.security.rate_limit import RateLimiter
from cognitive_engine.service import Service
from cognitive_engine.settings import Configuration, SettingsError, config_hash
from cognitive_engine.settings.configuration import Environment
from cognitive_engine.telemetry import metrics as telemetry
from cognitive_engine.telemetry.metrics import Identity, Metrics
from cognitive_engine.telemetry.traces import (
    NO_SPANS,
    TraceSettings,
    Tracing,
    TracingUnusable,
    build_tracing,
)

from . import problems
from .access import Door
from .admin import admin_routes
from .admission import Admission
from .deadlines import Deadlines
from .front import Front, Hot, Open
from .gauges import gauges
from .headers import Origins
from .health import Health
from .mind import MindRoutes
from .openapi import API_TITLE, openapi_document
from .problems import Problem, from_status, problem_of
from .routes import Gate, api_routes, exchange_of

EVENT_PATHS: Final = ("/event", "/v1/process_event", "/v1/process_event/")
LIVE_PATHS: Final = (api_names.PATH_LIVENESS, "/health/live")
READY_PATHS: Final = (api_names.PATH_READINESS, "/health/ready")

Routes = dict[str, dict[str, Hot | Open]]


@dataclass(frozen=True, slots=True)
class Engine:
    """A ready engine: its use cases, one application a port, and what works in the background."""

    service: Service
    gauge: MemoryGauge
    authenticator: Authenticator
    parts: tuple[Built[Any], ...]
    tracing: Tracing | None
    api: ASGIApp
    metrics: ASGIApp


def build_engine(
    config: EngineConfig,
    environment: Mapping[str, str],
    *,
    generator: Generator | None = None,
    clock: Clock | None = None,
    gauge: MemoryGauge | None = None,
    deadline_seconds: float | None = None,
    tracing: Tracing | None = None,
) -> Engine:
    """The engine that `config` describes; what is given replaces the built-in.

    Raises:
        SettingsError: it cannot be built: no usable credentials or backend, no libraries to
            trace with, or not enough memory.
    """
    identity = Identity(
        version=__version__,
        track=environment.get(api_names.ENV_TRACK, api_names.TRACK_STABLE),
        revision=environment.get(api_names.ENV_REVISION, ""),
        config=config_hash(config),
    )
    tracing = tracing or _tracing(config)
    # The service measures into the metrics and the metrics read the service.
    metrics = Metrics(
        identity,
        lambda: gauges(service, admission, health, parts),
        lambda: tracing.counts if tracing else NO_SPANS,
    )
    writing, embedding, authenticator = _parts(config, environment, metrics, generator)
    parts: dict[str, Built[Any]] = {LLM_NAME: writing, EMBEDDINGS_NAME: embedding}
    service = _service(config, writing, embedding, clock, metrics)
    memory = gauge or CgroupMemory()
    limited = config.rate_limit.enabled
    limiter = RateLimiter(config.rate_limit, time.monotonic) if limited else None
    door = Door(authenticator, limiter, metrics)
    health = Health(service, memory, authenticator)
    api = config.api
    admission = Admission(api.max_concurrent, api.queue_timeout_seconds)
    mind = MindRoutes(service, admission, authenticator.scopes, metrics)

    def breaker_state() -> str:
        guard = writing.guard
        return (guard.reading().breaker if guard else BreakerState.CLOSED).value

    gate = Gate(door)
    framework = _application()
    framework.include_router(api_routes(service, gate, health, identity, breaker_state))
    framework.include_router(admin_routes(service, gate, authenticator.scopes))
    seconds = deadline_seconds or api.request_timeout_seconds

    def front(app: ASGIApp | None, routes: Routes) -> Front:
        return Front(
            app,
            routes,
            door=door,
            meter=metrics,
            deadlines=Deadlines(seconds),
            origins=Origins(api.cors_origins if app else ()),
            tracing=tracing if app else None,
        )

    exposition: Routes = {"/health/metrics": {"GET": _exposition("/health/metrics", metrics)}}
    return Engine(
        service=service,
        gauge=memory,
        authenticator=authenticator,
        parts=tuple(parts.values()),
        tracing=tracing,
        api=front(framework, hot_routes(mind, health) | exposition),
        metrics=front(
            None,
            {api_names.PATH_METRICS: {"GET": _exposition(api_names.PATH_METRICS, metrics)}},
        ),
    )


def hot_routes(mind: MindRoutes, health: Health) -> Routes:
    """What the front answers by itself, by path and method."""
    routes: Routes = {}
    for path, answer in (
        ("/v1/generate", mind.generate),
        ("/generate", mind.generate_simply),
        ("/infer", mind.infer),
        *((path, mind.event) for path in EVENT_PATHS),
    ):
        routes[path] = {"POST": Hot(path, Role.WRITE, answer)}
    for path, look in (
        ("/health", health.glance),
        *((path, health.alive) for path in LIVE_PATHS),
        *((path, health.ready) for path in READY_PATHS),
    ):
        routes[path] = {"GET": Open(path, look)}
    return routes


def _parts(
    config: EngineConfig,
    environment: Mapping[str, str],
    metrics: Metrics,
    generator: Generator | None,
) -> tuple[Built[Generator], Built[AsyncEmbedder], Authenticator]:
    try:
        writing = (
            Built(generator)
            if generator
            else build_generator(config.llm, environment, meter=metrics, monotonic=time.monotonic)
        )
        embedding = build_embedder(
            config.embeddings,
            config.memory.dimension,
            environment,
            meter=metrics,
            monotonic=time.monotonic,
        )
        return writing, embedding, build_authenticator(config.auth, environment)
    except (BackendUnusable, CredentialsError) as error:
        raise SettingsError(str(error)) from error


def _tracing(config: EngineConfig) -> Tracing | None:
    if not isinstance(config, Configuration) or not config.tracing.enabled:
        return None
    asked = config.tracing
    settings = TraceSettings(
        endpoint=asked.endpoint,
        service_name=asked.service_name,
        service_version=__version__,
        deployment=asked.deployment or (config.environment or Environment.DEVELOPMENT).value,
        sample_ratio=asked.sample_ratio,
    )
    try:
        return build_tracing(settings)
    except TracingUnusable as error:
        raise SettingsError(str(error)) from error


def _service(
    config: EngineConfig,
    writing: Built[Generator],
    embedding: Built[AsyncEmbedder],
    clock: Clock | None,
    metrics: Metrics,
) -> Service:
    try:
        return Service(
            config,
            generator=writing.part,
            embedder=embedding.part,
            clock=clock or SystemClock(),
            meter=metrics,
        )
    except MemoryError as error:
        bank_mb = config.memory.capacity * config.memory.dimension * 4 // 2**20
        raise SettingsError(
            f"memory.capacity x memory.dimension needs {bank_mb} MiB, more than there is"
        ) from error


def _exposition(path: str, metrics: Metrics) -> Open:
    return Open(path, lambda: (200, metrics.text()), telemetry.CONTENT_TYPE.encode())


def _application() -> FastAPI:
    app = FastAPI(
        title=API_TITLE,
        version=__version__,
        openapi_url="/openapi.json",
        docs_url="/docs",
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    # One table describes the hot routes and these alike.
    app.openapi = openapi_document  # type: ignore[method-assign]

    async def answer(request: Request, error: Exception) -> Response:
        return _answer(request, problem_of(error))

    async def framework(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return _answer(request, from_status(error.status_code, error.headers))
        return _answer(request, Problem(problems.VALIDATION, "The request has not its shape."))

    for expected in (Problem, AccessError, InvalidInput, GenerationFailed):
        app.add_exception_handler(expected, answer)
    # The framework raises any other error again after this answer; the front logs it.
    app.add_exception_handler(Exception, answer)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, framework)
    return app


def _answer(request: Request, problem: Problem) -> Response:
    exchange = exchange_of(request)
    exchange.fail(problem.kind.code)
    return Response(
        problem.body(exchange.request_id, exchange.trace.trace_id),
        status_code=problem.kind.status,
        headers=problem.headers,
        media_type=problems.CONTENT_TYPE,
    )
