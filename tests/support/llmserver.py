"""A server that speaks the published shapes, well or as badly as it is told to.

    with LLMServer() as server:
        server.script(refuse(429, retry_after=1), well())      the next calls, in order
        server.always(silent())                                all calls after these

It runs in a thread on a port of its own and keeps a list of the calls.
"""

import asyncio
import gzip
import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import urlsplit

from llmvendors import Complaint, Json, Vendor, encoded, quoting, vendor_of

ANSWER = "planted-answer: the cat is called Whiskers"
WAIT_SECONDS = 10.0
_DRIP_SECONDS = 0.02


class Manner(Enum):
    """How an answer is sent."""

    WHOLE = auto()
    CUT = auto()
    DRIPPED = auto()
    HUNG_UP = auto()
    SILENT = auto()
    ENDLESS = auto()
    THEN_CLOSED = auto()


@dataclass(frozen=True)
class Reply:
    """What becomes of a call. Without a `body` it is the vendor's own, after `change`."""

    status: int = 200
    body: bytes | None = None
    change: Callable[[Json], object] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    manner: Manner = Manner.WHOLE
    held: bool = False
    refused: str | None = None


def well(change: Callable[[Json], object] | None = None) -> Reply:
    """The vendor's answer, as it should be or with `change` made to it."""
    return Reply(change=change)


def held() -> Reply:
    """A good answer, once the gate is opened."""
    return Reply(held=True)


def raw(body: bytes, **headers: str) -> Reply:
    """Any bytes with status 200."""
    return Reply(body=body, headers=headers)


def refuse(status: int, retry_after: object = None, field: str | None = None) -> Reply:
    """The vendor's error for `status`; `field` is the one it does not take."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(status=status, headers=headers, refused=field)


def redirect(location: str) -> Reply:
    """A redirect that keeps the method."""
    return Reply(status=307, body=b"", headers={"Location": location})


def sent(manner: Manner) -> Reply:
    """A good answer, badly sent."""
    return Reply(manner=manner)


def packed() -> Reply:
    """An answer that nobody asked to be packed."""
    return raw(gzip.compress(b"{}"), **{"Content-Encoding": "gzip"})


@dataclass(frozen=True)
class Call:
    """One call, as it arrived."""

    target: str
    headers: dict[str, str]
    body: Json
    connection: int

    @property
    def path(self) -> str:
        """The path of the target, which a proxy gets as a whole URL."""
        return urlsplit(self.target).path


class LLMServer:
    """All vendors at `url`; `key`, when set, is the only one that is taken.

    `refused_fields` are those that its models do not take.
    """

    def __init__(self, key: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.key = key
        self.vector = [3.0, 4.0, 0.0, 0.0]
        self.answer = ANSWER
        self.refused_fields: frozenset[str] = frozenset()
        self.calls: list[Call] = []
        self.connections = 0
        self.closed = 0
        self.busy = 0
        self.busiest = 0
        self._tls = tls
        self._script: deque[Reply] = deque()
        self._default = Reply()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._gate = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llmserver")

    def __enter__(self) -> "LLMServer":
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(WAIT_SECONDS)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(WAIT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS)
        self._loop.close()

    def script(self, *replies: Reply) -> None:
        """What becomes of the next calls."""
        self._script.extend(replies)

    def always(self, reply: Reply) -> None:
        """What becomes of the calls after the script."""
        self._default = reply

    def open_gate(self) -> None:
        """Let go of all held calls."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait, not for ever, until `condition` holds."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), "the server saw it not come"

    async def reached(self, calls: int) -> None:
        """Wait until so many calls have arrived."""
        await asyncio.to_thread(self.until, lambda: len(self.calls) >= calls)

    async def idle(self) -> None:
        """Wait until no call is under way."""
        await asyncio.to_thread(self.until, lambda: self.busy == 0)

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with self._changed:
            self.connections += 1
            number = self.connections
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer, number):
                pass
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        with self._changed:
            self.closed += 1
            self._changed.notify_all()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> bool:
        first = await reader.readexactly(1)
        if not first.isalpha():
            # A handshake, where none was expected.
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return False
        head = first + await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        target = lines[0].split(" ")[1]
        pairs = (line.split(":", 1) for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, value in pairs}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        call = Call(target, headers, json.loads(content or b"{}"), connection)
        with self._changed:
            self.calls.append(call)
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            reply = self._script.popleft() if self._script else self._default
            self._changed.notify_all()
        try:
            return await self._answer(call, content, reply, reader, writer)
        finally:
            with self._changed:
                self.busy -= 1
                self._changed.notify_all()

    async def _answer(
        self,
        call: Call,
        content: bytes,
        reply: Reply,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if reply.held and await _gone_before(self._gate.wait(), reader):
            return False
        if reply.manner is Manner.SILENT:
            await reader.read(1)
        if reply.manner in (Manner.SILENT, Manner.HUNG_UP):
            return False
        status, body = self._response(call, content, reply)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        headers |= {"Set-Cookie": "session=planted-cookie; Path=/"} | reply.headers
        if reply.manner is Manner.ENDLESS:
            headers |= {"Content-Length": str(10**12)}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1"))
        if reply.manner is Manner.CUT:
            writer.write(body[: len(body) // 2])
        elif reply.manner is Manner.DRIPPED:
            for byte in body:
                writer.write(bytes([byte]))
                await asyncio.sleep(_DRIP_SECONDS)
                if reader.at_eof():
                    return False
        elif reply.manner is Manner.ENDLESS:
            while True:
                writer.write(b" " * 65536)
                await writer.drain()
        else:
            writer.write(body)
        await writer.drain()
        return reply.manner not in (Manner.CUT, Manner.THEN_CLOSED)

    def _response(self, call: Call, content: bytes, reply: Reply) -> tuple[int, bytes]:
        try:
            vendor = vendor_of(call.path)
        except Complaint as complaint:
            return complaint.status, complaint.message.encode()
        try:
            self._judge(vendor, call, reply)
        except Complaint as complaint:
            message = quoting(complaint.message, content, call.headers)
            document = vendor.error(complaint.status, complaint.param, message)
            return complaint.status, encoded(document)
        if reply.body is not None:
            return reply.status, reply.body
        document = vendor.answer(call.body, self.answer, self.vector)
        changed = reply.change(document) if reply.change else document
        return reply.status, encoded(document if changed is None else changed)

    def _judge(self, vendor: Vendor, call: Call, reply: Reply) -> None:
        if reply.status >= 400 and reply.body is None:
            raise Complaint(reply.status, reply.refused, f"no, because of '{reply.refused}'")
        if self.key is not None:
            given = call.headers.get("x-api-key") or call.headers.get("authorization", "")
            if given.removeprefix("Bearer ") != self.key:
                raise Complaint(401, None, "Incorrect API key provided")
        for name in self.refused_fields & call.body.keys():
            raise Complaint(400, name, f"Unsupported parameter: '{name}' is not supported here")
        vendor.judge(call.body, call.headers)


async def _gone_before(
    event: Coroutine[object, object, object], reader: asyncio.StreamReader
) -> bool:
    """Whether the client hangs up before `event`. A waiting client sends nothing."""
    awaited, gone = asyncio.ensure_future(event), asyncio.ensure_future(reader.read(1))
    await asyncio.wait([awaited, gone], return_when=asyncio.FIRST_COMPLETED)
    left = gone.done()
    for task in (awaited, gone):
        task.cancel()
    await asyncio.gather(awaited, gone, return_exceptions=True)
    return left
