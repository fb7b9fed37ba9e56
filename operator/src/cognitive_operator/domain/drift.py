"""Tells whether a live object still is what we applied.

Compared are the fields we own, and only those: what the API server defaulted and what others
added is theirs. A field that we stopped sending shows in the applied hash, not here.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from cognitive_api.identity import ANNOTATION_APPLIED

# How the API server matches items of a list; the first key that an item has is its identity.
_MERGE_KEYS = ("uid", "name", "mountPath", "containerPort", "topologyKey")
# Maps that the API server takes as a whole: one more label in a selector picks other pods.
_ATOMIC_MAPS = frozenset({"selector", "matchLabels", "nodeSelector"})
_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}
_QUANTITY = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)$")
_QUANTITY_PARENTS = frozenset({"requests", "limits"})


def drifted(desired: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Return whether applying `desired` would change `live`."""
    wanted = desired["metadata"]["annotations"][ANNOTATION_APPLIED]
    if live.get("metadata", {}).get("annotations", {}).get(ANNOTATION_APPLIED) != wanted:
        return True
    # Items of a list come without kind and version, and neither can change.
    body = {key: value for key, value in desired.items() if key not in {"apiVersion", "kind"}}
    return not _within(body, live, parent="")


def _within(wanted: Any, live: Any, parent: str) -> bool:
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return False
        if parent in _ATOMIC_MAPS and wanted.keys() != live.keys():
            return False
        return all(
            _field_within(value, live.get(key), key, parent) for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return _list_within(wanted, live, parent)
    return bool(wanted == live)


def _field_within(wanted: Any, live: Any, key: str, parent: str) -> bool:
    if _is_empty(wanted):
        return live is None or _is_empty(live)
    if live is None:
        return False
    if parent in _QUANTITY_PARENTS:
        return _same_quantity(wanted, live)
    return _within(wanted, live, key)


def _is_empty(value: Any) -> bool:
    """Empty collections may be stored or dropped by the API server: both are the same."""
    return isinstance(value, (Mapping, list, tuple)) and not value


def _list_within(wanted: Sequence[Any], live: Any, parent: str) -> bool:
    if not isinstance(live, Sequence) or isinstance(live, str):
        return False
    key = _merge_key(wanted)
    if key is None:
        return len(wanted) == len(live) and all(
            _within(mine, theirs, parent) for mine, theirs in zip(wanted, live, strict=True)
        )
    by_key = {item.get(key): item for item in live if isinstance(item, Mapping)}
    return all(item[key] in by_key and _within(item, by_key[item[key]], parent) for item in wanted)


def _merge_key(items: Sequence[Any]) -> str | None:
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    return next((key for key in _MERGE_KEYS if all(key in item for item in items)), None)


def _same_quantity(mine: Any, theirs: Any) -> bool:
    """The API server stores quantities in their shortest form: `1000m` comes back as `1`."""
    left, right = parse_quantity(mine), parse_quantity(theirs)
    return mine == theirs if left is None or right is None else left == right


def parse_quantity(value: Any) -> Decimal | None:
    """Return a Kubernetes quantity as a number, or None when it is none."""
    match = _QUANTITY.match(str(value))
    if match is None or match[2] not in _UNITS:
        return None
    try:
        return Decimal(match[1]) * _UNITS[match[2]]
    except InvalidOperation:  # pragma: no cover - the pattern admits only decimal digits
        return None
