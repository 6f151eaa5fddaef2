"""Replays: what a promotion would have done to past orders, without a trace."""

from datetime import timedelta
from importlib import import_module
from threading import get_ident
from typing import Any

import pytest
import sqlalchemy as sa

from app.catalog.models import Shop, Variant
from app.community import service as community
from app.community.rules import NewCommunity
from app.core.sql import table
from app.orders import rules
from app.orders.models import Order
from app.orders.repository import past
from app.promotions.models import CouponKind
from app.promotions.rules import trials
from app.promotions.rules.drafts import DRAFT_ID
from tests.conftest import rows_in
from tests.factories import Caller, statements
from tests.orders.market import SOLO_AMOUNT, Market, problem
from tests.promotions.giving import batch, change, coupon_rows, limited, promoted

FULL = {"kind": "spend_threshold", "tiers": [{"threshold_amount": 30_000, "off_amount": 3_000}]}
TENTH = {"kind": "percent_off", "off_bp": 1_000}


def draft(rule: Any, **more: Any) -> dict[str, Any]:
    return {"name_zh": "试试", "name_en": "Try", "rule": rule, **more}


async def replay(market: Market, rule: Any = None, **more: Any) -> Any:
    owner = await market.as_owner(market.shop_id)
    body = {"promotion": draft(rule, **more.pop("draft", {}))} if rule else {}
    before = await rows_in(market.database)
    answer = await owner.post(path(market), {**body, **more})
    assert answer.status_code == 200, answer.text
    assert await rows_in(market.database) == before
    return answer.json()


def path(market: Market) -> str:
    return f"/v1/operator/shops/{market.shop_id}/promotion-replays"


async def bought(market: Market, buyer: Caller, **more: Any) -> dict[str, Any]:
    order = await market.place(buyer, **more)
    await market.pay(buyer, order)
    return order


async def costing(market: Market, amount: int | None) -> None:
    """What a unit of the market's variant costs the shop from now on."""
    variants = table(Variant)
    here = sa.update(variants).where(variants.c.id == market.variant_id)
    await market.database.transact(lambda db: db.execute(here.values(cost_amount=amount)))


async def test_past_orders_are_priced_again_and_added_up(market: Market) -> None:
    await costing(market, 14_000)
    await market.open_shipping(500)
    buyer = await market.buyer()
    small = await bought(market, buyer)
    large = await bought(market, buyer, quantity=2)
    await market.place(buyer, quantity=3)
    shown = await replay(market, FULL)
    counted = ("orders_total", "group_orders", "is_whole", "orders_replayed", "proven_orders")
    assert [shown[name] for name in counted] == [2, 0, True, 2, 2]
    assert (shown["hits"], shown["cost_amount"], shown["costed_orders"]) == (1, 3_000, 2)
    assert (shown["cost_median_amount"], shown["cost_p90_amount"]) == (3_000, 3_000)
    plain = 3 * SOLO_AMOUNT + 2 * 500
    margin = 3 * (SOLO_AMOUNT - 14_000)
    assert shown["without_promotion"] == {
        "pay_amount": plain,
        "margin_amount": margin,
        "below_cost_orders": 0,
    }
    assert shown["with_promotion"] == {
        "pay_amount": plain - 3_000,
        "margin_amount": margin - 3_000,
        "below_cost_orders": 0,
    }
    [row] = shown["dearest_orders"]
    assert (row["order_id"], row["total_amount"], row["cost_amount"]) == (
        large["id"],
        2 * SOLO_AMOUNT + 500,
        3_000,
    )
    assert row["margin_amount"] == 2 * (SOLO_AMOUNT - 14_000) - 3_000
    assert small["total_amount"] == SOLO_AMOUNT + 500
    assert shown["promotion_id"] == str(DRAFT_ID)


async def test_prices_and_goods_are_those_of_then(market: Market) -> None:
    """Dearer, archived since, and without shipping: an order still is what it was."""
    await market.open_shipping(500)
    await bought(market, await market.buyer(), quantity=2)
    await market.open_shipping(0)
    dearer = {"list_amount": 99_000, "solo_amount": None, "archived_at": market.now}
    await market.database.transact(lambda db: db.execute(sa.update(table(Variant)).values(dearer)))
    shown = await replay(market, FULL)
    assert shown["without_promotion"]["pay_amount"] == 2 * SOLO_AMOUNT + 500
    assert shown["cost_amount"] == 3_000


async def test_below_cost_and_unknown_costs(market: Market) -> None:
    await bought(market, await market.buyer())
    unknown = await replay(market, TENTH)
    assert (unknown["costed_orders"], unknown["with_promotion"]["margin_amount"]) == (0, 0)
    await costing(market, SOLO_AMOUNT - 1_000)
    shown = await replay(market, TENTH)
    assert shown["with_promotion"]["below_cost_orders"] == 1
    assert shown["without_promotion"]["below_cost_orders"] == 0
    assert shown["with_promotion"]["margin_amount"] == 1_000 - 1_590


async def test_groups_and_what_is_paid_back_or_old_are_left_out(market: Market) -> None:
    leader, buyer = await market.buyer(), await market.buyer()
    await market.pay(leader, await market.open_group(leader))
    old = await bought(market, buyer)
    shown = await replay(market, TENTH)
    assert (shown["orders_total"], shown["group_orders"], shown["hits"]) == (1, 1, 1)
    market.clock.advance(days=3)
    gone = await bought(market, await market.buyer())
    await market.refund(await market.as_owner(market.shop_id), gone, reason="cancelled_by_shop")
    await market.work()
    shown = await replay(market, TENTH, days=1)
    assert (shown["orders_total"], shown["group_orders"], shown["hits"]) == (0, 0, 0)
    assert (shown["cost_median_amount"], shown["dearest_orders"]) == (None, [])
    shown = await replay(market, TENTH, days=4)
    # The group has failed since, and was paid back.
    assert (shown["orders_total"], shown["group_orders"]) == (1, 0)
    assert [row["order_id"] for row in shown["dearest_orders"]] == [old["id"]]


async def test_the_moment_counts_by_its_hours_but_not_by_its_window(market: Market) -> None:
    await bought(market, await market.buyer())
    market.clock.advance(days=2)
    await bought(market, await market.buyer())
    window = {"starts_at": (market.now + timedelta(days=1)).isoformat()}
    assert (await replay(market, TENTH, draft=window))["hits"] == 2
    # Placed on a Thursday and on a Saturday.
    weekend = {"conditions": {"hours": [{"weekdays": [6, 7]}]}}
    assert (await replay(market, TENTH, draft=weekend))["hits"] == 1


async def test_the_buyer_is_who_it_was_as_far_as_orders_tell(market: Market) -> None:
    buyer = await market.buyer()
    first = await bought(market, buyer)
    market.clock.advance(minutes=1)
    second = await bought(market, buyer)
    newcomers = {"conditions": {"new_buyers_only": True}}
    shown = await replay(market, TENTH, draft=newcomers)
    assert [row["order_id"] for row in shown["dearest_orders"]] == [first["id"]]
    third = {"conditions": {"nth_order": 2}}
    shown = await replay(market, TENTH, draft=third)
    assert [row["order_id"] for row in shown["dearest_orders"]] == [second["id"]]


async def test_tags_communities_and_roles_are_those_of_today(market: Market) -> None:
    hiker, other = await market.buyer(), await market.buyer()
    made = await market.database.transact(
        lambda db: community.create_community(
            db, market.shop_id, NewCommunity("山友"), now=market.now
        )
    )
    order = await bought(market, hiker)
    await bought(market, other)
    assert (await hiker.put("/v1/me/tags", {"tags": ["hiker"]})).status_code == 200
    assert (await hiker.post(f"/v1/communities/{made.id}/join")).status_code == 200
    asked = {
        "member_tags_any": ["hiker"],
        "community_ids": [str(made.id)],
        "roles": ["member"],
        "channels": ["web"],
    }
    shown = await replay(market, TENTH, draft={"conditions": asked})
    assert shown["channel"] == "web"
    assert [row["order_id"] for row in shown["dearest_orders"]] == [order["id"]]


async def test_live_promotions_compete_and_coupons_are_used_as_then(market: Market) -> None:
    fifth = await promoted(market, market.shop_id, needs_coupon=True)
    batch_id = await batch(market, market.shop_id, fifth, CouponKind.SHARED_CODE, code="FIFTH")
    assert len(await coupon_rows(market.database, batch_id)) == 1
    await bought(market, await market.buyer(), codes=["fifth"])
    plain = await bought(market, await market.buyer())
    # A coupon takes its fifth after the tenth of the item layer.
    shown = await replay(market, TENTH, draft={"stacking_group": "season"})
    costs = {row["order_id"]: row["cost_amount"] for row in shown["dearest_orders"]}
    assert costs[plain["id"]] == 1_590
    assert sorted(costs.values()) == [1_272, 1_590]
    # With a coupon of its own it would be the other one that waits.
    shown = await replay(
        market, {"kind": "percent_off", "off_bp": 3_000}, draft={"needs_coupon": True}
    )
    assert sorted(row["cost_amount"] for row in shown["dearest_orders"]) == [1_590, 4_770]
    lesser = await replay(market, TENTH, draft={"needs_coupon": True})
    assert (lesser["hits"], lesser["cost_amount"]) == (1, 1_590)


async def test_a_live_one_is_taken_out_to_see_what_it_costs(market: Market) -> None:
    live = await promoted(market, market.shop_id, rule=TENTH)
    await limited(market, live, uses_max=1)
    await bought(market, await market.buyer())
    await bought(market, await market.buyer())
    shown = await replay(market, promotion_id=str(live))
    assert (shown["hits"], shown["cost_amount"]) == (2, 2 * 1_590)
    await change(market, live, exclusive=True, priority=1)
    assert (await replay(market, promotion_id=str(live)))["hits"] == 2


async def test_gifts_and_add_ons_of_then(market: Market) -> None:
    cup = await market.goods(market.shop_id, units=9, list_amount=4_000, cost_amount=1_000)
    tier = {"price_amount": 100, "variant_ids": [str(cup.id)]}
    match = {"variant_ids": [str(market.variant_id)]}
    offer = await promoted(
        market, market.shop_id, rule={"kind": "add_on", "tiers": [tier]}, match=match
    )
    rule = {"kind": "gift", "variant_id": str(cup.id)}
    gift = await promoted(market, market.shop_id, rule=rule, match=match)
    chosen = {"promotion_id": str(offer), "variant_id": str(cup.id), "quantity": 1}
    order = await bought(market, await market.buyer(), add_ons=[chosen])
    assert order["total_amount"] == SOLO_AMOUNT + 100
    await bought(market, await market.buyer())
    shown = await replay(market, promotion_id=str(offer))
    assert (shown["hits"], shown["unlocked_orders"], shown["cost_amount"]) == (1, 2, 3_900)
    # A gift takes nothing off, and is a hit: it costs the shop its units.
    await costing(market, 1)
    shown = await replay(market, promotion_id=str(gift))
    assert (shown["hits"], shown["cost_amount"]) == (2, 0)
    given = shown["without_promotion"]["margin_amount"] - shown["with_promotion"]["margin_amount"]
    assert given == 2_000
    # Gone by now: what it offered was wanted all the same, at its own price.
    await change(market, offer, status="ended")
    shown = await replay(market, FULL)
    assert shown["without_promotion"]["pay_amount"] == 2 * SOLO_AMOUNT + 4_000


async def test_under_the_operators_order_it_may_displace_a_better_one(market: Market) -> None:

    by_priority = sa.update(table(Shop)).values(promotion_policy="priority")
    await market.database.transact(lambda db: db.execute(by_priority))
    await promoted(market, market.shop_id, rule={"kind": "percent_off", "off_bp": 5_000})
    await bought(market, await market.buyer())
    shown = await replay(market, TENTH, draft={"exclusive": True, "priority": 9})
    assert (shown["hits"], shown["cost_amount"]) == (1, 1_590 - 7_950)


async def test_statements_do_not_grow_with_orders(market: Market) -> None:
    owner = await market.as_owner(market.shop_id)

    async def count() -> int:
        with statements(market.database) as seen:
            answer = await owner.post(path(market), {"promotion": draft(TENTH)})
        assert answer.status_code == 200, answer.text
        return len(seen)

    buyers = [await market.buyer() for _ in range(5)]
    await bought(market, buyers[0])
    few = await count()
    for number in range(49):
        await bought(market, buyers[number % 5])
    assert await count() == few
    assert few <= 12
    assert (await replay(market, TENTH))["orders_replayed"] == 50


async def test_the_newest_are_looked_at_and_the_rest_is_said(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = await market.buyer()
    orders = [await bought(market, buyer) for _ in range(3)]
    monkeypatch.setattr(import_module("app.orders.service.replay"), "REPLAYED_MAX", 2)
    shown = await replay(market, TENTH)
    assert (shown["orders_total"], shown["orders_replayed"], shown["is_whole"]) == (3, 2, True)
    newest = [order["id"] for order in orders[:0:-1]]
    assert [row["order_id"] for row in shown["dearest_orders"]] == newest
    monkeypatch.setattr(past, "LOOKED_BACK_MAX", 1)
    shown = await replay(market, TENTH)
    assert (shown["orders_total"], shown["is_whole"]) == (1, False)


async def test_what_could_not_be_saved_or_is_not_there_is_refused(market: Market) -> None:
    owner = await market.as_owner(market.shop_id)
    for body, status, code in (
        ({"promotion": draft(FULL, match={"product_ids": [str(DRAFT_ID)]})}, 409, "bad_promotion"),
        ({"promotion_id": str(DRAFT_ID)}, 404, "not_found"),
        ({"promotion": draft(FULL), "days": 0}, 422, "validation_failed"),
        ({"promotion": draft(FULL), "days": 91}, 422, "validation_failed"),
        ({"days": 3}, 422, "validation_failed"),
    ):
        await market.refused(owner.post(path(market), body), status, code)
    stranger = await market.as_owner((await market.shop("other")).id)
    problem(await stranger.post(path(market), {"promotion": draft(FULL)}), 404, "not_found")


async def test_prices_are_worked_out_beside_the_event_loop(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 orders take a second or two; everybody else would wait for them."""
    await bought(market, await market.buyer())
    seen: list[int] = []

    def priced(*given: Any, **more: Any) -> Any:
        seen.append(get_ident())
        return trials.priced(*given, **more)

    monkeypatch.setattr(rules, "priced", priced)
    await replay(market, TENTH)
    assert seen
    assert get_ident() not in seen


async def test_orders_of_before_shipping_discounts_count_with_what_they_paid(
    market: Market,
) -> None:
    await market.open_shipping(500)
    await bought(market, await market.buyer())
    orders = table(Order)
    old = {"schema_version": 1, "applied": []}
    await market.database.transact(lambda db: db.execute(sa.update(orders).values(priced=old)))
    shown = await replay(market, TENTH)
    assert shown["hits"] == 1
    assert shown["without_promotion"]["pay_amount"] == SOLO_AMOUNT + 500
