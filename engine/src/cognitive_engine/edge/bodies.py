"""Read a JSON body strictly: bounded, UTF-8, not nested deeply, nothing but JSON, no name twice."""

import json
import re
from typing import Final, Never

from starlette.requests import ClientDisconnect, Request

from cognitive_engine.domain import limits

from .problems import BAD_REQUEST, MALFORMED_JSON, MEDIA_TYPE, Problem

# A string, closed or not: it always matches from its first quote, so the scan is linear.
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))


class _NotJson(ValueError):
    """Valid for Python's parser, but not JSON or not clear."""


async def read_json(request: Request) -> object:
    """The document in the body of `request`.

    Raises:
        Problem: 413, 415, or 400 when the body is not one clear JSON document.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(MEDIA_TYPE, "The body must be application/json.")
    try:
        body = await request.body()
    except ClientDisconnect as error:
        # Nobody reads this answer, but it must not be counted as a failure of ours.
        raise Problem(BAD_REQUEST, "The body ended early.") from error
    return parse_json(body)


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
