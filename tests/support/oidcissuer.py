"""An OpenID Connect issuer of our own, as a process: keys, discovery, rotation, and bad days.

    python tests/support/oidcissuer.py            serves until its standard input ends, and says
                                                  where on its first line
    python tests/support/oidcissuer.py mint URL '{"sub": "ann", "roles": ["write"]}'

Tests hold it by `Issuer`. It signs whatever it is told to, because the wrong tokens have to be
signed well too.
"""

import argparse
import base64
import gzip
import hashlib
import hmac
import ipaddress
import json
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

DISCOVERY = "/.well-known/openid-configuration"
KEYS = "/keys"
AUDIENCE = "cognitive-engine"
LIFETIME_SECONDS = 300
HUGE_BYTES = 4 * 1024 * 1024

_ALGORITHMS = get_default_algorithms()
_MAKERS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    # These are never published unless a test asks for it.
    "weak": lambda: rsa.generate_private_key(65537, 1024),
    "ES256K": lambda: ec.generate_private_key(ec.SECP256K1()),
}


def segment(content: bytes | str | dict[str, Any]) -> str:
    """One part of a token."""
    if isinstance(content, dict):
        content = json.dumps(content)
    encoded = content.encode() if isinstance(content, str) else content
    return base64.urlsafe_b64encode(encoded).rstrip(b"=").decode()


class _State:
    """What the issuer holds; only its own process has the private keys."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.private: dict[str, Any] = {}
        self.published: list[dict[str, Any]] = []
        self.documents: dict[str, str] = {}
        self.fault = "none"
        self.fetches: Counter[str] = Counter()
        self.held = threading.Event()
        for name in ("RS256", "ES256", "EdDSA"):
            self.publish(name.lower(), name)
        self.first = list(self.published)

    def publish(self, key_id: str, algorithm: str, **members: Any) -> None:
        maker = "RS256" if algorithm[:2] in ("RS", "PS") else algorithm
        self.private[key_id] = _MAKERS[maker]()
        public = self.private[key_id].public_key()
        family = {"weak": "RS256", "ES256K": "ES256K"}.get(algorithm, algorithm)
        entry = _ALGORITHMS[family].to_jwk(public, as_dict=True)
        entry |= {"kid": key_id, "use": "sig", "alg": family} | members
        # Null takes a member away.
        self.published.append({name: value for name, value in entry.items() if value is not None})

    def sign(self, order: dict[str, Any]) -> str:
        key = self.private[order["key"]]
        head, body = (segment(order[name]) for name in ("header", "payload"))
        signed = f"{head}.{body}".encode()
        if order["how"] == "der":
            signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
        elif order["how"] == "hmac-with-public-key":
            pem = key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            signature = hmac.digest(pem, signed, hashlib.sha256)
        else:
            signature = _ALGORITHMS[order["how"]].sign(signed, key)
        return f"{head}.{body}.{segment(signature)}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: _State
    issuer: str

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        """The test says what happened."""

    def do_GET(self) -> None:
        state = self.server.state
        if self.path not in (DISCOVERY, KEYS):
            self._answer(404, b"")
            return
        with state.lock:
            state.fetches[self.path] += 1
            fault = state.fault
        if not self._misbehave(fault):
            self._answer(200, self._document().encode())

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        order = json.loads(self.rfile.read(length))
        state = self.server.state
        with state.lock:
            match self.path:
                case "/control/sign":
                    answer: Any = state.sign(order)
                case "/control/publish":
                    answer = state.publish(**order)
                case "/control/withdraw":
                    kept = [key for key in state.published if key.get("kid") not in order]
                    answer, state.published = len(state.published) - len(kept), kept
                case "/control/documents":
                    answer, state.documents = None, order
                case "/control/fault":
                    state.held.set()
                    state.held = threading.Event()
                    answer, state.fault = None, order
                case "/control/reset":
                    state.held.set()
                    state.held = threading.Event()
                    answer, state.fault, state.documents = None, "none", {}
                    state.published = list(state.first)
                    state.fetches.clear()
                case "/control/fetches":
                    answer = dict(state.fetches)
                case _:
                    answer = None
        self._answer(200, json.dumps(answer).encode())

    def _document(self) -> str:
        state = self.server.state
        if self.path in state.documents:
            return state.documents[self.path].replace("ISSUER", self.server.issuer)
        if self.path == KEYS:
            return json.dumps({"keys": state.published})
        return json.dumps({"issuer": self.server.issuer, "jwks_uri": self.server.issuer + KEYS})

    def _misbehave(self, fault: str) -> bool:
        if fault == "error":
            self._answer(500, b"{}")
        elif fault == "redirect":
            self._answer(302, b"", {"Location": self.server.issuer + KEYS})
        elif fault == "hang":
            # Until the fault is lifted: the answer comes too late to anybody.
            self.server.state.held.wait(60)
        elif fault == "cut":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"keys": [')
        elif fault == "huge":
            self._answer(200, b'{"keys": "' + b"x" * HUGE_BYTES + b'"}')
        elif fault == "packed":
            packed = gzip.compress(self._document().encode())
            self._answer(200, packed, {"Content-Encoding": "gzip"})
        else:
            return False
        return True

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Issuer:
    """A running issuer, seen from a test. With `folder` it serves TLS; its root stands there."""

    def __init__(self, folder: Path | None = None) -> None:
        command = [sys.executable, __file__, "serve", *(["--tls", str(folder)] if folder else [])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer, "the issuer did not start"
        context = ssl.create_default_context(cafile=folder / "root.pem") if folder else True
        self._client = httpx2.Client(base_url=self.issuer, trust_env=False, verify=context)

    def __enter__(self) -> "Issuer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process: from now on nobody answers at its address."""
        self._client.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _control(self, verb: str, order: Any) -> Any:
        answer = self._client.post(f"/control/{verb}", content=json.dumps(order))
        assert answer.status_code == 200, verb
        return answer.json()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Good claims with `changes`; a change to None leaves the claim out."""
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "ann",
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "roles": ["write"],
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(
        self,
        claims: dict[str, Any] | str | None = None,
        *,
        algorithm: str = "RS256",
        key: str | None = None,
        how: str | None = None,
        **header: Any,
    ) -> str:
        """A token: good unless told otherwise. A header member of None is left out."""
        key = key or algorithm.lower()
        named = {"alg": algorithm, "typ": "JWT", "kid": key} | header
        order = {
            "header": {name: value for name, value in named.items() if value is not None},
            "payload": self.claims() if claims is None else claims,
            "key": key,
            "how": how or algorithm,
        }
        return str(self._control("sign", order))

    def publish(self, key_id: str, algorithm: str, **members: Any) -> None:
        """Make a key and put it beside the others; `members` change its published form."""
        self._control("publish", {"key_id": key_id, "algorithm": algorithm, **members})

    def withdraw(self, *key_ids: str) -> int:
        """Publish these keys no longer; they can still sign."""
        return int(self._control("withdraw", key_ids))

    def documents(self, **texts: str) -> None:
        """Answer these texts (`discovery`, `keys`) instead; without any, the truth again."""
        paths = {"discovery": DISCOVERY, "keys": KEYS}
        self._control("documents", {paths[name]: text for name, text in texts.items()})

    def fault(self, name: str = "none") -> None:
        """Misbehave from now on: error, redirect, hang, cut, huge, packed; or not any more."""
        self._control("fault", name)

    def reset(self) -> None:
        """Behave as if just started: the first keys, no faults, nothing fetched yet."""
        self._control("reset", {})

    def fetches(self) -> dict[str, int]:
        """How often each document was asked for."""
        counted = self._control("fetches", {})
        return {"discovery": counted.get(DISCOVERY, 0), "keys": counted.get(KEYS, 0)}


def _certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer of the tests")])
    now = datetime.now().astimezone()
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    root, private = folder / "root.pem", folder / "private.pem"
    root.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root, private)
    return context


def _serve(folder: Path | None) -> None:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.state = _State()
    scheme = "http"
    if folder is not None:
        server.socket = _certificate(folder).wrap_socket(server.socket, server_side=True)
        scheme = "https"
    server.issuer = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.issuer}\n")
    sys.stdout.flush()
    sys.stdin.read()


def _mint(address: str, changes: dict[str, Any]) -> None:
    now = int(time.time())
    claims = {"iss": address, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME_SECONDS} | changes
    header = {"alg": "RS256", "typ": "JWT", "kid": "rs256"}
    order = {"header": header, "payload": claims, "key": "rs256", "how": "RS256"}
    answer = httpx2.post(f"{address}/control/sign", json=order, trust_env=False)
    sys.stdout.write(f"{answer.json()}\n")


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command")
    serving = commands.add_parser("serve")
    serving.add_argument("--tls", type=Path, help="folder for a certificate to serve with")
    minting = commands.add_parser("mint")
    minting.add_argument("issuer")
    minting.add_argument("claims", type=json.loads, nargs="?", default={"sub": "ann"})
    options = parser.parse_args()
    if options.command == "mint":
        _mint(options.issuer, options.claims)
    else:
        _serve(getattr(options, "tls", None))


if __name__ == "__main__":
    _main()
