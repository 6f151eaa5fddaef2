"""Previews: what a promotion would do to baskets, told by the engine, without a trace."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from app.catalog.models import Shop, ShopStatus, Variant
from app.core.sql import table
from app.promotions.rules.drafts import DRAFT_ID
from app.promotions.service import previews
from tests.conftest import rows_in
from tests.factories import Caller, Stand, statements
from tests.orders.market import problem
from tests.promotions.giving import limited, promoted

FULL = {"kind": "spend_threshold", "tiers": [{"threshold_amount": 20_000, "off_amount": 2_000}]}
TENTH = {"kind": "percent_off", "off_bp": 1_000}


class Booth:
    """A shop with three goods, its owner, and short ways to ask."""

    def __init__(self, stand: Stand, shop_id: UUID, owner: Caller, goods: list[UUID]) -> None:
        self.stand, self.shop_id, self.owner, self.goods = stand, shop_id, owner, goods

    @property
    def path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}/promotions/previews"

    async def preview(self, rule: Any = None, **more: Any) -> Any:
        body = {"promotion": draft(rule, **more.pop("draft", {}))} if rule else {}
        before = await rows_in(self.stand.database)
        answer = await self.owner.post(self.path, {**body, **more})
        assert answer.status_code == 200, answer.text
        assert await rows_in(self.stand.database) == before
        return answer.json()

    def basket(self, *quantities: int) -> list[dict[str, Any]]:
        rows = zip(self.goods, quantities, strict=False)
        return [{"variant_id": str(v), "quantity": n} for v, n in rows if n]


def draft(rule: Any, **more: Any) -> dict[str, Any]:
    return {"name_zh": "试试", "name_en": "Try", "rule": rule, **more}


@pytest.fixture
async def booth(stand: Stand) -> Booth:
    shop = await stand.shop(shipping_flat_amount=600)
    prices = ((9_900, 5_700), (4_500, 2_000), (1_300, 900))
    goods = [
        (await stand.goods(shop.id, units=500, list_amount=price, cost_amount=cost)).id
        for price, cost in prices
    ]
    return Booth(stand, shop.id, await stand.as_owner(shop.id), goods)


def told(shown: Any) -> list[tuple[str, int, int, int]]:
    return [
        (
            one["reason"],
            one["subtotal_amount"],
            one["without_promotion"]["pay_amount"],
            one["with_promotion"]["pay_amount"],
        )
        for one in shown["baskets"]
    ]


async def test_baskets_around_a_threshold_are_made_of_the_shops_goods(booth: Booth) -> None:
    shown = await booth.preview(FULL)
    assert shown["promotion_id"] == str(DRAFT_ID)
    assert (shown["currency"], shown["policy"], shown["at"]) == (
        "CNY",
        "best_for_buyer",
        "2026-06-18T04:00:00Z",
    )
    # 2 x 9900; 3 x 4500 and 5 x 1300; 4500 and 12 x 1300: no sum lies between.
    assert told(shown) == [
        ("below", 19_800, 20_400, 20_400),
        ("at", 20_000, 20_600, 18_600),
        ("above", 20_100, 20_700, 18_700),
        ("twice", 40_000, 40_600, 38_600),
    ]
    for one in shown["baskets"]:
        assert one["threshold"] == {"amount": 20_000, "units": 0, "is_gross": False}
        assert one["is_in_stock"]
        line = {row["variant_id"]: row["quantity"] for row in one["basket"]}
        whole = dict(zip(booth.goods, (9_900, 4_500, 1_300), strict=True))
        assert sum(whole[UUID(v)] * n for v, n in line.items()) == one["subtotal_amount"]


async def test_a_price_tells_list_pay_off_and_margin(booth: Booth) -> None:
    shown = await booth.preview(FULL, baskets=[booth.basket(2, 1)])
    [one] = shown["baskets"]
    assert one["reason"] == "given"
    plain, cheaper = one["without_promotion"], one["with_promotion"]
    names = ("list_amount", "pay_amount", "off_amount", "margin_amount", "shipping_amount")
    assert [plain[name] for name in names] == [24_900, 24_900, 0, 10_900, 600]
    assert [cheaper[name] for name in names] == [24_900, 22_900, 2_000, 8_900, 600]
    assert [(row["promotion_id"], row["names"]["en"]) for row in cheaper["applied"]] == [
        (str(DRAFT_ID), "Try")
    ]
    assert sum(a["amount"] for line in cheaper["lines"] for a in line["adjustments"]) == 2_000
    assert cheaper["optimality"] == "proven"


async def test_below_cost_and_unknown_costs_are_said(booth: Booth) -> None:
    unknown = await booth.stand.goods(booth.shop_id, units=1, list_amount=500)
    rule = {"kind": "percent_off", "off_bp": 4_000}
    baskets = [booth.basket(1, 1, 0), [{"variant_id": str(unknown.id), "quantity": 1}]]
    first, second = (await booth.preview(rule, baskets=baskets))["baskets"]
    # 5940 and 2700 against 5700 and 2000; a tenth more takes the first below.
    assert first["with_promotion"]["below_cost_variant_ids"] == []
    assert first["with_promotion"]["margin_amount"] == 940
    assert second["with_promotion"]["margin_amount"] is None
    deeper = await booth.preview({"kind": "percent_off", "off_bp": 5_000}, baskets=baskets[:1])
    [one] = deeper["baskets"]
    assert one["with_promotion"]["below_cost_variant_ids"] == [str(booth.goods[0])]
    assert one["without_promotion"]["below_cost_variant_ids"] == []


async def test_live_promotions_are_kept_away_lost_to_or_never_met(booth: Booth) -> None:
    match = {"variant_ids": [str(booth.goods[0])]}
    tenth = await promoted(booth.stand, booth.shop_id, rule=TENTH, match=match)
    half = await promoted(
        booth.stand,
        booth.shop_id,
        rule={"kind": "percent_off", "off_bp": 5_000},
        match={"variant_ids": [str(booth.goods[1])]},
    )
    alone = await promoted(
        booth.stand,
        booth.shop_id,
        rule={"kind": "amount_off", "per": "order", "off_amount": 1},
        exclusive=True,
    )
    rule = {"kind": "percent_off", "off_bp": 2_000}
    baskets = [booth.basket(1), booth.basket(0, 1), booth.basket(0, 0, 1)]
    shown = await booth.preview(rule, baskets=baskets)
    found = {(c["promotion_id"], c["kind"], c["code"]): c["baskets"] for c in shown["conflicts"]}
    assert found == {
        (str(tenth), "keeps_away", "lost_to_better"): [0],
        (str(half), "loses_to", "lost_to_better"): [1],
        (str(alone), "keeps_away", "lost_to_better"): [2],
        (str(alone), "may_not_meet", "exclusive"): [],
    }
    pays = [
        (b["without_promotion"]["pay_amount"], b["with_promotion"]["pay_amount"])
        for b in shown["baskets"]
    ]
    assert pays == [(9_510, 8_520), (2_850, 2_850), (1_899, 1_640)]


async def test_a_stored_one_is_tried_in_any_status(booth: Booth) -> None:
    live = await promoted(booth.stand, booth.shop_id, rule=TENTH)
    shown = await booth.preview(promotion_id=str(live), baskets=[booth.basket(1)])
    [one] = shown["baskets"]
    assert shown["promotion_id"] == str(live)
    assert (one["without_promotion"]["pay_amount"], one["with_promotion"]["pay_amount"]) == (
        10_500,
        9_510,
    )
    path = booth.path.removesuffix("/previews")
    made = (await booth.owner.post(path, draft(TENTH))).json()
    both = await booth.preview(promotion_id=made["id"], baskets=[booth.basket(1)])
    [one] = both["baskets"]
    assert one["without_promotion"]["pay_amount"] == one["with_promotion"]["pay_amount"] == 9_510
    assert [c["kind"] for c in both["conflicts"]] == ["loses_to"]


async def test_the_buyer_is_assumed_to_have_what_is_asked_for(booth: Booth) -> None:
    conditions = {
        "nth_order": 3,
        "member_tags_any": ["hiker", "baker"],
        "member_tags_none": ["baker"],
        "roles": ["kol"],
        "channels": ["web", "app"],
        "hours": [{"weekdays": [6], "from_minute": 600}],
    }
    asked = {"draft": {"conditions": conditions, "needs_coupon": True}}
    shown = await booth.preview(TENTH, baskets=[booth.basket(1)], **asked)
    # The frozen Thursday is passed over: Saturday, ten o'clock in Shanghai.
    assert (shown["at"], shown["channel"]) == ("2026-06-20T02:00:00Z", "app")
    assert shown["buyer"] == {
        "paid_orders": 2,
        "tags": ["hiker"],
        "community_ids": [],
        "roles": [{"community_id": None, "role": "kol"}],
        "audience_ids": [],
        "is_known": True,
    }
    [one] = shown["baskets"]
    assert one["with_promotion"]["off_amount"] == 990


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"buyer": {"is_known": False}}, "sign_in"),
        ({"buyer": {"paid_orders": 1}}, "new_buyers_only"),
        ({"at": "2026-06-17T00:00:00Z"}, "not_started"),
        ({"at": "2026-06-20T00:00:00Z"}, "outside_hours"),
    ],
)
async def test_what_is_said_of_the_buyer_and_the_moment_counts(
    booth: Booth, more: dict[str, Any], code: str
) -> None:
    conditions = {"new_buyers_only": True, "hours": [{"weekdays": [1, 2, 3, 4, 5]}]}
    more |= {"draft": {"conditions": conditions, "starts_at": "2026-06-19T00:00:00Z"}}
    shown = await booth.preview(TENTH, **{"at": "2026-06-19T00:00:00Z", **more})
    for one in shown["baskets"]:
        [row] = one["with_promotion"]["not_applied"]
        assert (row["promotion_id"], row["code"]) == (str(DRAFT_ID), code)


async def test_an_add_on_is_chosen_and_tells_what_it_feels_like(booth: Booth) -> None:
    cup = str(booth.goods[1])
    tier = {"threshold_amount": 9_900, "price_amount": 100, "variant_ids": [cup]}
    shown = await booth.preview({"kind": "add_on", "tiers": [tier]})
    rows = {one["reason"]: one for one in shown["baskets"]}
    assert told(shown)[1] == ("at", 9_900, 15_000, 10_600)
    assert rows["at"]["basket"][-1] == {
        "variant_id": cup,
        "quantity": 1,
        "add_on_id": str(DRAFT_ID),
    }
    [item] = rows["at"]["with_promotion"]["add_on_items"]
    assert (item["felt_return"], item["true_discount"]) == ([4_400, 100], [4_400, 14_400])
    assert rows["below"]["with_promotion"]["pay_amount"] == told(shown)[0][1] + 600 + 4_500
    given = [*booth.basket(2), {"variant_id": cup, "quantity": 1, "add_on_id": str(DRAFT_ID)}]
    [one] = (await booth.preview({"kind": "add_on", "tiers": [tier]}, baskets=[given]))["baskets"]
    assert one["with_promotion"]["pay_amount"] == 19_800 + 100 + 600


async def test_gifts_and_free_shipping_cost_the_shop(booth: Booth) -> None:
    gift = {"kind": "gift", "threshold_amount": 9_000, "variant_id": str(booth.goods[2])}
    [one] = (await booth.preview(gift, baskets=[booth.basket(1)]))["baskets"]
    before, after = one["without_promotion"], one["with_promotion"]
    assert [(g["variant_id"], g["quantity"]) for g in after["gifts"]] == [(str(booth.goods[2]), 1)]
    assert before["margin_amount"] - after["margin_amount"] == 900
    free = {"kind": "free_shipping", "threshold_amount": 9_000}
    [one] = (await booth.preview(free, baskets=[booth.basket(1)]))["baskets"]
    before, after = one["without_promotion"], one["with_promotion"]
    assert before["margin_amount"] - after["margin_amount"] == 600
    assert [row["amount"] for row in after["shipping_adjustments"]] == [600]


async def test_a_gift_that_is_gone_is_out_of_stock(booth: Booth) -> None:
    gift = {"kind": "gift", "variant_id": str(booth.goods[2])}
    live = await promoted(booth.stand, booth.shop_id, kind="gift", rule=gift)
    variants = table(Variant)
    here = sa.update(variants).where(variants.c.id == booth.goods[2])
    gone = here.values(archived_at=booth.stand.now)
    await booth.stand.database.transact(lambda db: db.execute(gone))
    basket = booth.basket(1)
    [one] = (await booth.preview(promotion_id=str(live), baskets=[basket]))["baskets"]
    wish = {"shop_id": str(booth.shop_id), "lines": basket}
    quoted = await booth.owner.client.post("/v1/quotes", json=wish)
    assert quoted.status_code == 200, quoted.text
    for told in (one["with_promotion"], quoted.json()):
        assert told["gifts"] == []
        assert [row["code"] for row in told["not_applied"]] == ["gift_out_of_stock"]


@pytest.mark.parametrize(
    "stored",
    [
        {"rule": {"kind": "percent_off", "off_bp": 0}},
        {"rule": {"kind": "percent_off", "off_bp": 999.5}},
        {"rule": []},
        {"match": ["apples"]},
        {"match": {"tags_any": "apples"}},
        {"conditions": "none"},
        {"conditions": {"channels": "web"}},
        {"limits": [1]},
        {"limits": {"uses_max": "1"}},
    ],
)
async def test_a_stored_one_that_cannot_be_read_is_refused(
    booth: Booth, stored: dict[str, Any]
) -> None:
    broken = await promoted(booth.stand, booth.shop_id, **stored)
    before = await rows_in(booth.stand.database)
    answer = await booth.owner.post(booth.path, {"promotion_id": str(broken)})
    assert problem(answer, 409, "bad_promotion")["params"]["reason"] == "broken"
    assert await rows_in(booth.stand.database) == before


async def test_limits_that_are_not_stored_yet_are_whole(booth: Booth) -> None:
    limits = {"uses_max": 1, "member_uses_max": 1, "budget_amount": 150}
    rule = {"kind": "amount_off", "per": "order", "off_amount": 500}
    baskets = [booth.basket(1)]
    [one] = (await booth.preview(rule, baskets=baskets, draft={"limits": limits}))["baskets"]
    assert one["with_promotion"]["off_amount"] == 150
    spent = await promoted(booth.stand, booth.shop_id, rule=rule)
    await limited(booth.stand, spent, budget_amount=150)
    [one] = (await booth.preview(promotion_id=str(spent), baskets=baskets))["baskets"]
    assert one["with_promotion"]["off_amount"] == 150


async def test_a_paused_shop_may_look_ahead(booth: Booth) -> None:
    pause = sa.update(table(Shop)).values(status=ShopStatus.PAUSED)
    await booth.stand.database.transact(lambda db: db.execute(pause))
    assert (await booth.preview(TENTH))["baskets"]


async def test_what_could_not_be_saved_or_sold_is_refused(booth: Booth) -> None:
    falling = {
        "kind": "spend_threshold",
        "tiers": [
            {"threshold_amount": 200, "off_amount": 20},
            {"threshold_amount": 100, "off_amount": 30},
        ],
    }
    before = await rows_in(booth.stand.database)
    answer = await booth.owner.post(booth.path, {"promotion": draft(falling)})
    assert problem(answer, 409, "bad_promotion")["params"]["reason"] == "rule"
    unknown = [[{"variant_id": str(booth.shop_id), "quantity": 1}]]
    answer = await booth.owner.post(booth.path, {"promotion": draft(TENTH), "baskets": unknown})
    problem(answer, 404, "variant_not_found")
    chosen = [*booth.basket(1), {**booth.basket(1)[0], "add_on_id": str(DRAFT_ID)}]
    answer = await booth.owner.post(booth.path, {"promotion": draft(TENTH), "baskets": [chosen]})
    problem(answer, 409, "add_on_not_offered")
    problem(await booth.owner.post(booth.path, {"promotion_id": str(DRAFT_ID)}), 404, "not_found")
    for body in (
        {},
        {"promotion": draft(TENTH), "promotion_id": str(DRAFT_ID)},
        {"promotion": draft(TENTH), "baskets": [[]]},
        {"promotion": draft(TENTH), "baskets": [booth.basket(1)] * 21},
        {"promotion": draft(TENTH), "baskets": [[chosen[1]]]},
        {"promotion": draft(TENTH), "baskets": [[*chosen, chosen[1]]]},
        {"promotion": draft(TENTH), "baskets": [booth.basket(9_999) * 2]},
    ):
        problem(await booth.owner.post(booth.path, body), 422, "validation_failed")
    assert await rows_in(booth.stand.database) == before


async def test_statements_depend_on_neither_baskets_nor_goods(booth: Booth) -> None:
    async def count(**more: Any) -> int:
        body = {"promotion": draft(FULL), **more}
        with statements(booth.stand.database) as seen:
            assert (await booth.owner.post(booth.path, body)).status_code == 200
        return len(seen)

    few = await count(baskets=[booth.basket(1)])
    many = [booth.basket(n, n, n) for n in range(1, 21)]
    for _ in range(5):
        await promoted(booth.stand, booth.shop_id, rule=TENTH)
    assert await count(baskets=many) == few
    made = await count()
    for _ in range(5):
        await booth.stand.goods(booth.shop_id, units=3, list_amount=777)
    assert await count() == made
    assert made <= 12


async def test_nothing_on_sale_that_matches_makes_no_basket(booth: Booth) -> None:
    shown = await booth.preview(TENTH, draft={"match": {"tags_any": ["nowhere"]}})
    assert shown["baskets"] == []


async def test_nothing_is_held_while_a_preview_is_thought_about(
    booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight previews that wait their turn would keep every connection that buyers read by."""
    pool, held = booth.stand.database.reader.pool, []

    async def think(work: Any) -> Any:
        held.append(pool.checkedout())  # type: ignore[attr-defined]
        return work(lambda: False)

    monkeypatch.setattr(previews, "think", think)
    await booth.preview(FULL)
    assert held == [0, 0]
