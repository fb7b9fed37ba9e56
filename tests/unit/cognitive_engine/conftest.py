"""Engines and clients for the tests of the edge."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
import pytest

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.edge.app import build_engine

KEY = "a-key-of-the-tests"


class ManualClock:
    """Time that passes when a test says so."""

    def __init__(self, now=1_700_000_000.0):
        self.time = now

    def now(self):
        return self.time


class GatedGenerator:
    """Answers when the gate opens; says who has come to it."""

    def __init__(self):
        self.gate = asyncio.Event()
        self._arrivals = asyncio.Queue()

    async def arrived(self, count):
        """Wait, not for ever, until `count` more requests wait at the gate."""
        async with asyncio.timeout(10):
            for _ in range(count):
                await self._arrivals.get()

    async def generate(self, draft):
        self._arrivals.put_nowait(draft)
        await self.gate.wait()
        return f"late answer to {draft.prompt}"


def small(**settings):
    """A configuration without authentication and limits, with a small memory."""
    base = {
        "auth": {"mode": "None"},
        "rateLimit": {"enabled": False},
        "memory": {"dimension": 64, "capacity": 500},
    }
    if "authMode" in settings:
        settings["auth"] = {"mode": settings.pop("authMode")}
    return EngineConfig.model_validate(base | settings)


@asynccontextmanager
async def client_of(application, **options):
    """An HTTP client that talks to `application` in this process."""
    address = options.pop("address", ("192.0.2.1", 1234))
    transport = httpx2.ASGITransport(app=application, client=address)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://engine", **options
    ) as client:
        yield client


class Edge:
    """What the tests of the edge build with."""

    key = KEY
    clock = ManualClock
    gated = GatedGenerator
    config = staticmethod(small)
    build = staticmethod(build_engine)
    client = staticmethod(client_of)


@pytest.fixture
def edge():
    return Edge


@pytest.fixture
def keyed(tmp_path):
    """Environment with a key file."""
    path = tmp_path / "keys"
    path.write_text(f"{KEY}\nanother-key\n")
    return {"API_KEYS_FILE": str(path)}
