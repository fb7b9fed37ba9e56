"""Logs and metrics of the operator. Neither ever holds a prompt, an answer or a secret."""

import logging
import logging.config
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from cognitive_api import metric_names as names

PASSES = Counter(names.OPERATOR_PASSES, "Reconcile passes by result.", ["result"])
PASS_SECONDS = Histogram(
    names.OPERATOR_PASS_SECONDS,
    "Time of a reconcile pass.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WRITES = Counter(names.OPERATOR_WRITES, "Writes to the API server.", ["verb", "kind", "result"])
QUEUE_DEPTH = Gauge(names.OPERATOR_QUEUE_DEPTH, "Objects waiting for a worker.")
WATCH_AGE = Gauge(names.OPERATOR_WATCH_AGE, "Seconds since the watch last proved to be alive.")
READY = Gauge(names.OPERATOR_READY, "1 while the engine is Ready.", ["namespace", "name"])
REPLICAS = Gauge(names.OPERATOR_REPLICAS, "Pods of an engine.", ["namespace", "name", "state"])


def configure_logging(level: str, fmt: str) -> None:
    """Send the operator's and the libraries' records through one renderer to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if fmt == "json"
        # Plain: a pretty traceback would print local variables.
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        renderer,
                    ],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level},
            # The framework tells of every event it passes on; ours are the lines that matter.
            "loggers": {"kopf": {"level": "WARNING"}, "aiohttp.access": {"level": "WARNING"}},
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
