"""The peer: found in a checkout by its class, called by its documented names, or a clear no."""

import os
import sys
from functools import partial

import numpy as np
import pytest

from benchlib import inserts, recall, rounds, vectors
from benchlib.errors import BenchError
from benchlib.peer import Peer
from benchlib.rounds import Effort, compare
from benchlib.vectors import DIMENSION

MEMORY = """
from mlsdm.utils.sums import dot

class Found:
    def __init__(self, resonance):
        self.resonance = resonance

class PhaseEntangledLatticeMemory:
    def __init__(self, dimension=384, capacity=None):
        self.rows, self.dimension, self.capacity = [], dimension, capacity

    def entangle(self, vector, phase, correlation_id=None, provenance=None):
        if not isinstance(vector, list) or len(vector) != self.dimension:
            raise ValueError("a list of the right length")
        self.rows.append((vector, phase))
        return len(self.rows) - 1

    def retrieve(self, query_vector, current_phase, phase_tolerance=0.15, top_k=5):
        near = [dot(v, query_vector) for v, p in self.rows if abs(p - current_phase) <= 0.15]
        return [Found(score) for score in sorted(near, reverse=True)[:top_k]]
"""
BATCH = """
    def entangle_batch(self, vectors, phases):
        self.batches = getattr(self, "batches", 0) + 1
        return [self.entangle(v, p) for v, p in zip(vectors, phases)]
"""
TOP = "raise RuntimeError('the whole service would start')\n"


@pytest.fixture(autouse=True)
def clean():
    """The peer is imported into this process; nothing of it stays."""
    environment = dict(os.environ)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlsdm"]:
        del sys.modules[name]
    os.environ.clear()
    os.environ |= environment


def checkout(tmp_path, memory=MEMORY, where="memory/phase_entangled_lattice_memory.py"):
    package = tmp_path / "src" / "mlsdm"
    files = {"__init__.py": TOP, "memory/__init__.py": "", "utils/__init__.py": ""}
    files["utils/sums.py"] = "def dot(a, b):\n    return sum(x * y for x, y in zip(a, b))\n"
    for name, text in (files | {where: memory}).items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def rows(count):
    return np.eye(count, DIMENSION, dtype=np.float32), np.full(count, 0.1, np.float32)


@pytest.mark.parametrize("where", ["memory/phase_entangled_lattice_memory.py", "memory/pelm.py"])
@pytest.mark.parametrize("memory", [MEMORY, MEMORY + BATCH])
def test_a_bank_is_filled_and_asked(tmp_path, memory, where):
    bank = Peer(checkout(tmp_path, memory, where)).bank(8)
    bank.fill(*rows(7))
    bank.entangle([0.5] * DIMENSION, 0.9)
    query = [0.0] * DIMENSION
    query[3] = 1.0
    assert bank.retrieve(query) == [1.0, 0.0, 0.0, 0.0, 0.0]


def test_rows_go_in_by_batches_where_it_can(tmp_path):
    bank = Peer(checkout(tmp_path, MEMORY + BATCH)).bank(8)
    bank.fill(*rows(7))
    assert bank._memory.batches == 1


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(BenchError, match="no class PhaseEntangledLatticeMemory") as refused:
        Peer(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert "--peer" in refused.value.hint


def test_a_missing_package_is_named(tmp_path):
    with pytest.raises(BenchError, match="package_that_is_not_there") as refused:
        Peer(checkout(tmp_path, "import package_that_is_not_there\n" + MEMORY))
    assert "pip install" in refused.value.hint


def test_other_arguments_than_documented_are_a_clear_no(tmp_path):
    other = MEMORY.replace("phase_tolerance=0.15, top_k=5", "k=5").replace("top_k", "k")
    bank = Peer(checkout(tmp_path, other)).bank(8)
    bank.fill(*rows(1))
    with pytest.raises(BenchError, match=r"retrieve takes other arguments"):
        bank.retrieve([0.0] * DIMENSION)


def test_it_takes_its_place_in_the_comparisons(tmp_path, monkeypatch):
    quick = partial(compare, visit_seconds=0.0)
    monkeypatch.setattr(recall, "compare", quick)
    monkeypatch.setattr(inserts, "compare", quick)
    monkeypatch.setattr(rounds, "MOVEMENT_MAX", 1e9)
    peer = Peer(checkout(tmp_path, MEMORY + BATCH))
    ground = vectors.make("isotropic", 128, 4)
    measured = recall.measure(ground, effort=Effort(5, 0.0), faiss=False, peer=peer)
    assert measured.tallies[recall.PEER].recall == 1.0
    assert measured.results.ratio(recall.PEER, recall.OURS).value > 1
    assert recall.PEER in recall.times_table(measured)
    stored = inserts.measure(128, effort=Effort(5, 0.0), peer=peer)
    assert inserts.PEER in inserts.result_table({128: stored})
