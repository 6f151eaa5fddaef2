"""Databases under strain: busy, cut off, full, and read in one moment while others write."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.audit_log import AuditEntry
from app.core.db import Database, commit, is_outage, is_retryable, ping
from app.core.errors import Unavailable
from app.core.sql import all_rows as rows_of
from app.core.sql import given, ids_in
from app.settings import Settings
from tests.conftest import make_settings
from tests.core.conftest import NOTHING_WIRED, all_rows, keyed, problem_of
from tests.core.little import Script, counters, create_little_app, things
from tests.fakes import FrozenClock

WISH = {"name": "tea"}


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(
        database_url,
        db_lock_timeout_ms=200,
        db_statement_timeout_ms=400,
        db_pool_timeout_seconds=1,
        db_pool_size=2,
    )


@pytest.fixture
async def counter(database: Database) -> UUID:
    id_ = uuid4()

    async def work(db: AsyncSession) -> None:
        await db.execute(sa.insert(counters).values(id=id_, taken=0))

    await database.transact(work)
    return id_


@pytest.fixture
def only_postgresql(backend: str) -> None:
    if backend != "postgresql":
        pytest.skip("locks, timeouts and backends are PostgreSQL's")


async def add_one(db: AsyncSession, id_: UUID) -> None:
    """Read, then write: the pattern that fails at once where the lock is taken late."""
    taken = (await db.execute(sa.select(counters.c.taken))).scalar_one()
    await db.execute(
        sa.update(counters).where(counters.c.id == id_).values(taken=counters.c.taken + 1)
    )
    assert taken >= 0


async def taken(database: Database) -> int:
    async with database.reading() as db:
        return int((await db.execute(sa.select(counters.c.taken))).scalar_one())


async def test_writers_at_once_never_meet_a_locked_database(
    database_url: str, counter: UUID, clock: FrozenClock
) -> None:
    """Two Database objects stand for two processes; all of 50 writers get through."""
    settings = make_settings(database_url, db_lock_timeout_ms=10_000)
    two = [Database(settings, wiring=NOTHING_WIRED, clock=clock) for _ in range(2)]
    await asyncio.gather(*(two[n % 2].transact(lambda db: add_one(db, counter)) for n in range(50)))
    assert await taken(two[0]) == 50
    for database in two:
        await database.dispose()


async def test_what_is_not_committed_is_rolled_back(database: Database, counter: UUID) -> None:
    async with database.writing() as db:
        await add_one(db, counter)
    with contextlib.suppress(RuntimeError):
        async with database.writing() as db:
            await add_one(db, counter)
            raise RuntimeError
    assert await taken(database) == 0
    async with database.writing() as db:
        await add_one(db, counter)
        await commit(db)
    assert await taken(database) == 1


async def test_a_snapshot_sees_one_moment(database: Database, counter: UUID) -> None:
    async with database.snapshot() as still:
        first = (await still.execute(sa.select(counters.c.taken))).scalar_one()
        await database.transact(lambda db: add_one(db, counter))
        assert await taken(database) == 1, "others see the new moment"
        second = (await still.execute(sa.select(counters.c.taken))).scalar_one()
        assert (first, second) == (0, 0)
        assert still.info["clock"] is database.clock
    async with database.snapshot() as still:
        assert (await still.execute(sa.select(counters.c.taken))).scalar_one() == 1


async def test_a_snapshot_cannot_write_and_leaves_no_trace_on_its_connection(
    database: Database, counter: UUID
) -> None:
    for _ in range(database.settings.db_reader_pool_size + 1):
        with pytest.raises(DBAPIError):
            async with database.snapshot() as still:
                await add_one(still, counter)
    # The pooled connections read on, each statement in its own moment again.
    async with database.reading() as db:
        assert (await db.execute(sa.select(counters.c.taken))).scalar_one() == 0
        await database.transact(lambda writer: add_one(writer, counter))
        assert (await db.execute(sa.select(counters.c.taken))).scalar_one() == 1


async def test_a_fault_inside_a_snapshot_gives_its_connection_back(database: Database) -> None:
    with pytest.raises(RuntimeError, match="inside"):
        async with database.snapshot():
            raise RuntimeError("inside")
    assert database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_all_connections_taken_is_answered_503_and_recovers(
    client: httpx2.AsyncClient, database: Database
) -> None:
    async with contextlib.AsyncExitStack() as held:
        for _ in range(1 if database.settings.is_sqlite else 2):
            db = await held.enter_async_context(database.writing())
            await db.connection()
        before = asyncio.get_running_loop().time()
        answer = await client.post("/v1/things", json=WISH, headers=keyed())
        problem_of(answer, 503, "unavailable")
        assert asyncio.get_running_loop().time() - before < 2
        with pytest.raises(PoolTimeout) as full:
            await database.transact(lambda session: add_one(session, uuid4()))
        assert is_outage(full.value)
    assert await all_rows(database) == {}
    assert (await client.post("/v1/things", json=WISH, headers=keyed())).status_code == 201


async def test_a_held_row_is_answered_503(
    client: httpx2.AsyncClient, database: Database, script: Script, counter: UUID
) -> None:
    """An operator's open transaction holds what the request wants (for SQLite: the file)."""

    async def want(db: AsyncSession) -> None:
        await add_one(db, counter)

    script.inside = want
    rival = Database(database.settings.model_copy(), wiring=NOTHING_WIRED, clock=database.clock)
    before = await all_rows(database)
    async with rival.writing() as holder:
        await add_one(holder, counter)
        answer = await client.post("/v1/things", json=WISH, headers=keyed())
        problem_of(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        with pytest.raises(DBAPIError) as busy:
            await database.transact(lambda db: add_one(db, counter))
        assert is_outage(busy.value)
        assert not is_retryable(busy.value)
    await rival.dispose()
    assert await all_rows(database) == before
    assert (await client.post("/v1/things", json=WISH, headers=keyed())).status_code == 201


@pytest.mark.usefixtures("only_postgresql")
async def test_a_statement_without_end_is_answered_503(
    client: httpx2.AsyncClient, script: Script, database: Database
) -> None:
    async def sleep(db: AsyncSession) -> None:
        await db.execute(sa.text("SELECT pg_sleep(5)"))

    script.inside = sleep
    problem_of(await client.post("/v1/things", json=WISH, headers=keyed()), 503, "unavailable")
    assert await all_rows(database) == {}


@pytest.mark.usefixtures("only_postgresql")
async def test_terminated_backends_are_answered_503_and_then_recover(
    client: httpx2.AsyncClient, database: Database, script: Script, database_url: str
) -> None:
    assert (await client.post("/v1/things", json=WISH, headers=keyed())).status_code == 201
    assert (await client.get("/v1/things")).status_code == 200
    admin = await asyncpg.connect(database_url)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def cut(_db: AsyncSession) -> None:
        await admin.execute(kill)

    script.inside = cut
    before = await all_rows(database)
    problem_of(await client.post("/v1/things", json=WISH, headers=keyed()), 503, "unavailable")
    script.inside = None
    await admin.execute(kill)
    statuses = [(await client.get("/v1/things")).status_code for _ in range(3)]
    assert statuses[0] in {200, 503}
    assert statuses[1:] == [200, 200]
    assert await all_rows(database) == before
    assert (await client.post("/v1/things", json=WISH, headers=keyed())).status_code == 201
    await admin.close()


@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("lost", ["closed", "refused"])
async def test_a_connection_lost_while_it_is_prepared_is_answered_503(
    client: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """A new connection is prepared by the driver's own means, with errors in its own words."""
    prepare = asyncpg.Connection.set_type_codec

    async def cut(self: asyncpg.Connection, *told: Any, **more: Any) -> None:
        if lost == "refused":
            raise asyncpg.CannotConnectNowError("the database system is shutting down")
        await self.close()
        await prepare(self, *told, **more)

    await database.dispose()
    before = await all_rows(database)
    await database.dispose()
    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "set_type_codec", cut)
        problem_of(await client.post("/v1/things", json=WISH, headers=keyed()), 503, "unavailable")
        problem_of(await client.get("/v1/things"), 503, "unavailable")
        with pytest.raises(Unavailable):
            await ping(database)
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)) as away:
            await database.transact(lambda db: add_one(db, uuid4()))
        assert is_outage(away.value)
        assert not is_retryable(away.value)
    assert not is_outage(asyncpg.UndefinedFunctionError("a fault of ours"))
    assert await all_rows(database) == before
    assert (await client.post("/v1/things", json=WISH, headers=keyed())).status_code == 201


@pytest.mark.usefixtures("only_postgresql")
async def test_a_deadlock_is_run_again(database: Database) -> None:
    ids = sorted((uuid4(), uuid4()))

    async def prepare(db: AsyncSession) -> None:
        await db.execute(sa.insert(counters), [{"id": i, "taken": 0} for i in ids])

    await database.transact(prepare)
    attempts = 0
    both_hold = asyncio.Barrier(2)
    errors: list[BaseException] = []

    async def cross(db: AsyncSession, order: list[UUID]) -> None:
        nonlocal attempts
        attempts += 1
        await db.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
        await db.execute(sa.text("SET LOCAL statement_timeout = '5s'"))
        await db.execute(sa.text("SET LOCAL deadlock_timeout = '50ms'"))
        for number, id_ in enumerate(order):
            if number == 1 and attempts <= 2:
                await both_hold.wait()
            try:
                await db.execute(
                    sa.update(counters)
                    .where(counters.c.id == id_)
                    .values(taken=counters.c.taken + 1)
                )
            except DBAPIError as error:
                errors.append(error)
                raise

    await asyncio.gather(
        database.transact(lambda db: cross(db, ids)),
        database.transact(lambda db: cross(db, ids[::-1])),
    )
    assert attempts == 3
    assert [is_retryable(e) for e in errors] == [True]
    async with database.reading() as db:
        assert set((await db.execute(sa.select(counters.c.taken))).scalars()) == {2}


async def test_faults_of_ours_are_no_outages(database: Database, counter: UUID) -> None:
    wrong = (
        sa.text("SELECT * FROM no_such_table"),
        sa.text("SELEC 1"),
        sa.insert(counters).values(id=counter, taken=1),
        sa.insert(counters).values(id=uuid4(), taken=None),
    )
    for statement in wrong:
        with pytest.raises(DBAPIError) as fault:
            await database.transact(lambda db, s=statement: db.execute(s))
        assert not is_outage(fault.value), statement
        assert not is_retryable(fault.value), statement
    assert not is_outage(RuntimeError("a bug"))


async def test_a_port_that_refuses_is_an_outage(clock: FrozenClock) -> None:
    for url in ("postgresql://x@127.0.0.1:9/x", "postgresql://x@localhost:9/x"):
        away = Database(make_settings(url), wiring=NOTHING_WIRED, clock=clock)
        with pytest.raises(OSError, match=r".") as refused:
            await away.transact(lambda db: db.execute(sa.text("SELECT 1")))
        assert is_outage(refused.value)
        with pytest.raises(Unavailable):
            await ping(away)
        await away.dispose()


@pytest.fixture
async def limited(
    database_url: str, backend: str, clock: FrozenClock
) -> AsyncIterator[FastAPI | None]:
    """The application as a role that may open one connection only."""
    if backend != "postgresql":
        yield None
        return
    role = f"quanpu_limited_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} NOSUPERUSER")
    await admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    await admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    address = database_url.split("@")[1]
    application = create_little_app(
        make_settings(f"postgresql://{role}@{address}"), clock, NOTHING_WIRED
    )
    yield application
    await application.state.database.dispose()
    await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    await admin.close()


@pytest.mark.usefixtures("only_postgresql")
async def test_a_server_without_a_free_connection_is_answered_503(limited: FastAPI) -> None:
    transport = httpx2.ASGITransport(limited, raise_app_exceptions=False)
    database: Database = limited.state.database
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        async with database.reading() as db:
            await db.connection()
            answer = await client.post("/v1/things", json=WISH, headers=keyed())
        problem_of(answer, 503, "unavailable")


async def test_given_rows_come_as_they_are(
    database: Database, backend: str, clock: FrozenClock
) -> None:
    ids = [uuid4() for _ in range(3)]
    wanted: list[dict[str, Any]] = [
        {"id": i, "amount": 2**53 + n, "name": f"a'\"{n}圈", "yes": n == 1, "at": clock.now()}
        for n, i in enumerate(ids)
    ]
    columns = {
        "id": sa.Uuid(), "amount": sa.BigInteger(), "name": sa.Text(), "yes": sa.Boolean(),
        "at": AuditEntry.__table__.c.at.type,
    }  # fmt: skip
    made = [{"id": i, "name": "x", "made_at": clock.now(), "version": 1} for i in ids]
    await database.transact(lambda db: db.execute(sa.insert(things), made))
    async with database.reading() as db:
        rows = given(db, "wanted", columns, wanted)
        same = sa.and_(rows.c.id == things.c.id, rows.c.at == things.c.made_at)
        joined = await rows_of(db, sa.select(things.c.id).join(rows, same))
        assert {r["id"] for r in joined} == set(ids)
        found = [dict(r) for r in await rows_of(db, sa.select(rows).order_by(rows.c.amount))]
        assert found == wanted
        empty = given(db, "wanted", columns, [])
        assert await rows_of(db, sa.select(empty)) == []


async def test_ids_in_is_one_parameter(database: Database, counter: UUID) -> None:
    ids = [counter, *(uuid4() for _ in range(500))]
    async with database.reading() as db:
        found = await rows_of(db, sa.select(counters.c.id).where(ids_in(db, counters.c.id, ids)))
        assert [r["id"] for r in found] == [counter]
        texts = {
            str(sa.select(counters).where(ids_in(db, counters.c.id, some)).compile(
                database.reader.sync_engine
            ))
            for some in (ids, ids[:1], [])
        }  # fmt: skip
    assert len(texts) == 1
