"""What the kill lane judges by: its own PostgreSQL, its watch over what is due, its 503."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import sqlalchemy as sa

from tests.lanes import cluster, kill
from tests.lanes.cluster import Cluster, own_cluster, why_not
from tests.lanes.healing import DUE, HEAL_SECONDS_MAX, Healing
from tests.lanes.kill import FORGETS, INSTALLATIONS, Nemesis, Wanted, unfulfilled
from tests.lanes.marks import ON_ONE
from tests.lanes.report import Report
from tests.lanes.shopper import Crowd
from tests.lanes.world import Net, Stall, World, says_come_again

pytestmark = ON_ONE

PROBLEM = {"content-type": "application/problem+json", "retry-after": "1"}
BODY: dict[str, Any] = {"code": "unavailable", "status": 503}


@dataclass(frozen=True, slots=True)
class Undone:
    """How one row of a table that is done is made due again, and how that is mended."""

    table: str
    due: str
    done: str
    where_due: str = ""
    where_done: str = ""

    @property
    def again(self) -> str:
        one = (
            f"SELECT id FROM {self.table} WHERE {self.where_done or self.done} ORDER BY id LIMIT 1"
        )
        return f"UPDATE {self.table} SET {self.due} WHERE id = ({one})"

    @property
    def mended(self) -> str:
        return f"UPDATE {self.table} SET {self.done} WHERE {self.where_due or self.due}"


UNDONE = {
    "group": Undone('"groups"', "status = 'open'", "status = 'failed'"),
    "order": Undone("orders", "status = 'placed'", "status = 'expired'"),
    "refund": Undone("refunds", "state = 'pending'", "state = 'succeeded'"),
    "fact": Undone("outbox_events", "done_at = NULL", "done_at = at", "done_at IS NULL", "1 = 1"),
    "notice": Undone(
        "sandbox_notices", "heard_at = NULL", "heard_at = due_at", "heard_at IS NULL", "1 = 1"
    ),
    "seat": Undone("seats", "status = 'refund_due'", "status = 'refunded'"),
}


@asynccontextmanager
async def undone(made: World, kind: str) -> AsyncIterator[None]:
    """One row due behind the service's back, for a while."""
    await one_changed(made, UNDONE[kind].again)
    try:
        yield
    finally:
        await one_changed(made, UNDONE[kind].mended)


async def one_changed(made: World, statement: str) -> None:
    async with made.engine.begin() as connection:
        changed = await connection.execute(sa.text(statement))
        assert changed.rowcount == 1


async def judged(healing: Healing) -> list[str]:
    report = Report("kill", healing.made.backend)
    await healing.judge(report)
    return report.failures


async def test_where_nothing_was_due_nothing_was_proven(sold: World) -> None:
    healing = Healing(sold, await sold.now())
    await healing.over(most_seconds=20)
    assert await judged(healing) == ["nothing was ever due: nothing was proven"]


def test_every_kind_can_be_undone() -> None:
    """Prevents a watch over something whose absence nobody has ever seen it notice."""
    assert UNDONE.keys() == DUE.keys()


@pytest.mark.parametrize("kind", sorted(DUE))
async def test_what_is_due_is_seen_until_it_is_done(sold: World, kind: str) -> None:
    healing = Healing(sold, await sold.now())
    async with undone(sold, kind):
        await healing.look()
        unfinished = await judged(healing)
    assert [key[0] for key in healing.waiting] == [kind]
    assert unfinished[0].startswith("never done: ")
    await healing.look()
    assert (healing.waiting, healing.seen) == ({}, {kind: 1})
    assert await judged(healing) == []


@pytest.mark.parametrize("kind", sorted(DUE))
async def test_what_is_done_too_late_is_seen(sold: World, kind: str) -> None:
    now = await sold.now()
    healing = Healing(sold, now)
    async with undone(sold, kind):
        await healing.look()
        # However long ago it was due, the promise counts from the last blow on.
        assert await healing.late() == []
        long_ago = now - timedelta(seconds=HEAL_SECONDS_MAX + 1)
        healing.waiting = dict.fromkeys(healing.waiting, long_ago)
        await healing.over(most_seconds=HEAL_SECONDS_MAX)
        late = await healing.late()
    assert [one.split()[0] for one in late] == [kind]
    await healing.look()
    (told,) = await judged(healing)
    assert told.startswith(f"a {kind} waited ")
    assert healing.waited[kind][0] > HEAL_SECONDS_MAX


@pytest.mark.parametrize(
    ("status", "headers", "body", "proper"),
    [
        (503, PROBLEM, BODY, True),
        (500, PROBLEM, BODY, False),
        (503, {**PROBLEM, "retry-after": "0"}, BODY, False),
        (503, {"content-type": PROBLEM["content-type"]}, BODY, False),
        (503, {**PROBLEM, "content-type": "text/html"}, BODY, False),
        (503, PROBLEM, {}, False),
    ],
)
async def test_only_a_503_that_says_when_to_come_again_is_let_pass(
    status: int, headers: dict[str, str], body: dict[str, Any], proper: bool
) -> None:
    got = httpx2.Response(status, headers=headers, json=body)
    assert says_come_again(got) is proper
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, headers=headers, json=body))
    net = Net([httpx2.AsyncClient(transport=transport, base_url="http://shop.test")])
    await net.send("GET", "/v1/x", verb="x", headers={})
    assert (len(net.away), len(net.faults)) == (int(proper), int(not proper))
    await net.close()


async def test_a_group_told_full_that_did_not_succeed_is_seen(sold: World) -> None:
    rows = await sold.rows('SELECT id, status FROM "groups" ORDER BY id')
    by_status = {row["status"]: str(row["id"]) for row in rows}
    lost = str(uuid4())
    assert await unfulfilled(sold, [by_status["succeeded"]]) == []
    failed = by_status["failed"]
    assert await unfulfilled(sold, [failed, lost]) == [f"{failed} failed", f"{lost} gone"]


def test_every_story_is_told_before_any_is_told_again() -> None:
    stall = Stall(uuid4(), uuid4(), uuid4())
    crowd, names = Crowd([stall], stall, stall), ["a", "b", "c"]
    for _ in range(5):
        assert sorted(crowd.next_of(names) for _ in names) == names


@dataclass
class Doll:
    """Something that can be killed, and counts it."""

    name: str
    is_running: bool = True
    kills: int = 0
    port: int | None = None

    async def kill(self) -> None:
        self.is_running, self.kills = False, self.kills + 1

    async def start(self) -> None:
        self.is_running = True

    async def ready(self) -> float:
        assert self.is_running
        return 0.0

    def log(self) -> str:
        return "its last words"


@dataclass
class Dolls:
    """An installation of dolls."""

    processes: list[Doll] = field(
        default_factory=lambda: [Doll(f"process-{n}", port=n or None) for n in range(3)]
    )
    database: Doll = field(default_factory=lambda: Doll("database"))

    def nemesis(self, monkeypatch: pytest.MonkeyPatch) -> Nemesis:
        monkeypatch.setattr(kill, "REST_SECONDS", (0, 0))
        monkeypatch.setattr(kill, "AWAY_SECONDS", (0, 0))
        made = cast("World", SimpleNamespace(processes=self.processes))
        return Nemesis(made, cast("Cluster", self.database))


async def test_the_nemesis_spares_nobody_and_leaves_everybody_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dolls = Dolls()
    nemesis = dolls.nemesis(monkeypatch)
    await nemesis.run(Wanted(40, outages=12))
    everybody = [*dolls.processes, dolls.database]
    assert all(doll.is_running and doll.kills >= 4 for doll in everybody)
    assert dolls.database.kills >= nemesis.outages >= 12
    assert sum(doll.kills for doll in everybody) == nemesis.kills >= 40
    assert nemesis.by_name == {doll.name: doll.kills for doll in everybody}


async def test_a_process_that_ends_by_itself_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    dolls = Dolls()
    dolls.processes[1].is_running = False
    with pytest.raises(AssertionError, match="process-1 ended by itself:\nits last words"):
        await dolls.nemesis(monkeypatch).run(Wanted(1))


async def test_a_machine_that_cannot_have_one_says_why_and_kills_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "programs", lambda: None)
    report = Report("kill", "postgresql")
    async with kill.own_server("postgresql", None, report) as made:
        assert made is None
    assert report.lines == [("database", "not killed: no PostgreSQL programs were found")]


@pytest.fixture
def can_have_one() -> None:
    if reason := why_not():
        pytest.skip(reason)


async def _written_then_killed(server: Cluster) -> int:
    """Commit a row, end the server at once, and say how many rows it remembers."""
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE told (n int)")
    await server.checkpoint()
    await connection.execute("INSERT INTO told VALUES (1)")
    await server.kill()
    with pytest.raises(OSError, match=r"."):
        await asyncpg.connect(server.url, timeout=5)
    await server.start()
    await server.ready()
    connection = await asyncpg.connect(server.url)
    count: int = await connection.fetchval("SELECT COUNT(*) FROM told")
    await connection.close()
    return count


@pytest.mark.usefixtures("can_have_one")
async def test_a_server_of_ones_own_is_killed_and_remembers() -> None:
    async with own_cluster() as server:
        assert await _written_then_killed(server) == 1
        assert server.alarms() == []
        folder = server.folder
    assert not folder.exists()


@pytest.mark.usefixtures("can_have_one")
async def test_a_kill_is_rough_enough_to_show_a_server_that_forgets() -> None:
    async with own_cluster(INSTALLATIONS[FORGETS]) as server:
        assert await _written_then_killed(server) == 0
