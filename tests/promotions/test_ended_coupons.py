"""Nothing is given out or claimed of a promotion that is over, by hand or by the clock."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from app.promotions.models import CouponKind, PromotionStatus
from tests.conftest import rows_in
from tests.factories import Stand
from tests.orders.market import problem
from tests.promotions.giving import batch, change, coupon_rows, promoted

ENDS: dict[str, Callable[[datetime], dict[str, Any]]] = {
    "by hand": lambda now: {"status": PromotionStatus.ENDED},
    "by the clock": lambda now: {"ends_at": now},
    "by the clock, paused": lambda now: {"status": PromotionStatus.PAUSED, "ends_at": now},
}


@pytest.fixture
async def shop_id(stand: Stand) -> UUID:
    return (await stand.shop()).id


@pytest.fixture
async def promotion_id(stand: Stand, shop_id: UUID) -> UUID:
    return await promoted(stand, shop_id, needs_coupon=True)


async def refused(stand: Stand, asked: Any, code: str) -> None:
    """Only the answer itself may be kept."""
    before = await rows_in(stand.database)
    told = problem(await asked, 409, code)
    after = await rows_in(stand.database)
    assert {**after, "idempotency_answers": 0} == {**before, "idempotency_answers": 0}
    assert told["params"] == {"reason": "ended"}


@pytest.mark.parametrize("ended", ENDS)
@pytest.mark.parametrize("said", [{"code": "SUMMER"}, {"codes_count": 2}, {"claimable": True}])
async def test_coupons_of_an_ended_promotion_are_not_given_out(
    stand: Stand, shop_id: UUID, promotion_id: UUID, ended: str, said: dict[str, Any]
) -> None:
    owner = await stand.as_owner(shop_id)
    await change(stand, promotion_id, **ENDS[ended](stand.now))
    path = f"/v1/operator/shops/{shop_id}/coupon-batches"
    asked = owner.post(path, {"promotion_id": str(promotion_id), **said})
    await refused(stand, asked, "bad_coupon_batch")


@pytest.mark.parametrize("ended", ENDS)
async def test_coupons_of_an_ended_promotion_are_not_claimed(
    stand: Stand, shop_id: UUID, promotion_id: UUID, ended: str
) -> None:
    ann = await stand.as_member(await stand.member("ann"))
    free = await batch(stand, shop_id, promotion_id, CouponKind.CLAIMED, coupons_max=3)
    single = await batch(stand, shop_id, promotion_id, CouponKind.SINGLE_CODES, codes_count=1)
    [coupon] = await coupon_rows(stand.database, single)
    await change(stand, promotion_id, **ENDS[ended](stand.now))
    for wish in ({"batch_id": str(free)}, {"shop_id": str(shop_id), "code": coupon["code"]}):
        await refused(stand, ann.post("/v1/coupons/claims", wish), "coupon_not_claimable")
    assert await coupon_rows(stand.database, free) == []
    assert await coupon_rows(stand.database, single) == [coupon]


@pytest.mark.parametrize("status", [PromotionStatus.DRAFT, PromotionStatus.PAUSED])
async def test_coupons_are_claimed_before_their_promotion_runs(
    stand: Stand, shop_id: UUID, promotion_id: UUID, status: PromotionStatus
) -> None:
    await change(stand, promotion_id, status=status)
    ann = await stand.as_member(await stand.member("ann"))
    batch_id = await batch(stand, shop_id, promotion_id, CouponKind.CLAIMED)
    answer = await ann.post("/v1/coupons/claims", {"batch_id": str(batch_id)})
    assert answer.status_code == 201, answer.text
