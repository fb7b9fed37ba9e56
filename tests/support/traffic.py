"""A client that runs as a pod: modest, steady traffic at an engine, counted request by request.

Runs inside the cluster, so it meets DNS, the Service and its session affinity as any client does.
Each request opens a connection of its own. `GET /` on port 8088 tells the counts so far and
`GET /stop` ends the traffic; it also ends by itself.

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
                "faults": list(self.faults),
                "revisions": dict(self.revisions),
                "stopped": self.stop.is_set(),
            }


def request(target: str, key: str, number: int) -> tuple[str | None, str]:
    """Send one request: generate and state take turns. Return the fault and who answered."""
    headers = {"X-API-Key": key} if key else {}
    connection = http.client.HTTPConnection(target, timeout=REQUEST_SECONDS)
    try:
        if number % 2:
            connection.request("GET", "/v1/state", headers=headers)
        else:
            body = json.dumps({"prompt": f"note number {number % 50}", "moral_value": 0.9})
            headers["Content-Type"] = "application/json"
            connection.request("POST", "/v1/generate", body, headers)
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as fault:
        return f"{type(fault).__name__}: {fault}", ""
    finally:
        connection.close()
    if answer.status != 200:
        return f"{answer.status} {text[:200]!r}", ""
    return None, str(json.loads(text).get("revision", ""))


def send(counts: Counts, until: float) -> None:
    """Send until told to stop."""
    target, key = os.environ["TARGET"], os.environ.get("API_KEY", "")
    pause = float(os.environ.get("PAUSE_SECONDS", "0.1"))
    number = 0
    while time.monotonic() < until and not counts.stop.is_set():
        counts.note(*request(target, key, number))
        number += 1
        counts.stop.wait(pause)


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
        threading.Thread(target=send, args=(counts, until), daemon=True)
        for _ in range(int(os.environ.get("THREADS", "2")))
    ]
    for thread in threads:
        thread.start()
    server.timeout = 1.0
    while time.monotonic() < until + 60:
        server.handle_request()


if __name__ == "__main__":
    main()
