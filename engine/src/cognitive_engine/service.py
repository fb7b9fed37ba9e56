"""The use cases: they drive turns and feed commands to the mind, and own no rule.

The event loop runs one of these at a time between two awaits, and nothing of the state is held
over one; so the state has a single writer without a lock. What may take long is awaited: the
generator, and a search that waits for the others of the same tick.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import Asleep, Command, Emergency, Halted, Outcome, Relieve
from cognitive_engine.domain.emergency import EmergencyReason, EmergencyState
from cognitive_engine.domain.memory.pelm import Query, Recollection
from cognitive_engine.domain.rhythm import RhythmState
from cognitive_engine.domain.speech.governors import speech_pipeline
from cognitive_engine.domain.state import Rules, State, emergency_at, initial, rhythm_at
from cognitive_engine.domain.step import step
from cognitive_engine.ports import Clock, Embedder, Generator, Meter
from cognitive_engine.turn import Answer, Apply, Effect, Embed, Recall, Request, Turn, Write, turn


class Overloaded(Exception):
    """As many requests as the engine takes at once are being answered."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one moment, with the rhythm and the emergency in force at that moment."""

    state: State
    rhythm: RhythmState
    emergency: EmergencyState


class Service:
    """The engine's mind and what it works with. Single-threaded: one event loop owns it."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        generator: Generator,
        embedder: Embedder,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self.config = config
        self.draining = False
        self._generator = generator
        self._embedder = embedder
        self._clock = clock
        self._meter = meter
        self._in_flight = 0
        self._searches: list[tuple[Query, asyncio.Future[Recollection]]] = []
        self._speech = speech_pipeline(config.governance.speech)
        self._state = initial(Rules(config.governance, config.memory), clock.now())

    def snapshot(self) -> Snapshot:
        """The state now; changes nothing."""
        state, now = self._state, self._clock.now()
        return Snapshot(state, rhythm_at(state, now), emergency_at(state, now))

    def drain(self) -> None:
        """Say not ready from now on; requests that still arrive are served."""
        self.draining = True

    def apply(self, command: Command) -> Outcome:
        """Take `command` into the state.

        Raises:
            InvalidInput: the state is as it was.
        """
        self._state, _, outcome = step(self._state, command, self._clock.now())
        return outcome

    def watch_memory(self, share: float | None) -> Command | None:
        """Enter an emergency, or relieve it, by the share of its memory that the process uses.

        What was done is returned, None for nothing.
        """
        command = memory_command(self._state.emergency, share)
        if command is not None:
            self.apply(command)
        return command

    def scrub(self, rows: int) -> int:
        """Verify the next `rows` rows of the bank and drop damaged ones; how many were dropped."""
        return self._state.pelm.scrub(rows)

    async def generate(self, request: Request) -> Answer | Asleep | Halted:
        """Serve one request; see `turn.turn`.

        Raises:
            Overloaded: nothing was done.
            GenerationFailed: the step counts, nothing is remembered.
        """
        if self._in_flight >= limits.REQUESTS_IN_FLIGHT_MAX:
            raise Overloaded
        self._in_flight += 1
        started = time.perf_counter()
        try:
            now = self._clock.now()
            outcome = await self._drive(turn(request, self._state.rules, self._speech, now))
        finally:
            self._in_flight -= 1
        if isinstance(outcome, Answer) and outcome.accepted:
            self._meter.observe_generation(time.perf_counter() - started)
        return outcome

    async def _drive(self, running: Turn) -> Answer | Asleep | Halted:
        try:
            effect = next(running)
            while True:
                try:
                    result = await self._perform(effect)
                except Exception as error:
                    effect = running.throw(error)
                else:
                    effect = running.send(result)
        except StopIteration as end:
            outcome: Answer | Asleep | Halted = end.value
            return outcome
        finally:
            running.close()

    async def _perform(self, effect: Effect) -> object:
        if isinstance(effect, Apply):
            return self.apply(effect.command)
        if isinstance(effect, Recall):
            return await self._recall(effect.query)
        if isinstance(effect, Write):
            return await self._generator.generate(effect.draft)
        if isinstance(effect, Embed):
            return self._embedder.embed(effect.text)
        return self._state.moral.threshold

    async def _recall(self, query: Query) -> Recollection:
        """Search with all others that come before the loop turns again: they cost little more."""
        loop = asyncio.get_running_loop()
        if not self._searches:
            loop.call_soon(self._search_waiting)
        found: asyncio.Future[Recollection] = loop.create_future()
        self._searches.append((query, found))
        return await found

    def _search_waiting(self) -> None:
        searches, self._searches = self._searches, []
        # Whoever was cancelled meanwhile wants no answer.
        waiting = [(query, found) for query, found in searches if not found.done()]
        try:
            answers = self._search([query for query, _ in waiting])
        except Exception as error:
            for _, found in waiting:
                found.set_exception(error)
        else:
            for (_, found), answer in zip(waiting, answers, strict=True):
                found.set_result(answer)

    def _search(self, queries: Sequence[Query]) -> list[Recollection]:
        started = time.perf_counter()
        answers = self._state.pelm.recall_many(queries)
        each = (time.perf_counter() - started) / max(len(queries), 1)
        for _ in queries:
            self._meter.observe_retrieval(each)
        return answers


def memory_command(now: EmergencyState, share: float | None) -> Emergency | Relieve | None:
    """What a reading of the memory's share calls for; None, and an unknown share, for nothing."""
    if share is None:
        return None
    if share >= limits.EMERGENCY_MEMORY_SHARE and not now.held:
        return Emergency(EmergencyReason.MEMORY)
    if share < limits.RELIEF_MEMORY_SHARE and now.held:
        return Relieve()
    return None
