"""Every variable of MLSDM and of our own: alone, all together, against the file, misspelt."""

import contextlib
import socket

import pytest

from cognitive_api.engine_config import EmbeddingProvider, LLMBackend, LLMSettings
from cognitive_engine.__main__ import main
from cognitive_engine.adapters.failures import BackendUnusable
from cognitive_engine.adapters.generators.select import build_generator
from cognitive_engine.settings import Configuration, SettingsError, load_settings
from cognitive_engine.settings.explain import explain_json, explain_yaml
from cognitive_engine.settings.fields import leaves, paths
from cognitive_engine.settings.secrets import LLM_KEYS
from cognitive_engine.settings.variables import VARIABLES, Sort

BASE = {"API_KEY": "a-key-of-the-tests"}
ISSUER = {
    "MLSDM_OIDC_ENABLED": "true",
    "MLSDM_OIDC_ISSUER": "https://login.example/",
    "MLSDM_OIDC_AUDIENCE": "mlsdm",
}
OPENAI = {"LLM_BACKEND": "openai", "OPENAI_API_KEY": "another-key-of-the-tests"}
ANTHROPIC = {"LLM_BACKEND": "anthropic", "ANTHROPIC_API_KEY": "another-key-of-the-tests"}

# The names that people have in their manifests, written down apart from the table.
_PROMISED = """
OPENAI_API_KEY ANTHROPIC_API_KEY MLSDM_DIM MLSDM_CAPACITY MLSDM_WAKE_DURATION MLSDM_SLEEP_DURATION
MLSDM_INITIAL_THRESHOLD LOG_LEVEL LOG_FORMAT API_PORT API_WORKERS API_TIMEOUT METRICS_ENABLED
METRICS_PORT API_KEY CONFIG_PATH MLSDM_ENV DISABLE_RATE_LIMIT LLM_BACKEND MLSDM_OIDC_ENABLED
MLSDM_OIDC_ISSUER MLSDM_OIDC_AUDIENCE MLSDM_OIDC_ROLES_CLAIM MLSDM_OIDC_JWKS_URI
HOST PORT MLSDM_RUNTIME_MODE MLSDM_WORKERS MLSDM_RELOAD MLSDM_LOG_LEVEL MLSDM_TIMEOUT_KEEP_ALIVE
MLSDM_DEBUG RATE_LIMIT_REQUESTS RATE_LIMIT_WINDOW MLSDM_SECURE_MODE JSON_LOGGING ENABLE_METRICS
OTEL_TRACING_ENABLED OTEL_SDK_DISABLED MLSDM_OTEL_ENABLED MLSDM_OTEL_ENDPOINT
OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_PROTOCOL OTEL_SERVICE_NAME OTEL_TRACES_SAMPLER_ARG
OTEL_EXPORTER_TYPE EMBEDDING_DIM ENABLE_FSLGS MLSDM_ENGINE_ENABLE_METRICS OPENAI_MODEL
ANTHROPIC_MODEL MULTI_LLM_BACKENDS LOCAL_STUB_PROVIDER_ID MLSDM_LTM_DB_PATH MLSDM_LTM_ENCRYPTION
MLSDM_LTM_KEY MLSDM_RETRY_ATTEMPTS MLSDM_RETRY_MIN_WAIT MLSDM_RETRY_MAX_WAIT
MLSDM_RETRY_MAX_ELAPSED MLSDM_RETRY_JITTER_RATIO MLSDM_CACHE_ENABLED MLSDM_CACHE_BACKEND
MLSDM_CACHE_TTL MLSDM_CACHE_MAX_SIZE MLSDM_REDIS_URL MLSDM_POLICY_DIR MLSDM_POLICIES_DIR
MLSDM_POLICY_REGISTRY_PATH MLSDM_POLICY_CATALOG_PATH MLSDM_SIGNING_ENABLED MLSDM_SIGNING_KEY
MLSDM_SIGNING_KEYS_PATH MLSDM_SIGNING_MAX_AGE MLSDM_REQUIRE_SIGNATURES
MLSDM_SIGNATURE_REQUIRED_ROUTES MLSDM_MAX_CONCURRENT MLSDM_QUEUE_TIMEOUT MLSDM_REQUEST_TIMEOUT
MLSDM_MAX_PAYLOAD_SIZE ADMIN_API_KEY API_KEY_n_VALUE API_KEY_n_ROLES API_KEY_n_USER LOG_PAYLOADS
DEPLOYMENT_ENV MLSDM_OIDC_ALGORITHMS MLSDM_OIDC_CACHE_TTL MLSDM_MTLS_ENABLED MLSDM_MTLS_CA_CERT
MLSDM_MTLS_REQUIRE_CLIENT_CERT MLSDM_MTLS_VERIFY_DEPTH MLSDM_DRIFT_MIN_LOGGING
MLSDM_DRIFT_CRITICAL_THRESHOLD MLSDM_DRIFT_THRESHOLD MLSDM_DRIFT_LOGGING
"""
PROMISED = frozenset(_PROMISED.split())

# What the example of each variable makes of the settings, and what it needs beside it.
EXPECTED = {
    "MLSDM_ENV": ({"environment": "production"}, {}),
    "MLSDM_RUNTIME_MODE": ({"environment": "production"}, {}),
    "MLSDM_SECURE_MODE": ({"requireCredentials": True}, {}),
    "HOST": ({"server.host": "127.0.0.1"}, {}),
    "API_PORT": ({"server.port": 8001}, {}),
    "PORT": ({"server.port": 8001}, {}),
    "METRICS_ENABLED": ({"server.metricsEnabled": True}, {}),
    "ENABLE_METRICS": ({"server.metricsEnabled": True}, {}),
    "METRICS_PORT": ({"server.metricsPort": 9091}, {}),
    "SHUTDOWN_SECONDS": ({"server.shutdownSeconds": 20}, {}),
    "API_TIMEOUT": ({"api.requestTimeoutSeconds": 20}, {}),
    "MLSDM_REQUEST_TIMEOUT": ({"api.requestTimeoutSeconds": 20}, {}),
    "MLSDM_MAX_CONCURRENT": ({"api.maxConcurrent": 100}, {}),
    "MLSDM_QUEUE_TIMEOUT": ({"api.queueTimeoutSeconds": 3}, {}),
    "DISABLE_RATE_LIMIT": ({"rateLimit.enabled": False}, {}),
    "RATE_LIMIT_REQUESTS": ({"rateLimit.requestsPerSecond": 100.0, "rateLimit.burst": 100}, {}),
    "RATE_LIMIT_WINDOW": ({"rateLimit.requestsPerSecond": 5 / 60}, {}),
    "MLSDM_OIDC_ENABLED": ({"auth.mode": "Any"}, ISSUER),
    "MLSDM_OIDC_ISSUER": ({"auth.oidc.issuer": "https://login.example/"}, ISSUER),
    "MLSDM_OIDC_AUDIENCE": ({"auth.oidc.audience": "mlsdm"}, ISSUER),
    "MLSDM_OIDC_ROLES_CLAIM": ({"auth.oidc.rolesClaim": "roles"}, ISSUER),
    "MLSDM_OIDC_JWKS_URI": ({"auth.oidc.jwksURI": "https://login.example/keys"}, ISSUER),
    "MLSDM_OIDC_ALGORITHMS": ({"auth.oidc.algorithms": ["RS256", "ES256"]}, ISSUER),
    "LOG_LEVEL": ({"logging.level": "WARNING"}, {}),
    "MLSDM_LOG_LEVEL": ({"logging.level": "WARNING"}, {}),
    "MLSDM_DEBUG": ({"logging.level": "DEBUG"}, {}),
    "LOG_FORMAT": ({"logging.format": "text"}, {}),
    "JSON_LOGGING": ({"logging.format": "text"}, {}),
    "MLSDM_DIM": ({"memory.dimension": 128}, {}),
    "EMBEDDING_DIM": ({"memory.dimension": 128}, {}),
    "MLSDM_CAPACITY": ({"memory.capacity": 5000}, {}),
    "MLSDM_WAKE_DURATION": ({"governance.rhythm.wakeDuration": 5}, {}),
    "MLSDM_SLEEP_DURATION": ({"governance.rhythm.sleepDuration": 2}, {}),
    "MLSDM_INITIAL_THRESHOLD": ({"governance.moral.initialThreshold": 0.6}, {}),
    "LLM_BACKEND": ({"llm.backend": "OpenAI"}, OPENAI),
    "OPENAI_MODEL": ({"llm.model": "a-model"}, OPENAI),
    "ANTHROPIC_MODEL": ({"llm.model": "a-model"}, ANTHROPIC),
    "OTEL_SDK_DISABLED": ({"tracing.enabled": False}, {"OTEL_TRACING_ENABLED": "true"}),
    "MLSDM_OTEL_ENABLED": ({"tracing.enabled": True}, {}),
    "OTEL_TRACING_ENABLED": ({"tracing.enabled": True}, {}),
    "OTEL_EXPORTER_TYPE": ({}, {}),
    "MLSDM_OTEL_ENDPOINT": ({"tracing.endpoint": "http://collector:4318"}, {}),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ({"tracing.endpoint": "http://collector:4318"}, {}),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ({}, {}),
    "OTEL_SERVICE_NAME": ({"tracing.serviceName": "mind"}, {}),
    "OTEL_TRACES_SAMPLER_ARG": ({"tracing.sampleRatio": 0.25}, {}),
    "DEPLOYMENT_ENV": ({"tracing.deployment": "staging"}, {}),
}
SETTINGS = [item for item in VARIABLES if item.sort is Sort.SETTING]
UNUSED = [item for item in VARIABLES if item.sort is Sort.UNUSED]
SECRETS = [item for item in VARIABLES if item.sort is Sort.SECRET]


def name_of(item):
    return item.name


def actual(item):
    """The variable's name in an environment."""
    return item.name.replace("_n_", "_7_")


def flat(settings):
    return dict(leaves(settings.config.model_dump(mode="json", by_alias=True)))


def test_the_table_has_every_promised_name_once():
    names = [item.name for item in VARIABLES]
    assert set(names) >= PROMISED
    assert len(names) == len(set(names))
    assert set(EXPECTED) == {item.name for item in SETTINGS}


def test_what_the_table_sets_exists():
    known = set(paths())
    for item in SETTINGS:
        assert item.sets
        assert {path for path, _ in item.sets} <= known, item.name
    for item in UNUSED:
        assert item.says, item.name


@pytest.mark.parametrize("item", SETTINGS, ids=name_of)
def test_a_setting_alone_has_its_effect(item):
    expected, beside = EXPECTED[item.name]
    settings = load_settings(None, BASE | beside | {item.name: item.example})
    found = flat(settings)
    assert {path: found[path] for path in expected} == expected
    assert {settings.origins[path] for path in expected} <= {f"env {item.name}"}
    assert settings.warnings == () or item.name == "OTEL_SDK_DISABLED"
    assert settings.secrets.faults == ()


@pytest.mark.parametrize("item", UNUSED, ids=name_of)
def test_a_variable_without_effect_boots_and_says_why(item):
    settings = load_settings(None, BASE | {actual(item): item.example})
    assert settings.config == Configuration()
    told = settings.warnings if item.alarming else settings.notes
    assert told == (f"{actual(item)}: no effect: {item.says}",)


@pytest.mark.parametrize("item", [i for i in UNUSED if i.alarming], ids=name_of)
def test_nobody_is_alarmed_by_what_is_switched_off(item):
    assert load_settings(None, BASE | {actual(item): "false"}).warnings == ()


@pytest.mark.parametrize("item", VARIABLES, ids=name_of)
def test_an_empty_variable_counts_as_absent(item):
    assert load_settings(None, BASE | {actual(item): " "} | BASE).config == Configuration()


@pytest.mark.parametrize("item", SECRETS, ids=name_of)
def test_a_secret_is_never_shown(item):
    planted = "planted-secret-0123456789"
    for backend in ("local_stub", "openai", "anthropic"):
        environment = {"LLM_BACKEND": backend, item.name: planted}
        settings = load_settings(None, environment)
        shown = explain_yaml(settings) + explain_json(settings) + repr(settings)
        assert planted not in shown
        assert item.name in shown


@pytest.mark.parametrize(
    ("backend", "variable"),
    [
        (LLMBackend.OPENAI, "OPENAI_API_KEY"),
        (LLMBackend.OPENAI, "LLM_API_KEY"),
        (LLMBackend.OPENAI, "LLM_API_KEY_FILE"),
        (LLMBackend.ANTHROPIC, "ANTHROPIC_API_KEY"),
        (LLMBackend.ANTHROPIC, "LLM_API_KEY"),
        (LLMBackend.ANTHROPIC, "LLM_API_KEY_FILE"),
    ],
)
def test_a_model_is_not_served_without_its_key(backend, variable):
    environment = BASE | {"LLM_BACKEND": backend.value}
    (fault,) = load_settings(None, environment).secrets.faults
    assert str(backend) in fault
    assert "LLM_API_KEY_FILE" in fault
    keyed = load_settings(None, environment | {variable: "x"})
    assert keyed.secrets.faults == ()
    assert ("LLM key", variable) in [(i.purpose, i.variable) for i in keyed.secrets.in_use]
    other = "ANTHROPIC_API_KEY" if backend is LLMBackend.OPENAI else "OPENAI_API_KEY"
    wrong = load_settings(None, environment | {other: "x"})
    assert wrong.secrets.faults
    assert any(text.startswith(f"{other}: no effect") for text in wrong.notes)


@pytest.mark.parametrize("backend", [LLMBackend.OPENAI, LLMBackend.ANTHROPIC])
def test_the_generator_finds_the_keys_that_the_settings_know(backend, tmp_path):
    key = tmp_path / "key"
    key.write_text("a-key-of-the-tests")
    found = set()
    for item in SECRETS:
        environment = {item.name: str(key) if item.name.endswith("_FILE") else "k"}
        with contextlib.suppress(BackendUnusable):
            build_generator(
                LLMSettings(backend=backend),
                environment,
                meter=None,
                monotonic=lambda: 0.0,
            )
            found.add(item.name)
    assert found == set(LLM_KEYS[backend])


def everything(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("a-key-in-a-file-0123456789\n")
    scope = tmp_path / "scope"
    scope.write_text("a-scope-secret-0123456789\n")
    config = tmp_path / "engine.yaml"
    config.write_text("memory: {topK: 3}\n")
    given = {actual(item): item.example for item in VARIABLES}
    return given | {
        "CONFIG_PATH": str(config),
        "API_KEYS_FILE": str(keys),
        "LLM_API_KEY_FILE": str(keys),
        "EMBEDDINGS_API_KEY_FILE": str(keys),
        "SCOPE_SECRET_FILE": str(scope),
        "SCOPE_SECRET": "",
        "API_KEY": "a-key-of-the-tests-write",
        "ADMIN_API_KEY": "a-key-of-the-tests-admin",
        "MLSDM_CAPACITY": "50",
    }


def test_all_together_boot(tmp_path, monkeypatch, capsys):
    environment = everything(tmp_path)
    settings = load_settings(environment["CONFIG_PATH"], environment)
    found = flat(settings)
    assert settings.secrets.faults == ()
    assert found["memory.topK"] == 3
    assert found["llm.model"] == "a-model"
    assert found["auth.mode"] == "Any"
    assert found["tracing.enabled"] is False
    assert found["rateLimit.requestsPerSecond"] == pytest.approx(100 / 60)
    for item in UNUSED:
        assert any(text.startswith(actual(item)) for text in settings.notes + settings.warnings)
    for name in environment:
        monkeypatch.setenv(name, environment[name])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--metrics-port", "0"]) == 1
    # The engine was built; only its address was taken.
    assert capsys.readouterr().err == (
        "cognitive-engine: cannot listen on 127.0.0.1: Address already in use\n"
    )


def test_the_environment_beats_the_file_and_an_option_beats_both(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_text("memory: {dimension: 10, topK: 1}\nserver: {port: 1, metricsPort: 2}")
    environment = BASE | {"MLSDM_DIM": "20", "API_PORT": "3"}
    settings = load_settings(str(path), environment, {"server.port": ("--port", "4")})
    found, origins = flat(settings), settings.origins
    assert (found["memory.dimension"], origins["memory.dimension"]) == (20, "env MLSDM_DIM")
    assert (found["memory.topK"], origins["memory.topK"]) == (1, "file memory.topK")
    assert (found["server.port"], origins["server.port"]) == (4, "option --port")
    assert (found["server.metricsPort"], origins["server.metricsPort"]) == (
        2,
        "file server.metricsPort",
    )
    assert (found["memory.capacity"], origins["memory.capacity"]) == (20000, "default")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("MLSDM_DIM", "EMBEDDING_DIM"),
        ("API_PORT", "PORT"),
        ("API_TIMEOUT", "MLSDM_REQUEST_TIMEOUT"),
        ("METRICS_ENABLED", "ENABLE_METRICS"),
    ],
)
def test_of_two_names_the_first_counts_and_the_other_is_told(first, second):
    other = {"METRICS_ENABLED": "false"}.get(first, "99")
    example = next(item.example for item in VARIABLES if item.name == second)
    settings = load_settings(None, BASE | {first: other, second: example})
    (warning,) = settings.warnings
    assert warning.startswith(f"{second}: no effect: {first} sets ")
    same = load_settings(None, BASE | {first: example, second: example})
    assert same.warnings == ()


OVERRIDES = {
    "MLSDM_MORAL_FILTER__THRESHOLD": ("0.55", "governance.moral.initialThreshold", 0.55),
    "MLSDM_PELM__CAPACITY": ("77", "memory.capacity", 77),
    "MLSDM_DIMENSION": ("33", "memory.dimension", 33),
    "MLSDM_COGNITIVE_RHYTHM__WAKE_DURATION": ("4", "governance.rhythm.wakeDuration", 4),
    "MLSDM_APHASIA__REPAIR_ENABLED": ("0", "governance.speech.repair", False),
    "MLSDM_MULTI_LEVEL_MEMORY__LAMBDA_L1": ("1", "memory.levels.lambdaL1", 1.0),
    "MLSDM_API__MAX_CONCURRENT_REQUESTS": ("7", "api.maxConcurrent", 7),
    "MLSDM_API__REQUEST_TIMEOUT_SECONDS": ("7.5", "api.requestTimeoutSeconds", 8),
    "MLSDM_MEMORY__TOP_K": ("1", "memory.topK", 1),
    "MLSDM_LLM__BASE_URL": ("https://a.example/v1", "llm.baseURL", "https://a.example/v1"),
    "MLSDM_LLM__BREAKER__RECOVERY_SECONDS": ("9", "llm.breaker.recoverySeconds", 9),
    "MLSDM_API__CORS_ORIGINS": (
        "https://a.example, *",
        "api.corsOrigins",
        ["https://a.example", "*"],
    ),
    "MLSDM_RATE_LIMIT__ENABLED": ("off", "rateLimit.enabled", False),
    "MLSDM_AUTH__MODE": ("None", "auth.mode", "None"),
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_every_key_of_a_file_has_a_variable(name):
    text, path, expected = OVERRIDES[name]
    settings = load_settings(None, BASE | {name: text})
    assert flat(settings)[path] == expected
    assert settings.origins[path] == f"env {name}"
    assert settings.warnings == ()


def test_overrides_without_effect_are_told():
    settings = load_settings(
        None, BASE | {"MLSDM_STRICT_MODE": "true", "MLSDM_NEUROLANG__MODE": "disabled"}
    )
    assert {text.split(":")[0] for text in settings.notes} == {
        "MLSDM_STRICT_MODE",
        "MLSDM_NEUROLANG__MODE",
    }
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("MLSDM_CAPACITTY", "MLSDM_CAPACITY"),
        ("MLSDM_OIDC_ISUER", "MLSDM_OIDC_ISSUER"),
        ("MLSDM_PELM__CAPACITTY", "MLSDM_PELM__CAPACITY"),
        ("MLSDM_XYZZY", None),
    ],
)
def test_an_unknown_variable_is_a_warning_with_the_nearest_name(name, near):
    (warning,) = load_settings(None, BASE | {name: "5"}).warnings
    meant = f" (did you mean {near}?)" if near else ""
    assert warning == f"{name}: is not a variable that is known{meant}"


def test_links_of_a_neighbouring_service_are_no_warning():
    links = {
        "MLSDM_API_SERVICE_HOST": "10.0.0.1",
        "MLSDM_API_SERVICE_PORT_HTTP": "80",
        "MLSDM_API_PORT": "tcp://10.0.0.1:80",
        "MLSDM_API_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(None, BASE | links).warnings == ()


BAD = {
    "MLSDM_DIM": ("many", "MLSDM_DIM: memory.dimension: Input should be a valid integer"),
    "MLSDM_CAPACITY": ("0", "MLSDM_CAPACITY: memory.capacity: Input should be greater"),
    "API_PORT": ("tcp://10.0.0.1:80", "API_PORT: server.port: "),
    "METRICS_PORT": ("٣", "METRICS_PORT: server.metricsPort: "),
    "PORT": ("9" * 5000, "PORT: server.port: "),
    "SHUTDOWN_SECONDS": ("1", "SHUTDOWN_SECONDS: server.shutdownSeconds: "),
    "API_TIMEOUT": ("nan", "API_TIMEOUT: must be a number"),
    "MLSDM_QUEUE_TIMEOUT": ("inf", "MLSDM_QUEUE_TIMEOUT: must be a number"),
    "DISABLE_RATE_LIMIT": ("perhaps", "DISABLE_RATE_LIMIT: must be true or false"),
    "RATE_LIMIT_WINDOW": ("0", "RATE_LIMIT_WINDOW: must be above 0"),
    "LOG_LEVEL": ("LOUD", "LOG_LEVEL: must be DEBUG"),
    "LOG_FORMAT": ("xml", "LOG_FORMAT: must be json or text"),
    "MLSDM_ENV": ("moon", "MLSDM_ENV: must be development, staging or production"),
    "MLSDM_RUNTIME_MODE": ("moon", "MLSDM_RUNTIME_MODE: must be dev"),
    "LLM_BACKEND": ("oracle", "LLM_BACKEND: must be LocalStub"),
    "MLSDM_INITIAL_THRESHOLD": ("0.95", "MLSDM_INITIAL_THRESHOLD: governance.moral: "),
    "OTEL_TRACES_SAMPLER_ARG": ("2", "OTEL_TRACES_SAMPLER_ARG: tracing.sampleRatio: "),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(name):
    text, sentence = BAD[name]
    with pytest.raises(SettingsError) as refused:
        load_settings(None, BASE | {name: text})
    assert str(refused.value).startswith(sentence)
    assert text not in str(refused.value).removeprefix(sentence) or len(text) == 1


def test_a_secret_in_the_wrong_place_is_not_quoted():
    planted = "sk-planted-0123456789"
    for name in ("MLSDM_DIM", "LLM_BACKEND", "LOG_LEVEL", "MLSDM_ENV", "MLSDM_LLM__BASE_URL"):
        with pytest.raises(SettingsError) as refused:
            load_settings(None, BASE | {name: planted})
        assert planted not in str(refused.value)


def mode(**environment):
    return load_settings(None, environment).config.auth.mode


def test_the_mode_follows_from_keys_and_issuer():
    key = {"API_KEY": "a-key"}
    assert mode(**key) == "APIKey"
    assert mode(**ISSUER) == "OIDC"
    assert mode(**key, **ISSUER) == "Any"
    assert mode(**key, **ISSUER | {"MLSDM_OIDC_ENABLED": "false"}) == "APIKey"
    settings = load_settings(None, key | {"MLSDM_OIDC_ISSUER": "https://login.example/"})
    assert settings.config.auth.oidc is None
    assert settings.notes == ("MLSDM_OIDC_ISSUER: no effect: auth.mode is APIKey",)
    with pytest.raises(SettingsError, match=r"MLSDM_OIDC_ENABLED: auth: oidc\.issuer and"):
        load_settings(None, key | {"MLSDM_OIDC_ENABLED": "true"})


def test_tokens_can_be_taken_out_of_a_file_by_a_variable(tmp_path):
    path = tmp_path / "engine.yaml"
    path.write_text("auth: {mode: OIDC, oidc: {issuer: https://login.example/, audience: a}}")
    assert load_settings(str(path), {}).config.auth.mode == "OIDC"
    out = load_settings(str(path), BASE | {"MLSDM_OIDC_ENABLED": "0"})
    assert (out.config.auth.mode, out.origins["auth.mode"]) == ("APIKey", "env MLSDM_OIDC_ENABLED")
    both = load_settings(str(path), BASE | {"MLSDM_OIDC_ENABLED": "1"})
    assert both.config.auth.mode == "Any"


def test_production_refuses_without_credentials_and_development_does_not(tmp_path):
    for name, value in (("MLSDM_ENV", "production"), ("MLSDM_SECURE_MODE", "1")):
        settings = load_settings(None, {name: value})
        assert settings.config.auth.mode == "APIKey"
        (fault,) = settings.secrets.faults
        assert "API_KEYS_FILE" in fault
        with pytest.raises(SettingsError, match="needs callers with credentials"):
            load_settings(None, {name: value, "MLSDM_AUTH__MODE": "None"})
    development = load_settings(None, {"MLSDM_ENV": "development"})
    assert development.config.auth.mode == "None"
    assert development.secrets.faults == ()
    assert any("anybody may call" in text for text in development.warnings)
    keyed = load_settings(None, BASE | {"MLSDM_ENV": "development"})
    assert (keyed.config.auth.mode, keyed.warnings) == ("APIKey", ())
    assert load_settings(None, {}).secrets.faults, "said nothing, so nobody may"


def test_providers_of_embeddings_by_any_spelling():
    for text in ("OpenAICompatible", "openai_compatible", "openai-compatible"):
        settings = load_settings(
            None,
            BASE
            | {
                "MLSDM_EMBEDDINGS__PROVIDER": text,
                "MLSDM_EMBEDDINGS__MODEL": "m",
                "MLSDM_EMBEDDINGS__BASE_URL": "https://a.example/v1",
            },
        )
        assert settings.config.embeddings.provider is EmbeddingProvider.OPENAI_COMPATIBLE
