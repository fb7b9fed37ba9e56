"""The use cases, one a route: the order of the steps, none of the rules.

The event loop runs one of these at a time between two awaits, and only the generator is awaited;
so the state has a single writer without a lock, and nothing is held while an answer is written.
"""

import time
from dataclasses import dataclass

from cognitive_api.engine_config import EngineConfig
from cognitive_api.governance import Scorer
from cognitive_engine.domain import lexicon, limits
from cognitive_engine.domain.memory.pelm import Recalled
from cognitive_engine.domain.memory.vectors import Vector
from cognitive_engine.domain.rhythm import PHASE_VALUE, Phase, RhythmState
from cognitive_engine.domain.step import (
    Admitted,
    Asleep,
    Command,
    Decide,
    Outcome,
    Refused,
    Remember,
    Rules,
    State,
    initial,
    phase_now,
    step,
)
from cognitive_engine.ports import Clock, Draft, Embedder, GenerationFailed, Generator, Meter


class Overloaded(Exception):
    """As many requests as the engine takes at once are being answered."""


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request. `moral_value` in [0, 1]; `context_top_k` None means the setting's."""

    scope: str
    prompt: str
    moral_value: float
    max_tokens: int | None = None
    context_top_k: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One recalled memory, as it is shown to the caller."""

    text: str | None
    resonance: float
    phase: float
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets; a moral refusal is an answer too, with an empty response."""

    response: str
    accepted: bool
    phase: Phase
    step: int
    note: str
    moral_threshold: float
    moral_value: float
    max_tokens_used: int
    context: tuple[Context, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at one moment, with the rhythm in force at that moment."""

    state: State
    rhythm: RhythmState


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
        self._state = initial(Rules(config.governance, config.memory), clock.now())

    def snapshot(self) -> Snapshot:
        """The state now; changes nothing."""
        return Snapshot(self._state, phase_now(self._state, self._clock.now()))

    def drain(self) -> None:
        """Say not ready from now on; requests that still arrive are served."""
        self.draining = True

    async def generate(self, request: Request) -> Answer | Asleep:
        """Judge, recall, answer, remember.

        Raises:
            Overloaded: nothing was done.
            GenerationFailed: the step counts, nothing is remembered.
        """
        if self._in_flight >= limits.REQUESTS_IN_FLIGHT_MAX:
            raise Overloaded
        self._in_flight += 1
        try:
            return await self._generate(request)
        finally:
            self._in_flight -= 1

    async def _generate(self, request: Request) -> Answer | Asleep:
        started = time.perf_counter()
        score = self._score(request)
        # Embedded before anything is decided: if it fails, nothing has happened yet.
        vector = self._embedder.embed(request.prompt)
        outcome = self._apply(Decide(request.scope, score, request.max_tokens))
        if isinstance(outcome, Asleep):
            return outcome
        if isinstance(outcome, Refused):
            return _answer(outcome, score, note="morally rejected")
        assert isinstance(outcome, Admitted)
        recalled = self._recall(vector, outcome.admitted_in, request)
        texts = tuple(item.text for item in recalled if item.text)
        draft = Draft(request.prompt, texts, outcome.max_tokens)
        response = await self._generator.generate(draft)
        if not response.strip():
            raise GenerationFailed("the generator returned nothing")
        self._apply(Remember(request.scope, request.prompt, vector))
        self._meter.observe_generation(time.perf_counter() - started)
        now = self._clock.now()
        context = tuple(
            Context(item.text, item.resonance, item.phase, max(0.0, now - item.created))
            for item in recalled
        )
        return _answer(outcome, score, note="processed", response=response, context=context)

    def _score(self, request: Request) -> float:
        if self.config.governance.moral.scorer is Scorer.LEXICON:
            return min(request.moral_value, lexicon.score(request.prompt))
        return request.moral_value

    def _recall(self, vector: Vector, phase: Phase, request: Request) -> list[Recalled]:
        memory = self.config.memory
        top_k = memory.top_k if request.context_top_k is None else request.context_top_k
        started = time.perf_counter()
        found = self._state.pelm.recall(
            vector, PHASE_VALUE[phase], memory.phase_tolerance, top_k, request.scope
        )
        self._meter.observe_retrieval(time.perf_counter() - started)
        return found

    def _apply(self, command: Command) -> Outcome:
        self._state, _, outcome = step(self._state, command, self._clock.now())
        return outcome


def _answer(
    outcome: Admitted | Refused,
    score: float,
    *,
    note: str,
    response: str = "",
    context: tuple[Context, ...] = (),
) -> Answer:
    return Answer(
        response=response,
        accepted=isinstance(outcome, Admitted),
        phase=outcome.phase,
        step=outcome.step,
        note=note,
        moral_threshold=outcome.threshold,
        moral_value=score,
        max_tokens_used=outcome.max_tokens if isinstance(outcome, Admitted) else 0,
        context=context,
    )
