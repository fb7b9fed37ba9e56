"""Callers, what they may do, and which memories are theirs."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cognitive_api import identity as api_names
from cognitive_engine.domain import limits
from cognitive_engine.domain.errors import InvalidText

from .errors import NO_ROLE, CredentialsError, Forbidden

ENV_SCOPE_SECRET: Final = "SCOPE_SECRET"  # noqa: S105
ANONYMOUS: Final = "anonymous"
SCOPE_CHARS: Final = 32

# Stands in for a secret. Callers of different names still get different scopes.
_PUBLIC_LABEL: Final = b"cognitive-engine scopes"


class Role(StrEnum):
    """What a caller may do: each role includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def included(self) -> frozenset["Role"]:
        """This role and those it includes."""
        return _INCLUDED[self]


_INCLUDED: Final = {
    Role.READ: frozenset({Role.READ}),
    Role.WRITE: frozenset({Role.READ, Role.WRITE}),
    Role.ADMIN: frozenset({Role.READ, Role.WRITE, Role.ADMIN}),
}


class Kind(StrEnum):
    """How a caller was recognised."""

    API_KEY = "api_key"
    OIDC = "oidc"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling.

    `scope` is what they may recall: their own memories. A trusted principal is a service that
    speaks for its users and may name one; see `Scopes.of_user`.
    """

    scope: str
    subject: str = ANONYMOUS
    roles: frozenset[Role] = frozenset()
    kind: Kind = Kind.ANONYMOUS
    trusted: bool = False


class Scopes:
    """Derives scopes: HMAC-SHA256 of who it is, under a secret, cut to 32 hexadecimal digits.

    One secret for all replicas, and for as long as the memories are to be found: another secret
    means other scopes. It may be missing, because a scope is never taken from a caller: tenants
    stay apart all the same. What the secret adds is that nobody who sees a scope, in an export
    say, can confirm a guess of whose it is.
    """

    def __init__(self, secret: bytes = _PUBLIC_LABEL) -> None:
        self._secret = secret

    @property
    def secured(self) -> bool:
        """Whether a secret was given."""
        return self._secret != _PUBLIC_LABEL

    def of(self, kind: Kind, *names: str) -> str:
        """The scope of the principal of `kind` that `names` name."""
        return self._derive(kind.value, *names)

    def of_user(self, principal: Principal, user_id: str) -> str:
        """The scope of a user on whose behalf `principal` calls.

        Users belong to the principal that names them: user 7 of one service is not user 7 of
        another. Only trusted principals may name users: keys and tokens that are marked so, and
        administrators.

        Raises:
            Forbidden: `principal` is not trusted.
            InvalidText: `user_id` is empty, too long or no Unicode text.
        """
        if not (principal.trusted or Role.ADMIN in principal.roles):
            raise Forbidden(NO_ROLE, "This caller may not name users.", "untrusted")
        if not 0 < len(user_id) <= limits.SCOPE_CHARS_MAX or not _is_unicode(user_id):
            raise InvalidText(f"user_id must be 1 to {limits.SCOPE_CHARS_MAX} Unicode characters")
        return self._derive("user", principal.scope, user_id)

    def _derive(self, *names: str) -> str:
        # Each name goes with its length, so no two lists of names run into one.
        encoded = [name.encode() for name in names]
        message = b"".join(len(name).to_bytes(4, "big") + name for name in encoded)
        return hmac.digest(self._secret, message, hashlib.sha256).hex()[:SCOPE_CHARS]


def load_scopes(environment: Mapping[str, str]) -> Scopes:
    """Scopes under the secret that SCOPE_SECRET, or the file at SCOPE_SECRET_FILE, holds.

    Raises:
        CredentialsError: both are set, the file cannot be read, or the secret is too short.
    """
    path = environment.get(api_names.ENV_SCOPE_SECRET_FILE)
    given = environment.get(ENV_SCOPE_SECRET)
    if path and given:
        raise CredentialsError(
            f"set {ENV_SCOPE_SECRET} or {api_names.ENV_SCOPE_SECRET_FILE}, not both"
        )
    if path:
        secret = _read(Path(path))
    elif given:
        secret = given.encode(errors="surrogateescape").strip()
    else:
        return Scopes()
    if not limits.SCOPE_SECRET_BYTES_MIN <= len(secret) <= limits.SCOPE_SECRET_BYTES_MAX:
        raise CredentialsError(
            f"the scope secret must be {limits.SCOPE_SECRET_BYTES_MIN} to "
            f"{limits.SCOPE_SECRET_BYTES_MAX} bytes long"
        )
    return Scopes(secret)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limits.SCOPE_SECRET_BYTES_MAX + 2).strip()
    except OSError as error:
        reason = error.strerror
    raise CredentialsError(f"{api_names.ENV_SCOPE_SECRET_FILE} cannot be read: {reason}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
