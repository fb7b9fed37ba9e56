"""Roles, scopes, and who may name users."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidText
from cognitive_engine.security.errors import CredentialsError, Forbidden
from cognitive_engine.security.principals import Kind, Principal, Role, Scopes, load_scopes

SECRET = b"a secret of the tests"


def test_each_role_includes_those_before_it():
    assert Role.READ.included < Role.WRITE.included < Role.ADMIN.included
    assert Role.ADMIN.included == set(Role)


def test_a_scope_is_the_same_for_ever():
    # HMAC-SHA256 of "api_key" and "team-a", each after its length in four bytes.
    assert Scopes(SECRET).of(Kind.API_KEY, "team-a") == "69cfa04a7c7fb13e7a1749fdb1b5ce9a"
    assert Scopes().of(Kind.ANONYMOUS) == Scopes().of(Kind.ANONYMOUS)


names = st.lists(st.text(max_size=6), max_size=4)


@given(names, names, st.sampled_from(Kind), st.sampled_from(Kind))
def test_different_callers_have_different_scopes(ours, theirs, our_kind, their_kind):
    scopes = Scopes(SECRET)
    one, other = scopes.of(our_kind, *ours), scopes.of(their_kind, *theirs)
    assert (one == other) is ((our_kind, ours) == (their_kind, theirs))
    assert len(one) == 32
    assert one != Scopes(b"another secret of tests").of(our_kind, *ours)


def caller(scope="s", *, role=Role.WRITE, trusted=False):
    return Principal(
        scope=scope, subject="x", roles=role.included, kind=Kind.API_KEY, trusted=trusted
    )


def test_users_belong_to_the_service_that_names_them():
    scopes = Scopes(SECRET)
    chat, mail = caller("chat", trusted=True), caller("mail", trusted=True)
    found = {scopes.of_user(service, user) for service in (chat, mail) for user in ("7", "8", "77")}
    assert len(found | {chat.scope, mail.scope}) == 8
    assert scopes.of_user(chat, "7") == scopes.of_user(chat, "7")


def test_only_who_is_trusted_names_users():
    scopes = Scopes(SECRET)
    assert scopes.of_user(caller(role=Role.ADMIN), "7")
    for role in (Role.READ, Role.WRITE):
        with pytest.raises(Forbidden) as caught:
            scopes.of_user(caller(role=role), "7")
        assert caught.value.code == "E203"
    with pytest.raises(Forbidden):
        scopes.of_user(Principal(scope="s"), "7")


@pytest.mark.parametrize("user", ["", "x" * (limits.SCOPE_CHARS_MAX + 1), "\ud800"])
def test_a_user_has_a_name_of_some_length(user):
    with pytest.raises(InvalidText) as caught:
        Scopes(SECRET).of_user(caller(trusted=True), user)
    assert "xx" not in str(caught.value)


def test_the_secret_comes_from_the_environment_or_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    by_file = load_scopes({"SCOPE_SECRET_FILE": str(path)})
    by_value = load_scopes({"SCOPE_SECRET": SECRET.decode()})
    without = load_scopes({"SCOPE_SECRET": "", "SCOPE_SECRET_FILE": ""})
    scope = Scopes(SECRET).of(Kind.OIDC, "a", "b")
    assert by_file.of(Kind.OIDC, "a", "b") == by_value.of(Kind.OIDC, "a", "b") == scope
    assert without.of(Kind.OIDC, "a", "b") != scope
    assert [scopes.secured for scopes in (by_file, by_value, without)] == [True, True, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"kkkk", "16 to 4096 bytes"),
        (b"  \n" + b" " * 30, "16 to 4096 bytes"),
        (b"k" * 4097, "16 to 4096 bytes"),
        (None, "SCOPE_SECRET_FILE cannot be read: No such file"),
    ],
)
def test_an_unusable_secret_is_refused_unquoted(tmp_path, content, message):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CredentialsError, match=message) as caught:
        load_scopes({"SCOPE_SECRET_FILE": str(path)})
    assert "kkk" not in str(caught.value)


def test_two_secrets_are_one_too_many(tmp_path):
    with pytest.raises(CredentialsError, match="not both"):
        load_scopes({"SCOPE_SECRET": "k" * 20, "SCOPE_SECRET_FILE": str(tmp_path)})
