"""Paths of the configuration (`memory.topK`), found from either spelling, and names near them."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .configuration import Configuration


def field_of(model: type[BaseModel], name: str) -> tuple[str, FieldInfo] | None:
    """The file's spelling of the field `name`, in whichever case that is, and the field."""
    for own, info in model.model_fields.items():
        alias = info.alias or own
        if name in (own, alias):
            return alias, info
    return None


def model_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model that a field holds, optional or not; None for a plain value."""
    for kind in _kinds(info.annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def is_list(path: str) -> bool:
    """Whether the value at `path` is a list."""
    model: type[BaseModel] | None = Configuration
    info = None
    for name in path.split("."):
        found = field_of(model, name) if model is not None else None
        if found is None:
            return False
        info = found[1]
        model = model_of(info)
    return info is not None and any(get_origin(kind) is list for kind in _kinds(info.annotation))


def paths(model: type[BaseModel] = Configuration, above: str = "") -> Iterator[str]:
    """Every path with a value of its own."""
    for own, info in model.model_fields.items():
        path = f"{above}{info.alias or own}"
        inner = model_of(info)
        if inner is None:
            yield path
        else:
            yield from paths(inner, f"{path}.")


def find(names: Sequence[str]) -> str | None:
    """The path that these names lead to; only a plain value is one."""
    model: type[BaseModel] | None = Configuration
    path: list[str] = []
    for name in names:
        found = field_of(model, name) if model is not None else None
        if found is None:
            return None
        path.append(found[0])
        model = model_of(found[1])
    return None if model is not None else ".".join(path)


def leaves(value: object, above: str = "") -> Iterator[tuple[str, object]]:
    """Every path of a dumped configuration, with its value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, f"{above}.{name}" if above else str(name))
    else:
        yield above, value


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, if any is much like it."""
    by_letters: dict[str, str] = {}
    for candidate in candidates:
        by_letters.setdefault(_letters(candidate), candidate)
    found = difflib.get_close_matches(_letters(name), by_letters, n=1, cutoff=0.7)
    return by_letters[found[0]] if found else None


def nearest_path(name: str, siblings: Iterable[str]) -> str | None:
    """A name like `name` beside it, or else one that stands elsewhere, with its path."""
    beside = nearest(name, siblings)
    if beside is not None:
        return beside
    by_end: dict[str, str] = {}
    for path in paths():
        by_end.setdefault(path.rsplit(".", 1)[-1], path)
    found = nearest(name, by_end)
    return by_end[found] if found is not None else None


def _kinds(annotation: object) -> Iterator[object]:
    if get_origin(annotation) in (Union, UnionType):
        for inner in get_args(annotation):
            yield from _kinds(inner)
    else:
        yield annotation


def _letters(name: str) -> str:
    return name.replace("_", "").lower()
