"""The least that answers: a bare ASGI application on the engine's HTTP server, on a given port."""

import sys
from typing import Any

import uvicorn

BODY = b'{"status":"hello"}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}
END = {"type": "http.response.body", "body": BODY}


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer anything with the same few bytes."""
    await send(START)
    await send(END)


if __name__ == "__main__":
    uvicorn.run(
        hello,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
