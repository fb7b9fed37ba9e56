"""What a command must be before it is judged: everything is checked here, and nothing is changed.

`parse_command` turns a caller's wish into the form that goes into a record: numbers are floats,
vectors are copies that nobody can change, a text is no longer than what is kept of it.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from cognitive_api.governance import MemorySettings

from . import limits
from .commands import (
    USER_INPUT,
    Command,
    Consolidate,
    Decide,
    Emergency,
    Erase,
    Memory,
    Observe,
    Override,
    Relieve,
    Remember,
    Reset,
)
from .emergency import EmergencyReason
from .errors import InvalidEntry, InvalidInput, InvalidScore, InvalidText, InvalidTime
from .memory.provenance import Origin, Source
from .memory.vectors import Vector, check_components, shaped
from .units import parse_unit


def parse_command(command: object, memory: MemorySettings) -> Command:
    """`command` as it goes into a record, for a mind with these memory settings.

    Raises:
        InvalidInput: it is no command, or something in it is out of bounds.
    """
    parse = _PARSERS.get(type(command))
    if parse is None:
        raise InvalidInput("this is no command")
    return parse(command, memory)


def parse_time(value: float) -> float:
    """A time in seconds since the epoch.

    Raises:
        InvalidTime: no number, or one without a date.
    """
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise InvalidTime("a time is a number of seconds")
    if not limits.TIME_SECONDS_MIN <= value <= limits.TIME_SECONDS_MAX:
        raise InvalidTime("a time is a finite number of seconds, of the years 1 to 9999")
    return float(value)


def parse_score(value: float) -> float:
    """A moral score or bar. Negative zero becomes zero: records must not tell them apart.

    Raises:
        InvalidScore: no finite number in [0, 1].
    """
    if type(value) is float and 0.0 <= value <= 1.0:
        return value + 0.0
    try:
        return parse_unit("a moral score", value) + 0.0
    except InvalidInput as error:
        raise InvalidScore(str(error)) from error


def parse_max_tokens(value: int | None) -> int | None:
    """A length of an answer, or None for the usual one.

    Raises:
        InvalidInput: no whole number within the bounds.
    """
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= limits.MAX_TOKENS_MAX:
        raise InvalidInput(f"max_tokens lies in [1, {limits.MAX_TOKENS_MAX}]")
    return value


def parse_text(value: str, most: int, what: str) -> str:
    """A text of at most `most` characters that has a UTF-8 form.

    Raises:
        InvalidText: it is none; the message names `what`, not what it says.
    """
    if not isinstance(value, str):
        raise InvalidText(f"{what} is text")
    if len(value) > most:
        raise InvalidText(f"{what} has at most {most} characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidText(f"{what} is Unicode text") from error
    return value


def _decide(wish: Decide, _: MemorySettings) -> Decide:
    if type(wish.blocked) is not bool:
        raise InvalidInput("a request is blocked or not")
    return Decide(
        _scope(wish.scope),
        parse_score(wish.score),
        parse_max_tokens(wish.max_tokens),
        _bar(wish.bar),
        wish.blocked,
    )


def _remember(wish: Remember, memory: MemorySettings) -> Remember:
    memories = wish.memories
    if not isinstance(memories, tuple | list) or not all(type(one) is Memory for one in memories):
        raise InvalidEntry("memories come as a tuple of memories")
    if not 1 <= len(memories) <= limits.MEMORIES_AT_ONCE_MAX:
        raise InvalidEntry(f"1 to {limits.MEMORIES_AT_ONCE_MAX} memories are kept at once")
    return Remember(tuple(_memory(one, memory) for one in memories))


def _memory(one: Memory, memory: MemorySettings) -> Memory:
    return Memory(
        _scope(one.scope),
        _vector(one.vector, memory),
        _kept_text(one.text, memory),
        parse_unit("a confidence", one.confidence) + 0.0,
        _origin(one.origin),
    )


def _observe(wish: Observe, memory: MemorySettings) -> Observe:
    return Observe(
        _scope(wish.scope),
        parse_score(wish.score),
        _vector(wish.vector, memory),
        _kept_text(wish.text, memory),
        _bar(wish.bar),
        _origin(wish.origin),
    )


def _emergency(wish: Emergency, _: MemorySettings) -> Emergency:
    try:
        return Emergency(EmergencyReason(wish.reason))
    except ValueError as error:
        raise InvalidInput("an emergency has one of the known reasons") from error


def _override(wish: Override, _: MemorySettings) -> Override:
    return Override(_bar(wish.threshold))


def _erase(wish: Erase, _: MemorySettings) -> Erase:
    return Erase(_scope(wish.scope))


def _as_it_is(wish: Command, _: MemorySettings) -> Command:
    return wish


def _scope(value: str) -> str:
    return parse_text(value, limits.SCOPE_CHARS_MAX, "a scope")


def _bar(value: float | None) -> float | None:
    return None if value is None else parse_score(value)


def _vector(values: Any, memory: MemorySettings) -> Vector:
    given = shaped(values, memory.dimension)
    vector = given.copy() if given is values else given
    # A quick look, which also a component that is no number fails; the full check says what is
    # wrong.
    if not 0.0 < np.maximum.reduce(np.abs(vector)) <= limits.VECTOR_COMPONENT_MAX:
        check_components(vector)
    vector.setflags(write=False)
    return vector


def _kept_text(value: str | None, memory: MemorySettings) -> str | None:
    """What is kept of a text. Longer than any prompt is a mistake; shorter is cut to the bound."""
    if value is None:
        return None
    text = parse_text(value, limits.PROMPT_CHARS_MAX, "a text")
    return text[: limits.MEMORY_TEXT_CHARS_MAX] if memory.store_text else None


def _origin(origin: Origin) -> Origin:
    if origin is USER_INPUT:
        return USER_INPUT
    if type(origin) is not Origin or not isinstance(origin.source, Source):
        raise InvalidEntry("a memory has an origin, which has a source")
    for text in (
        origin.llm_model,
        origin.parent_id,
        origin.policy_hash,
        origin.policy_contract_version,
        origin.content_hash,
    ):
        if text is not None:
            parse_text(text, limits.ORIGIN_CHARS_MAX, "a field of an origin")
    if origin.retention_expires_at is not None:
        expires = parse_time(origin.retention_expires_at)
        return msgspec.structs.replace(origin, retention_expires_at=expires)
    return origin


_PARSERS: Final[dict[type, Callable[[Any, MemorySettings], Command]]] = {
    Decide: _decide,
    Remember: _remember,
    Observe: _observe,
    Consolidate: _as_it_is,
    Emergency: _emergency,
    Relieve: _as_it_is,
    Reset: _as_it_is,
    Override: _override,
    Erase: _erase,
}
