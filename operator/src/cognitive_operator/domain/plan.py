"""The pure decision of a pass: spec and observation in, writes and wake-up out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from . import limits
from .builders.configmap import build_configmap
from .builders.deployment import build_deployment
from .builders.monitor import build_service_monitor
from .builders.scaling import build_hpa, build_pdb
from .builders.service import build_service, build_service_account
from .drift import drifted
from .kinds import CONFIG_MAP, DEPLOYMENT
from .observed import ChildKey, Engine, Manifest, Observed
from .rollout import Rollout, judge_rollout, revision_of
from .secrets import MountedSecret, mounted_secrets


@dataclass(frozen=True)
class Write:
    """One server-side apply."""

    key: ChildKey
    manifest: Manifest
    creates: bool


@dataclass(frozen=True)
class Prune:
    """One deletion, bound to the identity that was seen."""

    key: ChildKey
    uid: str


@dataclass(frozen=True)
class Handover:
    """Gives the number of pods to the autoscaler without ever letting go of it."""

    key: ChildKey
    replicas: int


@dataclass(frozen=True)
class Plan:
    """What a pass will do, and what it found on the way."""

    image: str
    revision: str
    writes: tuple[Write, ...] = ()
    prunes: tuple[Prune, ...] = ()
    handover: Handover | None = None
    taken: tuple[ChildKey, ...] = ()
    missing_secrets: tuple[MountedSecret, ...] = ()
    suspended: bool = False
    rollout: Rollout = field(default_factory=Rollout)
    requeue_after: float = limits.RESYNC_SECONDS

    @property
    def settled(self) -> bool:
        """Whether nothing is left to write."""
        return not (self.writes or self.prunes or self.handover)


def desired_children(engine: Engine, observed: Observed) -> list[Manifest]:
    """Return every wanted child, in the order of writing."""
    config = build_configmap(engine)
    image = engine.spec.image or observed.default_image
    wanted: Iterable[Manifest | None] = (
        build_service_account(engine),
        config,
        build_service(engine),
        build_deployment(engine, image, config["metadata"]["name"]),
        build_pdb(engine),
        build_hpa(engine),
        build_service_monitor(engine) if observed.monitor_kind_known else None,
    )
    return [child for child in wanted if child is not None]


def key_of(manifest: Manifest) -> ChildKey:
    """Return kind and name of a manifest."""
    return ChildKey(manifest["kind"], manifest["metadata"]["name"])


def secret_names(engine: Engine) -> tuple[str, ...]:
    """Return the Secrets that the pods cannot start without, each once."""
    return tuple(dict.fromkeys(item.secret for item in mounted_secrets(engine.spec)))


def plan(engine: Engine, observed: Observed) -> Plan:
    """Decide one pass.

    Nothing is written for a suspended engine. While a Secret is missing, the pods and their
    configuration stay as they were; everything around them is kept true. A child whose name is
    taken by somebody else is left alone, and so is nothing else.
    """
    children = desired_children(engine, observed)
    image = engine.spec.image or observed.default_image
    deployment = next(c for c in children if c["kind"] == DEPLOYMENT.name)
    wanted_revision = revision_of(deployment)
    live_deployment = observed.children.get(key_of(deployment))
    rollout = judge_rollout(deployment, live_deployment, observed.pod_faults)
    missing = tuple(
        item for item in mounted_secrets(engine.spec) if item.secret in observed.missing_secrets
    )
    if engine.spec.suspend:
        return Plan(
            image, wanted_revision, suspended=True, rollout=rollout, missing_secrets=missing
        )

    frozen = {DEPLOYMENT.name, CONFIG_MAP.name} if missing else set()
    taken = tuple(key for key in map(key_of, children) if key in observed.taken)
    writes = tuple(
        Write(key, child, creates=key not in observed.children)
        for child in children
        if (key := key_of(child)).kind not in frozen
        and key not in taken
        and (key not in observed.children or drifted(child, observed.children[key].manifest))
    )
    return Plan(
        image=image,
        revision=wanted_revision,
        writes=writes,
        prunes=_prunes(children, observed, keep_configs=bool(missing) or not rollout.complete),
        handover=_handover(engine, observed, key_of(deployment)),
        taken=taken,
        missing_secrets=missing,
        rollout=rollout,
        requeue_after=_requeue_after(engine, missing, taken, rollout, observed),
    )


def _prunes(children: list[Manifest], observed: Observed, keep_configs: bool) -> tuple[Prune, ...]:
    """What is ours and no longer wanted; a configuration stays while a pod may still mount it."""
    wanted = {key_of(child) for child in children}
    return tuple(
        Prune(key, child.uid)
        for key, child in sorted(observed.children.items())
        if key not in wanted and not (key.kind == CONFIG_MAP.name and keep_configs)
    )


def _handover(engine: Engine, observed: Observed, key: ChildKey) -> Handover | None:
    live = observed.children.get(key)
    if engine.spec.autoscaling is None or live is None or not live.owns_replicas:
        return None
    return Handover(key, int(live.manifest["spec"].get("replicas", 1)))


def _requeue_after(
    engine: Engine,
    missing: tuple[MountedSecret, ...],
    taken: tuple[ChildKey, ...],
    rollout: Rollout,
    observed: Observed,
) -> float:
    wants_monitor = engine.spec.monitoring.service_monitor.enabled
    if missing or taken or (wants_monitor and not observed.monitor_kind_known):
        return limits.MISSING_POLL_SECONDS
    if not rollout.complete:
        return limits.POD_POLL_SECONDS
    return limits.SECRET_POLL_SECONDS if secret_names(engine) else limits.RESYNC_SECONDS
