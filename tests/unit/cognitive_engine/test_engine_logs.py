"""Logging: one JSON line an event, bounded by level, without content."""

import json
import logging
import warnings

import pytest
import structlog

from cognitive_api.engine_config import LogFormat, LoggingSettings, LogLevel
from cognitive_engine.telemetry import logs

MARK = "a-secret-word"


@pytest.fixture(autouse=True)
def restored():
    """Put logging back as it was: it is a setting of the whole process."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_engine_and_server_write_the_same_json(capsys):
    logs.configure(LoggingSettings())
    structlog.stdlib.get_logger("x").info("started", port=8000)
    logging.getLogger("uvicorn.error").warning("odd %s", "thing")
    first, second = lines(capsys)
    assert list(first)[:3] == ["ts", "level", "event"]
    assert first.pop("ts").endswith("Z")
    assert first == {"level": "info", "event": "started", "port": 8000}
    assert (second["level"], second["event"]) == ("warning", "odd thing")


def test_the_server_repeats_neither_requests_nor_starts(capsys):
    logs.configure(LoggingSettings(level=LogLevel.DEBUG))
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("uvicorn.error").info("Started server process")
    assert lines(capsys) == []


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_the_level_is_honoured(capsys, level, expected):
    logs.configure(LoggingSettings(level=level))
    log = structlog.stdlib.get_logger("x")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("event")
    assert [line["level"] for line in lines(capsys)] == expected


def test_text_is_for_people(capsys):
    logs.configure(LoggingSettings(format=LogFormat.TEXT))
    structlog.stdlib.get_logger("x").info("started", port=8000, note="two\nlines")
    (line,) = capsys.readouterr().out.splitlines()
    assert "event='started'" in line
    assert "port=8000" in line


def test_an_error_is_named_without_what_it_says(capsys):
    logs.configure(LoggingSettings())
    for log in (structlog.stdlib.get_logger("x"), logging.getLogger("asyncio")):
        try:
            raise ValueError(MARK)
        except ValueError:
            log.exception("failed")
    out = capsys.readouterr().out
    assert MARK not in out
    for line in map(json.loads, out.splitlines()):
        assert line["error_type"] == "ValueError"
        assert "test_engine_logs.py" in line["frames"][0]


def test_warnings_are_events_too(capsys):
    logs.configure(LoggingSettings())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old thing", UserWarning, stacklevel=1)
    assert lines(capsys)[0]["level"] == "warning"


@pytest.mark.asyncio
async def test_a_request_is_one_line_without_content(edge, keyed, capsys):
    config = edge.config(authMode="APIKey", logging={"level": "DEBUG"})
    logs.configure(config.logging)
    logging.getLogger("httpx2").setLevel("ERROR")
    engine = edge.build(config, keyed)
    async with edge.client(engine.api, headers={"X-API-Key": edge.key}) as client:
        capsys.readouterr()
        body = {"prompt": MARK, "moral_value": 0.9}
        await client.post("/v1/generate", json=body, headers={"X-Request-ID": "id-1"})
        await client.post("/v1/generate", json=body | {"prompt": [MARK]})
        await client.get(f"/{MARK}?{MARK}")
        await client.get("/health/liveness")
    out = capsys.readouterr().out
    assert MARK not in out
    assert edge.key not in out
    assert "192.0.2.1" not in out
    served, refused, lost, probe = (
        line for line in map(json.loads, out.splitlines()) if line["event"] == "request"
    )
    assert served.pop("latency_ms") > 0
    assert served.pop("ts")
    assert served == {
        "level": "info",
        "event": "request",
        "request_id": "id-1",
        "method": "POST",
        "route": "/v1/generate",
        "status": 200,
        "accepted": True,
        "phase": "wake",
        "step": 1,
        "moral_value": 0.9,
        "moral_threshold": 0.5,
        "context_items": 0,
        "prompt_length": len(MARK),
        "response_length": served["response_length"],
    }
    assert (refused["status"], refused["error_code"]) == (422, "E103")
    assert (lost["route"], lost["status"]) == ("unmatched", 404)
    assert (probe["route"], probe["level"]) == ("/health/liveness", "debug")
