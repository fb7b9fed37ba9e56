"""Settings of a process: the configuration file, the environment and the command line."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.domain import limits

HASH_CHARS: Final = 16
PORT_MAX: Final = 65_535


class SettingsError(Exception):
    """The engine cannot start like this; the text is one sentence that says what to change."""


def load_config(path: str | None) -> EngineConfig:
    """The configuration in the YAML or JSON file at `path`; the defaults without a path.

    Raises:
        SettingsError: the file cannot be read or does not hold a valid configuration.
    """
    if not path:
        return EngineConfig()
    try:
        with Path(path).open("rb") as file:
            content = file.read(limits.CONFIG_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > limits.CONFIG_FILE_BYTES_MAX:
        raise SettingsError(f"{path}: is larger than {limits.CONFIG_FILE_BYTES_MAX} bytes")
    try:
        document = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}: is not valid YAML{where}") from error
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: holds no mapping at the top")
    try:
        return EngineConfig.model_validate(document)
    except ValidationError as error:
        raise SettingsError(f"{path}: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(str(part) for part in faults[0]["loc"]) or "the file"
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{place}: {faults[0]['msg']}{more}"


def effective(config: EngineConfig) -> dict[str, object]:
    """Every setting in force, in the file's spelling."""
    return config.model_dump(mode="json", by_alias=True)


def config_hash(config: EngineConfig) -> str:
    """Short hash of the settings in force: equal settings, equal hash, however written."""
    canonical = json.dumps(effective(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_CHARS]


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """`text` as an integer in [low, high]; `name` says where it comes from.

    Raises:
        SettingsError: it is none.
    """
    if not (text.isascii() and text.isdigit() and low <= int(text[:9]) <= high):
        raise SettingsError(f"{name} must be a whole number from {low} to {high}")
    return int(text[:9])


def from_environment(environment: Mapping[str, str], name: str, default: str) -> str:
    """The variable, or the default when it is absent or empty."""
    return environment.get(name) or default
