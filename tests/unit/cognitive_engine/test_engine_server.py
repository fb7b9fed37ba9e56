"""The real server on loopback: both ports, draining, bounded leaving, the process itself."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import httpx2
import pytest

from cognitive_engine.edge.server import Listeners, bind, serve

ASK = {"prompt": "hello", "moral_value": 0.9}


@contextlib.asynccontextmanager
async def running(engine, shutdown_seconds):
    """A serving engine: its task and the addresses of its two ports."""
    listeners = Listeners(bind("127.0.0.1", 0), bind("127.0.0.1", 0))
    addresses = [
        f"http://127.0.0.1:{each.getsockname()[1]}" for each in (listeners.api, listeners.metrics)
    ]
    task = asyncio.create_task(serve(engine, listeners, shutdown_seconds))
    async with asyncio.timeout(30):
        async with httpx2.AsyncClient(timeout=10) as client:
            await answers(client, f"{addresses[0]}/health/readiness", 200)
            yield task, client, addresses
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await task


async def answers(client, address, status):
    """Wait until `address` answers with `status`; the caller bounds the time."""
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if (await client.get(address)).status_code == status:
                return
        await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_both_ports_serve_and_a_term_drains(edge):
    generator = edge.gated()
    engine = edge.build(edge.config(), {}, generator=generator)
    async with running(engine, 4) as (task, client, (api, metrics)):
        scraped = await client.get(f"{metrics}/metrics")
        assert "mlsdm_steps_total 0.0" in scraped.text
        assert "server" not in scraped.headers
        assert (await client.get(f"{metrics}/health")).status_code == 404
        slow = asyncio.create_task(client.post(f"{api}/v1/generate", json=ASK))
        await generator.arrived(1)
        os.kill(os.getpid(), signal.SIGTERM)
        started = time.monotonic()
        await answers(client, f"{api}/health/readiness", 503)
        assert (await client.get(f"{api}/health/liveness")).status_code == 200
        late = asyncio.create_task(client.post(f"{api}/v1/generate", json=ASK))
        await generator.arrived(1)
        assert not task.done()
        generator.gate.set()
        for request in (slow, late):
            answer = await request
            assert (answer.status_code, answer.json()["accepted"]) == (200, True)
        await task
        assert time.monotonic() - started < 4
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{api}/health/liveness")


@pytest.mark.asyncio
async def test_a_request_that_never_ends_does_not_hold_up_the_end(edge):
    generator = edge.gated()
    engine = edge.build(edge.config(), {}, generator=generator)
    async with running(engine, 2) as (task, client, (api, _)):
        stuck = asyncio.create_task(client.post(f"{api}/v1/generate", json=ASK))
        await generator.arrived(1)
        started = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        assert time.monotonic() - started < 3
        with contextlib.suppress(httpx2.TransportError):
            await stuck


@pytest.mark.asyncio
async def test_a_second_signal_ends_the_waiting(edge):
    generator = edge.gated()
    engine = edge.build(edge.config(), {}, generator=generator)
    async with running(engine, 20) as (task, client, (api, _)):
        stuck = asyncio.create_task(client.post(f"{api}/v1/generate", json=ASK))
        await generator.arrived(1)
        started = time.monotonic()
        os.kill(os.getpid(), signal.SIGTERM)
        await answers(client, f"{api}/health/readiness", 503)
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        assert time.monotonic() - started < 4
        stuck.cancel()
        with contextlib.suppress(httpx2.TransportError, asyncio.CancelledError):
            await stuck


@pytest.mark.asyncio
async def test_probes_answer_at_once_while_fifty_calls_of_a_model_hang(tmp_path):
    """A process of its own, and a model that takes connections and never says a word."""
    silent = bind("127.0.0.1", 0)
    silent.listen(128)
    config = {
        "auth": {"mode": "None"},
        "rateLimit": {"enabled": False},
        "llm": {
            "backend": "OpenAICompatible",
            "model": "mute",
            "baseURL": f"http://127.0.0.1:{silent.getsockname()[1]}/v1",
        },
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config))
    ports = ("--port", "0", "--metrics-port", "0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cognitive_engine", "serve", "--host", "127.0.0.1", *ports),
        env={"CONFIG_PATH": str(path), "SHUTDOWN_SECONDS": "2"},
        stdout=subprocess.PIPE,
    )
    try:
        while (line := json.loads(await process.stdout.readline()))["event"] != "started":
            pass
        base = f"http://127.0.0.1:{line['port']}"
        pool = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(timeout=30, limits=pool, trust_env=False) as client:
            stuck = [
                asyncio.create_task(client.post(f"{base}/v1/generate", json=ASK)) for _ in range(50)
            ]
            step = 0
            async with asyncio.timeout(20):
                while step < 50:
                    step = (await client.get(f"{base}/state")).json()["step"]
            waits = []
            for _ in range(200):
                started = time.perf_counter()
                assert (await client.get(f"{base}/health/live")).status_code == 200
                waits.append(time.perf_counter() - started)
            assert not any(task.done() for task in stuck)
            assert sorted(waits)[197] < 0.05
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        silent.close()
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_the_process_starts_bare_and_leaves_with_zero(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("a-key\n")
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"]
    environment = {"API_KEYS_FILE": str(keys), "SHUTDOWN_SECONDS": "2"}
    work = tmp_path / "work"
    work.mkdir(mode=0o555)
    process = subprocess.Popen(
        [sys.executable, "-m", "cognitive_engine", *arguments],
        env=environment,
        cwd=work,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert [line["event"] for line in lines] == ["starting", "started"]
        base = f"http://127.0.0.1:{lines[1]['port']}"
        with httpx2.Client(timeout=10) as client:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx2.TransportError):
                    answer = client.post(
                        f"{base}/v1/generate", json=ASK, headers={"X-API-Key": "a-key"}
                    )
                    break
            assert answer.status_code == 200
            assert client.post(f"{base}/v1/generate", json=ASK).status_code == 401
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert events == ["request", "request", "draining", "stopped"]
    assert list(work.iterdir()) == []


def test_without_a_port_of_their_own_metrics_are_on_the_api_port(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("a-key-that-is-long-enough\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "cognitive_engine", "serve", "--host", "127.0.0.1", "--port", "0"],
        env={"API_KEYS_FILE": str(keys), "METRICS_ENABLED": "false", "SHUTDOWN_SECONDS": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        started = lines[1]
        assert (started["event"], started["metrics_port"]) == ("started", None)
        with httpx2.Client(base_url=f"http://127.0.0.1:{started['port']}", timeout=10) as client:
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx2.TransportError):
                    answer = client.get("/health/metrics")
                    break
        assert "mlsdm_steps_total" in answer.text
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
