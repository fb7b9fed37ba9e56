"""Backends of the engine, as tests ask them, with things planted that nobody may see.

The key, the prompt, the memory and the server's answer hold words that appear nowhere else.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import numpy as np
import pytest
import uvloop
from structlog.testing import capture_logs

from cognitive_api.engine_config import EmbeddingSettings, LLMSettings
from cognitive_engine.adapters.built import Built
from cognitive_engine.adapters.embedders.select import build_embedder
from cognitive_engine.adapters.failures import BackendFailed
from cognitive_engine.adapters.generators.select import build_generator
from cognitive_engine.ports import Draft
from llmserver import ANSWER

KEY = "planted-key-0123456789"
PROMPT = "planted-prompt: what is my cat called?"
MEMORY = "planted-memory: Whiskers is my cat."
PLANTED = ("planted", "0123456789", "Whiskers", "cat called")
DRAFT = Draft(PROMPT, (MEMORY, "I live in Rome."), 321)
DIMENSION = 4
VARIABLES = {
    "OpenAI": "OPENAI_API_KEY",
    "Anthropic": "ANTHROPIC_API_KEY",
    "OpenAICompatible": "LLM_API_KEY",
}
GENERATORS = tuple(VARIABLES)
BACKENDS = (*GENERATORS, "Embeddings")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_COOKIE = "planted-cookie"

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it on the loop that the engine runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, whatever the machine says."""
    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def watched(caplog: pytest.LogCaptureFixture) -> Iterator[list[Any]]:
    """All that is logged meanwhile, by whomever; nothing planted may be in it."""
    with caplog.at_level(logging.DEBUG), capture_logs() as events:
        yield events
    for text in [*map(str, events), *(record.getMessage() for record in caplog.records)]:
        assert not seen_in(text.replace(_COOKIE, "")), text


def seen_in(text: str) -> list[str]:
    """What was planted and stands in `text`."""
    return [word for word in PLANTED if word in text]


class Asked:
    """A backend under test: `await asked()` gives what it answers to the same wish."""

    def __init__(self, wish: Callable[[Any], Awaitable[Any]]) -> None:
        self._wish = wish
        self.built: Built[Any]
        self.results: list[str] = []

    async def __call__(self) -> Any:
        return await self._wish(self.built.part)

    def observe_call(self, backend: str, result: str, seconds: float) -> None:
        """Keep what the guard tells its meter."""
        self.results.append(result)


@asynccontextmanager
async def asking(name: str, url: str, *, seconds: float = 5) -> AsyncIterator[Asked]:
    """The backend called `name`, as its settings build it, with the server at `url`."""
    # Shorter than the settings allow: a test has no second to spare.
    update = {"timeout_seconds": seconds}
    settings = {"model": "m-1", "baseURL": url}
    if name == "Embeddings":
        asked = Asked(lambda part: part.embed(PROMPT))
        embeddings = EmbeddingSettings.model_validate(settings | {"provider": "OpenAICompatible"})
        asked.built = build_embedder(
            embeddings.model_copy(update=update),
            DIMENSION,
            {"EMBEDDINGS_API_KEY": KEY},
            meter=asked,
            monotonic=time.monotonic,
        )
    else:
        asked = Asked(lambda part: part.generate(DRAFT))
        llm = LLMSettings.model_validate(settings | {"backend": name})
        asked.built = build_generator(
            llm.model_copy(update=update),
            {VARIABLES[name]: KEY},
            meter=asked,
            monotonic=time.monotonic,
        )
    try:
        yield asked
    finally:
        await asked.built.aclose()


async def failure(asked: Callable[[], Awaitable[Any]]) -> BackendFailed:
    """What `asked` raises: it shows nothing planted, and its chain holds no request."""
    with pytest.raises(BackendFailed) as raised:
        await asked()
    error = raised.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
    assert not seen_in(shown), shown
    link: BaseException | None = error
    while link is not None:
        assert not hasattr(link, "request"), link
        link = link.__cause__ or link.__context__
    return error


def good(answer: Any) -> bool:
    """Whether it is what the server answers when all is well."""
    if isinstance(answer, np.ndarray):
        return bool(np.allclose(answer, [0.6, 0.8, 0.0, 0.0]))
    return bool(answer == ANSWER)
