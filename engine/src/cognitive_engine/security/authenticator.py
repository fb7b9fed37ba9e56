"""The one way in: a static key first, then a token.

Both kinds may come as `Authorization: Bearer`; `X-API-Key` takes keys only. A bearer that is no
known key is a token when tokens are taken and it is shaped like one.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cognitive_api import identity as api_names
from cognitive_api.engine_config import AuthMode, AuthSettings
from cognitive_engine.domain import limits

from .api_keys import ENV_ADMIN_API_KEY, ENV_API_KEY, ApiKeys, keys_in_environment
from .errors import (
    KEY_UNKNOWN,
    NO_ROLE,
    NOTHING_SENT,
    ROLE_MISSING,
    CredentialsError,
    Forbidden,
    Unauthenticated,
)
from .oidc import TokenVerifier
from .principals import (
    ANONYMOUS,
    ENV_SCOPE_SECRET,
    Kind,
    Principal,
    Role,
    Scopes,
    load_scopes,
)

KEY_SOURCES: Final = (api_names.ENV_API_KEYS_FILE, ENV_API_KEY, ENV_ADMIN_API_KEY)

_BEARER: Final = b"bearer "
_DOTS_IN_TOKEN_MIN: Final = 2


class Authenticator:
    """Recognises callers by what they send.

    With `open_to_all`, a caller who is not recognised is the anonymous one, who may read and write
    but not administer; a known key still says who calls.
    """

    def __init__(
        self,
        scopes: Scopes,
        *,
        keys: ApiKeys | None,
        tokens: TokenVerifier | None,
        open_to_all: bool = False,
    ) -> None:
        self.scopes = scopes
        self._keys = keys
        self._tokens = tokens
        self._anonymous: Principal | None = None
        if open_to_all:
            self._anonymous = Principal(
                scope=scopes.of(Kind.ANONYMOUS),
                subject=ANONYMOUS,
                roles=Role.WRITE.included,
                kind=Kind.ANONYMOUS,
            )

    @property
    def ready(self) -> bool:
        """Whether callers can be recognised; False until the issuer's first keys are here."""
        return self._tokens is None or self._keys is not None or self._tokens.ready

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be used and should be better, a sentence each."""
        found = []
        if self._keys is not None and self._keys.short:
            found.append(
                f"{self._keys.short} API keys have less than {limits.KEY_BYTES_WEAK} bytes"
            )
        if not self.scopes.secured:
            found.append(
                f"without {ENV_SCOPE_SECRET} whoever sees a scope can confirm a guess at its owner"
            )
        return tuple(found)

    async def run(self) -> None:
        """Keep the issuer's keys fresh until cancelled; returns at once without an issuer."""
        if self._tokens is not None:
            await self._tokens.run()

    def recognise(self, api_key: bytes | None, authorization: bytes | None) -> Principal | None:
        """Who sent these two headers, X-API-Key and Authorization, if that takes no work to tell.

        It does not for a known key and for a token that was verified a moment ago. Verifying one is
        dear, so a caller that fails often can be stopped between this and `authenticate`.
        """
        if self._keys is not None:
            given = api_key or _bearer(authorization)
            principal = self._keys.authenticate(given) if given else None
            if principal is not None:
                return principal
        if self._anonymous is not None:
            return self._anonymous
        if self._tokens is None:
            return None
        token = self._token(api_key, authorization)
        return self._tokens.recall(token) if token else None

    async def authenticate(self, api_key: bytes | None, authorization: bytes | None) -> Principal:
        """Who sent these two headers.

        Raises:
            Unauthenticated: nothing was sent (E206), the key is not known (E204), the token is
                not valid (E201) or has expired (E202).
            Unavailable: the token cannot be judged (E903).
        """
        principal = self.recognise(api_key, authorization)
        if principal is not None:
            return principal
        token = self._token(api_key, authorization)
        if self._tokens is not None and token:
            return await self._tokens.authenticate(token)
        if self._keys is not None and (api_key or _bearer(authorization)):
            raise Unauthenticated(KEY_UNKNOWN, "The API key is not known.", "key")
        raise Unauthenticated(NOTHING_SENT, f"Send {self._wanted()}.", "missing")

    def _token(self, api_key: bytes | None, authorization: bytes | None) -> bytes | None:
        """What is to be judged as a token. Where keys count too, it has to look like one."""
        bearer = _bearer(authorization)
        if bearer is None or self._keys is None:
            return bearer
        return None if api_key or bearer.count(b".") < _DOTS_IN_TOKEN_MIN else bearer

    def _wanted(self) -> str:
        if self._tokens is None:
            return "an API key as X-API-Key or as a bearer token"
        return "a bearer token" if self._keys is None else "an API key or a bearer token"


def _bearer(authorization: bytes | None) -> bytes | None:
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].strip() or None


def require(principal: Principal, role: Role) -> None:
    """Let `principal` pass who has `role`.

    Raises:
        Forbidden: they have no role at all (E203), or others only (E205).
    """
    if role in principal.roles:
        return
    if not principal.roles:
        raise Forbidden(NO_ROLE, "This caller has no role here.", "no_role")
    raise Forbidden(ROLE_MISSING, "This caller's role does not allow it.", "role")


def check_credentials(auth: AuthSettings, environment: Mapping[str, str]) -> str | None:
    """Why the engine must not start with these credentials, in one sentence; None when it may."""
    if auth.mode is AuthMode.NONE:
        # Whether this may be said at all, in production say, is for the settings to judge.
        return None
    if auth.mode.takes_tokens and auth.oidc is not None:
        return None
    if auth.mode is AuthMode.OIDC:
        return "auth.mode OIDC needs auth.oidc.issuer and auth.oidc.audience"
    if not _has_keys(environment):
        return (
            f"auth.mode {auth.mode} needs a key: set {api_names.ENV_API_KEYS_FILE} to the path of "
            f"a file with a key on each line, or {ENV_API_KEY} to a key, or auth.mode to None"
        )
    return None


def build_authenticator(
    auth: AuthSettings,
    environment: Mapping[str, str],
    monotonic: Callable[[], float] = time.monotonic,
) -> Authenticator:
    """The authenticator for `auth`, with the credentials that `environment` names.

    Raises:
        CredentialsError: the engine must not start with them.
    """
    fault = check_credentials(auth, environment)
    if fault is not None:
        raise CredentialsError(fault)
    scopes = load_scopes(environment)
    keys = tokens = None
    if auth.mode is not AuthMode.OIDC and _has_keys(environment):
        path = environment.get(api_names.ENV_API_KEYS_FILE, "").strip()
        fixed = keys_in_environment(environment)
        keys = ApiKeys(Path(path) if path else None, monotonic, scopes=scopes, fixed=fixed)
    if auth.mode.takes_tokens and auth.oidc is not None:
        tokens = TokenVerifier(auth.oidc, scopes, monotonic)
    return Authenticator(scopes, keys=keys, tokens=tokens, open_to_all=auth.mode is AuthMode.NONE)


def _has_keys(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name, "").strip() for name in KEY_SOURCES)
