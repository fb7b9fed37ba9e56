"""Logging: one line an event, from the engine and from its libraries alike.

Prompts, answers, keys and addresses have no place in a line. Our own events pass names, counts and
scores only, which is checked by name. Of a library's message only the part is kept that stands in
its source: what it fills in may be anything.
"""

import atexit
import logging
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

from cognitive_api.engine_config import LogFormat, LoggingSettings
from cognitive_engine.domain import limits

from .lines import LineWriter, Stamp

REQUESTS: Final = "cognitive_engine.requests"

_STANDARD_OUTPUT: Final = 1
_FRAMES_MAX: Final = 12
_LEVELS: Final = {"exception": "error", "fatal": "critical", "warn": "warning"}
_IDS: Final = ("request_id", "trace_id", "span_id")
# What a field may not be called: content, secrets and addresses have such names.
_FORBIDDEN: Final = frozenset(
    {
        *("address", "client", "client_id", "host", "ip", "url", "user", "user_id"),
        *("api_key", "authorization", "cookie", "header", "headers", "key", "password", "secret"),
        *("answer", "body", "content", "context", "message", "payload", "prompt", "query"),
        *("response", "text", "token", "vector"),
    }
)
# Libraries that tell of each call, with its address.
_LOUD: Final = ("httpcore2", "httpx2", "urllib3")
# Where a message that is complete already begins to hold values.
_VALUES: Final = re.compile(r"[\n\r(<{\[:'\"=].*", re.DOTALL)
_CONVERSION: Final = re.compile(r"%%|%(?:\((\w+)\))?[-#0 +]*[\d*]*(?:\.[\d*]+)?[a-zA-Z]")

_about: ContextVar[tuple[str, str, str] | None] = ContextVar("about", default=None)


class _Output:
    """Where lines go. Silent until it is configured."""

    def __init__(self) -> None:
        self.level = sys.maxsize
        self.encode: Callable[[Mapping[str, object]], bytes] = _json
        self.writer: LineWriter | None = None

    def write(self, event: Mapping[str, object]) -> None:
        """Write `event`, whatever is in it."""
        if self.writer is None:
            return
        try:
            line = self.encode(event)
        except Exception as error:
            # A text that is no text: such an event is known by its kind alone.
            line = self.encode(
                {"ts": _stamp(time.time()), "level": "error", "event": "unloggable"}
                | describe(error)
            )
        self.writer.put(line)


def configure(settings: LoggingSettings) -> None:
    """Send all logging to standard output, in the given format, from the given level."""
    close()
    _output.level = logging.getLevelNamesMapping()[settings.level.value]
    _output.encode = _json if settings.format is LogFormat.JSON else _text
    _output.writer = LineWriter(_to_standard_output)
    _configure_libraries(_output.level)
    structlog.configure(
        processors=[_finish],
        wrapper_class=structlog.make_filtering_bound_logger(_output.level),
        logger_factory=_Logger,
        cache_logger_on_first_use=False,
    )


def close() -> None:
    """Write what waits to be written; nothing is logged from then on."""
    writer, _output.writer = _output.writer, None
    if writer is not None:
        writer.close()
        _counts.lost += writer.lost


def lost() -> int:
    """Lines that were lost since the start."""
    writer = _output.writer
    return _counts.lost + (writer.lost if writer is not None else 0)


def about(request_id: str, trace_id: str, span_id: str) -> None:
    """Put these ids into all events of this request that are logged from here on."""
    _about.set((request_id, trace_id, span_id))


def log_request(
    request_id: str,
    trace_id: str,
    span_id: str,
    method: str,
    route: str,
    status: int,
    seconds: float,
    fields: Mapping[str, object],
    quiet: bool = False,
) -> None:
    """The one line of a request. `fields` are names, counts and scores; `quiet` means DEBUG."""
    if (logging.DEBUG if quiet else logging.INFO) < _output.level:
        return
    event = {
        "ts": _stamp(time.time()),
        "level": "debug" if quiet else "info",
        "event": "request",
        "logger": REQUESTS,
        "request_id": request_id,
        "trace_id": trace_id,
        "span_id": span_id,
        "method": method,
        "route": route,
        "status": status,
        "latency_ms": round(seconds * 1000.0, 2),
        **fields,
    }
    if not _FORBIDDEN.isdisjoint(event):
        event = _without_forbidden(event)
    _output.write(event)


def describe(error: BaseException) -> dict[str, object]:
    """Log fields of `error`: its kind and where it happened, never its message or any values.

    The message of an error, and the locals of its frames, may quote what was sent.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error_type": type(error).__name__, "frames": places}


class _Counts:
    """Of the writers that are closed."""

    lost = 0


class _Logger:
    """What structlog hands a finished event to."""

    def __init__(self, name: str = "cognitive_engine") -> None:
        self.name = name

    def msg(self, event: Mapping[str, object]) -> None:
        """Write it."""
        _output.write(event)

    debug = info = warning = error = critical = msg


def _finish(logger: WrappedLogger, method: str, given: EventDict) -> tuple[Any, dict[str, Any]]:
    """Make one flat event of what structlog gathered."""
    found = given.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()[1]
    fields = {name: _bounded(value) for name, value in _without_forbidden(given).items()}
    if isinstance(found, BaseException):
        fields |= describe(found)
    level = _LEVELS.get(method, method)
    return (_event(level, str(fields.pop("event", "")), logger.name, fields),), {}


def _event(level: str, text: str, logger: str, fields: Mapping[str, object]) -> dict[str, object]:
    event: dict[str, object] = {
        "ts": _stamp(time.time()),
        "level": level,
        "event": text,
        "logger": logger,
    }
    ids = _about.get()
    if ids is not None:
        event.update(zip(_IDS, ids, strict=True))
    event.update(fields)
    return event


class _Libraries(logging.Handler):
    """Takes what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, without the values in its message."""
        error = record.exc_info[1] if record.exc_info else None
        fields = describe(error) if error is not None else {}
        _output.write(_event(record.levelname.lower(), _plain(record), record.name, fields))


def _configure_libraries(level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(level)
    # What uvicorn says of starts and stops repeats ours; its warnings are news.
    server = logging.getLogger("uvicorn")
    server.handlers.clear()
    server.setLevel(max(level, logging.WARNING))
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Log a warning of Python's by its kind and place; its text may quote values."""
    fields = {"error_type": category.__name__, "frames": [f"{Path(filename).name}:{lineno}"]}
    if _output.level <= logging.WARNING:
        _output.write(_event("warning", "warning", "py.warnings", fields))


def _plain(record: logging.LogRecord) -> str:
    """The part of a library's message that its source holds; numbers stay."""
    if not isinstance(record.msg, str):
        return _unknown(record.msg)
    if not record.args:
        return _VALUES.sub("", record.msg)[: limits.LOG_TEXT_CHARS_MAX].rstrip()
    by_name = record.args if isinstance(record.args, Mapping) else {}
    in_order = iter(() if by_name else record.args)

    def filled(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        value = by_name.get(found[1]) if found[1] else next(in_order, None)
        return str(value) if type(value) in (int, float) else _unknown(value)

    return _CONVERSION.sub(filled, record.msg).partition("\n")[0][: limits.LOG_TEXT_CHARS_MAX]


def _without_forbidden(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if name not in _FORBIDDEN}


def _bounded(value: object) -> object:
    if isinstance(value, str):
        return value[: limits.LOG_TEXT_CHARS_MAX]
    return describe(value) if isinstance(value, BaseException) else value


def _unknown(value: object) -> str:
    """What stands for a value of a kind that JSON has no word for: its kind, never its text."""
    return f"<{type(value).__name__}>"


_encoder: Final = msgspec.json.Encoder(enc_hook=_unknown)
_stamp: Final = Stamp()


def _json(event: Mapping[str, object]) -> bytes:
    return _encoder.encode(event) + b"\n"


def _text(event: Mapping[str, object]) -> bytes:
    """For people: names and values, in the order of the event; quoted, so a line stays one line."""
    plain: dict[str, object] = msgspec.to_builtins(event, enc_hook=_unknown)
    return (" ".join(f"{name}={value!r}" for name, value in plain.items()) + "\n").encode()


def _to_standard_output(lines: bytes) -> None:
    # Past Python's own buffer: the interpreter cannot end while a thread is stuck in that.
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(_STANDARD_OUTPUT, rest) :]


_counts: Final = _Counts()
_output: Final = _Output()
atexit.register(close)
