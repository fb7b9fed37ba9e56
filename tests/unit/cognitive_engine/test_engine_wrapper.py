"""The library: one object, two functions, no server."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from cognitive_engine import LLMWrapper
from cognitive_engine.domain.errors import InvalidInput, InvalidScore, InvalidVector
from cognitive_engine.ports import GenerationFailed

DIMENSION = 16
REPLY_KEYS = {
    "response",
    "accepted",
    "phase",
    "step",
    "note",
    "moral_threshold",
    "context_items",
    "max_tokens_used",
}


class Clock:
    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time


def embed(text):
    """Letters counted, of any length; texts that share words look alike."""
    counts = np.zeros(DIMENSION)
    for word in text.lower().split():
        counts[sum(word.encode()) % DIMENSION] += 1.0
    return counts + 0.01


def echo(prompt, max_tokens):
    return f"You said this to me, and I have it in mind: {prompt}"


def wrapper(generate_fn=echo, embed_fn=embed, **options):
    return LLMWrapper(generate_fn, embed_fn, DIMENSION, 100, **options)


def test_a_fact_is_remembered_and_given_to_the_writer():
    seen = []

    def write(prompt, max_tokens):
        seen.append((prompt, max_tokens))
        return echo(prompt, max_tokens)

    mind = wrapper(write)
    first = mind.generate("My cat is called Whiskers.", moral_value=0.9)
    assert REPLY_KEYS | {"stateless_mode", "speech_governance", "quality_gate"} == set(first)
    assert (first["accepted"], first["note"], first["context_items"]) == (True, "processed", 0)
    assert (first["phase"], first["step"], first["moral_threshold"]) == ("wake", 1, 0.5)
    assert seen[0] == ("My cat is called Whiskers.", 2048)
    second = mind.generate("What is my cat called?", 0.9, max_tokens=99, context_top_k=1)
    assert (second["context_items"], second["max_tokens_used"]) == (1, 99)
    prompt, max_tokens = seen[1]
    assert "- My cat is called Whiskers.\n" in prompt
    assert prompt.endswith("User: What is my cat called?")
    assert max_tokens == 99
    assert second["quality_gate"]["action"] == "accept"
    assert second["speech_governance"]["raw_text"] == second["response"]


def test_a_refusal_has_the_published_keys_and_remembers_nothing():
    mind = wrapper()
    reply = mind.generate("hello", moral_value=0.1)
    assert set(reply) == REPLY_KEYS
    assert (reply["accepted"], reply["note"], reply["response"]) == (False, "morally rejected", "")
    state = mind.get_state()
    assert (state["rejected_count"], state["pelm_stats"]["used"]) == (1, 0)


def test_asleep_the_reply_says_so_and_the_clock_wakes():
    clock = Clock()
    mind = wrapper(wake_duration=1, sleep_duration=2, sleep_policy="reject", clock=clock)
    assert mind.generate("hello", 0.9)["phase"] == "sleep"
    reply = mind.generate("hello", 0.9)
    assert set(reply) == REPLY_KEYS
    assert (reply["accepted"], reply["note"], reply["step"]) == (
        False,
        "sleep phase - consolidating",
        2,
    )
    clock.time = 30.0
    assert mind.get_state()["phase"] == "wake"
    assert mind.generate("hello", 0.9)["accepted"]


def test_the_state_has_the_published_fields():
    mind = wrapper()
    for _ in range(3):
        mind.generate("hello", 0.9)
    state = mind.get_state()
    assert len(bytes.fromhex(state.pop("state_digest"))) == 16
    assert set(state.pop("synaptic_norms")) == {"L1", "L2", "L3"}
    stats = {"capacity": 100, "used": 3, "memory_mb": 0.01}
    assert state == {
        "step": 3,
        "phase": "wake",
        "phase_counter": 5,
        "moral_threshold": 0.5,
        "moral_ema": 0.6355,
        "accepted_count": 3,
        "rejected_count": 0,
        "moral_drift": {
            "total_changes": 0,
            "drift_range": 0.0,
            "min_threshold": 0.5,
            "max_threshold": 0.5,
            "current_threshold": 0.5,
            "ema_acceptance": pytest.approx(0.6355),
        },
        "pelm_stats": stats,
        "qilm_stats": stats,
        "consolidation_buffer_size": 3,
        "reliability": {
            "stateless_mode": False,
            "circuit_breaker_state": "closed",
            "pelm_failure_count": 0,
            "qilm_failure_count": 0,
            "embedding_failure_count": 0,
            "llm_failure_count": 0,
        },
    }


def test_a_reset_forgets_everything():
    mind = wrapper()
    born = mind.get_state()
    mind.generate("hello", 0.9)
    assert mind.get_state() != born
    mind.reset()
    assert mind.get_state() == born


def test_a_call_under_way_at_a_reset_remembers_nothing():
    def write(prompt, max_tokens):
        mind.reset()
        return echo(prompt, max_tokens)

    mind = wrapper(write)
    assert mind.generate("hello", 0.9)["accepted"]
    assert mind.get_state()["pelm_stats"]["used"] == 0


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), float("inf"), "0.9", None, True])
def test_a_moral_value_out_of_bounds_is_an_error_and_changes_nothing(value):
    mind = wrapper()
    before = mind.get_state()
    with pytest.raises(InvalidScore) as caught:
        mind.generate("hello", value)
    assert isinstance(caught.value, ValueError)
    assert mind.get_state() == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"prompt": ""},
        {"prompt": "  "},
        {"prompt": "x" * 1_000_000},
        {"max_tokens": 0},
        {"context_top_k": -1},
    ],
)
def test_other_values_out_of_bounds_are_errors_and_change_nothing(arguments):
    mind = wrapper()
    before = mind.get_state()
    with pytest.raises(InvalidInput):
        mind.generate(**{"prompt": "hello", "moral_value": 0.9} | arguments)
    assert mind.get_state() == before


@pytest.mark.parametrize(
    "vector",
    [[0.0] * DIMENSION, [float("nan")] * DIMENSION, [1.0] * 3, [], "words", [float("inf")] * 16],
)
def test_a_bad_embedding_is_an_error_and_changes_nothing(vector):
    mind = wrapper(embed_fn=lambda text: vector)
    before = mind.get_state()
    with pytest.raises(InvalidVector):
        mind.generate("hello", 0.9)
    after = mind.get_state()
    assert after["reliability"].pop("embedding_failure_count") == 1
    before["reliability"].pop("embedding_failure_count")
    assert after == before


@pytest.mark.parametrize("length", [1e-6, 1.0, 1e5])
def test_embeddings_count_by_direction_only(length):
    mind = wrapper(embed_fn=lambda text: [length] + [0.0] * (DIMENSION - 1))
    mind.generate("hello", 0.9)
    assert mind.get_state()["synaptic_norms"]["L1"] == pytest.approx(1.0)


def failing(error):
    def write(prompt, max_tokens):
        raise error

    return write


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (failing(OSError("gone")), OSError),
        (lambda prompt, max_tokens: "  ", GenerationFailed),
        (lambda prompt, max_tokens: None, GenerationFailed),
    ],
)
def test_a_failing_writer_raises_counts_the_step_and_is_not_remembered(write, error):
    mind = wrapper(write)
    with pytest.raises(error):
        mind.generate("hello", 0.9)
    state = mind.get_state()
    assert (state["step"], state["pelm_stats"]["used"]) == (1, 0)
    assert state["reliability"]["llm_failure_count"] == 1


def test_threads_share_a_mind_and_nobody_waits_for_a_writer():
    inside = threading.Barrier(8, timeout=30)

    def write(prompt, max_tokens):
        # Opens only when all eight are writing at once; the state can be read meanwhile.
        inside.wait()
        assert mind.get_state()["step"] == 8
        return echo(prompt, max_tokens)

    mind = wrapper(write)
    replies = []

    def ask(number):
        replies.append(mind.generate(f"hello {number}", 0.9))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(reply["step"] for reply in replies) == list(range(1, 9))
    assert all(reply["accepted"] for reply in replies)
    assert mind.get_state()["pelm_stats"]["used"] >= 8


def test_options_reach_the_rules():
    mind = wrapper(initial_moral_threshold=0.7, moral_policy="homeostatic")
    assert mind.get_state()["moral_threshold"] == 0.7
    assert mind.generate("hello", 0.9)["moral_threshold"] == 0.75
    with pytest.raises(ValueError, match="wake_duration"):
        wrapper(wake_duration=0)


def test_the_library_needs_no_server():
    code = (
        "import sys, cognitive_engine\n"
        "found = {'fastapi', 'uvicorn', 'starlette', 'uvloop', 'prometheus_client'} & "
        "set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
