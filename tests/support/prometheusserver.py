"""A real Prometheus on loopback, for a test: it scrapes, judges rules and answers queries."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

START_SECONDS = 30.0
WAIT_SECONDS = 40.0
POLL_SECONDS = 0.2
HINT = "install Debian's Prometheus with ./hack/prometheus"


def program(name: str) -> str:
    """Where the program is; a test without it fails."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not on this machine: {HINT}")
    return found


class Prometheus:
    """Asks a server."""

    def __init__(self, address: str) -> None:
        self._client = httpx2.Client(base_url=address, timeout=10)

    def get(self, path: str, **parameters: str) -> Any:
        """What the API has at `path`."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def ready(self) -> bool:
        """Whether it answers."""
        with contextlib.suppress(httpx2.TransportError):
            return self._client.get("/-/ready").status_code == 200
        return False

    def value(self, query: str) -> float | None:
        """The one value of `query` now; None without one."""
        found = self.get("query", query=query)["result"]
        assert len(found) <= 1, f"{query} has {len(found)} values"
        return float(found[0]["value"][1]) if found else None

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Each alerting rule by its name."""
        groups = self.get("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@contextlib.contextmanager
def prometheus(folder: Path, config: Mapping[str, Any], rules: Mapping[str, Any]) -> Iterator[Any]:
    """A server with `config` and one file of `rules`, until the block ends."""
    (folder / "rules.yml").write_text(json.dumps(rules))
    settings = {**config, "rule_files": [str(folder / "rules.yml")]}
    (folder / "prometheus.yml").write_text(json.dumps(settings))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        asking = Prometheus(f"http://127.0.0.1:{port}")
        try:
            until(lambda: asking.ready() or process.poll() is not None, START_SECONDS)
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield asking
        finally:
            asking.close()
            process.terminate()
            process.wait(15)


def until(holds: Callable[[], Any], seconds: float = WAIT_SECONDS, told: object = "") -> Any:
    """What `holds` tells as soon as it tells anything; it is asked again and again.

    `told` goes into the error.

    Raises:
        AssertionError: it told nothing in time.
    """
    ends = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < ends, f"not within {seconds:g} s {told}"
        time.sleep(POLL_SECONDS)
    return found
