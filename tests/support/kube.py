"""A small client of the API server for tests, kubectl, and the one way to wait."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx2
import pytest
import yaml

Json = dict[str, Any]
T = TypeVar("T")

KUBECTL_SECONDS = 120.0
REQUEST_SECONDS = 30.0
POLL_SECONDS = 0.2

# What the suite looks at: where the API serves each kind.
RESOURCES: dict[str, tuple[str, str]] = {
    "CognitiveEngine": ("/apis/mlsdm.io/v1alpha1", "cognitiveengines"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "Namespace": ("/api/v1", "namespaces"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "ServiceMonitor": ("/apis/monitoring.coreos.com/v1", "servicemonitors"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
}
CLUSTER_SCOPED = frozenset({"Namespace", "CustomResourceDefinition"})

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def eventually(
    condition: Callable[[], T | None],
    seconds: float,
    what: str,
    *,
    dump: Callable[[], str] = str,
    every: float = POLL_SECONDS,
) -> T:
    """Return the first truthy answer of `condition`; fail, and say why, when time is up.

    An AssertionError or an APIFault inside counts as "not yet" and is shown at the end.
    """
    deadline = time.monotonic() + seconds
    last = "the condition did not hold"
    while True:
        try:
            found = condition()
        except (AssertionError, APIFault, httpx2.HTTPError) as fault:
            found, last = None, f"{type(fault).__name__}: {fault}"
        if found:
            return found
        if time.monotonic() >= deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}\n{last}\n{dump()}", pytrace=False)
        time.sleep(every)


def steadily(
    condition: Callable[[], bool],
    seconds: float,
    what: str,
    *,
    dump: Callable[[], str] = str,
    every: float = POLL_SECONDS,
) -> None:
    """Fail as soon as `condition` stops to hold within the given time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            pytest.fail(f"did not last for {seconds:.0f} s: {what}\n{dump()}", pytrace=False)
        time.sleep(every)


class APIFault(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body.get('message', body)}")
        self.status = status
        self.message = str(body.get("message", ""))
        self.body = body


class Kube:
    """Talks to the cluster that a kubeconfig names: raw dicts in, raw dicts out."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        server, context, headers = _connection(Path(kubeconfig))
        self._client = httpx2.Client(
            base_url=server,
            verify=context,
            headers=headers,
            timeout=REQUEST_SECONDS,
            trust_env=False,
        )
        # Watches hold their connection: they get a client of their own.
        self._watcher = httpx2.Client(
            base_url=server, verify=context, headers=headers, trust_env=False
        )

    def close(self) -> None:
        self._client.close()
        self._watcher.close()

    def path(self, kind: str, namespace: str = "", name: str = "", sub: str = "") -> str:
        root, plural = RESOURCES[kind]
        scope = f"/namespaces/{namespace}" if namespace and kind not in CLUSTER_SCOPED else ""
        return f"{root}{scope}/{plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content: str = "application/json",
        **query: str,
    ) -> Json:
        answer = self._client.request(
            method,
            path + (f"?{urlencode(query)}" if query else ""),
            content=None if body is None else json.dumps(body),
            headers={"Content-Type": content},
        )
        try:
            said = answer.json()
        except ValueError:
            said = {"message": answer.text}
        if answer.status_code >= 300:
            raise APIFault(answer.status_code, said)
        return dict(said)

    def get(self, kind: str, namespace: str, name: str) -> Json:
        return self.request("GET", self.path(kind, namespace, name))

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return the object, or None when it (or its kind) is not there."""
        try:
            return self.get(kind, namespace, name)
        except APIFault as fault:
            if fault.status == 404:
                return None
            raise

    def items(self, kind: str, namespace: str = "", **query: str) -> list[Json]:
        return list(self.request("GET", self.path(kind, namespace), **query).get("items", ()))

    def create(self, manifest: Mapping[str, Any], **query: str) -> Json:
        path = self.path(manifest["kind"], manifest["metadata"].get("namespace", ""))
        return self.request("POST", path, manifest, **query)

    def patch(self, kind: str, namespace: str, name: str, change: Any, sub: str = "") -> Json:
        """Patch as somebody who is not the operator: a mapping merges, a list is a JSON patch."""
        content = JSON_PATCH if isinstance(change, list) else MERGE_PATCH
        path = self.path(kind, namespace, name, sub)
        return self.request("PATCH", path, change, content, fieldManager="somebody-else")

    def delete(self, kind: str, namespace: str, name: str, **query: str) -> None:
        with suppress_missing():
            self.request("DELETE", self.path(kind, namespace, name), **query)

    def watch(self, kind: str, namespace: str, **query: str) -> "Watch":
        """Start to watch now: what happens after this call is seen."""
        listed = self.request("GET", self.path(kind, namespace), **query)
        version = listed["metadata"]["resourceVersion"]
        wanted = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "300", **query}
        return Watch(self._watcher, f"{self.path(kind, namespace)}?{urlencode(wanted)}")

    def kubectl(self, *args: str, stdin: str | None = None, timeout: float = 0.0) -> str:
        """Run kubectl; fail with its own words."""
        done = self.kubectl_result(*args, stdin=stdin, timeout=timeout)
        if done.returncode != 0:
            pytest.fail(f"kubectl {' '.join(args)}: {done.stderr.strip()}", pytrace=False)
        return done.stdout

    def kubectl_result(
        self, *args: str, stdin: str | None = None, timeout: float = 0.0
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout or KUBECTL_SECONDS,
            check=False,
            env={**os.environ, "KUBECONFIG": self.kubeconfig},
        )


class Watch:
    """Collects watch events in a thread until closed; bounded by the server's time limit."""

    def __init__(self, client: httpx2.Client, path: str) -> None:
        self.events: list[tuple[float, str, Json]] = []
        self._client = client
        self._path = path
        self._on_event: Callable[[str, Json], None] | None = None
        self._stop = threading.Event()
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        if not self._open.wait(REQUEST_SECONDS):
            raise TimeoutError(f"the watch did not open: {self._path}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def on_event(self, react: Callable[[str, Json], None]) -> "Watch":
        """React in the watching thread, at once."""
        self._on_event = react
        return self

    def objects(self) -> Iterator[Json]:
        """Every version seen so far, in order, deletions left out."""
        return (item for _, kind, item in list(self.events) if kind in {"ADDED", "MODIFIED"})

    def _run(self) -> None:
        # The stream ends with the suite's client at the latest; an early end shows as a gap.
        with (
            suppress(httpx2.HTTPError),
            self._client.stream("GET", self._path, timeout=None) as answer,
        ):
            self._open.set()
            for line in answer.iter_lines():
                if self._stop.is_set():
                    return
                event = json.loads(line)
                self.events.append((time.monotonic(), event["type"], event["object"]))
                if self._on_event is not None:
                    self._on_event(event["type"], event["object"])


class suppress_missing:  # noqa: N801 - reads like contextlib.suppress
    """Lets "not found" pass: gone already is fine."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, fault: BaseException | None, _: object) -> bool:
        return isinstance(fault, APIFault) and fault.status == 404


def condition_of(body: Mapping[str, Any], kind: str) -> Json | None:
    """Return one condition of an object."""
    found = (c for c in body.get("status", {}).get("conditions", ()) if c["type"] == kind)
    return next(found, None)


def _connection(path: Path) -> tuple[str, ssl.SSLContext, dict[str, str]]:
    config = yaml.safe_load(path.read_text())
    by_name = {
        kind: {item["name"]: item[kind[:-1]] for item in config[kind]}
        for kind in ("clusters", "contexts", "users")
    }
    context = by_name["contexts"][config["current-context"]]
    cluster, user = by_name["clusters"][context["cluster"]], by_name["users"][context["user"]]
    tls = ssl.create_default_context(cadata=_content(cluster, "certificate-authority").decode())
    if "client-certificate" in user or "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
            pair.write(_content(user, "client-certificate") + b"\n" + _content(user, "client-key"))
            pair.flush()
            tls.load_cert_chain(pair.name)
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return cluster["server"], tls, headers


def _content(holder: Mapping[str, str], key: str) -> bytes:
    if f"{key}-data" in holder:
        return base64.b64decode(holder[f"{key}-data"])
    return Path(holder[key]).read_bytes()
