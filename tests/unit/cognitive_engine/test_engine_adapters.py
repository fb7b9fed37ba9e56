"""The built-in generator, embedder and clock."""

import asyncio
import subprocess
import sys

import numpy as np
import pytest

from cognitive_engine.adapters.clock import SystemClock
from cognitive_engine.adapters.embedders.hashing import HashingEmbedder
from cognitive_engine.adapters.generators.local_stub import LocalStub
from cognitive_engine.ports import Draft

FACT = "My cat is called Whiskers and she sleeps on the radiator."
QUESTION = "What is the name of my cat?"
UNRELATED = [
    "The stock market fell sharply on Monday.",
    "Kubernetes restarts a container whose probe fails.",
    "He painted the garden fence in bright green.",
    "What is the capital of the country to the north?",
]


def answer(prompt, context=(), max_tokens=2048):
    return asyncio.run(LocalStub().generate(Draft(prompt, tuple(context), max_tokens)))


def test_the_stub_quotes_the_prompt_and_what_it_was_given():
    text = answer("p" * 80, ["I like tea", "I live in Rome"])
    assert text.startswith("NEURO-RESPONSE: " + "p" * 50)
    assert "p" * 51 not in text
    assert "I like tea" in text
    assert "I live in Rome" in text
    assert "2048 tokens" in text
    assert text == answer("p" * 80, ["I like tea", "I live in Rome"])


def test_the_stub_says_nothing_twice():
    echo = ["I like tea", "I like TEA!", "I like tea too", "I live in Rome"]
    text = answer("I like tea", echo)
    assert text.count("I like tea") == 2  # asked, and remembered once
    assert "TEA!" not in text
    assert "I live in Rome" in text


def test_the_stub_claims_no_memory_it_does_not_have():
    assert "remember" not in answer("hello")


@pytest.mark.parametrize("max_tokens", [1, 5, 50, 51, 4096])
def test_the_stub_keeps_the_length(max_tokens):
    text = answer("p" * 100, ["c" * 10_000] * 20, max_tokens)
    assert len(text) <= 4 * max_tokens
    assert ("tokens.)" in answer("p", max_tokens=max_tokens)) == (max_tokens > 50)


@pytest.mark.parametrize("dimension", [2, 3, 384, 4096])
@pytest.mark.parametrize("text", [FACT, "x", "!!!", "\0", "🙂", "ß" * 500, "a b " * 2500, "\ud800"])
def test_an_embedding_is_a_unit_vector(dimension, text):
    vector = HashingEmbedder(dimension).embed(text)
    assert (vector.dtype, vector.shape) == (np.float32, (dimension,))
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)


def test_a_question_finds_its_fact():
    embedder = HashingEmbedder(384)
    question = embedder.embed(QUESTION)
    fact = float(question @ embedder.embed(FACT))
    others = [float(question @ embedder.embed(text)) for text in UNRELATED]
    assert fact > 0.25
    assert fact > 2 * max(others)


def test_spelling_hardly_matters():
    embedder = HashingEmbedder(384)
    first = embedder.embed("hello world")
    assert float(first @ embedder.embed("Hello, WORLD!")) == pytest.approx(1.0, abs=1e-5)
    assert float(first @ embedder.embed("hello worlds")) > 0.5


def test_an_embedding_is_the_same_in_another_process():
    code = (
        "from cognitive_engine.adapters.embedders.hashing import HashingEmbedder as E\n"
        f"print(E(384).embed({FACT!r}).tobytes().hex())"
    )
    environment = {"PYTHONHASHSEED": "7"}
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == HashingEmbedder(384).embed(FACT).tobytes().hex()


def test_time_does_not_run_backwards():
    clock = SystemClock()
    readings = [clock.now() for _ in range(100)]
    assert readings == sorted(readings)
    assert readings[0] > 1.7e9
