"""Limits: kept, taken by rivals to the last one and never beyond, given back exactly once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import commit
from app.core.errors import Problem
from app.promotions import service
from app.promotions.errors import CouponTaken, LimitBelowTaken, PromotionUsedUp
from app.promotions.models import CouponKind
from app.promotions.pricing.terms import Left
from app.promotions.repository import quotas
from app.promotions.service import CouponUse, Limits, Use
from tests.conftest import rows_in
from tests.factories import Stand, statements
from tests.promotions.giving import (
    batch,
    coupon_rows,
    held,
    limited,
    promoted,
    taken,
    turns,
)

THREE_TIERS = (10, None, 3)


def use(promotion_id: UUID, saved_amount: int = 100, units: int = 0, **more: Any) -> Use:
    """A use of a promotion with these limits; units are of the first tier of an add-on."""
    tiers = {0: units} if units else {}
    return Use(promotion_id, Limits(**more), saved_amount, tiers)


async def reserve(
    stand: Stand, member_id: UUID, uses: Sequence[Use], coupons: Sequence[CouponUse] = ()
) -> UUID:
    """One order's taking in a transaction of its own."""
    order_id = uuid4()

    async def take(db: AsyncSession) -> UUID:
        await service.reserve(
            db, order_id=order_id, member_id=member_id, uses=uses, coupon_uses=coupons
        )
        return order_id

    return await stand.database.transact(take)


async def release(stand: Stand, *order_ids: UUID) -> None:
    await stand.database.transact(lambda db: service.release(db, order_ids, now=stand.now))


async def told(asked: Awaitable[UUID]) -> UUID | str:
    """The order, or the code of the refusal."""
    try:
        return await asked
    except Problem as refusal:
        return refusal.code


async def refused(stand: Stand, asked: Awaitable[Any], kind: type[Problem]) -> dict[str, Any]:
    """The parameters of a refusal that has written nothing."""
    before = await rows_in(stand.database)
    with pytest.raises(kind) as refusal:
        await asked
    assert await rows_in(stand.database) == before
    return refusal.value.params


async def test_limits_are_raised_lowered_to_what_is_taken_and_taken_off(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann = await stand.member("ann")
    await limited(stand, promotion_id, *THREE_TIERS, uses_max=3, budget_amount=1_000)
    assert await taken(stand.database, promotion_id) == {
        "uses": 0,
        "budget": 0,
        "tier:0": 0,
        "tier:2": 0,
    }
    said: dict[str, Any] = {"uses_max": 3, "budget_amount": 1_000, "tier_units": THREE_TIERS}
    await reserve(stand, ann, [use(promotion_id, 600, 4, **said)])
    for below in ({"uses_max": 3, "budget_amount": 599}, {"uses_max": 3, "budget_amount": 1}):
        params = await refused(stand, limited(stand, promotion_id, 10, **below), LimitBelowTaken)
        assert params["slots"] == ["budget"]
    params = await refused(
        stand, limited(stand, promotion_id, 3, uses_max=9, budget_amount=9_999), LimitBelowTaken
    )
    assert params["slots"] == ["tier:0"]
    # What was refused has changed none of the other limits.
    assert await left(stand, promotion_id, **said) == Left(
        uses=2, budget_amount=400, tier_units=(6, None, 3)
    )
    await limited(stand, promotion_id, 4, uses_max=1, budget_amount=600)
    assert (await left(stand, promotion_id, **said)).uses == 0
    await limited(stand, promotion_id)
    assert await left(stand, promotion_id, **said) == Left(tier_units=(None, None, None))
    assert await taken(stand.database, promotion_id) == {
        "uses": 1,
        "budget": 600,
        "tier:0": 4,
        "tier:2": 0,
    }


async def left(stand: Stand, promotion_id: UUID, member: UUID | None = None, **said: Any) -> Left:
    async with stand.database.reading() as db:
        return (await service.standing(db, {promotion_id: Limits(**said)}, member))[promotion_id]


async def test_a_limit_that_was_off_for_a_while_still_knows_what_is_out(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann = await stand.member("ann")
    await limited(stand, promotion_id, uses_max=2)
    order_id = await reserve(stand, ann, [use(promotion_id, uses_max=2)])
    await limited(stand, promotion_id)
    await release(stand, order_id)
    await limited(stand, promotion_id, uses_max=1)
    assert await taken(stand.database, promotion_id) == {"uses": 0}


async def test_an_unlimited_promotion_touches_no_counter(stand: Stand) -> None:
    shop = await stand.shop()
    promotion_id = await promoted(stand, shop.id)
    ann = await stand.member("ann")
    await limited(stand, promotion_id)
    with statements(stand.database) as seen:
        async with stand.database.writing() as db:
            found = await service.live(db, shop.id, now=stand.now)
            assert found.limits == {}
            assert await service.standing(db, found.limits, ann) == {}
            await service.reserve(db, order_id=uuid4(), member_id=ann, uses=[])
    assert len([s for s in seen if "promotion" in s]) == 1
    assert await taken(stand.database, promotion_id) == {}


@pytest.mark.parametrize("count", [1, 30])
async def test_the_statements_do_not_grow_with_the_promotions(stand: Stand, count: int) -> None:
    shop = await stand.shop()
    ann = await stand.member("ann")
    said = {"uses_max": 9, "member_uses_max": 2, "budget_amount": 10_000}
    for _ in range(count):
        await limited(stand, await promoted(stand, shop.id), **said)
    async with stand.database.reading() as db:
        live = await service.live(db, shop.id, now=stand.now)
        with statements(stand.database) as looking:
            found = await service.standing(db, live.limits, ann)
    assert len(looking) == 1
    assert set(found.values()) == {Left(uses=9, member_uses=2, budget_amount=10_000)}
    assert len(found) == count
    uses = [Use(id_, own, 5, {}) for id_, own in live.limits.items()]
    with statements(stand.database) as placing:
        order_id = await reserve(stand, ann, uses)
    with statements(stand.database) as ending:
        await release(stand, order_id)
    assert (len(placing), len(ending)) == (3, 3)


async def test_what_is_left_counts_the_members_own_uses(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann, bob = await stand.member("ann"), await stand.member("bob")
    said = {"member_uses_max": 2}
    await limited(stand, promotion_id, **said)
    for expected in (1, 0):
        await reserve(stand, ann, [use(promotion_id, **said)])
        assert (await left(stand, promotion_id, ann, **said)).member_uses == expected
    assert (await left(stand, promotion_id, bob, **said)).member_uses == 2
    assert (await left(stand, promotion_id, None, **said)).member_uses == 2
    params = await refused(stand, reserve(stand, ann, [use(promotion_id, **said)]), PromotionUsedUp)
    assert params == {"promotion_id": str(promotion_id), "limit": "member"}
    assert await turns(stand.database, promotion_id) == {ann: 2}


@pytest.mark.parametrize(
    ("said", "asked", "limit"),
    [
        ({"uses_max": 1}, {}, "uses"),
        ({"budget_amount": 150}, {"saved_amount": 51}, "budget"),
        ({"tier_units": (4,)}, {"units": 3}, "tier:0"),
    ],
)
async def test_more_than_is_left_is_refused_and_nothing_is_taken(
    stand: Stand, said: dict[str, Any], asked: dict[str, Any], limit: str
) -> None:
    shop = await stand.shop()
    promotion_id, other = await promoted(stand, shop.id), await promoted(stand, shop.id)
    ann = await stand.member("ann")
    plain = {name: value for name, value in said.items() if name != "tier_units"}
    await limited(stand, promotion_id, *said.get("tier_units", ()), **plain)
    await limited(stand, other, uses_max=5)
    await reserve(stand, ann, [use(promotion_id, 100, 2, **said)])
    before = await taken(stand.database, promotion_id)
    both = [use(other, uses_max=5), use(promotion_id, **asked, **said)]
    params = await refused(stand, reserve(stand, ann, both), PromotionUsedUp)
    assert params == {"promotion_id": str(promotion_id), "limit": limit}
    assert await taken(stand.database, promotion_id) == before
    assert await taken(stand.database, other) == {"uses": 0}


async def test_exactly_as_many_as_the_quota_get_an_add_on(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    members = [await stand.member() for _ in range(50)]
    await limited(stand, promotion_id, 10)
    asked = use(promotion_id, units=1, tier_units=(10,))
    answers = await asyncio.gather(*(told(reserve(stand, m, [asked])) for m in members))
    codes = Counter(a if isinstance(a, str) else "taken" for a in answers)
    assert codes == {"taken": 10, "promotion_used_up": 40}
    assert await taken(stand.database, promotion_id) == {"tier:0": 10}
    assert await held(stand.database, promotion_id) == [("tier:0", 1)] * 10


async def test_a_member_at_several_tills_gets_as_many_as_allowed(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann = await stand.member("ann")
    said = {"member_uses_max": 3}
    await limited(stand, promotion_id, **said)
    tills = (told(reserve(stand, ann, [use(promotion_id, **said)])) for _ in range(20))
    answers = await asyncio.gather(*tills)
    assert sum(not isinstance(answer, str) for answer in answers) == 3
    assert await turns(stand.database, promotion_id) == {ann: 3}


async def test_orders_that_name_the_promotions_the_other_way_round_do_not_meet(
    stand: Stand,
) -> None:
    shop = await stand.shop()
    said = {"uses_max": 20, "member_uses_max": 50}
    pair = [await promoted(stand, shop.id) for _ in range(2)]
    for promotion_id in pair:
        await limited(stand, promotion_id, **said)
    ann, bob = await stand.member("ann"), await stand.member("bob")
    forth = [use(promotion_id, **said) for promotion_id in pair]
    tills = [
        told(reserve(stand, (ann, bob)[n % 2], (forth, forth[::-1])[n % 2])) for n in range(40)
    ]
    answers = await asyncio.gather(*tills)
    assert Counter(isinstance(answer, str) for answer in answers) == {True: 20, False: 20}
    for promotion_id in pair:
        assert await taken(stand.database, promotion_id) == {"uses": 20}


async def test_a_rival_who_takes_the_last_one_in_between_is_seen(
    stand: Stand, backend: str
) -> None:
    if backend == "sqlite":
        return  # one writer at a time: rivals never meet
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann, bob = await stand.member("ann"), await stand.member("bob")
    said = {"uses_max": 1}
    await limited(stand, promotion_id, **said)
    async with stand.database.writing() as rival, stand.database.writing() as db:
        order_id = uuid4()
        mine = [use(promotion_id, **said)]
        await service.reserve(rival, order_id=order_id, member_id=ann, uses=mine)
        taking = asyncio.create_task(
            service.reserve(db, order_id=uuid4(), member_id=bob, uses=mine)
        )
        await asyncio.sleep(0.2)
        assert not taking.done()
        await commit(rival)
        with pytest.raises(PromotionUsedUp):
            await taking
    # And one that waits for a rival who gives back gets what was given back.
    async with stand.database.writing() as rival, stand.database.writing() as db:
        await service.release(rival, [order_id], now=stand.now)
        taking = asyncio.create_task(
            service.reserve(db, order_id=uuid4(), member_id=bob, uses=mine)
        )
        await asyncio.sleep(0.2)
        assert not taking.done()
        await commit(rival)
        await taking
        await commit(db)
    assert await taken(stand.database, promotion_id) == {"uses": 1}
    assert await held(stand.database, promotion_id) == [("uses", 1)]


async def test_what_is_given_back_at_once_by_many_comes_back_once(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann, bob = await stand.member("ann"), await stand.member("bob")
    said = {"uses_max": 5, "member_uses_max": 5, "budget_amount": 1_000, "tier_units": (7,)}
    await limited(stand, promotion_id, 7, uses_max=5, member_uses_max=5, budget_amount=1_000)
    orders = [await reserve(stand, m, [use(promotion_id, 100, 2, **said)]) for m in (ann, bob, ann)]
    assert await taken(stand.database, promotion_id) == {"uses": 3, "budget": 300, "tier:0": 6}
    await asyncio.gather(*(release(stand, *orders[:2]) for _ in range(8)))
    assert await taken(stand.database, promotion_id) == {"uses": 1, "budget": 100, "tier:0": 2}
    assert await turns(stand.database, promotion_id) == {ann: 1, bob: 0}
    await release(stand, *orders)
    await release(stand, uuid4())
    assert await taken(stand.database, promotion_id) == {"uses": 0, "budget": 0, "tier:0": 0}
    assert await turns(stand.database, promotion_id) == {ann: 0, bob: 0}


async def test_what_was_given_back_is_taken_again_where_it_is_still_there(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann, bob = await stand.member("ann"), await stand.member("bob")
    said = {"uses_max": 1, "member_uses_max": 1}
    await limited(stand, promotion_id, **said)
    order_id = await reserve(stand, ann, [use(promotion_id, **said)])

    async def retake(member_id: UUID = ann) -> None:
        await stand.database.transact(lambda db: service.retake(db, order_id, member_id))

    await release(stand, order_id)
    await retake()
    await retake()
    assert await taken(stand.database, promotion_id) == {"uses": 1}
    assert await turns(stand.database, promotion_id) == {ann: 1}
    await release(stand, order_id)
    other = await reserve(stand, bob, [use(promotion_id, **said)])
    params = await refused(stand, retake(), PromotionUsedUp)
    assert params["limit"] == "uses"
    await release(stand, other)
    await limited(stand, promotion_id, uses_max=9, member_uses_max=1)
    await reserve(stand, ann, [use(promotion_id, **said)])
    assert (await refused(stand, retake(), PromotionUsedUp))["limit"] == "member"
    await limited(stand, promotion_id)
    await retake()
    assert await turns(stand.database, promotion_id) == {ann: 2, bob: 0}


async def test_a_single_coupon_goes_to_one_order_and_back(stand: Stand) -> None:
    shop = await stand.shop()
    promotion_id = await promoted(stand, shop.id, needs_coupon=True)
    single = await batch(stand, shop.id, promotion_id, CouponKind.SINGLE_CODES, codes_count=1)
    [coupon] = await coupon_rows(stand.database, single)
    members = [await stand.member() for _ in range(5)]
    asked = [CouponUse(coupon["id"], promotion_id, is_shared=False)]
    answers = await asyncio.gather(*(told(reserve(stand, m, [], asked)) for m in members))
    [order_id] = [answer for answer in answers if isinstance(answer, UUID)]
    assert Counter(map(str, answers))["coupon_taken"] == 4
    [coupon] = await coupon_rows(stand.database, single)
    assert (coupon["state"], coupon["order_id"]) == ("reserved", order_id)
    await asyncio.gather(*(release(stand, order_id) for _ in range(4)))
    [coupon] = await coupon_rows(stand.database, single)
    assert (coupon["state"], coupon["order_id"]) == ("open", None)
    again = await reserve(stand, members[0], [], asked)
    member_of = dict(zip(answers, members, strict=True))

    async def retake() -> None:
        await stand.database.transact(lambda db: service.retake(db, order_id, member_of[order_id]))

    params = await refused(stand, retake(), CouponTaken)
    assert params == {"coupon_id": str(coupon["id"])}
    await release(stand, again)
    await retake()
    [coupon] = await coupon_rows(stand.database, single)
    assert (coupon["state"], coupon["order_id"]) == ("reserved", order_id)


async def test_a_shared_code_serves_any_number_of_orders(stand: Stand) -> None:
    shop = await stand.shop()
    promotion_id = await promoted(stand, shop.id, needs_coupon=True)
    shared = await batch(stand, shop.id, promotion_id, CouponKind.SHARED_CODE, code="SUMMER")
    [coupon] = await coupon_rows(stand.database, shared)
    asked = [CouponUse(coupon["id"], promotion_id, is_shared=True)]
    members = [await stand.member() for _ in range(4)]
    orders = [await reserve(stand, member, [], asked) for member in members]
    assert await held(stand.database, promotion_id) == [("coupon", 1)] * 4
    await release(stand, orders[0])
    await stand.database.transact(lambda db: service.retake(db, orders[0], members[0]))
    assert await held(stand.database, promotion_id) == [("coupon", 1)] * 4
    [coupon] = await coupon_rows(stand.database, shared)
    assert (coupon["state"], coupon["order_id"]) == ("shared", None)


async def test_the_table_itself_refuses_more_than_the_limit(stand: Stand) -> None:
    promotion_id = await promoted(stand, (await stand.shop()).id)
    ann = await stand.member("ann")
    await limited(stand, promotion_id, uses_max=1)
    await reserve(stand, ann, [use(promotion_id, uses_max=1)])
    with pytest.raises(IntegrityError):
        await stand.database.transact(
            lambda db: quotas.give_back(
                db, [{"promotion_id": promotion_id, "slot": "uses", "amount": 2}]
            )
        )
    assert await taken(stand.database, promotion_id) == {"uses": 1}
