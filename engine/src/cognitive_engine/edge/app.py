"""Put the engine together: adapters into the use cases, these into routes, all in the envelope."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from cognitive_api import identity as api_names
from cognitive_api.engine_config import AuthMode, EngineConfig
from cognitive_engine import __version__
from cognitive_engine.adapters.cgroup import CgroupMemory
from cognitive_engine.adapters.clock import SystemClock
from cognitive_engine.adapters.embedders.hashing import HashingEmbedder
from cognitive_engine.adapters.generators.local_stub import LocalStub
from cognitive_engine.domain import limits
from cognitive_engine.ports import Clock, Generator, MemoryGauge
from cognitive_engine.security.api_keys import KeyFile, KeyFileError
from cognitive_engine.security.rate_limit import RateLimiter
from cognitive_engine.service import Service
from cognitive_engine.settings import SettingsError, config_hash
from cognitive_engine.telemetry.metrics import Identity, Metrics

from .access import Gate
from .health import gauges, health_routes, metrics_routes
from .middleware import Envelope, Exchange
from .problems import INTERNAL, Problem, from_status
from .routes import api_routes


@dataclass(frozen=True, slots=True)
class Engine:
    """A ready engine: its use cases, one application a port, and what it minds its size by."""

    service: Service
    gauge: MemoryGauge
    api: ASGIApp
    metrics: ASGIApp


def build_engine(
    config: EngineConfig,
    environment: Mapping[str, str],
    *,
    generator: Generator | None = None,
    clock: Clock | None = None,
    gauge: MemoryGauge | None = None,
    deadline_seconds: float = limits.REQUEST_SECONDS_MAX,
) -> Engine:
    """The engine that `config` describes; what is given replaces the built-in.

    Raises:
        SettingsError: it cannot be built: no usable API keys, or not enough memory.
    """
    keys = _keys(config, environment)
    identity = Identity(
        version=__version__,
        track=environment.get(api_names.ENV_TRACK, api_names.TRACK_STABLE),
        revision=environment.get(api_names.ENV_REVISION, ""),
        config=config_hash(config),
    )
    # The service measures into the metrics and the metrics read the service.
    metrics = Metrics(identity, lambda: gauges(service))
    try:
        service = Service(
            config,
            generator=generator or LocalStub(),
            embedder=HashingEmbedder(config.memory.dimension),
            clock=clock or SystemClock(),
            meter=metrics,
        )
    except MemoryError as error:
        bank_mb = config.memory.capacity * config.memory.dimension * 4 // 2**20
        raise SettingsError(
            f"memory.capacity x memory.dimension needs {bank_mb} MiB, more than there is"
        ) from error
    limited = config.rate_limit.enabled
    gate = Gate(keys, RateLimiter(config.rate_limit, time.monotonic) if limited else None)
    api = _application("Cognitive Engine", docs=True)
    api.include_router(api_routes(service, gate, identity))
    api.include_router(health_routes(service, gate, metrics))
    exposition = _application("Cognitive Engine metrics", docs=False)
    exposition.include_router(metrics_routes(metrics))
    return Engine(
        service=service,
        gauge=gauge or CgroupMemory(),
        api=Envelope(api, metrics, deadline_seconds=deadline_seconds),
        metrics=Envelope(exposition, metrics),
    )


def _keys(config: EngineConfig, environment: Mapping[str, str]) -> KeyFile | None:
    if config.auth_mode is AuthMode.NONE:
        return None
    path = environment.get(api_names.ENV_API_KEYS_FILE)
    if not path:
        raise SettingsError(
            f"authMode APIKey needs {api_names.ENV_API_KEYS_FILE} to name a file with a key "
            "on each line; set it, or set authMode to None"
        )
    try:
        return KeyFile(Path(path), time.monotonic)
    except KeyFileError as error:
        raise SettingsError(f"{api_names.ENV_API_KEYS_FILE}: {error}") from error


def _application(title: str, *, docs: bool) -> FastAPI:
    app = FastAPI(
        title=title,
        version=__version__,
        openapi_url="/openapi.json" if docs else None,
        docs_url="/docs" if docs else None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        return _answer(request, error)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        return _answer(request, from_status(error.status_code, error.headers))

    @app.exception_handler(Exception)
    async def crash(request: Request, error: Exception) -> Response:
        # The framework raises the error again after this answer; the envelope logs it.
        return _answer(request, Problem(INTERNAL, "The engine failed; see its log."))

    return app


def _answer(request: Request, problem: Problem) -> Response:
    exchange: Exchange = request.state.exchange
    exchange.fields["error_code"] = problem.kind.code
    headers = problem.headers | {"Content-Type": "application/problem+json"}
    return Response(
        problem.body(exchange.request_id), status_code=problem.kind.status, headers=headers
    )
