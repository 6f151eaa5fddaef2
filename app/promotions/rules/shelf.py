"""A shop's goods as a promotion sees them: which of them it touches, asks for and offers."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.catalog.rules import Goods, GoodsAsked, Stocked
from app.promotions.models import PromotionKind
from app.promotions.pricing.basket import BasketLine
from app.promotions.pricing.match import LineIndex
from app.promotions.rules.mechanics import match_of

Document = Mapping[str, Any]
# Their `match` says what qualifies; they take nothing off the goods that do.
GIVING = frozenset({PromotionKind.ADD_ON, PromotionKind.GIFT})
_NAMED = ("product_ids", "variant_ids", "category_ids")
_IDS = frozenset(_NAMED)


def unit_amount(goods: Goods) -> int:
    """What a unit costs before any promotion: its price alone, where it is sold in groups too."""
    return goods.list_amount if goods.solo_amount is None else goods.solo_amount


def offered(rule: Document) -> frozenset[UUID]:
    """The variants that an add-on or a gift gives; none for other mechanics."""
    if rule["kind"] == PromotionKind.GIFT:
        return frozenset({UUID(rule["variant_id"])})
    if rule["kind"] != PromotionKind.ADD_ON:
        return frozenset()
    return frozenset(UUID(v) for tier in rule["tiers"] for v in tier["variant_ids"])


def named(rule: Document, match: Document) -> dict[str, list[UUID]]:
    """Every product, variant and category that a promotion names, wanted or forbidden."""
    matches = [match, *(part["match"] for part in rule.get("parts", ()))]
    found = {
        name: {UUID(v) for m in matches for key in (name, f"{name}_none") for v in m.get(key, ())}
        for name in _NAMED
    }
    found["variant_ids"] |= offered(rule)
    return {name: sorted(ids) for name, ids in found.items()}


def asked(rule: Document, match: Document) -> list[GoodsAsked]:
    """What to ask the catalogue for, so that all goods a promotion touches are in the answer."""
    matches = [part["match"] for part in rule.get("parts", ())] or [match]
    return [_asked(one) for one in matches]


def _asked(match: Document) -> GoodsAsked:
    wanted = {name: match.get(name, ()) for name in GoodsAsked.__dataclass_fields__}
    sets: dict[str, Any] = {
        name: frozenset(map(UUID, values) if name in _IDS else values)
        for name, values in wanted.items()
    }
    return GoodsAsked(**sets)


class Shelf:
    """Goods in a row, and an index that tells which of them a match accepts."""

    def __init__(self, goods: Sequence[Stocked]) -> None:
        """Put them in a row."""
        self.goods = goods
        self._index = LineIndex([_line(one.goods) for one in goods])

    def mask(self, *matches: Document) -> int:
        """Those that all the matches accept, one bit each."""
        mask = (1 << len(self.goods)) - 1
        for match in matches:
            mask &= self._index.mask(match_of(match))
        return mask

    def chosen(self, mask: int) -> list[Stocked]:
        """Those with their bit set."""
        return [one for place, one in enumerate(self.goods) if mask >> place & 1]

    def parts(self, rule: Document, match: Document) -> list[int]:
        """What fits each part of a bundle; what the match accepts for other mechanics."""
        parts = rule.get("parts")
        if not parts:
            return [self.mask(match)]
        return [self.mask(match, part["match"]) for part in parts]

    def touched(self, rule: Document, match: Document) -> int:
        """What the promotion may take something off, or asks for."""
        mask = 0
        for part in self.parts(rule, match):
            mask |= part
        return mask


def _line(goods: Goods) -> BasketLine:
    return BasketLine(
        key=str(goods.variant_id),
        variant_id=goods.variant_id,
        product_id=goods.product_id,
        category_ids=goods.category_ids,
        tags=goods.tags,
        quantity=1,
        list_amount=goods.list_amount,
        floor_amount=goods.floor_amount,
    )
