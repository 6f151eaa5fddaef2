"""Transactional routes: committed before the answer, refused without a trace, run again."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import RETRIES_MAX, Database
from app.core.errors import AlreadyExists, Forbidden
from tests.core.conftest import all_rows, keyed, problem_of
from tests.core.little import Script, Thing, things

WISH = {"name": "tea"}


class CollidedError(Exception):
    """What a driver raises when rivals collide."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"could not serialize ({sqlstate})")
        self.sqlstate = sqlstate


def collision(sqlstate: str) -> DBAPIError:
    return DBAPIError("UPDATE", {}, CollidedError(sqlstate))


async def test_the_row_is_there_for_others_when_the_client_has_its_answer(
    application: FastAPI, database: Database
) -> None:
    seen: list[dict[str, int]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def look_first(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append(await all_rows(database))
            await send(message)

        await application(scope, receive, look_first)

    transport = httpx2.ASGITransport(watched)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        answer = await client.post("/v1/things", json=WISH, headers=keyed())
    assert answer.status_code == 201
    assert seen == [{"little_things": 1, "outbox_events": 1, "idempotency_answers": 1}]


async def test_a_failing_commit_gives_a_problem_and_nothing_else(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(_self: AsyncSession) -> None:
        raise DBAPIError("COMMIT", {}, CollidedError("23514"))

    with monkeypatch.context() as patch:
        patch.setattr(AsyncSession, "commit", fails)
        answer = await client.post("/v1/things", json=WISH, headers=keyed())
    problem_of(answer, 500, "internal_error")
    assert await all_rows(database) == {}


async def test_a_refusal_leaves_only_its_key(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    async def refuse(db: AsyncSession) -> None:
        db.add(Thing(id=uuid4(), name="not flushed", made_at=sa.func.now()))
        raise AlreadyExists

    script.inside = refuse
    problem_of(await client.post("/v1/things", json=WISH, headers=keyed()), 409, "already_exists")
    assert await all_rows(database) == {"idempotency_answers": 1}


async def test_a_refusal_after_a_failed_flush_leaves_only_its_key(
    client: httpx2.AsyncClient, database: Database, script: Script, clock: Any
) -> None:
    async def collide(db: AsyncSession) -> None:
        same = uuid4()
        await db.execute(sa.insert(things).values(id=same, name="a", made_at=clock.now()))
        db.add(Thing(id=same, name="b", made_at=clock.now()))
        try:
            await db.flush()
        except sa.exc.IntegrityError as error:
            raise AlreadyExists from error

    script.inside = collide
    headers = keyed()
    problem_of(await client.post("/v1/things", json=WISH, headers=headers), 409, "already_exists")
    assert await all_rows(database) == {"idempotency_answers": 1}
    again = await client.post("/v1/things", json=WISH, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert script.calls == 1


async def test_a_passing_refusal_leaves_nothing(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    async def refuse(_db: AsyncSession) -> None:
        raise Forbidden

    script.inside = refuse
    problem_of(await client.post("/v1/things", json=WISH, headers=keyed()), 403, "forbidden")
    assert await all_rows(database) == {}


async def test_a_fault_leaves_nothing(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    async def break_down(_db: AsyncSession) -> None:
        raise RuntimeError("a bug with a canary sk_test_CANARY")

    script.inside = break_down
    answer = await client.post("/v1/things", json=WISH, headers=keyed())
    problem_of(answer, 500, "internal_error")
    assert "CANARY" not in answer.text
    assert await all_rows(database) == {}


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_collision_is_run_again(
    client: httpx2.AsyncClient, database: Database, script: Script, sqlstate: str
) -> None:
    async def collide_twice(_db: AsyncSession) -> None:
        if script.calls <= 2:
            raise collision(sqlstate)

    script.inside = collide_twice
    answer = await client.post("/v1/things", json=WISH, headers=keyed())
    assert answer.status_code == 201
    assert script.calls == 3
    assert await all_rows(database) == {
        "little_things": 1,
        "outbox_events": 1,
        "idempotency_answers": 1,
    }


async def test_collisions_without_end_are_answered_503(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    async def collide(_db: AsyncSession) -> None:
        raise collision("40001")

    script.inside = collide
    answer = await client.post("/v1/things", json=WISH, headers=keyed())
    problem_of(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert script.calls == 1 + RETRIES_MAX
    assert await all_rows(database) == {}


async def test_a_real_serialization_failure_is_run_again(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    """PostgreSQL only: the rival writes the row between this transaction's look and its write."""
    if database.settings.is_sqlite:
        async with database.writing() as db:
            assert await db.connection(), "one writer at a time: nothing to collide with"
        return
    made = (await client.post("/v1/things", json=WISH, headers=keyed())).json()

    async def rename(db: AsyncSession, name: str) -> None:
        await db.execute(sa.update(things).where(things.c.name == "tea").values(name=name))

    async def collide(db: AsyncSession) -> None:
        if script.calls == 2:
            await db.rollback()
            await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await db.execute(sa.select(things))
            await database.transact(lambda rival: rename(rival, "oolong"))
            await db.execute(
                sa.update(things).where(things.c.name.in_(["tea"])).values(name="green")
            )

    script.inside = collide
    answer = await client.post("/v1/things", json={"name": "cup"}, headers=keyed())
    assert answer.status_code == 201
    assert script.calls == 3
    assert (await client.get(f"/v1/things/{made['id']}")).json()["name"] == "oolong"


async def test_reads_use_the_reading_session(
    client: httpx2.AsyncClient, database: Database, backend: str
) -> None:
    answer = await client.get("/v1/things/write")
    if backend == "sqlite":
        problem_of(answer, 500, "internal_error")
        assert await all_rows(database) == {}
    checked_out = database.writer.pool.checkedout()
    assert (await client.get("/v1/things")).status_code == 200
    assert database.writer.pool.checkedout() == checked_out == 0


async def test_a_read_needs_no_writer(client: httpx2.AsyncClient, database: Database) -> None:
    async with database.writing() as db:
        await db.execute(sa.select(things))  # holds SQLite's only writing connection
        assert (await client.get("/v1/things")).json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("key", [None, "", "with space", "x" * 256, "中".encode()])
async def test_a_post_needs_a_usable_key(
    client: httpx2.AsyncClient, database: Database, signed_in: dict[str, str], key: Any
) -> None:
    headers: Any = dict(signed_in) if key is None else {**signed_in, "Idempotency-Key": key}
    answer = await client.post("/v1/things", json=WISH, headers=headers)
    document: Any = problem_of(answer, 422, "validation_failed")
    assert [e["pointer"] for e in document["errors"]] == ["header/Idempotency-Key"]
    assert await all_rows(database) == {}


async def test_sign_in_like_routes_take_no_key(
    client: httpx2.AsyncClient, database: Database
) -> None:
    for _ in range(2):
        answer = await client.post("/v1/unkeyed", json=WISH, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 201
    assert await all_rows(database) == {"little_things": 2, "outbox_events": 2}
