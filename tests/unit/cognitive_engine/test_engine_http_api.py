"""The API over its real application: answers, recall, tenants, sleep, faults of the generator."""

import asyncio

import pytest

from cognitive_engine.ports import GenerationFailed

pytestmark = pytest.mark.asyncio


def ask(prompt, **fields):
    return {"prompt": prompt, "moral_value": 0.9} | fields


async def test_a_fact_is_recalled_and_reaches_the_generator(edge):
    clock = edge.clock()
    engine = edge.build(edge.config(), {}, clock=clock)
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=ask("My cat is called Whiskers."))
        await client.post("/v1/generate", json=ask("The stock market fell on Monday."))
        clock.time += 12.5
        answer = await client.post(
            "/v1/generate", json=ask("What is my cat called?", context_top_k=1)
        )
    body = answer.json()
    assert answer.status_code == 200
    assert "Whiskers" in body["response"]
    assert "stock" not in body["response"]
    assert body.pop("response").startswith("NEURO-RESPONSE: What is my cat called?")
    (item,) = body.pop("context")
    assert item["resonance"] > 0.3
    assert (item["text"], item["phase"], item["age_seconds"]) == (
        "My cat is called Whiskers.",
        0.1,
        12.5,
    )
    assert body.pop("metrics")["timing"]["total"] > 0
    assert body == {
        "accepted": True,
        "phase": "wake",
        "step": 3,
        "note": "processed",
        "moral_threshold": 0.5,
        "moral_value": 0.9,
        "context_items": 1,
        "max_tokens_used": 2048,
        "moral_score": 0.9,
        "aphasia_flags": ["short_sentences"],
        "emergency_shutdown": False,
        "cognitive_state": {
            "phase": "wake",
            "stateless_mode": False,
            "emergency_shutdown": False,
            "memory_used_mb": 0.12,
            "moral_threshold": 0.5,
        },
        "safety_flags": {"validation_steps": ["moral", "quality_gate"], "rejected_at": None},
        "memory_stats": {"step": 3, "moral_threshold": 0.5, "context_items": 1},
    }


async def test_a_fact_told_awake_is_recalled_asleep(edge):
    engine = edge.build(edge.config(), {}, clock=edge.clock())
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=ask("My cat is called Whiskers."))
        for _ in range(7):
            answer = await client.post("/v1/generate", json=ask("Nothing to see"))
        assert answer.json()["phase"] == "sleep"
        # The step that falls asleep was admitted awake, and searches where it was admitted.
        assert {item["phase"] for item in answer.json()["context"]} == {0.1}
        body = (await client.post("/v1/generate", json=ask("What is my cat called?"))).json()
    assert body["max_tokens_used"] == 150
    assert body["context"][0]["text"] == "My cat is called Whiskers."
    assert body["context"][0]["phase"] == 0.9
    assert "Whiskers" in body["response"]


async def test_none_are_recalled_when_none_are_asked_for(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        for _ in range(2):
            body = (await client.post("/v1/generate", json=ask("hi", context_top_k=0))).json()
    assert (body["context"], body["context_items"]) == ([], 0)


async def test_without_texts_the_places_are_recalled_and_nothing_is_quoted(edge):
    config = edge.config(memory={"dimension": 64, "capacity": 9, "storeText": False})
    engine = edge.build(config, {})
    async with edge.client(engine.api) as client:
        for _ in range(2):
            body = (await client.post("/v1/generate", json=ask("my secret"))).json()
    assert body["context"][0]["text"] is None
    assert "remember" not in body["response"]


async def test_a_moral_refusal_is_an_answer_and_remembers_nothing(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post("/v1/generate", json=ask("x", moral_value=0.2))
        state = (await client.get("/v1/state")).json()
    assert answer.status_code == 200
    body = answer.json()
    threshold = body.pop("moral_threshold")
    assert threshold > 0.5
    for name in ("metrics", "cognitive_state", "memory_stats"):
        assert body.pop(name)
    assert body == {
        "response": "",
        "accepted": False,
        "phase": "wake",
        "step": 1,
        "note": "morally rejected",
        "moral_value": 0.2,
        "moral_score": 0.2,
        "aphasia_flags": None,
        "emergency_shutdown": False,
        "safety_flags": {"validation_steps": ["moral"], "rejected_at": "moral"},
        "context_items": 0,
        "max_tokens_used": 0,
        "context": [],
    }
    assert state["pelm_stats"]["used"] == 0
    assert state["rejected_count"] == 1
    assert state["phase_counter"] == 7


async def test_the_lexicon_can_only_lower_a_score(edge):
    engine = edge.build(edge.config(governance={"moral": {"scorer": "lexicon"}}), {})
    async with edge.client(engine.api) as client:
        harmful = ask("I will kill and attack with a weapon", moral_value=1.0)
        first = (await client.post("/v1/generate", json=harmful)).json()
        second = (await client.post("/v1/generate", json=ask("hello", moral_value=0.6))).json()
    assert (first["accepted"], round(first["moral_value"], 4)) == (False, 0.35)
    assert (second["accepted"], second["moral_value"]) == (True, 0.6)


async def test_asleep_and_rejecting_answers_503_and_wakes_by_the_clock(edge):
    clock = edge.clock()
    config = edge.config(governance={"rhythm": {"sleepPolicy": "reject"}})
    engine = edge.build(config, {}, clock=clock)
    async with edge.client(engine.api) as client:
        for _ in range(8):
            await client.post("/v1/generate", json=ask("x"))
        answer = await client.post("/v1/generate", json=ask("x"))
        assert answer.status_code == 503
        assert answer.json()["code"] == "E501"
        assert answer.headers["retry-after"] == "30"
        state = (await client.get("/v1/state")).json()
        assert (state["phase"], state["phase_counter"], state["step"]) == ("sleep", 2, 9)
        clock.time += 30
        woken = (await client.get("/v1/state")).json()
        assert (woken["phase"], woken["phase_counter"]) == ("wake", 8)
        assert woken["state_digest"] == state["state_digest"]
        assert (await client.get("/health")).json()["phase"] == "wake"
        assert (await client.post("/v1/generate", json=ask("x"))).status_code == 200


async def test_in_an_emergency_everybody_is_turned_away_until_memory_is_relieved(edge):
    clock = edge.clock()
    engine = edge.build(edge.config(), {}, clock=clock)
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=ask("x"))
        engine.service.watch_memory(0.95)
        answer = await client.post("/v1/generate", json=ask("x"))
        assert answer.status_code == 503
        assert answer.json()["code"] == "E701"
        assert answer.headers["retry-after"] == "60"
        state = (await client.get("/v1/state")).json()
        assert state["emergency"] == {"active": True, "reason": "process_memory_exceeded"}
        assert (state["step"], state["rejected_count"], state["halted_count"]) == (1, 0, 1)
        clock.time += 60
        # Cooled down, but memory is as short as before.
        assert (await client.post("/v1/generate", json=ask("x"))).status_code == 503
        engine.service.watch_memory(0.5)
        assert not (await client.get("/v1/state")).json()["emergency"]["active"]
        assert (await client.post("/v1/generate", json=ask("x"))).status_code == 200


async def test_an_answer_that_loops_is_withheld_and_nothing_is_remembered(edge):
    engine = edge.build(edge.config(), {}, generator=Saying("la " * 20))
    async with edge.client(engine.api) as client:
        body = (await client.post("/v1/generate", json=ask("sing"))).json()
        state = (await client.get("/v1/state")).json()
    assert (body["accepted"], body["response"], body["note"]) == (
        False,
        "",
        "quality_gate:looping",
    )
    assert (state["step"], state["pelm_stats"]["used"]) == (1, 0)


async def test_tenants_recall_their_own_only(edge, keyed):
    engine = edge.build(edge.config(authMode="APIKey"), keyed)
    async with edge.client(engine.api) as client:
        mine, theirs = {"X-API-Key": edge.key}, {"Authorization": "Bearer another-key"}
        await client.post("/v1/generate", json=ask("My cat is called Whiskers."), headers=mine)
        for headers, expected in ((theirs, 0), (mine, 1)):
            question = ask("What is my cat called?")
            answer = await client.post("/v1/generate", json=question, headers=headers)
            assert answer.json()["context_items"] == expected
            assert ("Whiskers" in answer.text) == bool(expected)


async def test_the_state_speaks_of_everything_and_quotes_nothing(edge):
    environment = {"MLSDM_TRACK": "canary", "MLSDM_REVISION": "r7"}
    engine = edge.build(edge.config(), environment)
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=ask("a-secret-word"))
        answer = await client.get("/v1/state")
    state = answer.json()
    assert "a-secret-word" not in answer.text
    assert len(bytes.fromhex(state.pop("state_digest"))) == 16
    assert len(state.pop("config_hash")) == 16
    norms = state.pop("synaptic_norms")
    assert norms["L1"] == pytest.approx(1.0, abs=1e-4)
    assert {f"{name}_norm": norm for name, norm in norms.items()} == {
        f"{name}_norm": state.pop(f"{name}_norm") for name in norms
    }
    assert state.pop("moral_drift")["total_changes"] == 0
    assert state.pop("reliability") == {
        "stateless_mode": False,
        "circuit_breaker_state": "closed",
        "pelm_failure_count": 0,
        "qilm_failure_count": 0,
        "embedding_failure_count": 0,
        "llm_failure_count": 0,
    }
    assert state.pop("pelm_stats") == state.pop("qilm_stats")
    assert state == {
        "step": 1,
        "phase": "wake",
        "phase_counter": 7,
        "moral_threshold": 0.5,
        "moral_threshold_held": False,
        "moral_ema": 0.55,
        "moral_harm_ema": 0.0,
        "accepted_count": 1,
        "rejected_count": 0,
        "consolidation_buffer_size": 1,
        "consolidations": 0,
        "halted_count": 0,
        "erased_count": 0,
        "damaged_memories": 0,
        "evicted_memories": 0,
        "emergency": {"active": False, "reason": None},
        "policy": "evidence",
        "sleep_policy": "serve",
        "track": "canary",
        "revision": "r7",
        "current_phase": "wake",
        "latent_events_count": 0,
        "accepted_events_count": 1,
        "total_events_processed": 1,
        "moral_filter_threshold": 0.5,
    }


async def test_a_slow_generator_blocks_nobody_and_meets_its_deadline(edge):
    generator = edge.gated()
    engine = edge.build(edge.config(), {}, generator=generator, deadline_seconds=0.5)
    async with edge.client(engine.api) as client:
        slow = [
            asyncio.create_task(client.post("/v1/generate", json=ask(str(number))))
            for number in range(20)
        ]
        await generator.arrived(20)
        live = await asyncio.wait_for(client.get("/health/liveness"), 0.3)
        assert live.status_code == 200
        answers = await asyncio.gather(*slow)
        state = (await client.get("/v1/state")).json()
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(504, "E902")}
    assert (state["step"], state["pelm_stats"]["used"]) == (20, 0)


async def test_a_full_engine_that_lets_none_wait_says_so_at_once(edge):
    generator = edge.gated()
    config = edge.config(api={"maxConcurrent": 2, "queueTimeoutSeconds": 0})
    engine = edge.build(config, {}, generator=generator)
    async with edge.client(engine.api) as client:
        slow = [asyncio.create_task(client.post("/v1/generate", json=ask("x"))) for _ in range(2)]
        await generator.arrived(2)
        answer = await client.post("/v1/generate", json=ask("x"))
        assert (answer.status_code, answer.json()["code"]) == (503, "E903")
        assert answer.headers["retry-after"] == "5"
        generator.gate.set()
        assert [each.status_code for each in await asyncio.gather(*slow)] == [200, 200]
        assert (await client.post("/v1/generate", json=ask("x"))).status_code == 200
        assert (await client.get("/v1/state")).json()["step"] == 3


class Saying:
    def __init__(self, text):
        self.text = text

    async def generate(self, draft):
        return self.text


class Failing:
    def __init__(self, error):
        self.error = error

    async def generate(self, draft):
        if self.error is None:
            return "  "
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (GenerationFailed("a-secret-word"), 502, "E600"),
        (None, 502, "E600"),
        (RuntimeError("a-secret-word"), 500, "E900"),
    ],
)
async def test_a_failing_generator_is_a_problem_and_never_stops_the_rhythm(
    edge, error, status, code
):
    engine = edge.build(edge.config(), {}, generator=Failing(error))
    async with edge.client(engine.api) as client:
        for _ in range(9):
            answer = await client.post("/v1/generate", json=ask("a-secret-word"))
        state = (await client.get("/v1/state")).json()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "a-secret-word" not in answer.text
    assert (state["phase"], state["phase_counter"]) == ("sleep", 2)
    assert state["pelm_stats"]["used"] == 0


async def test_the_documentation_is_open(edge, keyed):
    engine = edge.build(edge.config(authMode="APIKey"), keyed)
    async with edge.client(engine.api) as client:
        schema = (await client.get("/openapi.json")).json()
        page = await client.get("/docs")
    operation = schema["paths"]["/v1/generate"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/GenerateRequest"}
    fields = schema["components"]["schemas"]["GenerateRequest"]
    assert fields["required"] == ["prompt", "moral_value"]
    assert set(schema["components"]["securitySchemes"]) == {"apiKey", "bearer"}
    assert page.status_code == 200
    assert "cdn.jsdelivr.net" in page.headers["content-security-policy"]
