"""The load generator wrk: found or installed, told what to send by Lua scripts, and read."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BenchError
from .progress import say

PACKAGE = "wrk"
WANTED = re.compile(r"^wrk (?:\S*/)?(4\.\d+\.\d+)\S*", re.M)
INSTALL_SECONDS = 300
ANSWER_SECONDS = 60
"""An answer that takes longer counts as an error."""
MARK = "wrk-result "
NUMBER, DIGITS = "0" * 7, 7
BYTES_PRINTABLE = range(32, 127)


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent: one request, or many that differ.

    A body with `NUMBER` in it gets another number each time; `bodies` names a file with one on
    each line, which take turns.
    """

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    bodies: Path | None = None
    count_accepted: bool = False
    """Look for `"accepted": true` in every answer. It costs wrk, not the server."""

    def request(self, body: str) -> bytes:
        """One whole request with this body, for other clients."""
        head = [f"POST {self.path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*head, f"Content-Length: {len(body.encode())}", "", body]).encode()


@dataclass(frozen=True, slots=True)
class Load:
    """What one run found. Latencies are in seconds; `accepted` is None when nobody looked."""

    connections: int
    seconds: float
    answers: int
    refused: int
    broken: int
    p50: float
    p95: float
    p99: float
    accepted: int | None

    @property
    def good(self) -> int:
        """Answers with a status below 400."""
        return self.answers - self.refused


def ensure() -> str:
    """Install wrk when it is missing; the version there is.

    Raises:
        BenchError: it cannot be installed, or another one is in its place.
    """
    if shutil.which("wrk") is None:
        _install()
    told = subprocess.run(["wrk", "-v"], check=False, capture_output=True, text=True, timeout=10)
    found = WANTED.search(told.stdout)
    if found is None:
        raise BenchError(
            f"`wrk -v` says {told.stdout[:60]!r}", hint="put wrk 4 first in PATH, Debian's will do"
        )
    return found[1]


def _install() -> None:
    by_hand = "install it: apt-get install wrk, or your distribution's package of wrk 4"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BenchError("wrk, the load generator, is missing", hint=by_hand)
    say("installing wrk with apt-get: it is missing")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", PACKAGE]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The package lists may be absent or older than the archive.
    for command in (install, ["apt-get", "update", "-q"], install):
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment,
            timeout=INSTALL_SECONDS,
        )  # fmt: skip
        if done.returncode == 0 and command is install:
            return
    raise BenchError(f"wrk could not be installed: {done.stderr[-500:]}", hint=by_hand)


def run(sent: Sent, *, port: int, connections: int, seconds: int, core: int, folder: Path) -> Load:
    """Send as fast as the answers come, for whole seconds, from one thread on `core`."""
    path = folder / "load.lua"
    path.write_text(script(sent))
    command = [
        "taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
        "--timeout", f"{ANSWER_SECONDS}s", "-s", str(path), f"http://127.0.0.1:{port}{sent.path}",
    ]  # fmt: skip
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=seconds + ANSWER_SECONDS
    )
    if done.returncode != 0:
        raise BenchError(f"wrk failed: {(done.stderr or done.stdout)[-500:]}")
    return parse(done.stdout, connections)


def parse(output: str, connections: int) -> Load:
    """Read what the script's `done` printed.

    Raises:
        BenchError: it is not there, or nothing was answered.
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if len(lines) != 1:
        raise BenchError(f"wrk printed no result: {output[-500:]!r}")
    told: dict[str, Any] = json.loads(lines[0][len(MARK) :])
    if not told["answers"] or not told["microseconds"]:
        raise BenchError(f"nothing was answered: {told}")
    return Load(
        connections=connections,
        seconds=told["microseconds"] / 1e6,
        answers=told["answers"],
        refused=told["refused"],
        broken=told["broken"],
        p50=told["p50"] / 1e6,
        p95=told["p95"] / 1e6,
        p99=told["p99"] / 1e6,
        accepted=told["accepted"] if told["accepted"] >= 0 else None,
    )


def script(sent: Sent) -> str:
    """The Lua script that sends this."""
    lines = ["local threads = {}", "local accepted_known = " + _bool(sent.count_accepted)]
    if sent.body is not None or sent.bodies is not None:
        lines.append('wrk.method = "POST"')
        lines.append('wrk.headers["Content-Type"] = "application/json"')
    lines += [f"wrk.headers[{_quoted(k)}] = {_quoted(v)}" for k, v in sent.headers.items()]
    if sent.bodies is not None:
        lines.append(_TAKING_TURNS.replace("FILE", _quoted(str(sent.bodies))))
    elif sent.body is not None and NUMBER in sent.body:
        lines.append(_NUMBERED.replace("BODY", _quoted(sent.body)).replace("NUMBER", NUMBER))
    elif sent.body is not None:
        lines.append(f"wrk.body = {_quoted(sent.body)}")
    if sent.count_accepted:
        lines.append(_COUNTING)
    lines.append(_DONE)
    return "\n".join(lines) + "\n"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _quoted(text: str) -> str:
    """A Lua string."""
    plain = "".join(
        chr(byte) if byte in BYTES_PRINTABLE and chr(byte) not in '"\\' else f"\\{byte:03d}"
        for byte in text.encode()
    )
    return f'"{plain}"'


# The number has as many digits as its place holder, so the length in the head stays right.
_NUMBERED = """
local head, tail
local number = 0
function init()
  head, tail = wrk.format(nil, nil, nil, BODY):match("^(.*)NUMBER(.*)$")
end
function request()
  number = number + 1
  return head .. string.format("%07d", number) .. tail
end"""
_TAKING_TURNS = """
local requests = {}
local at = 0
function init()
  for body in io.lines(FILE) do
    requests[#requests + 1] = wrk.format(nil, nil, nil, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end"""
_COUNTING = """
accepted = 0
function response(status, headers, body)
  if body:find('"accepted"%s*:%s*true') then accepted = accepted + 1 end
end"""
_DONE = """
function setup(thread)
  threads[#threads + 1] = thread
end
function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\\nwrk-result {"microseconds":%d,"answers":%d,"refused":%d,"broken":%d,'
      .. '"p50":%.1f,"p95":%.1f,"p99":%.1f,"accepted":%d}\\n',
    summary.duration, summary.requests, failed.status,
    failed.connect + failed.read + failed.write + failed.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    accepted_known and threads[1]:get("accepted") or -1))
end"""
