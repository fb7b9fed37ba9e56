"""A real Prometheus scrapes real engines under load: published alerts and queries see it move."""

import asyncio
import contextlib
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass

import httpx2
import pytest

from cognitive_api import identity
from prometheusserver import program, prometheus, until

JOB = "mlsdm-api"
CONFIG = {
    "memory": {"dimension": 16, "capacity": 2000},
    "governance": {
        "moral": {"policy": "homeostatic"},
        # Whoever comes at night is turned away with 503: a share of errors to look at.
        "rhythm": {"sleepPolicy": "reject"},
    },
    "auth": {"mode": "None"},
    "rateLimit": {"enabled": False},
}
START_SECONDS = 30
LOAD_REQUESTS = 600
LOAD_CONCURRENT = 64
ALERTS = {
    "HighRejectionRate": (
        "rate(rejected_events_count[5m]) / rate(total_events_processed[5m]) > 0.5",
        "5m",
        "warning",
    ),
    "HighLatency": (
        "histogram_quantile(0.95, rate(process_event_latency_seconds_bucket[5m])) > 0.1",
        "5m",
        "warning",
    ),
    "HighMemoryUsage": ("memory_usage_bytes > 1.8e9", "5m", "critical"),
    "ServiceDown": (f'up{{job="{JOB}"}} == 0', "1m", "critical"),
}
RULES = {
    "groups": [
        {
            "name": "published",
            "rules": [
                {"alert": name, "expr": expression, "for": wait, "labels": {"severity": severity}}
                for name, (expression, wait, severity) in ALERTS.items()
            ],
        }
    ]
}
_STABLE = f'{{job="{JOB}"}}'
# What must move under load, each to be asked of the stable engine alone.
QUERIES = {
    "rejection rate": f"rate(rejected_events_count{_STABLE}[5m])"
    f" / rate(total_events_processed{_STABLE}[5m])",
    "latency": f"histogram_quantile(0.95, rate(process_event_latency_seconds_bucket{_STABLE}[5m]))",
    "memory": f"memory_usage_bytes{_STABLE}",
    "memory in GiB": f"memory_usage_bytes{_STABLE} / 1024 / 1024 / 1024",
    "processor": f"cpu_usage_percent{_STABLE}",
    "request rate": f"rate(total_events_processed{_STABLE}[5m])",
    "accepted": f"increase(accepted_events_count{_STABLE}[5m])",
    "errors": f"rate(error_count{_STABLE}[5m])",
    "threshold over an hour": f"delta(moral_filter_threshold{_STABLE}[1h])",
    "threshold": f"mlsdm_moral_threshold{_STABLE}",
    "steps": f"rate(mlsdm_steps_total{_STABLE}[1m])",
    "decisions": f"rate(mlsdm_accepted_total{_STABLE}[1m])"
    f" / (rate(mlsdm_accepted_total{_STABLE}[1m]) + rate(mlsdm_rejected_total{_STABLE}[1m]))",
    "requests": f"rate(mlsdm_requests_total{_STABLE}[1m])",
    "latency of requests": "histogram_quantile(0.95, "
    f"rate(mlsdm_latency_seconds_bucket{_STABLE}[1m]))",
    "generation": "histogram_quantile(0.5, "
    f"rate(mlsdm_generation_duration_seconds_bucket{_STABLE}[1m]))",
    "retrieval": f"rate(mlsdm_retrieval_duration_seconds_sum{_STABLE}[1m])"
    f" / rate(mlsdm_retrieval_duration_seconds_count{_STABLE}[1m])",
    "memories": f"mlsdm_memory_used{_STABLE}",
    "consolidations": f"mlsdm_consolidations_total{_STABLE}",
    "canary's share of errors": 'sum(rate(http_requests_total{track="canary",status=~"5.."}[5m]))'
    ' / sum(rate(http_requests_total{track="canary"}[5m]))',
    "stable share of errors": 'sum(rate(http_requests_total{track="stable",status=~"5.."}[5m]))'
    ' / sum(rate(http_requests_total{track="stable"}[5m]))',
}
# The names of published queries do not all follow today's conventions.
UNCONVENTIONAL = {
    "accepted_events_count",
    "rejected_events_count",
    "total_events_processed",
    "error_count",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that serves."""

    process: subprocess.Popen
    api: str
    metrics: str


@contextlib.contextmanager
def serving(folder, track):
    """An engine process of `track`, until the block ends."""
    path = folder / f"{track}.json"
    path.write_text(json.dumps(CONFIG))
    environment = {
        "PATH": os.environ["PATH"],
        identity.ENV_CONFIG_PATH: str(path),
        identity.ENV_TRACK: track,
    }
    arguments = ["serve", "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"]
    log = folder / f"{track}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cognitive_engine", *arguments],
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            started = until(lambda: _started(process, log), START_SECONDS)
            host = "http://127.0.0.1"
            api, metrics = f"{host}:{started['port']}", f"{host}:{started['metrics_port']}"
            until(lambda: _answers(api), START_SECONDS)
            yield Engine(process, api, metrics)
        finally:
            process.terminate()
            process.wait(30)


def _started(process, log):
    assert process.poll() is None, log.read_text()
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return next((line for line in lines if line["event"] == "started"), None)


def _answers(address):
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(f"{address}/health/readiness").status_code == 200
    return False


async def load(engines, accepted, concurrent):
    """Events and prompts for all `engines`, so many at once; of five, so many are `accepted`."""
    room = asyncio.Semaphore(concurrent)

    async def one(client, number):
        score = {"moral_value": 0.95 if number % 5 < accepted else 0.0}
        async with room:
            if number % 3:
                vector = [float((number * place) % 7 - 3) for place in range(1, 17)]
                await client.post("/event", json=score | {"event_vector": vector})
            else:
                await client.post("/v1/generate", json=score | {"prompt": f"question {number}"})

    async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for engine in engines:
            client = await stack.enter_async_context(
                httpx2.AsyncClient(base_url=engine.api, timeout=30)
            )
            for number in range(LOAD_REQUESTS):
                group.create_task(one(client, number))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two engines, of both tracks, and the Prometheus that scrapes them."""
    folder = tmp_path_factory.mktemp("prometheus")
    with serving(folder, "stable") as stable, serving(folder, "canary") as canary:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [engine.metrics[7:]]}]}
                for job, engine in ((JOB, stable), ("mlsdm-canary", canary))
            ],
        }
        with prometheus(folder, config, RULES) as asking:
            until(lambda: asking.value(f'sum(up{{job=~"{JOB}|mlsdm-canary"}})') == 2)
            yield asking, stable, canary


def values(asking):
    """The value of each query; a query without one is left out."""
    found = {name: asking.value(query) for name, query in QUERIES.items()}
    return {
        name: value for name, value in found.items() if value is not None and not math.isnan(value)
    }


def scraped(asking, engine):
    """Whether Prometheus knows all that `engine` has counted."""
    text = httpx2.get(f"{engine.metrics}/metrics").text
    steps = float(re.search(r"^total_events_processed (\S+)$", text, re.MULTILINE)[1])
    return asking.value(f"total_events_processed{_STABLE}") == steps


def test_published_queries_move_and_alerts_speak(world):
    asking, stable, canary = world
    asyncio.run(load((stable, canary), 5, 4))
    until(lambda: scraped(asking, stable))
    calm = {}

    def all_have_values():
        calm.update(values(asking))
        return calm.keys() == QUERIES.keys()

    until(all_have_values, told=calm)
    assert asking.alerts()["HighRejectionRate"]["state"] == "inactive"
    # Four of five are refused from now on, and too many come at once.
    for _ in range(4):
        asyncio.run(load((stable, canary), 1, LOAD_CONCURRENT))
    still = set(QUERIES)

    def all_have_moved():
        now = values(asking)
        still.difference_update(name for name in now if now[name] != calm[name])
        return not still

    until(all_have_moved, told=still)
    assert calm["rejection rate"] < 0.5 < asking.value(QUERIES["rejection rate"])
    # It waits five minutes before it fires.
    until(lambda: asking.alerts()["HighRejectionRate"]["state"] == "pending")
    alerts = asking.alerts()
    assert alerts.keys() == ALERTS.keys()
    assert {rule["health"] for rule in alerts.values()} == {"ok"}
    assert alerts["ServiceDown"]["state"] == "inactive"
    assert alerts["HighMemoryUsage"]["state"] == "inactive"
    stable.process.terminate()
    stable.process.wait(30)
    until(lambda: asking.value(f'up{{job="{JOB}"}}') == 0)
    until(lambda: asking.alerts()["ServiceDown"]["state"] == "pending")


def test_nothing_is_odd_about_our_names_but_what_was_published(world):
    _, _, canary = world
    text = httpx2.get(f"{canary.metrics}/metrics").text
    done = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = (done.stdout + done.stderr).splitlines()
    assert {line.split(" ", 1)[0] for line in complaints} == UNCONVENTIONAL, complaints
