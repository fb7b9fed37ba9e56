"""Labels on children. Selectors use name, instance and component only: they never change."""

from cognitive_api import identity

from .names import fitted

MANAGED_SELECTOR = f"{identity.LABEL_MANAGED_BY}={identity.FIELD_MANAGER}"


def selector(engine: str) -> dict[str, str]:
    """Return the immutable labels that pick this engine's pods."""
    return {
        identity.LABEL_NAME: identity.APP_NAME,
        identity.LABEL_INSTANCE: fitted(engine),
        identity.LABEL_COMPONENT: identity.COMPONENT_ENGINE,
    }


def common(engine: str) -> dict[str, str]:
    """Return the labels of every child."""
    return {
        **selector(engine),
        identity.LABEL_PART_OF: identity.PART_OF,
        identity.LABEL_MANAGED_BY: identity.FIELD_MANAGER,
    }


def selector_text(engine: str) -> str:
    """Return the selector in its query form, for the scale subresource."""
    return ",".join(f"{key}={value}" for key, value in selector(engine).items())
