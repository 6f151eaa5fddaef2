"""Refunds to the fen: what each unit of each kind of order pays back, in any order of refunds.

The shares are worked out here a second time, by a few lines that share nothing with the engine.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import pytest

from app.promotions.models import CouponKind
from tests.factories import Caller
from tests.orders.market import ADDRESS, Market, problem
from tests.orders.test_added_goods import running
from tests.orders.test_group_terms import LADDER, buyers, group_of
from tests.promotions.giving import batch, promoted

SHIPPING = 701
SHUFFLES = 2
# Odd list prices of the goods, so that every rounding shows.
PRICES = {"a": 9_999, "b": 4_503, "c": 1_301}


def spread(amount: int, units: Sequence[int]) -> list[int]:
    """An amount over units by what they cost; largest remainder, ties to the dearer."""
    whole = sum(units)
    cut = [amount * unit // whole for unit in units]
    ranks = [(-(amount * unit % whole), -unit, n) for n, unit in enumerate(units)]
    for _, _, n in sorted(ranks)[: amount - sum(cut)]:
        cut[n] += 1
    return cut


def less(amount: int, units: Sequence[int]) -> list[int]:
    """What the units cost when so much is taken off all of them."""
    return [unit - cut for unit, cut in zip(units, spread(amount, units), strict=True)]


A, B, C = PRICES["a"], PRICES["b"], PRICES["c"]


def by_line(wanted: Mapping[str, int], shares: Sequence[int]) -> dict[str, list[int]]:
    """Shares of units that stand in the order of the lines."""
    rest = list(shares)
    return {name: [rest.pop(0) for _ in range(count)] for name, count in wanted.items()}


@dataclass(frozen=True)
class Case:
    """A promotion, a basket, and what each unit of it costs in the end."""

    rule: dict[str, Any]
    wanted: dict[str, int]
    shares: dict[str, list[int]]
    shipping: int = SHIPPING
    coupon: bool = False
    add_on: dict[str, int] = field(default_factory=dict)


def off(price: int, bp: int) -> int:
    return price - (price * bp + 5_000) // 10_000


PAIR, TRIO = {"a": 2, "b": 1}, {"a": 1, "b": 1, "c": 2}
_BUNDLED = less(A + B - 13_001, [A, B])
_FULL = {"kind": "spend_threshold", "tiers": [{"threshold_amount": 17_104, "off_amount": 1_001}]}

CASES: dict[str, Case] = {
    "nothing off": Case({}, PAIR, {"a": [A, A], "b": [B]}),
    "percent off": Case(
        {"kind": "percent_off", "off_bp": 1_250},
        PAIR,
        {"a": [off(A, 1_250)] * 2, "b": [off(B, 1_250)]},
    ),
    "bundle": Case(
        {
            "kind": "bundle",
            "parts": [{"match": {"tags_any": [name]}, "quantity": 1} for name in "ab"],
            "price_amount": 13_001,
        },
        PAIR,
        {"a": [_BUNDLED[0], A], "b": [_BUNDLED[1]]},
    ),
    "buy two get one": Case(
        {"kind": "buy_n_get_m", "buy": 2, "get": 1}, PAIR, by_line(PAIR, less(B, [A, A, B]))
    ),
    "spend threshold": Case(_FULL, TRIO, by_line(TRIO, less(1_001, [A, B, C, C]))),
    "add-on": Case(
        {"kind": "add_on", "tiers": [{"threshold_amount": A, "price_amount": 100}]},
        {"a": 2},
        {"a": [A, A], "c": [100]},
        add_on={"c": 1},
    ),
    "coupon": Case(
        {"kind": "amount_off", "per": "order", "off_amount": 777},
        TRIO,
        by_line(TRIO, less(777, [A, B, C, C])),
        coupon=True,
    ),
    "free shipping": Case(
        {"kind": "free_shipping", "threshold_amount": A}, PAIR, {"a": [A, A], "b": [B]}, shipping=0
    ),
}


class Till:
    """A shop with the case's promotion, in which its basket can be bought again and again."""

    def __init__(self, market: Market, case: Case) -> None:
        self.market, self.case = market, case
        self.variants: dict[str, str] = {}
        self.basket: dict[str, Any] = {}

    async def open(self) -> "Till":
        market, case = self.market, self.case
        await market.open_shipping(SHIPPING)
        for name, price in PRICES.items():
            made = await market.product(market.shop_id, tags=[name])
            variant = await market.variant(market.shop_id, made.id, units=99, list_amount=price)
            self.variants[name] = str(variant.id)
        lines = [{"variant_id": self.variants[n], "quantity": q} for n, q in case.wanted.items()]
        self.basket = {"shop_id": str(market.shop_id), "lines": lines}
        await self._promote()
        self.buyer = await market.buyer()
        self.owner = await market.as_owner(market.shop_id)
        return self

    async def _promote(self) -> None:
        market, case = self.market, self.case
        rule = case.rule
        if case.add_on:
            [tier] = rule["tiers"]
            named = [self.variants[name] for name in case.add_on]
            rule = {**rule, "tiers": [{**tier, "variant_ids": named}]}
        if case.coupon:
            promotion = await promoted(
                market, market.shop_id, kind=rule["kind"], rule=rule, needs_coupon=True
            )
            await batch(market, market.shop_id, promotion, CouponKind.SHARED_CODE, code="TABLE")
            self.basket["codes"] = ["TABLE"]
        elif rule:
            promotion_id = await running(market, rule)
            self.basket["add_ons"] = [
                {"promotion_id": promotion_id, "variant_id": self.variants[name], "quantity": count}
                for name, count in case.add_on.items()
            ]

    async def buy(self) -> "Bought":
        quoted = (await self.buyer.post("/v1/quotes", self.basket)).json()
        wish = {**self.basket, "quote_id": quoted["quote_id"], "address": ADDRESS}
        answer = await self.buyer.post("/v1/orders", wish)
        assert answer.status_code == 201, answer.text
        order = answer.json()
        await self.market.pay(self.buyer, order)
        return Bought(self, order, self._shares_told(quoted))

    def _shares_told(self, quoted: dict[str, Any]) -> dict[str, list[int]]:
        names = {variant_id: name for name, variant_id in self.variants.items()}
        return {
            names[line["variant_id"]]: [
                run["amount"] for run in line["unit_shares"] for _ in range(run["units"])
            ]
            for line in quoted["lines"]
        }


@dataclass
class Bought:
    """A paid order, and what its units have not paid back yet, in the order they will."""

    till: Till
    order: dict[str, Any]
    left: dict[str, list[int]]
    sent: int = 0

    @property
    def line_ids(self) -> dict[str, str]:
        names = {variant_id: name for name, variant_id in self.till.variants.items()}
        return {names[line["variant_id"]]: line["id"] for line in self.order["lines"]}

    async def back(self, **more: Any) -> int:
        self.sent += 1
        reference = f"{self.order['id'][-12:]}-{self.sent}"
        made = await self.till.market.refund(self.till.owner, self.order, reference, **more)
        amount: int = made["amount"]
        return amount

    async def units_back(self, name: str, count: int = 1) -> int:
        """So many units of a line go back: exactly the next shares."""
        due = [self.left[name].pop(0) for _ in range(count)]
        lines = [{"line_id": self.line_ids[name], "quantity": count}]
        amount = await self.back(lines=lines)
        assert amount == sum(due), (name, count)
        return amount

    async def refuses_more(self) -> None:
        market, owner = self.till.market, self.till.owner
        body = {"reason": "again", "reference": f"{self.order['id'][-12:]}-more"}
        unit = {"line_id": next(iter(self.line_ids.values())), "quantity": 1}
        refusals: list[tuple[dict[str, Any], str]] = [
            ({}, "nothing_to_refund"),
            ({"amount": 1}, "nothing_to_refund"),
            ({"lines": [unit]}, "refund_exceeds_line"),
        ]
        for more, code in refusals:
            problem(
                await market.shop_does(owner, self.order, "refunds", {**body, **more}), 409, code
            )

    async def is_even(self) -> None:
        """Everything is back, to the fen, on every line."""
        market = self.till.market
        now = await market.order(self.till.buyer, self.order)
        assert (now["refund"], now["refunded_amount"]) == ("full", now["total_amount"])
        assert all(line["refunded_amount"] == line["payable_amount"] for line in now["lines"])
        assert all(line["refunded_quantity"] == line["quantity"] for line in now["lines"])


@pytest.fixture(params=CASES, ids=[name.replace(" ", "-") for name in CASES])
async def till(request: pytest.FixtureRequest, market: Market) -> Till:
    return await Till(market, CASES[request.param]).open()


async def test_every_way_back_pays_the_shares_and_nothing_is_left(till: Till) -> None:
    """Unit by unit in some orders, whole lines with amounts between, amounts alone."""
    units = [name for name, shares in till.case.shares.items() for _ in shares]
    ways = sorted(set(permutations(units)))
    few = random.Random(len(ways)).sample(ways, min(SHUFFLES, len(ways)))
    bought = [await till.buy() for _ in range(len(few) + 2)]
    for one, way in zip(bought, few, strict=False):
        await _unit_by_unit(one, way)
    await _lines_and_amounts(bought[-2])
    await _amounts_alone(bought[-1])
    await till.market.work()
    for one in bought:
        await one.is_even()
    await till.market.balanced()


async def _unit_by_unit(bought: Bought, way: Sequence[str]) -> None:
    case = bought.till.case
    assert bought.order["shipping_amount"] == case.shipping
    assert {n: sorted(s) for n, s in bought.left.items()} == {
        n: sorted(s) for n, s in case.shares.items()
    }
    paid_back = [await bought.units_back(name) for name in way]
    assert sum(paid_back) == bought.order["goods_amount"]
    if case.shipping:
        assert await bought.back() == case.shipping
    await bought.refuses_more()


async def _lines_and_amounts(bought: Bought) -> None:
    """An amount lies on lines and shipping by what they cost; the units pay what is left."""
    name = next(iter(bought.left))
    paid = [line["payable_amount"] for line in bought.order["lines"]]
    on_lines = spread(97, [*paid, bought.till.case.shipping])
    at = [line["id"] for line in bought.order["lines"]].index(bought.line_ids[name])
    assert await bought.back(amount=97) == 97
    lines = [{"line_id": bought.line_ids[name], "quantity": len(bought.left[name])}]
    assert await bought.back(lines=lines) == paid[at] - on_lines[at]
    assert await bought.back(amount=1) == 1
    assert await bought.back() == bought.order["total_amount"] - 97 - 1 - paid[at] + on_lines[at]


async def _amounts_alone(bought: Bought) -> None:
    total = bought.order["total_amount"]
    cuts = sorted(random.Random(total).sample(range(1, total), 3))
    steps = [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
    assert [await bought.back(amount=step) for step in steps] == steps


async def test_a_ladders_units_pay_what_they_cost_in_the_end(market: Market) -> None:
    """Whether the rebate is sent before the first refund or between two makes no difference."""
    market.campaign_id = await market.campaign(size=3, tiers=LADDER)
    people: list[Caller] = await buyers(market, 5)
    orders = await group_of(market, people, quantity=3)
    owner = await market.as_owner(market.shop_id)
    share = LADDER[1][1]

    async def unit(order: dict[str, Any], reference: str) -> None:
        lines = [{"line_id": order["lines"][0]["id"], "quantity": 1}]
        made = await market.refund(owner, order, reference, lines=lines)
        assert made["amount"] == share

    early, late = orders[0], orders[1]
    await unit(early, "E-1")
    await market.work()
    for n in (2, 3):
        await unit(early, f"E-{n}")
    for n in (1, 2, 3):
        await unit(late, f"L-{n}")
    await market.work()
    for buyer, order in zip(people, (early, late), strict=False):
        now = await market.order(buyer, order)
        assert (now["refund"], now["refunded_amount"]) == ("full", now["total_amount"])
        assert sorted(r["amount"] for r in now["refunds"]) == sorted(
            [share] * 3 + [now["total_amount"] - 3 * share]
        )
    await market.balanced()
