"""The processes that are measured: really started, filled, read, and gone afterwards."""

import os
import signal
import sys
import textwrap
from contextlib import contextmanager

import pytest

from benchlib import callers, loads, profiles, servers, service, vectors
from benchlib.errors import BenchError
from benchlib.guests.hello import BODY
from benchlib.wrk import Sent

CORE = min(os.sched_getaffinity(0))


@contextmanager
def child(tmp_path, program, **more):
    (port,) = servers._free_ports(1)
    command = [sys.executable, "-c", program, str(port)]
    with servers._running("child", command, CORE, port, tmp_path, ready="/", **more) as server:
        yield server


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("name", ["python", "a b", "a) (b", ") 1 2 3"])
def test_cpu_time_is_found_whatever_the_process_is_called(name):
    fields = ["S", *map(str, range(4, 14)), "700", "42", *map(str, range(16, 53))]
    assert servers.ticks_in(f"12 ({name}) {' '.join(fields)}") == 742


def test_hello_answers_on_its_core_and_is_gone_afterwards(tmp_path):
    with servers.hello(CORE, tmp_path) as server:
        pid = server.process.pid
        assert os.sched_getaffinity(pid) == {CORE}
        assert server.get("/anything") == (200, {"status": "hello"})
        before = server.cpu_seconds()
        sent = [Sent("/").request("{}")] * 2000
        assert callers.ask_all(server.port, sent, 8) == [(200, BODY)] * 2000
        assert 0 < server.cpu_seconds() - before < 60
        assert 2**20 < server.resident_bytes() < 2**30
    assert gone(pid)


def test_it_is_gone_after_a_failure_too(tmp_path):
    pids = []

    def fail():
        with servers.hello(CORE, tmp_path) as server:
            pids.append(server.process.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [gone(pid) for pid in pids] == [True]


def test_who_ends_at_once_is_quoted(tmp_path):
    with (
        pytest.raises(BenchError, match=r"child ended with 3: no such setting"),
        child(tmp_path, "import sys; sys.stderr.write('no such setting\\n'); sys.exit(3)"),
    ):
        pass


def test_who_is_never_ready_is_ended(tmp_path):
    program = "import os, sys, time; sys.stderr.write(str(os.getpid())); sys.stderr.flush()\n"
    program += "time.sleep(600)"
    with (
        pytest.raises(BenchError, match=r"was not ready after 1 s") as refused,
        child(tmp_path, program, patience=1.0),
    ):
        pass
    assert gone(int(str(refused.value).rpartition(": ")[2]))


def test_who_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(servers, "END_SECONDS", 0.2)
    program = textwrap.dedent("""
        import http.server, signal, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        class Deaf(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200); self.send_header("Content-Length", "0")
                self.end_headers()
        http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Deaf).serve_forever()
    """)
    with child(tmp_path, program) as server:
        process = server.process
        assert server.get("/") == (200, None)
        with pytest.raises(BenchError, match="child does not count"):
            server.accepted()
    assert process.returncode == -signal.SIGKILL


def test_the_engine_is_filled_counted_and_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "SAMPLES_MIN", 10)
    rows = vectors.make("clustered", 64, 1).rows
    out = tmp_path / "profile"
    with servers.engine(CORE, tmp_path, profile=out) as engine:
        service._fill(engine, rows[:32])
        service._check(engine, rows[32:])
        before = engine.accepted()
        asked = loads.prompts(engine, 1)

        def load():
            sent = [next(asked) for _ in range(500)]
            return len(callers.ask_all(engine.port, sent, 4))

        for _ in range(2):
            found = profiles.record(engine, out, load)
            assert found.answers == 500
            assert {"edge", "domain/memory"} <= {area for area, _ in found.areas()}
            assert any(spot.label.endswith(" main") for spot in found.spots)
        assert engine.accepted() - before == 1000
        wrong = engine.headers | {"X-API-Key": "another"}
        (answer,) = callers.ask_all(engine.port, [Sent("/v1/generate", wrong).request("{}")], 1)
        assert answer[0] == 401


PEER = """
import json

class CognitiveRhythm:
    def __init__(self):
        self.phase, self.counter, self._is_wake = "sleep", 3, False

class MoralFilterV2:
    def __init__(self):
        self.threshold = 0.9
    def adapt(self, accepted):
        self.threshold += 0.05

class MoralFilter(MoralFilterV2):
    pass

class PhaseEntangledLatticeMemory:
    def __init__(self, dimension):
        self.dimension, self.rows = dimension, []
    def entangle_batch(self, vectors, phases):
        assert all(len(v) == self.dimension for v in vectors)
        self.rows += zip(vectors, phases)

STATE = {}
ACCEPTED = 0

async def app(scope, receive, send):
    global ACCEPTED
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                STATE.update(MAKE)
                await send({"type": "lifespan.startup.complete"})
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return
    if scope["path"] == "/generate":
        ACCEPTED += 1
        for found in STATE["filters"]:
            found.adapt(True)
    rhythm = STATE["rhythm"]
    body = json.dumps({
        "accepted": rhythm._is_wake, "accepted_events_count": ACCEPTED,
        "rhythm": [rhythm.phase, rhythm.counter, rhythm._is_wake],
        "thresholds": [found.threshold for found in STATE["filters"]],
        "phases": [[phase for _, phase in memory.rows] for memory in STATE["memories"]],
    }).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
MAKE = """
MAKE = {
    "rhythm": CognitiveRhythm(), "filters": [MoralFilterV2(), MoralFilter()],
    "memories": [PhaseEntangledLatticeMemory(384), PhaseEntangledLatticeMemory(10)],
}
"""


def checkout(tmp_path, text):
    folder = tmp_path / "checkout/src/mlsdm/api"
    folder.mkdir(parents=True)
    for name in (folder / "__init__.py", folder.parent / "__init__.py"):
        name.touch()
    (folder / "app.py").write_text(text)
    return tmp_path / "checkout"


def test_the_peer_is_full_and_stays_awake(tmp_path):
    with servers.peer(CORE, tmp_path, checkout(tmp_path, PEER + MAKE), None, 5) as peer:
        sent = [Sent("/generate").request(loads.prompt_body("1", 1))] * 9
        assert all(callers.accepted(a) for a in callers.ask_all(peer.port, sent, 2))
        _, found = peer.get("/health")
        assert found["rhythm"] == ["wake", 10**9, True]
        assert found["thresholds"] == [0.5, 0.5]
        assert found["phases"] == [[0.1, 0.9, 0.1, 0.9, 0.1], []]
        assert peer.accepted() == 9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PEER + MAKE.replace("(384)", "(11)"), "found no PhaseEntangledLatticeMemory"),
        (PEER + MAKE.replace("CognitiveRhythm()", "None"), "found 0 CognitiveRhythm"),
        ("import package_that_is_not_there", "package_that_is_not_there"),
    ],
)
def test_a_peer_that_cannot_be_held_awake_is_a_clear_no(tmp_path, text, said):
    with (
        pytest.raises(BenchError, match=r"peer ended with .*") as refused,
        servers.peer(CORE, tmp_path, checkout(tmp_path, text), None, 5),
    ):
        pass
    assert said in str(refused.value)


def test_the_peer_runs_with_the_interpreter_that_is_named(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho only me >&2\nexit 4\n")
    program.chmod(0o755)
    with (
        pytest.raises(BenchError, match="peer ended with 4: only me"),
        servers.peer(CORE, tmp_path, checkout(tmp_path, PEER), program, 5),
    ):
        pass
