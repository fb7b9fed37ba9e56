"""Logging: one line an event, bounded by level, without content."""

import asyncio
import json
import logging
import threading
import time
import warnings

import numpy as np
import pytest
import structlog

from cognitive_api.engine_config import LogFormat, LoggingSettings, LogLevel
from cognitive_engine.domain.rhythm import Phase
from cognitive_engine.telemetry import logs
from cognitive_engine.telemetry.lines import LineWriter, Stamp

MARK = "a-secret-word"
IDS = ("request-1", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture(autouse=True)
def restored():
    """Put logging back as it was: it is a setting of the whole process."""
    root = logging.getLogger()
    before, level, show = root.handlers[:], root.level, warnings.showwarning
    yield
    logs.close()
    root.handlers[:] = before
    root.setLevel(level)
    warnings.showwarning = show
    structlog.reset_defaults()


@pytest.fixture
def written(capfd):
    """All that was written since it was last asked for, as events."""

    def events():
        logs.close()
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return events


def request(fields=None, **given):
    """Log one request."""
    values = {"method": "GET", "route": "/v1/state", "status": 200, "seconds": 0.00123} | given
    logs.log_request(*IDS, fields=fields or {}, **values)


def test_engine_and_libraries_write_the_same_json(written):
    logs.configure(LoggingSettings())
    structlog.stdlib.get_logger("x").info("started", port=8000)
    logging.getLogger("uvicorn.error").warning("odd thing number %d", 7)
    first, second = written()
    assert list(first)[:4] == ["ts", "level", "event", "logger"]
    assert first.pop("ts").endswith("Z")
    assert first == {"level": "info", "event": "started", "logger": "x", "port": 8000}
    second.pop("ts")
    assert second == {
        "level": "warning",
        "event": "odd thing number 7",
        "logger": "uvicorn.error",
    }


def test_a_request_has_the_promised_fields(written):
    logs.configure(LoggingSettings())
    request({"accepted": True, "phase": Phase.WAKE, "step": 12, "error_code": "E501"})
    (line,) = written()
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "event": "request",
        "logger": "cognitive_engine.requests",
        "request_id": IDS[0],
        "trace_id": IDS[1],
        "span_id": IDS[2],
        "method": "GET",
        "route": "/v1/state",
        "status": 200,
        "latency_ms": 1.23,
        "accepted": True,
        "phase": "wake",
        "step": 12,
        "error_code": "E501",
    }


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (LogLevel.DEBUG, ["debug", "info"]),
        (LogLevel.INFO, ["info"]),
        (LogLevel.WARNING, []),
    ],
)
def test_quiet_requests_show_at_debug_only(written, level, expected):
    logs.configure(LoggingSettings(level=level))
    request(quiet=True)
    request()
    assert [line["level"] for line in written()] == expected


def test_rare_events_of_a_request_carry_its_ids(written):
    logs.configure(LoggingSettings())
    log = structlog.stdlib.get_logger("x")

    async def serve(number):
        logs.about(f"request-{number}", IDS[1], IDS[2])
        await asyncio.sleep(0)
        log.warning("breaker", state="open")

    async def both():
        await asyncio.gather(serve(1), serve(2))

    asyncio.run(both())
    log.warning("breaker", state="closed")
    first, second, outside = written()
    assert (first["request_id"], second["request_id"]) == ("request-1", "request-2")
    assert (first["trace_id"], first["span_id"]) == IDS[1:]
    assert "request_id" not in outside


def test_the_server_repeats_neither_requests_nor_starts(written):
    logs.configure(LoggingSettings(level=LogLevel.DEBUG))
    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("httpx2").info("HTTP Request: POST https://example/")
    assert written() == []


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_the_level_is_honoured(written, level, expected):
    logs.configure(LoggingSettings(level=level))
    for log in (structlog.stdlib.get_logger("x"), logging.getLogger("library")):
        for name in ("debug", "info", "warning", "error"):
            getattr(log, name)("event")
    assert [line["level"] for line in written()] == expected * 2


def test_text_is_for_people(capfd):
    logs.configure(LoggingSettings(format=LogFormat.TEXT))
    structlog.stdlib.get_logger("x").info("started", port=8000, note="two\nlines\x1b[31m")
    request({"phase": Phase.SLEEP})
    logs.close()
    first, second = capfd.readouterr().out.splitlines()
    assert "event='started'" in first
    assert "port=8000" in first
    assert "\x1b" not in first
    assert "phase='sleep'" in second


def test_json_lines_stay_one_line_whatever_is_in_them(capfd):
    logs.configure(LoggingSettings())
    log = structlog.stdlib.get_logger("x")
    log.info("odd", note='new\nline\r "quoted" \x1b[31m \x00')
    log.info("odd", score=float("nan"), count=np.int64(3), kind=object(), phase=Phase.WAKE)
    log.info("odd", note="half a pair \ud800")
    logs.close()
    lines = capfd.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines)
    first, second, third = map(json.loads, lines)
    assert first["note"] == 'new\nline\r "quoted" \x1b[31m \x00'
    assert (second["score"], second["kind"], second["phase"]) == (None, "<object>", "wake")
    assert (third["event"], third["error_type"]) == ("unloggable", "UnicodeEncodeError")


def test_an_error_is_named_without_what_it_says(written):
    logs.configure(LoggingSettings())
    for log in (structlog.stdlib.get_logger("x"), logging.getLogger("asyncio")):
        try:
            raise ValueError(MARK)
        except ValueError:
            log.exception("failed")
    found = written()
    assert MARK not in json.dumps(found)
    for line in found:
        assert (line["level"], line["error_type"]) == ("error", "ValueError")
        assert "test_engine_logs.py" in line["frames"][0]


@pytest.mark.parametrize("form", list(LogFormat))
def test_planted_words_are_found_nowhere(capfd, form):
    logs.configure(LoggingSettings(level=LogLevel.DEBUG, format=form))
    ours, library = structlog.stdlib.get_logger("x"), logging.getLogger("some.library")
    names = sorted(logs._FORBIDDEN)
    ours.info("planted", **dict.fromkeys(names, MARK))
    request(dict.fromkeys(names, MARK))
    ours.info("planted", error=ValueError(MARK))
    library.info("sent %s to %r", MARK, {"prompt": MARK})
    library.info("sent %(prompt)s", {"prompt": MARK})
    library.info(f"sent ({MARK})")
    library.info(f"sent {{{MARK!r}}}")
    library.info(f"first line\n{MARK}")
    library.info(f"prompt={MARK}")
    try:
        try:
            raise KeyError(MARK)
        except KeyError as error:
            raise RuntimeError(f"about {MARK}") from error
    except RuntimeError as error:
        ours.exception("planted")
        ours.error("planted", exc_info=error)
        library.exception("about %s", error)
        library.error("planted", exc_info=error, extra={"prompt": MARK}, stack_info=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(LoggingSettings(level=LogLevel.DEBUG, format=form))
        warnings.warn(MARK, UserWarning, stacklevel=1)
    logs.close()
    captured = capfd.readouterr()
    assert MARK not in captured.out + captured.err
    assert len(captured.out.splitlines()) == 14
    assert "UserWarning" in captured.out


def test_a_lost_task_is_told_without_its_words(written):
    logs.configure(LoggingSettings())

    async def fails():
        raise ValueError(MARK)

    def fails_with(text):
        raise KeyError(text)

    async def loses_both():
        asyncio.get_running_loop().call_soon(fails_with, MARK)
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        del task
        await asyncio.sleep(0)

    asyncio.run(loses_both())
    found = written()
    assert MARK not in json.dumps(found)
    task, callback = sorted(found, key=lambda line: line["error_type"], reverse=True)
    assert task["event"] == "Task exception was never retrieved"
    assert task["error_type"] == "ValueError"
    assert callback["event"].startswith("Exception in callback")
    assert callback["error_type"] == "KeyError"


def test_a_message_of_a_library_keeps_its_own_words_and_numbers():
    def plain(text, *values):
        return logs._plain(logging.LogRecord("x", 20, "f", 1, text, values, None))

    assert plain("took %.2f s for %s, 100%%", 1.5, MARK) == "took 1.5 s for <str>, 100%"
    assert plain("%s of %d", None, 3) == "<NoneType> of 3"
    assert plain("%s %s", MARK) == "<str> <NoneType>"
    assert plain("Invalid HTTP request received.") == "Invalid HTTP request received."
    assert plain("x" * 2000) == "x" * 512
    assert plain("%(count)d of %(prompt)s", {"count": 3, "prompt": MARK}) == "3 of <str>"
    assert plain(ValueError(MARK)) == "<ValueError>"


def test_before_it_is_configured_nothing_is_written(capfd):
    request()
    assert capfd.readouterr().out == ""


def test_warnings_are_events_too(written):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(LoggingSettings())
        warnings.warn("old thing", UserWarning, stacklevel=1)
    (line,) = written()
    assert (line["level"], line["event"], line["error_type"]) == (
        "warning",
        "warning",
        "UserWarning",
    )


def test_lines_are_written_in_order_and_together():
    chunks = []
    writer = LineWriter(chunks.append, pause_seconds=0.01)
    for number in range(1000):
        writer.put(b"%d\n" % number)
    writer.close()
    assert b"".join(chunks) == b"".join(b"%d\n" % number for number in range(1000))
    assert len(chunks) < 100
    assert writer.lost == 0


def test_lines_leave_by_themselves():
    arrived = threading.Event()
    writer = LineWriter(lambda _: arrived.set(), pause_seconds=0.01)
    writer.put(b"a\n")
    assert arrived.wait(10)
    writer.close()


def test_a_reader_that_stops_costs_lines_and_no_time():
    reading, begun = threading.Event(), threading.Event()

    def stuck(_):
        begun.set()
        assert reading.wait(60)

    writer = LineWriter(stuck, most=100, pause_seconds=0.0)
    writer.put(b"the first\n")
    assert begun.wait(10)
    started = time.perf_counter()
    for _ in range(5000):
        writer.put(b"another\n")
    assert time.perf_counter() - started < 1.0
    assert writer.lost == 4900
    began = time.perf_counter()
    writer.close(0.1)
    assert time.perf_counter() - began < 5.0
    reading.set()


def test_a_reader_that_is_gone_costs_lines_and_no_error():
    def gone(_):
        raise BrokenPipeError

    writer = LineWriter(gone, pause_seconds=0.0)
    writer.put(b"a\n")
    writer.put(b"b\n")
    writer.close()
    assert writer.lost == 2


def test_losses_are_known_after_a_writer_is_closed(monkeypatch, written):
    def gone(_):
        raise BrokenPipeError

    before = logs.lost()
    monkeypatch.setattr(logs, "_to_standard_output", gone)
    logs.configure(LoggingSettings())
    request()
    assert written() == []
    assert logs.lost() - before == 1


def test_a_time_is_text_with_microseconds_in_utc():
    stamp = Stamp()
    assert stamp(0.0) == "1970-01-01T00:00:00.000000Z"
    assert stamp(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
    assert stamp(1_700_000_000.999999) == "2023-11-14T22:13:20.999999Z"
    assert stamp(1_700_000_001.0) == "2023-11-14T22:13:21.000000Z"


@pytest.mark.asyncio
async def test_a_request_is_one_line_without_content(edge, keyed, written):
    config = edge.config(authMode="APIKey", logging={"level": "DEBUG"})
    logs.configure(config.logging)
    engine = edge.build(config, keyed)
    async with edge.client(engine.api, headers={"X-API-Key": edge.key}) as client:
        body = {"prompt": MARK, "moral_value": 0.9}
        await client.post("/v1/generate", json=body, headers={"X-Request-ID": "id-1"})
        await client.post("/v1/generate", json=body | {"prompt": [MARK]})
        await client.get(f"/{MARK}?{MARK}")
        await client.get("/health/liveness")
    found = written()
    text = json.dumps(found)
    assert MARK not in text
    assert edge.key not in text
    assert "192.0.2.1" not in text
    served, refused, lost, probe = (line for line in found if line["event"] == "request")
    assert served.pop("latency_ms") > 0
    assert served.pop("ts")
    assert len(served.pop("trace_id")) == 32
    assert len(served.pop("span_id")) == 16
    assert served == {
        "level": "info",
        "event": "request",
        "logger": "cognitive_engine.requests",
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
