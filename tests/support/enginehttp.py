"""HTTP to engines and to other pods of the cluster: the one place that knows the way in.

Where this machine routes Services and pods (the native cluster), requests go straight to their
addresses; elsewhere a `kubectl port-forward` stands in between.
"""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx2

from kube import Json, Kube

REQUEST_SECONDS = 15.0
ROUTE_SECONDS = 8.0


class Ways:
    """Opens ways into the cluster and closes them all at the end."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._stack = ExitStack()
        self._routed: bool | None = None

    def __enter__(self) -> "Ways":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def service(self, namespace: str, name: str, port: int = 80) -> str:
        """Return a base URL that leads to a Service."""
        address = self._kube.get("Service", namespace, name)["spec"]["clusterIP"]
        return self._way(namespace, f"service/{name}", address, port)

    def pod(self, pod: Json, port: int) -> str:
        """Return a base URL that leads to one pod."""
        meta = pod["metadata"]
        return self._way(meta["namespace"], f"pod/{meta['name']}", pod["status"]["podIP"], port)

    def _way(self, namespace: str, target: str, address: str, port: int) -> str:
        if self._routed is not False:
            # A new Service takes a moment to be known to the node.
            reachable = _reachable(address, port)
            self._routed = self._routed or reachable
        if self._routed:
            return f"http://{address}:{port}"
        return self._stack.enter_context(self._forwarded(namespace, target, port))

    @contextmanager
    def _forwarded(self, namespace: str, target: str, port: int) -> Iterator[str]:
        command = ["kubectl", "--kubeconfig", self._kube.kubeconfig, "-n", namespace]
        with subprocess.Popen(
            [*command, "port-forward", "--address=127.0.0.1", target, f":{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline()
                local = re.search(r"127\.0\.0\.1:(\d+)", said)
                assert local, f"no way to {namespace} {target}:{port}: {said.strip()}"
                yield f"http://127.0.0.1:{local[1]}"
            finally:
                process.terminate()


def _reachable(address: str, port: int) -> bool:
    deadline = time.monotonic() + ROUTE_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((address, port), 1.0):
            return True
        time.sleep(0.1)
    return False


class EngineClient:
    """An engine's API, with or without a key."""

    def __init__(self, base_url: str, key: str = "") -> None:
        self.base_url = base_url
        self._client = httpx2.Client(
            base_url=base_url,
            headers={"X-API-Key": key} if key else {},
            timeout=REQUEST_SECONDS,
            # A connection that is kept stays with its pod: each request is to choose anew.
            limits=httpx2.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def __enter__(self) -> "EngineClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> httpx2.Response:
        return self._client.get(path)

    def post(self, path: str, body: Any) -> httpx2.Response:
        return self._client.post(path, json=body)

    def post_bytes(self, path: str, body: bytes, **headers: str) -> httpx2.Response:
        named = {"Content-Type": "application/json", **headers}
        return self._client.post(path, content=body, headers=named)

    def post_chunks(self, path: str, chunks: Iterator[bytes]) -> httpx2.Response:
        """Send a body without saying how long it is."""
        return self._client.post(path, content=chunks, headers={"Content-Type": "application/json"})

    def generate(self, prompt: str, moral_value: float = 0.9, **more: Any) -> Json:
        answer = self.post("/v1/generate", {"prompt": prompt, "moral_value": moral_value, **more})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def state(self) -> Json:
        answer = self.get("/v1/state")
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return dict(answer.json())
