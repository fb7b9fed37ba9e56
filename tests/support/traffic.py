"""A client that runs as a pod: modest, steady traffic at an engine, counted request by request.

Runs inside the cluster, so it meets DNS, the Service and its session affinity as any client does.
Every other thread keeps its connection, as most clients do; like these it sends a request once
more, on a new one, when the kept one turns out to be closed. The others connect for each request.
`GET /` on port 8088 tells the counts so far and `GET /stop` ends the traffic; it also ends by
itself.

Environment: TARGET (host:port), API_KEY, THREADS, PAUSE_SECONDS (between two requests of a
thread), MAX_SECONDS.
"""

import http.client
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8088
FAULTS_KEPT = 20
REQUEST_SECONDS = 10.0


class Counts:
    """What became of the requests."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.sent = 0
        self.failed = 0
        self.reconnected = 0
        self.faults: list[str] = []
        self.revisions: dict[str, int] = {}

    def note(self, fault: str | None, revision: str = "") -> None:
        with self.lock:
            self.sent += 1
            if revision:
                self.revisions[revision] = self.revisions.get(revision, 0) + 1
            if fault is not None:
                self.failed += 1
                if len(self.faults) < FAULTS_KEPT:
                    self.faults.append(f"{time.strftime('%H:%M:%S')} {fault}")

    def report(self) -> dict[str, object]:
        with self.lock:
            return {
                "sent": self.sent,
                "failed": self.failed,
                "reconnected": self.reconnected,
                "faults": list(self.faults),
                "revisions": dict(self.revisions),
                "stopped": self.stop.is_set(),
            }


class Client:
    """One client, with its own habit of keeping connections."""

    def __init__(self, counts: Counts, keeps: bool) -> None:
        self._counts = counts
        self._keeps = keeps
        self._key = os.environ.get("API_KEY", "")
        self._connection = http.client.HTTPConnection(os.environ["TARGET"], timeout=REQUEST_SECONDS)

    def send(self, until: float) -> None:
        """Send until told to stop: generate and state take turns."""
        pause = float(os.environ.get("PAUSE_SECONDS", "0.1"))
        number = 0
        while time.monotonic() < until and not self._counts.stop.is_set():
            self._counts.note(*self._request(number))
            number += 1
            self._counts.stop.wait(pause)

    def _request(self, number: int) -> tuple[str | None, str]:
        """Return what went wrong, and which revision answered."""
        reused = self._connection.sock is not None
        try:
            try:
                status, text = self._exchange(number)
            except (ConnectionError, http.client.RemoteDisconnected):
                if not reused:
                    raise
                self._counts.reconnected += 1
                self._connection.close()
                status, text = self._exchange(number)
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            return f"{type(fault).__name__}: {fault}", ""
        if not self._keeps:
            self._connection.close()
        if status != 200:
            return f"{status} {text[:200]!r}", ""
        return None, str(json.loads(text).get("revision", ""))

    def _exchange(self, number: int) -> tuple[int, bytes]:
        headers = {"X-API-Key": self._key} if self._key else {}
        if number % 2:
            self._connection.request("GET", "/v1/state", headers=headers)
        else:
            body = json.dumps({"prompt": f"note number {number % 50}", "moral_value": 0.9})
            headers["Content-Type"] = "application/json"
            self._connection.request("POST", "/v1/generate", body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def main() -> None:
    """Run until the time is up; the counts stay readable a minute longer."""
    counts = Counts()
    seconds = float(os.environ.get("MAX_SECONDS", "120"))
    until = time.monotonic() + seconds

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/stop":
                counts.stop.set()
                for thread in threads:
                    thread.join(REQUEST_SECONDS)
            body = json.dumps(counts.report()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("", PORT), Handler)
    threads = [
        threading.Thread(target=Client(counts, index % 2 == 1).send, args=(until,), daemon=True)
        for index in range(int(os.environ.get("THREADS", "2")))
    ]
    for thread in threads:
        thread.start()
    server.timeout = 1.0
    while time.monotonic() < until + 60:
        server.handle_request()


if __name__ == "__main__":
    main()
