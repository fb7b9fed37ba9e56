"""`hack/bench engine`: the mind's recall, insert and step, beside plain ways to do the same."""

import argparse
import gc
from collections.abc import Sequence

from . import footprint, inserts, recall, steps, vectors
from .peer import Peer
from .progress import amount, say
from .recall import Measured
from .report import Goal, Report, judge, number, table
from .rounds import LAPS, MOVEMENT_MAX, Effort, Results

SMALL, DEFAULT, LARGE, HUGE = 1_000, 20_000, 100_000, 1_000_000
QUESTIONS = {SMALL: 64, DEFAULT: 32, LARGE: 32, HUGE: 16}
QUESTIONS_QUICK = 16

FIXED_PART = (
    "A search has a fixed part, nearly all of what it costs at 1k rows; the fewer bytes there are "
    "to scan, the more it weighs."
)
ONE_CALL = (
    "The row write is shorter than one Python call with arguments; checks, code, fingerprint and "
    "eviction order come on top."
)

GOALS = (
    Goal("recall_20k_vs_numpy", 9),
    Goal("recall_20k_batch16_vs_numpy", 30),
    Goal("recall_100k_vs_numpy", 7),
    Goal("recall_exactness", 1.0),
    Goal("bandwidth_share_20k", 0.55, limit=FIXED_PART),
    Goal("insert_vs_row_write", 3, lower_is_better=True, limit=ONE_CALL),
    Goal("step_full_vs_empty", 1.3, lower_is_better=True),
)
"""The same in every run, and the whole of `--json`."""

FURTHER = (
    Goal("recall_20k_vs_numpy_in_phase", 2.4),
    Goal("recall_1m_vs_numpy", 6.5),
    Goal("recall_1m_two_cores_vs_numpy", 12),
    Goal("two_stage_1m_vs_numpy", 30),
    Goal("two_stage_1m_recall", 0.99),
    Goal("bandwidth_share_100k", 0.57, limit=FIXED_PART),
    Goal("bandwidth_share_1m", 0.75),
    Goal("turns_per_second", 5_500),
    Goal("memory_vs_rows", 1.6, lower_is_better=True),
    Goal("start_seconds", 1.0, lower_is_better=True),
    Goal("peer_retrieve_20k_vs_ours", 110),
    Goal("peer_insert_20k_vs_ours", 4_000),
)
"""For the page, as far as a run measures them."""

METHOD = f"""\
Made by `./hack/bench engine`. All of it runs in one process on one core, with one BLAS thread,
except the row that says two cores.

Vectors are unit vectors of {vectors.DIMENSION} components; half of the rows lie at phase 0.1, half
at 0.9, in turn, and questions are asked at 0.1 ± {vectors.TOLERANCE} for the {vectors.TOP_K}
nearest. *Clustered* rows look like embeddings: a centre for every {vectors.ROWS_PER_CENTRE} rows,
{vectors.LATENT} fading latent dimensions, and noise. *Isotropic* rows have no structure at all, the
worst case for any code. A question is a stored row with noise.

Candidates run interleaved: {{rounds}} rounds, each in a shuffled order, each visit a warming lap
and {LAPS} timed ones or more (one, unwarmed, at 1M rows). Figures are medians of CPU time; two
cores are compared by the wall. A ratio is that of the medians, with the least and most of any round
behind it. Garbage is not collected during a lap. A round in which a baseline is more than
{MOVEMENT_MAX:.0%} off its median is run once more; if that does not help, there is no result.

Every answer given in a lap is compared, ids and order, with the nearest rows in double precision.
*Recall* is the share of those rows that was found, *certified* the share of answers that said they
were exact. *× numpy* is how many times faster than numpy over all rows, *× in phase* than numpy
over a contiguous copy of the rows in phase, which knows in advance what phase will be asked for."""

PEER_METHOD = """

The rows *public MLSDM* are its memory class, from a checkout, in the same rounds. It takes vectors
as lists; they are made outside the timed part."""


def run(options: argparse.Namespace) -> Report:
    """Measure everything; a quick run leaves out 1M rows, faiss and inserts at 100k."""
    effort, quick = Effort(options.rounds, options.patience), options.quick
    peer = Peer(options.peer) if options.peer else None
    report = Report("The engine's benchmark", METHOD.format(rounds=options.rounds))
    if peer is not None:
        report.method += PEER_METHOD
    figures: dict[str, float] = {}

    exact = _recall(report, figures, effort=effort, quick=quick, peer=peer)
    if not quick:
        exact += _huge(report, figures, effort)
    figures["recall_exactness"] = _exactness(exact)
    _inserts(report, figures, effort=effort, quick=quick, peer=peer)
    _steps(report, figures, effort)
    if not quick:
        _footprint(report, figures)

    report.targets = judge(GOALS, figures)
    report.further = judge((goal for goal in FURTHER if goal.name in figures), figures)
    return report


def _recall(
    report: Report, figures: dict[str, float], *, effort: Effort, quick: bool, peer: Peer | None
) -> list[recall.Tally]:
    tallies: list[recall.Tally] = []
    plan: Sequence[tuple[vectors.Kind, int]] = (
        ("clustered", SMALL), ("clustered", DEFAULT), ("isotropic", DEFAULT), ("clustered", LARGE),
    )  # fmt: skip
    for kind, size in plan:
        beside = peer if (kind, size) in (("clustered", SMALL), ("clustered", DEFAULT)) else None
        asked = QUESTIONS_QUICK if quick else QUESTIONS[size]
        ground = vectors.make(kind, size, asked)
        measured = recall.measure(ground, effort=effort, faiss=not quick, peer=beside)
        _show(report, measured)
        tallies += _certifying(measured)
        results = measured.results
        if (kind, size) == ("clustered", DEFAULT):
            ours = results.ratio(recall.NUMPY, recall.OURS)
            figures["recall_20k_vs_numpy"] = ours.value
            figures["recall_20k_batch16_vs_numpy"] = results.ratio(recall.NUMPY, recall.BATCH).value
            figures["recall_20k_vs_numpy_in_phase"] = results.ratio(
                recall.PARTED, recall.OURS
            ).value
            figures["bandwidth_share_20k"] = measured.share()
            if beside is not None:
                figures["peer_retrieve_20k_vs_ours"] = results.ratio(recall.PEER, recall.OURS).value
        if size == LARGE:
            figures["recall_100k_vs_numpy"] = results.ratio(recall.NUMPY, recall.OURS).value
            figures["bandwidth_share_100k"] = measured.share()
        del ground, measured
        gc.collect()
    return tallies


def _huge(report: Report, figures: dict[str, float], effort: Effort) -> list[recall.Tally]:
    say(f"{amount(HUGE)} rows: making them")
    ground = vectors.make("clustered", HUGE, QUESTIONS[HUGE])
    measured = recall.measure(ground, effort=effort, two_cores=True)
    _show(report, measured)
    results = measured.results
    figures["recall_1m_vs_numpy"] = results.ratio(recall.NUMPY, recall.OURS).value
    figures["recall_1m_two_cores_vs_numpy"] = results.ratio(
        recall.NUMPY, recall.TWO_CORES, "wall"
    ).value
    figures["bandwidth_share_1m"] = measured.share()
    tallies = _certifying(measured)
    del measured
    gc.collect()
    staged = recall.measure_two_stage(ground, effort=effort)
    _show(report, staged)
    figures["two_stage_1m_vs_numpy"] = staged.results.ratio(recall.NUMPY, recall.TWO_STAGE).value
    figures["two_stage_1m_recall"] = staged.tallies[recall.TWO_STAGE].recall
    return tallies


def _inserts(
    report: Report, figures: dict[str, float], *, effort: Effort, quick: bool, peer: Peer | None
) -> None:
    by_size: dict[int, Results] = {}
    for size in (SMALL, DEFAULT) if quick else (SMALL, DEFAULT, LARGE):
        beside = peer if size == DEFAULT else None
        by_size[size] = inserts.measure(size, effort=effort, peer=beside)
        gc.collect()
    at_default = by_size[DEFAULT]
    figures["insert_vs_row_write"] = inserts.worst(at_default)
    if peer is not None:
        figures["peer_insert_20k_vs_ours"] = at_default.ratio(inserts.PEER, inserts.FULL).value
    report.add("Insert", inserts.result_table(by_size))


def _steps(report: Report, figures: dict[str, float], effort: Effort) -> None:
    results = steps.measure(DEFAULT, effort=effort)
    figures["step_full_vs_empty"] = results.ratio(steps.FULL, steps.EMPTY).value
    figures["turns_per_second"] = 1.0 / results[steps.TURN].seconds()
    report.add(f"Step, {amount(DEFAULT)} rows", steps.result_table(results))


def _footprint(report: Report, figures: dict[str, float]) -> None:
    say(f"{amount(DEFAULT)} rows, footprint")
    weight = footprint.weigh(DEFAULT)
    figures["memory_vs_rows"] = max(weight.arrays, weight.resident) / weight.rows
    figures["start_seconds"] = footprint.start_seconds(DEFAULT)
    rows = [
        (what, number(size / 2**20), number(size / weight.rows))
        for what, size in (
            ("float32 rows alone", weight.rows),
            ("all arrays of a full bank", weight.arrays),
            ("growth of the process", weight.resident),
        )
    ]
    start = f"A new process has an empty mind ready after {number(figures['start_seconds'])} s."
    report.add(
        f"Footprint, {amount(DEFAULT)} rows",
        f"{table(('', 'MiB', '× rows'), rows)}\n\n{start}",
    )


def _show(report: Report, measured: Measured) -> None:
    field = measured.ground
    name = f"Recall, {amount(field.size)} rows, {field.kind}"
    if recall.OURS not in measured.tallies:
        report.add(f"{name}, two-stage", recall.times_table(measured))
        return
    read, speed = measured.bandwidth()
    told = (
        f"{number(measured.scanned_bytes / 2**20)} MiB of codes are in phase. The fastest plain "
        f"read of as much is *{read}*, {number(speed / 1e9)} GB/s; a search that reads each code "
        f"once reaches {number(measured.share())} of it."
    )
    report.add(name, f"{recall.times_table(measured)}\n\n{told}\n\n{recall.reads_table(measured)}")


def _certifying(measured: Measured) -> list[recall.Tally]:
    names = (recall.OURS, recall.BATCH, recall.TWO_CORES)
    return [measured.tallies[name] for name in names if name in measured.tallies]


def _exactness(tallies: Sequence[recall.Tally]) -> float:
    return sum(tally.agreed for tally in tallies) / sum(tally.asked for tally in tallies)
