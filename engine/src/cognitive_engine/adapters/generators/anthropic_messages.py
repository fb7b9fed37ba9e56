"""Messages, as Anthropic publishes them."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from cognitive_engine.adapters.generators.briefing import briefing, checked
from cognitive_engine.adapters.http import Backend
from cognitive_engine.ports import Draft

PATH: Final = "/messages"
VERSION: Final = "2023-06-01"
# Its models of today refuse any temperature.
SUBSTITUTES: Final[Mapping[str, str | None]] = {"temperature": None}


def headers(key: Callable[[], str]) -> Callable[[], dict[str, str]]:
    """What makes the headers that each call wants."""
    return lambda: {"x-api-key": key(), "anthropic-version": VERSION}


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    content: list[_Block]


class AnthropicMessages:
    """Asks `model` at `backend`; `temperature` lies in [0, 1]."""

    def __init__(self, backend: Backend, model: str, *, temperature: float) -> None:
        self._backend = backend
        self._model = model
        self._temperature = temperature

    async def generate(self, draft: Draft) -> str:
        """The answer to `draft`.

        Raises:
            BackendFailed: there is none.
        """
        body: dict[str, object] = {
            "model": self._model,
            "max_tokens": draft.max_tokens,
            "messages": [{"role": "user", "content": draft.prompt}],
            "temperature": self._temperature,
        }
        told = briefing(draft.context)
        if told is not None:
            body["system"] = told
        answer = await self._backend.ask(PATH, body, _Message)
        text = "".join(block.text for block in answer.content if block.type == "text")
        return checked(text, self._backend.name)
