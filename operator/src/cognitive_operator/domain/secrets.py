"""Secrets that an engine's pods read: which field names them, and where the pods find them."""

from dataclasses import dataclass

from cognitive_api import identity
from cognitive_api.cognitive_engine import CognitiveEngineSpec
from cognitive_api.keyed import ScopeSecretRef, SecretKeyRef


@dataclass(frozen=True)
class MountedSecret:
    """One key of a Secret, mounted as a file; the kubelet follows when the Secret changes."""

    field: str
    """Field of the spec that names it."""
    secret: str
    key: str
    volume: str
    directory: str
    file: str
    variable: str
    """Environment variable that tells the engine the file's path."""

    @property
    def path(self) -> str:
        """Return where the engine finds it."""
        return f"{self.directory}/{self.file}"


def mounted_secrets(spec: CognitiveEngineSpec) -> tuple[MountedSecret, ...]:
    """Return what the pods of this spec cannot start without, always in the same order."""
    auth = spec.api.auth
    found = (
        _mounted(
            "api.auth.apiKeySecretRef",
            auth.api_key_secret_ref if auth.mode.takes_keys else None,
            "api-keys",
            (identity.API_KEYS_DIR, identity.API_KEYS_FILE_NAME),
            identity.ENV_API_KEYS_FILE,
        ),
        _mounted(
            "api.auth.scopeSecretRef",
            auth.scope_secret_ref,
            "scope-secret",
            (identity.SCOPE_SECRET_DIR, identity.SCOPE_SECRET_FILE_NAME),
            identity.ENV_SCOPE_SECRET_FILE,
        ),
        _mounted(
            "llm.apiKeySecretRef",
            spec.llm.api_key_secret_ref,
            "llm-key",
            (identity.LLM_KEY_DIR, identity.LLM_KEY_FILE_NAME),
            identity.ENV_LLM_API_KEY_FILE,
        ),
        _mounted(
            "embeddings.apiKeySecretRef",
            spec.embeddings.api_key_secret_ref,
            "embeddings-key",
            (identity.EMBEDDINGS_KEY_DIR, identity.EMBEDDINGS_KEY_FILE_NAME),
            identity.ENV_EMBEDDINGS_API_KEY_FILE,
        ),
    )
    return tuple(item for item in found if item is not None)


def _mounted(
    field: str,
    ref: SecretKeyRef | ScopeSecretRef | None,
    volume: str,
    place: tuple[str, str],
    variable: str,
) -> MountedSecret | None:
    if ref is None:
        return None
    directory, file = place
    return MountedSecret(field, ref.name, ref.key, volume, directory, file, variable)
