"""Files: our own format strictly, those of MLSDM by what they mean."""

import pytest

import mlsdmfiles
from cognitive_engine.settings import SettingsError, load_settings
from cognitive_engine.settings.fields import leaves, paths
from cognitive_engine.settings.filekeys import FILE_KEYS

KEY = {"API_KEY": "a-key-of-the-tests"}


@pytest.fixture
def load(tmp_path):
    def loaded(text, **environment):
        path = tmp_path / "engine.yaml"
        path.write_text(text)
        return load_settings(str(path), KEY | environment)

    return loaded


def values(settings):
    """Settings that a file gave, by path."""
    dumped = dict(leaves(settings.config.model_dump(mode="json", by_alias=True)))
    return {
        path: dumped[path] for path, from_ in settings.origins.items() if from_.startswith("file")
    }


def test_the_example_of_the_documents(load):
    settings = load(mlsdmfiles.DOCUMENTS, OPENAI_API_KEY="a-key")
    assert values(settings) == {
        "memory.dimension": 256,
        "memory.capacity": 15000,
        "governance.rhythm.wakeDuration": 10,
        "governance.rhythm.sleepDuration": 4,
        "governance.moral.initialThreshold": 0.45,
        "llm.backend": "OpenAI",
        "llm.model": "gpt-3.5-turbo",
        "llm.maxTokens": 1024,
        "llm.temperature": 0.3,
        "embeddings.model": "all-MiniLM-L6-v2",
        "server.port": 8080,
        "api.requestTimeoutSeconds": 25,
        "api.corsOrigins": ["https://pages.example"],
        "logging.level": "WARNING",
        "logging.format": "text",
        "server.metricsEnabled": True,
        "server.metricsPort": 9191,
    }
    assert settings.config.embeddings.provider == "Hashing"
    assert [text.split(":")[0] for text in settings.warnings] == ["embeddings.provider"]
    assert "Model2Vec" in settings.warnings[0]
    assert {text.split(":")[0] for text in settings.notes} == {
        "api.workers",
        "logging.file",
        "monitoring.health_check_interval",
        "embeddings.model",
    }
    assert settings.secrets.faults == ()


def test_the_production_ready_file(load):
    settings = load(mlsdmfiles.PRODUCTION_READY)
    found = values(settings)
    assert found["memory.levels.lambdaL1"] == 0.01
    assert found["memory.levels.lambdaL2"] == 0.005
    assert found["memory.levels.lambdaL3"] == 0.001
    assert found["memory.phaseTolerance"] == 0.1
    assert found["governance.moral.step"] == 0.05
    assert found["rateLimit.requestsPerSecond"] == 5.0
    assert found["server.shutdownSeconds"] == 30
    assert found["tracing.enabled"] is False
    assert settings.config.rate_limit.enabled
    assert settings.warnings == ()
    noted = " ".join(text.split(": no effect")[0] for text in settings.notes).replace(",", "")
    assert set(noted.split()) >= {
        "cognitive_rhythm.enable_consolidation",
        "qilm.checksum",
        "security.validation.reject_nan",
        "security.rate_limiting.cleanup_interval",
        "observability.logging.structured",
        "observability.metrics.histograms",
        "performance.cache",
        "resources.max_memory_mb",
        "resources.drain_period",
        "features.graceful_shutdown",
        "development",
        "production",
    }


def test_its_overlays_follow_the_environment(load):
    plain = load(mlsdmfiles.PRODUCTION_READY).config
    assert plain.rate_limit.enabled
    assert not plain.tracing.enabled
    development = load(mlsdmfiles.PRODUCTION_READY, MLSDM_ENV="dev").config
    assert not development.rate_limit.enabled
    assert development.logging.level == "DEBUG"
    assert not development.tracing.enabled
    production = load(mlsdmfiles.PRODUCTION_READY, MLSDM_ENV="production").config
    assert production.tracing.enabled
    assert production.auth.mode == "APIKey"
    held = load("environments: {prod: {tracing: {enabled: true}}}", MLSDM_ENV="production").config
    assert held.tracing.enabled


def test_a_switch_for_authentication_is_outranked_by_a_key(load, tmp_path):
    off = "security: {auth: {enabled: false}}"
    settings = load(off)
    assert settings.config.auth.mode == "APIKey"
    assert settings.origins["auth.mode"] == "env API_KEY"
    assert any(text.startswith("security.auth.enabled: no effect") for text in settings.notes)
    open_to_all = load_settings(str(tmp_path / "engine.yaml"), {})
    assert open_to_all.config.auth.mode == "None"
    assert load("auth: {mode: None}").config.auth.mode == "None", "that was said aloud"


def test_the_schema_of_the_releases(load):
    settings = load(mlsdmfiles.RELEASES)
    assert values(settings) == {
        "memory.dimension": 10,
        "memory.capacity": 3000,
        "memory.phaseTolerance": 0.2,
        "memory.levels.lambdaL1": 0.4,
        "memory.levels.lambdaL2": 0.2,
        "memory.levels.lambdaL3": 0.02,
        "memory.levels.thetaL1": 1.0,
        "memory.levels.thetaL2": 2.0,
        "memory.levels.gating12": 0.5,
        "memory.levels.gating23": 0.3,
        "governance.moral.initialThreshold": 0.55,
        "governance.moral.minThreshold": 0.35,
        "governance.moral.maxThreshold": 0.85,
        "governance.moral.step": 0.04,
        "governance.rhythm.wakeDuration": 5,
        "governance.rhythm.sleepDuration": 2,
        "governance.speech.enabled": True,
        "governance.speech.repair": False,
        "governance.speech.repairSeverity": 0.4,
        "api.requestTimeoutSeconds": 13,
        "api.maxConcurrent": 100,
        "api.queueTimeoutSeconds": 5,
    }
    assert settings.warnings == ()


def test_dialects_may_be_mixed_with_our_own(load):
    mixed = load("mlsdm: {dimension: 64}\npelm: {capacity: 9}\nmemory: {topK: 2, dimension: 64}")
    memory = mixed.config.memory
    assert (memory.dimension, memory.capacity, memory.top_k) == (64, 9, 2)
    assert load("memory: {top_k: 2}").config.memory.top_k == 2


REFUSED = {
    "memroy: {}": "memroy: is not a setting (did you mean memory?)",
    "memory: {dimensions: 5}": "memory.dimensions: is not a setting (did you mean dimension?)",
    "topK: 5": "topK: is not a setting (did you mean memory.topK?)",
    "llm: {apiKey: x}": "llm.apiKey: is not a setting",
    "authentication: {}": "authentication: is not a setting",
    "api: {corsOrigin: []}": "api.corsOrigin: is not a setting (did you mean corsOrigins?)",
    "mlsdm: {dimension: 5}\nmemory: {dimension: 6}": "mlsdm.dimension and memory.dimension dis",
    "memory: {topK: 1, top_k: 2}": "memory.topK and memory.top_k disagree",
    "llm: {provider: oracle}": "llm.provider: must be LocalStub",
    "memory: {level1: {decay_lambda: x}}": "memory.level1.decay_lambda: must be a number",
    "memory: {level1: {decay_lambda: 1.0}}": "memory.levels.lambdaL1: Input should be greater",
    "environments: [1]": "environments: must be a mapping",
    "environments: {moon: {}}": "an overlay must be development, staging or production",
    "production: 5": "production: must be a mapping",
    "memory: 5": "memory: Input should be",
    "features: true": "features: is not a setting",
    "auth: {mode: OIDC}": "auth: oidc.issuer and oidc.audience are required",
    "auth: {mode: OIDC, oidc: {issuer: http://login.example, audience: a}}": "issuer must start",
    "environment: production\nauth: {mode: None}": "environment production needs callers with",
    "requireCredentials: true\nauth: {mode: None}": "requireCredentials needs callers with",
    "server: {port: 70000}": "server.port: Input should be less",
    "1: 2": "1: is not a setting",
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.items(), ids=REFUSED)
def test_what_is_refused_is_named_in_one_sentence(load, tmp_path, text, sentence):
    with pytest.raises(SettingsError) as refused:
        load(text)
    said = str(refused.value)
    assert sentence in said
    assert said.startswith(str(tmp_path / "engine.yaml"))
    assert "\n" not in said


def test_all_unknown_names_are_told_at_once_up_to_a_bound(load):
    with pytest.raises(SettingsError) as refused:
        load("\n".join(f"unknown{i}: 1" for i in range(9)))
    assert "unknown0" in str(refused.value)
    assert "unknown4" in str(refused.value)
    assert "(4 more)" in str(refused.value)


def test_an_unknown_name_in_a_part_of_mlsdm_is_a_warning(load):
    settings = load("moral_filter: {treshold: 0.4}\ncognitive_rhythm: {naps: 3}")
    assert settings.warnings == (
        "moral_filter.treshold: is not a setting that is known (did you mean threshold?)",
        "cognitive_rhythm.naps: is not a setting that is known",
    )
    assert settings.config.governance.moral.initial_threshold == 0.5


def test_a_document_that_refers_to_itself_is_read_only_as_deep_as_there_are_settings(load):
    # Written out, this would be a thousand million values.
    doubled = "".join(
        f"  k{i}: &l{i} {{{', '.join(f'x{j}: *l{i - 1}' for j in range(10))}}}\n"
        for i in range(1, 10)
    )
    bomb = "performance:\n  k0: &l0 {x: 1}\n" + doubled
    (note,) = load(bomb).notes
    assert note.startswith("performance.k0, performance.k1")
    with pytest.raises(SettingsError, match=r"llm\.breaker\.breaker: is not a setting"):
        load("llm: &all\n  breaker: *all")


def test_every_key_of_the_table_leads_somewhere():
    known = set(paths())
    assert len({row.key for row in FILE_KEYS}) == len(FILE_KEYS)
    for row in FILE_KEYS:
        assert row.sets in known or (not row.sets and row.says), row.key
