"""The operator's own settings, from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(Exception):
    """A setting that the operator cannot start with; the text names it."""


@dataclass(frozen=True)
class Settings:
    """How this process runs."""

    engine_image: str
    namespaces: tuple[str, ...] = ()
    """Watched namespaces; empty means all."""
    log_level: str = "INFO"
    log_format: str = "json"
    metrics_port: int = 8080
    probe_port: int = 8081
    instance: str = "cognitive-operator"

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: one is missing or wrong.
        """
        image = env.get("ENGINE_IMAGE", "").strip()
        if not image:
            raise SettingsError(
                "ENGINE_IMAGE is not set: name the engine image for resources without spec.image"
            )
        level = env.get("LOG_LEVEL", cls.log_level).upper()
        if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise SettingsError(f"LOG_LEVEL is {level}: use DEBUG, INFO, WARNING or ERROR")
        fmt = env.get("LOG_FORMAT", cls.log_format)
        if fmt not in {"json", "text"}:
            raise SettingsError(f"LOG_FORMAT is {fmt}: use json or text")
        names = (part.strip() for part in env.get("WATCH_NAMESPACES", "").split(","))
        return cls(
            engine_image=image,
            namespaces=tuple(name for name in names if name),
            log_level=level,
            log_format=fmt,
            metrics_port=_port(env, "METRICS_PORT", cls.metrics_port),
            probe_port=_port(env, "PROBE_PORT", cls.probe_port),
            instance=env.get("POD_NAME", cls.instance),
        )


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise SettingsError(f"{name} is {text}: use a port number")
    return int(text)
