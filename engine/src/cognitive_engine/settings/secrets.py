"""Secrets: which of the variables that hold or name one are in use, never what they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cognitive_api import identity as api_names
from cognitive_api.engine_config import AuthMode, EmbeddingProvider, EngineConfig, LLMBackend
from cognitive_engine.security.authenticator import check_credentials

MASK: Final = "********"

CALLER_KEYS: Final = (api_names.ENV_API_KEYS_FILE, "API_KEY", "ADMIN_API_KEY")
SCOPE_SECRETS: Final = (api_names.ENV_SCOPE_SECRET_FILE, "SCOPE_SECRET")
EMBEDDING_KEYS: Final = (api_names.ENV_EMBEDDINGS_API_KEY_FILE, "EMBEDDINGS_API_KEY")
# The first that is set counts. A key that was given for one address goes to no other.
LLM_KEYS: Final[Mapping[LLMBackend, tuple[str, ...]]] = {
    LLMBackend.LOCAL_STUB: (),
    LLMBackend.OPENAI: (api_names.ENV_LLM_API_KEY_FILE, "OPENAI_API_KEY", "LLM_API_KEY"),
    LLMBackend.ANTHROPIC: (api_names.ENV_LLM_API_KEY_FILE, "ANTHROPIC_API_KEY", "LLM_API_KEY"),
    LLMBackend.OPENAI_COMPATIBLE: (api_names.ENV_LLM_API_KEY_FILE, "LLM_API_KEY"),
}
_ALL_LLM_KEYS: Final = tuple(dict.fromkeys(name for names in LLM_KEYS.values() for name in names))


@dataclass(frozen=True, slots=True)
class SecretInUse:
    """A secret that the process works with, and the variable that holds it or names its file."""

    purpose: str
    variable: str

    @property
    def origin(self) -> str:
        """Where it comes from, in a few words."""
        return f"{'file of' if self.variable.endswith('_FILE') else 'env'} {self.variable}"


@dataclass(frozen=True, slots=True)
class Secrets:
    """All of them, and what has to be told about the others."""

    in_use: tuple[SecretInUse, ...]
    notes: tuple[str, ...]
    faults: tuple[str, ...]
    """Why the process must not serve like this."""


def find_secrets(config: EngineConfig, environment: Mapping[str, str]) -> Secrets:
    """The secrets of `environment` that `config` makes use of."""
    backend, mode = config.llm.backend, config.auth.mode
    embeds_remotely = config.embeddings.provider is EmbeddingProvider.OPENAI_COMPATIBLE
    keys_count = mode is not AuthMode.OIDC
    in_use: list[SecretInUse] = []
    notes: list[str] = []
    for purpose, wanted, every, why in (
        ("caller key", CALLER_KEYS if keys_count else (), CALLER_KEYS, f"auth.mode is {mode}"),
        ("scope secret", SCOPE_SECRETS, SCOPE_SECRETS, ""),
        ("LLM key", LLM_KEYS[backend], _ALL_LLM_KEYS, f"llm.backend is {backend}"),
        (
            "embeddings key",
            EMBEDDING_KEYS if embeds_remotely else (),
            EMBEDDING_KEYS,
            f"embeddings.provider is {config.embeddings.provider}",
        ),
    ):
        given = [name for name in wanted if environment.get(name, "").strip()]
        # All caller keys count; of the others one does.
        used = given if wanted is CALLER_KEYS else given[:1]
        in_use += [SecretInUse(purpose, name) for name in used]
        notes += [f"{name}: no effect: {used[0]} goes first" for name in given if name not in used]
        notes += [
            f"{name}: no effect: {why}"
            for name in every
            if name not in wanted and environment.get(name, "").strip()
        ]
    return Secrets(tuple(in_use), tuple(notes), tuple(_faults(config, environment)))


def _faults(config: EngineConfig, environment: Mapping[str, str]) -> list[str]:
    found = []
    callers = check_credentials(config.auth, environment)
    if callers is not None:
        found.append(callers)
    backend = config.llm.backend
    names = LLM_KEYS[backend]
    if backend in (LLMBackend.OPENAI, LLMBackend.ANTHROPIC) and not any(
        environment.get(name) for name in names
    ):
        found.append(
            f"llm.backend {backend} needs an API key: set {names[1]}, or {names[0]} to name a file "
            "with it"
        )
    return found
