"""What an operator says about a promotion, and what contradicts itself or the shop in it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.core.money import BASIS_POINTS
from app.promotions.errors import BadPromotion
from app.promotions.models import PromotionKind
from app.promotions.rules.mechanics import conditions_of, mechanic

# Prices and near misses are worked out over all of them at each quote.
LIVE_MAX = 500
LIMIT_NAMES = ("uses_max", "member_uses_max", "budget_amount")

_WANTED_AND_FORBIDDEN = (
    ("product_ids", "product_ids_none"),
    ("variant_ids", "variant_ids_none"),
    ("category_ids", "category_ids_none"),
    ("tags_any", "tags_none"),
    ("tags_all", "tags_none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionWish:
    """What an operator says about a promotion; documents as they are stored, or with sets in them.

    `currency` is only compared with the shop's: amounts that were meant in another are refused.
    """

    name_zh: str
    name_en: str
    rule: Mapping[str, Any]
    match: Mapping[str, Sequence[str]]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int | None] = field(default_factory=dict)
    needs_coupon: bool = False
    exclusive: bool = False
    stacking_group: str | None = None
    priority: int = 0
    currency: str | None = None

    @property
    def kind(self) -> PromotionKind:
        """The rule names the kind."""
        return PromotionKind(self.rule["kind"])

    def stored(self) -> dict[str, Any]:
        """The columns that it fills."""
        values = {**asdict(self), "kind": self.kind}
        del values["currency"]
        values["rule"] = plain(self.rule)
        values["match"] = said(self.match)
        values["conditions"] = said(self.conditions)
        values["limits"] = {name: self.limits.get(name) for name in LIMIT_NAMES}
        return values


@dataclass(frozen=True, slots=True)
class ShopLimits:
    """What of a shop a promotion may contradict."""

    currency: str
    allow_free_orders: bool
    shipping_flat_amount: int
    discount_cap_bp: int


def plain(value: Any, name: str = "") -> Any:
    """A document as it is stored: sets as sorted lists, ids as texts, matches without gaps."""
    if isinstance(value, Mapping):
        document = {key: plain(part, key) for key, part in value.items()}
        return said(document) if name == "match" else document
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, UUID | str) else value


def said(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a document asks for, in one order: what is empty, absent or false asks for nothing."""
    found = {name: plain(value, name) for name, value in sorted(document.items())}
    return {name: sorted(v) if name in _SETS else v for name, v in found.items() if v}


_SETS = frozenset(
    {name for pair in _WANTED_AND_FORBIDDEN for name in pair}
    | {"community_ids", "audience_ids", "roles", "channels"}
    | {"member_tags_any", "member_tags_all", "member_tags_none"}
)


def check_wish(wish: PromotionWish, shop: ShopLimits) -> None:
    """Refuse a promotion that could never apply, has no name, or gives away what may not be."""
    for name, text in (("name_zh", wish.name_zh), ("name_en", wish.name_en)):
        if not text.strip():
            raise BadPromotion(reason="name_missing", field=name)
    if wish.currency is not None and wish.currency != shop.currency:
        raise BadPromotion(reason="currency", currency=shop.currency)
    if wish.starts_at and wish.ends_at and wish.starts_at >= wish.ends_at:
        raise BadPromotion(reason="window")
    _check_match(wish.match)
    _check_rule(plain(wish.rule))
    try:
        conditions_of(said(wish.conditions))
    except ValueError as error:
        raise BadPromotion(reason="conditions", detail=str(error)) from error
    if _gives_all_away(wish) and not _may_be_free(shop):
        raise BadPromotion(reason="free_orders")


def _may_be_free(shop: ShopLimits) -> bool:
    is_capped = shop.discount_cap_bp < BASIS_POINTS
    return shop.allow_free_orders or shop.shipping_flat_amount > 0 or is_capped


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


def _contradicts(name: str, wanted: set[str], forbidden: set[str]) -> bool:
    if name == "tags_all":
        return not wanted.isdisjoint(forbidden)
    # Forbidding some of several alternatives narrows; forbidding all of them leaves nothing.
    return bool(wanted) and wanted.issubset(forbidden)


# What bounds a discount of everything.
_CAPS = ("units_max", "line_off_max_amount", "order_off_max_amount", "off_max_amount")
_GIVE_AWAY = frozenset({PromotionKind.PERCENT_OFF, PromotionKind.SPEND_THRESHOLD})


def _gives_all_away(wish: PromotionWish) -> bool:
    """Whether any basket costs nothing; one that depends on the basket is judged at checkout."""
    if wish.kind not in _GIVE_AWAY or any(wish.match.values()):
        return False
    rule = wish.rule
    if any(rule.get(name) is not None for name in _CAPS):
        return False
    parts = [rule, *(rule.get("tiers") or ()), *(rule.get("ladder") or ())]
    return any(part.get("off_bp") == BASIS_POINTS for part in parts)
