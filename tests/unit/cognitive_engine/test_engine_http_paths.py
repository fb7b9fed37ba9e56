"""Every path asks the same mind: what one of them does, all others tell."""

import base64

import numpy as np
import pytest

pytestmark = pytest.mark.asyncio

STATES = ("/state", "/v1/state", "/v1/state/")
EVENTS = ("/event", "/v1/process_event", "/v1/process_event/")


def vector(number=0):
    return np.random.default_rng(number).standard_normal(64).astype("<f4")


def in_base64(values):
    return base64.b64encode(values.tobytes()).decode()


async def test_all_paths_move_one_state_that_all_paths_tell(edge):
    engine = edge.build(edge.config(), {}, clock=edge.clock())
    async with edge.client(engine.api) as client:
        for number, (path, body) in enumerate(
            [
                ("/v1/generate", {"prompt": "one", "moral_value": 0.9}),
                ("/generate", {"prompt": "two"}),
                ("/infer", {"prompt": "three"}),
                *(
                    (path, {"event_vector": vector().tolist(), "moral_value": 0.8})
                    for path in EVENTS
                ),
            ],
            1,
        ):
            answer = await client.post(path, json=body)
            assert (answer.status_code, answer.json()["accepted"]) == (200, True)
            assert answer.json()["step"] == number
        states = [(await client.get(path)).json() for path in STATES]
        health = (await client.get("/health")).json()
        detailed = (await client.get("/health/detailed")).json()
        metrics = (await client.get("/health/metrics")).text
    assert states[0] == states[1] == states[2]
    state = states[0]
    assert state["step"] == state["total_events_processed"] == health["step"] == 6
    assert state["accepted_events_count"] == detailed["statistics"]["accepted_events_count"] == 6
    assert state["pelm_stats"]["used"] == state["qilm_stats"]["used"] == health["memory_used"] == 6
    assert state["state_digest"] == health["state_digest"]
    assert "mlsdm_steps_total 6" in metrics


async def test_a_missing_score_is_one_half_where_it_may_be_missing(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        simple = (await client.post("/generate", json={"prompt": "x"})).json()
        infer = (await client.post("/infer", json={"prompt": "x"})).json()
        strict = await client.post("/v1/generate", json={"prompt": "x"})
    assert simple["moral_value"] == infer["moral_metadata"]["applied_moral_value"] == 0.5
    assert (strict.status_code, strict.json()["code"]) == (422, "E102")


@pytest.mark.parametrize(("given", "applied"), [(0.3, 0.5), (0.9, 1.0), (0.0, 0.2)])
async def test_secure_mode_adds_to_the_score(edge, given, applied):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        body = {"prompt": "x", "moral_value": given, "secure_mode": True}
        answer = (await client.post("/infer", json=body)).json()
    assert answer["moral_metadata"]["applied_moral_value"] == pytest.approx(applied)
    assert answer["moral_metadata"]["secure_mode"] is True
    assert answer["accepted"] is (applied >= 0.5)


async def test_recall_is_switched_and_sized_by_the_caller(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        for number in range(6):
            await client.post("/generate", json={"prompt": f"the cat number {number}"})

        async def recalled(**switches):
            asked = {"prompt": "the cat", **switches}
            return (await client.post("/infer", json=asked)).json()["rag_metadata"]

        assert await recalled(rag_enabled=False) == {
            "enabled": False,
            "context_items_retrieved": 0,
            "top_k": 0,
        }
        assert (await recalled(context_top_k=2))["context_items_retrieved"] == 2
        assert (await recalled(context_top_k=100))["context_items_retrieved"] >= 6
        assert (await recalled())["top_k"] == 5


class Telegraphic:
    async def generate(self, draft):
        return "Cat here. Dog gone. Food none. Rain now."


async def test_speech_is_judged_when_the_caller_asks_whatever_the_settings(edge):
    config = edge.config(governance={"speech": {"enabled": False}})
    engine = edge.build(config, {}, generator=Telegraphic())
    async with edge.client(engine.api) as client:
        silent = (await client.post("/infer", json={"prompt": "x"})).json()["aphasia_metadata"]
        asked = {"prompt": "x", "aphasia_mode": True, "user_intent": "analytical"}
        judged = (await client.post("/infer", json=asked)).json()["aphasia_metadata"]
    assert (silent["enabled"], silent["detected"], silent["severity"]) == (False, False, 0.0)
    assert (judged["enabled"], judged["detected"]) == (True, True)
    assert judged["severity"] > 0.3


async def test_both_spellings_of_a_vector_are_the_same_event(edge):
    digests = []
    for spelled in (
        {"event_vector": vector(3).astype(float).tolist()},
        {"event_vector_b64": in_base64(vector(3))},
    ):
        engine = edge.build(edge.config(), {}, clock=edge.clock())
        async with edge.client(engine.api) as client:
            answer = (await client.post("/event", json={"moral_value": 1, **spelled})).json()
            digests.append((await client.get("/state")).json()["state_digest"])
    assert digests[0] == digests[1]
    assert (answer["accepted"], answer["memory_id"]) == (True, 0)
    assert answer["L1_norm"] > 0


async def test_an_event_can_be_refused_and_turned_away(edge):
    clock = edge.clock()
    config = edge.config(governance={"rhythm": {"sleepPolicy": "reject"}})
    engine = edge.build(config, {}, clock=clock)
    event = {"event_vector": vector().tolist(), "moral_value": 0.1}
    async with edge.client(engine.api) as client:
        refused = await client.post("/event", json=event)
        assert (refused.status_code, refused.json()["accepted"]) == (200, False)
        assert refused.json()["memory_id"] is None
        assert refused.json()["latent_events_count"] == 1
        for _ in range(7):
            await client.post("/event", json=event)
        asleep = await client.post("/event", json=event)
        assert (asleep.status_code, asleep.json()["code"]) == (503, "E501")
        assert int(asleep.headers["retry-after"]) == asleep.json()["retry_after"] == 30
        engine.service.watch_memory(0.99)
        clock.time += 31
        halted = await client.post("/event", json=event)
        assert (halted.status_code, halted.json()["code"]) == (503, "E701")
        assert (await client.get("/state")).json()["pelm_stats"]["used"] == 0


async def test_the_longest_answer_is_the_configured_one_when_nobody_asks(edge):
    engine = edge.build(edge.config(llm={"maxTokens": 77}), {})
    async with edge.client(engine.api) as client:
        for body, length in (({}, 77), ({"max_tokens": 300}, 300)):
            answer = await client.post("/generate", json={"prompt": "x", **body})
            assert answer.json()["max_tokens_used"] == length


async def test_a_shorter_prompt_can_be_demanded(edge):
    engine = edge.build(edge.config(api={"maxPromptCharacters": 10}), {})
    async with edge.client(engine.api) as client:
        assert (await client.post("/infer", json={"prompt": "x" * 10})).status_code == 200
        long = await client.post("/infer", json={"prompt": "x" * 11})
    assert (long.status_code, long.json()["code"]) == (422, "E108")
    assert long.json()["errors"][0]["pointer"] == "/prompt"


async def test_a_trusted_caller_speaks_for_its_users_and_others_do_not(edge, tmp_path):
    path = tmp_path / "trusted"
    path.write_text("gateway-key name=gateway trusted=true\nplain-key name=plain\n")
    engine = edge.build(edge.config(authMode="APIKey"), {"API_KEYS_FILE": str(path)})
    fact = {"prompt": "My cat is called Whiskers."}
    async with edge.client(engine.api, headers={"X-API-Key": "gateway-key"}) as client:
        await client.post("/generate", json=fact | {"user_id": "one"})
        for user, expected in (({"user_id": "one"}, 1), ({"user_id": "two"}, 0), ({}, 0)):
            asked = {"prompt": "What is my cat called?", "context_top_k": 1, **user}
            answer = await client.post("/generate", json=asked)
            assert answer.json()["context_items"] == expected
    async with edge.client(engine.api, headers={"X-API-Key": "plain-key"}) as client:
        for path, body in (("/generate", fact), ("/event", {"event_vector": [1] * 64})):
            named = body | {"user_id": "one", "moral_value": 0.9}
            answer = await client.post(path, json=named)
            assert (answer.status_code, answer.json()["code"]) == (403, "E203")


async def test_who_am_i_and_what_is_this(edge, keyed):
    engine = edge.build(edge.config(authMode="APIKey"), keyed)
    async with edge.client(engine.api) as client:
        me = (await client.get("/me", headers={"X-API-Key": edge.key})).json()
        status = (await client.get("/status")).json()
        greeting = (await client.get("/public")).json()
    assert me.pop("subject").startswith("sha256:")
    assert me == {"roles": ["read", "write"], "kind": "api_key"}
    assert edge.key not in str(me)
    assert (status["status"], status["backend"]) == ("ok", "LocalStub")
    assert status["config"] == {
        "dimension": 64,
        "rate_limiting_enabled": False,
        "rate_limit_requests": 10,
        "rate_limit_window": 2.0,
        "secure_mode": True,
    }
    assert status["system"]["memory_mb"] > 10
    assert greeting["message"]
