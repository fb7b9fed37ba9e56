"""What a caller of an API would trip over, from one description of it to the next."""

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options"})


def breaking_changes(old: Json, new: Json) -> list[str]:
    """What the new description takes away from callers of the old one."""
    return sorted(set(_changes(old, new)))


def _changes(old: Json, new: Json) -> Iterator[str]:
    for path, operations in old["paths"].items():
        for method in _METHODS & operations.keys():
            place = f"{method.upper()} {path}"
            after = new["paths"].get(path, {}).get(method)
            if after is None:
                yield f"{place} is gone"
            else:
                yield from _operation_changes(place, operations[method], after, old, new)


def _operation_changes(place: str, old: Json, new: Json, olds: Json, news: Json) -> Iterator[str]:
    if old["operationId"] != new["operationId"]:
        yield f"{place} has another operationId"
    if not old["security"] and new["security"]:
        yield f"{place} wants credentials now"
    sent_before, sent_now = _body(old.get("requestBody")), _body(new.get("requestBody"))
    if sent_now is not None:
        yield from _request_changes(f"{place} request", sent_before or {}, sent_now, olds, news)
    for status, answer in old["responses"].items():
        if status not in new["responses"]:
            yield f"{place} no longer answers {status}"
            continue
        before, now = _body(answer), _body(new["responses"][status])
        if before is not None:
            yield from _response_changes(f"{place} {status}", before, now or {}, olds, news)


def _body(described: Json | None) -> Json | None:
    """The schema of what is sent or answered, if its shape is told."""
    for content in ((described or {}).get("content") or {}).values():
        schema: Json = content["schema"]
        return schema
    return None


def _request_changes(place: str, old: Json, new: Json, olds: Json, news: Json) -> Iterator[str]:
    before, now = _resolve(old, olds), _resolve(new, news)
    for name in now.get("required", []):
        if name not in before.get("required", []):
            yield f"{place}: {name} is required now"
    for name, field in before.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{place}: {name} is not taken any more"
        else:
            yield from _narrowed(f"{place}: {name}", field, now["properties"][name])


def _narrowed(place: str, old: Json, new: Json) -> Iterator[str]:
    for bound, tighter in (
        *((name, min) for name in ("maximum", "maxLength", "maxItems")),
        *((name, max) for name in ("minimum", "minLength", "minItems")),
    ):
        if bound in new and (bound not in old or tighter(old[bound], new[bound]) != old[bound]):
            yield f"{place} has a narrower {bound}"
    if old.get("type") != new.get("type"):
        yield f"{place} has another type"
    for before, now in zip(old.get("anyOf", []), new.get("anyOf", []), strict=False):
        yield from _narrowed(place, before, now)


def _response_changes(place: str, old: Json, new: Json, olds: Json, news: Json) -> Iterator[str]:
    before, now = _resolve(old, olds), _resolve(new, news)
    if before.get("type") != now.get("type"):
        yield f"{place} has another type"
    for name, field in before.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{place}: {name} is not answered any more"
        else:
            yield from _response_changes(
                f"{place}: {name}", field, now["properties"][name], olds, news
            )


def _resolve(schema: Json, document: Json) -> Json:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    resolved: Json = found
    return resolved
