"""Settings and the command line: what is refused, with which words and exit code."""

import json
import os
import socket

import pytest
import yaml

from cognitive_api.engine_config import APISettings, LLMSettings
from cognitive_api.governance import MemorySettings
from cognitive_engine.__main__ import main
from cognitive_engine.domain import limits
from cognitive_engine.settings import Configuration, config_hash, load_settings
from cognitive_engine.settings.variables import VARIABLES
from cognitive_engine.telemetry import logs


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    known = {item.name for item in VARIABLES}
    for name in list(os.environ):
        if name in known or name.startswith("MLSDM_"):
            monkeypatch.delenv(name)


def load_config(path):
    return load_settings(path, {}).config


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "engine.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return written


def fails(capsys, arguments):
    assert main(arguments) == (1 if arguments[0] == "check" else 2)
    out, err = capsys.readouterr()
    # The log may say that it starts.
    assert all(json.loads(line)["event"] == "starting" for line in out.splitlines())
    assert err.startswith("cognitive-engine: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_no_file_means_the_defaults():
    assert load_config(None) == load_config("") == Configuration()


@pytest.mark.parametrize("content", ["", "# only a remark\n", "{}", "null"])
def test_an_empty_file_means_the_defaults(write, content):
    assert load_config(write(content)) == Configuration()


def test_json_is_yaml(write):
    document = {"memory": {"topK": 3}, "authMode": "None"}
    assert load_config(write(json.dumps(document))).memory.top_k == 3


BAD_FILES = {
    "an unknown name": ("memroy: {}", "memroy"),
    "an unknown inner name": ("memory: {dimensions: 5}", "memory.dimensions"),
    "a value out of range": ("memory: {dimension: 1}", "memory.dimension"),
    "rules that contradict": (
        "governance: {moral: {minThreshold: 0.9, maxThreshold: 0.3}}",
        "governance.moral",
    ),
    "not a number": ("governance: {moral: {step: .nan}}", "governance.moral.step"),
    "broken YAML": ("a: [1,\nb: }", "not valid YAML at line 2"),
    "a tag": ("!!python/object/apply:os.system [id]", "not valid YAML"),
    "a list": ("[1, 2]", "no mapping"),
    "bytes": (b"a: \xff", "not valid YAML"),
    "deep nesting": ("[" * 20_000, "not valid YAML"),
    "a large file": (b"#" * (1024 * 1024 + 1), "larger than"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=BAD_FILES)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_bad_file_ends_with_one_sentence(write, capsys, monkeypatch, command, content, words):
    monkeypatch.setenv("CONFIG_PATH", write(content))
    assert words in fails(capsys, [command])


def test_a_missing_file_ends_with_one_sentence(capsys, tmp_path):
    assert "cannot be read" in fails(capsys, ["check", "--config", str(tmp_path / "none.yaml")])


def test_the_hash_tells_settings_apart_and_not_spellings(write):
    plain = config_hash(load_config(write("memory: {topK: 5}")))
    assert plain == config_hash(load_config(write("")))
    assert plain == config_hash(load_config(write('{"memory": {"topK": "5"}}')))
    assert plain != config_hash(load_config(write("memory: {topK: 6}")))


def test_keys_are_required_unless_the_settings_say_otherwise(capsys, monkeypatch, tmp_path):
    assert "API_KEYS_FILE" in fails(capsys, ["serve"])
    monkeypatch.setenv("API_KEYS_FILE", str(tmp_path / "none"))
    assert "cannot be read" in fails(capsys, ["serve"])
    (tmp_path / "none").write_text("# no key\n")
    assert "holds no key" in fails(capsys, ["serve"])


@pytest.mark.parametrize("name", ["API_PORT", "METRICS_PORT", "SHUTDOWN_SECONDS"])
def test_a_bad_number_in_the_environment_is_named(capsys, monkeypatch, name):
    monkeypatch.setenv(name, "-1")
    assert f"cognitive-engine: {name}: server." in fails(capsys, ["serve"])


def test_an_option_beats_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("API_PORT", "8000")
    assert "--port: server.port: " in fails(capsys, ["serve", "--port", "x"])
    assert "--metrics-port: server.metricsPort: " in fails(
        capsys, ["serve", "--metrics-port", "65536"]
    )


def test_a_memory_that_does_not_fit_is_said_so(write, capsys, monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr("cognitive_engine.service.initial", refuse)
    monkeypatch.setenv("CONFIG_PATH", write("authMode: None\nlogging: {level: ERROR}"))
    assert "needs 29 MiB" in fails(capsys, ["serve"])


def test_a_port_that_is_taken_is_said_so(write, capsys, monkeypatch):
    monkeypatch.setenv("CONFIG_PATH", write("authMode: None\nmemory: {capacity: 5}"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["serve", "--host", "127.0.0.1", "--port", port, "--metrics-port", "0"]
        assert main(arguments) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_bounds_that_stand_on_both_sides_agree():
    def most(model, name):
        return next(rule.le for rule in model.model_fields[name].metadata if hasattr(rule, "le"))

    assert most(APISettings, "max_prompt_characters") == limits.PROMPT_CHARS_MAX
    assert APISettings().max_prompt_characters == limits.PROMPT_CHARS_MAX
    assert most(LLMSettings, "max_tokens") == limits.MAX_TOKENS_MAX
    assert LLMSettings().max_tokens == limits.TOKENS_AWAKE_DEFAULT
    assert most(MemorySettings, "top_k") == limits.TOP_K_MAX


def test_unknown_commands_are_refused():
    for arguments in ([], ["dance"], ["serve", "--workers", "4"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def run(capsys, *arguments):
    code = main(["check", *arguments])
    return code, capsys.readouterr().out


@pytest.fixture
def told(write, monkeypatch):
    """A file and an environment that leave something to tell."""
    monkeypatch.setenv("CONFIG_PATH", write("llm: {provider: openai}\napi: {workers: 4}"))
    monkeypatch.setenv("MLSDM_DIM", "64")
    monkeypatch.setenv("MLSDM_CAPACITTY", "5")
    monkeypatch.setenv("OPENAI_API_KEY", "planted-0123456789")
    monkeypatch.setenv("API_KEY", "planted-9876543210")


def test_check_prints_a_file_that_gives_the_same_settings(told, write, capsys, monkeypatch):
    code, out = run(capsys)
    assert code == 0
    lines = out.splitlines()
    settings = load_settings(os.environ["CONFIG_PATH"], os.environ)
    assert lines[:6] == [
        f"# config hash: {settings.hash}",
        "# secret: caller key ******** (env API_KEY)",
        "# secret: LLM key ******** (env OPENAI_API_KEY)",
        "# warning: MLSDM_CAPACITTY: is not a variable that is known (did you mean "
        "MLSDM_CAPACITY?)",
        "# note: api.workers: no effect: one process serves all requests of a pod, because its "
        "memory is one; add replicas instead",
        "governance:",
    ]
    assert "  backend: OpenAI  # file llm.provider" in lines
    assert "  dimension: 64  # env MLSDM_DIM" in lines
    assert "  capacity: 20000" in lines
    assert Configuration.model_validate(yaml.safe_load(out)) == settings.config
    monkeypatch.delenv("MLSDM_DIM")
    assert load_config(write(out)) == settings.config


def test_check_for_programs_makes_the_round_trip(told, write, capsys, monkeypatch):
    code, out = run(capsys, "-o", "json")
    assert code == 0
    document = json.loads(out)
    assert document["hash"] == config_hash(Configuration.model_validate(document["config"]))
    assert document["origins"]["memory.dimension"] == "env MLSDM_DIM"
    assert document["origins"]["llm.backend"] == "file llm.provider"
    assert document["origins"]["memory.topK"] == "default"
    assert document["secrets"] == [
        {"purpose": "caller key", "value": "********", "origin": "env API_KEY"},
        {"purpose": "LLM key", "value": "********", "origin": "env OPENAI_API_KEY"},
    ]
    assert len(document["warnings"]) == len(document["notes"]) == 1
    again, second = run(capsys, "-o", "json", "--config", write(json.dumps(document["config"])))
    assert again == 0
    assert json.loads(second)["hash"] == document["hash"]
    assert json.loads(second)["config"] == document["config"]


def test_check_shows_no_secret(told, capsys):
    for arguments in ([], ["-o", "json"]):
        assert "planted" not in run(capsys, *arguments)[1]


def test_warnings_count_only_when_they_are_to(told, capsys, monkeypatch):
    assert run(capsys, "--strict")[0] == 2
    monkeypatch.delenv("MLSDM_CAPACITTY")
    assert run(capsys, "--strict")[0] == 0, "a note is no warning"
    monkeypatch.delenv("OPENAI_API_KEY")
    code, out = run(capsys)
    assert code == 0
    assert "# warning: serve would not start: llm.backend OpenAI needs an API key" in out
    assert run(capsys, "--strict")[0] == 2
    assert "needs an API key" in fails(capsys, ["serve"])


def test_the_file_of_the_command_line_beats_that_of_the_environment(told, write, capsys):
    assert "capacity: 7  # file capacity" in run(capsys, "--config", write("capacity: 7"))[1]


def test_the_start_says_the_hash_and_the_warnings_once(write, capfd, monkeypatch):
    monkeypatch.setenv("CONFIG_PATH", write("auth: {mode: None}\nmemory: {capacity: 5}"))
    monkeypatch.setenv("MLSDM_CAPACITTY", "5")

    async def nothing(_engine, listeners, _seconds):
        listeners.api.close()
        listeners.metrics.close()

    monkeypatch.setattr("cognitive_engine.__main__.serve", nothing)
    assert main(["serve", "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"]) == 0
    logs.close()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    (started,) = [line for line in lines if line["event"] == "starting"]
    settings = load_settings(
        os.environ["CONFIG_PATH"],
        os.environ,
        {
            "server.host": ("--host", "127.0.0.1"),
            "server.port": ("--port", "0"),
            "server.metricsPort": ("--metrics-port", "0"),
        },
    )
    assert started["config"] == settings.hash
    assert started["warnings"] == list(settings.warnings)
    assert "MLSDM_CAPACITY?" in started["warnings"][0]
