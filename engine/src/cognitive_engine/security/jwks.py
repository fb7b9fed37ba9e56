"""The keys of a token issuer: what counts as one, how they are fetched, how long they hold.

Fetching is the work of one background task. No request fetches: the most it may do is ask for a
look, when a token names a key that nobody knows, and wait for that a moment.
"""

import asyncio
import ipaddress
import json
import math
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cognitive_api.engine_config import OIDCSettings
from cognitive_engine.domain import limits

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"

_RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# Key type and curve to what they can verify. Symmetric keys are not here, nor will they be.
_VERIFIES: Final[Mapping[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): _RSA_ALGORITHMS,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
ASYMMETRIC: Final = frozenset(name for names in _VERIFIES.values() for name in names)

_log = structlog.stdlib.get_logger(__name__)


class KeysError(Exception):
    """The issuer gave nothing usable; the text says what was wrong, in our words."""


class SigningKeys:
    """The usable keys of one document, each under its id and the algorithm it verifies."""

    def __init__(self, keys: Mapping[tuple[str | None, str], jwt.PyJWK], count: int) -> None:
        self._keys = dict(keys)
        self._ids = {key_id for key_id, _ in keys}
        self._count = count

    def __len__(self) -> int:
        """Keys, however many algorithms each verifies."""
        return self._count

    def knows(self, key_id: str | None) -> bool:
        """Whether `key_id` names a key; no id names the only one there is."""
        return self._count == 1 if key_id is None else key_id in self._ids

    def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of that id for that algorithm, if it has one."""
        if key_id is None and self._count == 1:
            (key_id,) = self._ids
        return self._keys.get((key_id, algorithm))


def parse_key_set(content: bytes, algorithms: Iterable[str]) -> SigningKeys:
    """The keys of a JWKS document that can verify one of `algorithms`.

    Keys of other kinds, of other uses or too weak do not count. Two keys that share an id and a
    kind are both left out: which one is meant cannot be told.

    Raises:
        KeysError: it is no key set, or holds no usable key.
    """
    listed = _object(content, "the key document").get("keys")
    if not isinstance(listed, list):
        raise KeysError("the key document has no list of keys")
    if len(listed) > limits.ISSUER_KEYS_MAX:
        raise KeysError(f"the key document lists more than {limits.ISSUER_KEYS_MAX} keys")
    allowed = frozenset(algorithms)
    found: dict[tuple[str | None, str], jwt.PyJWK] = {}
    ambiguous: set[tuple[str | None, str]] = set()
    sources: dict[tuple[str | None, str], int] = {}
    for number, entry in enumerate(listed):
        if entry in listed[:number]:
            continue
        for place, key in _usable(entry, allowed):
            if place in found:
                ambiguous.add(place)
            found[place] = key
            sources[place] = number
    for place in ambiguous:
        del found[place], sources[place]
    if not found:
        raise KeysError("the key document holds no usable key")
    return SigningKeys(found, len(set(sources.values())))


def _usable(entry: Any, allowed: frozenset[str]) -> list[tuple[tuple[str | None, str], jwt.PyJWK]]:
    if not isinstance(entry, dict):
        return []
    kind, curve, key_id = entry.get("kty"), entry.get("crv"), entry.get("kid")
    operations = entry.get("key_ops", ["verify"])
    if (
        not isinstance(kind, str)
        or not (curve is None or isinstance(curve, str))
        or not (key_id is None or _is_key_id(key_id))
        or entry.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
        # A published private key signs for everybody.
        or "d" in entry
    ):
        return []
    suited = _VERIFIES.get((kind, None if kind == "RSA" else curve), ())
    own = entry.get("alg")
    keys = []
    for algorithm in suited:
        if algorithm in allowed and own in (None, algorithm):
            key = _built(entry, algorithm)
            if key is not None:
                keys.append(((key_id, algorithm), key))
    return keys


def _built(entry: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    try:
        key = jwt.PyJWK(entry, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError, OverflowError):
        return None
    if isinstance(key.key, RSAPublicKey):
        low, high = limits.ISSUER_RSA_BITS_MIN, limits.ISSUER_RSA_BITS_MAX
        # A long exponent makes each verification dear.
        if not low <= key.key.key_size <= high or key.key.public_numbers().e >= 2**32:
            return None
    return key


def _is_key_id(value: object) -> bool:
    return isinstance(value, str) and len(value) <= limits.ISSUER_KEY_ID_CHARS_MAX


def _object(content: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise KeysError(f"{name} is no JSON object")
    return document


def address_fault(address: str) -> str | None:
    """What is wrong with the address of an issuer or of its keys; None when nothing is.

    It must be https. Plain http will do on this machine's own loopback only: whoever can answer in
    the issuer's place can let anybody in.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "is no URL"
    if (
        len(address) > limits.ISSUER_ADDRESS_CHARS_MAX
        or not address.isprintable()
        or " " in address
    ):
        return "is no URL"
    if not host or parts.username is not None or parts.query or parts.fragment:
        return "must be a URL with a host, and without user, query and fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return None
    return "must begin with https://"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class KeySource:
    """Keeps the keys of an issuer fresh.

    Fetched again every hour, on failure with growing pauses, and when a token names an unknown key,
    once in 30 seconds at most. While the issuer is away the last keys hold, for a day.
    """

    def __init__(self, settings: OIDCSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._keys: SigningKeys | None = None
        self._content = b""
        self._fetched = -math.inf
        self._failures = 0
        self._next = -math.inf
        self._ask_again = -math.inf
        self._asked: asyncio.Event | None = None
        self._waiting = 0
        self._wake = asyncio.Event()

    @property
    def keys(self) -> SigningKeys | None:
        """The keys in force; None before the first are here, and after an outage of a day."""
        if self._monotonic() - self._fetched > limits.ISSUER_OUTAGE_SECONDS_MAX:
            return None
        return self._keys

    @property
    def fetched(self) -> bool:
        """Whether keys were ever had."""
        return self._keys is not None

    @property
    def retry_seconds(self) -> int:
        """Whole seconds, at least 1, until the issuer is asked next."""
        pause = self._next - self._monotonic()
        return max(1, math.ceil(pause)) if math.isfinite(pause) else 1

    async def run(self) -> None:
        """Keep the keys fresh until cancelled."""
        while True:
            asked = self._asked
            await self.refresh()
            if asked is not None:
                asked.set()
                self._asked = None
            pause = max(0.0, self._next - self._monotonic())
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def look_again(self) -> bool:
        """Ask for a fetch, for a key that is not known; whether one was made while waiting."""
        if self._asked is None:
            now = self._monotonic()
            if now < self._ask_again:
                return False
            self._ask_again = now + limits.ISSUER_LOOK_AGAIN_SECONDS
            self._asked = asyncio.Event()
            self._wake.set()
        if self._waiting >= limits.ISSUER_LOOK_WAITING_MAX:
            return False
        asked = self._asked
        self._waiting += 1
        try:
            async with asyncio.timeout(limits.ISSUER_LOOK_WAIT_SECONDS):
                await asked.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    async def refresh(self) -> None:
        """Fetch once. A failure is logged when it is the first in a row, and never raised."""
        try:
            async with asyncio.timeout(limits.ISSUER_FETCH_SECONDS):
                content = await self._fetch()
            if content != self._content:
                self._keys = parse_key_set(content, self._settings.algorithms)
                self._content = content
                _log.info("issuer_keys_loaded", count=len(self._keys))
        except KeysError as error:
            self._failed(str(error))
        except Exception as error:
            # Whatever it was, it must not end the task: the service would end with it.
            self._failed(type(error).__name__)
        else:
            if self._failures:
                _log.info("issuer_keys_back", failures=self._failures)
            self._failures = 0
            self._fetched = self._monotonic()
            self._next = self._fetched + _spread(limits.ISSUER_CACHE_SECONDS)

    def _failed(self, reason: str) -> None:
        if not self._failures:
            _log.warning("issuer_keys_failed", reason=reason, kept=self.keys is not None)
        pause = limits.ISSUER_RETRY_SECONDS_FIRST * 2 ** min(self._failures, 10)
        self._failures += 1
        self._next = self._monotonic() + _spread(min(pause, limits.ISSUER_RETRY_SECONDS_MAX))

    async def _fetch(self) -> bytes:
        # The certificates that are trusted may have been replaced since the last time. Reading
        # them takes a while, so not on this thread.
        context = await asyncio.to_thread(httpx2.create_ssl_context)
        local = is_loopback(urlsplit(self._settings.issuer).hostname or "")
        async with httpx2.AsyncClient(
            verify=context,
            # A proxy for the world is no way to this machine itself.
            trust_env=not local,
            follow_redirects=False,
            timeout=limits.ISSUER_FETCH_SECONDS,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as client:
            address = self._settings.jwks_uri or await self._discovered(client)
            return await _get(client, address, "the key document")

    async def _discovered(self, client: httpx2.AsyncClient) -> str:
        name = "the discovery document"
        content = await _get(client, self._settings.issuer.rstrip("/") + DISCOVERY_PATH, name)
        document = _object(content, name)
        if document.get("issuer") != self._settings.issuer:
            raise KeysError(f"{name} names another issuer")
        address = document.get("jwks_uri")
        if not isinstance(address, str):
            raise KeysError(f"{name} names no keys")
        fault = address_fault(address)
        if fault is not None:
            raise KeysError(f"the address of the keys in {name} {fault}")
        return address


async def _get(client: httpx2.AsyncClient, address: str, name: str) -> bytes:
    content = bytearray()
    async with client.stream("GET", address) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise KeysError(f"{name} answered {answer.status_code}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            # A few bytes may unpack to any number.
            raise KeysError(f"{name} came packed")
        async for part in answer.aiter_raw():
            content += part
            if len(content) > limits.ISSUER_DOCUMENT_BYTES_MAX:
                raise KeysError(f"{name} is too large")
    return bytes(content)


def _spread(seconds: float) -> float:
    # Replicas that started together are not to ask together for ever.
    return seconds * random.uniform(0.8, 1.0)  # noqa: S311
