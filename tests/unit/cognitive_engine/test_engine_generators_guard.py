"""The guard before a backend: room, breaker, and what a cancelled call means. Time is told."""

import asyncio

import pytest
from structlog.testing import capture_logs

from cognitive_api.engine_config import BreakerSettings, BulkheadSettings
from cognitive_engine.adapters.failures import (
    AnswerEmpty,
    BackendFailed,
    BackendRateLimited,
    BackendTimedOut,
    BreakerOpen,
    BulkheadFull,
)
from cognitive_engine.adapters.generators.guarded import GuardedGenerator
from cognitive_engine.adapters.guard import Guard
from cognitive_engine.domain.breaker import BreakerState
from cognitive_engine.ports import Draft, GenerationFailed

RULES = BreakerSettings(failures=3, recovery_seconds=30, probes=2)
CALL_SECONDS = 10.0


class World:
    """A guard, its time, what its meter was told, and calls that end when a test says so."""

    def __init__(self, concurrent=64, wait_seconds=5, rules=RULES):
        self.now = 1000.0
        self.results = []
        self.under_way = 0
        self.most = 0
        bulkhead = BulkheadSettings(concurrent=concurrent).model_copy(
            update={"wait_seconds": wait_seconds}
        )
        self.guard = Guard(
            "LLM",
            rules,
            bulkhead,
            call_seconds=CALL_SECONDS,
            meter=self,
            monotonic=lambda: self.now,
        )

    def observe_call(self, backend, result, seconds):
        self.results.append(result)

    def reading(self):
        return self.guard.reading()

    async def call(self, outcome=None):
        """One call that ends at once: with `outcome` raised, or well."""

        async def end():
            if outcome is not None:
                raise outcome
            return "answer"

        return await self.guard.run(end)

    def begin(self):
        """A call under way, and the future that ends it."""
        end = asyncio.get_running_loop().create_future()

        async def wait():
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                return await end
            finally:
                self.under_way -= 1

        return asyncio.create_task(self.guard.run(wait)), end

    async def fail(self, times, error=None):
        for _ in range(times):
            with pytest.raises(GenerationFailed):
                await self.call(error or BackendTimedOut("late"))


async def turn_over():
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(coroutine):
    return asyncio.run(coroutine)


def test_the_breaker_opens_recovers_and_closes():
    async def scenario():
        world = World()
        await world.fail(3)
        assert world.reading().breaker is BreakerState.OPEN
        world.now += 12.5
        with pytest.raises(BreakerOpen) as refused:
            await world.call()
        assert (refused.value.code, refused.value.retry_after) == ("E703", 18)
        world.now += 17.5
        assert world.reading().breaker is BreakerState.HALF_OPEN
        assert [await world.call() for _ in range(2)] == ["answer"] * 2
        assert world.reading().breaker is BreakerState.CLOSED
        assert world.results == ["E601"] * 3 + ["E703"] + ["ok"] * 2

    with capture_logs() as events:
        run(scenario())
    said = [event["state"] for event in events if event["event"] == "breaker"]
    assert said == ["open", "half_open", "closed"]


def test_the_probe_cap_is_exact_under_concurrency():
    async def scenario():
        world = World()
        await world.fail(3)
        world.now += 30
        calls = [world.begin() for _ in range(20)]
        await turn_over()
        assert world.under_way == RULES.probes
        refused = [task for task, _ in calls if task.done()]
        assert len(refused) == 18
        assert {type(task.exception()) for task in refused} == {BreakerOpen}
        probing = [(task, end) for task, end in calls if not task.done()]
        probing[0][1].set_result("answer")
        await turn_over()
        # One has come back well, so one more may go.
        further = [world.begin() for _ in range(5)]
        await turn_over()
        assert (world.under_way, world.most) == (2, 2)
        assert world.reading().breaker is BreakerState.HALF_OPEN
        probing[1][1].set_result("answer")
        await turn_over()
        assert world.reading().breaker is BreakerState.CLOSED
        for task, end in further:
            if not task.done():
                end.set_result("answer")
        await asyncio.gather(*[task for task, _ in calls + further], return_exceptions=True)
        assert world.reading().in_flight == 0

    run(scenario())


def test_calls_that_wait_for_room_hold_no_probe():
    async def scenario():
        world = World(concurrent=1)
        await world.fail(3)
        world.now += 30
        first, end = world.begin()
        await turn_over()
        others = [world.begin()[0] for _ in range(3)]
        await turn_over()
        assert world.reading().waiting == 3
        end.set_exception(BackendTimedOut("late"))
        await asyncio.gather(first, *others, return_exceptions=True)
        # The probe failed: those that waited are refused without a try.
        assert {type(task.exception()) for task in others} == {BreakerOpen}
        assert world.most == 1

    run(scenario())


@pytest.mark.parametrize(
    "error",
    [
        BackendRateLimited("slower", status=429, retry_after=1),
        BackendFailed("no", status=400),
        BackendFailed("no", status=403),
        BackendFailed("no", status=413),
        BackendFailed("no", status=422),
        AnswerEmpty("nothing"),
    ],
    ids=["429", "400", "403", "413", "422", "empty"],
)
def test_a_refused_request_shuts_nobody_else_off(error):
    async def scenario():
        world = World()
        await world.fail(20, error)
        assert world.reading().breaker is BreakerState.CLOSED
        await world.fail(2)
        await world.fail(1, error)
        await world.fail(1)
        assert world.reading().breaker is BreakerState.OPEN
        # Nor does it close a breaker, or keep a probe.
        world.now += 30
        await world.fail(5, error)
        assert world.reading().breaker is BreakerState.HALF_OPEN

    run(scenario())


@pytest.mark.parametrize(
    "error",
    [
        BackendTimedOut("late"),
        BackendFailed("no", status=401),
        BackendFailed("no", status=404),
        BackendFailed("no", status=500),
        BackendFailed("no", status=503, retry_after=1),
        GenerationFailed("no"),
    ],
    ids=["late", "401", "404", "500", "503", "other"],
)
def test_what_all_would_meet_opens_it(error):
    async def scenario():
        world = World()
        await world.fail(3, error)
        assert world.reading().breaker is BreakerState.OPEN

    run(scenario())


def test_a_bug_counts_as_a_failure_and_passes_through():
    async def scenario():
        world = World()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await world.call(ZeroDivisionError())
        assert world.reading().breaker is BreakerState.OPEN
        assert world.results == ["crashed"] * 3

    run(scenario())


def test_no_room_in_time_is_said_so():
    async def scenario():
        world = World(concurrent=2, wait_seconds=0.05)
        busy = [world.begin() for _ in range(2)]
        await turn_over()
        with pytest.raises(BulkheadFull) as full:
            await world.call()
        assert (full.value.code, full.value.retry_after) == ("E903", 5)
        assert world.reading() == type(world.reading())(2, 0, BreakerState.CLOSED)
        for _, end in busy:
            end.set_result("answer")
        await asyncio.gather(*[task for task, _ in busy])
        assert await world.call() == "answer"
        assert world.results == ["E903", "ok", "ok", "ok"]

    run(scenario())


def test_without_patience_room_is_there_or_not():
    async def scenario():
        world = World(concurrent=1, wait_seconds=0)
        assert await world.call() == "answer"
        _, end = world.begin()
        await turn_over()
        with pytest.raises(BulkheadFull):
            await world.call()
        end.set_result("answer")

    run(scenario())


def test_who_waits_is_served_in_order():
    async def scenario():
        world = World(concurrent=1)
        first, end = world.begin()
        await turn_over()
        order = []

        async def noted(number):
            order.append(number)

        waiting = [
            asyncio.create_task(world.guard.run(lambda number=number: noted(number)))
            for number in range(5)
        ]
        await turn_over()
        waiting[2].cancel()
        await turn_over()
        end.set_result("answer")
        await asyncio.gather(first, *waiting, return_exceptions=True)
        assert order == [0, 1, 3, 4]
        assert world.reading() == type(world.reading())(0, 0, BreakerState.CLOSED)

    run(scenario())


@pytest.mark.parametrize(
    ("lasted", "state"),
    [(CALL_SECONDS / 2 - 0.1, BreakerState.CLOSED), (CALL_SECONDS / 2, BreakerState.OPEN)],
    ids=["impatient", "hung"],
)
def test_a_cancelled_call_tells_of_the_backend_once_it_was_long(lasted, state):
    async def scenario():
        world = World(rules=BreakerSettings(failures=1, recovery_seconds=30, probes=1))
        task, _ = world.begin()
        await turn_over()
        world.now += lasted
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.reading() == type(world.reading())(0, 0, state)
        assert world.results == ["cancelled"]

    run(scenario())


def test_a_cancelled_probe_makes_room_for_another():
    async def scenario():
        world = World(rules=BreakerSettings(failures=1, recovery_seconds=30, probes=1))
        await world.fail(1)
        world.now += 30
        task, _ = world.begin()
        await turn_over()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await world.call() == "answer"
        assert world.reading().breaker is BreakerState.CLOSED

    run(scenario())


def test_a_guarded_generator_asks_through_its_guard():
    class Echo:
        async def generate(self, draft):
            return f"{draft.prompt} {draft.max_tokens}"

    async def scenario():
        world = World()
        guarded = GuardedGenerator(Echo(), world.guard)
        assert await guarded.generate(Draft("hello", (), 7)) == "hello 7"
        assert world.results == ["ok"]

    run(scenario())
