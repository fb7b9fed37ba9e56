"""Settings, answers of the API server, and the words of pods."""

from typing import Any

import pytest

from cognitive_operator.__main__ import main
from cognitive_operator.adapters.api import APIError, Ending, NotFound, Refused, Unavailable, _judge
from cognitive_operator.adapters.cluster import fault_of
from cognitive_operator.settings import Settings, SettingsError

GOOD = {"ENGINE_IMAGE": "example/engine:1"}


def test_settings_have_defaults() -> None:
    settings = Settings.from_environment({**GOOD, "WATCH_NAMESPACES": "a, b,"})
    assert settings.namespaces == ("a", "b")
    assert (settings.metrics_port, settings.probe_port) == (8080, 8081)


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "ENGINE_IMAGE"),
        ({**GOOD, "LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({**GOOD, "LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({**GOOD, "PROBE_PORT": "http"}, "PROBE_PORT"),
        ({**GOOD, "METRICS_PORT": "70000"}, "METRICS_PORT"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.from_environment(env)


def test_the_command_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ENGINE_IMAGE", raising=False)
    assert main(["run"]) == 2
    assert "ENGINE_IMAGE is not set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "raw", "kind"),
    [
        (404, b'{"message": "gone"}', NotFound),
        (404, b"404 page not found", NotFound),
        (403, b'{"message": "no"}', Refused),
        (409, b'{"message": "conflict"}', Refused),
        (403, b'{"details": {"causes": [{"reason": "NamespaceTerminating"}]}}', Ending),
        (422, b'{"message": "invalid"}', Refused),
        (401, b'{"message": "token"}', Unavailable),
        (429, b'{"message": "slow down"}', Unavailable),
        (500, b'{"message": "etcd"}', Unavailable),
        (502, b"<html>", Unavailable),
        (200, b"<html>", Unavailable),
    ],
)
def test_answers_are_sorted_into_later_and_never(
    status: int, raw: bytes, kind: type[APIError]
) -> None:
    with pytest.raises(kind, match="GET /x"):
        _judge("GET /x", status, raw)


def test_a_good_answer_is_returned() -> None:
    assert _judge("GET /x", 200, b'{"a": 1}') == {"a": 1}
    assert _judge("DELETE /x", 200, b"") == {}


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "mind-1"}, "status": status}


def waiting(reason: str | None, message: str = "", **extra: Any) -> dict[str, Any]:
    return pod(
        containerStatuses=[{"state": {"waiting": {"reason": reason, "message": message}}} | extra]
    )


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes",
}


@pytest.mark.parametrize(
    ("found", "reason", "message"),
    [
        (waiting("ImagePullBackOff", "no such image"), "ImagePullBackOff", "no such image"),
        (
            waiting("CrashLoopBackOff", "", lastState={"terminated": {"exitCode": 2}}),
            "CrashLoopBackOff",
            " (last exit code 2)",
        ),
        (pod(conditions=[UNSCHEDULED]), "Unschedulable", "0/1 nodes"),
    ],
)
def test_a_pods_fault_is_told(found: dict[str, Any], reason: str, message: str) -> None:
    fault = fault_of(found)
    assert fault is not None
    assert (fault.pod, fault.reason, fault.message) == ("mind-1", reason, message)


@pytest.mark.parametrize(
    "found", [pod(), waiting("ContainerCreating"), waiting(None), pod(containerStatuses=[{}])]
)
def test_a_starting_pod_has_no_fault(found: dict[str, Any]) -> None:
    assert fault_of(found) is None
