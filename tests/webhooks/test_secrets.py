"""Secrets: sealed at rest, told once, changed without a gap, and sealed anew under another key."""

import asyncio
import base64
import hashlib
import hmac
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from app.core.jobs import JobContext
from app.settings import Settings
from app.webhooks.jobs import change_seals
from app.webhooks.rules.signing import signature
from app.webhooks.service.sealing import SealBrokenError, Sealer
from app.webhooks.service.secrets import checked, fresh_secret, live_secrets
from tests.conftest import TOKEN_SECRET, make_settings
from tests.fakes import FrozenClock
from tests.orders.market import problem
from tests.webhooks.switchboard import Switchboard, secrets

OLD, NEW = "o" * 40, "n" * 40
OWN = "whsec_" + base64.b64encode(b"k" * 24).decode()


def sealer(*keys: str) -> Sealer:
    return Sealer(make_settings("sqlite:///not-opened.db", webhook_seal_keys=list(keys)))


def _by_hand(secret: str) -> str:
    """What a receiver reckons of a message, as the standard tells it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, b'msg-1.1700000000.{"a":1}', hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


async def held(board: Switchboard, endpoint_id: str) -> list[str]:
    seal = board.application.state.webhook_sealer
    async with board.database.reading() as db:
        found = await live_secrets(db, [UUID(endpoint_id)], seal, now=board.now)
    return found.get(UUID(endpoint_id), [])


def test_a_secret_is_as_standard_webhooks_writes_it() -> None:
    secret = fresh_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert fresh_secret() != secret
    assert checked(secret) == secret
    for size in (24, 64):
        own = "whsec_" + base64.b64encode(b"k" * size).decode()
        assert checked(own) == own


def test_what_is_sealed_is_opened_by_its_key_alone() -> None:
    sealed = sealer(OLD).seal(OWN)
    assert OWN not in sealed
    assert sealer(OLD).seal(OWN) != sealed
    old = sealer(OLD).name
    assert sealer(NEW, OLD).open(sealed, old) == OWN
    for other in (sealer(NEW), sealer()):
        with pytest.raises(SealBrokenError):
            other.open(sealed, old)
    with pytest.raises(SealBrokenError):
        sealer(OLD).open(sealed[:-6] + "AAAAAA", old)


def test_without_keys_of_their_own_the_token_secret_seals() -> None:
    sealed = sealer().seal(OWN)
    assert sealer(NEW, TOKEN_SECRET).open(sealed, sealer().name) == OWN


@pytest.mark.parametrize("weak", [["short"], [OLD, ""]])
def test_weak_keys_are_refused_at_the_start(weak: list[str]) -> None:
    with pytest.raises(ValueError, match="WEBHOOK_SEAL_KEYS"):
        make_settings("sqlite:///not-opened.db", webhook_seal_keys=weak)


def test_loopback_is_refused_in_production() -> None:
    with pytest.raises(ValueError, match="WEBHOOK_ALLOW_LOOPBACK"):
        make_settings(
            "sqlite:///x.db", app_env="production", allow_sandbox=True, webhook_allow_loopback=True
        )


async def test_no_secret_stands_anywhere_in_clear(board: Switchboard) -> None:
    made = await board.endpoint(secret=OWN)
    rotated = await board.owner.post(f"{board.path}/{made['endpoint_id']}/rotate-secret", {})
    new = rotated.json()["secret"]
    assert made["secret"] == OWN != new
    found = []
    async with board.database.reading() as db:
        connection = await db.connection()
        names = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
        for name in names:
            rows = await db.execute(sa.text(f'SELECT * FROM "{name}"'))
            found += [name for row in rows if OWN[6:] in str(row) or new[6:] in str(row)]
    assert found == []


async def test_both_secrets_hold_while_they_are_changed(
    board: Switchboard, clock: FrozenClock
) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}"
    rotated = await board.owner.post(f"{path}/rotate-secret", {"keep_previous_seconds": 3_600})
    new = rotated.json()["secret"]
    both = await held(board, made["endpoint_id"])
    assert both == [new, made["secret"]]
    signed = signature(both, "msg-1", 1_700_000_000, b'{"a":1}')
    assert signed.split(" ") == [_by_hand(new), _by_hand(made["secret"])]
    shown = (await board.owner.get(path)).json()["secrets"]
    assert [s["expires_at"] is None for s in shown] == [True, False]
    clock.advance(seconds=3_599)
    assert len(await held(board, made["endpoint_id"])) == 2
    clock.advance(seconds=1)
    assert await held(board, made["endpoint_id"]) == [new]


async def test_a_third_is_refused_until_the_first_has_ended(
    board: Switchboard, clock: FrozenClock
) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}/rotate-secret"
    await board.owner.post(path, {})
    told = await board.untouched(board.owner.post(path, {}), 409, "webhook_rotation_running")
    assert told["params"] == {"previous_expires_at": (board.now + timedelta(days=1)).isoformat()}
    # In an emergency all the earlier ones end at once.
    last = (await board.owner.post(path, {"keep_previous_seconds": 0})).json()["secret"]
    assert await held(board, made["endpoint_id"]) == [last]
    hours = {"keep_previous_seconds": 6 * 3_600}
    assert (await board.owner.post(path, hours)).status_code == 200
    assert len(await held(board, made["endpoint_id"])) == 2
    clock.advance(hours=6)
    assert (await board.owner.post(path, {})).status_code == 200


async def test_two_rotations_at_once_are_one(board: Switchboard) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}/rotate-secret"
    answers = await asyncio.gather(*(board.owner.post(path, {}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    [won] = [answer for answer in answers if answer.status_code == 200]
    for answer in answers:
        if answer is not won:
            problem(answer, 409, "webhook_rotation_running")
    assert await held(board, made["endpoint_id"]) == [won.json()["secret"], made["secret"]]
    assert len(await board.rows(secrets)) == 2


async def test_two_rotations_at_once_that_keep_nothing_leave_one_secret(
    board: Switchboard,
) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}/rotate-secret"
    body = {"keep_previous_seconds": 0}
    answers = await asyncio.gather(*(board.owner.post(path, body) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    [left] = await held(board, made["endpoint_id"])
    assert left in {answer.json()["secret"] for answer in answers}


async def test_a_rotation_to_a_secret_of_ones_own_may_be_asked_for_again(
    board: Switchboard,
) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}/rotate-secret"
    for _ in range(2):
        answer = await board.owner.post(path, {"secret": OWN})
        assert (answer.status_code, answer.json()) == (200, {"secret": OWN})
    assert await held(board, made["endpoint_id"]) == [OWN, made["secret"]]


async def test_a_secret_whose_key_is_gone_is_replaced_by_one_of_ones_own(
    board: Switchboard,
) -> None:
    """The way back after the wrong key was configured must not end in an accident."""
    made = await board.endpoint()
    broken = sa.update(secrets).values(sealed_with="unknown", sealed="x")
    await board.database.transact(lambda db: db.execute(broken))
    path = f"{board.path}/{made['endpoint_id']}/rotate-secret"
    wish = {"secret": made["secret"], "keep_previous_seconds": 0}
    answer = await board.owner.post(path, wish)
    assert (answer.status_code, answer.json().get("secret")) == (200, made["secret"])
    assert await held(board, made["endpoint_id"]) == [made["secret"]]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"secret": "whsec_AAAA"}, "webhook_secret_weak"),
        ({"keep_previous_seconds": -1}, "validation_failed"),
        ({"keep_previous_seconds": 604_801}, "validation_failed"),
        ({"keep_previous_seconds": True}, "validation_failed"),
    ],
)
async def test_a_rotation_that_is_refused_changes_nothing(
    board: Switchboard, body: dict[str, object], code: str
) -> None:
    made = await board.endpoint()
    path = f"{board.path}/{made['endpoint_id']}/rotate-secret"
    await board.untouched(board.owner.post(path, body), 422, code)


async def test_a_new_key_seals_what_the_old_one_had_sealed(
    board: Switchboard, application: FastAPI, settings: Settings
) -> None:
    """And what no key opens is left as it is, and keeps nothing else from being sealed."""
    made = [await board.endpoint() for _ in range(3)]
    broken = sa.update(secrets).values(sealed_with="unknown", sealed="x")
    await board.database.transact(
        lambda db: db.execute(broken.where(secrets.c.endpoint_id == UUID(made[0]["endpoint_id"])))
    )
    keys = {"webhook_seal_keys": [NEW, TOKEN_SECRET], "sweep_batch_rows": 1}
    later = make_settings(settings.database_url.get_secret_value(), **keys)
    await change_seals(JobContext(later, board.database, {}))
    alone = Sealer(make_settings("sqlite:///not-opened.db", webhook_seal_keys=[NEW]))
    named = [row["sealed_with"] for row in await board.rows(secrets)]
    assert sorted(named) == sorted(["unknown", alone.name, alone.name])
    for one in made[1:]:
        async with board.database.reading() as db:
            found = await live_secrets(db, [UUID(one["endpoint_id"])], alone, now=board.now)
        assert found == {UUID(one["endpoint_id"]): [one["secret"]]}
