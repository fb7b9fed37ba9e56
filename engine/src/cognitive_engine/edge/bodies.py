"""Read a JSON body strictly: bounded, UTF-8, not nested deeply, nothing but JSON, no name twice."""

import json
import re
from typing import Any, Final, Generic, Never, TypeVar

import msgspec
from starlette.types import Receive

from cognitive_engine.domain import limits

from . import problems
from .exchange import Exchange
from .problems import BAD_REQUEST, MALFORMED_JSON, MEDIA_TYPE, Fault, Kind, Problem

# A string, closed or not: it always matches from its first quote, so the scan is linear.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))
_JSON: Final = b"application/json"
_FAULT_KINDS: Final = {
    "prompt": problems.PROMPT,
    "moral_value": problems.MORAL_VALUE,
    "max_tokens": problems.MAX_TOKENS,
    "event_vector": problems.VECTOR,
    "event_vector_b64": problems.VECTOR,
}

T = TypeVar("T", bound=msgspec.Struct)


class _NotJson(ValueError):
    """Valid for Python's parser, but not JSON or not clear."""


async def read_body(exchange: Exchange, receive: Receive) -> bytes:
    """The body, as it was sent.

    Raises:
        Problem: 413, 415, or 400 when its sender went away.
    """
    media_type = exchange.given.get(b"content-type", b"")
    if media_type != _JSON and media_type.partition(b";")[0].strip().lower() != _JSON:
        raise Problem(MEDIA_TYPE, "The body must be application/json.")
    check_announced(exchange)
    exchange.reading = True
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        if len(body) > limits.BODY_BYTES_MAX:
            raise too_large()
        message = await receive()
        body += message.get("body", b"")
    exchange.reading = False
    if message["type"] == "http.disconnect":
        # Nobody reads this answer, but it must not be counted as a failure of ours.
        raise Problem(BAD_REQUEST, "The body ended early.")
    if len(body) > limits.BODY_BYTES_MAX:
        raise too_large()
    return body


def check_announced(exchange: Exchange) -> None:
    """Refuse a body that says it is too large.

    Raises:
        Problem: 413.
    """
    length = exchange.given.get(b"content-length")
    if length and length.isdigit() and int(length[:12]) > limits.BODY_BYTES_MAX:
        raise too_large()


def too_large() -> Problem:
    """The problem of a body beyond the bound."""
    detail = f"The body is larger than {limits.BODY_BYTES_MAX} bytes."
    # The rest of the body stays unread, so the connection cannot be used again.
    return Problem(problems.BODY_TOO_LARGE, detail, headers={"Connection": "close"})


def parse_json(body: bytes) -> object:
    """The JSON document in `body`.

    Raises:
        Problem: E109 when there is none, or when it can be read in more than one way.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(MALFORMED_JSON, "The body is not UTF-8.") from error
    if _depth(body) > limits.JSON_DEPTH_MAX:
        detail = f"The body is nested more than {limits.JSON_DEPTH_MAX} levels deep."
        raise Problem(MALFORMED_JSON, detail)
    try:
        document: object = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except ValueError as error:  # also a number of too many digits
        raise Problem(MALFORMED_JSON, "The body is not a valid JSON document.") from error
    return document


class Shape(Generic[T]):
    """A request body of one kind: decoded at once when it is good, explained slowly when not."""

    def __init__(self, kind: type[T]) -> None:
        fields = msgspec.structs.fields(kind)
        self._decoder = msgspec.json.Decoder(kind)
        self._names = tuple(f'"{field.encode_name}"'.encode() for field in fields)
        self._fields = {field.encode_name: field for field in fields}

    def parse(self, body: bytes) -> T:
        """`body` as a request.

        Raises:
            Problem: 400 when it is no clear JSON, 422 when it has not this shape: with the code of
                the first fault and the places of all.
        """
        try:
            parsed = self._decoder.decode(body)
        except (ValueError, RecursionError) as error:
            raise self._explain(body) from error
        if self._ambiguous(body):
            # The decoder lets the last of two equal names win. Only a look at each tells.
            parse_json(body)
        return parsed

    def _ambiguous(self, body: bytes) -> bool:
        # A name may be spelled with escapes, and then no count finds it.
        return b"\\u" in body or any(body.count(name) > 1 for name in self._names)

    def _explain(self, body: bytes) -> Problem:
        try:
            document = parse_json(body)
        except Problem as problem:
            return problem
        if not isinstance(document, dict):
            return Problem(problems.VALIDATION, "The body must be a JSON object.")
        kinds, faults = [], []
        for name, field in self._fields.items():
            if name not in document:
                if field.required:
                    kinds.append(_FAULT_KINDS.get(name, problems.VALIDATION))
                    faults.append(Fault(f"/{name}", "is required"))
            elif (found := _fault(field.type, document[name])) is not None:
                kinds.append(_kind(name, document[name]))
                faults.append(Fault(f"/{name}", found))
        if any(name not in self._fields for name in document):
            # An unknown name is the caller's own text: it is not repeated.
            kinds.append(problems.VALIDATION)
            faults.append(Fault("", f"a field is not known; known are {', '.join(self._fields)}"))
        detail = "The body does not have the expected shape."
        kind = kinds[0] if kinds else problems.VALIDATION
        return Problem(kind, detail, faults=tuple(faults[: limits.PROBLEM_ERRORS_MAX]))


def _fault(kind: Any, value: object) -> str | None:
    """What is wrong with `value`, in words that do not hold it; None when nothing is."""
    try:
        # Through JSON: what a text cannot be written as is no good either.
        msgspec.json.decode(json.dumps(value, ensure_ascii=False).encode(), type=kind)
    except UnicodeEncodeError:
        return "must be Unicode text"
    except msgspec.ValidationError as error:
        # "Expected `float`, got `str` - at `$[...]`": types and bounds only.
        expected = str(error).partition(" - at ")[0].partition(", got")[0]
        return f"must be {expected[9:]}" if expected.startswith("Expected ") else "is out of range"
    except (ValueError, RecursionError):
        return "is out of range"
    return None


def _kind(name: str, value: object) -> Kind:
    if name == "prompt" and isinstance(value, str):
        if not value:
            return problems.PROMPT_EMPTY
        if len(value) > limits.PROMPT_CHARS_MAX:
            return problems.PROMPT_TOO_LONG
    return _FAULT_KINDS.get(name, problems.VALIDATION)


def _depth(body: bytes) -> int:
    """Deepest nesting of brackets outside strings; an upper bound if they do not match."""
    depth = deepest = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_constant(_: str) -> Never:
    raise _NotJson("NaN and Infinity are not JSON")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _NotJson("a name stands twice")
    return document
