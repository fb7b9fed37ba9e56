"""What `check` prints: the settings in force, where each comes from, and what has to be told."""

import json

import yaml

from .configuration import effective
from .resolve import Settings
from .secrets import MASK


def explain_yaml(settings: Settings) -> str:
    """A configuration file that gives the same settings, with remarks."""
    lines = [f"# config hash: {settings.hash}"]
    lines += [
        f"# secret: {item.purpose} {MASK} ({item.origin})" for item in settings.secrets.in_use
    ]
    lines += [f"# warning: {text}" for text in warnings(settings)]
    lines += [f"# note: {text}" for text in settings.notes]
    lines += _lines(effective(settings.config), "", settings)
    return "\n".join([*lines, ""])


def explain_json(settings: Settings) -> str:
    """The same for programs; `config` is a configuration file that gives the same settings."""
    document = {
        "hash": settings.hash,
        "config": effective(settings.config),
        "origins": dict(settings.origins),
        "secrets": [
            {"purpose": item.purpose, "value": MASK, "origin": item.origin}
            for item in settings.secrets.in_use
        ],
        "warnings": warnings(settings),
        "notes": list(settings.notes),
    }
    return json.dumps(document, indent=2) + "\n"


def warnings(settings: Settings) -> list[str]:
    """The warnings, and why `serve` would refuse to start."""
    refusals = [f"serve would not start: {text}" for text in settings.secrets.faults]
    return [*refusals, *settings.warnings]


def _lines(value: object, above: str, settings: Settings) -> list[str]:
    found: list[str] = []
    depth = "  " * (above.count(".") + 1 if above else 0)
    if not isinstance(value, dict):
        return found
    for name, inner in value.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(inner, dict):
            found += [f"{depth}{name}:", *_lines(inner, path, settings)]
            continue
        written = yaml.safe_dump(inner, default_flow_style=True, width=2**20).splitlines()[0]
        origin = settings.origins[path]
        remark = "" if origin == "default" else f"  # {origin}"
        found.append(f"{depth}{name}: {written}{remark}")
    return found
