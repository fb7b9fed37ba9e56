"""One pass over one engine: observe → plan → apply → report.

Every trigger ends here and none of them is told apart, so a pass may start from any half-done
state and ends the same.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from pydantic import ValidationError

from cognitive_api.cognitive_engine import CognitiveEngineSpec
from cognitive_api.conditions import Reason

from .adapters.api import APIError, Ending, NotFound, Refused
from .adapters.apply import Writer
from .adapters.cache import Cache, EngineKey
from .adapters.clock import Clock
from .adapters.cluster import Cluster
from .adapters.events import Events
from .domain import limits
from .domain.observed import Engine, Observed
from .domain.plan import Plan, plan
from .domain.status.report import (
    Failure,
    build_blocked_status,
    build_status,
    is_ready,
    transitions,
)
from .telemetry import READY, REPLICAS

log = structlog.get_logger("cognitive_operator.reconcile")


class PassFailed(Exception):
    """A pass that did not reach its end; the status says why."""


class Reconciler:
    """Runs passes. Holds no state of its own between two of them."""

    def __init__(
        self, cache: Cache, cluster: Cluster, writer: Writer, events: Events, clock: Clock
    ) -> None:
        self._cache = cache
        self._cluster = cluster
        self._writer = writer
        self._events = events
        self._clock = clock

    async def run(self, key: EngineKey) -> float | None:
        """Run one pass.

        Returns:
            Seconds until the object should be looked at again, or None when it is gone.

        Raises:
            PassFailed: a write or a read failed.
        """
        body = self._cache.engine(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            # Owner references make the garbage collector remove what is left.
            _forget_metrics(key)
            return None
        engine = _parse(body)
        if isinstance(engine, str):
            await self._report_blocked(body, Failure(Reason.INVALID_SPEC, engine))
            return limits.RESYNC_SECONDS
        try:
            observed = await self._cluster.observe(engine)
            decided, failure = plan(engine, observed), None
            if not decided.settled:
                failure = await self._carry_out(key, engine, decided)
                # Judge what the writes made, not what they found.
                observed = await self._cluster.observe(engine)
                decided = plan(engine, observed)
        except Ending:
            # The engine goes with its namespace; its deletion will be the next we hear of it.
            return limits.RESYNC_SECONDS
        except APIError as fault:
            await self._report_blocked(body, _failure(fault))
            raise PassFailed(str(fault)) from fault
        await self._report(key, engine, decided, observed, failure)
        if failure is not None:
            raise PassFailed(failure.message)
        if not decided.settled:
            # Somebody writes against us, or the server keeps something else: come back, later
            # each time, rather than fight at full speed.
            raise PassFailed("still differs after the write: " + ", ".join(_left(decided)))
        return decided.requeue_after

    async def _carry_out(self, key: EngineKey, engine: Engine, decided: Plan) -> Failure | None:
        failure = None
        try:
            await self._writer.carry_out(decided, engine.namespace)
        except Ending:
            raise
        except APIError as fault:
            failure = _failure(fault)
        log.info(
            "applied",
            namespace=key.namespace,
            name=key.name,
            writes=[f"{w.key.kind}/{w.key.name}" for w in decided.writes],
            prunes=[f"{p.key.kind}/{p.key.name}" for p in decided.prunes],
            failure=None if failure is None else failure.message,
        )
        return failure

    async def _report(
        self,
        key: EngineKey,
        engine: Engine,
        decided: Plan,
        observed: Observed,
        failure: Failure | None,
    ) -> None:
        current = self._cache.engine(key)
        before: Mapping[str, Any] = {} if current is None else current.get("status", {})
        status = build_status(engine, decided, observed, failure, before, self._clock.now_text())
        READY.labels(*key).set(is_ready(status))
        REPLICAS.labels(*key, "current").set(status["replicas"])
        REPLICAS.labels(*key, "ready").set(status["readyReplicas"])
        if status == before:
            return
        await self._write_status(key, status)
        for transition in transitions(before, status):
            log.info("transition", namespace=key.namespace, name=key.name, reason=transition.reason)
            try:
                await self._events.post(engine.namespace, engine.name, engine.uid, transition)
            except Ending:
                return
            except APIError as fault:
                # The condition already says it; an Event is only its echo.
                log.warning("event_lost", namespace=key.namespace, name=key.name, why=str(fault))

    async def _report_blocked(self, body: Mapping[str, Any], failure: Failure) -> None:
        """Say why the pass could not look further; what was known before stays in the status."""
        meta, before = body["metadata"], body.get("status", {})
        key = EngineKey(meta["namespace"], meta["name"])
        READY.labels(*key).set(0)
        status = build_blocked_status(meta["generation"], failure, before, self._clock.now_text())
        if status != before:
            await self._write_status(key, status)

    async def _write_status(self, key: EngineKey, status: Mapping[str, Any]) -> None:
        try:
            await self._writer.status(key.namespace, key.name, status)
        except NotFound:
            # Deleted meanwhile: nobody is left to be told.
            return
        except APIError as fault:
            raise PassFailed(str(fault)) from fault


def _parse(body: Mapping[str, Any]) -> Engine | str:
    meta = body["metadata"]
    try:
        spec = CognitiveEngineSpec.model_validate(body.get("spec", {}))
    except ValidationError as fault:
        first = fault.errors(include_input=False, include_url=False)[0]
        place = ".".join(["spec", *map(str, first["loc"])])
        return f"{place}: {first['msg']}"
    return Engine(meta["name"], meta["namespace"], meta["uid"], meta["generation"], spec)


def _failure(fault: APIError) -> Failure:
    refused = isinstance(fault, Refused)
    return Failure(Reason.WRITE_REFUSED if refused else Reason.API_UNAVAILABLE, str(fault))


def _left(decided: Plan) -> list[str]:
    keys = [write.key for write in decided.writes] + [prune.key for prune in decided.prunes]
    return [f"{key.kind} {key.name}" for key in keys] or ["the number of pods"]


def _forget_metrics(key: EngineKey) -> None:
    with suppress(KeyError):
        READY.remove(*key)
    for state in ("current", "ready"):
        with suppress(KeyError):
            REPLICAS.remove(*key, state)
