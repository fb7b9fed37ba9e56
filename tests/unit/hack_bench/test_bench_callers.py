"""Clients of our own: answers cut anywhere, a pace that is kept, failures that are counted."""

import asyncio
import threading
from itertools import pairwise, repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchlib import callers
from benchlib.callers import Endured, Reader
from benchlib.errors import BenchError

REQUEST = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def answer(body, status=200):
    head = f"HTTP/1.1 {status} X\r\nA: b\r\nContent-LENGTH: {len(body)}\r\n\r\n"
    return head.encode() + body


@given(
    bodies=st.lists(st.binary(max_size=40), max_size=5),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_answers_are_the_same_however_they_are_cut(bodies, cuts):
    whole = b"".join(answer(body, 200 + number) for number, body in enumerate(bodies))
    at = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    reader = Reader()
    found = [one for start, end in pairwise(at) for one in reader.feed(whole[start:end])]
    assert found == [(200 + number, body) for number, body in enumerate(bodies)]


def test_an_answer_without_a_length_is_refused():
    with pytest.raises(BenchError, match="without a length"):
        Reader().feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"accepted": true}', True),
        (200, b'{"accepted":false}', False),
        (200, b"{}", False),
        (429, b'{"accepted": true}', False),
    ],
)
def test_only_what_says_so_was_accepted(status, body, expected):
    assert callers.accepted((status, body)) is expected


class Server:
    """Answers in a thread of its own, by a function from the number of a request."""

    def __init__(self):
        self.reply = lambda number: answer(b'{"accepted":true}')
        self.seen = 0
        self.connections = 0
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def serve():
            server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._stop = asyncio.Event()
            started.set()
            await self._stop.wait()
            server.close()

        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(serve(),))
        self._thread.start()
        started.wait()

    async def _talk(self, reader, writer):
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.seen += 1
                reply = self.reply(self.seen)
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.mark.parametrize("count", [0, 3, 50])
def test_all_are_asked_over_so_many_connections(server, count):
    found = callers.ask_all(server.port, [REQUEST] * count, 4)
    assert found == [(200, b'{"accepted":true}')] * count
    assert server.seen == count
    assert server.connections == 4 or count < 4


def test_a_connection_that_is_closed_fails(server):
    server.reply = lambda number: answer(b"{}") if number < 10 else None
    with pytest.raises(BenchError, match="closed after 9 answers"):
        callers.ask_all(server.port, [REQUEST] * 20, 1)


def endure(server, **changes):
    settings = {
        "connections": 20, "rate": 200.0, "warm_seconds": 0.1, "seconds": 0.5,
        "resident": lambda: 1000,
    } | changes  # fmt: skip
    return callers.endure(server.port, repeat(REQUEST), **settings)


def test_a_pace_is_kept_over_connections_that_stay(server):
    found = endure(server)
    assert found.due == pytest.approx(100, abs=2)
    assert (found.answered, found.failed) == (found.due, 0)
    assert server.connections == 20
    assert server.seen > found.due  # the warming is not counted
    assert len(found.latencies) == found.due
    assert 0 < found.p50 <= found.p99
    assert found.resident == [1000]


def test_what_is_refused_has_failed(server):
    server.reply = lambda _: answer(b"{}", 429)
    found = endure(server)
    assert found.failed >= found.due


def test_what_is_never_answered_has_failed(server, monkeypatch):
    monkeypatch.setattr(callers, "DRAIN_SECONDS", 0.1)
    server.reply = lambda number: b"" if number % 10 == 0 else answer(b'{"accepted":true}')
    found = endure(server)
    assert 0 < found.failed <= found.due
    assert found.answered < found.due


def test_a_connection_that_goes_is_counted(server, monkeypatch):
    monkeypatch.setattr(callers, "DRAIN_SECONDS", 0.1)
    server.reply = lambda number: None if number == 40 else answer(b'{"accepted":true}')
    assert endure(server).failed > 0


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=20), st.integers(-1000, 1000))
def test_a_slope_adds_up_and_one_jump_does_not_move_it(samples, growth):
    steady = [growth * number for number in range(len(samples))]
    assert callers.slope(steady) == growth
    assert min(samples) - max(samples) <= callers.slope(samples) <= max(samples) - min(samples)
    jumped = [*steady, *(value + 10**9 for value in steady[-1:])]
    if len(samples) > 4:
        assert abs(callers.slope(jumped) - growth) <= abs(growth)


def test_growth_is_told_in_mebibytes_a_minute():
    found = Endured(1, 1, 0, np.array([0.1]), [2**20 * second for second in range(10)])
    assert found.growth() == pytest.approx(60.0)
