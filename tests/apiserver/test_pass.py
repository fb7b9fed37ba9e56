"""Passes on the real thing: idempotent, restartable at any write, polite to others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from cognitive_operator.adapters.api import API
from cognitive_operator.domain.observed import ChildKey
from cognitive_operator.reconcile import PassFailed
from rooms import FaultyAPI, Killed, Rooms, normal

OPEN = {"api": {"auth": {"mode": "None"}}, "imagePullPolicy": "Never"}
FIRST = {**OPEN, "replicas": 2}
CHANGED = {
    **OPEN,
    "image": "localhost/not-pulled:2",
    "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
    "governance": {"rhythm": {"wakeDuration": 9}},
    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}},
    "podTemplate": {
        "labels": {"team": "a"},
        "annotations": {"note": "x"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}],
    },
}

QUIET_TRIES = 20

Start = Callable[..., Awaitable[Rooms]]


@pytest_asyncio.fixture
async def start(namespace: str) -> AsyncIterator[Start]:
    made: list[Rooms] = []

    async def begin(spec: dict[str, Any] | None = None, **faults: Any) -> Rooms:
        if spec is not None:
            hand = Rooms(await FaultyAPI.connect(), namespace)
            await hand.apply_engine(spec)
            await hand.close()
        rooms = await Rooms.start(namespace, **faults)
        made.append(rooms)
        return rooms

    yield begin
    for rooms in made:
        await rooms.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("spec", [FIRST, CHANGED], ids=["plain", "every option"])
async def test_a_second_pass_writes_nothing(start: Start, spec: dict[str, Any]) -> None:
    rooms = await start(spec)
    await rooms.settle()
    # The Deployment's controller may still count its pods: the status then follows, once each.
    for _ in range(QUIET_TRIES):
        again = await start()
        await again.one_pass()
        assert again.child_writes() == []
        if again.api.writes == []:
            return
    pytest.fail(f"still writing: {again.api.writes}")


@pytest.mark.asyncio
async def test_killed_after_any_write_of_the_first_pass(start: Start) -> None:
    reference: dict[str, Any] | None = None
    survived = 0
    while True:
        rooms = await start(FIRST, kill_after=survived)
        killed = await _killed(rooms)
        born = {name: body["metadata"]["uid"] for name, body in (await rooms.children()).items()}
        after = await start()
        await after.settle()
        children = await after.children()
        # Nothing is made twice: what the dead one had made is still the same object.
        assert born.items() <= {n: b["metadata"]["uid"] for n, b in children.items()}.items()
        reference = reference or normal(children)
        assert normal(children) == reference
        if not killed:
            break
        survived += 1
        await _delete_engine(after)
    # Five children, the status and its event at least.
    assert survived >= 7


@pytest.mark.asyncio
async def test_killed_after_any_write_of_a_change(start: Start) -> None:
    reference: dict[str, Any] | None = None
    survived = 0
    while True:
        rooms = await start(FIRST)
        await rooms.settle()
        killed = await _killed(await start(CHANGED, kill_after=survived))
        after = await start()
        await after.settle()
        children = normal(await after.children())
        # The autoscaler's controller may have taken over by now; the number itself never dropped.
        assert children["Deployment/mind"]["spec"].pop("replicas") == 2
        children = {k: v for k, v in children.items() if not k.startswith("ConfigMap/")}
        reference = reference or children
        assert children == reference
        if not killed:
            break
        survived += 1
        await _delete_engine(after)
    assert survived >= 5


@pytest.mark.asyncio
async def test_a_failed_write_is_told_and_the_next_pass_goes_on(start: Start) -> None:
    rooms = await start(FIRST, fail_at=2)
    with pytest.raises(PassFailed):
        await rooms.one_pass()
    status = (await rooms.engine())["status"]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "APIUnavailable")
    await rooms.settle()
    assert len(await rooms.children()) == 5


@pytest.mark.asyncio
async def test_blind_eyes_make_nothing_twice(start: Start) -> None:
    """A watch that has not delivered yet must not lead to a second or overwritten child."""
    rooms = await start(FIRST)
    await rooms.settle()
    before = {n: b["metadata"]["uid"] for n, b in (await rooms.children()).items()}
    blind = await start()
    for kind, name in list(blind.cache.children_of((await blind.engine())["metadata"]["uid"])):
        blind.cache.drop_pruned(blind.key.namespace, ChildKey(kind, name))
    await blind.one_pass()
    assert blind.child_writes() == []
    assert {n: b["metadata"]["uid"] for n, b in (await rooms.children()).items()} == before


@pytest.mark.asyncio
async def test_other_peoples_fields_survive_and_ours_come_back(start: Start) -> None:
    rooms = await start(FIRST)
    await rooms.settle()
    path = f"/apis/apps/v1/namespaces/{rooms.key.namespace}/deployments/mind"
    edit = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "mind", "annotations": {"note": "theirs"}},
        "spec": {"replicas": 7},
    }
    await API.apply(rooms.api, path, edit, "somebody")
    await rooms.settle()
    live = await rooms.api.get(path)
    assert live["spec"]["replicas"] == 2
    assert live["metadata"]["annotations"]["note"] == "theirs"


@pytest.mark.asyncio
async def test_an_object_of_somebody_else_is_never_touched(start: Start, namespace: str) -> None:
    rooms = await start(FIRST)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "mind"},
        "spec": {"ports": [{"port": 1234}], "selector": {"app": "other"}},
    }
    made = await API.create(rooms.api, f"/api/v1/namespaces/{namespace}/services", service)
    rooms.api.writes.clear()
    await rooms.settle()
    live = await rooms.api.get(f"/api/v1/namespaces/{namespace}/services/mind")
    assert live["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    status = (await rooms.engine())["status"]
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "NameTaken"
    assert "Service mind" in ready["message"]


@pytest.mark.asyncio
async def test_status_starts_as_not_seen(start: Start) -> None:
    rooms = await start(FIRST)
    assert (await rooms.engine())["status"]["observedGeneration"] == -1
    await rooms.one_pass()
    seen = await rooms.engine()
    assert seen["status"]["observedGeneration"] == seen["metadata"]["generation"]
    assert seen["spec"]["replicas"] == 2


async def _killed(rooms: Rooms) -> bool:
    """Settle; return whether the planted end came first."""
    try:
        await rooms.settle()
    except Killed:
        return True
    return False


async def _delete_engine(rooms: Rooms) -> None:
    """Delete the engine and wait until the garbage collector has taken the children along."""
    body = await rooms.engine()
    await API.delete(rooms.api, rooms._engine_path(), body["metadata"]["uid"])
    async with asyncio.timeout(30):
        while await rooms.children():  # noqa: ASYNC110 - the collector is another process
            await asyncio.sleep(0.1)
