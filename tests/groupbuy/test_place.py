"""The statement that takes a place and the pure rule say the same of every group."""

from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.core.sql import table
from app.groupbuy.models import Group, GroupStatus
from app.groupbuy.repository import groups as repository
from app.groupbuy.rules.gathering import Gathering, has_room
from tests.groupbuy.party import Party


async def set_group(party: Party, group_id: UUID, **values: Any) -> None:
    groups = table(Group)
    change = sa.update(groups).where(groups.c.id == group_id).values(**values)
    await party.database.transact(lambda db: db.execute(change))


@pytest.mark.parametrize("status", GroupStatus)
async def test_a_place_is_taken_where_there_is_room_and_nowhere_else(
    party: Party, status: GroupStatus
) -> None:
    leader = await party.opened(await party.campaign(size=4))
    group_id = leader.group_id
    before = await party.group(group_id)
    seen = set()
    for taken, seconds in product((1, 3, 4), (-1, 0, 1, None)):
        deadline = None if seconds is None else party.now + timedelta(seconds=seconds)
        await set_group(
            party,
            group_id,
            status=status,
            taken=taken,
            deadline_at=deadline,
            succeeded_at=party.now,
        )
        row = await party.group(group_id)
        # An open group always has a deadline: its first payment has set it.
        expected = deadline is not None and has_room(Gathering.of(row), party.now)
        got = await party.database.transact(
            lambda db: repository.take_place(db, group_id, now=party.now)
        )
        assert (got is not None) is expected, (status, taken, seconds)
        assert (await party.group(group_id))["taken"] == taken + expected
        seen.add(expected)
    assert seen == ({True, False} if status is GroupStatus.OPEN else {False})
    await set_group(party, group_id, **before)
