"""The description of the API: whole, true of what is served, and not broken in silence."""

import copy
import json
from pathlib import Path

import jsonschema
import msgspec
import pytest

from cognitive_engine.edge.front import Front, Hot, Open
from cognitive_engine.edge.openapi import openapi_document
from cognitive_engine.edge.operations import OPERATIONS
from cognitive_engine.edge.problems import KINDS
from cognitive_engine.security.principals import Role
from openapichanges import breaking_changes

ROOT = Path(__file__).resolve().parents[3]
COMMITTED = ROOT / "docs/reference/openapi.json"
DOCUMENT = openapi_document()
BY_PLACE = {(each.method, each.path): each for each in OPERATIONS}
KEYS = {Role.READ: "reader-key", Role.WRITE: "writer-key", Role.ADMIN: "admin-key"}

EVENT = {"moral_value": 0.9, "event_vector": [0.5] * 64}
BODIES = {
    "/event": EVENT,
    "/v1/process_event": EVENT,
    "/v1/process_event/": EVENT,
    "/admin/erase": {"scope": "nobody"},
}


@pytest.fixture
def guarded(edge, tmp_path):
    """An engine with a key of each role."""
    path = tmp_path / "roles"
    path.write_text("".join(f"{key} role={role} name={role}\n" for role, key in KEYS.items()))
    return edge.build(edge.config(authMode="APIKey"), {"API_KEYS_FILE": str(path)})


def resolved(schema):
    return {**schema, "components": DOCUMENT["components"]}


def body_of(each):
    return BODIES.get(each.path, each.request_example)


async def ask(client, each, key=None):
    headers = {"X-API-Key": key} if key else {}
    return await client.request(each.method, each.path, json=body_of(each), headers=headers)


def test_the_table_and_the_routes_are_the_same(edge):
    front = edge.build(edge.config(), {}).api
    assert isinstance(front, Front)
    hot = {(method, path) for path, found in front._routes.items() for method in found}
    behind = {
        (method, route.path)
        for route in flat(front._app.routes)
        if route.path not in ("/docs", "/openapi.json")
        for method in route.methods - {"HEAD"}
    }
    assert not hot & behind
    assert hot | behind == set(BY_PLACE)
    for path, found in front._routes.items():
        for method, route in found.items():
            each = BY_PLACE[method, path]
            assert route.template == path
            assert isinstance(route, Hot if each.role else Open)
            if each.role:
                assert route.role is each.role


def flat(routes):
    """Routes of an application, those of its routers too."""
    for route in routes:
        if hasattr(route, "methods"):
            yield route
        else:
            yield from flat(route.original_router.routes)


@pytest.mark.parametrize("place", BY_PLACE, ids=" ".join)
@pytest.mark.asyncio
async def test_an_operation_wants_its_role_and_answers_in_its_shape(edge, guarded, place):
    each = BY_PLACE[place]
    described = DOCUMENT["paths"][each.path][each.method.lower()]
    async with edge.client(guarded.api) as client:
        unknown = await ask(client, each)
        assert unknown.status_code == (401 if each.role else 200)
        if each.role in (Role.WRITE, Role.ADMIN):
            below = Role.READ if each.role is Role.WRITE else Role.WRITE
            refused = await ask(client, each, KEYS[below])
            assert (refused.status_code, refused.json()["code"]) == (403, "E205")
        answer = await ask(client, each, KEYS[each.role] if each.role else None)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == each.media_type
    if each.response is None:
        return
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), resolved(schema))
    # All that is answered is described, at the top and below.
    shaped = msgspec.convert(answer.json(), each.response)
    assert json.loads(msgspec.json.encode(shaped)) == answer.json()


@pytest.mark.parametrize(
    "each", [one for one in OPERATIONS if one.request], ids=lambda one: one.name
)
def test_requests_are_read_as_they_are_described(each):
    (schema,), parts = msgspec.json.schema_components([each.request], ref_template="{name}")
    described = DOCUMENT["components"]["schemas"][each.request.__name__]
    assert parts[schema["$ref"]] == described
    assert described["additionalProperties"] is False
    jsonschema.validate(each.request_example, resolved(described))
    msgspec.convert(each.request_example, each.request)


def test_the_description_is_whole():
    names = [each.name for each in OPERATIONS]
    assert len(set(names)) == len(names)
    assert DOCUMENT["openapi"] == "3.1.0"
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            each = BY_PLACE[method.upper(), path]
            assert operation["summary"]
            assert bool(operation["security"]) is bool(each.role)
            assert {"200", "431", "500", "504"} <= operation["responses"].keys()
            if each.role:
                assert {"401", "403", "429"} <= operation["responses"].keys()
            if each.request:
                assert {"400", "413", "415", "422"} <= operation["responses"].keys()
    text = json.dumps(DOCUMENT)
    for reference in set(text.split('"$ref": "')[1:]):
        found = DOCUMENT
        for part in reference.partition('"')[0].removeprefix("#/").split("/"):
            found = found[part]


def test_every_problem_is_described():
    described = DOCUMENT["components"]["responses"]
    for kind in KINDS:
        assert f"{kind.code} {kind.title}" in described[f"Problem{kind.status}"]["description"]
    for name, response in described.items():
        content = response["content"]["application/problem+json"]
        example = content["examples"]["usual"]["value"]
        assert name == f"Problem{example['status']}"
        jsonschema.validate(example, resolved(content["schema"]))


def test_the_committed_description_is_not_broken():
    committed = json.loads(COMMITTED.read_text())
    assert breaking_changes(committed, json.loads(json.dumps(DOCUMENT))) == []


def without_path(document):
    del document["paths"]["/infer"]


def without_operation(document):
    del document["paths"]["/me"]["get"]


def renamed(document):
    document["paths"]["/me"]["get"]["operationId"] = "whoAmI"


def required_more(document):
    document["components"]["schemas"]["InferRequest"]["required"].append("moral_value")


def takes_less(document):
    del document["components"]["schemas"]["InferRequest"]["properties"]["user_intent"]


def narrower(document):
    fields = document["components"]["schemas"]["GenerateRequest"]["properties"]
    fields["prompt"]["maxLength"] = 9


def answers_less(document):
    del document["components"]["schemas"]["CognitiveState"]["properties"]["phase"]


def another_type(document):
    document["components"]["schemas"]["CallerResponse"]["properties"]["subject"]["type"] = "integer"


def closed(document):
    document["paths"]["/public"]["get"]["security"] = [{"apiKey": []}]


BREAKS = {
    without_path: "POST /infer is gone",
    without_operation: "GET /me is gone",
    renamed: "GET /me has another operationId",
    required_more: "POST /infer request: moral_value is required now",
    takes_less: "POST /infer request: user_intent is not taken any more",
    narrower: "POST /v1/generate request: prompt has a narrower maxLength",
    answers_less: "POST /generate 200: cognitive_state: phase is not answered any more",
    another_type: "GET /me 200: subject has another type",
    closed: "GET /public wants credentials now",
}


@pytest.mark.parametrize(("change", "found"), BREAKS.items(), ids=lambda case: str(case)[:30])
def test_a_breaking_change_is_found(change, found):
    changed = copy.deepcopy(DOCUMENT)
    change(changed)
    assert found in breaking_changes(DOCUMENT, changed)
    assert breaking_changes(DOCUMENT, copy.deepcopy(DOCUMENT)) == []


def test_what_is_added_breaks_nothing():
    changed = copy.deepcopy(DOCUMENT)
    changed["paths"]["/new"] = changed["paths"]["/me"]
    fields = changed["components"]["schemas"]
    fields["InferRequest"]["properties"]["more"] = {"type": "integer"}
    fields["InferResponse"]["properties"]["more"] = {"type": "integer"}
    assert breaking_changes(DOCUMENT, changed) == []
