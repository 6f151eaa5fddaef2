"""Pure decisions about configured promotions: their states, contradictions, and mechanics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.money import BASIS_POINTS
from app.promotions.errors import BadPromotion, WrongPromotionStatus
from app.promotions.models import PromotionKind, PromotionStatus
from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.match import EVERYTHING, Match
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier

# Prices and near misses are worked out over all of them at each quote.
LIVE_MAX = 500

PROMOTION_MOVES: Mapping[PromotionStatus, frozenset[PromotionStatus]] = {
    PromotionStatus.DRAFT: frozenset({PromotionStatus.ACTIVE, PromotionStatus.STOPPED}),
    PromotionStatus.ACTIVE: frozenset({PromotionStatus.STOPPED}),
    # What was stopped stays as it was; a copy starts anew.
    PromotionStatus.STOPPED: frozenset(),
}
assert PROMOTION_MOVES.keys() == set(PromotionStatus), "every state has a row"
EDITABLE = (PromotionStatus.DRAFT, PromotionStatus.ACTIVE)

_WANTED_AND_FORBIDDEN = (
    ("product_ids", "product_ids_none"),
    ("variant_ids", "variant_ids_none"),
    ("category_ids", "category_ids_none"),
    ("tags_any", "tags_none"),
    ("tags_all", "tags_none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionWish:
    """What an operator says about a promotion; `rule` and `match` as they are stored."""

    name_zh: str
    name_en: str
    rule: Mapping[str, Any]
    match: Mapping[str, Sequence[str]]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    new_buyers_only: bool = False
    community_ids: Sequence[UUID] = ()
    member_tags_any: Sequence[str] = ()
    exclusive: bool = False

    @property
    def kind(self) -> PromotionKind:
        """The rule names the kind."""
        return PromotionKind(self.rule["kind"])


@dataclass(frozen=True, slots=True)
class ShopLimits:
    """What of a shop a promotion may contradict."""

    allow_free_orders: bool
    shipping_flat_amount: int


_AMOUNT_OFF: Mapping[str, Callable[..., Promotion]] = {
    "unit": AmountOffUnit,
    "line": AmountOffLine,
    "order": AmountOffOrder,
}


def _percent_off(*, ladder: Sequence[Mapping[str, int]] = (), **fields: Any) -> Promotion:
    return PercentOff(ladder=tuple(LadderStep(**step) for step in ladder), **fields)


def _amount_off(*, per: str, units_max: int | None = None, **fields: Any) -> Promotion:
    if units_max is None:
        return _AMOUNT_OFF[per](**fields)
    if per != "unit":
        raise ValueError("units_max is for an amount off each unit")
    return AmountOffUnit(units_max=units_max, **fields)


def _bundle(*, parts: Sequence[Mapping[str, Any]], **fields: Any) -> Promotion:
    said = tuple(BundlePart(match_of(part["match"]), part["quantity"]) for part in parts)
    return Bundle(parts=said, **fields)


def _spend_threshold(*, tiers: Sequence[Mapping[str, int]], **fields: Any) -> Promotion:
    return SpendThreshold(tiers=tuple(Tier(**tier) for tier in tiers), **fields)


_MAKERS: Mapping[PromotionKind, Callable[..., Promotion]] = {
    PromotionKind.PERCENT_OFF: _percent_off,
    PromotionKind.AMOUNT_OFF: _amount_off,
    PromotionKind.BUY_N_GET_M: BuyNGetM,
    PromotionKind.BUNDLE: _bundle,
    PromotionKind.SPEND_THRESHOLD: _spend_threshold,
}
assert _MAKERS.keys() == set(PromotionKind), "every kind has a mechanic"
_PERCENT_LIMITS = ("units_max", "line_off_max_amount", "order_off_max_amount")
_ID_FIELDS = frozenset(name for name in Match.__dataclass_fields__ if "_ids" in name)


def mechanic(rule: Mapping[str, Any], **fields: Any) -> Promotion:
    """What the engine prices with, of a rule as it is stored; ValueError for one it refuses."""
    said = {name: value for name, value in rule.items() if name != "kind"}
    return _MAKERS[PromotionKind(rule["kind"])](**said, **fields)


def match_of(stored: Mapping[str, Sequence[str]]) -> Match:
    """The goods of a match as it is stored, without its empty fields."""
    if not stored:
        return EVERYTHING
    sets: dict[str, Any] = {
        name: frozenset(map(UUID, values) if name in _ID_FIELDS else values)
        for name, values in stored.items()
    }
    return Match(**sets)


def check_move(status: PromotionStatus, wanted: PromotionStatus) -> None:
    """Refuse a change of status that the table of moves does not have."""
    if wanted not in PROMOTION_MOVES[status]:
        raise WrongPromotionStatus(promotion_status=status.value, wanted_status=wanted.value)


def check_editable(status: PromotionStatus) -> None:
    """Refuse to edit what was stopped."""
    if status not in EDITABLE:
        raise WrongPromotionStatus(promotion_status=status.value)


def check_wish(wish: PromotionWish, shop: ShopLimits) -> None:
    """Refuse a promotion that could never apply, has no name, or gives away what may not be."""
    for field, name in (("name_zh", wish.name_zh), ("name_en", wish.name_en)):
        if not name.strip():
            raise BadPromotion(reason="name_missing", field=field)
    if wish.starts_at and wish.ends_at and wish.starts_at >= wish.ends_at:
        raise BadPromotion(reason="window")
    _check_match(wish.match)
    _check_rule(wish.rule)
    if _gives_all_away(wish) and not (shop.allow_free_orders or shop.shipping_flat_amount):
        raise BadPromotion(reason="free_orders")


def check_not_over(ends_at: datetime | None, now: datetime) -> None:
    """Refuse to activate a promotion whose window is over."""
    if ends_at is not None and ends_at <= now:
        raise BadPromotion(reason="ended", ends_at=ends_at.isoformat())


def _check_match(match: Mapping[str, Sequence[str]]) -> None:
    for wanted, forbidden in _WANTED_AND_FORBIDDEN:
        if _contradicts(wanted, set(match.get(wanted, ())), set(match.get(forbidden, ()))):
            raise BadPromotion(reason="match", fields=[wanted, forbidden])


def _check_rule(rule: Mapping[str, Any]) -> None:
    """Refuse a rule no basket could mean, with the engine's own words for it."""
    for part in rule.get("parts", ()):
        _check_match(part["match"])
    try:
        mechanic(rule, id=UUID(int=0), version=1)
    except ValueError as error:
        raise BadPromotion(reason="rule", detail=str(error)) from error


def _contradicts(field: str, wanted: set[str], forbidden: set[str]) -> bool:
    if field == "tags_all":
        return not wanted.isdisjoint(forbidden)
    # Forbidding some of several alternatives narrows; forbidding all of them leaves nothing.
    return bool(wanted) and wanted.issubset(forbidden)


def _gives_all_away(wish: PromotionWish) -> bool:
    """Whether any basket costs nothing; one that depends on the basket is judged at checkout."""
    rule = wish.rule
    if rule["kind"] == PromotionKind.BUY_N_GET_M or any(map(rule.get, _PERCENT_LIMITS)):
        return False
    whole = [rule, *rule.get("tiers", ()), *rule.get("ladder", ())]
    return any(part.get("off_bp") == BASIS_POINTS for part in whole) and not any(
        wish.match.values()
    )
