"""Settings and the command line: what is refused, with which words and exit code."""

import json
import socket

import pytest
import yaml

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.__main__ import main
from cognitive_engine.settings import SettingsError, config_hash, load_config, whole_number

NAMES = (
    "CONFIG_PATH",
    "API_KEYS_FILE",
    "HOST",
    "API_PORT",
    "METRICS_PORT",
    "SHUTDOWN_SECONDS",
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path):
    def written(content):
        path = tmp_path / "engine.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return written


def fails(capsys, arguments):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cognitive-engine: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_no_file_means_the_defaults():
    assert load_config(None) == load_config("") == EngineConfig()


@pytest.mark.parametrize("content", ["", "# only a remark\n", "{}", "null"])
def test_an_empty_file_means_the_defaults(write, content):
    assert load_config(write(content)) == EngineConfig()


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
    assert "cannot be read" in fails(capsys, ["check", str(tmp_path / "none.yaml")])


def test_check_prints_what_is_in_force_and_its_hash(write, capsys):
    path = write("governance: {rhythm: {wakeDuration: 5}}")
    assert main(["check", path]) == 0
    out = capsys.readouterr().out
    config = load_config(path)
    assert out.startswith(f"# config hash: {config_hash(config)}\n")
    shown = yaml.safe_load(out)
    assert shown["governance"]["rhythm"]["wakeDuration"] == 5
    assert EngineConfig.model_validate(shown) == config


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "tcp://10.0.0.1:80"),
        ("API_PORT", "65536"),
        ("API_PORT", "-1"),
        ("METRICS_PORT", "٣"),
        ("METRICS_PORT", "9" * 5000),
        ("SHUTDOWN_SECONDS", "1"),
    ],
)
def test_a_bad_number_in_the_environment_is_named(capsys, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert f"{name} must be a whole number" in fails(capsys, ["serve"])


def test_an_option_beats_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("API_PORT", "8000")
    assert "--port must be" in fails(capsys, ["serve", "--port", "x"])
    assert "--metrics-port must be" in fails(capsys, ["serve", "--metrics-port", "x"])


@pytest.mark.parametrize("text", ["0", "65535", "08"])
def test_whole_numbers(text):
    assert whole_number("x", text, 0, 65535) == int(text)


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


def test_unknown_commands_are_refused():
    for arguments in ([], ["dance"], ["serve", "--workers", "4"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_a_bad_file_is_an_error_of_settings(write):
    with pytest.raises(SettingsError):
        load_config(write("[]"))
