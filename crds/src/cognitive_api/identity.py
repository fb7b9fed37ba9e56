"""Names that both sides and every generated file must spell the same way."""

from typing import Final

GROUP: Final = "mlsdm.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "CognitiveEngine"
PLURAL: Final = "cognitiveengines"
SINGULAR: Final = "cognitiveengine"
SHORT_NAMES: Final = ("ce",)
CATEGORIES: Final = ("all", "mlsdm")

FIELD_MANAGER: Final = "cognitive-operator"
# Holds `spec.replicas` of a Deployment while the ownership moves to the autoscaler: a field that
# its last owner drops falls back to its default, here one replica.
SCALE_HANDOVER_MANAGER: Final = "cognitive-operator-scale-handover"

APP_NAME: Final = "cognitive-engine"
PART_OF: Final = "mlsdm"

LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_VERSION: Final = "app.kubernetes.io/version"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_TRACK: Final = f"{GROUP}/track"
LABEL_REVISION: Final = f"{GROUP}/revision"
ANNOTATION_APPLIED: Final = f"{GROUP}/applied-hash"

COMPONENT_ENGINE: Final = "engine"
TRACK_STABLE: Final = "stable"

PORT_HTTP: Final = 8000
PORT_METRICS: Final = 9090
PORT_NAME_HTTP: Final = "http"
PORT_NAME_METRICS: Final = "metrics"

PATH_LIVENESS: Final = "/health/liveness"
PATH_READINESS: Final = "/health/readiness"
PATH_METRICS: Final = "/metrics"

CONFIG_FILE_NAME: Final = "engine.yaml"
CONFIG_DIR: Final = "/etc/cognitive-engine"
API_KEYS_DIR: Final = "/etc/cognitive-engine-keys"
API_KEYS_FILE_NAME: Final = "api-keys"
LLM_KEY_DIR: Final = "/etc/cognitive-engine-llm"
LLM_KEY_FILE_NAME: Final = "llm-key"
EMBEDDINGS_KEY_DIR: Final = "/etc/cognitive-engine-embeddings"
EMBEDDINGS_KEY_FILE_NAME: Final = "embeddings-key"
SCOPE_SECRET_DIR: Final = "/etc/cognitive-engine-scope"  # noqa: S105 - a place
SCOPE_SECRET_FILE_NAME: Final = "scope-secret"  # noqa: S105

ENV_CONFIG_PATH: Final = "CONFIG_PATH"
ENV_API_KEYS_FILE: Final = "API_KEYS_FILE"
ENV_LLM_API_KEY_FILE: Final = "LLM_API_KEY_FILE"
ENV_EMBEDDINGS_API_KEY_FILE: Final = "EMBEDDINGS_API_KEY_FILE"
ENV_SCOPE_SECRET_FILE: Final = "SCOPE_SECRET_FILE"  # noqa: S105
ENV_TRACK: Final = "MLSDM_TRACK"
ENV_REVISION: Final = "MLSDM_REVISION"

# The image's numeric user; the Dockerfiles are checked against it.
RUN_AS_USER: Final = 10001
