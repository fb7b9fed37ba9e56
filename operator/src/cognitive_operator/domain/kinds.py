"""The kinds we read and write, and where the API serves them: one table."""

from dataclasses import dataclass
from typing import Final

from cognitive_api import identity


@dataclass(frozen=True)
class Kind:
    """One kind of object."""

    name: str
    group: str
    version: str
    plural: str
    optional: bool = False
    """Served only where its CRD is installed."""

    @property
    def api_version(self) -> str:
        """Return `group/version`, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of one object, of a namespace's collection, or of all."""
        root = f"/apis/{self.group}" if self.group else "/api"
        place = f"/namespaces/{namespace}" if namespace else ""
        tail = f"/{name}" if name else ""
        return f"{root}/{self.version}{place}/{self.plural}{tail}"


ENGINE: Final = Kind(identity.KIND, identity.GROUP, identity.VERSION, identity.PLURAL)
SERVICE_ACCOUNT: Final = Kind("ServiceAccount", "", "v1", "serviceaccounts")
CONFIG_MAP: Final = Kind("ConfigMap", "", "v1", "configmaps")
SERVICE: Final = Kind("Service", "", "v1", "services")
DEPLOYMENT: Final = Kind("Deployment", "apps", "v1", "deployments")
PDB: Final = Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")
HPA: Final = Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
SERVICE_MONITOR: Final = Kind(
    "ServiceMonitor", "monitoring.coreos.com", "v1", "servicemonitors", optional=True
)

# In the order of writing: what pods need comes before the pods.
ALL: Final = (SERVICE_ACCOUNT, CONFIG_MAP, SERVICE, DEPLOYMENT, PDB, HPA, SERVICE_MONITOR)
WATCHED: Final = tuple(kind for kind in ALL if not kind.optional)
POLLED: Final = tuple(kind for kind in ALL if kind.optional)
BY_NAME: Final = {kind.name: kind for kind in ALL}
