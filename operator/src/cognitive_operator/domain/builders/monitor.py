"""Scraping by the Prometheus operator."""

from cognitive_api import identity

from .. import labels, names
from ..kinds import SERVICE_MONITOR
from ..observed import Engine, Manifest
from .base import manifest


def build_service_monitor(engine: Engine) -> Manifest | None:
    """Return the ServiceMonitor, when the spec wants one."""
    settings = engine.spec.monitoring.service_monitor
    if not settings.enabled:
        return None
    return manifest(
        engine,
        SERVICE_MONITOR,
        names.child(engine.name),
        {
            "spec": {
                "selector": {"matchLabels": labels.selector(engine.name)},
                "endpoints": [
                    {
                        "port": identity.PORT_NAME_METRICS,
                        "path": identity.PATH_METRICS,
                        "interval": f"{settings.interval_seconds}s",
                    }
                ],
            }
        },
        extra_labels=dict(settings.labels),
    )
