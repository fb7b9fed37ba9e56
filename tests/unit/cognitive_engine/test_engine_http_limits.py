"""Bounds in time and number: admission, deadlines, slow and failing backends, other origins."""

import asyncio
import time

import pytest

from cognitive_engine.adapters import failures
from cognitive_engine.edge.admission import Admission
from cognitive_engine.edge.deadlines import Deadlines
from cognitive_engine.edge.problems import Problem

ASK = {"prompt": "hello", "moral_value": 0.9}


class Failing:
    def __init__(self, error):
        self.error = error

    async def generate(self, draft):
        raise self.error


class Never:
    async def generate(self, draft):
        await asyncio.Event().wait()


class Embarrassed:
    async def embed(self, text):
        raise failures.BackendUnreachable("a-secret-word")


@pytest.mark.asyncio
async def test_those_who_wait_are_served_in_the_order_they_came():
    admission = Admission(2, 10)
    order = []

    async def work(number):
        await admission.enter()
        order.append(number)
        await asyncio.sleep(0)
        admission.leave()

    await asyncio.gather(*(work(number) for number in range(9)))
    assert order == list(range(9))
    assert (admission.in_flight, admission.waiting) == (0, 0)


@pytest.mark.asyncio
async def test_who_waits_too_long_is_turned_away_and_leaves_no_trace():
    admission = Admission(1, 0.02)
    await admission.enter()
    with pytest.raises(Problem) as refused:
        await admission.enter()
    assert (refused.value.kind.status, refused.value.headers["Retry-After"]) == (503, "5")
    assert (admission.in_flight, admission.waiting) == (1, 0)
    admission.leave()
    await admission.enter()
    assert admission.in_flight == 1


@pytest.mark.asyncio
async def test_a_place_that_comes_as_its_taker_goes_is_not_lost():
    admission = Admission(1, 10)
    await admission.enter()
    waiting = asyncio.create_task(admission.enter())
    await asyncio.sleep(0)
    admission.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (admission.in_flight, admission.waiting) == (0, 0)
    left = [asyncio.create_task(admission.enter()) for _ in range(2)]
    await asyncio.sleep(0)
    left[1].cancel()
    admission.leave()
    await asyncio.wait(left)
    assert (admission.in_flight, admission.waiting) == (0, 0)


@pytest.mark.asyncio
async def test_a_deadline_ends_its_own_task_and_no_other():
    deadlines = Deadlines(0.03)
    ended = []

    async def work(seconds):
        deadline = deadlines.begin()
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            assert deadline.expired
            deadline.task.uncancel()
        finally:
            deadlines.end(deadline)
        ended.append((seconds, deadline.expired))

    await asyncio.gather(*(work(seconds) for seconds in (10, 0, 0.01, 10)))
    # The timer that is left serves those who come later.
    await work(10)
    assert sorted(ended) == [(0, False), (0.01, False), (10, True), (10, True), (10, True)]


@pytest.mark.asyncio
async def test_a_request_in_the_queue_meets_its_deadline_too(edge):
    generator = edge.gated()
    config = edge.config(api={"maxConcurrent": 1, "queueTimeoutSeconds": 60})
    engine = edge.build(config, {}, generator=generator, deadline_seconds=0.2)
    async with edge.client(engine.api) as client:
        asked = [asyncio.create_task(client.post("/v1/generate", json=ASK)) for _ in range(3)]
        answers = await asyncio.gather(*asked)
        assert {(each.status_code, each.json()["code"]) for each in answers} == {(504, "E902")}
        assert {each.headers["x-request-timeout"] for each in answers} == {"0.2"}
        generator.gate.set()
        assert (await client.post("/v1/generate", json=ASK)).status_code == 200


@pytest.mark.asyncio
async def test_a_full_engine_lets_others_wait_and_serves_them_in_order(edge):
    generator = edge.gated()
    engine = edge.build(edge.config(api={"maxConcurrent": 1}), {}, generator=generator)
    async with edge.client(engine.api) as client:
        asked = [
            asyncio.create_task(client.post("/infer", json={"prompt": str(number)}))
            for number in range(4)
        ]
        await generator.arrived(1)
        metrics = (await client.get("/health/metrics")).text
        assert "mlsdm_requests_in_flight 1" in metrics.replace("http_", "")
        generator.gate.set()
        answers = await asyncio.gather(*asked)
    assert [each.json()["step"] for each in answers] == [1, 2, 3, 4]


@pytest.mark.asyncio
async def test_probes_answer_at_once_while_fifty_calls_of_the_model_hang(edge):
    engine = edge.build(edge.config(), {}, generator=Never(), deadline_seconds=2)
    waits = []
    async with edge.client(engine.api) as client:
        stuck = [asyncio.create_task(client.post("/v1/generate", json=ASK)) for _ in range(50)]
        await asyncio.sleep(0.05)
        for _ in range(100):
            started = time.perf_counter()
            for path in ("/health/live", "/health/ready", "/v1/state"):
                assert (await client.get(path)).status_code == 200
            waits.append((time.perf_counter() - started) / 3)
        assert not any(task.done() for task in stuck)
        assert {each.status_code for each in await asyncio.gather(*stuck)} == {504}
    assert sorted(waits)[-2] < 0.05


CASES = {
    "E600": (failures.BackendFailed("a-secret-word", status=400), 502, None),
    "E601": (failures.BackendTimedOut("a-secret-word"), 504, None),
    "E602": (failures.BackendRateLimited("a-secret-word", retry_after=17), 429, 17),
    "E603": (failures.AnswerEmpty("a-secret-word"), 502, None),
    "E605": (failures.BackendUnreachable("a-secret-word"), 502, None),
    "E606": (failures.AnswerInvalid("a-secret-word"), 502, None),
    "E703": (failures.BreakerOpen("a-secret-word", retry_after=9), 503, 9),
    "E903": (failures.BulkheadFull("a-secret-word"), 503, 5),
}


@pytest.mark.parametrize("code", CASES)
@pytest.mark.asyncio
async def test_a_failing_model_is_told_by_its_code(edge, code):
    error, status, wait = CASES[code]
    engine = edge.build(edge.config(), {}, generator=Failing(error))
    async with edge.client(engine.api) as client:
        answer = await client.post("/infer", json={"prompt": "hello"})
        reliability = (await client.get("/state")).json()["reliability"]
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().get("retry_after") == wait
    assert answer.headers.get("retry-after") == (str(wait) if wait else None)
    assert "a-secret-word" not in answer.text
    assert reliability["llm_failure_count"] == 1


@pytest.mark.asyncio
async def test_a_failing_embedder_has_moved_nothing(edge):
    engine = edge.build(edge.config(), {})
    engine.service._embedder = Embarrassed()
    async with edge.client(engine.api) as client:
        answer = await client.post("/v1/generate", json=ASK)
        state = (await client.get("/state")).json()
    assert (answer.status_code, answer.json()["code"]) == (502, "E605")
    assert (state["step"], state["reliability"]["embedding_failure_count"]) == (0, 1)
    assert state["state_digest"] == "00" * 16


@pytest.mark.asyncio
async def test_a_request_with_too_many_headers_is_refused(edge):
    engine = edge.build(edge.config(), {})
    headers = {f"x-{number}": "1" for number in range(101)}
    async with edge.client(engine.api) as client:
        answer = await client.get("/health/live", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (431, "E108")


@pytest.mark.parametrize(("share", "ready"), [(None, True), (0.94, True), (0.95, False)])
@pytest.mark.asyncio
async def test_readiness_minds_the_containers_memory(edge, share, ready):
    class Gauge:
        def share(self):
            return share

    engine = edge.build(edge.config(), {}, gauge=Gauge())
    async with edge.client(engine.api) as client:
        for path in ("/health/ready", "/health/readiness"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["ready"]) == (200 if ready else 503, ready)
    body = answer.json()
    assert body["components"]["system_memory"]["healthy"] is ready
    assert body["details"]["unhealthy_components"] == ([] if ready else ["system_memory"])
    assert set(body["components"]) >= {
        *("cognitive_controller", "memory_bounds", "moral_filter", "aphasia"),
        *("memory_manager", "system_memory", "system_cpu"),
    }


@pytest.mark.asyncio
async def test_readiness_waits_for_the_keys_of_the_issuer(edge):
    oidc = {"issuer": "https://issuer.invalid", "audience": "engine"}
    engine = edge.build(edge.config(auth={"mode": "OIDC", "oidc": oidc}), {})
    async with edge.client(engine.api) as client:
        answer = await client.get("/health/ready")
        refused = await client.get("/state", headers={"Authorization": "Bearer a.b.c"})
    assert (answer.status_code, answer.json()["checks"]["credentials"]) == (503, False)
    assert refused.status_code in (401, 503)


PAGE = "https://page.example"


@pytest.mark.asyncio
async def test_pages_of_other_origins_may_call_only_when_allowed(edge):
    engine = edge.build(edge.config(api={"corsOrigins": [PAGE]}), {})
    asking = {"Access-Control-Request-Method": "POST"}
    async with edge.client(engine.api) as client:
        ahead = await client.options("/v1/generate", headers={"Origin": PAGE} | asking)
        assert ahead.status_code == 204
        assert ahead.headers["access-control-allow-origin"] == PAGE
        assert "X-API-Key" in ahead.headers["access-control-allow-headers"]
        assert ahead.headers["vary"] == "Origin"
        for path, status in (("/health", 200), ("/state", 200), ("/nowhere", 404)):
            answer = await client.get(path, headers={"Origin": PAGE})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        for origin in ("https://other.example", "null", PAGE + ".evil"):
            answer = await client.get("/health", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            ahead = await client.options("/v1/generate", headers={"Origin": origin} | asking)
            assert ahead.status_code == 405
    closed = edge.build(edge.config(), {})
    async with edge.client(closed.api) as client:
        answer = await client.get("/health", headers={"Origin": PAGE})
        assert "access-control-allow-origin" not in answer.headers
    everybody = edge.build(edge.config(api={"corsOrigins": ["*"]}), {})
    async with edge.client(everybody.api) as client:
        answer = await client.get("/health", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
