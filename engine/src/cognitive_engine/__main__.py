"""Command line: `serve` runs the engine, `check` explains the settings.

Exit codes of `serve`: 0 done, 1 an address cannot be had, 2 the settings are not usable; of
`check`: 0 valid, 1 invalid, 2 valid with warnings under --strict.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import structlog
import uvloop

from cognitive_api import identity as api_names
from cognitive_engine import __version__
from cognitive_engine.edge.app import build_engine
from cognitive_engine.edge.server import Listeners, bind, serve
from cognitive_engine.settings import Settings, SettingsError, load_settings
from cognitive_engine.settings.explain import explain_json, explain_yaml, warnings
from cognitive_engine.telemetry import logs

# Options of `serve` by the setting that each of them sets.
_OPTIONS = {
    "server.host": ("--host", "address to listen on"),
    "server.port": ("--port", "port of the API"),
    "server.metricsPort": ("--metrics-port", "port of the metrics"),
    "server.shutdownSeconds": ("--shutdown-seconds", "longest time from SIGTERM to exit"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    check = options.command == "check"
    try:
        settings = _settings(options, os.environ)
        return _check(settings, options) if check else _serve(settings, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"cognitive-engine: {error}\n")
        return 1 if check else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cognitive-engine", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("serve", help="serve the API and the metrics")
    check = commands.add_parser("check", help="print what is in force, and where it comes from")
    for command in (run, check):
        command.add_argument(
            "--config",
            metavar="FILE",
            help=f"YAML or JSON (default: env {api_names.ENV_CONFIG_PATH})",
        )
    for path, (name, text) in _OPTIONS.items():
        run.add_argument(name, dest=path, help=f"{text} ({path})")
    check.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml")
    check.add_argument("--strict", action="store_true", help="exit with 2 if there are warnings")
    return parser


def _settings(options: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    path = options.config or environment.get(api_names.ENV_CONFIG_PATH)
    given = {
        target: (name, getattr(options, target, None)) for target, (name, _) in _OPTIONS.items()
    }
    return load_settings(path, environment, given)


def _check(settings: Settings, options: argparse.Namespace) -> int:
    explained = explain_json(settings) if options.output == "json" else explain_yaml(settings)
    sys.stdout.write(explained)
    return 2 if options.strict and warnings(settings) else 0


def _serve(settings: Settings, environment: Mapping[str, str]) -> int:
    if settings.secrets.faults:
        raise SettingsError(settings.secrets.faults[0])
    config = settings.config
    logs.configure(config.logging)
    structlog.stdlib.get_logger("cognitive_engine").info(
        "starting",
        version=__version__,
        config=settings.hash,
        policy=config.governance.moral.policy.value,
        auth_mode=config.auth.mode.value,
        warnings=list(settings.warnings),
    )
    engine = build_engine(config, environment, deadline_seconds=config.api.request_timeout_seconds)
    server = config.server
    try:
        api = bind(server.host, server.port)
        metrics = bind(server.host, server.metrics_port) if server.metrics_enabled else None
    except OSError as error:
        sys.stderr.write(f"cognitive-engine: cannot listen on {server.host}: {error.strerror}\n")
        return 1
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(engine, Listeners(api, metrics), server.shutdown_seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
