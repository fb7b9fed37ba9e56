"""Tokens, good and bad, signed by an issuer process: what passes, and how the rest is refused."""

import asyncio
import base64
import json
import time
import traceback

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cognitive_api.engine_config import OIDCSettings, TokenAlgorithm
from cognitive_engine.domain import limits
from cognitive_engine.security.errors import Forbidden, Unauthenticated
from cognitive_engine.security.jwks import ASYMMETRIC
from cognitive_engine.security.oidc import TokenVerifier, role_names
from cognitive_engine.security.principals import Kind, Role, Scopes
from oidcissuer import AUDIENCE, Issuer, segment

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


_RUNNER = asyncio.Runner()


def run(work):
    """All of one event loop, like the calls of a process."""
    return _RUNNER.run(work)


@pytest.fixture(scope="module", autouse=True)
def event_loop_closed():
    with _RUNNER:
        yield


@pytest.fixture(scope="module")
def issuer():
    """An issuer with keys of every kind; `hidden` ones are known to it and not published."""
    with Issuer() as running:
        running.publish("stranger", "RS256")
        running.publish("koblitz", "ES256K")
        running.publish("p384", "ES384")
        running.publish("hidden-ec", "ES256")
        running.withdraw("stranger", "koblitz", "hidden-ec")
        # Published on these terms: not for signatures, too weak, or one id for two keys.
        running.publish("sealing", "RS256", use="enc")
        running.publish("wrapping", "RS256", key_ops=["wrapKey"])
        running.publish("weak", "weak")
        running.publish("twin", "RS256")
        running.publish("twin", "RS256")
        running.publish("pss", "RS256", alg="PS256")
        running.publish("any-rsa", "RS256", alg=None, use=None)
        yield running


def verifier_for(issuer, **changes):
    given = {"issuer": issuer.issuer, "audience": AUDIENCE, "algorithms": ALGORITHMS} | changes
    verifier = TokenVerifier(
        OIDCSettings.model_validate(given), Scopes(b"a secret of tests"), time.monotonic
    )
    run(verifier.source.refresh())
    assert verifier.ready
    return verifier


@pytest.fixture(scope="module")
def verifier(issuer):
    return verifier_for(issuer)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nobody answers a look for new keys here, so nobody waits for one."""
    monkeypatch.setattr(limits, "ISSUER_LOOK_WAIT_SECONDS", 0.0)


def judge(verifier, token):
    given = token.encode() if isinstance(token, str) else token
    return run(verifier.authenticate(given))


GOOD = {
    "rs256": lambda i: i.token(),
    "es256": lambda i: i.token(algorithm="ES256"),
    "eddsa": lambda i: i.token(algorithm="EdDSA"),
    "a key for any RSA signature, RS": lambda i: i.token(key="any-rsa", kid="any-rsa"),
    "a key for any RSA signature, PS": lambda i: i.token(algorithm="PS256", key="any-rsa"),
    "a key for PS256": lambda i: i.token(algorithm="PS256", key="pss"),
    "audiences in a list": lambda i: i.token(i.claims(aud=["other", AUDIENCE])),
    "expired within the leeway": lambda i: i.token(i.claims(exp=int(time.time()) - 10)),
    "not yet, within the leeway": lambda i: i.token(i.claims(nbf=int(time.time()) + 20)),
    "issued ahead, within the leeway": lambda i: i.token(i.claims(iat=int(time.time()) + 20)),
    "neither nbf nor iat": lambda i: i.token(i.claims(nbf=None, iat=None)),
    "fractions of a second": lambda i: i.token(i.claims(exp=time.time() + 60.5)),
    "a later age": lambda i: i.token(i.claims(exp=10**400)),
    "access token type": lambda i: i.token(typ="at+jwt"),
    "long access token type": lambda i: i.token(typ="application/AT+JWT"),
    "no type": lambda i: i.token(typ=None),
    "a subject beyond ASCII": lambda i: i.token(i.claims(sub="Åsa Ωmega 猫")),
    "jku is ignored": lambda i: i.token(jku="https://evil.example/keys"),
    "x5u is ignored": lambda i: i.token(x5u="https://evil.example/cert", x5c=["MII"]),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_passes(issuer, verifier, name):
    token = GOOD[name](issuer)
    principal = judge(verifier, token)
    assert principal.kind is Kind.OIDC
    assert principal.roles == {Role.READ, Role.WRITE}
    assert len(principal.scope) == 32


def jwk_of(key_id="own"):
    """A public key that a token brings along."""
    return {"kty": "RSA", "n": segment(b"\xc1" * 256), "e": "AQAB", "kid": key_id}


def edited(token, place, content):
    """`token` with one of its three parts replaced, its signature left alone."""
    parts = token.split(".")
    parts[place] = content if isinstance(content, str) else segment(content)
    return ".".join(parts)


def sec(shift):
    return int(time.time()) + shift


# name: (token, code, reason)
BAD = {
    "alg none, no signature": (
        lambda i: f"{segment({'alg': 'none'})}.{segment(i.claims())}.",
        "algorithm",
    ),
    "alg None in capitals": (
        lambda i: f"{segment({'alg': 'NONE', 'kid': 'rs256'})}.{segment(i.claims())}.",
        "algorithm",
    ),
    "alg none with the old signature": (
        lambda i: edited(i.token(), 0, {"alg": "none", "kid": "rs256"}),
        "algorithm",
    ),
    "HS256 with the public key": (
        lambda i: i.token(algorithm="HS256", key="rs256", how="hmac-with-public-key"),
        "algorithm",
    ),
    "no alg": (lambda i: i.token(alg=None), "algorithm"),
    "alg is a list": (lambda i: i.token(alg=["RS256"]), "algorithm"),
    "alg is a number": (lambda i: i.token(alg=256), "algorithm"),
    "an alg that is not allowed here": (
        lambda i: i.token(algorithm="RS512", key="any-rsa"),
        "algorithm",
    ),
    "RS256 claimed for an EC key": (lambda i: i.token(kid="es256"), "algorithm"),
    "RS256 with a key for PS256": (lambda i: i.token(key="pss"), "algorithm"),
    "ES256 claimed for P-384": (
        lambda i: i.token(algorithm="ES256", kid="p384"),
        "key_id",
    ),
    "a curve of other folk": (
        lambda i: i.token(algorithm="ES256", key="koblitz", how="ES256K", kid="es256"),
        "signature",
    ),
    "ES256 signature in DER": (lambda i: i.token(algorithm="ES256", how="der"), "signature"),
    "a stranger's key under a known id": (
        lambda i: i.token(key="stranger", kid="rs256"),
        "signature",
    ),
    "a stranger's EC key under a known id": (
        lambda i: i.token(algorithm="ES256", key="hidden-ec", kid="es256"),
        "signature",
    ),
    "the claims were changed": (
        lambda i: edited(i.token(), 1, i.claims(sub="root", roles=["admin"])),
        "signature",
    ),
    "the header was changed": (
        lambda i: edited(i.token(), 0, {"alg": "RS256", "kid": "rs256", "x": 1}),
        "signature",
    ),
    "no signature": (lambda i: edited(i.token(), 2, ""), "signature"),
    "half a signature": (lambda i: i.token()[:-102], "signature"),
    "key id unknown": (lambda i: i.token(kid="nobody"), "key_id"),
    "key id absent among several": (lambda i: i.token(kid=None), "key_id"),
    "key id of two keys": (lambda i: i.token(key="twin"), "key_id"),
    "key id is a number": (lambda i: i.token(kid=7), "key_id"),
    "key id is a path": (lambda i: i.token(kid="../../dev/null"), "key_id"),
    "key id beyond Unicode": (
        lambda i: i.token(kid="\ud800"),
        "key_id",
    ),
    "a key for sealing": (lambda i: i.token(key="sealing"), "key_id"),
    "a key for wrapping": (lambda i: i.token(key="wrapping"), "key_id"),
    "a weak key": (lambda i: i.token(key="weak"), "key_id"),
    "a withdrawn key": (lambda i: i.token(key="stranger", kid="stranger"), "key_id"),
    "a key in the header": (
        lambda i: i.token(key="stranger", kid=None, jwk=jwk_of()),
        "key_id",
    ),
    "a key in the header under a known id": (
        lambda i: i.token(key="stranger", kid="rs256", jwk=jwk_of("rs256")),
        "signature",
    ),
    "an address of keys in the header": (
        lambda i: i.token(key="stranger", kid="own", jku=i.issuer + "/keys"),
        "key_id",
    ),
    "a critical extension": (lambda i: i.token(crit=["exp"], exp=1), "critical"),
    "an empty list of critical ones": (lambda i: i.token(crit=[]), "critical"),
    "an unpacked payload": (lambda i: i.token(b64=False, crit=["b64"]), "critical"),
    "another issuer": (lambda i: i.token(i.claims(iss="https://evil.example")), "issuer"),
    "the issuer with a slash": (lambda i: i.token(i.claims(iss=i.issuer + "/")), "issuer"),
    "the issuer in a list": (lambda i: i.token(i.claims(iss=[i.issuer])), "issuer"),
    "no issuer": (lambda i: i.token(i.claims(iss=None)), "claims"),
    "another audience": (lambda i: i.token(i.claims(aud="other")), "audience"),
    "other audiences": (lambda i: i.token(i.claims(aud=["a", "b"])), "audience"),
    "an audience that only begins so": (
        lambda i: i.token(i.claims(aud=AUDIENCE + "-2")),
        "audience",
    ),
    "an audience that is an object": (
        lambda i: i.token(i.claims(aud={AUDIENCE: True})),
        "audience",
    ),
    "no audience": (lambda i: i.token(i.claims(aud=None)), "claims"),
    "not yet valid": (lambda i: i.token(i.claims(nbf=sec(90))), "not_yet"),
    "issued in the future": (lambda i: i.token(i.claims(iat=sec(90))), "not_yet"),
    "no subject": (lambda i: i.token(i.claims(sub=None)), "claims"),
    "an empty subject": (lambda i: i.token(i.claims(sub="")), "claims"),
    "a subject of other type": (lambda i: i.token(i.claims(sub=7)), "malformed"),
    "a subject with a line break": (lambda i: i.token(i.claims(sub="a\nb")), "claims"),
    "a subject beyond Unicode": (lambda i: i.token(i.claims(sub="\ud800")), "claims"),
    "a long subject": (lambda i: i.token(i.claims(sub="x" * 256)), "claims"),
    "no expiry": (lambda i: i.token(i.claims(exp=None)), "claims"),
    "expiry is a text": (lambda i: i.token(i.claims(exp=str(sec(60)))), "claims"),
    "expiry is true": (lambda i: i.token(i.claims(exp=True)), "expired"),
    "expiry is no number": (
        lambda i: i.token(json.dumps(i.claims(exp=float("nan")))),
        "malformed",
    ),
    "expiry is endless": (
        lambda i: i.token(json.dumps(i.claims()).replace('"exp": ', '"exp": 1e999, "x": ')),
        "malformed",
    ),
    "expiry is a list": (lambda i: i.token(i.claims(exp=[1])), "malformed"),
    "a logout token": (lambda i: i.token(typ="logout+jwt"), "type"),
    "type is null": (
        lambda i: edited(i.token(), 0, {"alg": "RS256", "kid": "rs256", "typ": None}),
        "type",
    ),
    "two parts": (lambda i: i.token().rsplit(".", 1)[0], "segments"),
    "four parts": (lambda i: i.token() + ".x", "segments"),
    "five parts, encrypted": (lambda i: "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d", "segments"),
    "dots only": (lambda i: "..", "malformed"),
    "nothing": (lambda i: "", "segments"),
    "header is no base64": (lambda i: edited(i.token(), 0, "!!!"), "malformed"),
    "header is no JSON": (lambda i: edited(i.token(), 0, segment("{")), "malformed"),
    "header is a list": (lambda i: edited(i.token(), 0, segment("[]")), "malformed"),
    "header is deep": (lambda i: edited(i.token(), 0, segment("[" * 3000)), "malformed"),
    "header is no UTF-8": (lambda i: edited(i.token(), 0, segment(b"\xff\xfe")), "malformed"),
    "base64 of the other alphabet": (
        lambda i: edited(i.token(), 2, "+/" + i.token().split(".")[2][2:]),
        "malformed",
    ),
    "a blank within": (lambda i: i.token().replace(".", ". ", 1), "malformed"),
    "bytes beyond ASCII": (lambda i: i.token().encode() + b"\xff", "malformed"),
    "payload is a list": (lambda i: i.token("[1]"), "malformed"),
    "payload is no JSON": (lambda i: i.token("not json"), "malformed"),
    "payload is deep": (lambda i: i.token("[" * 4000), "malformed"),
    "payload is empty": (lambda i: i.token(""), "malformed"),
    "too long": (lambda i: i.token(i.claims(pad="x" * limits.TOKEN_BYTES_MAX)), "too_long"),
    "64 KiB": (lambda i: "e." + "y" * 65536 + ".J", "too_long"),
    "expired": (lambda i: i.token(i.claims(exp=sec(-40))), "expired"),
    "expired long ago": (lambda i: i.token(i.claims(exp=0)), "expired"),
}
EXPIRED = ("expired", "expired long ago", "expiry is true")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(issuer, verifier, name):
    make, reason = BAD[name]
    token = make(issuer)
    raw = token.encode() if isinstance(token, str) else token
    with capture_logs() as logs, pytest.raises(Unauthenticated) as caught:
        judge(verifier, raw)
    error = caught.value
    assert (error.reason, error.code) == (reason, "E202" if name in EXPIRED else "E201")
    assert error.challenge == 'Bearer error="invalid_token"'
    # Neither the log nor anything an error could print quotes the token.
    said = f"{logs} {error} {error.detail} {error.args} {error.__cause__} {error.__context__}"
    said += "".join(traceback.format_exception(error))
    for part in raw.decode("latin-1").split("."):
        assert len(part) < 8 or part not in said


def test_what_is_configured_can_only_be_asymmetric(issuer):
    assert {algorithm.value for algorithm in TokenAlgorithm} == ASYMMETRIC
    for forged in ("none", "HS256", "HS512", "RS1"):
        with pytest.raises(ValueError, match="algorithms"):
            OIDCSettings(issuer=issuer.issuer, audience=AUDIENCE, algorithms=[forged])


SHAPES = {
    "a list": (["read"], {Role.READ}),
    "one name": ("admin", {Role.READ, Role.WRITE, Role.ADMIN}),
    "names with blanks": ("openid write", {Role.READ, Role.WRITE}),
    "several": (["read", "admin"], {Role.READ, Role.WRITE, Role.ADMIN}),
    "unknown ones": (["root", "Admin", "writer", "ADMIN"], set()),
    "unknown beside known": (["root", "write"], {Role.READ, Role.WRITE}),
    "not names": ([1, None, ["admin"], {"admin": 1}], set()),
    "an object": ({"admin": True}, set()),
    "a number": (1, set()),
    "true": (True, set()),
    "an empty list": ([], set()),
    "absent": (None, set()),
}


@pytest.mark.parametrize("name", SHAPES)
def test_roles_come_in_many_shapes(issuer, verifier, name):
    claim, roles = SHAPES[name]
    assert judge(verifier, issuer.token(issuer.claims(roles=claim))).roles == roles


def test_roles_may_stand_deep_or_under_a_url(issuer):
    nested = verifier_for(issuer, rolesClaim="realm_access.roles")
    claims = issuer.claims(realm_access={"roles": ["admin"]})
    assert Role.ADMIN in judge(nested, issuer.token(claims)).roles
    for shape in ({}, [], "roles", {"roles": {}}, None, 3):
        token = issuer.token(issuer.claims(realm_access=shape))
        assert judge(nested, token).roles == frozenset()
    url = "https://example.org/roles"
    assert role_names({url: ["read"]}, url) == {"read"}
    assert role_names({"a.b": "x", "a": {"b": "y"}}, "a.b") == {"x"}


def test_a_service_may_be_trusted_to_name_its_users(issuer, verifier):
    scopes = Scopes(b"a secret of tests")
    gateway = judge(verifier, issuer.token(issuer.claims(roles=["write", "trusted"])))
    assert gateway.trusted
    assert scopes.of_user(gateway, "7") != gateway.scope
    plain = judge(verifier, issuer.token())
    with pytest.raises(Forbidden):
        scopes.of_user(plain, "7")


def test_a_scope_belongs_to_a_subject_of_an_issuer(issuer, verifier):
    ann = judge(verifier, issuer.token())
    again = judge(verifier, issuer.token(issuer.claims(roles=["read"]), algorithm="ES256"))
    bob = judge(verifier, issuer.token(issuer.claims(sub="bob")))
    assert ann.scope == again.scope != bob.scope
    with Issuer() as other:
        theirs = judge(verifier_for(other), other.token())
    assert theirs.subject == ann.subject
    assert theirs.scope != ann.scope


def test_the_only_key_needs_no_id(issuer):
    with Issuer() as lonely:
        lonely.withdraw("es256", "eddsa")
        verifier = verifier_for(lonely)
        assert judge(verifier, lonely.token(kid=None)).subject == "ann"
        with pytest.raises(Unauthenticated) as caught:
            judge(verifier, lonely.token(kid="another"))
        assert caught.value.reason == "key_id"


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Signatures:
    """Counts the verifications that the library is asked for."""

    def __init__(self, monkeypatch):
        self.count = 0
        self._real = jwt.decode
        monkeypatch.setattr("cognitive_engine.security.oidc.jwt.decode", self._decode)

    def _decode(self, *args, **options):
        self.count += 1
        return self._real(*args, **options)


@pytest.fixture
def timed(issuer):
    clock = Time()
    given = {"issuer": issuer.issuer, "audience": AUDIENCE}
    verifier = TokenVerifier(OIDCSettings.model_validate(given), Scopes(), clock)
    run(verifier.source.refresh())
    return verifier, clock


def test_a_verified_token_is_remembered_for_a_minute(issuer, timed, monkeypatch):
    verifier, clock = timed
    signatures = Signatures(monkeypatch)
    token = issuer.token()
    first = judge(verifier, token)
    clock.now += 59.0
    assert judge(verifier, token) is first
    assert signatures.count == 1
    clock.now += 1.1
    assert judge(verifier, token) == first
    assert signatures.count == 2


def test_a_token_is_not_remembered_beyond_its_expiry(issuer, timed, monkeypatch):
    verifier, clock = timed
    signatures = Signatures(monkeypatch)
    token = issuer.token(issuer.claims(exp=int(time.time()) + 5))
    judge(verifier, token)
    clock.now += 5.1
    judge(verifier, token)
    assert signatures.count == 2


def test_bad_tokens_are_not_remembered_and_the_memory_is_bounded(issuer, timed, monkeypatch):
    verifier, _ = timed
    monkeypatch.setattr(limits, "TOKENS_CACHED_MAX", 2)
    signatures = Signatures(monkeypatch)
    tokens = [issuer.token(issuer.claims(jti=str(number))) for number in range(3)]
    for token in tokens:
        judge(verifier, token)
    forged = edited(tokens[2], 1, issuer.claims(sub="root"))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            judge(verifier, forged)
    assert signatures.count == 5
    judge(verifier, tokens[2])
    judge(verifier, tokens[1])
    assert signatures.count == 5
    judge(verifier, tokens[0])
    assert signatures.count == 6


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_scrap_of_a_token_does_more_than_be_refused(issuer, verifier, data):
    parts = _samples(issuer)
    scrap = st.one_of(st.sampled_from(parts), st.binary(max_size=40).map(_encoded))
    raw = b".".join(data.draw(st.lists(scrap, min_size=1, max_size=5)))
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, max(0, len(raw) - 1)))
        raw = raw[:place] + data.draw(st.binary(max_size=3)) + raw[place + 1 :]
    if raw in _WHOLE:
        return
    with pytest.raises(Unauthenticated):
        judge(verifier, raw)


_SAMPLES: list[bytes] = []
_WHOLE: set[bytes] = set()


def _samples(issuer):
    if not _SAMPLES:
        for algorithm in ("RS256", "ES256", "EdDSA"):
            token = issuer.token(algorithm=algorithm).encode()
            _WHOLE.add(token)
            _SAMPLES.extend(token.split(b"."))
    return _SAMPLES


def _encoded(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")
