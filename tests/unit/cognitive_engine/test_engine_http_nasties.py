"""Clients that keep to no rules: bytes that are no request, heads and bodies without an end.

Whatever they send to the real process, each request has one answer below 500 or none, nothing that
was hidden in another is served, and the state stays as it was.
"""

import contextlib
import gzip
import json
import re
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cognitive_engine.domain import limits
from engineprocess import (
    HEAD_SECONDS,
    KEY,
    REQUEST_SECONDS,
    EngineProcess,
    listen,
    posted,
    request,
    statuses,
)

NO_ISSUER = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    running = EngineProcess(tmp_path_factory.mktemp("engine"), NO_ISSUER)
    try:
        yield running
        running.stop()
        wrong = [line for line in running.lines() if line["level"] in ("error", "critical")]
    finally:
        running.kill()
    assert not wrong


@pytest.fixture(autouse=True)
def unmoved(engine):
    """Nothing here changes the state, and the engine lives on."""
    before = engine.digest()
    yield
    assert engine.client.get("/health/live").status_code == 200
    assert engine.digest() == before


CLOSE = "Connection: close"
HIDDEN = b"GET /v1/state HTTP/1.1\r\nHost: engine\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
# Two readings of where a body ends: whatever is hidden behind the end must not be served.
SMUGGLED = {
    "length and chunked": posted("/event", b"0\r\n\r\n" + HIDDEN, "Content-Length: 5", CHUNKED),
    "chunked and length": posted("/event", b"0\r\n\r\n" + HIDDEN, CHUNKED, "Content-Length: 5"),
    "two lengths": posted("/event", b"{}" + HIDDEN, "Content-Length: 2", "Content-Length: 99"),
    "a list of lengths": posted("/event", b"{}" + HIDDEN, "Content-Length: 2, 99"),
    "a signed length": posted("/event", b"{}" + HIDDEN, "Content-Length: +2"),
    "a negative length": posted("/event", HIDDEN, "Content-Length: -1"),
    "a length in hex": posted("/event", b"{}" + HIDDEN, "Content-Length: 0x2"),
    "an endless length": posted("/event", HIDDEN, "Content-Length: " + "9" * 40),
    "chunked by another name": posted(
        "/event", b"0\r\n\r\n" + HIDDEN, "Transfer-Encoding: xchunked"
    ),
    "chunked and no more": posted(
        "/event", b"0\r\n\r\n" + HIDDEN, "Transfer-Encoding: chunked, identity"
    ),
    "a blank before the colon": posted(
        "/event", b"0\r\n\r\n" + HIDDEN, "Transfer-Encoding : chunked"
    ),
    "a folded header": posted("/event", b"0\r\n\r\n" + HIDDEN, "Transfer-Encoding:\r\n chunked"),
    "a chunk of minus one": posted("/event", b"-1\r\n" + HIDDEN, CHUNKED),
    "a chunk of no size": posted("/event", b"zz\r\n" + HIDDEN, CHUNKED),
    "a chunk of endless size": posted("/event", b"f" * 17 + b"\r\n" + HIDDEN, CHUNKED),
    "a chunk longer than said": posted("/event", b"2\r\n{}xx\r\n0\r\n\r\n" + HIDDEN, CHUNKED),
    "a line feed for an end": posted("/event", b"2\n{}\n0\n\n" + HIDDEN, CHUNKED),
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_hides_behind_a_body_is_not_served(engine, name):
    answers = statuses(engine.tell(SMUGGLED[name]))
    assert answers in ([], [400], [413])


def test_a_body_where_none_belongs_is_no_request(engine):
    asked = request("GET /health/live", f"Content-Length: {len(HIDDEN)}", CLOSE, body=HIDDEN)
    assert statuses(engine.tell(asked)) == [200]


NO_HTTP = {
    "noise": bytes(range(256)),
    "zeros": bytes(4096),
    "a TLS greeting": bytes.fromhex("16030100c5010000c10303") + bytes(64),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "an unknown method": b"STEAL / HTTP/1.1\r\nHost: engine\r\n\r\n",
    "a blank in the path": b"GET /a b HTTP/1.1\r\nHost: engine\r\n\r\n",
    "NUL in a header": request("GET /health", "X-A: a\0b"),
    "a header without a name": request("GET /health", ": a"),
    "a lone carriage return": b"GET /health HTTP/1.1\rHost: engine\r\r",
}


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_request_is_refused_and_closed(engine, name):
    heard = engine.tell(NO_HTTP[name])
    assert statuses(heard) in ([400], [408])
    head, _, body = heard.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["code"] == "E904"


TOO_MUCH = {
    "a header": request("GET /health", "X-A: " + "a" * limits.HEAD_BYTES_MAX),
    "a megabyte": request("GET /health", "X-A: " + "a" * 2**20),
    "a header's name": request("GET /health", "a" * limits.HEAD_BYTES_MAX + ": b"),
    "a path": request("GET /" + "a" * limits.HEAD_BYTES_MAX),
    "a query": request("GET /health?" + "a" * limits.HEAD_BYTES_MAX),
    "many headers": request(
        "GET /health", *[f"X-{n}: a" for n in range(limits.HEADERS_MAX)], CLOSE
    ),
    "many short headers": request("GET /health", *["a: b"] * limits.HEAD_BYTES_MAX),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_head_that_is_too_large_is_refused(engine, name):
    assert statuses(engine.tell(TOO_MUCH[name])) in ([431], [])


def test_a_large_head_within_the_bound_is_served(engine):
    asked = request("GET /health", "X-A: " + "a" * (limits.HEAD_BYTES_MAX - 200), CLOSE)
    assert statuses(engine.tell(asked)) == [200]


def test_heads_that_drip_are_cut_and_harm_nobody(engine):
    def drip(_):
        started = time.monotonic()
        heard = engine.tell(b"GET /health HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 40, pause=0.05)
        return statuses(heard), time.monotonic() - started

    with ThreadPoolExecutor(20) as pool:
        dripping = [pool.submit(drip, number) for number in range(20)]
        began = time.monotonic()
        assert engine.client.get("/health/live").status_code == 200
        assert time.monotonic() - began < HEAD_SECONDS
        ends = [each.result() for each in dripping]
    assert [answers for answers, _ in ends] == [[408]] * 20
    assert ([408]) in [answers for answers, _ in ends]
    assert max(seconds for _, seconds in ends) < 40 * 0.05 + HEAD_SECONDS + 1


def test_a_connection_that_says_nothing_is_closed(engine):
    assert engine.tell() == b""


BODIES_THAT_STOP = {
    "a body that stops": posted("/event", b'{"moral', "Content-Length: 50"),
    "chunks that stop": posted("/event", b"5\r\n{", CHUNKED),
    "no body at all": posted("/event", b"", "Content-Length: 50"),
}


@pytest.mark.parametrize("name", BODIES_THAT_STOP)
def test_a_body_that_stops_is_given_up_in_time(engine, name):
    started = time.monotonic()
    heard = engine.tell(BODIES_THAT_STOP[name])
    assert statuses(heard) in ([408], [])
    assert time.monotonic() - started < REQUEST_SECONDS + 1.5


DRIPPING = {
    "of a caller": posted("/event", b"{", "Content-Length: 5000"),
    "of a stranger": request("POST /event", "Content-Length: 5000", body=b"{"),
    "of a lost one": request("POST /nowhere", "Content-Length: 5000", body=b"{"),
    "where none belongs": request("GET /health/live", "Content-Length: 5000", body=b"{"),
}


@pytest.mark.parametrize("name", DRIPPING)
def test_a_body_that_drips_holds_no_connection(engine, name):
    drops = int((REQUEST_SECONDS + HEAD_SECONDS + 3) / 0.1)
    started = time.monotonic()
    with engine.connection() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(DRIPPING[name])
        for _ in range(drops):
            readable, _, _ = select.select([connection], [], [], 0.1)
            if readable and not connection.recv(65_536):
                break
            connection.sendall(b" ")
        else:
            pytest.fail("the connection was held for as long as it dripped")
    assert time.monotonic() - started < REQUEST_SECONDS + HEAD_SECONDS + 2


@pytest.mark.parametrize("name", BODIES_THAT_STOP)
def test_a_sender_that_closes_its_half_is_let_go_at_once(engine, name):
    with engine.connection() as connection:
        connection.sendall(BODIES_THAT_STOP[name])
        connection.shutdown(socket.SHUT_WR)
        started = time.monotonic()
        assert statuses(listen(connection)) in ([400], [])
        assert time.monotonic() - started < 1.0


def test_requests_in_one_packet_are_answered_in_order(engine):
    names = [f"request-{number}" for number in range(50)]
    asked = b"".join(request("GET /health/live", f"X-Request-ID: {name}") for name in names)
    heard = engine.tell(asked + request("GET /health/live", "X-Request-ID: last", CLOSE))
    assert statuses(heard) == [200] * 51
    found = re.findall(rb"x-request-id: (\S+)", heard)
    assert [name.decode() for name in found] == [*names, "last"]


UNUSUAL = {
    "HTTP/0.9": (b"GET /\r\n\r\n", 404),
    "HTTP/1.0": (b"GET /health/live HTTP/1.0\r\n\r\n", 200),
    "a whole address": (request("GET http://elsewhere.example/health/live", CLOSE), 200),
    "another host": (
        b"GET /health/live HTTP/1.1\r\nHost: a:99999\r\nConnection: close\r\n\r\n",
        200,
    ),
    "no host": (b"GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n", 200),
    "an encoded path": (request("GET /health/%6Cive", CLOSE), 200),
    "dots in the path": (request("GET /health/../v1/state", CLOSE), 404),
    "encoded dots": (request("GET /health/%2e%2e/v1/state", CLOSE), 404),
    "two slashes": (request("GET //v1/state", CLOSE), 404),
    "no text in the path": (request("GET /%ff%fe", CLOSE), 404),
    "NUL in the path": (request("GET /%00", CLOSE), 404),
    "the server itself": (request("OPTIONS *", CLOSE), 404),
    "an upgrade": (
        request(
            "GET /health/live",
            "Upgrade: websocket",
            "Connection: Upgrade, close",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ),
        200,
    ),
    "no text in a header": (request("GET /health/live", "X-Request-ID: \xff\xfe", CLOSE), 200),
    "no text in a key": (request("GET /v1/state", "X-API-Key: \xff\xfe", CLOSE), 401),
    "TRACE": (request("TRACE /health/live", CLOSE), 405),
    "a body of a large GET": (
        request("GET /v1/state", f"X-API-Key: {KEY}", "Content-Length: 70000", body=b" " * 70_000),
        413,
    ),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_unusual_has_one_answer(engine, name):
    asked, status = UNUSUAL[name]
    assert statuses(engine.tell(asked)) == [status]


GOOD = {"prompt": "hello", "moral_value": 0.9}
TEXT = json.dumps(GOOD)
WRITES = [
    "/v1/generate",
    "/generate",
    "/infer",
    "/event",
    "/v1/process_event",
    "/admin/erase",
    "/admin/threshold",
]
NOT_JSON = {
    "deep lists": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep in a field": b'{"prompt": ' + b"[" * 10_000 + b"]" * 10_000 + b', "moral_value": 1}',
    "NaN": b'{"prompt": "a", "moral_value": NaN, "threshold": NaN}',
    "-Infinity": b'{"prompt": "a", "moral_value": -Infinity, "threshold": -Infinity}',
    "a name twice": b'{"moral_value": 1, "moral_value": 0, "scope": "a", "scope": "b", '
    b'"threshold": 1, "threshold": 0, "prompt": "a"}',
    "a name twice, once escaped": b'{"moral_value": 1, "mor\\u0061l_value": 0, "prompt": "a", '
    b'"scope": "a", "sc\\u006fpe": "b", "threshold": 1, "thresh\\u006fld": 0}',
    "overlong UTF-8": b'{"prompt": "\xc0\xaf", "moral_value": 1, "scope": "\xc0\xaf"}',
    "half a character": b'{"prompt": "\xe2\x82", "moral_value": 1, "scope": "\xe2\x82"}',
    "a surrogate in bytes": b'{"prompt": "\xed\xa0\x80", "moral_value": 1, "scope": "a"}',
    "beyond Unicode": b'{"prompt": "\xf4\x90\x80\x80", "moral_value": 1, "scope": "a"}',
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "gzip": gzip.compress(TEXT.encode()),
    "a comment": b'{"prompt": "a" /* b */, "moral_value": 1}',
    "single quotes": b"{'prompt': 'a'}",
    "a raw line break": b'{"prompt": "a\nb", "moral_value": 1, "scope": "a\nb"}',
    "a number of 10 000 digits": b'{"moral_value": '
    + b"1" * 10_000
    + b', "threshold": '
    + b"1" * 10_000
    + b"}",
    "nothing": b"",
    "NUL": b"\0",
}
NOT_TEXT = {
    "half a surrogate": b'{"prompt": "\\ud800", "moral_value": 1, "user_id": "\\ud800"}',
    "a surrogate in a name": b'{"prompt": "a", "moral_value": 1, "\\udfff": 1}',
    "surrogates the wrong way": b'{"prompt": "\\udc00\\ud800", "moral_value": 1, "scope": 1}',
}


@pytest.mark.parametrize("name", [*NOT_JSON, *NOT_TEXT])
@pytest.mark.parametrize("path", WRITES)
def test_a_body_that_is_no_clear_json_is_refused(engine, path, name):
    body = (NOT_JSON | NOT_TEXT)[name]
    answer = engine.client.post(path, content=body)
    assert answer.headers["content-type"] == "application/problem+json"
    if name in NOT_JSON:
        assert (answer.status_code, answer.json()["code"]) == (400, "E109")
    else:
        assert answer.status_code == 422


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_packed_body_is_refused(engine, encoding):
    packed = gzip.compress(json.dumps(GOOD | {"prompt": "x" * 9_000}).encode())
    answer = engine.client.post(
        "/v1/generate", content=packed, headers={"Content-Encoding": encoding}
    )
    assert answer.status_code in (400, 415)


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("announced", [True, False])
def test_one_byte_too_many_is_too_much(engine, path, announced):
    body = b" " * (limits.BODY_BYTES_MAX + 1)
    answer = engine.client.post(path, content=body if announced else iter([body[:9], body[9:]]))
    assert (answer.status_code, answer.json()["code"]) == (413, "E108")
