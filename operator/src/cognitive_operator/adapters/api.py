"""One door to the API server: raw dicts, a time limit on every request, our own errors.

APIError
├── NotFound     the object (or the kind) is not there
├── Refused      the server understood and said no: rights, admission, validation, conflict
└── Unavailable  no answer, a late one, or a fault of the server: try again later
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

from ..domain.limits import MESSAGE_MAX, PAGE, REQUEST_TIMEOUT_SECONDS

Json = dict[str, Any]

APPLY_PATCH = "application/apply-patch+yaml"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class APIError(Exception):
    """A request to the API server that brought no result; the text is safe to show."""


class NotFound(APIError):
    """The object or its kind does not exist."""


class Refused(APIError):
    """The server will not do it; asking again changes nothing by itself."""


class Ending(Refused):
    """The namespace is being deleted: nothing can be made in it any more."""


class Unavailable(APIError):
    """The server could not be reached or failed; asking again may help."""


class API:
    """A thin client over `kubernetes.aio`: paths and dicts in, dicts out."""

    def __init__(self, configuration: Any, timeout: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self._configuration = configuration
        self._client = client.ApiClient(configuration)
        self._timeout = timeout

    @classmethod
    async def connect(cls) -> "API":
        """Return a client for the cluster that this process runs in, or KUBECONFIG names."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            await config.load_kube_config(client_configuration=configuration)
        configuration.retries = False
        return cls(configuration)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, path: str, accept: str = "application/json", **query: str) -> Json:
        """Read one object or one collection."""
        return await self._request("GET", path, accept=accept, query=query)

    async def list(
        self, path: str, accept: str = "application/json", **query: str
    ) -> AsyncIterator[Json]:
        """Read all items of a collection, page by page."""
        more = ""
        while True:
            paging = {"limit": str(PAGE), **({"continue": more} if more else {})}
            page = await self.get(path, accept, **query, **paging)
            # An empty list of metadata comes as null.
            for item in page.get("items") or ():
                yield item
            more = (page.get("metadata") or {}).get("continue", "")
            if not more:
                return

    async def apply(self, path: str, manifest: Json, manager: str) -> Json:
        """Server-side apply, taking fields over from whoever holds them."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._request("PATCH", path, manifest, content=APPLY_PATCH, query=query)

    async def create(self, path: str, manifest: Json) -> Json:
        """Create one object in a collection."""
        return await self._request("POST", path, manifest)

    async def delete(self, path: str, uid: str) -> None:
        """Delete the object if it still is the one with this uid; gone already is fine."""
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        try:
            await self._request("DELETE", path, body)
        except NotFound:
            return

    async def _request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        accept: str = "application/json",
        content: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Json:
        headers = {"Accept": accept, "Content-Type": content}
        settings = await self._configuration.auth_settings()
        if "BearerToken" in settings:
            headers["Authorization"] = settings["BearerToken"]["value"]
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        act = f"{method} {path}"
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.call_api(
                    method,
                    url,
                    header_params=headers,
                    body=body,
                    _request_timeout=aiohttp.ClientTimeout(total=self._timeout),
                )
                raw = await response.read()
        except (TimeoutError, aiohttp.ClientError, ssl.SSLError, OSError) as fault:
            raise Unavailable(f"{act}: {type(fault).__name__}") from fault
        return _judge(act, response.status, raw)


def _judge(act: str, status: int, raw: bytes) -> Json:
    try:
        answer = json.loads(raw) if raw else {}
    except ValueError as fault:
        # An unknown group answers 404 in plain text.
        kind = NotFound if status == 404 else Unavailable
        raise kind(f"{act}: {status} without a readable body") from fault
    if status < 400:
        return dict(answer)
    said = f"{act}: {status} {answer.get('message', '')}"[:MESSAGE_MAX]
    if status == 404:
        raise NotFound(said)
    if status == 429 or status >= 500 or status == 401:
        # A token may have been rotated under us, so 401 is worth another try.
        raise Unavailable(said)
    causes = (answer.get("details") or {}).get("causes") or ()
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        raise Ending(said)
    raise Refused(said)
