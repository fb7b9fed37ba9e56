"""API keys: hashed in memory, looked up in time that tells nothing, read again when replaced.

A file holds one key a line, with attributes after it:

    k-5f0c...                                   role write; the memories belong to this very key
    k-9a41... name=team-a                       the memories belong to the name
    k-77be... name=team-a                       another key of the same caller, for a rotation
    k-0d3c... role=admin name=ops
    k-c82f... name=chat-gateway trusted=true    may name the users it calls for

Blank lines and lines that begin with # do not count. API_KEY and ADMIN_API_KEY hold one key each,
of the roles write and admin.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from cognitive_engine.domain import limits

from .errors import CredentialsError
from .principals import ANONYMOUS, Kind, Principal, Role, Scopes

ENV_API_KEY: Final = "API_KEY"
ENV_ADMIN_API_KEY: Final = "ADMIN_API_KEY"

_NAME: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{limits.KEY_NAME_CHARS_MAX}}}")
_ROLES: Final = {role.value: role for role in Role}
_TRUTH: Final = {"true": True, "false": False}
_HASH_CHARS: Final = 32

_log = structlog.stdlib.get_logger(__name__)


class KeyFileError(CredentialsError):
    """The keys cannot be read or used; the text says why and where, never a key."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key gives. Without a name the key itself is who calls."""

    role: Role = Role.WRITE
    name: str | None = None
    trusted: bool = False


def parse_keys(content: bytes) -> dict[bytes, Grant]:
    """The keys that a file's `content` holds.

    Raises:
        KeyFileError: a line cannot be used, or there is no key.
    """
    grants: dict[bytes, Grant] = {}
    for number, line in enumerate(content.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith(b"#"):
            continue
        key, grant = words[0], _grant(words[1:], number)
        if len(key) > limits.API_KEY_BYTES_MAX:
            raise KeyFileError(
                f"the API key on line {number} is longer than {limits.API_KEY_BYTES_MAX} bytes"
            )
        if grants.setdefault(key, grant) != grant:
            raise KeyFileError(f"the API key on line {number} stands there twice, and differs")
    if not grants:
        raise KeyFileError("the API key file holds no key")
    return grants


def _grant(attributes: list[bytes], line: int) -> Grant:
    grant = Grant()
    seen: set[bytes] = set()
    for attribute in attributes:
        name, _, encoded = attribute.partition(b"=")
        value = encoded.decode("ascii", errors="replace")
        # What is wrong is not quoted: it may be a part of a key.
        if name in seen:
            raise KeyFileError(f"line {line} of the API key file has an attribute twice")
        seen.add(name)
        if name == b"role" and value in _ROLES:
            grant = replace(grant, role=_ROLES[value])
        elif name == b"name" and _NAME.fullmatch(value):
            grant = replace(grant, name=value)
        elif name == b"trusted" and value in _TRUTH:
            grant = replace(grant, trusted=_TRUTH[value])
        else:
            raise KeyFileError(
                f"line {line} of the API key file must be a key, then role=read, write or admin, "
                "name=letters, digits and ._-, trusted=true or false"
            )
    return grant


def keys_in_environment(environment: Mapping[str, str]) -> dict[bytes, Grant]:
    """The keys of API_KEY and ADMIN_API_KEY.

    Raises:
        KeyFileError: one is too long, or both are the same.
    """
    grants: dict[bytes, Grant] = {}
    for variable, role in ((ENV_API_KEY, Role.WRITE), (ENV_ADMIN_API_KEY, Role.ADMIN)):
        key = environment.get(variable, "").strip().encode(errors="surrogateescape")
        if not key:
            continue
        if len(key) > limits.API_KEY_BYTES_MAX:
            raise KeyFileError(f"{variable} is longer than {limits.API_KEY_BYTES_MAX} bytes")
        if key in grants:
            raise KeyFileError(f"{ENV_API_KEY} and {ENV_ADMIN_API_KEY} must differ")
        grants[key] = Grant(role)
    return grants


class ApiKeys:
    """The keys of a file, of the environment, or of both.

    The kubelet replaces a mounted Secret by swapping a link, so the file behind the link is looked
    at, at most every two seconds. A replacement that cannot be used keeps the keys in force.

    `short` counts the keys that are easier to guess than they should be.
    """

    short: int

    def __init__(
        self,
        path: Path | None,
        monotonic: Callable[[], float],
        *,
        scopes: Scopes | None = None,
        fixed: Mapping[bytes, Grant] | None = None,
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._scopes = scopes or Scopes()
        self._fixed = dict(fixed or {})
        self._pepper = secrets.token_bytes(32)
        self._seen = self._signature()
        self._known = self._load()
        self._checked = monotonic()
        self._failing = False

    def authenticate(self, key: bytes) -> Principal | None:
        """Whose key it is; None when it is nobody's."""
        if self._monotonic() - self._checked >= limits.KEY_FILE_CHECK_SECONDS:
            self._refresh()
        if len(key) > limits.API_KEY_BYTES_MAX:
            return None
        # One look-up for any number of keys. Its time depends on digests only, and these are made
        # with a value that never leaves the process: a stranger can neither choose a digest that
        # begins like a stored one nor tell that it does, so there is nothing to learn step by step.
        digest = self._digest(key)
        found = self._known.get(digest)
        if found is None or not hmac.compare_digest(found[0], digest):
            return None
        return found[1]

    def _digest(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=self._pepper, digest_size=32).digest()

    def _refresh(self) -> None:
        self._checked = self._monotonic()
        try:
            seen = self._signature()
            if seen == self._seen:
                return
            self._known = self._load()
        except KeyFileError as error:
            # Said once for each failure, and tried again until the file is good.
            if not self._failing:
                _log.warning("api_keys_kept", reason=str(error))
            self._failing = True
            self._seen = None
            return
        self._seen = seen
        self._failing = False
        _log.info("api_keys_loaded", count=len(self._known), short=self.short)

    def _signature(self) -> tuple[int, int, int, int] | None:
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise KeyFileError(f"the API key file cannot be read: {error.strerror}") from error
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> dict[bytes, tuple[bytes, Principal]]:
        grants = dict(self._fixed)
        for key, grant in (parse_keys(self._read(self._path)) if self._path else {}).items():
            if grants.setdefault(key, grant) != grant:
                raise KeyFileError("the API key file gives a key of the environment other rights")
        if not grants:
            raise KeyFileError("there is no API key")
        if len(grants) > limits.API_KEYS_MAX:
            raise KeyFileError(f"there are more than {limits.API_KEYS_MAX} API keys")
        self.short = sum(len(key) < limits.KEY_BYTES_WEAK for key in grants)
        known = {}
        for key, grant in grants.items():
            digest = self._digest(key)
            known[digest] = digest, self._principal(key, grant)
        return known

    def _read(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                content = file.read(limits.KEY_FILE_BYTES_MAX + 1)
        except OSError as error:
            raise KeyFileError(f"the API key file cannot be read: {error.strerror}") from error
        if len(content) > limits.KEY_FILE_BYTES_MAX:
            raise KeyFileError("the API key file is too large")
        return content

    def _principal(self, key: bytes, grant: Grant) -> Principal:
        # A name holds no colon, so none can pass for a hash.
        subject = grant.name or f"sha256:{hashlib.sha256(key).hexdigest()[:_HASH_CHARS]}"
        return Principal(
            scope=self._scopes.of(Kind.API_KEY, subject),
            subject=subject,
            roles=grant.role.included,
            kind=Kind.API_KEY,
            trusted=grant.trusted,
        )


# Names that the edge finds here.
KeyFile = ApiKeys
__all__ = ["ANONYMOUS", "ApiKeys", "Grant", "KeyFile", "KeyFileError", "Principal"]
