"""The configuration file: read within bounds, its dialects understood, its faults named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from cognitive_engine.domain import limits

from . import fields, filekeys, parsers
from .configuration import Configuration, Environment
from .errors import NoEffect, SettingsError
from .filekeys import FileKey
from .layers import Given, Layer, Source

FAULTS_SHOWN: Final = 5


def file_layer(path: str, environment: Environment | None) -> Layer:
    """What the YAML or JSON file at `path` says, with its overlay for `environment`.

    Raises:
        SettingsError: it cannot be read, names what does not exist, or contradicts itself.
    """
    document = read_document(path)
    overlays = _overlays(path, document)
    base = _Reader(path)
    base.take(document, "", Configuration)
    base.finish()
    chosen = environment or _said_inside(base.layer)
    if chosen in overlays:
        over = _Reader(path)
        over.take(overlays[chosen], "", Configuration)
        over.finish()
        base.layer.given |= over.layer.given
        base.layer.notes += over.layer.notes
        base.layer.warnings += over.layer.warnings
    unchosen = [item.value for item in overlays if item is not chosen]
    if unchosen:
        base.layer.without_effect(", ".join(unchosen), "MLSDM_ENV does not name it")
    return base.layer


def read_document(path: str) -> dict[Any, Any]:
    """The mapping in the file at `path`.

    Raises:
        SettingsError: there is none.
    """
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
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: holds no mapping at the top")
    return document


def _overlays(path: str, document: dict[Any, Any]) -> dict[Environment, Mapping[Any, Any]]:
    """Take the parts for one environment each out of `document`."""
    found: dict[str, object] = {}
    for name in filekeys.OVERLAY_HOLDERS:
        held = document.pop(name, None) or {}
        if not isinstance(held, Mapping):
            raise SettingsError(f"{path}: {name}: must be a mapping")
        found |= held
    found |= {name: document.pop(name) for name in filekeys.OVERLAYS if name in document}
    overlays: dict[Environment, Mapping[Any, Any]] = {}
    for name, part in found.items():
        try:
            environment = parsers.stage(name)
        except ValueError as error:
            raise SettingsError(f"{path}: an overlay {error}") from error
        if not isinstance(part, Mapping | None):
            raise SettingsError(f"{path}: {name}: must be a mapping")
        overlays[environment] = part or {}
    return overlays


def _said_inside(layer: Layer) -> Environment | None:
    given = layer.given.get("environment")
    try:
        return Environment(str(given.value)) if given is not None else None
    except ValueError:
        return None


class _Reader:
    """Walks a document once, as deep as there are settings."""

    def __init__(self, path: str) -> None:
        self.layer = Layer()
        self._path = path
        self._faults: list[str] = []
        self._unused: dict[FileKey, list[str]] = {}

    def take(self, part: Mapping[Any, Any], above: str, model: type[BaseModel] | None) -> None:
        """Read `part`, which stands at `above`; `model` is ours of that place, if it is one."""
        for name, value in part.items():
            key = f"{above}{name}"
            row = filekeys.BY_KEY.get(key)
            if row is not None:
                self._apply(row, key, value)
            elif not self._own(key, str(name), value, model):
                self._foreign(key, str(name), value, model)

    def _own(self, key: str, name: str, value: object, model: type[BaseModel] | None) -> bool:
        found = fields.field_of(model, name) if model is not None else None
        if found is None:
            return False
        above = key[: -len(name)]
        path, inner = f"{above}{found[0]}", fields.model_of(found[1])
        if inner is not None and isinstance(value, Mapping):
            self.take(value, f"{path}.", inner)
        else:
            self._set(path, key, value)
        return True

    def _foreign(self, key: str, name: str, value: object, model: type[BaseModel] | None) -> None:
        if filekeys.is_section(key) and isinstance(value, Mapping | None):
            self.take(value or {}, f"{key}.", None)
            return
        row = filekeys.find(key)
        if row is not None:
            self._unused.setdefault(row, []).append(key)
            return
        above = key[: -len(name)]
        siblings = [
            *([] if model is None else (i.alias or n for n, i in model.model_fields.items())),
            *(k[len(above) :].split(".")[0] for k in filekeys.BY_KEY if k.startswith(above)),
        ]
        near = fields.nearest_path(name, siblings)
        meant = f" (did you mean {near}?)" if near else ""
        if model is None:
            self.layer.warnings.append(f"{key}: is not a setting that is known{meant}")
        else:
            self._faults.append(f"{key}: is not a setting{meant}")

    def _apply(self, row: FileKey, key: str, value: object) -> None:
        if not row.sets:
            alarming = row.alarming and not parsers.is_off(value)
            self.layer.without_effect(key, row.says, alarming=alarming)
            return
        try:
            parsed = row.parse(value)
        except NoEffect as error:
            self.layer.without_effect(key, str(error), alarming=True)
        except ValueError as error:
            self._faults.append(f"{key}: {error}")
        else:
            if parsed is not None:
                self._set(row.sets, key, parsed)

    def _set(self, path: str, key: str, value: object) -> None:
        before = self.layer.given.get(path)
        if before is not None and before.value != value:
            self._faults.append(f"{before.name} and {key} disagree")
        self.layer.given[path] = Given(value, Source.FILE, key)

    def finish(self) -> None:
        """Say what was found.

        Raises:
            SettingsError: there were faults.
        """
        for row, keys in self._unused.items():
            self.layer.without_effect(", ".join(keys), row.says)
        if self._faults:
            more = len(self._faults) - FAULTS_SHOWN
            shown = "; ".join(self._faults[:FAULTS_SHOWN]) + (f" ({more} more)" if more > 0 else "")
            raise SettingsError(f"{self._path}: {shown}")
