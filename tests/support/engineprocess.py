"""The engine as a process with little patience, and ways to send it bytes of any kind."""

import contextlib
import json
import re
import select
import signal
import socket
import subprocess
import sys
import time

import httpx2

from oidcissuer import AUDIENCE

KEY = "a-key-of-the-tests"
NEXT_KEY = "the-key-that-comes-after"
CANARY = "c4n4ry-5ecret"
SECONDS = 10.0
# Ten seconds for a head are kind to clients and long for tests.
HEAD_SECONDS = 0.5
REQUEST_SECONDS = 2
START = f"""
import sys
from cognitive_engine.domain import limits
limits.HEAD_SECONDS = {HEAD_SECONDS}
from cognitive_engine.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class EngineProcess:
    """A serving process and the ways to talk to it."""

    def __init__(self, folder, issuer):
        self.keys = folder / "keys"
        self.log = folder / "log"
        self.keys.write_text(f"{KEY} role=admin trusted=true\n")
        config = {
            "auth": {"mode": "Any", "oidc": {"issuer": issuer, "audience": AUDIENCE}},
            "rateLimit": {"enabled": False},
            "memory": {"dimension": 8, "capacity": 100},
            "api": {"requestTimeoutSeconds": REQUEST_SECONDS},
            "logging": {"level": "DEBUG"},
        }
        (folder / "config.yaml").write_text(json.dumps(config))
        options = ["--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, "serve", *options],
                env={
                    "API_KEYS_FILE": str(self.keys),
                    "CONFIG_PATH": str(folder / "config.yaml"),
                    "SHUTDOWN_SECONDS": "2",
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started = until(lambda: [line for line in self.lines() if line["event"] == "started"])
        self.address = ("127.0.0.1", started[0]["port"])
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{started[0]['port']}",
            headers={"X-API-Key": KEY, "Content-Type": "application/json"},
            timeout=SECONDS,
            trust_env=False,
        )
        until(lambda: self.client.get("/health/ready").status_code == 200)

    def stop(self):
        """Let it leave in good order."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def lines(self):
        """The log so far; a line that is no JSON object is an error."""
        whole = self.log.read_bytes().rpartition(b"\n")[0]
        return [dict(json.loads(line)) for line in whole.splitlines()]

    def line_of(self, request_id):
        """The one line of a request; lines come a moment after answers."""
        return until(
            lambda: [
                line
                for line in self.lines()
                if line["event"] == "request" and line["request_id"] == request_id
            ]
        )

    def digest(self):
        return self.client.get("/v1/state").json()["state_digest"]

    @contextlib.contextmanager
    def connection(self):
        with socket.create_connection(self.address, SECONDS) as connection:
            yield connection

    def tell(self, *parts, pause=0.0):
        """Send `parts`; all that comes back until the engine closes, or says no more."""
        with self.connection() as connection:
            for part in parts:
                with contextlib.suppress(ConnectionError):  # it may have heard enough
                    connection.sendall(part)
                if pause:
                    select.select([connection], [], [], pause)
            return listen(connection)


def until(condition):
    """What `condition` says once it says something."""
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(httpx2.TransportError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, "never came"
        select.select([], [], [], 0.02)


def listen(connection):
    connection.settimeout(HEAD_SECONDS + REQUEST_SECONDS + 2)
    heard = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(65_536):
            heard += chunk
    return heard


def statuses(heard):
    return [int(status) for status in STATUS.findall(heard)]


def request(line="GET /health/live", *headers, body=b""):
    head = "\r\n".join((f"{line} HTTP/1.1", "Host: engine", *headers, "", ""))
    return head.encode("latin-1") + body


def posted(path, body, *headers):
    """A request with everything that is wanted of it."""
    return request(
        f"POST {path}",
        f"X-API-Key: {KEY}",
        "Content-Type: application/json",
        *headers,
        body=body,
    )
