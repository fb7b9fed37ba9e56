"""The chart's values: what may be set, checked and described in one place.

`values.schema.json` and the chart's README are generated from here; a test holds `values.yaml` to
the defaults below.
"""

from typing import Annotated, Any

from pydantic import Field

from .cognitive_engine import LabelText, PullPolicy
from .engine_config import LogFormat, LogLevel
from .governance import Strict

# The cluster judges these parts itself, by its own version's rules.
Verbatim = dict[str, Any]
Namespace = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
ShortName = Annotated[str, Field(max_length=53, pattern=r"^([a-z]([-a-z0-9]*[a-z0-9])?)?$")]
ImageName = Annotated[str, Field(max_length=512, pattern=r"^\S*$")]


class ImageValues(Strict):
    """The operator's own image."""

    repository: ImageName = Field(
        "localhost/cognitive-operator",
        min_length=1,
        description="Image name without tag; with its registry where there is one.",
    )
    tag: str = Field(
        "",
        max_length=128,
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        description="Image tag; the chart's appVersion when empty.",
    )
    digest: str = Field(
        "",
        pattern=r"^(sha256:[0-9a-f]{64})?$",
        description="Image digest (`sha256:…`); outranks the tag.",
    )
    pull_policy: PullPolicy = Field(
        PullPolicy.IF_NOT_PRESENT, description="When the node fetches the image."
    )


class PullSecret(Strict):
    """A Secret with registry credentials."""

    name: str = Field(min_length=1, max_length=253, description="Name of the Secret.")


class ServiceAccountValues(Strict):
    """The identity of the operator."""

    create: bool = Field(True, description="Make the ServiceAccount.")
    name: str = Field(
        "",
        max_length=253,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
        description="Its name; the full name of the release when empty, `default` if not made.",
    )
    annotations: dict[str, str] = Field({}, description="Extra annotations of it.")


class LoggingValues(Strict):
    """The operator's log."""

    level: LogLevel = Field(LogLevel.INFO, description="Least severity that is logged.")
    format: LogFormat = Field(
        LogFormat.JSON, description="One JSON object a line, or text for people."
    )


class CRDValues(Strict):
    """The CognitiveEngine resource definition."""

    install: bool = Field(
        True,
        description="Install and upgrade it with the release. An uninstall leaves it, and all "
        "engines, in place. False where somebody else installs it.",
    )


class ServiceMonitorValues(Strict):
    """Scraping of the operator by the Prometheus operator."""

    enabled: bool = Field(False, description="Make a ServiceMonitor; its CRD has to be there.")
    interval: str = Field(
        "30s", pattern=r"^[1-9][0-9]*(ms|s|m|h)$", description="Time between two scrapes."
    )
    labels: dict[str, LabelText] = Field(
        {}, description="Extra labels, for a Prometheus that selects its monitors by label."
    )


class MetricsValues(Strict):
    """The operator's metrics: always served on port 8080, behind a Service."""

    service_monitor: ServiceMonitorValues = Field(
        ServiceMonitorValues(), description="Scraping by the Prometheus operator."
    )


class EnvironmentVariable(Strict):
    """One environment variable, as in a pod."""

    name: str = Field(
        min_length=1, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$", description="Name of the variable."
    )
    value: str | None = Field(None, description="Its value.")
    value_from: Verbatim | None = Field(None, description="Its source, as in a pod.")


class ChartValues(Strict):
    """All values of the chart."""

    image: ImageValues = Field(ImageValues(), description="The operator's own image.")
    image_pull_secrets: list[PullSecret] = Field(
        [], description="Secrets with registry credentials for the operator's image."
    )
    engine_image: ImageName = Field(
        "",
        description="Full image name of engines whose spec names none; "
        "`localhost/cognitive-engine` at the chart's appVersion when empty.",
    )
    name_override: ShortName = Field("", description="Replaces the chart's name in names.")
    fullname_override: ShortName = Field("", description="Replaces the whole name of all objects.")
    watch_namespaces: list[Namespace] = Field(
        [],
        description="Namespaces whose engines are served, with Roles in each of them; all "
        "namespaces, with a ClusterRole, when empty.",
    )
    crds: CRDValues = Field(CRDValues(), description="The resource definition.")
    service_account: ServiceAccountValues = Field(
        ServiceAccountValues(), description="The identity of the operator."
    )
    logging: LoggingValues = Field(LoggingValues(), description="The operator's log.")
    metrics: MetricsValues = Field(MetricsValues(), description="The operator's metrics.")
    resources: Verbatim = Field(
        {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
        description="Reserved and greatest use of the operator's pod.",
    )
    pod_annotations: dict[str, str] = Field({}, description="Extra annotations of the pod.")
    node_selector: dict[str, str] = Field({}, description="Labels that the node must carry.")
    tolerations: list[Verbatim] = Field([], description="Node taints that the pod accepts.")
    affinity: Verbatim = Field({}, description="Affinity rules of the pod.")
    extra_env: list[EnvironmentVariable] = Field(
        [], description="Extra environment variables of the operator."
    )
    global_: Verbatim = Field(
        {},
        alias="global",
        description="Not used here; Helm adds it when the chart is part of another one.",
    )


def build_values_schema() -> Verbatim:
    """Return the JSON Schema that Helm holds the values to."""
    raw = ChartValues.model_json_schema(by_alias=True)
    # Draft 7 is what every Helm 3 reads. There a `$ref` hides its neighbours, so none is left.
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_inline(raw, raw.get("$defs", {})),
    }


def _inline(node: Verbatim, defs: Verbatim) -> Verbatim:
    merged = dict(node)
    if "anyOf" in merged:  # only optional fields have it, and Helm drops a null before judging
        (branch,) = [b for b in merged.pop("anyOf") if b.get("type") != "null"]
        merged = {**branch, **merged}
    if "$ref" in merged:
        merged = {**defs[merged.pop("$ref").rsplit("/", 1)[1]], **merged}
    if "properties" in merged:
        merged["properties"] = {k: _inline(v, defs) for k, v in merged["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(merged.get(key), dict):
            merged[key] = _inline(merged[key], defs)
    if merged.get("default", ...) is None:
        del merged["default"]
    if "description" in merged:
        merged["description"] = " ".join(merged["description"].split())
    return {k: v for k, v in merged.items() if k not in ("$defs", "title")}
