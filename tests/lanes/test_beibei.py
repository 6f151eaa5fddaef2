"""The replay of recorded group buys, with a few made up, on real servers and real workers."""

from bench.beibei.recorded import Recorded, waves
from bench.beibei.run import Plan, run
from bench.beibei.table import side_by_side
from tests.lanes.marks import SHORT

pytestmark = SHORT

GROUPS = [
    Recorded(1, 10, 7, succeeded=True, participant_ids=(11,)),
    Recorded(2, 12, 7, succeeded=False, participant_ids=()),
    Recorded(3, 13, 8, succeeded=True, participant_ids=(10, 11, 12)),
    # Twice with one product: the first must have failed and been paid back before.
    Recorded(4, 12, 7, succeeded=False, participant_ids=()),
    Recorded(5, 14, 7, succeeded=True, participant_ids=(12,)),
]


async def test_made_up_records_end_as_told(backend: str) -> None:
    assert len(waves(GROUPS)) == 3
    workers = 2 if backend == "postgresql" else 1
    found = await run(GROUPS, Plan(backend, clients=4, workers=workers, checkouts=4))
    assert found.failures == []
    assert found.orders == 10
    assert len(found.seconds["fail"]) == len(found.seconds["refund"]) == 2
    assert [len(found.seconds[step]) for step in ("open", "join")] == [5, 5]
    # Two sizes stand beside one another with their growth.
    assert any(
        line.startswith("SQL open") and "(x1.00)" in line for line in side_by_side([found] * 2)
    )
