"""Embedders that need a model: in a folder, or behind HTTP; and the memory of their answers."""

import asyncio
import builtins
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from model2vec import StaticModel
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from cognitive_api.engine_config import EmbeddingSettings
from cognitive_engine.adapters.embedders.async_embedder import Immediate
from cognitive_engine.adapters.embedders.hashing import HashingEmbedder
from cognitive_engine.adapters.embedders.model2vec import Model2VecEmbedder
from cognitive_engine.adapters.embedders.remote import CachedEmbedder
from cognitive_engine.adapters.embedders.select import build_embedder
from cognitive_engine.adapters.embedders.unit import unit
from cognitive_engine.adapters.failures import AnswerInvalid, BackendUnusable
from cognitive_engine.domain import limits
from llmclients import direct, run
from llmserver import LLMServer, raw, well

WORDS = {"[UNK]": 0, "cat": 1, "dog": 2, "stock": 3, "market": 4}
DIRECTIONS = np.array(
    [[9, 9, 9, 9], [1, 0, 0, 0.1], [0.9, 0.1, 0, 0], [0, 1, 0, 0], [0, 0.9, 0.1, 0]], np.float32
)


class Unmetered:
    def observe_call(self, backend, result, seconds):
        pass


def built(dimension, environment=None, **settings):
    embeddings = EmbeddingSettings.model_validate(settings)
    return build_embedder(
        embeddings, dimension, environment or {}, meter=Unmetered(), monotonic=time.monotonic
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of five words."""
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    path = tmp_path_factory.mktemp("model")
    StaticModel(DIRECTIONS, tokenizer).save_pretrained(path)
    return path


def test_a_model_in_a_folder_finds_related_words(folder):
    embedder = built(4, provider="Model2Vec", model=str(folder)).part
    cat, dog, stock = (run(embedder.embed(text)) for text in ("cat", "dog cat", "stock market"))
    assert cat.dtype == np.float32
    assert float(np.sum(cat * dog)) > 0.95
    assert float(np.sum(cat * stock)) < 0.2


@pytest.mark.parametrize("text", ["", " ", "zebra", "cat " * 2500, "🙂", "\0", "ß" * 10_000])
def test_any_text_has_a_direction(folder, text):
    vector = Model2VecEmbedder(folder, 4).embed(text)
    assert (vector.dtype, vector.shape) == (np.float32, (4,))
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)


def test_a_model_must_fit_the_memory(folder):
    with pytest.raises(
        BackendUnusable, match=r"components where memory\.dimension is 384"
    ) as raised:
        Model2VecEmbedder(folder, 384)
    assert str(raised.value).endswith("set memory.dimension to 4")


def test_nothing_is_fetched_for_a_folder_that_is_not_there(tmp_path, monkeypatch):
    def fetch(*_, **__):
        raise AssertionError("fetched")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    for name in ("minishlab/potion-base-8M", str(tmp_path)):
        with pytest.raises(BackendUnusable, match=r"has no config\.json"):
            built(4, provider="Model2Vec", model=name)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_damaged_model_is_said_so(folder, tmp_path, name):
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).write_bytes(b"\x00{")
    with pytest.raises(BackendUnusable, match="holds no model that can be read"):
        Model2VecEmbedder(tmp_path, 4)


def test_without_the_extra_it_is_named(folder, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "model2vec":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(BackendUnusable, match="needs the extra `embeddings`"):
        Model2VecEmbedder(folder, 4)


def test_the_default_embedder_answers_at_once():
    embedder = built(64).part
    assert isinstance(embedder, Immediate)
    assert np.array_equal(run(embedder.embed("hello")), HashingEmbedder(64).embed("hello"))


@pytest.fixture
def server(monkeypatch):
    direct(monkeypatch)
    with LLMServer() as running:
        yield running


def asked(server, scenario, dimension=4, environment=None):
    """What `scenario` makes of the embedder that asks `server`."""

    async def whole():
        chosen = built(
            dimension,
            environment,
            provider="OpenAICompatible",
            model="e-1",
            baseURL=server.url,
        )
        try:
            return await scenario(chosen.part)
        finally:
            await chosen.aclose()

    return run(whole())


def test_the_published_request_and_a_unit_vector(server):
    vector = asked(
        server, lambda part: part.embed("hello"), environment={"EMBEDDINGS_API_KEY": "k"}
    )
    assert np.allclose(vector, [0.6, 0.8, 0, 0])
    assert (vector.dtype, vector.flags.writeable) == (np.float32, False)
    (call,) = server.calls
    assert call.path == "/v1/embeddings"
    assert call.body == {"model": "e-1", "input": "hello", "dimensions": 4}
    assert call.headers["authorization"] == "Bearer k"


def test_the_models_key_is_not_given_to_the_embedder(server):
    keys = {"LLM_API_KEY": "a", "OPENAI_API_KEY": "b"}
    asked(server, lambda part: part.embed("hello"), environment=keys)
    assert "authorization" not in server.calls[0].headers


def test_a_long_text_is_embedded_by_its_beginning(server):
    asked(server, lambda part: part.embed("x" * limits.PROMPT_CHARS_MAX))
    assert len(server.calls[0].body["input"]) == limits.EMBEDDED_CHARS_MAX


def test_a_vector_of_another_length_says_both(server):
    with pytest.raises(AnswerInvalid, match=r"of 4 components where memory\.dimension is 384"):
        asked(server, lambda part: part.embed("hello"), dimension=384)


@pytest.mark.parametrize(
    "vector",
    [[], [1, 2, 3], [0, 0, 0, 0], [1, 2, 3, None], [1, 2, 3, "4"], [[1], [2], [3], [4]], "AAAA"],
    ids=str,
)
def test_what_is_no_vector_is_refused(server, vector):
    server.script(well(lambda document: document["data"][0].update(embedding=vector)))
    with pytest.raises(AnswerInvalid):
        asked(server, lambda part: part.embed("hello"))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_refused(server, number):
    server.script(raw(b'{"data": [{"embedding": [%s, 1, 1, 1]}]}' % number.encode()))
    with pytest.raises(AnswerInvalid):
        asked(server, lambda part: part.embed("hello"))


@given(
    arrays.arrays(np.float64, 5, elements=st.floats(-1e300, 1e300)).filter(
        lambda numbers: np.max(np.abs(numbers)) > 0
    )
)
def test_any_finite_vector_but_zero_has_a_direction(numbers):
    vector = unit(numbers, 5, "some")
    assert float(np.linalg.norm(vector.astype(np.float64))) == pytest.approx(1.0, abs=1e-6)
    largest = int(np.argmax(np.abs(numbers)))
    assert np.sign(vector[largest]) == np.sign(numbers[largest])


def test_a_text_is_asked_for_once(server):
    async def scenario(part):
        for text in ("a", "b", "a", "a", "b"):
            await part.embed(text)

    asked(server, scenario)
    assert [call.body["input"] for call in server.calls] == ["a", "b"]


class Counting:
    """Gives a vector of its own to each text, and counts."""

    def __init__(self):
        self.texts = []

    async def embed(self, text):
        self.texts.append(text)
        vector = np.zeros(100, np.float32)
        vector[int(text) % 100] = 1.0
        return vector


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 12))
def test_the_memory_of_answers_is_bounded_and_keeps_the_latest(numbers, room):
    counting = Counting()
    cached = CachedEmbedder(counting, room * 816)

    async def scenario():
        kept = []
        for number in numbers:
            before = len(counting.texts)
            vector = await cached.embed(str(number))
            assert vector[number] == 1.0
            # The model: a list, the latest used last.
            assert (len(counting.texts) == before) == (number in kept)
            kept = [*(other for other in kept if other != number), number][-room:]
            assert cached.bytes == 816 * len(kept) <= room * 816

    run(scenario())


def test_no_failure_is_remembered():
    class Failing(Counting):
        async def embed(self, text):
            await super().embed(text)
            if len(self.texts) == 1:
                raise AnswerInvalid("no")
            return np.ones(1, np.float32)

    async def scenario():
        cached = CachedEmbedder(Failing(), 10_000)
        with pytest.raises(AnswerInvalid):
            await cached.embed("1")
        assert cached.bytes == 0
        assert (await cached.embed("1"))[0] == 1.0

    run(scenario())


def test_the_same_text_asked_twice_at_once_is_kept_once():
    async def scenario():
        gate = asyncio.Event()

        class Slow(Counting):
            async def embed(self, text):
                await gate.wait()
                return await super().embed(text)

        cached = CachedEmbedder(Slow(), 10_000)
        both = [asyncio.create_task(cached.embed("1")) for _ in range(2)]
        gate.set()
        await asyncio.gather(*both)
        assert cached.bytes == 816

    run(scenario())
