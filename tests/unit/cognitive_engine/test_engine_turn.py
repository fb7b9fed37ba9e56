"""One turn: the order of its effects, what each stage can turn down, and what is remembered."""

import msgspec
import numpy as np
import pytest

from cognitive_api.governance import GovernanceSettings, MemorySettings
from cognitive_engine.domain.commands import (
    Admitted,
    Asleep,
    Decide,
    Halted,
    Refused,
    Remember,
    Remembered,
)
from cognitive_engine.domain.errors import InvalidInput, InvalidVector
from cognitive_engine.domain.memory.pelm import Recalled, Recollection
from cognitive_engine.domain.memory.provenance import Origin, Provenance, Source
from cognitive_engine.domain.rhythm import Phase
from cognitive_engine.domain.risk import SAFE_ANSWER, Mode
from cognitive_engine.domain.speech.governors import speech_pipeline
from cognitive_engine.domain.state import Rules
from cognitive_engine.ports import GenerationFailed
from cognitive_engine.turn import (
    Apply,
    Context,
    Embed,
    Look,
    Recall,
    Request,
    RiskInputs,
    Stage,
    Write,
    turn,
)

VECTOR = np.array([1.0, 0.0, 0.0, 0.0], dtype=np.float32)
PROMPT = "What is the name of my cat?"
TEXT = "The name of your cat is Whiskers, and she is asleep on the radiator in the hall."
ADMITTED = Admitted(1, Phase.SLEEP, 0.5, Phase.WAKE, 2048)
FOUND = Recalled(
    memory_id=7,
    resonance=0.75,
    phase=0.1,
    text="My cat is called Whiskers.",
    provenance=Provenance(Origin(Source.USER_INPUT), 1.0, 60.0),
    vector=VECTOR,
)


class Driver:
    """Drives one turn by a list of answers; keeps the effects."""

    def __init__(self, *, score=0.9, decision=ADMITTED, texts=(TEXT,), scorer="caller", **request):
        self.rules = Rules(
            GovernanceSettings(moral={"scorer": scorer}), MemorySettings(dimension=4, capacity=9)
        )
        self.decision = decision
        self.texts = list(texts)
        self.vector = VECTOR
        self.found = (FOUND,)
        self.effects = []
        wish = Request(**{"scope": "s", "prompt": PROMPT, "moral_value": score} | request)
        speech = speech_pipeline(self.rules.governance.speech)
        self.running = turn(wish, self.rules, speech, 100.0)

    def answer(self, effect):
        match effect:
            case Look():
                return 0.5
            case Embed():
                return self.vector
            case Apply(Decide()):
                return self.decision
            case Apply(Remember()):
                return Remembered((1,))
            case Recall():
                return Recollection(self.found, True, 1)
            case Write():
                return self.texts.pop(0)

    def run(self):
        try:
            effect = next(self.running)
            while True:
                self.effects.append(effect)
                found = self.answer(effect)
                if isinstance(found, Exception):
                    effect = self.running.throw(found)
                else:
                    effect = self.running.send(found)
        except StopIteration as end:
            return end.value

    def names(self):
        return [
            type(each.command if isinstance(each, Apply) else each).__name__
            for each in self.effects
        ]

    def commands(self, kind):
        return [
            each.command
            for each in self.effects
            if isinstance(each, Apply) and isinstance(each.command, kind)
        ]


def test_the_order_of_a_turn():
    driver = Driver(max_tokens=300, context_top_k=3, bar=0.25)
    answer = driver.run()
    assert driver.names() == ["Embed", "Decide", "Recall", "Write", "Remember"]
    embed, decide, recall, write, remember = driver.effects
    assert embed.text == PROMPT
    wish = decide.command
    assert (wish.scope, wish.score, wish.max_tokens, wish.bar, wish.blocked) == (
        "s",
        0.9,
        300,
        0.25,
        False,
    )
    # Searched where the request was admitted, not where the step led to.
    assert (recall.query.phase, recall.query.top_k, recall.query.scope) == (0.1, 3, "s")
    assert (write.draft.prompt, write.draft.context) == (PROMPT, (FOUND.text,))
    (memory,) = remember.command.memories
    assert (memory.scope, memory.text, memory.confidence) == ("s", PROMPT, 1.0)
    assert memory.origin.source is Source.USER_INPUT
    assert memory.vector.tolist() == VECTOR.tolist()
    assert (answer.response, answer.accepted, answer.note) == (TEXT, True, "processed")
    assert (answer.phase, answer.step, answer.max_tokens_used) == (Phase.SLEEP, 1, 2048)
    assert answer.context == (Context(FOUND.text, 0.75, 0.1, 40.0),)
    assert answer.rejected_at is None
    assert answer.report.confidence == 1.0


def test_the_lexicon_reads_prompt_and_answer():
    driver = Driver(scorer="lexicon", score=1.0)
    answer = driver.run()
    assert driver.names() == ["Look", "Embed", "Decide", "Recall", "Write", "Remember"]
    assert (answer.moral_value, driver.commands(Decide)[0].score) == (0.8, 0.8)
    assert (answer.report.prompt_check.threshold, answer.report.prompt_check.passed) == (0.5, True)
    assert (answer.report.answer_check.threshold, answer.report.answer_check.passed) == (0.35, True)


def test_harmful_words_are_refused_before_they_are_embedded_and_the_filter_learns():
    refusal = Refused(1, Phase.WAKE, 0.55)
    driver = Driver(
        scorer="lexicon", score=1.0, prompt="kill and attack with a weapon", decision=refusal
    )
    answer = driver.run()
    assert driver.names() == ["Look", "Decide"]
    (wish,) = driver.commands(Decide)
    assert (round(wish.score, 6), wish.bar, wish.blocked) == (0.35, 0.5, False)
    assert (answer.accepted, answer.note, answer.rejected_at) == (
        False,
        "morally rejected",
        Stage.PRE_FLIGHT,
    )
    assert (answer.moral_threshold, answer.response, answer.max_tokens_used) == (0.55, "", 0)


def test_a_harmful_answer_is_withheld_and_nothing_is_remembered():
    harmful = TEXT + " I hate you, and will kill, attack, bomb and murder."
    driver = Driver(scorer="lexicon", texts=[harmful])
    answer = driver.run()
    assert driver.names()[-1] == "Write"
    assert (answer.accepted, answer.note, answer.response, answer.rejected_at) == (
        False,
        "post_moral_check",
        "",
        Stage.POST_MORAL,
    )
    assert "kill" not in repr(answer.report.answer_check)


@pytest.mark.parametrize(
    "decision", [Asleep(1, Phase.SLEEP, 0.5, 9), Halted(1, Phase.WAKE, 0.5, 60)]
)
@pytest.mark.parametrize("risk", [None, RiskInputs(cognition=1.0)])
def test_who_is_turned_away_gets_the_outcome_as_it_is(decision, risk):
    driver = Driver(decision=decision, risk=risk)
    assert driver.run() is decision
    assert driver.names()[-1] == "Decide"


def test_a_refusal_ends_the_turn():
    driver = Driver(decision=Refused(4, Phase.WAKE, 0.6))
    answer = driver.run()
    assert driver.names() == ["Embed", "Decide"]
    assert (answer.accepted, answer.step, answer.moral_threshold, answer.rejected_at) == (
        False,
        4,
        0.6,
        Stage.MORAL,
    )


@pytest.mark.parametrize(
    "risk", [RiskInputs(cognition=0.9), RiskInputs(anomaly=1.0), RiskInputs(security_flags=("x",))]
)
def test_the_highest_risk_is_counted_and_refused_unread(risk):
    driver = Driver(risk=risk, scorer="lexicon", decision=Refused(1, Phase.WAKE, 0.5))
    answer = driver.run()
    assert driver.names() == ["Decide"]
    assert driver.commands(Decide)[0].blocked
    assert (answer.note, answer.rejected_at) == ("risk_emergency", Stage.PRE_FLIGHT)
    assert answer.report.risk.mode is Mode.EMERGENCY


def test_a_high_risk_gets_the_safe_answer_and_is_not_remembered():
    driver = Driver(risk=RiskInputs(cognition=0.7))
    answer = driver.run()
    assert driver.names() == ["Embed", "Decide"]
    assert (answer.accepted, answer.response, answer.note) == (
        True,
        SAFE_ANSWER,
        "processed: safe answer",
    )
    assert answer.max_tokens_used == 128


def test_a_raised_risk_shortens_the_answer():
    driver = Driver(risk=RiskInputs(anomaly=0.4))
    answer = driver.run()
    assert driver.effects[3].draft.max_tokens == answer.max_tokens_used == 128
    assert driver.names()[-1] == "Remember"


def test_what_was_said_twice_is_context_once_and_shown_twice():
    silent = msgspec.structs.replace(FOUND, text=None)
    driver = Driver()
    driver.found = (FOUND, FOUND, silent)
    answer = driver.run()
    assert driver.effects[3].draft.context == (FOUND.text,)
    assert [item.text for item in answer.context] == [FOUND.text, FOUND.text, None]


def test_nothing_is_searched_when_none_are_asked_for():
    driver = Driver(context_top_k=0)
    answer = driver.run()
    assert "Recall" not in driver.names()
    assert answer.context == ()


TELEGRAPHIC = "Short. No connect. Bad."


def test_telegraphic_speech_is_written_again_and_judged_again():
    driver = Driver(texts=[TELEGRAPHIC, TEXT])
    answer = driver.run()
    assert driver.names().count("Write") == 2
    again = driver.effects[4].draft
    assert again.prompt.startswith(PROMPT)
    assert (again.context, again.max_tokens) == ((), 2048)
    assert TELEGRAPHIC in again.prompt
    assert (answer.response, answer.report.speech.raw_text) == (TEXT, TELEGRAPHIC)
    assert driver.names()[-1] == "Remember"


@pytest.mark.parametrize("second", [TELEGRAPHIC, GenerationFailed("a-secret"), RuntimeError()])
def test_a_second_writing_that_is_no_better_or_fails_leaves_the_first(second):
    driver = Driver(texts=[TELEGRAPHIC, second])
    answer = driver.run()
    assert answer.response == TELEGRAPHIC
    assert "a-secret" not in repr(answer.report.speech.metadata)


def test_an_answer_that_loops_is_withheld():
    driver = Driver(texts=["round and round and round " * 9])
    answer = driver.run()
    assert driver.names()[-1] == "Write"
    assert (answer.accepted, answer.response, answer.rejected_at) == (False, "", Stage.QUALITY)
    assert answer.note == "quality_gate:looping,drift"
    assert answer.context


def test_an_answer_that_drifts_is_given_but_not_remembered():
    away = (
        "Trains from Berlin to Hamburg leave every hour, on weekends too, so nobody has to wait "
        "for longer than a cup of tea takes."
    )
    driver = Driver(texts=[away])
    answer = driver.run()
    assert (answer.accepted, answer.response) == (True, away)
    assert answer.report.quality.suppress_memory
    assert driver.names()[-1] == "Write"


@pytest.mark.parametrize("blank", ["", "  \n\t", "\u00a0"])
def test_a_blank_answer_is_a_failure(blank):
    driver = Driver(texts=[blank])
    with pytest.raises(GenerationFailed):
        driver.run()
    assert driver.names()[-1] == "Write"


def test_what_the_writer_raises_passes_through_and_nothing_is_remembered():
    driver = Driver(texts=[OSError("gone")])
    with pytest.raises(OSError, match="gone"):
        driver.run()
    assert driver.commands(Remember) == []


def test_a_turn_that_is_closed_while_writing_remembers_nothing():
    driver = Driver()
    effect = next(driver.running)
    while not isinstance(effect, Write):
        effect = driver.running.send(driver.answer(effect))
    driver.running.close()
    with pytest.raises(StopIteration):
        driver.running.send(TEXT)


BAD_REQUESTS = {
    "blank": {"prompt": " \n"},
    "too long": {"prompt": "x" * 10_001},
    "no text": {"prompt": None},
    "half a surrogate": {"prompt": "\ud800"},
    "a score above": {"score": 1.5},
    "a score below": {"score": -0.5},
    "a score that is no number": {"score": float("nan")},
    "a score of another kind": {"score": "0.9"},
    "a bar above": {"bar": 1.5},
    "no tokens": {"max_tokens": 0},
    "none wanted but less": {"context_top_k": -1},
    "too many wanted": {"context_top_k": 101},
    "half a memory": {"context_top_k": 0.5},
    "a risk above": {"risk": RiskInputs(cognition=1.5)},
}


@pytest.mark.parametrize("scorer", ["caller", "lexicon"])
@pytest.mark.parametrize("fields", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_has_no_effect_at_all(fields, scorer):
    driver = Driver(scorer=scorer, **fields)
    with pytest.raises(InvalidInput):
        driver.run()
    assert driver.effects == []


@pytest.mark.parametrize(
    "vector", [[float("nan")] * 4, [0.0] * 4, [1.0] * 3, "abcd", [float("inf"), 0, 0, 0]]
)
def test_a_bad_embedding_ends_the_turn_before_anything_is_decided(vector):
    driver = Driver()
    driver.vector = vector
    with pytest.raises(InvalidVector):
        driver.run()
    assert driver.names() == ["Embed"]
