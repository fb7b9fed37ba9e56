"""Administrators: what they may do, that others may not, and that all of it is in the log."""

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

pytestmark = pytest.mark.asyncio

ADMIN = {"X-API-Key": "the-key-of-the-boss"}
WRITER = {"X-API-Key": "the-key-of-a-worker"}
COMMANDS = {
    "/admin/reset": None,
    "/admin/emergency": None,
    "/admin/threshold": {"threshold": 0.6},
    "/admin/erase": {"scope": "x"},
}


@pytest.fixture
def engine(edge):
    environment = {"API_KEY": WRITER["X-API-Key"], "ADMIN_API_KEY": ADMIN["X-API-Key"]}
    return edge.build(edge.config(authMode="APIKey"), environment, clock=edge.clock())


@pytest_asyncio.fixture
async def client(edge, engine):
    async with edge.client(engine.api) as client:
        yield client


async def state_of(client):
    return (await client.get("/state", headers=WRITER)).json()


async def ask(client, score=0.9):
    body = {"prompt": "My cat is called Whiskers.", "moral_value": score}
    return await client.post("/v1/generate", json=body, headers=WRITER)


@pytest.mark.parametrize("path", COMMANDS)
async def test_nobody_else_commands_and_nothing_moves(client, path):
    before = await state_of(client)
    for headers, status, code in ((WRITER, 403, "E205"), ({}, 401, "E206")):
        answer = await client.post(path, json=COMMANDS[path], headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert "www-authenticate" in answer.headers
    assert await state_of(client) == before


@pytest.mark.parametrize("path", COMMANDS)
async def test_a_command_changes_the_digest_and_is_told_in_the_log(client, path):
    before = await state_of(client)
    with capture_logs() as lines:
        answer = await client.post(path, json=COMMANDS[path], headers=ADMIN)
    assert answer.status_code == 200
    assert (await state_of(client))["state_digest"] != before["state_digest"]
    (line,) = [line for line in lines if line["event"] == "admin_command"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert ADMIN["X-API-Key"] not in str(lines)


async def test_an_emergency_is_called_and_ended_by_hand(client):
    called = (await client.post("/admin/emergency", headers=ADMIN)).json()
    assert called == {"emergency": {"active": True, "reason": "manual"}}
    refused = await ask(client)
    assert (refused.status_code, refused.json()["code"]) == (503, "E701")
    ended = (await client.post("/admin/reset", headers=ADMIN)).json()
    assert ended == {"emergency": {"active": False, "reason": None}}
    assert (await ask(client)).json()["accepted"]


async def test_the_threshold_is_held_until_it_is_let_go(client):
    held = await client.post("/admin/threshold", json={"threshold": 0.8}, headers=ADMIN)
    assert held.json() == {"moral_threshold": 0.8, "held": True}
    for score, accepted in ((0.79, False), (0.8, True), (0.0, False), (0.0, False)):
        answer = (await ask(client, score)).json()
        assert (answer["accepted"], answer["moral_threshold"]) == (accepted, 0.8)
    assert (await state_of(client))["moral_threshold_held"] is True
    let_go = await client.post("/admin/threshold", json={"threshold": None}, headers=ADMIN)
    assert let_go.json() == {"moral_threshold": 0.8, "held": False}
    assert (await ask(client)).json()["moral_threshold"] < 0.8


async def test_a_threshold_beyond_the_bounds_stops_at_them(client):
    for asked, given in ((0.0, 0.3), (1.0, 0.9)):
        answer = await client.post("/admin/threshold", json={"threshold": asked}, headers=ADMIN)
        assert answer.json() == {"moral_threshold": given, "held": True}


async def test_a_user_of_the_administrators_own_is_forgotten(client):
    for user in ("one", "two"):
        body = {"prompt": "My cat is called Whiskers.", "moral_value": 0.9, "user_id": user}
        assert (await client.post("/v1/generate", json=body, headers=ADMIN)).status_code == 200
    erased = await client.post("/admin/erase", json={"user_id": "one"}, headers=ADMIN)
    assert erased.json() == {"erased": 1}
    state = await state_of(client)
    assert (state["erased_count"], state["pelm_stats"]["used"]) == (1, 1)
    again = await client.post("/admin/erase", json={"user_id": "one"}, headers=ADMIN)
    assert again.json() == {"erased": 0}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/admin/erase", {}),
        ("/admin/erase", {"scope": "a", "user_id": "b"}),
        ("/admin/erase", {"scope": ""}),
        ("/admin/erase", {"scope": 1}),
        ("/admin/erase", {"everything": True}),
        ("/admin/erase", []),
        ("/admin/threshold", {}),
        ("/admin/threshold", {"threshold": "0.5"}),
        ("/admin/threshold", {"threshold": 1.1}),
        ("/admin/threshold", {"threshold": True}),
    ],
)
async def test_a_bad_command_moves_nothing(client, path, body):
    before = await state_of(client)
    answer = await client.post(path, json=body, headers=ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (422, "E100")
    assert await state_of(client) == before
