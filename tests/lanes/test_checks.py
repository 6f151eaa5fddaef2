"""The lanes' own checks: silent on a sound database, and each seen to fire on a seeded fault."""

from copy import copy

import pytest

from tests.lanes import faults
from tests.lanes.checks import CHECKS, Found, broken, broken_promises
from tests.lanes.marks import ON_ONE
from tests.lanes.world import World

pytestmark = ON_ONE


async def found_after(sold: World, fault: faults.Fault | None) -> Found:
    """What the checks say with the fault in place; the database is left as it was."""
    history = copy(sold.history)
    async with sold.engine.connect() as connection:
        if fault is not None:
            await faults.apply(connection, fault)
            if fault.retells is not None:
                fault.retells(history)
        found = await broken(connection, now=await sold.now(), settled=fault is None)
        found |= await broken_promises(connection, history)
        await connection.rollback()
        return found


async def test_a_sound_database_breaks_no_check(sold: World) -> None:
    assert await found_after(sold, None) == {}
    assert sold.net.faults == []
    assert sold.complaints() == []


@pytest.mark.parametrize("name", sorted(faults.FAULTS))
async def test_a_seeded_fault_is_seen_by_its_check(sold: World, name: str) -> None:
    fault = faults.FAULTS[name]
    assert fault.seen_by in await found_after(sold, fault)


def test_every_check_is_seen_to_fire() -> None:
    """Prevents a check that cannot fail, which would prove nothing."""
    fired = {fault.seen_by for fault in faults.FAULTS.values()}
    assert {check.name for check in CHECKS} - fired == set()
