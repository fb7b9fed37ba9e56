"""The way to a backend: TLS, proxies, addresses, refusals read; and the choice of a backend."""

import datetime
import ssl
import time
from email.utils import format_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cognitive_api.engine_config import LLMSettings
from cognitive_engine.adapters.backend_key import BackendKey, bearer, find_key
from cognitive_engine.adapters.failures import (
    BackendFailed,
    BackendRateLimited,
    BackendUnreachable,
    BackendUnusable,
)
from cognitive_engine.adapters.generators.local_stub import LocalStub
from cognitive_engine.adapters.generators.select import build_generator
from cognitive_engine.adapters.http import parse_base_url
from cognitive_engine.adapters.refusals import FieldRefused, refusal
from cognitive_engine.ports import Draft
from llmclients import direct, run
from llmserver import ANSWER, LLMServer

KEY = "planted-key"
DRAFT = Draft("hello", (), 7)


class Unmetered:
    def observe_call(self, backend, result, seconds):
        pass


def built(environment=None, **settings):
    llm = LLMSettings.model_validate({"model": "m-1"} | settings)
    return build_generator(llm, environment or {}, meter=Unmetered(), monotonic=time.monotonic)


def answer(environment=None, **settings):
    """What a backend answers, built within the environment as it is now."""

    async def scenario():
        chosen = built(environment, **settings)
        try:
            return await chosen.part.generate(DRAFT)
        finally:
            await chosen.aclose()

    return run(scenario())


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    direct(monkeypatch)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that signs itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "llmserver")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with LLMServer(tls=context) as server:
        yield server


def test_a_certificate_that_is_trusted_will_do(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = f"https://localhost:{tls_server.port}/v1"
    assert answer(backend="OpenAICompatible", baseURL=url) == ANSWER


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["unknown", "other name"])
def test_no_other_certificate_will_do(tls_server, certificate, monkeypatch, host):
    if host == "127.0.0.1":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(BackendUnreachable, match="its certificate is not trusted"):
        answer(backend="OpenAICompatible", baseURL=f"https://{host}:{tls_server.port}/v1")
    assert tls_server.calls == []


def test_where_no_tls_is_spoken_that_is_said():
    with LLMServer() as server, pytest.raises(BackendUnreachable, match="TLS"):
        answer(backend="OpenAICompatible", baseURL=f"https://127.0.0.1:{server.port}/v1")


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    with LLMServer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        assert answer(backend="OpenAICompatible", baseURL="http://llm.invalid/v1") == ANSWER
        assert proxy.calls[0].target == "http://llm.invalid/v1/chat/completions"


def test_no_proxy_means_no_proxy(monkeypatch):
    with LLMServer() as proxy, LLMServer() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert answer(backend="OpenAICompatible", baseURL=server.url) == ANSWER
        assert (len(proxy.calls), len(server.calls)) == (0, 1)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://llm:8000/v1", "http://llm:8000/v1"),
        ("https://llm.example.com/v1/", "https://llm.example.com/v1"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_base_urls(text, base):
    assert parse_base_url(text) == base


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "http:// or https://"),
        ("llm:8000/v1", "http:// or https://"),
        ("ftp://llm/v1", "http:// or https://"),
        ("http:///v1", "http:// or https://"),
        ("http://llm:0/v1", "http:// or https://"),
        ("http://llm:99999/v1", "http:// or https://"),
        ("http://a..b/v1", "http:// or https://"),
        (f"http://{'a' * 64}/v1", "http:// or https://"),
        ("http://[::1/v1", "http:// or https://"),
        ("http://llm/\x00", "http:// or https://"),
        ("https://me:planted@llm/v1", "no credentials"),
        ("https://llm/v1?key=planted", "no query"),
        ("https://llm/v1#planted", "no fragment"),
    ],
)
def test_what_is_no_base_url_is_said_without_quoting_it(text, why):
    with pytest.raises(BackendUnusable, match=why) as raised:
        parse_base_url(text)
    assert "planted" not in str(raised.value)


def date(seconds):
    """A date of HTTP so many seconds from now."""
    now = datetime.datetime.now(datetime.UTC)
    return format_datetime(now + datetime.timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "told", "again"),
    [
        (None, 5, False),
        ("", 5, False),
        ("0", 1, True),
        ("2", 2, True),
        ("3", 3, False),
        ("99999999999999", 3600, False),
        ("-1", 5, False),
        ("1.5", 5, False),
        ("²", 5, False),
        ("Wed, 99 Foo 2026", 5, False),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, False),
    ],
)
def test_retry_after(header, told, again):
    error = refusal("LLM", 429, header, b"", ())
    assert isinstance(error, BackendRateLimited)
    assert error.retry_after == told
    assert (error.again_after is not None) == again


def test_retry_after_as_a_date():
    assert refusal("LLM", 429, date(-60), b"", ()).retry_after == 1
    assert 590 <= refusal("LLM", 429, date(600), b"", ()).retry_after <= 600


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error": {"type": "insufficient_quota"}}', "insufficient_quota"),
        (b'{"error": {"type": "x", "code": "model_not_found"}}', "model_not_found"),
        (b'{"error": {"type": "planted"}}', "other"),
        (b'{"error": {"type": ["tokens"], "code": 7}}', "other"),
        (b'{"error": "planted"}', "other"),
        (b'["planted"]', "other"),
        (b"planted", "other"),
        (b"\xff" * 1000, "other"),
        (b"[" * 60_000, "other"),
        (b"", "other"),
    ],
)
def test_of_a_refusal_only_a_published_word_is_kept(body, kind):
    error = refusal("LLM", 500, None, body, ("temperature",))
    assert error.kind == kind
    assert "planted" not in str(vars(error)) + str(error)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"error": {"message": "no", "param": "temperature"}}', {"temperature"}),
        (b'{"error": {"message": "temperature", "param": "max_tokens"}}', {"max_tokens"}),
        (b'{"error": {"message": "`temperature` is deprecated for this model."}}', {"temperature"}),
        (b'{"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs"}]}', {"max_tokens"}),
        (b'{"error": {"message": "max_tokens_total"}}', None),
        (b'{"error": {"message": "bad request: {\\"temperature\\": 0.7}"}}', None),
        (b'{"error": {"message": "%s temperature"}}' % (b"x" * 300), None),
        (b'{"error": {"message": "no", "param": "messages"}}', None),
    ],
    ids=["param", "param first", "message", "validator", "other", "quoted", "far", "needed"],
)
def test_which_field_a_refusal_names(body, fields):
    error = refusal("LLM", 400, None, body, ("temperature", "max_tokens"))
    assert (error.fields if isinstance(error, FieldRefused) else None) == fields
    assert type(refusal("LLM", 500, None, body, ("temperature", "max_tokens"))) is BackendFailed


def test_the_stub_needs_nothing():
    assert isinstance(built(backend="LocalStub").part, LocalStub)
    assert answer(backend="LocalStub").startswith("NEURO-RESPONSE")


@pytest.mark.parametrize(
    ("settings", "environment", "why"),
    [
        ({"backend": "OpenAI"}, {}, "OPENAI_API_KEY"),
        ({"backend": "Anthropic"}, {"OPENAI_API_KEY": KEY}, "ANTHROPIC_API_KEY"),
        ({"backend": "OpenAI"}, {"OPENAI_API_KEY": f"{KEY} x"}, "OPENAI_API_KEY holds"),
        ({"backend": "OpenAI"}, {"OPENAI_API_KEY": f"{KEY}\r\nHost: x"}, "OPENAI_API_KEY holds"),
        ({"backend": "OpenAI"}, {"OPENAI_API_KEY": "  "}, "holds no API key"),
        ({"backend": "OpenAI"}, {"OPENAI_API_KEY": f"{KEY}é"}, "holds something"),
        ({"backend": "OpenAI"}, {"LLM_API_KEY_FILE": "/nowhere"}, "/nowhere cannot be read"),
    ],
)
def test_what_cannot_be_built_is_said_without_the_key(settings, environment, why):
    with pytest.raises(BackendUnusable, match=why) as raised:
        built(environment, **settings)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("backend", "environment", "header"),
    [
        ("OpenAI", {"OPENAI_API_KEY": "a", "LLM_API_KEY": "b"}, "Bearer a"),
        ("OpenAI", {"LLM_API_KEY": "b"}, "Bearer b"),
        ("OpenAICompatible", {"OPENAI_API_KEY": "a"}, None),
        ("OpenAICompatible", {"OPENAI_API_KEY": "a", "LLM_API_KEY": "b"}, "Bearer b"),
    ],
)
def test_a_key_goes_where_it_was_given_for(backend, environment, header):
    with LLMServer() as server:
        assert answer(environment, backend=backend, baseURL=server.url) == ANSWER
        assert server.calls[0].headers.get("authorization") == header


class KeyFile:
    """A key file and the time."""

    def __init__(self, path):
        self.path = path
        self.now = 50.0
        self.replaced = 0

    def write(self, content):
        fresh = self.path.with_name(f"fresh-{self.replaced}")
        self.replaced += 1
        fresh.write_bytes(content)
        fresh.replace(self.path)

    def open(self):
        return BackendKey(self.path, lambda: self.now)


@pytest.fixture
def key_file(tmp_path):
    return KeyFile(tmp_path / "key")


def test_a_replaced_key_is_seen_within_two_seconds(key_file):
    key_file.write(b"one\n")
    key = key_file.open()
    key_file.write(b"two")
    key_file.now += 1.9
    assert key() == "one"
    key_file.now += 0.1
    assert key() == "two"
    assert bearer(key)() == {"Authorization": "Bearer two"}


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff", b"x" * 9000], ids=str)
def test_a_key_that_cannot_be_used_is_not_taken(key_file, content):
    key_file.write(content)
    with pytest.raises(BackendUnusable):
        key_file.open()
    key_file.write(b"good")
    key = key_file.open()
    key_file.write(content)
    key_file.now += 2
    assert key() == "good"
    key_file.path.unlink()
    key_file.now += 2
    assert key() == "good"
    key_file.write(b"better")
    key_file.now += 2
    assert key() == "better"


def test_a_key_is_in_no_representation(key_file):
    key_file.write(KEY.encode())
    chosen = built({"LLM_API_KEY_FILE": str(key_file.path)}, backend="OpenAI")
    fixed = find_key({"LLM_API_KEY": KEY}, "F", ("LLM_API_KEY",), time.monotonic)
    assert KEY not in repr([key_file.open(), fixed, bearer(fixed), chosen, chosen.part])
    assert find_key({}, "F", ("LLM_API_KEY",), time.monotonic) is None
