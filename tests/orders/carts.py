"""Random carts among live promotions of every kind: preview, quote and order must agree."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.catalog import service as catalog
from app.catalog.models import ProductStatus, Variant
from app.promotions.models import CouponKind
from tests.factories import Stand
from tests.orders.market import ADDRESS
from tests.promotions.giving import batch, limited, promoted

SHIPPING_AMOUNT = 600
CODE = "CARTS"
TAGS = ("hiker", "baker", "angler")
CHANNELS = (None, "web", "app")
# List, solo and floor price, and tags; odd ones, so that roundings show.
GOODS: tuple[tuple[int, int | None, int, tuple[str, ...]], ...] = (
    (9_999, None, 0, ("fruit",)),
    (4_503, None, 4_100, ("fruit", "snack")),
    (1_301, None, 0, ("snack",)),
    (19_900, 15_901, 0, ("fruit", "gift")),
    (707, None, 0, ()),
    (3_333, None, 3_333, ("snack",)),
    (2_599, None, 0, ("cosmetics",)),
    (1_999, 1_777, 0, ("tissues",)),
    (8_900, None, 0, ("cup",)),
    (51, None, 0, ("tissues", "snack")),
)
CUP, SAMPLE = 8, 6

Send = Callable[[str, Any], Awaitable[tuple[int, Any]]]


def _tagged(*tags: str) -> dict[str, list[str]]:
    return {"tags_any": list(tags)}


def _tier(amount: int, **gives: int) -> dict[str, int]:
    return {"threshold_amount": amount, **gives}


def _rules(goods: list[UUID]) -> list[dict[str, Any]]:
    """Live promotions; each overlaps with several others."""
    parts = [
        {"match": _tagged("cosmetics", "cup"), "quantity": 1},
        {"match": _tagged("tissues"), "quantity": 1},
    ]
    cup, sample = str(goods[CUP]), str(goods[SAMPLE])
    add_on = [
        {"threshold_amount": 10_000, "price_amount": 1_900, "variant_ids": [cup], "units_max": 2},
        {"threshold_amount": 30_000, "price_amount": 100, "variant_ids": [sample]},
    ]
    full = [_tier(15_000, off_amount=1_001), _tier(30_000, off_amount=3_333)]
    return [
        {"rule": {"kind": "percent_off", "off_bp": 1_250}, "match": _tagged("fruit")},
        {
            "rule": {"kind": "amount_off", "per": "unit", "off_amount": 333},
            "match": _tagged("snack"),
            "conditions": {"member_tags_any": ["hiker"]},
        },
        {"rule": {"kind": "amount_off", "per": "line", "off_amount": 777}, "match": _tagged("cup")},
        {
            "rule": {"kind": "amount_off", "per": "order", "off_amount": 500},
            "match": _tagged("snack", "tissues"),
            "conditions": {"units_min": 4, "channels": ["app"]},
        },
        {"rule": {"kind": "buy_n_get_m", "buy": 2, "get": 1}, "match": _tagged("snack")},
        {
            "rule": {"kind": "buy_n_get_m", "buy": 1, "get": 1, "off_bp": 3_300, "times_max": 2},
            "match": _tagged("fruit"),
        },
        {"rule": {"kind": "bundle", "parts": parts, "price_amount": 2_300}},
        {"rule": {"kind": "spend_threshold", "tiers": full}, "match": _tagged("fruit", "cup")},
        {
            "rule": {
                "kind": "spend_threshold",
                "tiers": [_tier(9_000, off_amount=777)],
                "repeat": True,
            },
            "stacking_group": "season",
            "conditions": {"new_buyers_only": True, "minimum": {"amount": 12_000}},
        },
        {
            "rule": {"kind": "spend_threshold", "tiers": [_tier(20_000, off_bp=700)]},
            "exclusive": True,
        },
        {"rule": {"kind": "add_on", "tiers": add_on, "units_max": 2}},
        {
            "rule": {
                "kind": "gift",
                "threshold_amount": 18_000,
                "variant_id": sample,
                "repeat": True,
                "times_max": 2,
            },
            "match": _tagged("fruit"),
        },
        {"rule": {"kind": "free_shipping", "threshold_amount": 20_000}},
        {
            "rule": {"kind": "shipping_off", "threshold_amount": 5_000, "off_amount": 233},
            "match": _tagged("snack", "cosmetics"),
        },
        {
            "rule": {"kind": "percent_off", "off_bp": 900},
            "needs_coupon": True,
            "conditions": {"minimum": {"amount": 4_000, "basis": "gross"}},
        },
        {"rule": {"kind": "percent_off", "off_bp": 2_900}, "match": _tagged("gift")},
    ]


@dataclass
class Carts:
    """The shop, what is live in it, and a way to think of carts."""

    shop_id: UUID
    goods: list[UUID]
    promotion_ids: list[UUID]
    coupon_id: UUID
    add_on_id: UUID
    rng: random.Random
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def preview_path(self) -> str:
        return f"/v1/operator/shops/{self.shop_id}/promotions/previews"

    def cart(self) -> "Cart":
        """Up to six lines of up to six units, perhaps an add-on, a coupon, a channel."""
        rng = self.rng
        lines = [(rng.choice(self.goods), rng.randint(1, 6)) for _ in range(rng.randint(1, 6))]
        chosen = []
        if rng.random() < 0.4:
            chosen = [(self.goods[rng.choice((CUP, SAMPLE))], rng.randint(1, 2))]
        tried = rng.choice(self.promotion_ids)
        tags = rng.sample(TAGS, rng.randint(0, 2))
        return Cart(self, lines, chosen, tried, tags, rng.choice(CHANNELS))


@dataclass(frozen=True)
class Cart:
    """What a buyer with these tags puts in, and the live promotion that is looked at."""

    carts: Carts
    lines: list[tuple[UUID, int]]
    chosen: list[tuple[UUID, int]]
    tried: UUID
    tags: list[str]
    channel: str | None

    def preview_wish(self) -> dict[str, Any]:
        lines = [{"variant_id": str(v), "quantity": n} for v, n in self.lines]
        add_on_id = str(self.carts.add_on_id)
        lines += [
            {"variant_id": str(v), "quantity": n, "add_on_id": add_on_id} for v, n in self.chosen
        ]
        return {
            "promotion_id": str(self.tried),
            "baskets": [lines],
            "buyer": {"tags": self.tags},
            # Where none is said, one is chosen that the promotion asks for.
            "channel": self.channel or "elsewhere",
        }

    def quote_wish(self) -> dict[str, Any]:
        wish: dict[str, Any] = {
            "shop_id": str(self.carts.shop_id),
            "lines": [{"variant_id": str(v), "quantity": n} for v, n in self.lines],
            "channel": self.channel or "elsewhere",
        }
        if self.chosen:
            add_on_id = str(self.carts.add_on_id)
            wish["add_ons"] = [
                {"promotion_id": add_on_id, "variant_id": str(v), "quantity": n}
                for v, n in self.chosen
            ]
        if self.tried == self.carts.coupon_id:
            wish["codes"] = [CODE]
        return wish

    async def differences(
        self, preview: Send, buyer: Send, *, between: Callable[[], Awaitable[None]] | None = None
    ) -> list[str]:
        """Where preview, quote and placed order do not say the same; empty where all do."""
        status, shown = await preview(self.carts.preview_path, self.preview_wish())
        assert status == 200, shown
        if between is not None:
            await between()
        status, quoted = await buyer("/v1/quotes", self.quote_wish())
        assert status == 200, quoted
        wish = {**self.quote_wish(), "quote_id": quoted["quote_id"], "address": ADDRESS}
        status, order = await buyer("/v1/orders", wish)
        assert status == 201, order
        self._note(quoted)
        tried = shown["baskets"][0]["with_promotion"]
        promise = of_quote(quoted)
        told = [("quote", name, said, promise[name]) for name, said in of_preview(tried).items()]
        told += [("order", name, promise[name], said) for name, said in of_order(order).items()]
        return [f"{of} {name}: {a} is not {b}" for of, name, a, b in told if a != b]

    def _note(self, quoted: Mapping[str, Any]) -> None:
        seen = self.carts.seen
        kinds = {row["kind"] for row in quoted["applied"]}
        kinds |= {"gift"} if quoted["gifts"] else set()
        for kind in kinds:
            seen[kind] = seen.get(kind, 0) + 1


_ADJUSTMENT = ("kind", "promotion_id", "promotion_version", "amount", "units")


def _rows(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def _lines(rows: list[dict[str, Any]]) -> list[Any]:
    names = ("origin", "variant_id", "quantity", "list_amount", "price_amount", "payable_amount")
    return [
        (line, _rows(row["adjustments"], *_ADJUSTMENT))
        for line, row in zip(_rows(rows, *names), rows, strict=True)
    ]


def _promise(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "shipping": (shown["shipping_list_amount"], shown["shipping_amount"]),
        "lines": _lines(shown["lines"]),
        "gifts": _rows(shown["gifts"], "promotion_id", "variant_id", "quantity"),
        "applied": _rows(shown["applied"], *_ADJUSTMENT),
        "not applied": _rows(shown["not_applied"], "promotion_id", "code"),
        "add-ons": _rows(
            shown["add_on_items"], "promotion_id", "variant_id", "price_amount", "missing_amount"
        ),
        "optimality": (shown["optimality"], shown["bound_amount"]),
    }


def of_preview(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a preview and a quote both tell."""
    return {"total": shown["pay_amount"], **_promise(shown)}


def of_quote(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a quote, and what an order tells besides."""
    gifts = [(*row, 0) for row in _rows(shown["gifts"], "variant_id", "quantity")]
    return {
        "total": shown["total_amount"],
        **_promise(shown),
        "to pay": (shown["goods_payable_amount"], shown["shipping_amount"]),
        "what for": _rows(shown["lines"], "variant_id", "quantity", "payable_amount") + gifts,
    }


def of_order(order: Mapping[str, Any]) -> dict[str, Any]:
    """What an order tells of its price."""
    return {
        "total": order["total_amount"],
        "to pay": (order["goods_amount"], order["shipping_amount"]),
        "what for": _rows(order["lines"], "variant_id", "quantity", "payable_amount"),
    }


async def open_carts(stand: Stand, shop_id: UUID, *, seed: int) -> Carts:
    """Goods, promotions of all kinds, limits on some of them, and one code."""
    goods = [
        (await _goods(stand, shop_id, list_amount, solo, floor, tags)).id
        for list_amount, solo, floor, tags in GOODS
    ]
    rules = _rules(goods)
    ids = [await promoted(stand, shop_id, kind=row["rule"]["kind"], **row) for row in rules]
    rows = list(zip(ids, rules, strict=True))
    coupon_id = next(id_ for id_, row in rows if "needs_coupon" in row)
    add_on_id = next(id_ for id_, row in rows if row["rule"]["kind"] == "add_on")
    # Some of them run out on the way.
    await limited(stand, ids[0], uses_max=40)
    await limited(stand, ids[1], member_uses_max=1)
    await limited(stand, ids[7], budget_amount=20_000)
    await batch(stand, shop_id, coupon_id, CouponKind.SHARED_CODE, code=CODE)
    return Carts(shop_id, goods, ids, coupon_id, add_on_id, random.Random(seed))


async def _goods(
    stand: Stand,
    shop_id: UUID,
    list_amount: int,
    solo_amount: int | None,
    floor_amount: int,
    tags: tuple[str, ...],
) -> Variant:
    made = await stand.product(shop_id, on_sale=False, tags=frozenset(tags))
    variant = await stand.variant(
        shop_id,
        made.id,
        units=1_000_000,
        list_amount=list_amount,
        solo_amount=solo_amount,
        floor_amount=floor_amount,
        cost_amount=list_amount // 2,
    )
    await stand.database.transact(
        lambda db: catalog.move_product(db, shop_id, made.id, ProductStatus.ON_SALE, now=stand.now)
    )
    return variant
