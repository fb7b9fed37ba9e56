"""JSON over HTTP to a backend: one POST, bounded in time and size, and failures of our own making.

A call is made a second time only when the first was surely not begun: no connection came about, or
the backend turned it away (429, 503, 529) and said to come back within seconds. Where bytes were
sent and the connection was lost, nobody knows; an answer costs money, so that is a failure.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec
import structlog

from cognitive_engine.adapters.failures import (
    AnswerInvalid,
    BackendFailed,
    BackendTimedOut,
    BackendUnusable,
)
from cognitive_engine.adapters.refusals import FieldRefused, refusal, unreachable
from cognitive_engine.domain import limits
from cognitive_engine.telemetry.propagation import outgoing_headers

T = TypeVar("T")
Headers = Callable[[], Mapping[str, str]]

_log = structlog.stdlib.get_logger(__name__)


class Backend:
    """An HTTP API that takes and gives JSON. `name` stands in errors and logs.

    `headers` is asked for each call, so a key can change. `substitutes` are fields that not every
    model takes, with the name to try instead, or None to leave the field out: what is refused once
    and accepted so is sent that way from then on.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        headers: Headers,
        timeout_seconds: float,
        connections: int,
        substitutes: Mapping[str, str | None],
    ) -> None:
        self.name = name
        self._base = parse_base_url(base_url)
        self._headers = headers
        self._seconds = timeout_seconds
        self._substitutes = dict(substitutes)
        self._refused: frozenset[str] = frozenset()
        connect = min(limits.BACKEND_CONNECT_SECONDS_MAX, timeout_seconds)
        self._client = httpx2.AsyncClient(
            headers={
                "User-Agent": "cognitive-engine",
                "Accept": "application/json",
                # A small answer needs no packing, and an unpacked one cannot swell.
                "Accept-Encoding": "identity",
                "Content-Type": "application/json",
            },
            # Callers share the connections; they must not share a vendor's cookies.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx2.Timeout(None, connect=connect),
            limits=httpx2.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=limits.BACKEND_IDLE_SECONDS_MAX,
            ),
        )

    async def ask(self, path: str, body: Mapping[str, object], answer: type[T]) -> T:
        """What the backend answers to `body` at `path`, as an `answer`.

        Raises:
            BackendFailed: there is none; its kind says why.
        """
        return self._decoded(await self._in_time(path, body), answer)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _in_time(self, path: str, body: Mapping[str, object]) -> bytes:
        try:
            async with asyncio.timeout(self._seconds) as limit:
                return await self._agreed(path, body, limit)
        except TimeoutError:
            text = f"the {self.name} backend gave no answer within {self._seconds:g} s"
        raise BackendTimedOut(text)

    async def _agreed(self, path: str, body: Mapping[str, object], limit: asyncio.Timeout) -> bytes:
        """Send `body`, without the fields that the backend refuses."""
        refused = self._refused
        while True:
            fields = self._without(refused, body)
            try:
                answer = await self._persistent(path, msgspec.json.encode(fields), limit)
            except FieldRefused as error:
                news = (error.fields & fields.keys()) - refused
                if not news:
                    raise
                refused |= news
            else:
                # Believed only now: a refusal for other reasons may name a field by chance.
                if refused != self._refused:
                    self._refused = refused
                    _log.info("backend_fields", backend=self.name, refused=sorted(refused))
                return answer

    def _without(self, refused: frozenset[str], body: Mapping[str, object]) -> dict[str, object]:
        names = {name: self._substitutes[name] if name in refused else name for name in body}
        return {new: body[name] for name, new in names.items() if new is not None}

    async def _persistent(self, path: str, content: bytes, limit: asyncio.Timeout) -> bytes:
        try:
            return await self._sent(path, content)
        except BackendFailed as error:
            if error.again_after is None:
                raise
            # Not all at once: whoever failed together would fail together again.
            pause = error.again_after + random.uniform(0, limits.BACKEND_RETRY_JITTER_SECONDS)  # noqa: S311
            ends = limit.when()
            if ends is not None and asyncio.get_running_loop().time() + pause >= ends:
                raise
            status = error.status
        _log.info("backend_retry", backend=self.name, status=status)
        await asyncio.sleep(pause)
        return await self._sent(path, content)

    async def _sent(self, path: str, content: bytes) -> bytes:
        headers = {**self._headers(), **outgoing_headers()}
        request = self._client.build_request(
            "POST", self._base + path, content=content, headers=headers
        )
        try:
            response = await self._client.send(request, stream=True)
        except (httpx2.TransportError, OSError) as error:
            failure: BackendFailed = unreachable(self.name, error)
        else:
            return await self._received(response)
        # Raised out here, it has no context: that would hold the request, key and prompt included.
        raise failure

    async def _received(self, response: httpx2.Response) -> bytes:
        try:
            if response.is_success:
                return await self._whole(response)
            body = await _beginning(response)
        finally:
            await response.aclose()
        again = response.headers.get("retry-after")
        raise refusal(self.name, response.status_code, again, body, self._substitutes)

    async def _whole(self, response: httpx2.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerInvalid(f"the {self.name} backend packs its answer, though asked not to")
        parts, size, fault = [], 0, None
        try:
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > limits.BACKEND_ANSWER_BYTES_MAX:
                    fault = f"larger than {limits.BACKEND_ANSWER_BYTES_MAX} bytes"
                    break
        except (httpx2.TransportError, OSError):
            fault = "cut short"
        if fault is not None:
            raise AnswerInvalid(f"the answer of the {self.name} backend is {fault}")
        return b"".join(parts)

    def _decoded(self, raw: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.ValidationError:
            found = "JSON of another shape"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = "no JSON"
        raise AnswerInvalid(f"the {self.name} backend answered with {found}")


async def _beginning(response: httpx2.Response) -> bytes:
    """As much of a refusal as is looked at, and of one that is cut short what has come."""
    parts, size = [], 0
    with suppress(httpx2.TransportError, OSError):
        async for part in response.aiter_raw():
            parts.append(part)
            size += len(part)
            if size >= limits.BACKEND_REFUSAL_BYTES_MAX:
                break
    return b"".join(parts)[: limits.BACKEND_REFUSAL_BYTES_MAX]


def parse_base_url(text: str) -> str:
    """`text` as the beginning of URLs, without a slash at the end.

    Raises:
        BackendUnusable: it is no such thing, or carries credentials.
    """
    try:
        parts = urlsplit(text)
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        (parts.hostname or "").encode("idna")
        httpx2.URL(text)
    except (ValueError, httpx2.InvalidURL):
        whole = False
    if not whole:
        raise BackendUnusable("a base URL is http:// or https:// and a host")
    if parts.username or parts.password:
        raise BackendUnusable("a base URL carries no credentials")
    if parts.query or parts.fragment:
        raise BackendUnusable("a base URL has no query and no fragment")
    return text.rstrip("/")
