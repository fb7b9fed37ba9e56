"""The environment: what its variables say, by the table and by the names of settings."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from cognitive_api.engine_config import LLMBackend

from . import fields, filekeys, parsers
from .configuration import Configuration, Environment
from .errors import NoEffect, SettingsError
from .layers import Given, Layer, Source
from .variables import VARIABLES, Sort, Variable

PREFIX: Final = "MLSDM_"
_LEVEL: Final = "__"
_NUMBERED: Final = re.compile(r"^API_KEY_[0-9]{1,2}_")
# What Kubernetes puts into every pod beside a Service called mlsdm-….
_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP).*)?$")

_BY_NAME: Final = {item.name: item for item in VARIABLES}


def said_environment(environment: Mapping[str, str]) -> Environment | None:
    """What the process is there for, if a variable says so.

    Raises:
        SettingsError: it says something else.
    """
    layer = Layer()
    for variable in VARIABLES:
        if any(path == "environment" for path, _ in variable.sets) and _is_set(
            environment, variable.name
        ):
            _take(layer, variable, variable.name, environment)
    given = layer.given.get("environment")
    return given.value if given and isinstance(given.value, Environment) else None


def environment_layer(environment: Mapping[str, str], file: Layer) -> Layer:
    """What the environment says; `file` decides which model's variables count if it does not.

    Raises:
        SettingsError: a variable that is known has a value that it cannot have.
    """
    layer = Layer()
    names = [name for name in environment if _is_set(environment, name)]
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(_NUMBERED.sub("API_KEY_n_", name), []).append(name)
    unconditional = [item for item in VARIABLES if not item.backends]
    for variable in unconditional:
        for name in known.get(variable.name, ()):
            _take(layer, variable, name, environment)
    for name in sorted(names):
        if name.startswith(PREFIX) and name not in _BY_NAME:
            _override(layer, name, environment[name].strip())
    backend = _backend(layer, file)
    for variable in VARIABLES:
        if variable.backends and variable.name in known:
            if backend in variable.backends:
                _take(layer, variable, variable.name, environment)
            elif backend is not None:
                layer.without_effect(variable.name, f"llm.backend is {backend}")
    return layer


def _is_set(environment: Mapping[str, str], name: str) -> bool:
    # An empty variable is how compose files and shells leave one out.
    return bool(environment.get(name, "").strip())


def _take(layer: Layer, variable: Variable, name: str, environment: Mapping[str, str]) -> None:
    text = environment[name].strip()
    if variable.sort is Sort.UNUSED:
        alarming = variable.alarming and not parsers.is_off(text)
        layer.without_effect(name, variable.says, alarming=alarming)
        return
    for path, read in variable.sets:
        try:
            value = read(text, environment)
        except NoEffect as error:
            layer.without_effect(name, str(error), alarming=True)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from error
        else:
            if value is not None:
                _set(layer, path, Given(value, Source.ENVIRONMENT, name))


def _override(layer: Layer, name: str, text: str) -> None:
    """Read `MLSDM_SECTION__KEY` as the key of a file, of either dialect."""
    parts = name.removeprefix(PREFIX).lower().split(_LEVEL)
    key = ".".join(parts)
    exact = filekeys.BY_KEY.get(key)
    own = fields.find(parts)
    if exact is None and own is not None:
        value = parsers.words(text) if fields.is_list(own) else text
        _set(layer, own, Given(value, Source.ENVIRONMENT, name))
        return
    row = exact or filekeys.find(key)
    if row is None:
        if not _LINK.search(name):
            near = fields.nearest(name, _candidates())
            meant = f" (did you mean {near}?)" if near else ""
            layer.warnings.append(f"{name}: is not a variable that is known{meant}")
    elif not row.sets:
        layer.without_effect(name, row.says, alarming=row.alarming and not parsers.is_off(text))
    else:
        variable = Variable(
            name, Sort.SETTING, "", sets=((row.sets, lambda value, _: row.parse(value)),)
        )
        _take(layer, variable, name, {name: text})


def _set(layer: Layer, path: str, given: Given) -> None:
    before = layer.given.get(path)
    if before is None:
        layer.given[path] = given
    elif before.value != given.value:
        layer.without_effect(given.name, f"{before.name} sets {path}", alarming=True)


def _backend(layer: Layer, file: Layer) -> LLMBackend | None:
    given = layer.given.get("llm.backend") or file.given.get("llm.backend")
    try:
        return LLMBackend(str(given.value)) if given else Configuration().llm.backend
    except ValueError:  # said later, with its place
        return None


def _candidates() -> Iterable[str]:
    yield from (item.name for item in VARIABLES if item.name.startswith(PREFIX))
    for key in filekeys.BY_KEY:
        if not key.endswith("*"):
            yield PREFIX + key.upper().replace(".", _LEVEL)
