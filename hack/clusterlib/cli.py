"""The command line: which verb, which cluster, which provider."""

import argparse
import json
import os
import sys
from typing import Any

from . import images, kind, native, paths
from .progress import ClusterError, Progress, explain

EXIT_NOT_RUNNING = 1
EXIT_DEGRADED = 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hack/cluster", description="A real Kubernetes cluster on this machine."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--name",
        default=os.environ.get("CLUSTER_NAME") or paths.DEFAULT_NAME,
        help="which cluster (default: $CLUSTER_NAME, else %(default)s)",
    )
    texts = {
        "up": "make the cluster run, or whatever of it does not",
        "down": "take the cluster away; what was built stays",
        "status": "exit 0: healthy, 1: not running, 2: degraded",
        "kubeconfig": "print the path of the administrator's kubeconfig",
        "load": "copy images into the cluster, from buildah or Docker",
        "restart": "restart a component and wait for it",
        "kill": "kill a component and leave it dead, for fault tests",
        "enter": "run a command inside the node",
        "base-image": "make the Python base image for builds without a registry; print its name",
    }
    added = {
        verb: verbs.add_parser(verb, parents=[shared], help=text, description=text)
        for verb, text in texts.items()
    }
    added["status"].add_argument("-o", "--output", choices=("text", "json"), default="text")
    added["load"].add_argument("images", nargs="+", metavar="IMAGE")
    added["restart"].add_argument("component")
    added["kill"].add_argument("component")
    added["enter"].add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _provider(name: str) -> str:
    wanted = os.environ.get("CLUSTER_PROVIDER", "")
    if wanted in ("native", "kind"):
        return wanted
    if wanted:
        raise ClusterError(f"CLUSTER_PROVIDER={wanted!r} is unknown", hint="native or kind")
    # A cluster that exists decides for itself, whatever was installed since.
    if paths.find(name) is not None:
        return "native"
    if kind.available():
        return "kind"
    if sys.platform == "linux" and os.geteuid() == 0:
        return "native"
    raise ClusterError(
        "no way to run a cluster here",
        hint="start Docker and install kind, or run this as root on Linux",
    )


def _print_status(report: dict[str, Any], output: str) -> int:
    if output == "json":
        print(json.dumps(report, indent=2))
    else:
        state = "healthy" if report["healthy"] else "degraded"
        print(
            f"{report['name']} ({report['provider']}): "
            f"{state if report['running'] else 'not running'}"
        )
        for name, component in report["components"].items():
            print(
                f"  {name:24} {component['state']:10} {component.get('pid') or '':>8} "
                f"{component.get('reason', '')}".rstrip()
            )
        for key in ("kubeconfig", "server", "auditLog", "logs", "state"):
            if key in report:
                print(f"  {key:24} {report[key]}")
    if not report["running"]:
        return EXIT_NOT_RUNNING
    return 0 if report["healthy"] else EXIT_DEGRADED


def _run(options: argparse.Namespace, progress: Progress) -> int:
    if options.verb == "base-image":
        print(images.base_image(progress))
        return 0
    name = paths.check_name(options.name)
    is_kind = _provider(name) == "kind"
    if is_kind and options.verb in ("restart", "kill", "enter"):
        raise kind.unsupported(options.verb)
    provider = kind if is_kind else native
    match options.verb:
        case "up":
            provider.up(name, progress)
        case "down":
            provider.down(name, progress)
        case "status":
            return _print_status(provider.status(name), options.output)
        case "kubeconfig":
            path = provider.kubeconfig(name)
            if path is None:
                raise ClusterError(f"there is no cluster {name}", hint="hack/cluster up")
            print(path)
        case "load":
            provider.load(name, options.images, progress)
        case "restart":
            native.restart(name, options.component, progress)
        case "kill":
            native.kill(name, options.component, progress)
        case "enter":
            return native.enter(name, options.command)
    return 0


def main() -> int:
    """Do what the command line says; failures name their stage and the next act."""
    options = _parser().parse_args()
    try:
        return _run(options, Progress())
    except ClusterError as error:
        explain(error)
        return 1
    except BrokenPipeError:
        # The reader has seen enough (`| head -1`); Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
