"""HTTP/1.1 on a connection: uvicorn's protocol, with bounds on what comes before a body.

The parser itself would take a request's head of any size, and wait for its end for ever.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cognitive_engine.domain import limits

from . import problems
from .headers import PROBLEM, SECURITY
from .problems import Problem

_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
}


class _HeadTooLarge(Exception):
    """Stops the parser."""


def _head_too_large() -> Problem:
    detail = f"The headers are larger than {limits.HEAD_BYTES_MAX} bytes."
    return Problem(problems.HEADERS_TOO_LARGE, detail)


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head that is too large (431), takes too long (408) or is none (400)."""

    _head_bytes = 0
    _in_head = True
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request, but not for ever."""
        super().connection_made(transport)
        self._slow = self.loop.call_later(limits.HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expect_no_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse on, while the head is within its bounds."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        if self._head_bytes > limits.HEAD_BYTES_MAX:
            self._refuse(_head_too_large())
        elif self._slow is None:
            self._slow = self.loop.call_later(limits.HEAD_SECONDS, self._too_slow)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is over."""
        if self._head_bytes > limits.HEAD_BYTES_MAX and self._head_size() > limits.HEAD_BYTES_MAX:
            raise _HeadTooLarge
        self._in_head = False
        self._head_bytes = 0
        self._expect_no_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is over; what comes now is the head of the next."""
        super().on_message_complete()
        self._in_head = True

    def on_response_complete(self) -> None:
        """The answer is sent. If the rest of its request is not wanted, nor is what follows it."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the shape of all other errors."""
        if self._head_bytes > limits.HEAD_BYTES_MAX:
            self._refuse(_head_too_large())
        else:
            self._refuse(Problem(problems.BAD_REQUEST, "This is not an HTTP request."))

    def _head_size(self) -> int:
        """Bytes of the head that is parsed; more may have come with it in one piece."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _too_slow(self) -> None:
        self._slow = None
        # Nothing at all was sent: there is nobody to be told.
        if not self._head_bytes:
            self.transport.close()
        elif not self.transport.is_closing():
            self._refuse(Problem(problems.TOO_SLOW, "The request did not come in time."))

    def _expect_no_head(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _refuse(self, problem: Problem) -> None:
        self._expect_no_head()
        body = problem.body("none", "none")
        headers: list[tuple[bytes, Any]] = [
            *SECURITY,
            (b"content-type", PROBLEM),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        status = problem.kind.status
        lines = [b"HTTP/1.1 %d %s" % (status, _REASONS[status])]
        lines += [name + b": " + value for name, value in headers]
        self.transport.write(b"\r\n".join((*lines, b"", body)))
        self.transport.close()
