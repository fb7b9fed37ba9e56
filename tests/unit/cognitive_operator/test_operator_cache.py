"""The cache: newest version wins, owners are found even after an edit."""

import copy
from typing import Any

import gen
from cognitive_api import identity
from cognitive_operator.adapters.cache import Cache, EngineKey
from cognitive_operator.domain.observed import ChildKey, Observed
from cognitive_operator.domain.plan import desired_children

OWNER = EngineKey("team", "mind")


def service(version: int = 1) -> dict[str, Any]:
    children = desired_children(gen.engine(), Observed(default_image=gen.IMAGE))
    body = copy.deepcopy(next(c for c in children if c["kind"] == "Service"))
    body["metadata"] |= {"uid": "s-1", "resourceVersion": str(version)}
    return body


def test_a_child_is_found_by_its_owner() -> None:
    cache = Cache()
    assert cache.put_child(service()) == OWNER
    assert set(cache.children_of("uid-mind")) == {ChildKey("Service", "mind")}
    assert cache.children_of("uid-other") == {}


def test_an_older_version_never_replaces_a_newer_one() -> None:
    cache = Cache()
    newer, older = service(10), service(9)
    newer["spec"]["type"] = "NodePort"
    cache.put_child(newer)
    cache.put_child(older)
    child = cache.children_of("uid-mind")[ChildKey("Service", "mind")]
    assert child.manifest["spec"]["type"] == "NodePort"


def test_a_lost_owner_still_leads_to_the_engine() -> None:
    cache = Cache()
    cache.put_child(service(1))
    orphan = service(2)
    del orphan["metadata"]["ownerReferences"]
    assert cache.put_child(orphan) == OWNER
    assert cache.children_of("uid-mind") == {}


def test_an_orphan_never_seen_before_is_known_by_its_label() -> None:
    orphan = service()
    del orphan["metadata"]["ownerReferences"]
    assert Cache().put_child(orphan) == OWNER


def test_a_late_delete_of_an_earlier_object_does_not_hide_the_present_one() -> None:
    cache = Cache()
    cache.put_child(service(5) | {})
    gone = service(4)
    gone["metadata"]["uid"] = "s-0"
    assert cache.drop_child(gone) == OWNER
    assert cache.children_of("uid-mind")
    cache.drop_child(service(6))
    assert not cache.children_of("uid-mind")


def test_an_object_being_deleted_counts_as_gone() -> None:
    cache = Cache()
    cache.put_child(service(1))
    ending = service(2)
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert cache.put_child(ending) == OWNER
    assert not cache.children_of("uid-mind")


def test_who_owns_the_number_of_pods_is_read_from_managed_fields() -> None:
    cache = Cache()
    body = service()
    body["metadata"]["managedFields"] = [
        {
            "manager": identity.FIELD_MANAGER,
            "fieldsV1": {"f:spec": {"f:replicas": {}}},
        }
    ]
    cache.put_child(body)
    child = cache.children_of("uid-mind")[ChildKey("Service", "mind")]
    assert child.owns_replicas
    assert "managedFields" not in child.manifest["metadata"]


def test_a_polled_list_is_the_truth_of_its_kind_and_place() -> None:
    cache = Cache()
    cache.put_child(service(1))
    other = service(1)
    other["metadata"] |= {"name": "b", "uid": "s-2"}
    assert cache.replace_kind("Service", "", [service(1), other]) == {OWNER}
    assert cache.replace_kind("Service", "", [service(1), other]) == set()
    assert cache.replace_kind("Service", "elsewhere", []) == set()
    assert cache.replace_kind("ConfigMap", "", []) == set()
    assert cache.replace_kind("Service", "team", [service(2)]) == {OWNER}
    assert set(cache.children_of("uid-mind")) == {ChildKey("Service", "mind")}
