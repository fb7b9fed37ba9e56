"""One turn: what happens between a prompt and its answer, in order and without I/O.

    risk → score → words of the prompt → embed → decide → recall → write → govern the speech →
    quality → words of the answer → remember → answer

`turn` is a generator. It yields an effect, is sent its result, and returns the outcome; whoever
drives it does the work in its own way, on an event loop or a thread. Nothing of the state is held
between two effects. A turn that is closed while its answer is written remembers nothing, and the
rhythm has moved already. What fails is thrown in at the yield; it ends the turn, unless it was
only a second writing that failed.

    running = turn(request, rules, speech, now)
    effect = next(running)              StopIteration: done, its value is the outcome
    running.send(result)                or running.throw(error)
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cognitive_api.governance import Scorer

from .domain import confidence as confidence_of
from .domain import lexicon, limits, prechecks
from .domain import quality as quality_gate
from .domain.checks import parse_max_tokens, parse_score, parse_text
from .domain.commands import (
    Admitted,
    Asleep,
    Command,
    Decide,
    Halted,
    Memory,
    Refused,
    Remember,
)
from .domain.errors import InvalidEntry, InvalidText
from .domain.memory.pelm import Query, Recalled, Recollection
from .domain.memory.vectors import Vector, parse_vector
from .domain.prechecks import Check
from .domain.rhythm import PHASE_VALUE, Phase
from .domain.risk import Risk, assess
from .domain.speech import governors
from .domain.speech.governors import Governed, Pipeline
from .domain.state import Rules
from .ports import Draft, GenerationFailed


@dataclass(frozen=True, slots=True)
class RiskInputs:
    """What the caller's sensors say of a request: scores in [0, 1], names of security flags."""

    cognition: float = 0.0
    anomaly: float = 0.0
    security_flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `moral_value` and `bar` lie in [0, 1].

    `bar` is a threshold of the request's own, on top of the filter's. `context_top_k` None means
    the setting's.
    """

    scope: str
    prompt: str
    moral_value: float
    max_tokens: int | None = None
    context_top_k: int | None = None
    bar: float | None = None
    risk: RiskInputs | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One recalled memory, as it is shown to the caller."""

    text: str | None
    resonance: float
    phase: float
    age_seconds: float


class Stage(StrEnum):
    """Where a request was turned down."""

    PRE_FLIGHT = "pre_flight"
    MORAL = "moral"
    QUALITY = "quality_gate"
    POST_MORAL = "post_moral"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found on the way. What the turn did not come to is None."""

    risk: Risk
    prompt_check: Check | None = None
    speech: Governed | None = None
    confidence: float | None = None
    quality: quality_gate.Decision | None = None
    answer_check: Check | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets; a refusal is an answer too, with an empty response."""

    response: str
    accepted: bool
    phase: Phase
    step: int
    note: str
    moral_threshold: float
    moral_value: float
    max_tokens_used: int
    context: tuple[Context, ...]
    report: Report
    rejected_at: Stage | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Tell the moral threshold in force. Result: a float."""


@dataclass(frozen=True, slots=True)
class Embed:
    """Turn a text into a direction. Result: a vector, of any length but zero."""

    text: str


@dataclass(frozen=True, slots=True)
class Apply:
    """Take a command into the state. Result: its outcome."""

    command: Command


@dataclass(frozen=True, slots=True)
class Recall:
    """Search the memory. Result: a Recollection."""

    query: Query


@dataclass(frozen=True, slots=True)
class Write:
    """Have an answer written. Result: a text. The one effect that may take long."""

    draft: Draft


Effect = Look | Embed | Apply | Recall | Write
Outcome = Answer | Asleep | Halted
Turn = Generator[Effect, Any, Outcome]

PROCESSED = "processed"
SAFE_ANSWER = "processed: safe answer"
MORALLY_REJECTED = "morally rejected"
RISK_EMERGENCY = "risk_emergency"
POST_MORAL_CHECK = "post_moral_check"
QUALITY_GATE = "quality_gate:"


def turn(request: Request, rules: Rules, speech: Pipeline, now: float) -> Turn:
    """The turn of `request`, asked at `now` (seconds).

    Raises:
        InvalidInput: the request or its embedding is not acceptable; nothing was changed.
        GenerationFailed: there was no answer; the step counts, nothing is remembered.
    """
    call = _parse(request, rules)
    begun = yield from _decided(call)
    if not isinstance(begun, _Begun):
        return begun
    if call.risk.answer is not None:
        report = Report(call.risk, begun.check)
        return _answer(call, begun.admitted, SAFE_ANSWER, call.risk.answer, report)
    found = yield from _recalled(call, begun)
    # What was said twice need not be read twice.
    texts = tuple(dict.fromkeys(item.text for item in found if item.text))
    spoken = yield from _spoken(call, begun, texts, speech)
    return (yield from _judged(call, begun, spoken, _shown(found, now)))


@dataclass(frozen=True, slots=True)
class _Call:
    """A request once it is checked, with what is known before the mind is asked."""

    request: Request
    rules: Rules
    risk: Risk
    score: float

    @property
    def reads(self) -> bool:
        """Whether words are judged too, and not only the caller's score."""
        return self.rules.governance.moral.scorer is Scorer.LEXICON

    def tokens(self, admitted: Admitted) -> int:
        """The longest answer."""
        return self.risk.cap(admitted.max_tokens)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request that was admitted."""

    admitted: Admitted
    vector: Vector
    check: Check | None


def _parse(request: Request, rules: Rules) -> _Call:
    if not parse_text(request.prompt, limits.PROMPT_CHARS_MAX, "a prompt").strip():
        raise InvalidText("a prompt is not blank")
    parse_max_tokens(request.max_tokens)
    top_k = request.context_top_k
    if top_k is not None and (type(top_k) is not int or not 0 <= top_k <= limits.CONTEXT_ITEMS_MAX):
        raise InvalidEntry(f"context_top_k lies in [0, {limits.CONTEXT_ITEMS_MAX}]")
    score = parse_score(request.moral_value)
    if request.bar is not None:
        parse_score(request.bar)
    given = request.risk or RiskInputs()
    judged = assess(given.cognition, given.anomaly, given.security_flags)
    if rules.governance.moral.scorer is Scorer.LEXICON:
        score = min(score, lexicon.score(request.prompt))
    return _Call(request, rules, judged, score)


def _decided(call: _Call) -> Generator[Effect, Any, _Begun | Outcome]:
    request = call.request
    asked = (request.scope, call.score, request.max_tokens)
    if call.risk.blocked:
        outcome = yield Apply(Decide(*asked, request.bar, blocked=True))
        return _turned_down(call, outcome, RISK_EMERGENCY, Stage.PRE_FLIGHT)
    check = None
    if call.reads:
        threshold = yield Look()
        check = prechecks.precheck(request.prompt, prechecks.bar_of(threshold, request.bar))
        if not check.passed:
            # The words alone fall short, so an embedding would be in vain. The check's threshold
            # as the bar: what the filter's own has become meanwhile must not let it pass.
            outcome = yield Apply(Decide(*asked, check.threshold))
            return _turned_down(call, outcome, MORALLY_REJECTED, Stage.PRE_FLIGHT, check)
    # Embedded before anything is decided: if it fails, nothing has happened yet.
    vector = parse_vector((yield Embed(request.prompt)), call.rules.memory.dimension)
    outcome = yield Apply(Decide(*asked, request.bar))
    if isinstance(outcome, Admitted):
        return _Begun(outcome, vector, check)
    return _turned_down(call, outcome, MORALLY_REJECTED, Stage.MORAL, check)


def _recalled(call: _Call, begun: _Begun) -> Generator[Effect, Any, tuple[Recalled, ...]]:
    memory, asked = call.rules.memory, call.request.context_top_k
    top_k = memory.top_k if asked is None else asked
    if top_k == 0:
        return ()
    at = PHASE_VALUE[begun.admitted.admitted_in]
    query = Query(begun.vector, at, memory.phase_tolerance, top_k, call.request.scope)
    found: Recollection = yield Recall(query)
    return found.items


def _shown(found: tuple[Recalled, ...], now: float) -> tuple[Context, ...]:
    return tuple(
        Context(item.text, item.resonance, item.phase, max(0.0, now - item.provenance.timestamp))
        for item in found
    )


def _spoken(
    call: _Call, begun: _Begun, texts: tuple[str, ...], speech: Pipeline
) -> Generator[Effect, Any, Governed]:
    prompt, tokens = call.request.prompt, call.tokens(begun.admitted)
    draft: str = yield Write(Draft(prompt, texts, tokens))
    if not draft.strip():
        raise GenerationFailed("the generator returned nothing")
    running = governors.run(speech, prompt, draft, tokens)
    try:
        wish = next(running)
        while True:
            try:
                text = yield Write(Draft(wish.prompt, (), wish.max_tokens))
            except Exception as error:
                wish = running.throw(error)
            else:
                wish = running.send(text)
    except StopIteration as end:
        governed: Governed = end.value
        return governed
    finally:
        running.close()


def _judged(
    call: _Call, begun: _Begun, spoken: Governed, context: tuple[Context, ...]
) -> Generator[Effect, Any, Answer]:
    """Judge what is to be said; what passes is remembered, and then the answer leaves."""
    request, admitted, text = call.request, begun.admitted, spoken.final_text
    sure = confidence_of.estimate(text)
    gate = quality_gate.judge(request.prompt, text, sure)
    check = None
    if call.reads:
        check = prechecks.postcheck(text, prechecks.bar_of(admitted.threshold, request.bar))
    report = Report(call.risk, begun.check, spoken, sure, gate, check)
    if not gate.allow_response:
        note = QUALITY_GATE + ",".join(gate.triggered_modes)
        return _withheld(_answer(call, admitted, note, "", report, context), Stage.QUALITY)
    if check is not None and not check.passed:
        answer = _answer(call, admitted, POST_MORAL_CHECK, "", report, context)
        return _withheld(answer, Stage.POST_MORAL)
    if not gate.suppress_memory:
        # The caller's own words are kept with full confidence, however sure the answer sounds.
        yield Apply(Remember((Memory(request.scope, begun.vector, request.prompt),)))
    return _answer(call, admitted, PROCESSED, text, report, context)


def _turned_down(
    call: _Call, outcome: Any, note: str, at: Stage, check: Check | None = None
) -> Outcome:
    if isinstance(outcome, Asleep | Halted):
        return outcome
    assert isinstance(outcome, Refused)
    return Answer(
        response="",
        accepted=False,
        phase=outcome.phase,
        step=outcome.step,
        note=note,
        moral_threshold=outcome.threshold,
        moral_value=call.score,
        max_tokens_used=0,
        context=(),
        report=Report(call.risk, check),
        rejected_at=at,
    )


def _answer(
    call: _Call,
    admitted: Admitted,
    note: str,
    response: str,
    report: Report,
    context: tuple[Context, ...] = (),
) -> Answer:
    return Answer(
        response=response,
        accepted=True,
        phase=admitted.phase,
        step=admitted.step,
        note=note,
        moral_threshold=admitted.threshold,
        moral_value=call.score,
        max_tokens_used=call.tokens(admitted),
        context=context,
        report=report,
    )


def _withheld(answer: Answer, at: Stage) -> Answer:
    return replace(answer, accepted=False, rejected_at=at)
