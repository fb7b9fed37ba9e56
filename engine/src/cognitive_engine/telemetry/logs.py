"""Logging: one line an event, from the engine and from uvicorn alike.

Prompts, answers, keys and addresses have no place in an event: callers pass names, counts and
scores only.
"""

import logging
import logging.config
import sys
import traceback
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from cognitive_api.engine_config import LogFormat, LoggingSettings, LogLevel

_FIRST: Final = ("ts", "level", "event", "request_id")
_FRAMES_MAX: Final = 12


def configure(settings: LoggingSettings) -> None:
    """Send all logging to standard output, in the given format, from the given level."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _without_message,
        _in_order,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if settings.format is LogFormat.JSON
        else structlog.processors.KeyValueRenderer(key_order=list(_FIRST[:3]))
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        renderer,
                    ],
                }
            },
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": "line",
                }
            },
            "root": {"level": settings.level.value, "handlers": ["out"]},
            "loggers": {
                # uvicorn's own start and stop lines repeat ours; its warnings are news.
                "uvicorn": {"level": _at_least_warning(settings), "handlers": []},
                "uvicorn.access": {"level": "CRITICAL", "handlers": []},
            },
        }
    )
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _at_least_warning(settings: LoggingSettings) -> str:
    quieter = settings.level in (LogLevel.DEBUG, LogLevel.INFO)
    return (LogLevel.WARNING if quieter else settings.level).value


def describe(error: BaseException) -> dict[str, object]:
    """Log fields of `error`: its kind and where it happened, never its message or any values.

    The message of an error, and the locals of its frames, may quote what was sent.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error_type": type(error).__name__, "frames": places}


def _without_message(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    found = event.pop("exc_info", None)
    if isinstance(found, tuple):
        found = found[1]
    elif found is True:
        found = sys.exc_info()[1]
    if isinstance(found, BaseException):
        event.update(describe(found))
    return event


def _in_order(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: event[key] for key in _FIRST if key in event} | dict(event)
