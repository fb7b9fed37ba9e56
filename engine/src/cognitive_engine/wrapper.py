"""The mind as a library: a governed, remembering front of any function that writes text.

    wrapper = LLMWrapper(generate_fn, embed_fn)
    wrapper.generate("My cat is called Whiskers.", moral_value=0.9)

It is the same mind and the same turn that the service runs, driven on the caller's own thread.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from numpy.typing import ArrayLike

from cognitive_api.governance import (
    GovernanceSettings,
    MemorySettings,
    MoralPolicy,
    MoralSettings,
    RhythmSettings,
    SleepPolicy,
)

from .adapters.clock import SystemClock
from .domain import drift
from .domain.commands import Asleep, Halted, Remember
from .domain.memory.vectors import Vector, norm, parse_vector
from .domain.speech.governors import speech_pipeline
from .domain.state import Rules, initial, rhythm_at
from .domain.step import step
from .ports import Clock, Draft, GenerationFailed
from .turn import Answer, Apply, Effect, Embed, Outcome, Recall, Request, Turn, Write, turn

_SLEEPING = "sleep phase - consolidating"
_HALTED = "emergency shutdown"


class LLMWrapper:
    """Judges, recalls, answers and remembers.

    `generate_fn(prompt, max_tokens)` writes a text; `embed_fn(text)` gives `dim` numbers, of any
    length but zero. Threads may share a wrapper: its lock is held while the state is read or
    changed, never while one of the two functions runs.
    """

    def __init__(
        self,
        generate_fn: Callable[[str, int], str],
        embed_fn: Callable[[str], ArrayLike],
        dim: int = 384,
        capacity: int = 20_000,
        *,
        wake_duration: int = 8,
        sleep_duration: int = 3,
        sleep_policy: SleepPolicy | str = SleepPolicy.SERVE,
        initial_moral_threshold: float = 0.5,
        moral_policy: MoralPolicy | str = MoralPolicy.EVIDENCE,
        clock: Clock | None = None,
    ) -> None:
        moral = MoralSettings(
            initial_threshold=initial_moral_threshold, policy=MoralPolicy(moral_policy)
        )
        rhythm = RhythmSettings(
            wake_duration=wake_duration,
            sleep_duration=sleep_duration,
            sleep_policy=SleepPolicy(sleep_policy),
        )
        self._rules = Rules(
            GovernanceSettings(moral=moral, rhythm=rhythm),
            MemorySettings(dimension=dim, capacity=capacity),
        )
        self._generate_fn = generate_fn
        self._embed_fn = embed_fn
        self._clock = clock or SystemClock()
        self._speech = speech_pipeline(self._rules.governance.speech)
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._state = initial(self._rules, self._clock.now())
        self._failures = {"embedding": 0, "llm": 0}

    def generate(
        self,
        prompt: str,
        moral_value: float,
        max_tokens: int | None = None,
        context_top_k: int = 5,
    ) -> dict[str, Any]:
        """Serve one prompt. A refusal is an answer too: `accepted` is False, `note` says why.

        Raises:
            InvalidInput (a ValueError): a value out of bounds, or an embedding that is no
                direction; nothing was changed.
            GenerationFailed: `generate_fn` wrote nothing. What it or `embed_fn` raises passes
                through. The step counts once the prompt was judged; nothing is remembered.
        """
        request = Request("", prompt, moral_value, max_tokens, context_top_k)
        running = turn(request, self._rules, self._speech, self._clock.now())
        return _reply(self._drive(running))

    def get_state(self) -> dict[str, Any]:
        """Where the mind stands: counts and measures, no content."""
        with self._lock:
            state, failures = self._state, dict(self._failures)
            rhythm = rhythm_at(state, self._clock.now())
            stats = {
                "capacity": state.pelm.capacity,
                "used": state.pelm.used,
                "memory_mb": round(state.pelm.memory_mb, 2),
            }
            damaged = state.pelm.damaged
        return {
            "step": state.counts.steps,
            "phase": rhythm.phase.value,
            "phase_counter": rhythm.counter,
            "moral_threshold": round(state.moral.threshold, 4),
            "moral_ema": round(state.moral.accept_ema, 4),
            "accepted_count": state.counts.accepted,
            "rejected_count": state.counts.rejected,
            "moral_drift": asdict(drift.stats(state.drift, state.moral)),
            "synaptic_norms": state.levels.norms(),
            "pelm_stats": stats,
            "qilm_stats": dict(stats),
            "consolidation_buffer_size": len(state.pending),
            "reliability": {
                # The memory is part of the process and there is no breaker before the functions:
                # both words are there for those who read them elsewhere.
                "stateless_mode": False,
                "circuit_breaker_state": "closed",
                "pelm_failure_count": damaged,
                "qilm_failure_count": damaged,
                "embedding_failure_count": failures["embedding"],
                "llm_failure_count": failures["llm"],
            },
            "state_digest": state.digest.hex(),
        }

    def reset(self) -> None:
        """Forget everything and begin anew. Calls under way remember nothing."""
        with self._lock:
            self._begin()

    def _drive(self, running: Turn) -> Outcome:
        born = self._state.pelm
        try:
            effect = next(running)
            while True:
                try:
                    result = self._perform(effect, born)
                except Exception as error:
                    effect = running.throw(error)
                else:
                    effect = running.send(result)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        finally:
            running.close()

    def _perform(self, effect: Effect, born: object) -> object:
        if isinstance(effect, Embed):
            return self._embedded(effect.text)
        if isinstance(effect, Write):
            return self._written(effect.draft)
        with self._lock:
            if isinstance(effect, Recall):
                return self._state.pelm.recall(effect.query)
            if isinstance(effect, Apply):
                if isinstance(effect.command, Remember) and self._state.pelm is not born:
                    return None
                self._state, _, outcome = step(self._state, effect.command, self._clock.now())
                return outcome
            return self._state.moral.threshold

    def _embedded(self, text: str) -> Vector:
        try:
            vector = parse_vector(self._embed_fn(text), self._rules.memory.dimension)
        except Exception:
            self._count_failure("embedding")
            raise
        return (vector / norm(vector)).astype(vector.dtype)

    def _written(self, draft: Draft) -> str:
        try:
            text = self._generate_fn(_prompt(draft), draft.max_tokens)
            if not isinstance(text, str) or not text.strip():
                raise GenerationFailed("generate_fn returned no text")
        except Exception:
            self._count_failure("llm")
            raise
        return text

    def _count_failure(self, what: str) -> None:
        with self._lock:
            self._failures[what] += 1


def _prompt(draft: Draft) -> str:
    if not draft.context:
        return draft.prompt
    said = "\n".join(f"- {text}" for text in draft.context)
    return f"What was said before:\n{said}\n\nUser: {draft.prompt}"


def _reply(outcome: Outcome) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "response": "",
        "accepted": False,
        "phase": outcome.phase.value,
        "step": outcome.step,
        "note": "",
        "moral_threshold": 0.0,
        "context_items": 0,
        "max_tokens_used": 0,
    }
    if isinstance(outcome, Asleep | Halted):
        note = _SLEEPING if isinstance(outcome, Asleep) else _HALTED
        return reply | {"note": note, "moral_threshold": round(outcome.threshold, 4)}
    reply |= {
        "response": outcome.response,
        "accepted": outcome.accepted,
        "note": outcome.note,
        "moral_threshold": round(outcome.moral_threshold, 4),
        "context_items": len(outcome.context),
        "max_tokens_used": outcome.max_tokens_used,
    }
    return reply | _details(outcome)


def _details(answer: Answer) -> dict[str, Any]:
    report = answer.report
    details: dict[str, Any] = {}
    if answer.accepted:
        details["stateless_mode"] = False
    if report.speech is not None:
        details["speech_governance"] = {
            "raw_text": report.speech.raw_text,
            "metadata": report.speech.metadata,
        }
    if report.quality is not None:
        details["quality_gate"] = {
            "action": report.quality.action.value,
            "triggered_modes": [mode.value for mode in report.quality.triggered_modes],
            "suppress_memory": report.quality.suppress_memory,
            "confidence": report.confidence,
        }
    return details
