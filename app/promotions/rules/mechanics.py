"""From rules, matches and conditions as they are stored to what the engine prices with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.promotions.models import PromotionKind
from app.promotions.pricing.add_on import AddOn, AddOnTier
from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.bundle import Bundle, BundlePart
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.conditions import NOTHING_ASKED, Conditions, Hours, Minimum
from app.promotions.pricing.gift import Gift
from app.promotions.pricing.match import EVERYTHING, Match
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.pricing.percent_off_order import PercentOffOrder
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.shipping import FreeShipping, ShippingOff
from app.promotions.pricing.spend_threshold import SpendThreshold, Tier

_AMOUNT_OFF: Mapping[str, Callable[..., Promotion]] = {
    "unit": AmountOffUnit,
    "line": AmountOffLine,
    "order": AmountOffOrder,
}


def _percent_off(
    *, per: str = "unit", ladder: Sequence[Mapping[str, int]] = (), **fields: Any
) -> Promotion:
    if per not in ("unit", "order"):
        raise ValueError("a percentage is off each unit or off the order")
    if per == "unit":
        return PercentOff(ladder=tuple(LadderStep(**step) for step in ladder), **fields)
    if ladder or any(fields.pop(name, None) is not None for name in _OF_UNITS):
        raise ValueError("ladders and limits of units are for a percentage off each unit")
    off_bp, most = fields.pop("off_bp", None), fields.pop("order_off_max_amount", None)
    return PercentOffOrder(off_bp=off_bp or 0, off_max_amount=most, **fields)


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


def _add_on(*, tiers: Sequence[Mapping[str, Any]], **fields: Any) -> Promotion:
    said = tuple(
        AddOnTier(**{**tier, "variant_ids": frozenset(map(UUID, tier["variant_ids"]))})
        for tier in tiers
    )
    return AddOn(tiers=said, **fields)


def _gift(*, variant_id: str, **fields: Any) -> Promotion:
    return Gift(variant_id=UUID(variant_id), **fields)


_MAKERS: Mapping[PromotionKind, Callable[..., Promotion]] = {
    PromotionKind.PERCENT_OFF: _percent_off,
    PromotionKind.AMOUNT_OFF: _amount_off,
    PromotionKind.BUY_N_GET_M: BuyNGetM,
    PromotionKind.BUNDLE: _bundle,
    PromotionKind.SPEND_THRESHOLD: _spend_threshold,
    PromotionKind.ADD_ON: _add_on,
    PromotionKind.GIFT: _gift,
    PromotionKind.FREE_SHIPPING: FreeShipping,
    PromotionKind.SHIPPING_OFF: ShippingOff,
}
assert _MAKERS.keys() == set(PromotionKind), "every kind has a mechanic"
_OF_UNITS = ("units_max", "line_off_max_amount")
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


_AS_STORED = (
    "starts_at",
    "ends_at",
    "needs_coupon",
    "exclusive",
    "stacking_group",
    "priority",
)


def promotion_of(stored: Mapping[str, Any], *, id: UUID, version: int) -> Promotion:  # noqa: A002
    """What the engine prices with, of a promotion as it is stored; ValueError if it refuses it."""
    return mechanic(
        stored["rule"],
        id=id,
        version=version,
        match=match_of(stored["match"]),
        conditions=conditions_of(stored["conditions"]),
        **{name: stored[name] for name in _AS_STORED},
    )


_ID_CONDITIONS = frozenset({"community_ids", "audience_ids"})


def conditions_of(stored: Mapping[str, Any]) -> Conditions:
    """The conditions as they are stored; ValueError for some that the engine refuses."""
    if not stored:
        return NOTHING_ASKED
    made = {name: _condition(name, value) for name, value in stored.items()}
    return Conditions(**made)


def _condition(name: str, value: Any) -> Any:
    if name == "hours":
        return tuple(Hours(**{**one, "weekdays": frozenset(one["weekdays"])}) for one in value)
    if name == "minimum":
        return Minimum(**value)
    if isinstance(value, list | tuple | frozenset | set):
        return frozenset(map(UUID, map(str, value)) if name in _ID_CONDITIONS else value)
    return value


def fault_of(rule: Any, match: Any, conditions: Any, limits: Any) -> str | None:
    """What is wrong with a promotion's documents as they are stored, or None.

    Rows outlive versions of the product, and hands reach into databases: quotes leave out what is
    broken, and a shop goes on selling.
    """
    try:
        _check_shapes(rule, match, conditions, limits)
        _check_numbers([rule, match, conditions, limits])
        mechanic(rule, id=UUID(int=0), version=1)
        match_of(match)
        conditions_of(conditions)
        _check_limits(limits)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


# Everything else that a condition may be is a list, and all lists but hours are of texts.
_SINGLE_CONDITIONS = frozenset({"new_buyers_only", "nth_order", "minimum", "units_min"})


def _check_shapes(*documents: Any) -> None:
    if not all(isinstance(one, Mapping) for one in documents):
        raise TypeError("every document is an object")
    rule, match, conditions, _ = documents
    for one in (match, *(part["match"] for part in rule.get("parts", ()))):
        if not isinstance(one, Mapping):
            raise TypeError("every match is an object")
        for value in one.values():
            _check_texts(value)
    for name in conditions.keys() - _SINGLE_CONDITIONS:
        if name == "hours":
            _check_list(conditions[name])
        else:
            _check_texts(conditions[name])


def _check_list(value: Any) -> None:
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError("what there may be several of is a list")


def _check_texts(value: Any) -> None:
    _check_list(value)
    if not all(isinstance(one, str | UUID) for one in value):
        raise TypeError("what goods, buyers and channels go by are texts")


def _check_limits(limits: Mapping[str, Any]) -> None:
    if not all(value is None or isinstance(value, int) for value in limits.values()):
        raise TypeError("limits are whole numbers")
    if any(value is not None and value < 1 for value in limits.values()):
        raise ValueError("a limit leaves something")


_FLAGS = frozenset({"new_buyers_only", "repeat"})


def _check_numbers(document: Any) -> None:
    """A fraction, or true for one, would go on through the engine's whole numbers."""
    if isinstance(document, bool | float):
        raise TypeError(f"{document} is no whole number")
    if isinstance(document, Mapping):
        if not all(isinstance(document[name], bool) for name in _FLAGS & document.keys()):
            raise TypeError("a flag is true or false")
        document = [value for name, value in document.items() if name not in _FLAGS]
    if isinstance(document, list):
        for part in document:
            _check_numbers(part)
