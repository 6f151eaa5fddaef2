"""What the worker cleans up: what is over, a batch at a time, and nothing else."""

from datetime import timedelta

import pytest

from app.core.ids import new_id
from app.core.jobs import Job, JobContext
from app.core.security import fingerprint
from app.identity.jobs import JOBS, PRUNE_INVITATIONS, PRUNE_SESSIONS
from app.identity.models import Invitation, Session, SessionKind
from app.identity.rules import InvitedRole
from app.settings import Settings
from tests.conftest import make_settings
from tests.fakes import FrozenClock
from tests.identity.people import People


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url, sweep_batch_rows=2)


def session(clock: FrozenClock, seconds: int) -> Session:
    return Session(
        id=new_id(),
        kind=SessionKind.MEMBER,
        subject_id=new_id(),
        refresh_hash=fingerprint(new_id().hex),
        created_at=clock.now() - timedelta(days=1),
        expires_at=clock.now() + timedelta(seconds=seconds),
    )


async def run_dry(job: Job, people: People) -> list[int]:
    context = JobContext(people.settings, people.database, {})
    moved = [await job.run(context)]
    while moved[-1]:
        moved.append(await job.run(context))
    return moved


async def test_expired_sessions_go(people: People, clock: FrozenClock) -> None:
    live = session(clock, 1)

    async def arrange(db: object) -> None:
        db.add_all([live, *(session(clock, s) for s in (0, -1, -2, -3, -4))])  # type: ignore[attr-defined]

    await people.database.transact(arrange)
    assert await run_dry(PRUNE_SESSIONS, people) == [2, 2, 1, 0]
    assert [row["id"] for row in await people.rows(Session)] == [live.id]


async def test_expired_invitations_go(people: People, clock: FrozenClock) -> None:
    operator_id = await people.new_operator("owner@shop.example")

    def invitation(seconds: int, *, taken: bool = False) -> Invitation:
        return Invitation(
            id=new_id(),
            email="helper@shop.example",
            shop_id=new_id(),
            role=InvitedRole.STAFF,
            token_hash=fingerprint(new_id().hex),
            invited_by=operator_id,
            created_at=clock.now() - timedelta(days=1),
            expires_at=clock.now() + timedelta(seconds=seconds),
            accepted_at=clock.now() if taken else None,
        )

    kept = [invitation(1), invitation(1, taken=True)]

    async def arrange(db: object) -> None:
        db.add_all([*kept, invitation(0), invitation(-5, taken=True)])  # type: ignore[attr-defined]

    await people.database.transact(arrange)
    assert await run_dry(PRUNE_INVITATIONS, people) == [2, 0]
    assert {row["id"] for row in await people.rows(Invitation)} == {i.id for i in kept}


def test_both_jobs_are_offered_to_the_worker() -> None:
    assert {job.name for job in JOBS} == {"identity.prune_sessions", "identity.prune_invitations"}
