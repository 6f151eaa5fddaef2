"""Sales below cost: found by the basket that is worst for the shop, and confirmed before they run.

What the rules foresee is held against what the engine makes of that very basket.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.catalog.models import Variant
from app.core.audit_log import AuditEntry
from app.core.sql import table
from app.promotions.errors import BelowCostUnconfirmed
from app.promotions.pricing.engine import quote
from app.promotions.rules.mechanics import promotion_of
from app.promotions.rules.shelf import Shelf
from app.promotions.rules.warnings import below_cost
from tests.factories import Stand
from tests.promotions.ground import Desk, desk
from tests.promotions.pricing.builders import NOW, basket, line
from tests.promotions.shelves import CREAM, CUP, TISSUES, goods, scene

PRICE = 1_000


def given(n: int, m: int, **more: Any) -> dict[str, Any]:
    return {"kind": "buy_n_get_m", "buy": n, "get": m, **more}


def spend(*tiers: tuple[int, int], **more: Any) -> dict[str, Any]:
    rows = [{"threshold_amount": at, "off_amount": off} for at, off in tiers]
    return {"kind": "spend_threshold", "tiers": rows, **more}


def share(*tiers: tuple[int, int], **more: Any) -> dict[str, Any]:
    rows = [{"threshold_amount": at, "off_bp": off} for at, off in tiers]
    return {"kind": "spend_threshold", "tiers": rows, **more}


def order(off_amount: int) -> dict[str, Any]:
    return {"kind": "amount_off", "per": "order", "off_amount": off_amount}


def least(amount: int, basis: str = "running") -> dict[str, Any]:
    return {"minimum": {"amount": amount, "basis": basis}}


# A rule, its conditions, the floor; the worst basket, as units of the goods at 1,000 and the price
# of something else with them; and the least that one of these units brings in it.
WORST: list[tuple[dict[str, Any], dict[str, Any], int, tuple[int, int], int]] = [
    (given(1, 1), {}, 0, (2, 0), 500),
    (given(2, 1), {}, 0, (3, 0), 666),
    (given(1, 2), {}, 0, (3, 0), 333),
    (given(1, 1, off_bp=5_000), {}, 0, (2, 0), 750),
    (given(2, 1, off_bp=3_333), {}, 0, (3, 0), 889),
    (given(1, 1), {}, 600, (2, 0), 600),
    (given(1, 1, times_max=1), {}, 0, (2, 0), 500),
    (spend((2_000, 400)), {}, 0, (2, 0), 800),
    (spend((2_000, 401)), {}, 0, (2, 0), 799),
    (spend((1_500, 300)), {}, 0, (1, 500), 800),
    (spend((500, 200)), {}, 0, (1, 0), 800),
    (spend((1_000, 100), (3_000, 600)), {}, 0, (3, 0), 800),
    (spend((1_000, 200), (3_000, 450)), {}, 0, (1, 0), 800),
    (spend((500, 100), (800, 300)), {}, 0, (1, 0), 700),
    (spend((1_000, 300)), {}, 750, (1, 0), 750),
    (spend((1_000, 300)), least(3_000), 0, (3, 0), 900),
    (spend((1_000, 300)), least(3_000, "gross"), 0, (3, 0), 900),
    (spend((1_000, 300)), {"units_min": 3}, 0, (3, 0), 900),
    (spend((1_000, 300)), {"units_min": 2}, 0, (1, 500), 800),
    (spend((600, 120), repeat=True), {}, 0, (1, 200), 800),
    (spend((600, 120), repeat=True, off_max_amount=120), {}, 0, (1, 0), 880),
    (share((2_000, 2_000)), {}, 0, (2, 0), 800),
    (share((1_000, 1_000), (3_000, 2_500)), {}, 0, (3, 0), 750),
    (share((1_000, 5_000), off_max_amount=300), {}, 0, (1, 0), 700),
    (share((2_000, 5_000), off_max_amount=300), {}, 0, (2, 0), 850),
    (order(200), {}, 0, (1, 0), 800),
    (order(200), {}, 900, (1, 0), 900),
    (order(400), least(2_000), 0, (2, 0), 800),
    (order(300), {"units_min": 2}, 0, (1, 500), 800),
]


@pytest.mark.parametrize(("rule", "asked", "floor", "worst", "brings"), WORST)
def test_the_worst_basket_is_foreseen_to_the_fen(
    rule: dict[str, Any],
    asked: dict[str, Any],
    floor: int,
    worst: tuple[int, int],
    brings: int,
) -> None:
    units, other = worst
    lines = [line(1, units, PRICE, floor_amount=floor)]
    lines += [line(2, 1, other)] if other else []
    stored = {
        **dict.fromkeys(("starts_at", "ends_at", "stacking_group")),
        **dict.fromkeys(("needs_coupon", "exclusive"), False),
        "priority": 0,
        "rule": rule,
        "match": {},
        "conditions": asked,
    }
    promotion = promotion_of(stored, id=UUID(int=1), version=1)
    found = quote(basket(*lines), [promotion], now=NOW)
    assert min(found.lines[0].unit_share_amounts) == brings
    beside = [goods(TISSUES, list_amount=other, cost_amount=None)] if other else []
    for cost, cheap in ((brings - 1, []), (brings, []), (brings + 1, [CREAM])):
        cream = goods(list_amount=PRICE, cost_amount=cost, floor_amount=floor)
        assert below_cost(scene(rule, cream, *beside, conditions=asked)) == cheap, cost
    unknown = goods(list_amount=PRICE, cost_amount=None)
    assert below_cost(scene(rule, unknown, conditions=asked)) == []


@pytest.mark.parametrize(
    ("rule", "asked", "brings"),
    [
        (given(1, 1), {}, 400),
        (order(100), {}, 700),
        (spend((1_600, 320)), {}, 640),
        # Two at the list price are asked for, and paid for alone.
        (spend((500, 320)), least(2_000, "gross"), 640),
    ],
)
def test_what_is_bought_alone_brings_its_solo_price(
    rule: dict[str, Any], asked: dict[str, Any], brings: int
) -> None:
    for cost, cheap in ((brings - 1, []), (brings, []), (brings + 1, [CREAM])):
        cream = goods(solo_amount=800, cost_amount=cost)
        assert below_cost(scene(rule, cream, conditions=asked)) == cheap, cost


@pytest.mark.parametrize(
    ("more", "asked", "earned_by"),
    [
        ({"threshold_amount": 2_000}, {}, 2_000),
        ({"threshold_amount": 2_000, "repeat": True}, {}, 2_000),
        ({"threshold_amount": 4_000, "quantity": 2}, {}, 2_000),
        ({}, least(2_000), 2_000),
        ({"threshold_amount": 1_000}, least(2_000, "gross"), 2_000),
        ({"threshold_amount": 2_000}, least(1_000), 2_000),
        ({}, {}, None),
        ({}, {"units_min": 2}, None),
    ],
)
def test_a_gift_that_costs_more_than_what_earns_it(
    more: dict[str, Any], asked: dict[str, Any], earned_by: int | None
) -> None:
    rule = {"kind": "gift", "variant_id": str(CUP), **more}
    for cost in (1_999, 2_000, 2_001, None):
        given_goods = Shelf([goods(CUP, cost_amount=cost)])
        is_dear = None not in (cost, earned_by) and (cost or 0) > (earned_by or 0)
        told = below_cost(scene(rule, goods(), given=given_goods, conditions=asked))
        assert told == ([CUP] if is_dear else []), cost


# -- asked for before it runs

HALF = spend((1_000, 500))


async def costing(office: Desk, cost_amount: int, variant_id: UUID | None = None) -> UUID:
    """Goods at 1,000 that cost so much: new ones, or those that there are."""
    if variant_id is None:
        made = await office.stand.goods(
            office.shop_id, units=5, list_amount=PRICE, cost_amount=cost_amount
        )
        return made.id
    rows = table(Variant)
    dearer = sa.update(rows).where(rows.c.id == variant_id).values(cost_amount=cost_amount)
    await office.stand.database.transact(lambda db: db.execute(dearer))
    return variant_id


@pytest.mark.parametrize(("cost", "is_asked"), [(499, False), (500, False), (501, True)])
async def test_what_has_become_dear_is_asked_for_when_it_is_resumed(
    stand: Stand, cost: int, is_asked: bool
) -> None:
    office = await desk(stand)
    cream = await costing(office, 100)
    made = await office.move("activate", await office.create(rule=HALF))
    paused = await office.move("pause", made)
    await costing(office, cost, cream)
    if is_asked:
        told = await office.refused(BelowCostUnconfirmed, office.move("resume", paused))
        assert told == {"variant_ids": [str(cream)]}
    after = await office.move("resume", paused, confirm_below_cost=is_asked)
    assert after["status"] == "live"
    assert after["below_cost_confirmed_at"] == (stand.now if is_asked else None)
    # Asked once: what was confirmed is not asked again.
    await office.move("resume", await office.move("pause", after))


async def test_resuming_over_http(stand: Stand) -> None:
    office = await desk(stand)
    cream = await costing(office, 100)
    made = await office.move("activate", await office.create(rule=HALF))
    await office.move("pause", made)
    await costing(office, 501, cream)
    owner = await stand.as_owner(office.shop_id)
    path = f"/v1/operator/shops/{office.shop_id}/promotions/{made['id']}/resume"
    for body in (None, {}, {"confirm_below_cost": False}):
        before = await office.stored()
        answer = await owner.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "below_cost_unconfirmed")
        assert await office.stored() == before
    answer = await owner.post(path, {"confirm_below_cost": True})
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    rows = table(AuditEntry)
    last = sa.select(rows.c.after).where(rows.c.action == "promotion.resumed")
    async with stand.database.reading() as db:
        noted = (await db.execute(last)).scalars().all()
    assert [set(one) for one in noted] == [{"status", "below_cost_confirmed_at"}]


async def test_a_confirmation_at_activation_holds_when_it_is_resumed(stand: Stand) -> None:
    office = await desk(stand)
    await costing(office, 501)
    draft = await office.create(rule=HALF)
    await office.refused(BelowCostUnconfirmed, office.move("activate", draft))
    made = await office.move("activate", draft, confirm_below_cost=True)
    assert made["below_cost_confirmed_at"] == stand.now
    stand.clock.advance(hours=1)
    renamed = await office.edit(await office.move("pause", made), name_en="Half")
    resumed = await office.move("resume", renamed)
    assert resumed["below_cost_confirmed_at"] == made["below_cost_confirmed_at"]


async def test_nothing_is_confirmed_where_nothing_is_below_cost(stand: Stand) -> None:
    """Whoever says so always has said nothing of what will cost more one day."""
    office = await desk(stand)
    cream = await costing(office, 100)
    made = await office.live(rule=HALF)
    assert made["below_cost_confirmed_at"] is None
    await costing(office, 501, cream)
    paused = await office.move("pause", made)
    await office.refused(BelowCostUnconfirmed, office.move("resume", paused))


async def test_a_scheduled_one_is_asked_for_what_is_edited(stand: Stand) -> None:
    office = await desk(stand)
    await costing(office, 801)
    later = {"starts_at": stand.now + timedelta(days=9)}
    made = await office.move("activate", await office.create(rule=spend((1_000, 199)), **later))
    cheap = {"rule": spend((1_000, 200))}
    await office.refused(BelowCostUnconfirmed, office.edit(made, **cheap))
    # From 2,000 on the same amount is half the share.
    far = await office.edit(made, **cheap, conditions=least(2_000))
    assert far["below_cost_confirmed_at"] is None
    await office.refused(BelowCostUnconfirmed, office.edit(far, conditions={}))
    near = await office.edit(far, conditions={}, confirm_below_cost=True)
    assert near["below_cost_confirmed_at"] == stand.now
    moved = await office.edit(near, starts_at=stand.now + timedelta(days=8))
    assert moved["below_cost_confirmed_at"] == stand.now
    again = {"rule": spend((1_000, 201))}
    await office.refused(BelowCostUnconfirmed, office.edit(moved, **again))


async def test_a_scheduled_one_is_asked_for_when_it_is_put_off(stand: Stand) -> None:
    office = await desk(stand)
    cream = await costing(office, 500)
    made = await office.live(rule=HALF, starts_at=stand.now + timedelta(days=9))
    await costing(office, 501, cream)
    put_off = {"starts_at": stand.now + timedelta(days=10)}
    await office.refused(BelowCostUnconfirmed, office.edit(made, **put_off))
    assert (await office.edit(made, name_en="Half"))["below_cost_confirmed_at"] is None
    made = (await office.stored())[0]
    after = await office.edit(made, **put_off, confirm_below_cost=True)  # type: ignore[arg-type]
    assert after["below_cost_confirmed_at"] == stand.now


async def test_a_copy_is_not_confirmed(stand: Stand) -> None:
    office = await desk(stand)
    await costing(office, 501)
    copied = await office.move("copy", await office.live(rule=HALF))
    assert copied["below_cost_confirmed_at"] is None
    await office.refused(BelowCostUnconfirmed, office.move("activate", copied))
