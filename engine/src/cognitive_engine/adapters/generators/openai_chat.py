"""Chat completions, as OpenAI publishes them and many others speak them."""

from collections.abc import Mapping
from typing import Final

import msgspec

from cognitive_engine.adapters.failures import AnswerInvalid
from cognitive_engine.adapters.generators.briefing import briefing, checked
from cognitive_engine.adapters.http import Backend
from cognitive_engine.ports import Draft

PATH: Final = "/chat/completions"
# OpenAI's models of today refuse the old name, and its reasoning models any temperature; servers
# of others (Ollama, LM Studio) know the old name only, unless such a model is behind them.
LENGTH: Final = "max_completion_tokens"
LENGTH_OLD: Final = "max_tokens"
SUBSTITUTES: Final[Mapping[str, str | None]] = {"temperature": None, LENGTH: LENGTH_OLD}
SUBSTITUTES_COMPATIBLE: Final[Mapping[str, str | None]] = {"temperature": None, LENGTH_OLD: LENGTH}


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    # A model may decline in a place of its own: its words are an answer too.
    refusal: str | None = None

    @property
    def words(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or self.refusal or ""


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


class OpenAIChat:
    """Asks `model` at `backend`; `length_field` is what that calls the longest answer."""

    def __init__(
        self, backend: Backend, model: str, *, length_field: str, temperature: float
    ) -> None:
        self._backend = backend
        self._model = model
        self._length_field = length_field
        self._temperature = temperature

    async def generate(self, draft: Draft) -> str:
        """The answer to `draft`.

        Raises:
            BackendFailed: there is none.
        """
        messages = [{"role": "user", "content": draft.prompt}]
        told = briefing(draft.context)
        if told is not None:
            messages.insert(0, {"role": "system", "content": told})
        body = {
            "model": self._model,
            "messages": messages,
            self._length_field: draft.max_tokens,
            "temperature": self._temperature,
        }
        answer = await self._backend.ask(PATH, body, _Completion)
        if not answer.choices:
            raise AnswerInvalid(f"the {self._backend.name} backend answered without a choice")
        return checked(answer.choices[0].message.words, self._backend.name)
