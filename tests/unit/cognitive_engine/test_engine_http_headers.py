"""Headers and ids of answers, and that nothing planted ever comes out anywhere."""

import re

import pytest
from structlog.testing import capture_logs

from cognitive_engine.edge.operations import OPERATIONS

pytestmark = pytest.mark.asyncio

ASK = {"prompt": "hello", "moral_value": 0.9}
EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-xss-protection": "1; mode=block",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
OWN = {"content-type", "content-length", "x-request-id", "x-response-time", "traceparent"}
LIMITED = {"ratelimit", "ratelimit-policy"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Crashing:
    async def generate(self, draft):
        raise RuntimeError(draft.prompt)


@pytest.fixture
def engine(edge, keyed):
    config = edge.config(
        authMode="APIKey", rateLimit={"enabled": True, "requestsPerSecond": 1, "burst": 3}
    )
    return edge.build(config, keyed, generator=Crashing())


async def test_the_headers_of_good_and_bad_answers(edge, engine):
    key = {"X-API-Key": edge.key}
    seen = {}
    async with edge.client(engine.api) as client:
        for answer in (
            await client.get("/health/live"),
            await client.get("/health"),
            await client.get("/status"),
            await client.get("/nowhere"),
            await client.delete("/v1/generate"),
            await client.put("/me"),
            await client.post("/v1/generate", json=ASK),
            await client.post("/v1/generate", json={}, headers=key),
            await client.post("/v1/generate", json=ASK, headers=key),
            await client.get("/state", headers=key),
            await client.get("/state", headers=key),
        ):
            seen[answer.status_code] = answer
            headers = dict(answer.headers)
            assert {name: headers.pop(name) for name in EVERY_ANSWER} == EVERY_ANSWER
            assert headers.keys() >= OWN
            assert headers.keys() <= OWN | LIMITED | {"allow", "retry-after", "www-authenticate"}
            assert re.fullmatch(r"\d+\.\d\dms", headers["x-response-time"])
            assert len(answer.headers.get_list("content-type")) == 1
    assert set(seen) == {200, 401, 404, 405, 422, 429, 500}
    assert seen[405].headers["allow"] == "GET"
    assert int(seen[429].headers["retry-after"]) >= 1
    assert seen[200].headers.keys() >= LIMITED


async def test_behind_tls_browsers_are_told_to_stay_there(edge, engine):
    async with edge.client(engine.api) as client:
        plain = await client.get("/health")
        answer = await client.get("/health", headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" not in plain.headers
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


@pytest.mark.parametrize("path", ["/health/live", "/status", "/nowhere"])
async def test_a_trace_is_continued(edge, engine, path):
    async with edge.client(engine.api) as client:
        answer = await client.get(path, headers={"traceparent": TRACE})
    version, trace_id, span_id, flags = answer.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE[3:35], "01")
    assert re.fullmatch("[0-9a-f]{16}", span_id)
    assert span_id != TRACE[36:52]
    if answer.status_code == 404:
        assert answer.json()["trace_id"] == trace_id


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a-secret-word",
        TRACE.upper(),
        TRACE[:-1],
        TRACE + "-more",
        "ff" + TRACE[2:],
        TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        TRACE.replace("b7ad6b7169203331", "0" * 16),
        TRACE + "\n",
    ],
)
async def test_what_is_no_trace_begins_a_new_one(edge, engine, given):
    async with edge.client(engine.api) as client:
        answer = await client.get("/health/live", headers={"traceparent": given.encode()})
    version, trace_id, _, flags = answer.headers["traceparent"].split("-")
    assert (version, flags) == ("00", "00")
    assert trace_id != TRACE[3:35]
    assert set(trace_id) != {"0"}


async def test_ids_differ(edge, engine):
    async with edge.client(engine.api) as client:
        answers = [await client.get("/health/live") for _ in range(50)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 50
    assert len({answer.headers["traceparent"] for answer in answers}) == 50


SECRET, PROMPT = "planted-secret-5f0c", "planted-prompt-77be"


async def test_nothing_planted_comes_out_of_any_route(edge, tmp_path, capsys):
    path = tmp_path / "keys"
    path.write_text(f"{SECRET} role=admin\n")
    environment = {"API_KEYS_FILE": str(path)}
    engines = [
        edge.build(edge.config(authMode="APIKey"), environment),
        edge.build(edge.config(authMode="APIKey"), environment, generator=Crashing()),
    ]
    bodies = (
        {"prompt": PROMPT, "moral_value": 0.9},
        {"prompt": [PROMPT]},
        {"prompt": PROMPT, "moral_value": PROMPT, PROMPT: 1, "user_id": [PROMPT]},
        {"event_vector": [1.0] * 64, "moral_value": 0.9, "event_vector_b64": PROMPT},
        {"event_vector_b64": PROMPT, "moral_value": 0.9},
        {"scope": PROMPT, "user_id": PROMPT},
        PROMPT,
    )
    told = []
    with capture_logs() as lines:
        for engine in engines:
            async with edge.client(engine.api, headers={"X-API-Key": SECRET}) as client:
                for each in OPERATIONS:
                    for body in bodies if each.method == "POST" else (None,):
                        where = f"{each.path}?q={PROMPT}"
                        answer = await client.request(each.method, where, json=body)
                        good = answer.status_code == 200 and each.tag == "mind"
                        # An answer may hold the caller's own words; everything else may not.
                        told.append("" if good else answer.text)
                        told.append(str(answer.headers))
                wrong = {"X-API-Key": SECRET + PROMPT, "Authorization": PROMPT}
                answers = [
                    await client.get(f"/{PROMPT}"),
                    await client.post(f"/me/{SECRET}"),
                    await client.get("/me", headers=wrong),
                    await client.get("/state"),
                    await client.get("/health/metrics"),
                ]
                told += [answer.text for answer in answers]
    told += [str(lines), *capsys.readouterr()]
    everything = "\n".join(told)
    assert everything.count(SECRET) == everything.count(PROMPT) == 0
    assert "request_failed" in everything
    assert "admin_command" in everything
