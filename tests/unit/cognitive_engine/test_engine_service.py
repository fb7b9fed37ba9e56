"""The service: searches that wait together, the single writer, upkeep."""

import asyncio

import numpy as np
import pytest

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.adapters.embedders.async_embedder import Immediate
from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import Consolidate, Emergency, Memory, Relieve, Remember
from cognitive_engine.domain.emergency import EmergencyReason, EmergencyState
from cognitive_engine.domain.memory.pelm import Pelm
from cognitive_engine.edge import upkeep
from cognitive_engine.ports import GenerationFailed
from cognitive_engine.service import Service, memory_command
from cognitive_engine.turn import Request

DIMENSION = 32


class Refusing:
    """Takes note of each draft and never answers, so that nothing is remembered."""

    def __init__(self):
        self.drafts = {}

    async def generate(self, draft):
        self.drafts[draft.prompt] = draft.context
        raise GenerationFailed


class Waiting(Refusing):
    """Takes note and waits for ever."""

    def __init__(self):
        super().__init__()
        self.waiting = asyncio.Event()

    async def generate(self, draft):
        self.waiting.set()
        await asyncio.Event().wait()


class Directions:
    """A direction of its own for each text."""

    def embed(self, text):
        random = np.random.default_rng(list(text.encode()))
        return random.standard_normal(DIMENSION).astype(np.float32)


class Clock:
    time = 0.0

    def now(self):
        return self.time


class Meter:
    def __init__(self):
        self.searches = []
        self.generations = []

    def observe_generation(self, seconds):
        self.generations.append(seconds)

    def observe_retrieval(self, seconds, queries):
        self.searches += [seconds] * queries


def service(generator=None):
    config = EngineConfig.model_validate({"memory": {"dimension": DIMENSION, "capacity": 500}})
    made = Service(
        config,
        generator=generator or Refusing(),
        embedder=Immediate(Directions()),
        clock=Clock(),
        meter=Meter(),
    )
    for scope in ("a", "b"):
        texts = [f"fact {number} of {scope}" for number in range(40)]
        kept = [Memory(scope, Directions().embed(text), text) for text in texts]
        made.apply(Remember(tuple(kept)))
    made.apply(Consolidate())
    return made


def requests(count):
    return [
        Request("ab"[number % 2], f"question {number}", 0.9, context_top_k=number % 7)
        for number in range(count)
    ]


@pytest.fixture
def batches(monkeypatch):
    """The sizes of all searches that reach the bank."""
    sizes, search = [], Pelm.recall_many

    def counted(self, queries, **options):
        sizes.append(len(queries))
        return search(self, queries, **options)

    monkeypatch.setattr(Pelm, "recall_many", counted)
    return sizes


@pytest.mark.asyncio
async def test_searches_of_one_tick_are_one_search_with_the_same_answers(batches):
    together, alone = Refusing(), Refusing()
    one, other = service(together), service(alone)
    outcomes = await asyncio.gather(
        *(one.generate(each) for each in requests(30)), return_exceptions=True
    )
    assert all(isinstance(outcome, GenerationFailed) for outcome in outcomes)
    # Who asks for no memories does not search.
    searching = sum(each.context_top_k > 0 for each in requests(30))
    assert batches == [searching]
    for each in requests(30):
        with pytest.raises(GenerationFailed):
            await other.generate(each)
    assert batches[1:] == [1] * searching
    assert together.drafts == alone.drafts
    assert sum(map(bool, together.drafts.values())) == searching
    assert one.snapshot().state.digest == other.snapshot().state.digest
    assert len(one._meter.searches) == len(other._meter.searches) == searching


@pytest.mark.asyncio
async def test_a_search_that_is_cancelled_in_its_tick_does_not_disturb_the_others(batches):
    made = service()
    tasks = [asyncio.create_task(made.generate(each)) for each in requests(7)[1:]]
    await asyncio.sleep(0)  # each runs as far as its search
    tasks[2].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes.pop(2), asyncio.CancelledError)
    assert all(isinstance(outcome, GenerationFailed) for outcome in outcomes)
    assert batches == [5]


@pytest.mark.asyncio
async def test_a_failing_search_fails_those_who_wait_and_nobody_later(monkeypatch):
    made = service()
    with monkeypatch.context() as broken:
        broken.setattr(Pelm, "recall_many", lambda *_: 1 / 0)
        asked = (made.generate(each) for each in requests(4)[1:])
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(outcome, ZeroDivisionError) for outcome in outcomes)
    with pytest.raises(GenerationFailed):
        await made.generate(requests(2)[1])


@pytest.mark.asyncio
async def test_a_request_cancelled_while_its_answer_is_written_is_not_remembered():
    generator = Waiting()
    made = service(generator)
    before = made.snapshot().state
    used = before.pelm.used
    task = asyncio.create_task(made.generate(requests(2)[1]))
    await generator.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    after = made.snapshot().state
    assert (after.pelm.used, after.counts.steps) == (used, before.counts.steps + 1)
    assert made._meter.generations == []


HELD = EmergencyState(active=True, reason=EmergencyReason.MEMORY, entries=1, held=True)
BY_HAND = EmergencyState(active=True, reason=EmergencyReason.MANUAL, entries=1)
COOLED = EmergencyState(entries=1)


@pytest.mark.parametrize(
    ("state", "share", "expected"),
    [
        (COOLED, None, None),
        (COOLED, 0.5, None),
        (COOLED, limits.EMERGENCY_MEMORY_SHARE - 0.01, None),
        (COOLED, limits.EMERGENCY_MEMORY_SHARE, Emergency),
        (COOLED, 1.2, Emergency),
        (BY_HAND, 0.1, None),
        (BY_HAND, 0.95, Emergency),
        (HELD, None, None),
        (HELD, 0.95, None),
        (HELD, limits.RELIEF_MEMORY_SHARE, None),
        (HELD, limits.RELIEF_MEMORY_SHARE - 0.01, Relieve),
    ],
)
def test_what_a_reading_of_the_memory_calls_for(state, share, expected):
    command = memory_command(state, share)
    assert command is None if expected is None else type(command) is expected
    if expected is Emergency:
        assert command.reason is EmergencyReason.MEMORY


@pytest.mark.parametrize("used", [0, 1, 511, 512, 513, 20_000, 1_000_000])
def test_the_whole_bank_is_verified_once_a_minute(used):
    pause = upkeep.scrub_pause(used)
    slices = -(-used // limits.SCRUB_ROWS)
    assert 0.02 < pause <= limits.SCRUB_SECONDS
    assert slices * pause == pytest.approx(limits.SCRUB_SECONDS if used else 0.0)


class Gauge:
    """Says one share after the other, then the last for ever; tells when it has said all."""

    def __init__(self, *shares):
        self.shares = list(shares)
        self.done = asyncio.Event()

    def share(self):
        if len(self.shares) == 1:
            self.done.set()
            return self.shares[0]
        return self.shares.pop(0)


@pytest.mark.asyncio
async def test_upkeep_drops_damage_and_minds_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "SCRUB_SECONDS", 0.01)
    monkeypatch.setattr(limits, "MEMORY_POLL_SECONDS", 0.001)
    made, scrubbed = service(), asyncio.Event()
    bank, scrub = made.snapshot().state.pelm, made.scrub

    def scrub_and_tell(rows):
        scrubbed.set()
        return scrub(rows)

    monkeypatch.setattr(made, "scrub", scrub_and_tell)
    bank._columns.rows[3, 1] += 1.0
    used, gauge = bank.used, Gauge(0.5, 0.99, 0.99, 0.1, None)
    looking = asyncio.create_task(upkeep.upkeep(made, gauge))
    async with asyncio.timeout(10):
        await gauge.done.wait()
        await scrubbed.wait()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert (bank.damaged, bank.used) == (1, used - 1)
    snapshot = made.snapshot()
    assert snapshot.state.counts.emergencies == (1, 0)
    # Relieved, but not yet cooled down.
    assert (snapshot.emergency.active, snapshot.emergency.held) == (True, False)
