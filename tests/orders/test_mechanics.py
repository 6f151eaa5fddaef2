"""Each mechanic from the operator's hands to a refund: configured, quoted, ordered, paid back."""

from typing import Any

import pytest

from tests.factories import Caller
from tests.orders.market import Market

# The market's product alone costs 15900.
RULES: tuple[tuple[str, dict[str, Any], int, int], ...] = (
    ("per unit", {"kind": "amount_off", "per": "unit", "off_amount": 900}, 3, 45_000),
    ("per line", {"kind": "amount_off", "per": "line", "off_amount": 900}, 3, 46_800),
    ("order", {"kind": "amount_off", "per": "order", "off_amount": 1_000}, 3, 46_700),
    ("three for two", {"kind": "buy_n_get_m", "buy": 2, "get": 1}, 3, 31_800),
    ("second at half", {"kind": "buy_n_get_m", "buy": 1, "get": 1, "off_bp": 5_000}, 3, 39_750),
    (
        "two together",
        {"kind": "bundle", "parts": [{"match": {}, "quantity": 2}], "price_amount": 30_001},
        3,
        45_901,
    ),
    (
        "full minus",
        {
            "kind": "spend_threshold",
            "tiers": [{"threshold_amount": 47_700, "off_amount": 2_000}],
        },
        3,
        45_700,
    ),
    (
        "one unit short",
        {
            "kind": "spend_threshold",
            "tiers": [{"threshold_amount": 47_700, "off_amount": 2_000}],
        },
        2,
        31_800,
    ),
)


async def active(market: Market, owner: Caller, rule: dict[str, Any]) -> str:
    path = f"/v1/operator/shops/{market.shop_id}/promotions"
    wish = {"name_zh": "优惠", "name_en": "An offer", "rule": rule}
    made = await owner.post(path, wish)
    assert made.status_code == 201, made.text
    shown = made.json()["rule"]
    assert {name: shown[name] for name in rule if name not in {"parts", "tiers"}} == {
        name: value for name, value in rule.items() if name not in {"parts", "tiers"}
    }
    promotion_id: str = made.json()["id"]
    assert (await owner.post(f"{path}/{promotion_id}/activate")).status_code == 200
    return promotion_id


@pytest.mark.parametrize(
    ("rule", "units", "total"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
async def test_quote_order_and_refund_agree_to_the_fen(
    market: Market, rule: dict[str, Any], units: int, total: int
) -> None:
    owner = await market.as_owner(market.shop_id)
    promotion_id = await active(market, owner, rule)
    buyer = await market.buyer()
    lines = [{"variant_id": str(market.variant_id), "quantity": units}]
    basket = {"shop_id": str(market.shop_id), "lines": lines}
    quoted = (await buyer.post("/v1/quotes", basket)).json()
    assert (quoted["total_amount"], quoted["optimality"]) == (total, "proven")
    told = quoted["applied"] if total < 15_900 * units else quoted["not_applied"]
    assert promotion_id in {row["promotion_id"] for row in told}

    order = await market.place(buyer, quantity=units)
    assert order["total_amount"] == total
    await market.pay(buyer, order)
    line_id = order["lines"][0]["id"]
    back = []
    for n in range(units):
        parts = [{"line_id": line_id, "quantity": 1}]
        made = await market.refund(owner, order, f"R-{n}", lines=parts)
        back.append(made["amount"])
    assert sum(back) == total
    assert all(amount > 0 for amount in back), "each unit pays back its own share"
    await market.work()
    await market.balanced()


@pytest.mark.parametrize(
    "rule",
    [
        {
            "kind": "spend_threshold",
            "tiers": [
                {"threshold_amount": 200, "off_amount": 20},
                {"threshold_amount": 100, "off_amount": 30},
            ],
        },
        {"kind": "spend_threshold", "tiers": [{"threshold_amount": 100}]},
        {"kind": "spend_threshold", "tiers": [{"threshold_amount": 100, "off_amount": 101}]},
        {"kind": "bundle", "parts": [{"match": {}, "quantity": 1}], "price_amount": 1},
    ],
    ids=["falling", "nothing off", "more than all", "a bundle of one"],
)
async def test_a_rule_that_defeats_itself_is_refused_at_save(
    market: Market, rule: dict[str, Any]
) -> None:
    owner = await market.as_owner(market.shop_id)
    path = f"/v1/operator/shops/{market.shop_id}/promotions"
    wish = {"name_zh": "优惠", "name_en": "An offer", "rule": rule}
    document = await market.refused(owner.post(path, wish), 409, "bad_promotion")
    assert document["params"]["reason"] == "rule"


async def test_a_group_order_meets_none_of_them(market: Market) -> None:
    owner = await market.as_owner(market.shop_id)
    made = {await active(market, owner, rule) for _, rule, _, _ in RULES[:7]}
    buyer = await market.buyer()
    lines = [{"variant_id": str(market.variant_id), "quantity": 1}]
    basket = {"shop_id": str(market.shop_id), "lines": lines}
    group = {"open": str(market.campaign_id)}
    quoted = (await buyer.post("/v1/quotes", {**basket, "group": group})).json()
    assert quoted["total_amount"] == 9_900
    denied = {
        r["promotion_id"] for r in quoted["not_applied"] if r["code"] == ("denied_by_price_setting")
    }
    assert denied == made
