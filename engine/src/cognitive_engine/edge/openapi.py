"""The description of the API (OpenAPI 3.1), made from one table and the shapes themselves."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from cognitive_engine import __version__
from cognitive_engine.domain import limits

from . import problems
from .operations import OPERATIONS, Operation
from .problems import ProblemBody

API_TITLE: Final = "Cognitive Engine"

_DESCRIPTION: Final = (
    "A governed, remembering front of a language model. Prompts are judged by a moral filter, "
    "answered with what the caller's own memories hold, and remembered. A refusal is an answer "
    "with `accepted: false`, not an error; every error is `application/problem+json`."
)
_TAGS: Final = {
    "mind": "Prompts and events.",
    "state": "Where the engine stands, and who asks.",
    "health": "Probes and metrics.",
    "admin": "For administrators.",
}
_REF: Final = "#/components/schemas/{name}"
_SECURITY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}, {"bearer": []}]
_SCHEMES: Final = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a token of the OpenID Connect issuer.",
    },
}
_HEADERS: Final[Mapping[str, tuple[str, dict[str, object]]]] = {
    "X-Request-ID": ("The caller's id of the request, or one made here.", {"type": "string"}),
    "RateLimit": ("What is left of the caller's limit.", {"type": "string"}),
    "RateLimit-Policy": ("The caller's limit.", {"type": "string"}),
    "Retry-After": (
        "Whole seconds after which to try again.",
        {"type": "integer", "minimum": 1},
    ),
    "WWW-Authenticate": ("What to send.", {"type": "string"}),
    "Allow": ("Methods that the path takes.", {"type": "string"}),
}
_DETAILS: Final = {
    400: "The body is not a valid JSON document.",
    401: "Send an API key as X-API-Key or as a bearer token.",
    403: "This caller's role does not allow it.",
    404: "There is nothing at this path.",
    405: "This path does not take this method.",
    408: "The body did not come in time.",
    413: f"The body is larger than {limits.BODY_BYTES_MAX} bytes.",
    415: "The body must be application/json.",
    422: "The body does not have the expected shape.",
    429: "Too many requests; wait and try again.",
    431: f"There are more than {limits.HEADERS_MAX} headers.",
    500: "The engine failed; see its log.",
    502: "No answer could be generated.",
    503: "Too many requests are being answered; try again.",
    504: "The answer took too long.",
}


@lru_cache(maxsize=1)
def openapi_document() -> dict[str, Any]:
    """The whole description; the same object each time, for reading only."""
    shapes = [shape for each in OPERATIONS for shape in (each.request, each.response) if shape]
    _, schemas = msgspec.json.schema_components([*shapes, ProblemBody], ref_template=_REF)
    paths: dict[str, dict[str, object]] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": API_TITLE,
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {_name(status): _problem(status) for status in _DETAILS},
            "headers": {
                name: {"description": text, "schema": schema}
                for name, (text, schema) in _HEADERS.items()
            },
            "securitySchemes": _SCHEMES,
        },
    }


def _operation(each: Operation) -> dict[str, object]:
    described: dict[str, object] = {
        "operationId": each.name,
        "tags": [each.tag],
        "summary": each.summary,
        "security": _SECURITY if each.role else [],
        "responses": _responses(each),
    }
    if each.role:
        described["description"] = f"Needs the role `{each.role.value}`."
    if each.request is not None:
        described["requestBody"] = {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": _REF.format(name=each.request.__name__)},
                    "examples": {"usual": {"value": each.request_example}},
                }
            },
        }
    return described


def _responses(each: Operation) -> dict[str, object]:
    headers = ["X-Request-ID", *(["RateLimit", "RateLimit-Policy"] if each.role else [])]
    good: dict[str, object] = {
        "description": each.answer,
        "headers": _header_refs(headers),
        "content": _content(each),
    }
    answers = {"200": good}
    if each.unready:
        answers["503"] = good | {"description": "Not ready; the components say why."}
    for status in each.errors:
        answers[str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}
    return dict(sorted(answers.items()))


def _content(each: Operation) -> dict[str, object]:
    if each.response is None:
        return {each.media_type: {"schema": {"type": "string"}}}
    schema = {"$ref": _REF.format(name=each.response.__name__)}
    content: dict[str, object] = {"schema": schema}
    if each.response_example is not None:
        value = msgspec.to_builtins(each.response_example)
        content["examples"] = {"usual": {"value": value}}
    return {each.media_type: content}


def _header_refs(names: Iterable[str]) -> dict[str, object]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> dict[str, object]:
    kinds = [kind for kind in problems.KINDS if kind.status == status]
    headers = ["X-Request-ID"]
    if status in (429, 503):
        headers.append("Retry-After")
    if status in (401, 403):
        headers.append("WWW-Authenticate")
    if status == 405:
        headers.append("Allow")
    codes = sorted({f"{kind.code} {kind.title}" for kind in kinds})
    example = ProblemBody(
        type=f"urn:mlsdm:problem:{kinds[0].code}",
        title=kinds[0].title,
        status=status,
        detail=_DETAILS[status],
        instance="urn:mlsdm:request:0f2c",
        code=kinds[0].code,
        request_id="0f2c",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        retry_after=1 if status in (429, 503) else None,
    )
    return {
        "description": "; ".join(codes),
        "headers": _header_refs(headers),
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": _REF.format(name=ProblemBody.__name__)},
                "examples": {"usual": {"value": msgspec.to_builtins(example)}},
            }
        },
    }
