"""An issuer's keys: fetched beside the requests, rotated, kept through an outage, and bounded."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from cognitive_api.engine_config import OIDCSettings
from cognitive_engine.domain import limits
from cognitive_engine.security.errors import Unauthenticated, Unavailable
from cognitive_engine.security.jwks import KeysError, KeySource, address_fault, parse_key_set
from cognitive_engine.security.oidc import TokenVerifier
from cognitive_engine.security.principals import Scopes
from oidcissuer import AUDIENCE, HUGE_BYTES, Issuer

pytestmark = pytest.mark.asyncio


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def process():
    with Issuer() as running:
        yield running


@pytest.fixture
def issuer(process):
    process.reset()
    return process


@pytest.fixture
def clock():
    return Time()


def settings_for(issuer, **changes):
    return OIDCSettings.model_validate({"issuer": issuer.issuer, "audience": AUDIENCE} | changes)


@pytest.fixture
def verifier(issuer, clock):
    return TokenVerifier(settings_for(issuer), Scopes(), clock)


@asynccontextmanager
async def running(verifier):
    """`verifier` with its task at work after the first fetch; yields what waits for more."""
    done = asyncio.Queue()
    refresh = verifier.source.refresh

    async def refresh_and_tell():
        await refresh()
        done.put_nowait(None)

    async def fetches(count):
        async with asyncio.timeout(10):
            for _ in range(count):
                await done.get()

    verifier.source.refresh = refresh_and_tell
    task = asyncio.create_task(verifier.run())
    try:
        await fetches(1)
        yield fetches
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def reason_of(call):
    with pytest.raises((Unauthenticated, Unavailable)) as caught:
        await call
    return caught.value.reason


async def test_without_keys_tokens_cannot_be_judged(issuer, verifier):
    with pytest.raises(Unavailable) as caught:
        await verifier.authenticate(issuer.token().encode())
    assert (caught.value.code, caught.value.retry_after) == ("E903", 1)
    assert not verifier.ready
    # What is no token at all needs no keys to be refused.
    assert await reason_of(verifier.authenticate(b"a.b.c")) == "malformed"
    assert issuer.fetches() == {"discovery": 0, "keys": 0}


async def test_keys_are_found_through_the_discovery_document(issuer, verifier):
    with capture_logs() as logs:
        await verifier.source.refresh()
    assert (await verifier.authenticate(issuer.token().encode())).subject == "ann"
    assert issuer.fetches() == {"discovery": 1, "keys": 1}
    assert [(log["event"], log["count"]) for log in logs] == [("issuer_keys_loaded", 3)]


async def test_a_named_address_of_keys_needs_no_discovery(issuer, clock):
    settings = settings_for(issuer, jwksURI=issuer.issuer + "/keys")
    source = KeySource(settings, clock)
    await source.refresh()
    assert len(source.keys) == 3
    assert issuer.fetches() == {"discovery": 0, "keys": 1}


async def test_requests_never_fetch(issuer, verifier):
    await verifier.source.refresh()
    tokens = [issuer.token(issuer.claims(jti=str(number))).encode() for number in range(20)]
    for token in tokens:
        await verifier.authenticate(token)
    assert issuer.fetches()["keys"] == 1


async def test_a_new_key_passes_at_first_sight_and_an_old_one_ends(issuer, verifier):
    old = issuer.token().encode()
    async with running(verifier):
        await verifier.authenticate(old)
        issuer.withdraw("rs256")
        issuer.publish("next", "RS256")
        new = issuer.token(key="next").encode()
        # Many at once ask for one fetch.
        callers = [verifier.authenticate(new) for _ in range(20)]
        assert {principal.subject for principal in await asyncio.gather(*callers)} == {"ann"}
        assert issuer.fetches()["keys"] == 2
        # It was remembered, and the key that signed it is gone.
        assert await reason_of(verifier.authenticate(old)) == "key_id"


async def test_unknown_keys_cause_one_fetch_in_thirty_seconds(issuer, verifier, clock):
    strange = issuer.token(kid="nobody").encode()
    async with running(verifier):
        for _ in range(50):
            assert await reason_of(verifier.authenticate(strange)) == "key_id"
        assert issuer.fetches()["keys"] == 2
        clock.now += 29.9
        assert await reason_of(verifier.authenticate(strange)) == "key_id"
        assert issuer.fetches()["keys"] == 2
        clock.now += 0.2
        assert await reason_of(verifier.authenticate(strange)) == "key_id"
        assert issuer.fetches()["keys"] == 3


async def test_a_slow_issuer_holds_a_request_for_a_moment_only(issuer, verifier, monkeypatch):
    monkeypatch.setattr(limits, "ISSUER_LOOK_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(limits, "ISSUER_LOOK_WAITING_MAX", 3)
    known = issuer.token().encode()
    strange = issuer.token(kid="nobody").encode()
    async with running(verifier):
        issuer.fault("hang")
        waiting = [reason_of(verifier.authenticate(strange)) for _ in range(10)]
        assert await asyncio.gather(*waiting) == ["key_id"] * 10
        assert (await verifier.authenticate(known)).subject == "ann"
        issuer.fault()


async def test_only_so_many_requests_wait_for_a_look(issuer, verifier, clock, monkeypatch):
    monkeypatch.setattr(limits, "ISSUER_LOOK_WAITING_MAX", 2)
    monkeypatch.setattr(limits, "ISSUER_LOOK_WAIT_SECONDS", 5.0)
    strange = issuer.token(kid="nobody").encode()
    async with running(verifier):
        issuer.fault("hang")
        held = [asyncio.create_task(reason_of(verifier.authenticate(strange))) for _ in range(2)]
        await asyncio.sleep(0)
        # These do not wait, or this would take five seconds.
        async with asyncio.timeout(2):
            for _ in range(20):
                assert await reason_of(verifier.authenticate(strange)) == "key_id"
        issuer.fault()
        assert await asyncio.gather(*held) == ["key_id", "key_id"]
        # Their places are free again.
        clock.now += limits.ISSUER_LOOK_AGAIN_SECONDS
        issuer.publish("next", "ES256")
        token = issuer.token(algorithm="ES256", key="next").encode()
        assert (await verifier.authenticate(token)).subject == "ann"


async def test_keys_hold_through_an_outage_of_a_day(issuer, verifier, clock):
    token = issuer.token().encode()
    await verifier.source.refresh()
    issuer.fault("error")
    with capture_logs() as logs:
        for _ in range(4):
            clock.now += 6 * 3600.0
            await verifier.source.refresh()
            assert (await verifier.authenticate(token)).subject == "ann"
        clock.now += 1.0
        assert await reason_of(verifier.authenticate(token)) == "issuer_away"
        issuer.fault()
        await verifier.source.refresh()
    assert (await verifier.authenticate(token)).subject == "ann"
    assert [(log["event"], log["log_level"]) for log in logs] == [
        ("issuer_keys_failed", "warning"),
        ("issuer_keys_back", "info"),
    ]


async def test_each_outage_is_told_once(issuer, verifier):
    with capture_logs() as logs:
        for _ in range(2):
            issuer.fault("error")
            for _ in range(3):
                await verifier.source.refresh()
            issuer.fault()
            await verifier.source.refresh()
    told = [(log["event"], log.get("failures")) for log in logs if "loaded" not in log["event"]]
    assert told == [("issuer_keys_failed", None), ("issuer_keys_back", 3)] * 2


async def test_no_proxy_stands_before_this_machine(issuer, verifier, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    await verifier.source.refresh()
    assert verifier.ready


async def test_an_issuer_that_is_gone_is_asked_with_growing_pauses(clock):
    with Issuer() as gone:
        verifier = TokenVerifier(settings_for(gone), Scopes(), clock)
    pauses = []
    for _ in range(9):
        await verifier.source.refresh()
        pauses.append(verifier.source.retry_seconds)
        with pytest.raises(Unavailable) as caught:
            await verifier.authenticate(b"eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
        assert caught.value.retry_after == pauses[-1]
    expected = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(0.8 * most <= pause <= most for pause, most in zip(pauses, expected, strict=True))


async def test_the_task_keeps_the_keys_fresh(issuer, verifier, monkeypatch):
    monkeypatch.setattr(limits, "ISSUER_CACHE_SECONDS", 0.02)
    # The clock stands still, so that each pause is a whole one.
    async with running(verifier) as fetches:
        await fetches(3)
    assert issuer.fetches()["keys"] >= 4


async def test_the_task_survives_an_outage(issuer, verifier, monkeypatch):
    monkeypatch.setattr(limits, "ISSUER_RETRY_SECONDS_FIRST", 0.01)
    monkeypatch.setattr(limits, "ISSUER_RETRY_SECONDS_MAX", 0.02)
    issuer.fault("error")
    async with running(verifier) as fetches:
        await fetches(2)
        assert not verifier.ready
        issuer.fault()
        while not verifier.ready:
            await fetches(1)


FAULTS = {
    "error": "the discovery document answered 500",
    "redirect": "the discovery document answered 302",
    "huge": "the discovery document is too large",
    "packed": "the discovery document came packed",
    "cut": "RemoteProtocolError",
    "hang": "TimeoutError",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_misbehaving_issuer_is_a_failure_with_a_reason(
    issuer, verifier, fault, monkeypatch
):
    monkeypatch.setattr(limits, "ISSUER_FETCH_SECONDS", 0.3 if fault == "hang" else 10.0)
    issuer.fault(fault)
    with capture_logs() as logs:
        await verifier.source.refresh()
    assert not verifier.ready
    assert [(log["event"], log["reason"], log["kept"]) for log in logs] == [
        ("issuer_keys_failed", FAULTS[fault], False)
    ]
    issuer.fault()


assert HUGE_BYTES > limits.ISSUER_DOCUMENT_BYTES_MAX

DISCOVERIES = {
    "no JSON": "<html>",
    "a list": "[]",
    "deep": "[" * 100_000,
    "another issuer": '{"issuer": "https://evil.example", "jwks_uri": "ISSUER/keys"}',
    "the issuer with a slash": '{"issuer": "ISSUER/", "jwks_uri": "ISSUER/keys"}',
    "no issuer": '{"jwks_uri": "ISSUER/keys"}',
    "no keys": '{"issuer": "ISSUER"}',
    "keys no text": '{"issuer": "ISSUER", "jwks_uri": ["ISSUER/keys"]}',
    "keys in the open": '{"issuer": "ISSUER", "jwks_uri": "http://keys.example/"}',
    "keys in a file": '{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}',
    "keys nowhere": '{"issuer": "ISSUER", "jwks_uri": "https://[::"}',
    "keys behind a password": '{"issuer": "ISSUER", "jwks_uri": "https://a:b@keys.example/"}',
    "an address with a line break": '{"issuer": "ISSUER", "jwks_uri": "https://a\\r\\nX: b"}',
}


@pytest.mark.parametrize("name", DISCOVERIES)
async def test_a_wrong_discovery_document_gives_no_keys(issuer, verifier, name):
    issuer.documents(discovery=DISCOVERIES[name])
    with capture_logs() as logs:
        await verifier.source.refresh()
    assert not verifier.ready
    assert issuer.fetches()["keys"] == 0
    assert "discovery document" in logs[0]["reason"]


@pytest.mark.parametrize("text", ["<html>", "[]", "{}", '{"keys": {}}', '{"keys": []}'])
async def test_a_wrong_key_document_keeps_the_keys(issuer, verifier, clock, text):
    token = issuer.token().encode()
    await verifier.source.refresh()
    issuer.documents(keys=text)
    clock.now += 3600.0
    with capture_logs() as logs:
        await verifier.source.refresh()
    assert (await verifier.authenticate(token)).subject == "ann"
    assert [log["kept"] for log in logs] == [True]


RSA = {"kty": "RSA", "kid": "a", "e": "AQAB", "n": "wQ" + "A" * 341}
EC = {"kty": "EC", "crv": "P-256", "kid": "a"}

UNUSABLE = {
    "symmetric": {"kty": "oct", "kid": "a", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"},
    "symmetric with an alg": {"kty": "oct", "kid": "a", "k": "c2VjcmV0", "alg": "RS256"},
    "alg for the other": RSA | {"alg": "HS256"},
    "alg none": RSA | {"alg": "none"},
    "alg of other type": RSA | {"alg": ["RS256"]},
    "private": {
        "kty": "OKP",
        "crv": "Ed25519",
        "kid": "a",
        # The first test key of RFC 8032.
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    },
    "for sealing": RSA | {"use": "enc"},
    "for other operations": RSA | {"key_ops": ["encrypt"]},
    "operations of other type": RSA | {"key_ops": "verify"},
    "id of other type": RSA | {"kid": 7},
    "long id": RSA | {"kid": "x" * 257},
    "short": RSA | {"n": "wQ" + "A" * 169},
    "even": RSA | {"e": "AQAA"},
    "long exponent": RSA | {"e": "AQAAAAAB"},
    "huge": RSA | {"n": "wQ" + "A" * 20000},
    "modulus of other type": RSA | {"n": 65537},
    "no modulus": {"kty": "RSA", "kid": "a", "e": "AQAB"},
    "a point off the curve": EC | {"x": "A" * 43, "y": "A" * 43},
    "a short point": EC | {"x": "AA", "y": "AA"},
    "a curve of other folk": EC | {"crv": "secp256k1", "x": "A" * 43, "y": "A" * 43},
    "a curve of other type": EC | {"crv": ["P-256"], "x": "A" * 43, "y": "A" * 43},
    "a long curve": {"kty": "OKP", "crv": "Ed448", "kid": "a", "x": "A" * 76},
    "a short Edwards key": {"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA"},
    "no type": {"kid": "a"},
    "type of other type": {"kty": ["RSA"], "kid": "a"},
    "no object": "RSA",
    "null": None,
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_an_unusable_key_does_not_count(name):
    wanted = ["RS256", "ES256", "EdDSA"]
    usable = RSA | {"kid": "good", "n": "wQ" + "A" * 339 + "E"}
    with pytest.raises(KeysError, match="no usable key"):
        parse_key_set(json.dumps({"keys": [UNUSABLE[name]]}).encode(), wanted)
    keys = parse_key_set(json.dumps({"keys": [UNUSABLE[name], usable]}).encode(), wanted)
    assert len(keys) == 1
    assert keys.find("good", "RS256") is not None
    assert keys.find("a", "RS256") is None


async def test_an_id_of_two_keys_names_neither():
    first = RSA | {"n": "wQ" + "A" * 339 + "E"}
    second = RSA | {"n": "wQ" + "A" * 339 + "I"}
    third = first | {"kid": "b"}
    keys = parse_key_set(json.dumps({"keys": [first, second, third]}).encode(), ["RS256"])
    assert [keys.knows(key_id) for key_id in ("a", "b", None)] == [False, True, True]
    # The same key twice is one key.
    assert parse_key_set(json.dumps({"keys": [first, first]}).encode(), ["RS256"]).knows("a")


async def test_the_number_of_keys_is_bounded():
    many = [RSA | {"kid": str(number)} for number in range(limits.ISSUER_KEYS_MAX + 1)]
    with pytest.raises(KeysError, match="more than 64"):
        parse_key_set(json.dumps({"keys": many}).encode(), ["RS256"])


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://issuer.example/realms/a", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080/a", True),
        ("http://localhost/a", True),
        ("http://issuer.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("https://user:secret@issuer.example", False),
        ("https://issuer.example/?a=b", False),
        ("https://issuer.example/#a", False),
        ("https://", False),
        ("https://a b", False),
        ("https://a:99999", False),
        ("ftp://issuer.example", False),
        ("issuer.example", False),
        ("https://" + "a" * 2048, False),
    ],
)
async def test_keys_come_over_tls_or_from_this_machine(address, good):
    assert (address_fault(address) is None) is good


async def test_a_certificate_must_be_trusted(tmp_path, clock, monkeypatch):
    with Issuer(tmp_path) as secure:
        verifier = TokenVerifier(settings_for(secure), Scopes(), clock)
        with capture_logs() as logs:
            await verifier.source.refresh()
        assert not verifier.ready
        assert logs[0]["reason"] == "ConnectError"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
        await verifier.source.refresh()
        assert (await verifier.authenticate(secure.token().encode())).subject == "ann"
        # A bundle that is gone later is a failed fetch like any other.
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        await verifier.source.refresh()
        assert (await verifier.authenticate(secure.token().encode())).subject == "ann"
