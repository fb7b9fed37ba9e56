"""Callers by the token of an OpenID Connect issuer: checked here, without asking anybody."""

import base64
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import jwt
from jwt.types import Options

from cognitive_api.engine_config import OIDCSettings
from cognitive_engine.domain import limits

from .errors import KEYS_AWAY, TOKEN_EXPIRED, TOKEN_INVALID, Unauthenticated, Unavailable
from .jwks import KeySource
from .principals import Kind, Principal, Role, Scopes

# In the roles claim beside the roles: the caller may name the users it speaks for.
TRUSTED: Final = "trusted"

_SEGMENTS: Final = 3
# Tokens of other types (logout, proof of possession, events) carry the same signature.
_TYPES: Final = frozenset({"jwt", "at+jwt"})
_OPTIONS: Final[Options] = {"require": ["exp", "iss", "aud", "sub"]}


class _UnknownKey(Exception):
    """The token names a key that is not in force."""


class TokenVerifier:
    """Tells who a token speaks for. `run` keeps the issuer's keys fresh; without it none come."""

    def __init__(
        self, settings: OIDCSettings, scopes: Scopes, monotonic: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._algorithms = frozenset(algorithm.value for algorithm in settings.algorithms)
        self._scopes = scopes
        self._monotonic = monotonic
        self.source = KeySource(settings, monotonic)
        self._verified: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self._verified_by: object = None

    @property
    def ready(self) -> bool:
        """Whether the issuer's keys were ever had."""
        return self.source.fetched

    async def run(self) -> None:
        """Keep the issuer's keys fresh until cancelled."""
        await self.source.run()

    def recall(self, token: bytes) -> Principal | None:
        """Who `token` speaks for, when it was verified within the last minute."""
        if len(token) > limits.TOKEN_BYTES_MAX:
            return None
        if self.source.keys is not self._verified_by:
            # What a withdrawn key has signed is withdrawn with it.
            self._verified.clear()
            self._verified_by = self.source.keys
        digest = hashlib.sha256(token).digest()
        found = self._verified.get(digest)
        if found is None or self._monotonic() >= found[1]:
            return None
        self._verified.move_to_end(digest)
        return found[0]

    async def authenticate(self, token: bytes) -> Principal:
        """Who `token` speaks for.

        Raises:
            Unauthenticated: it is not valid (E201) or has expired (E202).
            Unavailable: the issuer's keys are not at hand.
        """
        if len(token) > limits.TOKEN_BYTES_MAX:
            raise _invalid("too_long")
        with suppress(_UnknownKey):
            return self.recall(token) or self._verify_and_remember(token)
        # The issuer may have new keys: a token signed with one passes at first sight.
        if await self.source.look_again():
            with suppress(_UnknownKey):
                return self.recall(token) or self._verify_and_remember(token)
        raise _invalid("key_id")

    def _verify_and_remember(self, token: bytes) -> Principal:
        principal, seconds = self._verify(token)
        digest = hashlib.sha256(token).digest()
        self._verified[digest] = principal, self._monotonic() + seconds
        if len(self._verified) > limits.TOKENS_CACHED_MAX:
            self._verified.popitem(last=False)
        return principal

    def _verify(self, token: bytes) -> tuple[Principal, float]:
        """Who `token` speaks for, and for how many seconds that need not be asked again."""
        algorithm, key_id = self._read_header(token)
        keys = self.source.keys
        if keys is None:
            raise Unavailable(
                KEYS_AWAY,
                "Tokens cannot be verified now: the issuer's keys are not at hand.",
                "issuer_away",
                self.source.retry_seconds,
            )
        if not keys.knows(key_id):
            if key_id is None:
                raise _invalid("key_id")
            raise _UnknownKey
        key = keys.find(key_id, algorithm)
        if key is None:
            raise _invalid("algorithm")
        claims, fault = self._claims(token, key)
        if claims is None:
            raise _expired() if fault == "expired" else _invalid(fault)
        now = time.time()
        # Compared before they are subtracted: an integer in JSON may be larger than any float.
        return self._principal(claims), min(claims["exp"], now + limits.TOKEN_CACHE_SECONDS) - now

    def _read_header(self, token: bytes) -> tuple[str, str | None]:
        """Algorithm and key id, both only claimed. Keys that a token brings along are ignored."""
        header, fault = _parse_header(token)
        if header is None:
            raise _invalid(fault)
        algorithm, key_id, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise _invalid("algorithm")
        # No extension is understood here, so none can be critical.
        if "crit" in header or "b64" in header:
            raise _invalid("critical")
        if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
            raise _invalid("type")
        if not (key_id is None or isinstance(key_id, str)):
            raise _invalid("key_id")
        return algorithm, key_id

    def _claims(self, token: bytes, key: jwt.PyJWK) -> tuple[dict[str, Any] | None, str]:
        """The claims when signature and claims are good; else the one word that says what is not.

        The library's own errors may quote the token, so they end here.
        """
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=limits.TOKEN_LEEWAY_SECONDS,
                options=_OPTIONS,
            )
        except jwt.ExpiredSignatureError:
            return None, "expired"
        except jwt.ImmatureSignatureError:
            return None, "not_yet"
        except jwt.InvalidSignatureError:
            return None, "signature"
        except jwt.InvalidAudienceError:
            return None, "audience"
        except jwt.InvalidIssuerError:
            return None, "issuer"
        except jwt.MissingRequiredClaimError:
            return None, "claims"
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None, "malformed"
        numbers = all(_is_number(claims[name]) for name in ("exp", "nbf", "iat") if name in claims)
        return (claims, "") if numbers and _is_subject(claims["sub"]) else (None, "claims")

    def _principal(self, claims: dict[str, Any]) -> Principal:
        subject = claims["sub"]
        names = role_names(claims, self._settings.roles_claim)
        roles = [role for role in Role if role in names]
        return Principal(
            # A subject means something at its issuer only.
            scope=self._scopes.of(Kind.OIDC, self._settings.issuer, subject),
            subject=subject,
            roles=frozenset().union(*(role.included for role in roles)),
            kind=Kind.OIDC,
            trusted=TRUSTED in names,
        )


def role_names(claims: dict[str, Any], claim: str) -> frozenset[str]:
    """The names that `claim` holds: a list of them, or one text with spaces between them.

    A claim of just that name comes first, since names may be URLs, with dots; then the path.
    """
    found: Any = claims
    if claim in claims:
        found = claims[claim]
    else:
        for step in claim.split("."):
            found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, str):
        found = found.split()
    if not isinstance(found, list):
        return frozenset()
    return frozenset(name for name in found if isinstance(name, str))


def _parse_header(token: bytes) -> tuple[dict[str, Any] | None, str]:
    segments = token.split(b".")
    if len(segments) != _SEGMENTS:
        return None, "segments"
    # The library decodes again, and strictly.
    padded = segments[0] + b"=" * (-len(segments[0]) % 4)
    try:
        header = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        header = None
    return (header, "") if isinstance(header, dict) else (None, "malformed")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_subject(value: str) -> bool:
    return 0 < len(value) <= limits.SUBJECT_CHARS_MAX and value.isprintable()


def _invalid(reason: str) -> Unauthenticated:
    return Unauthenticated(TOKEN_INVALID, "The token is not valid.", reason)


def _expired() -> Unauthenticated:
    return Unauthenticated(TOKEN_EXPIRED, "The token has expired.", "expired")
