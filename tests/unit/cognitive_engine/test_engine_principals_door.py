"""The one way in: which credential counts, what each refusal says, and when not to start."""

import asyncio

import pytest

from cognitive_api.engine_config import AuthMode, AuthSettings
from cognitive_engine.security.authenticator import build_authenticator, check_credentials, require
from cognitive_engine.security.errors import (
    CredentialsError,
    Forbidden,
    Unauthenticated,
    Unavailable,
)
from cognitive_engine.security.principals import Kind, Principal, Role
from cognitive_engine.settings import SettingsError, load_settings
from oidcissuer import AUDIENCE, Issuer

KEY, BOSS = b"the-key-of-a-worker", b"the-key-of-the-boss"
ENVIRONMENT = {"API_KEY": KEY.decode(), "ADMIN_API_KEY": BOSS.decode()}
OTHER = b"some-other-key"
NOT_A_TOKEN = b"Bearer a.b.c"

_RUNNER = asyncio.Runner()


@pytest.fixture(scope="module")
def issuer():
    with _RUNNER, Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def bearer(issuer):
    """An Authorization header with a good token."""
    return b"Bearer " + issuer.token().encode()


def auth(mode, issuer=None):
    oidc = {"issuer": issuer.issuer, "audience": AUDIENCE} if issuer else None
    return AuthSettings.model_validate({"mode": mode, "oidc": oidc})


def door_of(mode, environment, issuer=None):
    """An authenticator; with an issuer its keys are at hand."""
    door = build_authenticator(auth(mode, issuer), environment)
    if issuer is not None:
        _RUNNER.run(door._tokens.source.refresh())
    return door


def ask(door, api_key=None, authorization=None):
    """How the caller was recognised, or the code of the refusal."""
    try:
        principal = _RUNNER.run(door.authenticate(api_key, authorization))
    except (Unauthenticated, Unavailable) as error:
        return error.code
    return principal.kind


def test_a_key_may_come_in_either_header():
    door = door_of("APIKey", ENVIRONMENT)
    assert ask(door, KEY) == Kind.API_KEY
    assert ask(door, None, b"Bearer " + KEY) == Kind.API_KEY
    assert ask(door, None, b"bEARER   " + KEY) == Kind.API_KEY
    assert ask(door, KEY, b"Basic YTpi") == Kind.API_KEY


@pytest.mark.parametrize(
    ("api_key", "authorization", "code"),
    [
        (None, None, "E206"),
        (b"", b"", "E206"),
        (None, b"Bearer", "E206"),
        (None, b"Bearer    ", "E206"),
        (None, b"Basic " + KEY, "E206"),
        (None, KEY, "E206"),
        (OTHER, None, "E204"),
        (KEY + b"x", None, "E204"),
        (KEY[:-1], None, "E204"),
        (b"\xff\x00", None, "E204"),
        (b"k" * 100_000, None, "E204"),
        (None, b"Bearer " + OTHER, "E204"),
        # One header, and it says who: a second credential does not mend the first.
        (OTHER, b"Bearer " + KEY, "E204"),
        (None, NOT_A_TOKEN, "E204"),
    ],
)
def test_without_a_known_key_nobody_passes(api_key, authorization, code):
    assert ask(door_of("APIKey", ENVIRONMENT), api_key, authorization) == code


def test_any_takes_keys_first_and_then_tokens(issuer, bearer):
    dotted = "a.key.with.dots"
    door = door_of("Any", ENVIRONMENT | {"API_KEY": dotted}, issuer)
    assert ask(door, BOSS) == ask(door, None, b"Bearer " + BOSS) == Kind.API_KEY
    assert ask(door, None, b"Bearer " + dotted.encode()) == Kind.API_KEY
    assert ask(door, None, bearer) == Kind.OIDC
    assert ask(door, BOSS, bearer) == Kind.API_KEY
    assert ask(door, OTHER, bearer) == "E204"
    # No token goes by the header of the keys.
    assert ask(door, bearer.removeprefix(b"Bearer ")) == "E204"
    assert ask(door, None, b"Bearer " + OTHER) == "E204"
    assert ask(door, None, NOT_A_TOKEN) == "E201"
    assert ask(door) == "E206"


def test_oidc_takes_tokens_only(issuer, bearer):
    door = door_of("OIDC", ENVIRONMENT, issuer)
    assert ask(door, None, bearer) == Kind.OIDC
    assert ask(door, KEY, bearer) == Kind.OIDC
    assert ask(door, KEY) == "E206"
    assert ask(door, None, b"Bearer " + KEY) == "E201"
    assert ask(door, None, NOT_A_TOKEN) == "E201"


def test_what_takes_no_work_is_recognised_at_once(issuer, bearer):
    door = door_of("Any", ENVIRONMENT, issuer)
    assert door.recognise(KEY, None).kind == Kind.API_KEY
    assert door.recognise(None, bearer) is None
    verified = _RUNNER.run(door.authenticate(None, bearer))
    assert door.recognise(None, bearer) is verified
    for sent in ((None, None), (OTHER, bearer), (None, NOT_A_TOKEN), (None, bearer + b"x")):
        assert door.recognise(*sent) is None
    assert door.recognise(None, b"Bearer " + b"." * 100_000) is None
    assert door_of("None", {}).recognise(OTHER, None).kind == Kind.ANONYMOUS


def test_an_open_door_knows_keys_and_lets_everybody_else_be_nobody():
    door = door_of("None", ENVIRONMENT)
    assert ask(door, BOSS) == Kind.API_KEY
    for sent in ((None, None), (OTHER, None), (None, b"Bearer " + OTHER), (None, NOT_A_TOKEN)):
        assert ask(door, *sent) == Kind.ANONYMOUS
    nobody = _RUNNER.run(door.authenticate(None, None))
    require(nobody, Role.WRITE)
    with pytest.raises(Forbidden):
        require(nobody, Role.ADMIN)
    assert ask(door_of("None", {})) == Kind.ANONYMOUS


def test_a_door_is_ready_when_it_can_recognise_anybody(issuer):
    assert build_authenticator(auth("APIKey"), ENVIRONMENT).ready
    assert build_authenticator(auth("Any", issuer), ENVIRONMENT).ready
    waiting = build_authenticator(auth("OIDC", issuer), {})
    assert not waiting.ready
    assert ask(waiting, None, b"Bearer " + issuer.token().encode()) == "E903"
    assert door_of("OIDC", {}, issuer).ready


def test_without_an_issuer_there_is_nothing_to_keep_fresh():
    assert _RUNNER.run(door_of("APIKey", ENVIRONMENT).run()) is None


def test_what_is_asked_for_is_what_would_pass(issuer):
    for mode, environment, given, wanted in (
        ("APIKey", ENVIRONMENT, None, "Send an API key as X-API-Key or as a bearer token."),
        ("OIDC", {}, issuer, "Send a bearer token."),
        ("Any", ENVIRONMENT, issuer, "Send an API key or a bearer token."),
        ("Any", {}, issuer, "Send a bearer token."),
    ):
        with pytest.raises(Unauthenticated) as caught:
            _RUNNER.run(door_of(mode, environment, given).authenticate(None, None))
        assert (caught.value.detail, caught.value.challenge) == (wanted, "Bearer")


@pytest.mark.parametrize("held", [None, *Role])
@pytest.mark.parametrize("wanted", Role)
def test_a_role_lets_in_what_it_includes(held, wanted):
    principal = Principal(scope="s", roles=held.included if held else frozenset())
    if held is not None and list(Role).index(held) >= list(Role).index(wanted):
        require(principal, wanted)
        return
    with pytest.raises(Forbidden) as caught:
        require(principal, wanted)
    assert caught.value.code == ("E205" if held else "E203")
    assert caught.value.challenge == 'Bearer error="insufficient_scope"'


STARTS = [
    ("APIKey", {}, False, "needs a key"),
    ("APIKey", {"API_KEY": "", "ADMIN_API_KEY": "  ", "API_KEYS_FILE": ""}, False, "needs a key"),
    ("APIKey", {"API_KEY": "k"}, False, None),
    ("APIKey", {"ADMIN_API_KEY": "k"}, False, None),
    ("APIKey", {"API_KEYS_FILE": "/keys"}, False, None),
    ("OIDC", {}, True, None),
    ("Any", {}, True, None),
    ("None", {}, False, None),
]


@pytest.mark.parametrize(("mode", "environment", "with_issuer", "said"), STARTS)
def test_an_engine_that_nobody_could_use_does_not_start(
    issuer, mode, environment, with_issuer, said
):
    settings = auth(mode, issuer if with_issuer else None)
    fault = check_credentials(settings, environment)
    if said is None:
        assert fault is None
        return
    assert said in fault
    assert "\n" not in fault
    assert ". " not in fault
    with pytest.raises(CredentialsError, match=said):
        build_authenticator(settings, environment)


def test_production_without_credentials_does_not_start(tmp_path):
    production = {"MLSDM_ENV": "production"}
    assert load_settings(None, production).secrets.faults == (
        check_credentials(auth("APIKey"), production),
    )
    assert load_settings(None, production | {"API_KEY": "k"}).secrets.faults == ()
    path = tmp_path / "engine.yaml"
    path.write_text("auth: {mode: None}\n")
    with pytest.raises(SettingsError, match="production needs callers with credentials"):
        load_settings(str(path), production)


def test_an_issuer_that_is_not_named_is_missed():
    settings = AuthSettings.model_construct(mode=AuthMode.OIDC, oidc=None)
    assert "auth.oidc.issuer" in check_credentials(settings, ENVIRONMENT)


def test_what_should_be_better_is_told_without_a_key():
    poor = door_of("APIKey", ENVIRONMENT | {"API_KEY": "planted-key"})
    assert len(poor.warnings) == 2
    assert "1 API keys" in poor.warnings[0]
    assert "SCOPE_SECRET" in poor.warnings[1]
    assert "planted" not in str(poor.warnings)
    assert door_of("APIKey", ENVIRONMENT | {"SCOPE_SECRET": "planted-scope-secret"}).warnings == ()
