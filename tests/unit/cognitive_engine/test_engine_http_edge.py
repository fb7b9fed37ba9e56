"""The edge: authentication, limits, headers, problems, health, metrics."""

import re

import pytest

from cognitive_api import metric_names
from cognitive_engine.domain.commands import Emergency
from cognitive_engine.domain.emergency import EmergencyReason

pytestmark = pytest.mark.asyncio

ASK = {"prompt": "hello", "moral_value": 0.9}
OPEN_PATHS = [
    "/health",
    "/health/liveness",
    "/health/readiness",
    "/health/metrics",
    "/docs",
    "/openapi.json",
]
GUARDED = [("POST", "/v1/generate"), ("GET", "/v1/state"), ("GET", "/health/detailed")]


def is_problem(answer, status, code):
    body = answer.json()
    assert answer.status_code == status == body["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) - {"errors", "retry_after"} == {
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
        "trace_id",
    }
    assert body.get("retry_after", 0) == int(answer.headers.get("retry-after", 0))
    assert body["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]
    return True


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_guarded_paths_need_a_key(edge, keyed, method, path):
    engine = edge.build(edge.config(authMode="APIKey"), keyed)
    async with edge.client(engine.api) as client:
        answer = await client.request(method, path, json=ASK)
        assert is_problem(answer, 401, "E206")
        assert answer.headers["www-authenticate"] == "Bearer"
        for headers in ({"X-API-Key": "no"}, {"Authorization": "Bearer no"}, {"X-API-Key": "\xff"}):
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = await client.request(method, path, json=ASK, headers=encoded)
            assert is_problem(answer, 401, "E204")
        for headers in ({"X-API-Key": edge.key}, {"Authorization": f"Bearer {edge.key}"}):
            answer = await client.request(
                method, path, json=ASK if method == "POST" else None, headers=headers
            )
            assert answer.status_code == 200


@pytest.mark.parametrize("path", OPEN_PATHS)
async def test_open_paths_need_none_and_are_not_limited(edge, keyed, path):
    config = edge.config(
        authMode="APIKey", rateLimit={"enabled": True, "requestsPerSecond": 1, "burst": 1}
    )
    engine = edge.build(config, keyed)
    async with edge.client(engine.api) as client:
        for _ in range(3):
            assert (await client.get(path)).status_code == 200


async def test_a_key_is_limited_wherever_it_comes_from(edge, keyed):
    config = edge.config(
        authMode="APIKey", rateLimit={"enabled": True, "requestsPerSecond": 1, "burst": 3}
    )
    engine = edge.build(config, keyed)
    statuses = []
    for number in range(4):
        async with edge.client(engine.api, address=(f"192.0.2.{number}", 1)) as client:
            answer = await client.get("/v1/state", headers={"X-API-Key": edge.key})
            statuses.append(answer.status_code)
    assert statuses == [200, 200, 200, 429]
    assert is_problem(answer, 429, "E901")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"] == '"default";q=3;w=3'
    assert answer.headers["ratelimit"] == '"default";r=0;t=1'
    async with edge.client(engine.api) as client:
        other = await client.get("/v1/state", headers={"X-API-Key": "another-key"})
    assert other.headers["ratelimit"].startswith('"default";r=2')


async def test_guessing_keys_is_limited_by_address_whatever_the_agent(edge, keyed):
    config = edge.config(
        authMode="APIKey", rateLimit={"enabled": True, "requestsPerSecond": 1, "burst": 5}
    )
    engine = edge.build(config, keyed)
    statuses = []
    async with edge.client(engine.api) as client:
        for number in range(10):
            headers = {
                "X-API-Key": f"guess-{number}",
                "User-Agent": f"agent-{number}",
                "X-Forwarded-For": f"198.51.100.{number}",
            }
            statuses.append((await client.get("/v1/state", headers=headers)).status_code)
        assert statuses == [401] * 5 + [429] * 5
        good = await client.get("/v1/state", headers={"X-API-Key": edge.key})
    assert good.status_code == 200


async def test_every_answer_has_its_headers(edge, keyed):
    engine = edge.build(edge.config(authMode="APIKey"), keyed)
    async with edge.client(engine.api) as client:
        for path in ("/health", "/v1/state", "/nowhere", "/openapi.json"):
            answer = await client.get(path)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert re.fullmatch(r"\d+\.\d\dms", answer.headers["x-response-time"])
            assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2_3", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a b", False),
        ('a"},{', False),
        ("ä", False),
        ("", False),
    ],
)
async def test_a_request_id_is_kept_only_if_it_is_safe(edge, given, kept):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.get("/nowhere", headers={"X-Request-ID": given.encode()})
    assert (answer.headers["x-request-id"] == given) is kept
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["x-request-id"])
    assert is_problem(answer, 404, "E905")


async def test_what_the_framework_refuses_is_a_problem_too(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        assert is_problem(await client.get("/a-secret-word"), 404, "E905")
        assert "a-secret-word" not in (await client.get("/a-secret-word")).text
        assert is_problem(await client.get("/v1/generate/"), 404, "E905")
        answer = await client.get("/v1/generate")
        assert is_problem(answer, 405, "E906")
        assert answer.headers["allow"] == "POST"


async def test_health_merges_both_published_bodies(edge):
    engine = edge.build(edge.config(memory={"dimension": 8, "capacity": 2}), {})
    async with edge.client(engine.api) as client:
        assert (await client.get("/health")).json() == {
            "status": "healthy",
            "step": 0,
            "phase": "wake",
            "memory_used": 0,
            "memory_capacity": 2,
            "checks": {
                "memory": {"status": "ok", "used": 0, "capacity": 2, "percentage": 0.0},
                "moral_filter": {"status": "ok", "threshold": 0.5},
                "phase": {"current": "wake", "step": 0},
                "emergency": {"status": "ok", "active": False, "reason": None},
            },
            "damaged_memories": 0,
            "evicted_memories": 0,
            "state_digest": "00" * 16,
        }
        for _ in range(2):
            await client.post("/v1/generate", json=ASK)
        full = await client.get("/health")
    assert full.status_code == 200
    assert (full.json()["status"], full.json()["checks"]["memory"]["status"]) == (
        "degraded",
        "warning",
    )


async def test_health_speaks_of_an_emergency(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        engine.service.apply(Emergency(EmergencyReason.MANUAL))
        answer = await client.get("/health")
        assert (await client.get("/health/liveness")).status_code == 200
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["emergency"] == {
        "status": "error",
        "active": True,
        "reason": "manual",
    }


async def test_detailed_health_has_the_published_fields(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=ASK)
        body = (await client.get("/health/detailed")).json()
    assert body["phase"] == "wake"
    assert body["memory_state"]["L1_norm"] == pytest.approx(1.0, abs=1e-4)
    assert body["statistics"]["moral_filter_threshold"] == 0.5
    assert body["statistics"]["accepted_events_count"] == 1


async def test_readiness_ends_with_the_drain_and_liveness_does_not(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        assert (await client.get("/health/readiness")).json()["status"] == "ready"
        engine.service.drain()
        leaving = await client.get("/health/readiness")
        assert (leaving.status_code, leaving.json()["ready"]) == (503, False)
        assert (await client.get("/health/liveness")).json()["status"] == "alive"
        assert (await client.post("/v1/generate", json=ASK)).status_code == 200


def samples(text):
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


async def test_metrics_agree_with_the_state_on_both_ports(edge):
    engine = edge.build(edge.config(), {"MLSDM_TRACK": "canary", "MLSDM_REVISION": "r1"})
    async with edge.client(engine.api) as client, edge.client(engine.metrics) as scraper:
        for score in [0.9] * 7 + [0.1]:
            await client.post("/v1/generate", json=ASK | {"moral_value": score})
        await client.post("/v1/generate", content=b"{")
        await client.get("/a-secret-word")
        state = (await client.get("/v1/state")).json()
        answer = await scraper.get("/metrics")
        other = samples((await client.get("/health/metrics")).text)
        assert (await scraper.get("/v1/state")).status_code == 404
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found["mlsdm_steps_total"] == state["step"] == 8
    assert found["mlsdm_accepted_total"] == state["accepted_count"] == 7
    assert found["mlsdm_rejected_total"] == state["rejected_count"] == 1
    assert found["mlsdm_memory_used"] == state["pelm_stats"]["used"] == 14
    assert found["mlsdm_consolidations_total"] == state["consolidations"] == 1
    assert round(found["mlsdm_moral_threshold"], 4) == state["moral_threshold"]
    assert (found["mlsdm_phase"], state["phase"]) == (1.0, "sleep")
    assert found['mlsdm_phase_state{phase="sleep"}'] == 1.0
    assert found['mlsdm_phase_state{phase="wake"}'] == 0.0
    assert found["mlsdm_memory_bytes"] > 500 * 64 * 4
    assert found["mlsdm_generation_duration_seconds_count"] == 7
    assert found["mlsdm_retrieval_duration_seconds_count"] == 7
    request = 'http_requests_total{method="%s",route="%s",status="%s",track="canary"}'
    assert found[request % ("POST", "/v1/generate", 200)] == 8
    assert found[request % ("POST", "/v1/generate", 415)] == 1
    assert found[request % ("GET", "unmatched", 404)] == 1
    assert "a-secret-word" not in answer.text
    (info,) = (name for name in found if name.startswith("mlsdm_engine_info{"))
    assert 'track="canary"' in info
    assert 'revision="r1"' in info
    assert f'config="{state["config_hash"]}"' in info
    assert "process_cpu_seconds_total" in found
    assert other["mlsdm_steps_total"] == 8
    assert not any(name.endswith("_created") for name in found)


async def test_metrics_speak_of_emergencies_evictions_and_the_digest(edge):
    engine = edge.build(edge.config(memory={"dimension": 8, "capacity": 2}), {})
    async with edge.client(engine.api) as client, edge.client(engine.metrics) as scraper:
        for _ in range(3):
            await client.post("/v1/generate", json=ASK)
        found = samples((await scraper.get("/metrics")).text)
        assert found["mlsdm_emergency_shutdown_active"] == 0
        assert found['mlsdm_memory_evictions_total{reason="capacity"}'] == 1
        assert found["mlsdm_memory_damaged_total"] == 0
        engine.service.watch_memory(0.99)
        digest = (await client.get("/v1/state")).json()["state_digest"]
        found = samples((await scraper.get("/metrics")).text)
    assert found["mlsdm_emergency_shutdown_active"] == 1
    total = 'mlsdm_emergency_shutdowns_total{reason="%s"}'
    assert found[total % "process_memory_exceeded"] == 1
    assert found[total % "manual"] == 0
    # A double holds 52 bits exactly.
    assert found["mlsdm_state_digest"] == int(digest[:13], 16)


async def test_every_engine_metric_is_exported(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.metrics) as scraper:
        await scraper.get("/nothing")
        text = (await scraper.get("/metrics")).text
    names = [value for key, value in vars(metric_names).items() if key.startswith("ENGINE_")]
    assert len(names) > 40
    assert [name for name in names if f"# TYPE {name} " not in text] == []


async def test_a_client_that_leaves_early_is_no_failure_of_the_engine(edge):
    engine = edge.build(edge.config(), {})
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/generate",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("192.0.2.1", 1),
        "server": ("engine", 80),
    }
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await engine.api(scope, receive, send)
    assert sent[0]["status"] == 400
    async with edge.client(engine.metrics) as scraper:
        text = (await scraper.get("/metrics")).text
    assert 'route="/v1/generate",status="400"' in text
    assert not any(count for name, count in samples(text).items() if 'status="500"' in name)
