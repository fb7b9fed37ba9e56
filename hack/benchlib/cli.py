"""The command line of `hack/bench`: which bench, how long, where the result goes."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from . import machine, report
from .errors import BenchError
from .progress import say
from .rounds import ROUNDS_MIN

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "benchmarks"
BENCHES = ("engine", "service")
"""Each is a module here with `run(options) -> Report`."""

ROUNDS_FULL, ROUNDS_QUICK = 7, 5
PATIENCE_FULL, PATIENCE_QUICK = 20.0, 2.0
"""Seconds to wait for a calm machine before a round is repeated."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="hack/bench",
        description="Measures a part of the system beside plain alternatives, in one run.",
        epilog=f"benches: {', '.join(BENCHES)}",
    )
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help="what to measure")
    parser.add_argument(
        "--quick", action="store_true", help="done within 50 s; smaller, and no page"
    )
    parser.add_argument("--write", action="store_true", help="write the page after --quick too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and targets there")
    parser.add_argument(
        "--peer", type=Path, metavar="CHECKOUT", help="measure a checkout of the public MLSDM too"
    )
    parser.add_argument(
        "--peer-python",
        type=Path,
        metavar="FILE",
        help="service: the interpreter that runs it (default: its .venv/bin/python, else ours)",
    )
    parser.add_argument(
        "--profile", action="store_true", help="service: say where the time of an answer goes"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"rounds of each comparison, {ROUNDS_MIN} or more "
        f"(default: {ROUNDS_FULL}, with --quick {ROUNDS_QUICK})",
    )
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (ROUNDS_QUICK if options.quick else ROUNDS_FULL)
    if options.rounds < ROUNDS_MIN:
        parser.error(f"--rounds: {ROUNDS_MIN} or more, a median of fewer says little")
    if options.name == "engine" and (options.profile or options.peer_python):
        parser.error("--profile and --peer-python: only with service")
    if options.peer_python and not options.peer:
        parser.error("--peer-python: only with --peer")
    options.patience = PATIENCE_QUICK if options.quick else PATIENCE_FULL
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run one bench. 0: all was measured, whether targets were met or not; 1: something was not."""
    options = parse(arguments)
    try:
        return _run(options)
    except BenchError as error:
        print(f"bench: failed: {error}", file=sys.stderr)
        if error.hint:
            print(f"next: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted; nothing was written", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    core = machine.pin()
    facts = machine.facts()
    say(f"{options.name} on core {core} of {facts['cpu']}, recall kernel {facts['recall_kernel']}")
    found: report.Report = importlib.import_module(f".{options.name}", __package__).run(options)
    if options.json:
        report.write_json(options.json, facts, found.targets)
        say(f"wrote {options.json}")
    if options.write or not options.quick:
        path = PAGES / f"{options.name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.page(found, facts))
        say(f"wrote {path.relative_to(ROOT)}")
    for heading, text in found.sections:
        print(f"\n{heading}\n\n{text}")
    targets = [*found.targets, *found.further]
    print(f"\nTargets\n\n{report.target_table(targets)}")
    missed = [target.goal.name for target in targets if not target.met]
    print(f"\n{len(missed)} of {len(targets)} targets MISSED: {', '.join(missed)}" if missed
          else f"\nall {len(targets)} targets met")  # fmt: skip
    say(f"done in {time.monotonic() - started:.0f} s")
    return 0
