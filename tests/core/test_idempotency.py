"""Idempotency keys: one effect, one answer, whatever is sent at once, again or after a crash."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Database
from app.core.errors import AlreadyExists, NotFound, Unavailable
from app.core.http.idempotency import IdempotencyAnswer, prune_answers
from app.core.http.jobs import ABANDONED_AFTER, forget_attempts
from app.core.ids import new_id
from app.core.jobs import JobContext
from app.core.sql import table
from app.settings import Settings
from tests.core.conftest import all_rows, keyed, problem_of
from tests.core.little import Script
from tests.core.test_route import collision
from tests.fakes import FrozenClock

WISH = {"name": "tea"}
ONE_EFFECT = {"little_things": 1, "outbox_events": 1, "idempotency_answers": 1}


async def test_the_first_answer_is_given_again(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    headers = keyed("one")
    first = await client.post("/v1/things", json=WISH, headers=headers)
    again = await client.post("/v1/things", json=WISH, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["content-type"] == again.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert script.calls == 1
    assert await all_rows(database) == ONE_EFFECT


@pytest.mark.parametrize(
    ("path", "wish"),
    [("/v1/things", {"name": "other"}), ("/v1/things/outside", WISH), ("/v1/things?x=1", WISH)],
)
async def test_another_request_under_the_same_key_is_refused(
    client: httpx2.AsyncClient, database: Database, path: str, wish: dict[str, str]
) -> None:
    headers = keyed("one")
    await client.post("/v1/things", json=WISH, headers=headers)
    answer = await client.post(path, json=wish, headers=headers)
    problem_of(answer, 422, "idempotency_key_reused")
    assert await all_rows(database) == ONE_EFFECT


async def test_keys_belong_to_their_caller(client: httpx2.AsyncClient, database: Database) -> None:
    ids = {
        (await client.post("/v1/things", json=WISH, headers=keyed("same", uuid4()))).json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 2
    assert (await all_rows(database))["little_things"] == 2


@pytest.mark.parametrize("path", ["/v1/things", "/v1/things/outside"])
async def test_answers_name_whom_they_tell_of(
    client: httpx2.AsyncClient, database: Database, path: str
) -> None:
    """Erasing a person is a delete by its id, of its own answers alone."""
    erased, other = uuid4(), uuid4()
    for member in (erased, other, erased):
        await client.post(path, json=WISH, headers=keyed(member=member))
    answers = table(IdempotencyAnswer)
    erase = sa.delete(answers).where(answers.c.subject_id == erased)
    assert (await database.transact(lambda db: db.execute(erase))).rowcount == 2  # type: ignore[attr-defined]
    assert (await key_row(database))["subject_id"] == other


async def test_a_rival_during_the_transaction_is_told_to_wait(
    application: FastAPI, client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    """PostgreSQL tells at once; on SQLite the rival waits for the writer and gets the answer."""
    headers = keyed("one")
    rivals: list[asyncio.Task[httpx2.Response]] = []

    async def rival(_db: AsyncSession) -> None:
        task = asyncio.create_task(client.post("/v1/things", json=WISH, headers=headers))
        rivals.append(task)
        if not database.settings.is_sqlite:
            await task

    script.inside = rival
    first = await client.post("/v1/things", json=WISH, headers=headers)
    second = await rivals[0]
    assert first.status_code == 201
    if database.settings.is_sqlite:
        assert second.content == first.content
    else:
        problem_of(second, 409, "idempotency_in_flight")
        assert second.headers["retry-after"] == "1"
    assert script.calls == 1
    assert await all_rows(database) == ONE_EFFECT


async def test_64_uses_at_once_have_one_effect(
    client: httpx2.AsyncClient, database: Database
) -> None:
    headers = keyed("one")

    async def once() -> httpx2.Response:
        return await client.post("/v1/things", json=WISH, headers=headers)

    answers = await asyncio.gather(*(once() for _ in range(64)))
    made = {a.content for a in answers if a.status_code == 201}
    assert len(made) == 1
    others = [a for a in answers if a.status_code != 201]
    for answer in others:
        problem_of(answer, 409, "idempotency_in_flight")
    # One that looked just before the first was stored works in vain, and is undone.
    assert await all_rows(database) == ONE_EFFECT


@pytest.mark.parametrize(("refusal", "status"), [(NotFound, 404), (AlreadyExists, 409)])
async def test_lasting_refusals_are_kept(
    client: httpx2.AsyncClient,
    database: Database,
    script: Script,
    refusal: type[Exception],
    status: int,
) -> None:
    async def refuse(_db: AsyncSession) -> None:
        raise refusal

    script.inside = refuse
    headers = keyed("one")
    first = await client.post("/v1/things", json=WISH, headers=headers)
    script.inside = None
    again = await client.post("/v1/things", json=WISH, headers=headers)
    assert first.status_code == again.status_code == status
    assert again.headers["content-type"] == "application/problem+json"
    assert again.headers["idempotency-replayed"] == "true"
    assert first.content == again.content
    assert await all_rows(database) == {"idempotency_answers": 1}


async def test_passing_refusals_are_not_kept(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    async def refuse(_db: AsyncSession) -> None:
        raise Unavailable

    script.inside = refuse
    headers = keyed("one")
    key_only = {"Idempotency-Key": "one"}
    problem_of(await client.post("/v1/things", json=WISH, headers=key_only), 401, "unauthenticated")
    answer = await client.post("/v1/things", json={"name": 5}, headers=headers)
    problem_of(answer, 422, "validation_failed")
    problem_of(await client.post("/v1/things", json=WISH, headers=headers), 503, "unavailable")
    assert await all_rows(database) == {}
    script.inside = None
    assert (await client.post("/v1/things", json=WISH, headers=headers)).status_code == 201


async def key_row(database: Database) -> Any:
    async with database.reading() as db:
        return (await db.execute(sa.select(table(IdempotencyAnswer)))).mappings().one()


async def test_outside_its_transaction_a_request_is_in_flight(
    client: httpx2.AsyncClient, database: Database, script: Script, clock: FrozenClock
) -> None:
    headers = keyed("one")
    rivals: list[httpx2.Response] = []

    async def look() -> None:
        row = await key_row(database)
        assert row["status"] is None
        assert row["lease_until"] == clock.now() + timedelta(seconds=60)
        rivals.append(await client.post("/v1/things/outside", json=WISH, headers=headers))

    script.outside = look
    first = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert first.status_code == 201
    problem_of(rivals[0], 409, "idempotency_in_flight")
    again = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert again.content == first.content
    assert script.calls == 1
    assert await all_rows(database) == ONE_EFFECT


async def crash_outside(
    client: httpx2.AsyncClient, script: Script, headers: dict[str, str]
) -> None:
    """Leave the key's row as a killed process does: in flight, nobody at work."""

    gone = asyncio.Event()

    async def vanish() -> None:
        gone.set()
        await asyncio.Event().wait()

    script.outside = vanish
    task = asyncio.create_task(client.post("/v1/things/outside", json=WISH, headers=headers))
    await asyncio.wait_for(gone.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    script.outside = None


async def test_a_crash_outside_ends_with_its_lease(
    client: httpx2.AsyncClient,
    database: Database,
    script: Script,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers = keyed("one")
    with monkeypatch.context() as patch:
        patch.setattr("app.core.http.route._Work._give_up", _killed)
        await crash_outside(client, script, headers)
    assert await all_rows(database) == {"idempotency_answers": 1}
    answer = await client.post("/v1/things/outside", json=WISH, headers=headers)
    problem_of(answer, 409, "idempotency_in_flight")
    clock.advance(seconds=60)
    answer = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers
    assert await all_rows(database) == ONE_EFFECT
    again = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert again.content == answer.content


async def _killed(_work: Any) -> None:
    """A killed process tidies nothing up."""


async def test_a_cancelled_request_outside_releases_its_key(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    headers = keyed("one")
    await crash_outside(client, script, headers)
    assert await all_rows(database) == {}
    answer = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert answer.status_code == 201


@pytest.mark.parametrize("fault", [RuntimeError("away"), Unavailable()])
async def test_a_failure_after_outside_releases_the_key(
    client: httpx2.AsyncClient, database: Database, script: Script, fault: Exception
) -> None:
    async def fail(_db: AsyncSession) -> None:
        raise fault

    script.after_outside = fail
    headers = keyed("one")
    answer = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert answer.status_code in {500, 503}
    assert await all_rows(database) == {}
    script.after_outside = None
    answer = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert answer.status_code == 201
    assert await all_rows(database) == ONE_EFFECT


async def test_a_commit_that_collides_after_outside_is_run_again_at_once(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    """The rerun must not find the first run's own key in flight."""
    commits = 0
    really = AsyncSession.commit

    async def second_commit_collides(db: AsyncSession) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            raise collision("40001")
        await really(db)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncSession, "commit", second_commit_collides)
        answer = await client.post("/v1/things/outside", json=WISH, headers=keyed("one"))
    assert answer.status_code == 201
    assert await all_rows(database) == ONE_EFFECT


async def test_lasting_refusals_outside_and_after_are_kept(
    client: httpx2.AsyncClient, database: Database, script: Script
) -> None:
    async def refuse(*_any: object) -> None:
        raise AlreadyExists

    for number, place in enumerate(("outside", "after_outside")):
        setattr(script, place, refuse)
        headers = keyed(place)
        answer = await client.post("/v1/things/outside", json=WISH, headers=headers)
        problem_of(answer, 409, "already_exists")
        assert await all_rows(database) == {"idempotency_answers": number + 1}
        setattr(script, place, None)
        again = await client.post("/v1/things/outside", json=WISH, headers=headers)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.content == answer.content


@pytest.mark.parametrize("fails", [False, True])
async def test_one_who_was_overtaken_neither_answers_nor_releases(
    client: httpx2.AsyncClient,
    database: Database,
    script: Script,
    clock: FrozenClock,
    *,
    fails: bool,
) -> None:
    """The lease ends while the first is outside; the second takes over and is still at work."""
    headers = keyed("one")
    answers: list[httpx2.Response] = []

    async def overtaken() -> None:
        if script.calls == 1:
            clock.advance(seconds=61)
            # a task of its own, as on a server: context variables belong to one request
            second = client.post("/v1/things/outside", json=WISH, headers=headers)
            answers.append(await asyncio.create_task(second))

    async def break_down(_db: AsyncSession) -> None:
        if len(answers) == 1 and fails:
            raise RuntimeError("too late")

    script.outside, script.after_outside = overtaken, break_down
    late = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert answers[0].status_code == 201
    status, code = (500, "internal_error") if fails else (409, "idempotency_in_flight")
    problem_of(late, status, code)
    assert await all_rows(database) == ONE_EFFECT
    again = await client.post("/v1/things/outside", json=WISH, headers=headers)
    assert again.content == answers[0].content


async def test_an_attempt_that_nobody_comes_back_for_is_forgotten(
    client: httpx2.AsyncClient, database: Database, settings: Settings, clock: FrozenClock
) -> None:
    context = JobContext(settings, database, {})
    answered = await client.post("/v1/things", json=WISH, headers=keyed("answered"))
    cut_off = sa.insert(table(IdempotencyAnswer)).values(
        scope="cut-off",
        subject_id=new_id(),
        request_hash="",
        lease_until=clock.now(),
        created_at=clock.now(),
    )
    await database.transact(lambda db: db.execute(cut_off))
    clock.advance(seconds=ABANDONED_AFTER.total_seconds())
    assert await forget_attempts(context) == 0
    clock.advance(seconds=1)
    assert await forget_attempts(context) == 1
    assert await forget_attempts(context) == 0
    again = await client.post("/v1/things", json=WISH, headers=keyed("answered"))
    assert again.content == answered.content
    assert again.headers["idempotency-replayed"] == "true"


async def test_old_answers_are_pruned_in_batches(
    client: httpx2.AsyncClient, database: Database, clock: FrozenClock
) -> None:
    for key in ("a", "b", "c"):
        await client.post("/v1/things", json=WISH, headers=keyed(key))
    clock.advance(hours=49)
    await client.post("/v1/things", json=WISH, headers=keyed("new"))
    before = clock.now() - timedelta(hours=48)

    async def prune(db: AsyncSession) -> int:
        return await prune_answers(db, before=before, rows_max=2)

    assert [await database.transact(prune) for _ in range(3)] == [2, 1, 0]
    again = await client.post("/v1/things", json=WISH, headers=keyed("new"))
    assert again.headers["idempotency-replayed"] == "true"
    again = await client.post("/v1/things", json=WISH, headers=keyed("a"))
    assert "idempotency-replayed" not in again.headers
