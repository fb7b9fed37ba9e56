"""Put the layers together: defaults, then the file, then the environment, then options."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from cognitive_api.engine_config import AuthMode, EmbeddingProvider, LLMBackend

from . import fields, filekeys
from .configuration import Configuration, Environment, config_hash, effective
from .environment import environment_layer, said_environment
from .errors import SettingsError
from .files import file_layer
from .layers import Given, Layer, Source
from .secrets import CALLER_KEYS, Secrets, find_secrets

_MODE = "auth.mode"
_OIDC = "auth.oidc"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force, where each value comes from, and what has to be told about it."""

    config: Configuration
    origins: Mapping[str, str]
    """Origin of each path: `default`, or source and name."""
    secrets: Secrets
    notes: tuple[str, ...]
    """What was said and changes nothing."""
    warnings: tuple[str, ...]
    """The same, where somebody may rely on it."""

    @property
    def hash(self) -> str:
        """Equal settings, equal hash."""
        return config_hash(self.config)


def load_settings(
    path: str | None,
    environment: Mapping[str, str],
    options: Mapping[str, tuple[str, str | None]] | None = None,
) -> Settings:
    """The settings by the file at `path` (none when empty), `environment` and `options`.

    An option is the path that it sets, with its name and its text; None is an option not used.

    Raises:
        SettingsError: they are not valid; the sentence names the file's key or the variable.
    """
    file = file_layer(path, said_environment(environment)) if path else Layer()
    env = environment_layer(environment, file)
    all_of_it = Layer(
        {**file.given, **env.given}, file.notes + env.notes, file.warnings + env.warnings
    )
    for target, (name, text) in (options or {}).items():
        if text is not None:
            all_of_it.given[target] = Given(text, Source.OPTION, name)
    _decide_who_may_call(all_of_it, file, environment)
    config = _validated(all_of_it.given, path)
    _tell_unused(all_of_it, config)
    secrets = find_secrets(config, environment)
    origins = {where: "default" for where, _ in fields.leaves(effective(config))}
    origins |= {where: given.origin for where, given in all_of_it.given.items() if where in origins}
    return Settings(
        config,
        origins,
        secrets,
        (*all_of_it.notes, *secrets.notes),
        tuple(all_of_it.warnings),
    )


def _decide_who_may_call(layer: Layer, file: Layer, environment: Mapping[str, str]) -> None:
    """Turn what is said about keys and tokens, here and there, into the one mode."""
    given = layer.given
    tokens = given.get(_MODE)
    if tokens is not None and isinstance(tokens.value, bool):
        _forget_switch(given, file)
    else:
        tokens = None
    key = next((name for name in CALLER_KEYS if environment.get(name, "").strip()), None)
    said = given.get(_MODE)
    if said is not None and said.name == filekeys.AUTH_SWITCH and said.value == "None" and key:
        layer.without_effect(said.name, f"{key} is set, so callers are asked for it")
        said = given[_MODE] = Given(AuthMode.API_KEY, Source.ENVIRONMENT, key)
    mode = str(said.value) if said is not None else None
    if tokens is not None and tokens.value:
        with_keys = key is not None or mode in (AuthMode.API_KEY, AuthMode.ANY)
        decided = AuthMode.ANY if with_keys else AuthMode.OIDC
        given[_MODE] = Given(decided, Source.ENVIRONMENT, tokens.name)
    elif tokens is not None and mode in (AuthMode.OIDC, AuthMode.ANY):
        given[_MODE] = Given(AuthMode.API_KEY, Source.ENVIRONMENT, tokens.name)
    elif mode is None and key is None and _is_development(given):
        where = given["environment"]
        given[_MODE] = Given(AuthMode.NONE, where.source, where.name)
        layer.warnings.append(
            "auth.mode: anybody may call: this is development, and no key or issuer is set"
        )
    _drop_unused_issuer(layer)


def _forget_switch(given: dict[str, Given], file: Layer) -> None:
    if _MODE in file.given:
        given[_MODE] = file.given[_MODE]
    else:
        del given[_MODE]


def _is_development(given: Mapping[str, Given]) -> bool:
    said = given.get("environment")
    return said is not None and said.value == Environment.DEVELOPMENT


def _drop_unused_issuer(layer: Layer) -> None:
    """Leave out variables about an issuer that nobody asks: half an issuer is no fault then."""
    said = layer.given.get(_MODE)
    mode = str(said.value) if said is not None else AuthMode.API_KEY.value
    if mode in (AuthMode.OIDC, AuthMode.ANY):
        return
    for path, given in list(layer.given.items()):
        if path.startswith(_OIDC):
            layer.without_effect(given.name, f"auth.mode is {mode}")
            if given.source is Source.ENVIRONMENT:
                del layer.given[path]


def _validated(given: Mapping[str, Given], file: str | None) -> Configuration:
    document: dict[str, Any] = {}
    for path in sorted(given):
        *above, last = path.split(".")
        place = document
        for name in above:
            if not isinstance(place.get(name), dict):
                place[name] = {}
            place = place[name]
        place[last] = given[path].value
    try:
        return Configuration.model_validate(document)
    except ValidationError as error:
        raise SettingsError(_first_fault(error, given, file)) from error


def _first_fault(error: ValidationError, given: Mapping[str, Given], file: str | None) -> str:
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(str(part) for part in faults[0]["loc"])
    message = faults[0]["msg"].removeprefix("Value error, ")
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    culprits = [
        item
        for path, item in given.items()
        if not place or f"{path}.".startswith(f"{place}.") or f"{place}.".startswith(f"{path}.")
    ]
    names = [item.name for item in culprits if item.source is not Source.FILE]
    if file and (len(names) < len(culprits) or not culprits):
        names.insert(0, file)
    # A rule over the whole is not the fault of all that was said.
    who = ", ".join(names) if place else file or ""
    return ": ".join(part for part in (who, place, message + more) if part)


def _tell_unused(layer: Layer, config: Configuration) -> None:
    backend, provider = config.llm.backend, config.embeddings.provider
    for path, counts, why in (
        ("llm.model", backend is not LLMBackend.LOCAL_STUB, f"llm.backend is {backend}"),
        ("llm.baseURL", backend is not LLMBackend.LOCAL_STUB, f"llm.backend is {backend}"),
        (
            "embeddings.model",
            provider is not EmbeddingProvider.HASHING,
            f"embeddings.provider is {provider}",
        ),
        (
            "embeddings.baseURL",
            provider is EmbeddingProvider.OPENAI_COMPATIBLE,
            f"embeddings.provider is {provider}",
        ),
    ):
        if path in layer.given and not counts:
            layer.without_effect(layer.given[path].name, why)
