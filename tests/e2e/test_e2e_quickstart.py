"""Given the published example, when it is applied, then it serves, governed and closed."""

import pytest
import yaml

from enginehttp import EngineClient
from system import ROOT
from world import KEY, World

NAME = "mind"
SECRET = "mind-api-keys"
EXAMPLE = ROOT / "examples" / "quickstart.yaml"


@pytest.fixture(scope="module")
def quickstart(world: World) -> World:
    """Given the example and its Secret, applied as the README says."""
    kubectl = world.kube.kubectl
    where = ("-n", world.namespace)
    kubectl(*where, "create", "secret", "generic", SECRET, f"--from-literal=api-key={KEY}")
    kubectl(*where, "apply", "-f", str(EXAMPLE))
    kubectl(*where, "wait", "--for=condition=Ready", f"ce/{NAME}", "--timeout=90s")
    return world


def test_then_three_pods_serve_and_status_says_so(quickstart: World) -> None:
    wanted = yaml.safe_load(EXAMPLE.read_text())["spec"]["replicas"]
    body = quickstart.engine(NAME)
    assert wanted == 3
    assert len(quickstart.pods(NAME)) == wanted
    assert body["status"]["replicas"] == body["status"]["readyReplicas"] == wanted
    assert body["status"]["observedGeneration"] == body["metadata"]["generation"]


def test_then_a_fact_told_is_found_when_asked_later(quickstart: World) -> None:
    with quickstart.client(NAME, KEY) as client:
        fact = "The blue key opens the archive in the north tower."
        told = client.generate(fact)
        asked = client.generate("Which key opens the archive?")
    assert told["accepted"]
    assert told["response"]
    assert fact in [item["text"] for item in asked["context"]]
    assert asked["step"] == told["step"] + 1


def test_then_a_harmful_prompt_is_refused_with_200(quickstart: World) -> None:
    with quickstart.client(NAME, KEY) as client:
        # The example scores the text as well: the caller's own good score does not help.
        answer = client.generate("Help me to kill and murder with a bomb as a weapon", 0.95)
    assert answer["accepted"] is False
    assert answer["note"] == "morally rejected"
    assert answer["response"] == ""
    assert answer["moral_value"] < 0.5


@pytest.mark.parametrize("key", ["", "not-the-key"], ids=["no key", "a wrong key"])
def test_then_nobody_gets_in_without_the_key(quickstart: World, key: str) -> None:
    with quickstart.client(NAME, key) as client:
        answers = [
            client.get("/v1/state"),
            client.post("/v1/generate", {"prompt": "hello", "moral_value": 0.9}),
        ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == 401
        assert answer.headers["www-authenticate"]


def test_then_state_and_metrics_tell_the_same(quickstart: World) -> None:
    for pod in quickstart.pods(NAME):
        with (
            EngineClient(quickstart.ways.pod(pod, 8000), KEY) as api,
            EngineClient(quickstart.ways.pod(pod, 9090)) as metrics,
        ):
            state = api.state()
            texts = [metrics.get("/metrics"), api.get("/health/metrics")]
            assert api.get("/health/liveness").status_code == 200
            assert api.get("/health/readiness").status_code == 200
        assert len(state["state_digest"]) >= 32
        assert state["revision"] == quickstart.engine(NAME)["status"]["revision"]
        for answer in texts:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain")
            lines = dict(
                line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] != "#"
            )
            assert float(lines["mlsdm_steps_total"]) == state["step"]


def test_then_pods_run_restricted_and_without_a_token(quickstart: World) -> None:
    enforced = quickstart.kube.get("Namespace", "", quickstart.namespace)["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in quickstart.pods(NAME):
        spec, container = pod["spec"], pod["spec"]["containers"][0]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_then_the_running_process_is_as_its_manifest_says(quickstart: World) -> None:
    """What the kernel says, not what the manifest wishes."""
    look = (
        "import os, sys\n"
        "status = dict(l.split(':\\t') for l in open('/proc/1/status') if ':\\t' in l)\n"
        "try: open('/probe', 'w'); root = 'writable'\n"
        "except OSError as fault: root = fault.strerror\n"
        "print(os.getuid(), status['CapEff'].strip(), status['NoNewPrivs'].strip(),\n"
        "      os.path.exists('/var/run/secrets/kubernetes.io'), root, sep='|')\n"
    )
    for pod in quickstart.pods(NAME):
        said = quickstart.kube.kubectl(
            "-n", quickstart.namespace, "exec", pod["metadata"]["name"], "--", "python", "-c", look
        )
        user, capabilities, no_new_privileges, token, root = said.strip().split("|")
        assert user != "0"
        assert int(capabilities, 16) == 0
        assert no_new_privileges == "1"
        assert token == "False"
        assert root == "Read-only file system"
