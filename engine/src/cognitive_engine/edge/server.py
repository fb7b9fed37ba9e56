"""Serve both ports from one event loop, and leave in good order when told to."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
import uvicorn
from starlette.types import ASGIApp

from cognitive_engine.domain import limits
from cognitive_engine.service import Service

from .app import Engine
from .protocol import BoundedProtocol
from .upkeep import upkeep

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Bound sockets, one a port; without one for the metrics they are on the API's port only."""

    api: socket.socket
    metrics: socket.socket | None


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: two of them share the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port`; port 0 takes a free one.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


async def serve(engine: Engine, listeners: Listeners, shutdown_seconds: int) -> None:
    """Serve until SIGTERM or SIGINT, then drain; back within `shutdown_seconds` of the signal.

    Draining: readiness turns to 503 at once, while requests that are still routed here are served
    for a moment; then the ports close, and what is in flight may finish. A second signal ends the
    waiting.
    """
    notice_seconds = min(limits.DRAIN_NOTICE_SECONDS_MAX, shutdown_seconds / 4)
    # The last second is for closing: uvicorn polls, and both servers end one after the other.
    grace_seconds = max(1, int(shutdown_seconds - notice_seconds - 1))
    api = _server(engine.api, grace_seconds)
    apart = listeners.metrics
    metrics = _server(engine.metrics, 1) if apart else None
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            hurry.set()
            api.force_exit = True
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    _log.info(
        "started",
        port=listeners.api.getsockname()[1],
        metrics_port=apart.getsockname()[1] if apart else None,
    )
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(api.serve([listeners.api]))
            if metrics and apart:
                group.create_task(metrics.serve([apart]))
            background = [
                group.create_task(upkeep(engine.service, engine.gauge)),
                group.create_task(engine.authenticator.run()),
            ]
            await stop.wait()
            await _drain(engine.service, hurry, notice_seconds)
            for task in background:
                task.cancel()
            api.should_exit = True
            if metrics:
                metrics.should_exit = True
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        for part in engine.parts:
            await part.aclose()
        if engine.tracing is not None:
            await asyncio.to_thread(engine.tracing.close)
    _log.info("stopped")


async def _drain(service: Service, hurry: asyncio.Event, notice_seconds: float) -> None:
    service.drain()
    _log.info("draining", notice_seconds=notice_seconds)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(hurry.wait(), notice_seconds)


def _server(app: ASGIApp, grace_seconds: int) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=grace_seconds,
        )
    )
