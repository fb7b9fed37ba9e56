"""The use cases: they drive turns and feed commands to the mind, and own no rule.

The event loop runs one of these at a time between two awaits, and nothing of the state is held
over one; so the state has a single writer without a lock. What may take long is awaited: the
generator, and a search that waits for the others of the same tick.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.domain import commands, limits
from cognitive_engine.domain.commands import Asleep, Command, Emergency, Halted, Relieve
from cognitive_engine.domain.emergency import EmergencyReason, EmergencyState
from cognitive_engine.domain.memory.pelm import Query, Recollection
from cognitive_engine.domain.memory.vectors import Vector
from cognitive_engine.domain.rhythm import RhythmState
from cognitive_engine.domain.speech.governors import speech_pipeline
from cognitive_engine.domain.state import Rules, State, emergency_at, initial, rhythm_at
from cognitive_engine.domain.step import step
from cognitive_engine.ports import (
    AsyncEmbedder,
    Clock,
    Draft,
    GenerationFailed,
    Generator,
    Meter,
)
from cognitive_engine.turn import (
    Answer,
    Apply,
    Effect,
    Embed,
    Outcome,
    Recall,
    Request,
    Turn,
    Write,
    turn,
)


class TurnTrace(Protocol):
    """Follows a turn."""

    def effect(self, effect: Effect) -> AbstractContextManager[None]:
        """What is around the doing of `effect`."""

    def end(self, outcome: Outcome | None) -> None:
        """The turn is over; None when it failed."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Calls since the start that came to nothing, whoever was asked."""

    generator: int = 0
    embedder: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one moment, with the rhythm and the emergency in force at that moment."""

    state: State
    rhythm: RhythmState
    emergency: EmergencyState
    failures: Failures


class Service:
    """The engine's mind and what it works with. Single-threaded: one event loop owns it."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        generator: Generator,
        embedder: AsyncEmbedder,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self.config = config
        self.draining = False
        self._generator = generator
        self._embedder = embedder
        self._clock = clock
        self._meter = meter
        self._failures = Failures()
        self._searches: list[tuple[Query, asyncio.Future[Recollection]]] = []
        speech = config.governance.speech
        self._speech = speech_pipeline(speech)
        self._judged_speech = speech_pipeline(speech.model_copy(update={"enabled": True}))
        self._state = initial(Rules(config.governance, config.memory), clock.now())

    def snapshot(self) -> Snapshot:
        """The state now; changes nothing."""
        state, now = self._state, self._clock.now()
        return Snapshot(state, rhythm_at(state, now), emergency_at(state, now), self._failures)

    def drain(self) -> None:
        """Say not ready from now on; requests that still arrive are served."""
        self.draining = True

    def apply(self, command: Command) -> commands.Outcome:
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

    async def generate(
        self, request: Request, *, judge_speech: bool = False, trace: TurnTrace | None = None
    ) -> Answer | Asleep | Halted:
        """Serve one request; see `turn.turn`. `trace` follows it.

        `judge_speech`: look for telegraphic speech in this answer even if the settings do not.

        Raises:
            GenerationFailed: the step counts, nothing is remembered; or the prompt could not be
                embedded, and nothing has happened.
        """
        started = time.perf_counter()
        speech = self._judged_speech if judge_speech else self._speech
        now = self._clock.now()
        running = turn(request, self._state.rules, speech, now)
        if trace is None:
            outcome = await self._drive(running, self._perform)
        else:
            outcome = await self._traced(running, trace)
        if isinstance(outcome, Answer) and outcome.accepted:
            self._meter.observe_generation(time.perf_counter() - started)
        return outcome

    async def _traced(self, running: Turn, trace: TurnTrace) -> Answer | Asleep | Halted:
        async def perform(effect: Effect) -> object:
            with trace.effect(effect):
                return await self._perform(effect)

        outcome = None
        try:
            outcome = await self._drive(running, perform)
            return outcome
        finally:
            trace.end(outcome)

    async def _drive(
        self, running: Turn, perform: Callable[[Effect], Awaitable[object]]
    ) -> Answer | Asleep | Halted:
        try:
            effect = next(running)
            while True:
                try:
                    result = await perform(effect)
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
            return await self._written(effect.draft)
        if isinstance(effect, Embed):
            return await self._embedded(effect.text)
        return self._state.moral.threshold

    async def _written(self, draft: Draft) -> str:
        try:
            return await self._generator.generate(draft)
        except GenerationFailed:
            self._failures = replace(self._failures, generator=self._failures.generator + 1)
            raise

    async def _embedded(self, text: str) -> Vector:
        try:
            return await self._embedder.embed(text)
        except GenerationFailed:
            self._failures = replace(self._failures, embedder=self._failures.embedder + 1)
            raise

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
        self._meter.observe_retrieval(each, len(queries))
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
