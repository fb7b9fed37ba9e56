"""The chart: renders, refuses typos, asks for little, and agrees with the operator's settings."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from cognitive_api import __version__, identity
from cognitive_api.chart_values import ChartValues
from cognitive_operator.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "cognitive-engine-operator"
DIGEST = "sha256:" + "a" * 64

VALUES: dict[str, dict[str, Any]] = {
    "default": {},
    "namespaced": {"watchNamespaces": ["shop", "lab"], "logging": {"level": "DEBUG"}},
    "monitored": {
        "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "crds": {"install": False},
    },
    "everything": {
        "image": {"digest": DIGEST, "tag": "ignored", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "engineImage": "example/engine:1",
        "nameOverride": "mind",
        "fullnameOverride": "mind-operator",
        "serviceAccount": {"name": "robot", "annotations": {"a": "b"}},
        "logging": {"format": "text"},
        "resources": {"limits": {"cpu": 1}},
        "podAnnotations": {"c": "d"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "extraEnv": [{"name": "X", "value": "y"}],
        "global": {"from": "a parent chart"},
    },
}

Objects = list[dict[str, Any]]
Render = Callable[[dict[str, Any]], Objects]


def helm(*arguments: str, values: object = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "hack" / "tool"), "helm", *arguments],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.fixture(scope="module", autouse=True)
def _built_helm() -> None:
    if helm("version").returncode != 0:
        pytest.fail("hack/tool cannot build helm: see its output above; it needs Go", pytrace=False)


@pytest.fixture(scope="module")
def render() -> Render:
    def rendered(values: dict[str, Any]) -> Objects:
        arguments = ("template", "web", str(CHART), "--namespace", "ops", "--values", "-")
        answer = helm(*arguments, values=values)
        assert answer.returncode == 0, answer.stderr
        return [found for found in yaml.safe_load_all(answer.stdout) if found]

    return rendered


def of_kind(objects: Objects, kind: str) -> Objects:
    return [found for found in objects if found["kind"] == kind]


def pod_of(objects: Objects) -> dict[str, Any]:
    (deployment,) = of_kind(objects, "Deployment")
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


@pytest.mark.timeout(900)
def test_helm_lint_is_clean() -> None:
    answer = helm("lint", "--strict", str(CHART))
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("name", VALUES)
def test_every_object_is_labelled_and_short_named(name: str, render: Render) -> None:
    for found in render(VALUES[name]):
        assert len(found["metadata"]["name"]) <= 63
        labels = found["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == identity.PART_OF
        assert labels["app.kubernetes.io/component"] == "operator"


@pytest.mark.parametrize("name", VALUES)
def test_rights_have_no_wildcard_and_secrets_are_only_got(name: str, render: Render) -> None:
    objects = render(VALUES[name])
    roles = of_kind(objects, "Role") + of_kind(objects, "ClusterRole")
    assert roles
    for rule in (rule for role in roles for rule in role["rules"]):
        assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["get"]


def test_namespaced_mode_has_no_right_outside_its_namespaces(render: Render) -> None:
    objects = render(VALUES["namespaced"])
    assert not of_kind(objects, "ClusterRole") + of_kind(objects, "ClusterRoleBinding")
    for kind in ("Role", "RoleBinding"):
        assert [found["metadata"]["namespace"] for found in of_kind(objects, kind)] == [
            "shop",
            "lab",
        ]
    for binding in of_kind(objects, "RoleBinding"):
        assert binding["subjects"][0]["namespace"] == "ops"


@pytest.mark.parametrize("name", VALUES)
def test_pod_is_restricted(name: str, render: Render) -> None:
    pod = pod_of(render(VALUES[name]))
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": identity.RUN_AS_USER,
        "runAsGroup": identity.RUN_AS_USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", VALUES)
def test_operator_reads_its_environment(name: str, render: Render) -> None:
    (container,) = pod_of(render(VALUES[name]))["containers"]
    env = {item["name"]: item.get("value", "pod-1") for item in container["env"]}
    settings = Settings.from_environment(env)
    values = ChartValues.model_validate(VALUES[name])
    assert list(settings.namespaces) == values.watch_namespaces
    assert settings.log_level == values.logging.level
    assert settings.log_format == values.logging.format
    assert settings.instance == "pod-1"
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": settings.metrics_port, "probes": settings.probe_port}
    assert settings.engine_image == (
        values.engine_image or f"localhost/cognitive-engine:{__version__}"
    )


def test_digest_outranks_tag_and_version_is_the_default(render: Render) -> None:
    images = {
        name: pod_of(render(VALUES[name]))["containers"][0]["image"]
        for name in ("default", "everything")
    }
    assert images == {
        "default": f"localhost/cognitive-operator:{__version__}",
        "everything": f"localhost/cognitive-operator@{DIGEST}",
    }


def test_one_operator_at_a_time(render: Render) -> None:
    (deployment,) = of_kind(render({}), "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_definition_outlives_the_release_and_can_be_left_out(render: Render) -> None:
    (definition,) = of_kind(render({}), "CustomResourceDefinition")
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert (
        definition["spec"]
        == yaml.safe_load((ROOT / "crds" / "cognitiveengines.yaml").read_text())["spec"]
    )
    assert not of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition")


def test_monitor_selects_the_metrics_service(render: Render) -> None:
    objects = render(VALUES["monitored"])
    (monitor,), (service,) = of_kind(objects, "ServiceMonitor"), of_kind(objects, "Service")
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    assert selected <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"imgae": {"tag": "1"}}, "imgae"),
        ({"image": {"tga": "1"}}, "tga"),
        ({"logging": {"level": "LOUD"}}, "level"),
        ({"watchNamespaces": "shop"}, "watchNamespaces"),
        ({"watchNamespaces": ["Shop"]}, "watchNamespaces"),
        ({"image": {"digest": "sha256:short"}}, "digest"),
        ({"crds": {"install": "yes"}}, "install"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], named: str) -> None:
    answer = helm("template", "web", str(CHART), "--values", "-", values=values)
    assert answer.returncode != 0
    assert named in answer.stderr


def test_values_file_states_the_defaults_of_the_model() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    defaults = ChartValues().model_dump(by_alias=True, mode="json")
    del defaults["global"]
    assert values == defaults
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema, cls=jsonschema.Draft7Validator)


def test_chart_version_is_the_package_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__
