"""Turn a value as MLSDM's variables and files spell it into one that our models take.

Each takes text or what YAML made of it, and returns None for "says nothing". Bounds are the
models' business. A `ValueError` says what the value must be and never quotes it: it may be a
secret that went to the wrong place.
"""

import math
import re
from typing import Final, TypeVar

from cognitive_api.engine_config import EmbeddingProvider, LLMBackend

from .configuration import Environment
from .errors import NoEffect

_T = TypeVar("_T")

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_STAGES: Final = {
    "dev": Environment.DEVELOPMENT,
    "local": Environment.DEVELOPMENT,
    "stage": Environment.STAGING,
    "prod": Environment.PRODUCTION,
} | {item.value: item for item in Environment}
# MLSDM's run modes: all but the first ask for credentials.
_RUN_MODES: Final = {
    "dev": Environment.DEVELOPMENT,
    "local-prod": Environment.PRODUCTION,
    "cloud-prod": Environment.PRODUCTION,
    "agent-api": Environment.PRODUCTION,
}
_LEVELS: Final = {"WARN": "WARNING", "CRITICAL": "ERROR", "FATAL": "ERROR"} | {
    name: name for name in ("DEBUG", "INFO", "WARNING", "ERROR")
}
_RETENTION_DIGITS: Final = 12


def plain(value: object) -> object:
    """The value itself."""
    return value.strip() if isinstance(value, str) else value


def is_off(value: object) -> bool:
    """Whether a switch that we do not have would be off, or was not touched."""
    return value is None or str(value).strip().lower() in {"", "none", "null", *_FALSE}


def flag(value: object) -> bool:
    """A boolean, by the words that environments use."""
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE


def inverse(value: object) -> bool:
    """The other boolean."""
    return not flag(value)


def when_true(value: object) -> bool | None:
    """True or nothing."""
    return flag(value) or None


def unless_disabled(value: object) -> bool | None:
    """False for a true value, else nothing."""
    return False if flag(value) else None


def number(value: object) -> float:
    """A finite number."""
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError("must be a number")
    return found


def seconds(value: object) -> int:
    """Whole seconds; a part of one counts as one."""
    return math.ceil(number(value))


def decay(value: object) -> float:
    """The decay of a retention factor: what keeps 0.99 of itself loses 0.01."""
    return round(1.0 - number(value), _RETENTION_DIGITS)


def words(value: object) -> object:
    """A list, from text with commas between the items."""
    if not isinstance(value, str):
        return value
    return [word.strip() for word in value.split(",") if word.strip()]


def stage(value: object) -> Environment:
    """What the process is there for."""
    return _known(value, _STAGES, "development, staging or production")


def run_mode(value: object) -> Environment:
    """The same, from a run mode."""
    return _known(value, _RUN_MODES, ", ".join(_RUN_MODES))


def level(value: object) -> str:
    """A log level, in any case."""
    found = _LEVELS.get(str(value).strip().upper())
    if found is None:
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return found


def debug_level(value: object) -> str | None:
    """DEBUG for true."""
    return "DEBUG" if flag(value) else None


def log_format(value: object) -> str:
    """A log format, in any case."""
    word = str(value).strip().lower()
    if word not in {"json", "text"}:
        raise ValueError("must be json or text")
    return word


def json_or_text(value: object) -> str:
    """A log format, from whether it is JSON."""
    return "json" if flag(value) else "text"


def backend(value: object) -> LLMBackend:
    """A generator by any spelling: local_stub, openai, openai-compatible."""
    by_letters = {_letters(item): item for item in LLMBackend}
    return _known(_letters(value), by_letters, ", ".join(LLMBackend))


def embedding_provider(value: object) -> EmbeddingProvider:
    """An embedder by any spelling."""
    if _letters(value) == "sentencetransformers":
        raise NoEffect(
            "sentence-transformers is not built in and Hashing embeds instead; for embeddings by "
            "meaning set embeddings.provider to Model2Vec and embeddings.model to its folder"
        )
    by_letters = {_letters(item): item for item in EmbeddingProvider}
    return _known(_letters(value), by_letters, ", ".join(EmbeddingProvider))


def tracing_exporter(value: object) -> bool | None:
    """Whether an exporter of this name traces: OTLP leaves it open, none does not."""
    word = str(value).strip().lower()
    if word not in {"otlp", "none"}:
        raise NoEffect("spans are sent by OTLP only")
    return False if word == "none" else None


def otlp_protocol(value: object) -> None:
    """The one protocol that is spoken says nothing; the others have no effect."""
    if str(value).strip().lower() != "http/protobuf":
        raise NoEffect("spans are sent as http/protobuf only")


def address(value: object) -> str:
    """A web address; without a scheme it is http."""
    text = str(value).strip()
    return text if re.match(r"^[a-z]+://", text) else f"http://{text}"


def enabled_mode(value: object) -> str:
    """The mode of authentication, from whether there is to be any."""
    return "APIKey" if flag(value) else "None"


def _letters(value: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(value).lower())


def _known(value: object, table: dict[str, _T], wanted: str) -> _T:
    found = table.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"must be {wanted}")
    return found
