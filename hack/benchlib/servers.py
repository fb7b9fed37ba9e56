"""Processes that are measured: started on one core, read from /proc, and ended by their number."""

import contextlib
import http.client
import json
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BenchError
from .peer import QUIET

GUESTS = Path(__file__).resolve().parent / "guests"
HOST = "127.0.0.1"
START_SECONDS, START_SECONDS_PEER = 30.0, 180.0
POLL_SECONDS = 0.05
END_SECONDS = 2.0
OPEN_FILES = 4096
TICKS = os.sysconf("SC_CLK_TCK")
# Where user and system time stand in /proc/PID/stat, behind the name in brackets.
USER_TICKS, SYSTEM_TICKS = 11, 12
RATE_MAX = 100_000

ENGINE, HELLO, PEER = "engine", "hello", "peer"
CONFIG = {"rateLimit": {"enabled": True, "requestsPerSecond": RATE_MAX, "burst": RATE_MAX}}
"""Everything else as shipped: keys asked for, every request logged, the evidence filter."""


@dataclass(slots=True)
class Server:
    """A process that answers on `port`."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    errors: Path
    headers: Mapping[str, str]
    counter: tuple[str, str] | None = None
    """Where it tells how much it has accepted so far: a path, and a field of the answer."""

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        return cpu_seconds(self.process.pid)

    def resident_bytes(self) -> int:
        """Its memory in RAM."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of one GET."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(body)
        except ValueError:
            return answer.status, None

    def accepted(self) -> int:
        """How much it has accepted so far, by its own count."""
        if self.counter is None:
            raise BenchError(f"{self.name} does not count what it accepts")
        path, name = self.counter
        status, document = self.get(path)
        if status != http.HTTPStatus.OK or name not in document:
            raise BenchError(f"{self.name} answered {status} to {path}", hint=self.last_words())
        return int(document[name])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    def last_words(self) -> str:
        """The end of what it wrote about errors."""
        return self.errors.read_text(errors="replace")[-1500:].strip()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process so far, its waited-for children not included."""
    return ticks_in(Path(f"/proc/{pid}/stat").read_text()) / TICKS


def ticks_in(line: str) -> int:
    """User and system ticks in a line of /proc/PID/stat; the name in it may hold anything."""
    fields = line[line.rindex(")") + 1 :].split()
    return int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])


def allow_connections() -> None:
    """Let this process, and what it starts, have a thousand connections and more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def engine(core: int, folder: Path, *, profile: Path | None = None) -> Iterator[Server]:
    """Our server as it is shipped, with a key and a rate limit that nobody reaches."""
    key = secrets.token_hex(32)
    config, keys = folder / "engine.json", folder / "keys"
    config.write_text(json.dumps(CONFIG))
    keys.touch(0o600)
    keys.write_text(key + "\n")
    port, metrics = _free_ports(2)
    program = [str(Path(sys.executable).parent / "cognitive-engine")]
    if profile is not None:
        program = [sys.executable, str(GUESTS / "sampled.py"), str(profile)]
    command = [
        *program, "serve", "--config", str(config), "--host", HOST,
        "--port", str(port), "--metrics-port", str(metrics),
    ]  # fmt: skip
    environment = {"API_KEYS_FILE": str(keys)}
    with _running(
        ENGINE, command, core, port, folder, environment=environment, ready="/health/ready",
        headers={"X-API-Key": key}, counter=("/v1/state", "accepted_count"),
    ) as server:  # fmt: skip
        yield server


@contextlib.contextmanager
def hello(core: int, folder: Path) -> Iterator[Server]:
    """The ceiling: next to nothing, on the same HTTP server."""
    (port,) = _free_ports(1)
    command = [sys.executable, "-B", str(GUESTS / "hello.py"), str(port)]
    with _running(HELLO, command, core, port, folder, ready="/") as server:
        yield server


@contextlib.contextmanager
def peer(
    core: int, folder: Path, checkout: Path, python: Path | None, rows: int
) -> Iterator[Server]:
    """The public MLSDM as its documents start it, except that it is held awake and is full."""
    (port,) = _free_ports(1)
    checkout = checkout.resolve()
    own = checkout / ".venv/bin/python"
    program = str(python or (own if own.exists() else sys.executable))
    command = [
        program, "-B", "-m", "uvicorn", "awake:app", "--app-dir", str(GUESTS), "--host", HOST,
        "--port", str(port), "--log-level", "warning", "--no-access-log", "--lifespan", "on",
    ]  # fmt: skip
    environment = {
        **QUIET,
        "DISABLE_RATE_LIMIT": "1",
        "LLM_BACKEND": "local_stub",
        "CONFIG_PATH": "config/production.yaml",
        "PYTHONPATH": "src",
        "BENCH_ROWS": str(rows),
    }
    with _running(
        PEER, command, core, port, folder, environment=environment, ready="/health",
        cwd=checkout, patience=START_SECONDS_PEER,
        counter=("/v1/state/", "accepted_events_count"),
    ) as server:  # fmt: skip
        yield server


@contextlib.contextmanager
def _running(
    name: str,
    command: Sequence[str],
    core: int,
    port: int,
    folder: Path,
    *,
    ready: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    headers: Mapping[str, str] | None = None,
    counter: tuple[str, str] | None = None,
    patience: float = START_SECONDS,
) -> Iterator[Server]:
    """A process on `core`, from when it answers `ready` with 200; ended whatever happens.

    Should this process be killed, that one is too.
    """
    inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    errors = folder / f"{name}-{port}.errors"
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(core), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sink,
            env={**inherited, **threads, **(environment or {})},
            cwd=cwd or folder,
        )
    server = Server(name, process, port, errors, headers or {}, counter)
    try:
        _wait(server, ready, patience)
        yield server
    finally:
        _end(process)


def _wait(server: Server, path: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while server.process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if server.get(path)[0] == http.HTTPStatus.OK:
                return
        time.sleep(POLL_SECONDS)
    code = server.process.poll()
    state = f"ended with {code}" if code is not None else f"was not ready after {patience:g} s"
    raise BenchError(f"{server.name} {state}: {server.last_words() or 'it said nothing'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it; twice told it does not wait for its callers, and who does not listen is killed."""
    for _ in range(2):
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS / 2)
    if process.poll() is None:
        process.kill()
    process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for taken in sockets:
            taken.bind((HOST, 0))
        return [taken.getsockname()[1] for taken in sockets]
