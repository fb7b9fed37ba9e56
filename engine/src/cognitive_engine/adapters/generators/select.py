"""The generator that the settings name."""

from collections.abc import Callable, Mapping
from typing import Final

from cognitive_api import identity as api_names
from cognitive_api.engine_config import LLMBackend, LLMSettings
from cognitive_engine.adapters.backend_key import bearer, find_key
from cognitive_engine.adapters.built import Built
from cognitive_engine.adapters.failures import BackendUnusable
from cognitive_engine.adapters.generators import anthropic_messages, openai_chat
from cognitive_engine.adapters.generators.anthropic_messages import AnthropicMessages
from cognitive_engine.adapters.generators.guarded import GuardedGenerator
from cognitive_engine.adapters.generators.local_stub import LocalStub
from cognitive_engine.adapters.generators.openai_chat import OpenAIChat
from cognitive_engine.adapters.guard import CallMeter, Guard
from cognitive_engine.adapters.http import Backend
from cognitive_engine.ports import Generator

NAME: Final = "LLM"
_BASE_URLS: Final = {
    LLMBackend.OPENAI: "https://api.openai.com/v1",
    LLMBackend.ANTHROPIC: "https://api.anthropic.com/v1",
}
# Whoever else speaks OpenAI's API gets no key that was given for OpenAI.
_KEY_VARIABLES: Final = {
    LLMBackend.OPENAI: ("OPENAI_API_KEY", "LLM_API_KEY"),
    LLMBackend.ANTHROPIC: ("ANTHROPIC_API_KEY", "LLM_API_KEY"),
    LLMBackend.OPENAI_COMPATIBLE: ("LLM_API_KEY",),
}
_SUBSTITUTES: Final = {
    LLMBackend.OPENAI: openai_chat.SUBSTITUTES,
    LLMBackend.ANTHROPIC: anthropic_messages.SUBSTITUTES,
    LLMBackend.OPENAI_COMPATIBLE: openai_chat.SUBSTITUTES_COMPATIBLE,
}


def build_generator(
    llm: LLMSettings,
    environment: Mapping[str, str],
    *,
    meter: CallMeter,
    monotonic: Callable[[], float],
) -> Built[Generator]:
    """What `llm` describes, with the key that `environment` holds or names.

    Raises:
        BackendUnusable: it cannot be built.
    """
    if llm.backend is LLMBackend.LOCAL_STUB:
        return Built(LocalStub())
    backend = Backend(
        NAME,
        llm.base_url or _BASE_URLS.get(llm.backend, ""),
        headers=_headers(llm.backend, environment, monotonic),
        timeout_seconds=llm.timeout_seconds,
        connections=llm.bulkhead.concurrent,
        substitutes=_SUBSTITUTES[llm.backend],
    )
    guard = Guard(
        NAME,
        llm.breaker,
        llm.bulkhead,
        call_seconds=llm.timeout_seconds,
        meter=meter,
        monotonic=monotonic,
    )
    return Built(GuardedGenerator(_generator(llm, backend), guard), guard, backend)


def _headers(
    backend: LLMBackend, environment: Mapping[str, str], monotonic: Callable[[], float]
) -> Callable[[], dict[str, str]]:
    names = _KEY_VARIABLES[backend]
    key = find_key(environment, api_names.ENV_LLM_API_KEY_FILE, names, monotonic)
    if key is None and backend is not LLMBackend.OPENAI_COMPATIBLE:
        raise BackendUnusable(
            f"llm.backend {backend} needs an API key: set {names[0]}, or "
            f"{api_names.ENV_LLM_API_KEY_FILE} to name a file with it"
        )
    if key is not None and backend is LLMBackend.ANTHROPIC:
        return anthropic_messages.headers(key)
    return bearer(key)


def _generator(llm: LLMSettings, backend: Backend) -> Generator:
    model, temperature = llm.model_name, llm.temperature
    if llm.backend is LLMBackend.ANTHROPIC:
        return AnthropicMessages(backend, model, temperature=temperature)
    length = openai_chat.LENGTH if llm.backend is LLMBackend.OPENAI else openai_chat.LENGTH_OLD
    return OpenAIChat(backend, model, length_field=length, temperature=temperature)
