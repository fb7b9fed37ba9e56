"""Clients of our own, for what wrk cannot do: fill, look into every answer, keep a given pace."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any, TypeVar, cast

import numpy as np
import uvloop
from numpy.typing import NDArray

from .errors import BenchError

HOST = "127.0.0.1"
TICK_SECONDS = 0.001
SAMPLE_SECONDS = 1.0
DRAIN_SECONDS = 10.0
# Below this share of what was due the client was the slow one.
PACE_MIN = 0.98
CONTENT_LENGTH = b"content-length:"
STATUS = slice(9, 12)

Answer = tuple[int, bytes]
T = TypeVar("T")


class Reader:
    """Takes the answers out of the bytes of one connection."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Answer]:
        """Answers that are complete now: status and body."""
        self._rest += data
        found = []
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end].lower()
            at = head.find(CONTENT_LENGTH)
            if at < 0:
                raise BenchError(f"an answer without a length: {head[:200]!r}")
            length = int(head[at + len(CONTENT_LENGTH) :].split(b"\r\n", 1)[0])
            whole = end + 4 + length
            if len(self._rest) < whole:
                break
            found.append((int(head[STATUS]), self._rest[end + 4 : whole]))
            self._rest = self._rest[whole:]
        return found


class Line(asyncio.Protocol):
    """One connection that has one request under way at most."""

    def __init__(self, answered: Callable[["Line", Answer | None], None]) -> None:
        self.since = 0.0
        """When what is under way was due, for the caller to use."""
        self._answered = answered
        self._reader = Reader()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes) -> None:
        """Send one request."""
        assert self._transport is not None, "connected first"
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Hand on an answer."""
        for answer in self._reader.feed(data):
            self._answered(self, answer)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell that there will be no answer."""
        self._answered(self, None)

    def close(self) -> None:
        """Close the connection, and tell nobody any more."""
        self._answered = lambda *_: None
        if self._transport is not None:
            self._transport.close()


def ask_all(port: int, requests: Iterable[bytes], connections: int) -> list[Answer]:
    """Send all `requests`, `connections` at a time; the answers as they came.

    Raises:
        BenchError: a connection was closed.
    """
    return _run(_ask_all(port, iter(requests), connections))


@dataclass(frozen=True, slots=True, eq=False)
class Endured:
    """What came of a steady load. Seconds; `resident` are bytes, one figure a sample."""

    due: int
    answered: int
    failed: int
    latencies: NDArray[np.float64]
    resident: list[int]

    @property
    def p50(self) -> float:
        """Half of the answers took no longer."""
        return float(np.percentile(self.latencies, 50))

    @property
    def p99(self) -> float:
        """All but one in a hundred took no longer."""
        return float(np.percentile(self.latencies, 99))

    def growth(self) -> float:
        """MiB a minute by which memory grew: the median of all slopes between two samples."""
        return slope(self.resident) * (60.0 / SAMPLE_SECONDS) / 2**20


def slope(samples: Sequence[float]) -> float:
    """Growth per sample; a single jump does not move it much."""
    pairs = [
        (later - sooner) / (j - i)
        for i, sooner in enumerate(samples)
        for j, later in enumerate(samples[i + 1 :], i + 1)
    ]
    return median(pairs) if pairs else 0.0


def endure(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    rate: float,
    warm_seconds: float,
    seconds: float,
    resident: Callable[[], int],
) -> Endured:
    """Keep a pace of `rate` a second over connections that stay open.

    What falls due waits for nobody: when all connections are busy, the wait for one counts.

    Raises:
        BenchError: this client could not keep the pace.
    """
    return _run(_Pace(port, requests, connections, rate).run(warm_seconds, seconds, resident))


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _connect(
    port: int, count: int, answered: Callable[[Line, Answer | None], None]
) -> list[Line]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: Line(answered), HOST, port))[1] for _ in range(count)
    ]


async def _ask_all(port: int, requests: Iterator[bytes], connections: int) -> list[Answer]:
    answers: list[Answer] = []
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    under_way = 0

    def answered(line: Line, answer: Answer | None) -> None:
        nonlocal under_way
        if done.done():
            return
        if answer is None:
            done.set_exception(BenchError(f"closed after {len(answers)} answers"))
            return
        answers.append(answer)
        following = next(requests, None)
        if following is not None:
            line.send(following)
            return
        under_way -= 1
        if not under_way:
            done.set_result(None)

    lines = await _connect(port, connections, answered)
    try:
        first = list(islice(requests, connections))
        under_way = len(first)
        for line, request in zip(lines, first, strict=False):
            line.send(request)
        if first:
            await done
    finally:
        for line in lines:
            line.close()
    return answers


class _Pace:
    """Sends what is due at each tick; see `endure`."""

    def __init__(self, port: int, requests: Iterator[bytes], connections: int, rate: float) -> None:
        self._port = port
        self._requests = requests
        self._connections = connections
        self._rate = rate
        self._idle: deque[Line] = deque()
        self._waiting: deque[float] = deque()
        self._latencies: list[float] = []
        self._answered = 0
        self._failed = 0
        self._sent = 0

    async def run(
        self, warm_seconds: float, seconds: float, resident: Callable[[], int]
    ) -> Endured:
        lines = await _connect(self._port, self._connections, self._on_answer)
        self._idle.extend(lines)
        try:
            await self._keep(warm_seconds, None, [])
            await self._settled()
            self._latencies.clear()
            self._answered = self._sent = 0
            samples: list[int] = []
            due = await self._keep(seconds, resident, samples)
            await self._settled()
        finally:
            for line in lines:
                line.close()
        if due < PACE_MIN * self._rate * seconds:
            raise BenchError(
                f"only {due} of {self._rate * seconds:.0f} requests fell due in time",
                hint="stop what else runs on this machine, and run the bench again",
            )
        latencies = np.array(self._latencies)
        return Endured(due, self._answered, self._failed, latencies, samples)

    async def _keep(
        self, seconds: float, resident: Callable[[], int] | None, samples: list[int]
    ) -> int:
        begun = time.perf_counter()
        sample_at, sent = 0.0, 0
        while (now := time.perf_counter() - begun) < seconds:
            due = int(now * self._rate) - sent
            sent += due
            self._fall_due(due)
            if resident is not None and now >= sample_at:
                samples.append(resident())
                sample_at += SAMPLE_SECONDS
            await asyncio.sleep(TICK_SECONDS)
        return sent

    def _fall_due(self, count: int) -> None:
        now = time.perf_counter()
        self._waiting.extend([now] * count)
        while self._waiting and self._idle:
            self._send(self._idle.popleft())

    def _send(self, line: Line) -> None:
        line.since = self._waiting.popleft()
        self._sent += 1
        line.send(next(self._requests))

    def _on_answer(self, line: Line, answer: Answer | None) -> None:
        if answer is None:
            # Its place in the row of idle connections is given up with it.
            self._failed += 1
            if line in self._idle:
                self._idle.remove(line)
            return
        self._latencies.append(time.perf_counter() - line.since)
        self._answered += 1
        if not accepted(answer):
            self._failed += 1
        if self._waiting:
            self._send(line)
        else:
            self._idle.append(line)

    async def _settled(self) -> None:
        deadline = time.perf_counter() + DRAIN_SECONDS
        # An event would have to be looked after in every answer.
        while (  # noqa: ASYNC110
            self._waiting or self._answered < self._sent
        ) and time.perf_counter() < deadline:
            await asyncio.sleep(TICK_SECONDS)
        self._failed += len(self._waiting) + self._sent - self._answered


def accepted(answer: Answer) -> bool:
    """Whether an answer says that it was accepted."""
    status, body = answer
    return status == 200 and json.loads(body).get("accepted") is True
