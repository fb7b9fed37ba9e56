"""The engine's bench: its names, its data, and how answers are held against the truth."""

import json
import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchlib import engine, footprint, inserts, machine, recall, rounds, steps, vectors
from benchlib.errors import BenchError
from benchlib.recall import Tally
from benchlib.report import MACHINE_LINES, as_json
from benchlib.rounds import Effort, compare
from cognitive_engine.domain.memory.pelm import Pelm, Recollection

HACK = Path(__file__).resolve().parents[3] / "hack"
WANTED = {
    "recall_20k_vs_numpy": (9, 9.1, 8.9),
    "recall_20k_batch16_vs_numpy": (30, 31, 29),
    "recall_100k_vs_numpy": (7, 8, 6),
    "recall_exactness": (1.0, 1.0, 0.9999),
    "bandwidth_share_20k": (0.55, 0.6, 0.5),
    "insert_vs_row_write": (3, 2.9, 3.1),
    "step_full_vs_empty": (1.3, 1.2, 1.4),
}


@pytest.mark.parametrize(("column", "met"), [(1, True), (2, False)])
def test_the_json_has_exactly_the_seven_targets(column, met):
    figures = {name: row[column] for name, row in WANTED.items()} | {"start_seconds": 0.5}
    found = as_json({}, engine.judge(engine.GOALS, figures))["targets"]
    assert [target["name"] for target in found] == list(WANTED)
    assert [target["target"] for target in found] == [row[0] for row in WANTED.values()]
    assert [target["value"] for target in found] == [row[column] for row in WANTED.values()]
    assert all(target["met"] is met for target in found)


@pytest.mark.parametrize("name", WANTED)
def test_a_figure_that_is_missing_fails_the_run(name):
    figures = {other: 1.0 for other in WANTED if other != name}
    with pytest.raises(BenchError, match=name):
        engine.judge(engine.GOALS, figures)


def test_the_machine_is_described():
    found = machine.facts()
    assert set(found) == {key for _, key in MACHINE_LINES}
    assert json.loads(json.dumps(found)) == found


def test_pinning_leaves_one_core_and_a_thread_may_leave_it():
    script = f"""
import os, sys, threading
sys.path.insert(0, {str(HACK)!r})
from benchlib import machine
given = os.sched_getaffinity(0)
core = machine.pin()
assert os.sched_getaffinity(0) == {{core}} and core in given
def free():
    machine.unpin_thread()
    print(os.sched_getaffinity(0) == given)
thread = threading.Thread(target=free)
thread.start(); thread.join()
assert os.sched_getaffinity(0) == {{core}}
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], check=True, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "True\n"


@pytest.mark.parametrize("kind", ["clustered", "isotropic"])
def test_fields_are_unit_rows_half_in_phase(kind):
    field = vectors.make(kind, 1000, 8)
    assert field.rows.dtype == field.queries.dtype == np.float32
    assert np.allclose(np.linalg.norm(field.rows, axis=1), 1, atol=1e-6)
    assert np.allclose(np.linalg.norm(field.queries, axis=1), 1, atol=1e-6)
    assert field.passing.tolist() == list(range(0, 1000, 2))
    again = vectors.make(kind, 1000, 8)
    assert np.array_equal(again.rows, field.rows)
    assert np.array_equal(again.queries, field.queries)


def test_clustered_rows_have_near_neighbours_and_isotropic_ones_have_not():
    second = {kind: vectors.make(kind, 2000, 8).scores[:, 1].min() for kind in
              ("clustered", "isotropic")}  # fmt: skip
    assert second["clustered"] > 0.75
    assert second["isotropic"] < 0.4


def test_the_truth_is_what_a_loop_in_double_precision_finds(monkeypatch):
    monkeypatch.setattr(vectors, "CHUNK_ROWS", 64)
    field = vectors.make("clustered", 300, 4)
    for query, truth, scores in zip(field.queries, field.truth, field.scores, strict=True):
        wide = [float(x) for x in query]
        found = []
        for number in range(0, 300, 2):
            row = [float(x) for x in field.rows[number]]
            score = math.fsum(a * b for a, b in zip(row, wide, strict=True))
            found.append((score, number))
        best = sorted(found, reverse=True)[:5]
        assert truth.tolist() == [number for _, number in best]
        assert scores.tolist() == pytest.approx([score for score, _ in best], abs=1e-6)


def test_equal_rows_come_newest_first():
    rows = np.repeat(np.eye(1, vectors.DIMENSION, dtype=np.float32), 12, axis=0)
    phases = np.full(12, vectors.AWAKE)
    numbers, scores = vectors.nearest(rows, phases, rows[:1], 3)
    assert numbers.tolist() == [[11, 10, 9]]
    assert scores.tolist() == [[1.0, 1.0, 1.0]]


def test_an_answer_agrees_only_in_order_and_with_its_claim():
    field = vectors.make("isotropic", 100, 4)
    right = field.truth.tolist()
    swapped = [right[1][1], right[1][0], *right[1][2:]]
    other = next(row for row in range(0, 100, 2) if row not in right[3])
    answers = [right[0], swapped, right[2], [*right[3][:4], other]]
    tally = Tally(field)
    tally.count(answers, [True, True, False, True])
    assert (tally.asked, tally.agreed, tally.certified) == (4, 1, 3)
    assert tally.recall == pytest.approx(19 / 20)


def test_plain_answers_need_no_claim():
    field = vectors.make("isotropic", 100, 4)
    tally = Tally(field)
    tally.count(field.truth.tolist())
    assert (tally.agreed, tally.certified, tally.recall) == (4, 0, 1.0)


def test_an_answer_that_is_missing_is_an_error():
    field = vectors.make("isotropic", 100, 4)
    with pytest.raises(ValueError, match="longer"):
        Tally(field).count(field.truth.tolist()[:3])


@pytest.fixture
def quick(monkeypatch):
    """Comparisons of a few short laps."""
    short = partial(compare, visit_seconds=0.0)
    for module in (recall, inserts, steps):
        monkeypatch.setattr(module, "compare", short)
    monkeypatch.setattr(rounds, "MOVEMENT_MAX", 1e9)
    return Effort(5, 0.0)


def test_every_way_to_recall_is_compared_and_ours_is_exact(quick):
    ground = vectors.make("clustered", 600, 16)
    measured = recall.measure(ground, effort=quick)
    names = [recall.NUMPY, recall.PARTED, recall.FAISS, recall.OURS, recall.BATCH]
    assert list(measured.tallies) == names
    for name in (recall.OURS, recall.BATCH):
        tally = measured.tallies[name]
        assert tally.asked == tally.agreed == tally.certified >= 16 * 5 * 4
    assert all(tally.recall == 1.0 for tally in measured.tallies.values())
    assert 0 < measured.share() < 1
    assert all(name in recall.times_table(measured) for name in names)


@pytest.mark.parametrize(
    "lie",
    [
        lambda found: Recollection(found.items[::-1], found.exact, found.reranked),
        lambda found: Recollection(found.items, False, found.reranked),
    ],
)
def test_a_wrong_answer_in_a_timed_lap_is_counted(quick, monkeypatch, lie):
    honest = Pelm.recall
    monkeypatch.setattr(Pelm, "recall", lambda self, query: lie(honest(self, query)))
    ground = vectors.make("clustered", 600, 16)
    measured = recall.measure(ground, effort=quick, faiss=False)
    assert measured.tallies[recall.OURS].agreed == 0


def test_inserts_of_every_kind_are_compared(quick):
    results = inserts.measure(600, effort=quick)
    text = inserts.result_table({600: results})
    for name in (inserts.ROW_WRITE, inserts.FULL, inserts.EMPTY, inserts.MANY):
        assert results[name].seconds() > 0
        assert name in text
    assert inserts.worst(results) >= results.ratio(inserts.FULL, inserts.ROW_WRITE).value


def test_steps_are_compared_on_an_empty_and_a_full_mind(quick):
    results = steps.measure(400, effort=quick)
    assert results[steps.TURN].seconds() > 0
    assert steps.TURN in steps.result_table(results)


def test_a_step_that_was_not_accepted_is_no_figure(quick, monkeypatch):
    monkeypatch.setattr(steps, "SCORE", 0.0)
    with pytest.raises(BenchError, match="not accepted: Refused"):
        steps.measure(400, effort=quick)


def test_a_bank_is_weighed_in_a_process_of_its_own():
    weight = footprint.weigh(2000)
    assert weight.rows == 2000 * vectors.DIMENSION * 4
    assert weight.rows < weight.arrays < 3 * weight.rows
    assert weight.resident > weight.rows / 2
