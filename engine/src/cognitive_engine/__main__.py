"""Command line: `serve` runs the engine, `check` judges a configuration file.

Exit codes: 0 done, 1 an address cannot be had, 2 the settings are not usable.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import structlog
import uvloop
import yaml

from cognitive_api import identity as api_names
from cognitive_engine import __version__
from cognitive_engine.domain import limits
from cognitive_engine.edge.app import build_engine
from cognitive_engine.edge.server import Listeners, bind, serve
from cognitive_engine.settings import (
    PORT_MAX,
    SettingsError,
    config_hash,
    effective,
    from_environment,
    load_config,
    whole_number,
)
from cognitive_engine.telemetry import logs

# Inside a container the network decides who reaches the port.
_HOST_DEFAULT = "0.0.0.0"  # noqa: S104


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "check":
            return _check(options.file or os.environ.get(api_names.ENV_CONFIG_PATH))
        return _serve(options, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"cognitive-engine: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cognitive-engine", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("serve", help="serve the API and the metrics")
    run.add_argument("--host", help=f"address to listen on (env HOST, default {_HOST_DEFAULT})")
    run.add_argument(
        "--port", help=f"port of the API (env API_PORT, default {api_names.PORT_HTTP})"
    )
    run.add_argument(
        "--metrics-port",
        help=f"port of the metrics (env METRICS_PORT, default {api_names.PORT_METRICS})",
    )
    run.add_argument(
        "--shutdown-seconds",
        help="longest time from SIGTERM to exit "
        f"(env SHUTDOWN_SECONDS, default {limits.SHUTDOWN_SECONDS_DEFAULT})",
    )
    check = commands.add_parser("check", help="validate a configuration and print what it means")
    check.add_argument("file", nargs="?", help="file to check (default: env CONFIG_PATH)")
    return parser


def _check(path: str | None) -> int:
    config = load_config(path)
    text = yaml.safe_dump(effective(config), sort_keys=False)
    sys.stdout.write(f"# config hash: {config_hash(config)}\n{text}")
    return 0


def _serve(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    host = options.host or from_environment(environment, "HOST", _HOST_DEFAULT)
    port = _number(options.port, environment, "API_PORT", api_names.PORT_HTTP)
    metrics_port = _number(
        options.metrics_port, environment, "METRICS_PORT", api_names.PORT_METRICS
    )
    shutdown_seconds = _number(
        options.shutdown_seconds,
        environment,
        "SHUTDOWN_SECONDS",
        limits.SHUTDOWN_SECONDS_DEFAULT,
        low=limits.SHUTDOWN_SECONDS_MIN,
        high=limits.SHUTDOWN_SECONDS_MAX,
    )
    config = load_config(environment.get(api_names.ENV_CONFIG_PATH))
    logs.configure(config.logging)
    engine = build_engine(config, environment)
    try:
        api = bind(host, port)
        metrics = bind(host, metrics_port)
    except OSError as error:
        sys.stderr.write(f"cognitive-engine: cannot listen on {host}: {error.strerror}\n")
        return 1
    structlog.stdlib.get_logger("cognitive_engine").info(
        "starting",
        version=__version__,
        config=config_hash(config),
        policy=config.governance.moral.policy.value,
        auth_mode=config.auth_mode.value,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(engine, Listeners(api, metrics), shutdown_seconds))
    return 0


def _number(
    option: str | None,
    environment: Mapping[str, str],
    name: str,
    default: int,
    *,
    low: int = 0,
    high: int = PORT_MAX,
) -> int:
    flag = "--" + name.removeprefix("API_").lower().replace("_", "-")
    text = option if option is not None else from_environment(environment, name, str(default))
    return whole_number(flag if option is not None else name, text, low, high)


if __name__ == "__main__":
    sys.exit(main())
