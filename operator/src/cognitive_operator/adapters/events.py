"""Kubernetes Events: one for each transition, so that `kubectl describe` tells the story."""

from uuid import uuid4

from cognitive_api import identity

from ..domain.status.report import Transition
from .api import API
from .clock import Clock


class Events:
    """Writes Events about engines."""

    def __init__(self, api: API, clock: Clock, instance: str) -> None:
        self._api = api
        self._clock = clock
        self._instance = instance

    async def post(self, namespace: str, name: str, uid: str, transition: Transition) -> None:
        """Write one Event.

        Raises:
            APIError: the caller decides whether that matters.
        """
        now = self._clock.now_text()
        await self._api.create(
            f"/api/v1/namespaces/{namespace}/events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": f"{name[:40]}.{uuid4().hex[:16]}",
                    "namespace": namespace,
                },
                "involvedObject": {
                    "apiVersion": identity.API_VERSION,
                    "kind": identity.KIND,
                    "name": name,
                    "namespace": namespace,
                    "uid": uid,
                },
                "type": "Warning" if transition.warning else "Normal",
                "reason": transition.reason,
                "message": transition.message,
                "source": {"component": identity.FIELD_MANAGER},
                "reportingComponent": identity.FIELD_MANAGER,
                "reportingInstance": self._instance,
                "action": "Reconcile",
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
