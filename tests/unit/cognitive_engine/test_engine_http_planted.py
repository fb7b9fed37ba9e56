"""Keys, tokens, ids and planted words at the real process: who is let in, and what is told of it.

A word that is planted in every place a request has is in no log line, no metric and no error. Ids
that are fit to be kept are the same in answer, header and log; others are replaced.
"""

import json
import os
import re
import time

import pytest

from engineprocess import KEY, EngineProcess, request, statuses, until
from oidcissuer import Issuer, segment

NEXT_KEY = "the-key-that-comes-after"
CANARY = "c4n4ry-5ecret"
ROTATION_SECONDS = 10.0
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def issuer():
    with Issuer() as running:
        running.publish("stranger", "RS256")
        running.withdraw("stranger")
        yield running


@pytest.fixture(scope="module")
def engine(tmp_path_factory, issuer):
    running = EngineProcess(tmp_path_factory.mktemp("engine"), issuer.issuer)
    try:
        yield running
        running.stop()
        told = running.log.read_text()
        wrong = [line for line in running.lines() if line["level"] in ("error", "critical")]
    finally:
        running.kill()
    # After all of it, the draining included.
    assert not wrong
    assert not [word for word in (CANARY, KEY, NEXT_KEY, "eyJ", "127.0.0.1") if word in told]


# Places of a request where a caller can put words, and words that would break a line or a label.
WORDS = {
    "plain": CANARY,
    "a line break": f'{CANARY}\n{{"level": "error"}}',
    "an escape": f"\x1b[31m{CANARY}\x1b[0m",
    "quotes": f"{CANARY}\"}}' --",
    "a label": f'{CANARY}"}} 1\n# HELP',
    "a format": f"{CANARY} %s %(x)s {{0}} ${{jndi:ldap://x}}",
    "separators": f"{CANARY}\u2028\u2029\x85\x00",
    "right to left": f"\u202e{CANARY}\u2066",
    "beyond the plane": f"\U0001f600{CANARY}",
}
BODIES = {
    "/v1/generate": lambda word: {"prompt": word, "moral_value": 0.9, "user_id": word},
    "/generate": lambda word: {"prompt": word},
    "/infer": lambda word: {"prompt": word, "user_intent": word, "secure_mode": True},
    "/event": lambda word: {"event_vector": [word], "moral_value": word},
    "/v1/process_event": lambda word: {word: word},
    "/admin/erase": lambda word: {"scope": word},
    "/admin/threshold": lambda word: {"threshold": word},
}


def quoted(word):
    """`word` as a header or a path can carry it."""
    return "".join(f"%{byte:02x}" for byte in word.encode())


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("path", BODIES)
def test_what_is_planted_in_a_body_is_told_nowhere(engine, path, name):
    answer = engine.client.post(path, json=BODIES[path](WORDS[name]))
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert CANARY not in answer.text
    line = engine.line_of(answer.headers["x-request-id"])
    assert len(line) == 1
    assert CANARY not in json.dumps(line)
    assert CANARY not in engine.client.get("/health/metrics").text


PLANTED = {
    "path": request(f"GET /{CANARY}"),
    "encoded path": request(f"GET /{quoted(CANARY)}%0a%22"),
    "path below a route": request(f"GET /v1/state/{CANARY}"),
    "query": request(f"GET /v1/state?key={CANARY}"),
    "method": request("GET /health").replace(b"GET", b"PROPFIND"),
    "key": request("GET /v1/state", f"X-API-Key: {CANARY}"),
    "bearer": request("GET /v1/state", f"Authorization: Bearer {CANARY}"),
    "other scheme": request("GET /v1/state", f"Authorization: {CANARY} {CANARY}"),
    "agent": request("GET /v1/state", f"User-Agent: {CANARY}", f"Referer: http://{CANARY}/"),
    "host": request("GET /health").replace(b"engine", CANARY.encode()),
    "forwarded": request("GET /health", f"X-Forwarded-For: {CANARY}", f"Forwarded: for={CANARY}"),
    "cookie": request("GET /health", f"Cookie: session={CANARY}"),
    "content type": request("POST /event", f"X-API-Key: {KEY}", f"Content-Type: {CANARY}/x"),
    "origin": request("OPTIONS /event", f"Origin: http://{CANARY}"),
    "trace": request("GET /health", f"traceparent: 00-{CANARY}-01", f"tracestate: a={CANARY}"),
    "trailer": request("GET /health", f"Trailer: {CANARY}", f"Baggage: a={CANARY}"),
    "what is no request": f"{CANARY} {CANARY}\r\n\r\n".encode(),
}  # fmt: skip


@pytest.mark.parametrize("place", PLANTED)
def test_what_is_planted_in_a_head_is_told_nowhere(engine, place):
    heard = engine.tell(PLANTED[place].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    assert len(statuses(heard)) == 1
    assert statuses(heard)[0] < 500
    assert CANARY.encode() not in heard
    assert CANARY not in engine.client.get("/health/metrics").text


TRACEPARENTS = {
    "good": (f"00-{TRACE}-{SPAN}-01", True),
    "not sampled": (f"00-{TRACE}-{SPAN}-00", True),
    "zeros": (f"00-{'0' * 32}-{SPAN}-01", False),
    "a span of zeros": (f"00-{TRACE}-{'0' * 16}-01", False),
    "capitals": (f"00-{TRACE.upper()}-{SPAN}-01", False),
    "a version that is none": (f"ff-{TRACE}-{SPAN}-01", False),
    "short": (f"00-{TRACE[1:]}-{SPAN}-01", False),
    "long": (f"00-{TRACE}-{SPAN}-01-more", False),
    "blanks within": (f"00-{TRACE}- {SPAN}-01", False),
    "no text": ("00-\xff", False),
    "8 KiB": ("0" * 8192, False),
    "empty": ("", False),
}


@pytest.mark.parametrize("name", TRACEPARENTS)
def test_a_trace_is_continued_or_a_new_one_begins(engine, name):
    given, continued = TRACEPARENTS[name]
    answer = engine.client.get("/nowhere", headers={"traceparent": given.encode("latin-1")})
    body = answer.json()
    version, trace_id, span_id, flags = answer.headers["traceparent"].split("-")
    assert (version, trace_id == TRACE) == ("00", continued)
    assert re.fullmatch("[0-9a-f]{32}", trace_id)
    assert re.fullmatch("[0-9a-f]{16}", span_id)
    assert span_id != SPAN
    assert flags == (given[-2:] if continued else "00")
    assert body["trace_id"] == trace_id
    (line,) = engine.line_of(body["request_id"])
    assert (line["trace_id"], line["span_id"]) == (trace_id, span_id)


REQUEST_IDS = {
    "good": ("id-1.2_Z", True),
    "the longest": ("x" * 128, True),
    "too long": ("x" * 129, False),
    "8 KiB": ("x" * 8192, False),
    "a blank": ("a b", False),
    "quotes": ('a","level":"error', False),
    "a tab": ("a\tb", False),
    "no ASCII": ("\xe4", False),
}


@pytest.mark.parametrize("name", REQUEST_IDS)
def test_a_request_id_is_one_and_the_same_everywhere(engine, name):
    given, kept = REQUEST_IDS[name]
    answer = engine.client.get("/nowhere", headers={"X-Request-ID": given.encode("latin-1")})
    found = answer.headers["x-request-id"]
    assert (found == given) is kept
    body = answer.json()
    assert (body["request_id"], body["instance"]) == (found, f"urn:mlsdm:request:{found}")
    (line,) = engine.line_of(found)
    assert line["status"] == 404


TOKENS = {
    "good": (lambda i: i.token(), 200),
    "another kind of key": (lambda i: i.token(algorithm="ES256"), 200),
    "a role less": (lambda i: i.token(i.claims(roles=["read"])), 403),
    "no role": (lambda i: i.token(i.claims(roles=[])), 403),
    "unsigned": (lambda i: f"{segment({'alg': 'none'})}.{segment(i.claims())}.", 401),
    "a wrong kind of key": (lambda i: i.token(algorithm="HS256", key="rs256", how="RS256"), 401),
    "another audience": (lambda i: i.token(i.claims(aud="other")), 401),
    "another issuer": (lambda i: i.token(i.claims(iss="https://evil.example")), 401),
    "expired": (lambda i: i.token(i.claims(exp=int(time.time()) - 90)), 401),
    "not yet": (lambda i: i.token(i.claims(nbf=int(time.time()) + 90)), 401),
    "an unknown key": (lambda i: i.token(kid="nobody"), 401),
    "a withdrawn key": (lambda i: i.token(key="stranger", kid="stranger"), 401),
    "a changed signature": (lambda i: i.token()[:-8] + "AAAAAAAA", 401),
    "16 KiB": (lambda i: i.token(i.claims(more="x" * 16_384)), 401),
    "no token": (lambda i: "x.y.z", 401),
}  # fmt: skip


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_lets_in_or_is_a_problem(engine, issuer, name):
    make, status = TOKENS[name]
    until(lambda: b"200" in engine.tell(bearing(issuer.token()))[:16])
    heard = engine.tell(bearing(make(issuer)))
    assert statuses(heard) == [status]
    if status != 200:
        head, _, body = heard.partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head
        assert b"www-authenticate: Bearer" in head
        assert json.loads(body)["code"].startswith("E20")


def test_unknown_keys_of_tokens_do_not_send_us_to_the_issuer(engine, issuer):
    before = sum(issuer.fetches().values())
    for number in range(40):
        heard = engine.tell(bearing(issuer.token(kid=f"nobody-{number}")))
        assert statuses(heard) == [401]
    assert sum(issuer.fetches().values()) - before <= 2


def bearing(token):
    body = b'{"prompt": "hello", "moral_value": 0.9}'
    return request(
        "POST /v1/generate",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        body=body,
    )


def test_a_key_that_is_replaced_is_out_and_its_successor_in(engine):
    def status(key):
        return engine.client.get("/v1/state", headers={"X-API-Key": key}).status_code

    assert (status(KEY), status(NEXT_KEY)) == (200, 401)
    before = engine.keys.read_text()
    for key, old in ((NEXT_KEY, KEY), (KEY, NEXT_KEY)):
        fresh = engine.keys.with_suffix(".new")
        fresh.write_text(before.replace(KEY, key))
        os.replace(fresh, engine.keys)
        replaced = time.monotonic()
        until(lambda old=old: status(old) == 401)
        assert status(key) == 200
        assert time.monotonic() - replaced < ROTATION_SECONDS
    assert engine.process.poll() is None
