"""`cognitive-operator run`."""

import argparse
import asyncio
import sys

from cognitive_api import __version__

from .edge.run import run
from .settings import Settings, SettingsError
from .telemetry import configure_logging


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="cognitive-operator", description="Keeps CognitiveEngine resources true."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run until a signal comes; settings come from the environment")
    parser.parse_args(argv)
    try:
        settings = Settings.from_environment()
        configure_logging(settings.log_level, settings.log_format)
        asyncio.run(run(settings))
    except SettingsError as fault:
        sys.stderr.write(f"cognitive-operator: {fault}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
