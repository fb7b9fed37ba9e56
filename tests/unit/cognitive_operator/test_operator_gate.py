"""The gate: one pass at a time per key, triggers coalesce, failures wait longer and longer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from cognitive_operator.adapters.cache import EngineKey
from cognitive_operator.domain import limits
from cognitive_operator.edge.gate import Gate, backoff_seconds
from cognitive_operator.reconcile import PassFailed

A, B = EngineKey("team", "a"), EngineKey("team", "b")
BOUND = 5.0

Pass = Callable[[EngineKey], Awaitable[float | None]]


async def serving(gate: Gate, until: asyncio.Event) -> None:
    task = asyncio.create_task(gate.serve())
    try:
        async with asyncio.timeout(BOUND):
            await until.wait()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.asyncio
async def test_triggers_during_a_pass_make_exactly_one_more() -> None:
    runs: list[int] = []
    running, most = 0, 0
    done = asyncio.Event()

    async def one_pass(key: EngineKey) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        runs.append(len(runs))
        if len(runs) == 1:
            for _ in range(50):
                gate.trigger(key)
        else:
            asyncio.get_running_loop().call_later(0.05, done.set)
        running -= 1

    gate = Gate(one_pass)
    gate.trigger(A)
    gate.trigger(A)
    await serving(gate, done)
    assert (len(runs), most) == (2, 1)


@pytest.mark.asyncio
async def test_a_broken_key_does_not_hold_up_another() -> None:
    done = asyncio.Event()
    hangs = asyncio.Event()

    async def one_pass(key: EngineKey) -> None:
        if key == A:
            await hangs.wait()
        done.set()

    gate = Gate(one_pass, workers=2)
    gate.trigger(A)
    gate.trigger(B)
    await serving(gate, done)
    assert done.is_set()


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [PassFailed("no"), ValueError("ours"), TimeoutError()])
async def test_a_failed_pass_comes_back_by_itself(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BACKOFF_FIRST_SECONDS", 0.001)
    tries = 0
    done = asyncio.Event()

    async def one_pass(_: EngineKey) -> float | None:
        nonlocal tries
        tries += 1
        if tries == 5:
            done.set()
        raise fault

    gate = Gate(one_pass)
    gate.trigger(A)
    await serving(gate, done)
    assert tries == 5


def test_delays_double_up_to_a_bound() -> None:
    delays = [backoff_seconds(count) for count in range(2000)]
    assert delays[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(delays) == delays[-1] == limits.BACKOFF_LAST_SECONDS


@pytest.mark.asyncio
async def test_a_pass_asks_to_come_back() -> None:
    done = asyncio.Event()
    count = 0

    async def one_pass(_: EngineKey) -> float | None:
        nonlocal count
        count += 1
        if count == 3:
            done.set()
            return None
        return 0.01

    gate = Gate(one_pass)
    gate.trigger(A)
    await serving(gate, done)
    assert count == 3
