"""What OpenAI, Anthropic and those that speak like them publish: requests, answers, errors.

The errors are worse than published: they quote the key and the whole request, as some do.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {
    401: "invalid_request_error",
    429: "insufficient_quota",
    500: "server_error",
    503: "server_error",
}


@dataclass(frozen=True)
class Complaint(Exception):
    """A request that the vendor would turn away."""

    status: int
    param: str | None
    message: str


@dataclass(frozen=True)
class Vendor:
    """One published endpoint."""

    path: str
    judge: Callable[[Json, dict[str, str]], None]
    answer: Callable[[Json, str, list[float]], Json]
    error: Callable[[int, str | None, str], Json]


def vendor_of(path: str) -> Vendor:
    """The vendor whose endpoint is at the end of `path`."""
    for vendor in (CHAT, EMBEDDINGS, MESSAGES):
        if path.endswith(vendor.path):
            return vendor
    raise Complaint(404, None, f"there is nothing at {path}")


def quoting(message: str, body: bytes, headers: dict[str, str]) -> str:
    """`message` with all that must not be repeated."""
    keys = [headers.get("authorization", ""), headers.get("x-api-key", "")]
    return f"{message}: {keys} {body.decode(errors='replace')}"


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Complaint(400, name, f"'{name}' must be a string")
    return value


def _judge_chat(body: Json, headers: dict[str, str]) -> None:
    _text(body, "model")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Complaint(400, "messages", "'messages' must not be empty")
    for message in messages:
        if message.get("role") not in {"system", "developer", "user", "assistant"}:
            raise Complaint(400, "messages", "no such role")
        _text(message, "content")
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body and not (isinstance(body[name], int) and body[name] > 0):
            raise Complaint(400, name, f"'{name}' must be at least 1")
    if "temperature" in body and not 0 <= body["temperature"] <= 2:
        raise Complaint(400, "temperature", "'temperature' lies in [0, 2]")
    known = {"model", "messages", "max_tokens", "max_completion_tokens", "temperature"}
    _nothing_else(body, known)


def _judge_embeddings(body: Json, headers: dict[str, str]) -> None:
    _text(body, "model")
    _text(body, "input")
    _nothing_else(body, {"model", "input", "dimensions", "encoding_format"})


def _judge_messages(body: Json, headers: dict[str, str]) -> None:
    if headers.get("anthropic-version") != "2023-06-01":
        raise Complaint(400, None, "anthropic-version: header is required")
    _text(body, "model")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise Complaint(400, None, "max_tokens: Field required")
    if not 0 <= body.get("temperature", 0) <= 1:
        raise Complaint(400, None, "temperature: lies in [0, 1]")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or messages[0].get("role") != "user":
        raise Complaint(400, None, "messages: first message must use the user role")
    _text(messages[0], "content")
    _nothing_else(body, {"model", "max_tokens", "temperature", "messages", "system"})


def _nothing_else(body: Json, known: set[str]) -> None:
    for name in body.keys() - known:
        raise Complaint(400, name, f"Unrecognized request argument supplied: {name}")


def _chat(body: Json, text: str, _: list[float]) -> Json:
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
        "service_tier": "default",
    }


def _embeddings(body: Json, _: str, vector: list[float]) -> Json:
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": body["model"],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }


def _messages(body: Json, text: str, _: list[float]) -> Json:
    return {
        "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 2095, "output_tokens": 503},
    }


def _openai_error(status: int, param: str | None, message: str) -> Json:
    kind = _OPENAI_TYPES.get(status, _STATUS_TYPES.get(status, "server_error"))
    code = "unsupported_parameter" if param else None
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _anthropic_error(status: int, _: str | None, message: str) -> Json:
    fault = {"type": _STATUS_TYPES.get(status, "api_error"), "message": message}
    return {"type": "error", "error": fault, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


CHAT = Vendor("/chat/completions", _judge_chat, _chat, _openai_error)
EMBEDDINGS = Vendor("/embeddings", _judge_embeddings, _embeddings, _openai_error)
MESSAGES = Vendor("/messages", _judge_messages, _messages, _anthropic_error)


def encoded(document: Json) -> bytes:
    """`document` as it goes over the wire."""
    return json.dumps(document).encode()
