"""Freshness: a watch that misses a version is called dead; silence alone is not."""

from typing import Any, cast

import pytest

from cognitive_operator.adapters.api import API, Unavailable
from cognitive_operator.adapters.cache import Cache
from cognitive_operator.domain import limits
from cognitive_operator.edge.freshness import Freshness


class Lister:
    """Answers lists of one engine at a version, in pages of one; fails when told to."""

    list = API.list

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.fails = False

    async def get(self, path: str, accept: str = "", **query: str) -> dict[str, Any]:
        if self.fails:
            raise Unavailable("planted")
        names = sorted(self.versions)
        at = int(query.get("continue", "0"))
        items = [body(name, self.versions[name]) for name in names[at : at + 1]]
        more = str(at + 1) if at + 1 < len(names) else ""
        # An empty metadata list comes as null.
        return {"items": items or None, "metadata": {"continue": more}}


def body(name: str, version: int) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "team",
            "name": name,
            "uid": f"u-{name}",
            "resourceVersion": str(version),
        }
    }


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.cache = Cache()
        self.lister = Lister()
        self.freshness = Freshness(
            cast(API, self.lister), self.cache, (), monotonic=lambda: self.now
        )

    async def round(self) -> None:
        self.now += limits.HEARTBEAT_SECONDS
        await self.freshness.measure()


@pytest.mark.asyncio
async def test_an_empty_cluster_is_seen_after_two_looks() -> None:
    world = World()
    await world.round()
    assert not world.freshness.seen
    await world.round()
    assert world.freshness.seen


@pytest.mark.asyncio
async def test_a_watch_that_delivers_stays_fresh() -> None:
    world = World()
    for version in range(1, 40):
        world.lister.versions = {"a": version, "b": version}
        await world.round()
        world.cache.put_engine(body("a", version))
        world.cache.put_engine(body("b", version))
    assert not world.freshness.stale
    assert world.freshness.age == 0


@pytest.mark.asyncio
async def test_a_watch_that_misses_a_change_is_stale_in_time() -> None:
    world = World()
    world.lister.versions = {"a": 1}
    world.cache.put_engine(body("a", 1))
    await world.round()
    await world.round()
    world.lister.versions = {"a": 2}
    rounds = int(limits.WATCH_STALE_SECONDS / limits.HEARTBEAT_SECONDS) + 2
    for _ in range(rounds):
        await world.round()
    assert world.freshness.stale


@pytest.mark.asyncio
async def test_a_watch_that_never_brought_an_object_is_never_ready() -> None:
    world = World()
    world.lister.versions = {"a": 1}
    for _ in range(3):
        await world.round()
    assert not world.freshness.seen


@pytest.mark.asyncio
async def test_a_deleted_engine_is_not_waited_for() -> None:
    world = World()
    world.lister.versions = {"a": 1}
    await world.round()
    world.lister.versions = {}
    await world.round()
    assert world.freshness.seen


@pytest.mark.asyncio
async def test_an_api_server_that_is_away_is_not_the_watchs_fault() -> None:
    world = World()
    world.lister.fails = True
    for _ in range(20):
        await world.round()
    assert not world.freshness.stale
    assert not world.freshness.seen
