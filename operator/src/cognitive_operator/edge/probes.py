"""HTTP for the kubelet and for Prometheus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .freshness import Freshness


@asynccontextmanager
async def serving(freshness: Freshness, probe_port: int, metrics_port: int) -> AsyncIterator[None]:
    """Serve /livez and /readyz on one port, /metrics on another, while the block runs."""

    async def livez(_: web.Request) -> web.Response:
        if freshness.stale:
            return web.Response(status=503, text=f"watch behind for {freshness.age:.0f} s\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if freshness.seen:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="the watch has not caught up yet\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    probes = web.Application()
    probes.add_routes([web.get("/livez", livez), web.get("/readyz", readyz)])
    exporter = web.Application()
    exporter.add_routes([web.get("/metrics", metrics)])
    runners = []
    try:
        for app, port in ((probes, probe_port), (exporter, metrics_port)):
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            runners.append(runner)
            await web.TCPSite(runner, port=port).start()
        yield
    finally:
        for runner in runners:
            await runner.cleanup()
