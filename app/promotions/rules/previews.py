"""Baskets to try a promotion on: around each of its thresholds, of goods that the shop sells."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from app.catalog.rules import Goods, Stocked, Wanted
from app.core.money import LINES_MAX, QUANTITY_MAX
from app.promotions.models import PromotionKind
from app.promotions.pricing.conditions import Conditions, Minimum
from app.promotions.rules.baskets import AddOnWish
from app.promotions.rules.shelf import Document, Shelf, offered, unit_amount
from app.promotions.rules.sums import Sums

BASKETS_MAX = 20
# Of very many goods, those of so many prices are combined.
PRICES_MAX = 24
# One line is left for what is chosen from an add-on.
GOODS_MAX = LINES_MAX - 1

TrialReason = Literal[
    "given", "below", "at", "above", "twice", "cheapest", "dearest", "two_units", "mix"
]
_RANKS: Mapping[TrialReason, int] = {"at": 0, "below": 1, "above": 2, "twice": 3}
_OFF_UNITS = frozenset({PromotionKind.PERCENT_OFF, PromotionKind.AMOUNT_OFF})

Units = Mapping[UUID, int]


@dataclass(frozen=True, slots=True)
class Threshold:
    """So much of the matching goods, or so many units of them; the other is 0.

    `is_gross` counts list prices. `tier` is that of an add-on.
    """

    amount: int = 0
    units: int = 0
    is_gross: bool = False
    tier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBasket:
    """Goods to price, and why these: where they stand to a threshold, by codes that stay.

    `subtotal_amount` and `units` are those of the goods that match, before any promotion.
    """

    reason: TrialReason
    lines: tuple[Wanted, ...]
    add_ons: tuple[AddOnWish, ...] = ()
    threshold: Threshold | None = None
    subtotal_amount: int | None = None
    units: int | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What baskets are made for: a promotion as it is stored, and goods on sale."""

    promotion_id: UUID
    rule: Document
    match: Document
    conditions: Conditions
    goods: Sequence[Stocked]
    given: Sequence[Stocked]


def baskets_for(trial: Trial) -> list[TrialBasket]:
    """At most 20 baskets; none where nothing on sale matches."""
    found = _of_bundle(trial) if trial.rule["kind"] == PromotionKind.BUNDLE else _of_goods(trial)
    return _chosen([_with_add_on(basket, trial) for basket in found])


def _chosen(found: Sequence[TrialBasket]) -> list[TrialBasket]:
    """Each basket once, those at and below the thresholds before all others."""
    ranked = sorted(enumerate(found), key=lambda row: (_RANKS.get(row[1].reason, 4), row[0]))
    kept: dict[object, int] = {}
    for place, basket in ranked:
        goods = sorted((line.variant_id, line.quantity) for line in basket.lines)
        kept.setdefault((tuple(goods), basket.add_ons), place)
    return [found[place] for place in sorted(list(kept.values())[:BASKETS_MAX])]


# -- thresholds


def thresholds_of(rule: Document, conditions: Conditions) -> list[Threshold]:
    """The amounts and counts that a promotion asks for, its bundle's parts aside."""
    amounts = [(tier["threshold_amount"], n) for n, tier in enumerate(rule.get("tiers", ()))]
    amounts = amounts or [(rule.get("threshold_amount", 0), 0)]
    least = conditions.minimum
    if least is not None and least.basis == "running":
        amounts = [(max(amount, least.amount), tier) for amount, tier in amounts]
    found = [Threshold(amount=amount, tier=tier) for amount, tier in amounts if amount]
    if least is not None and least.basis == "gross":
        found.append(Threshold(amount=least.amount, is_gross=True))
    found += [Threshold(units=units) for units in sorted(set(_counts(rule, conditions)))]
    return found


def _counts(rule: Document, conditions: Conditions) -> Iterator[int]:
    if "buy" in rule:
        yield rule["buy"] + rule["get"]
    yield from (step["units"] for step in rule.get("ladder") or ())
    if PromotionKind(rule["kind"]) in _OFF_UNITS and rule.get("units_max"):
        yield rule["units_max"]
    if conditions.units_min is not None:
        yield conditions.units_min


# -- goods that match


def _of_goods(trial: Trial) -> Iterator[TrialBasket]:
    pool = _pool(trial)
    if not pool:
        return
    thresholds = thresholds_of(trial.rule, trial.conditions)
    for threshold in thresholds:
        make = _around_amount if threshold.amount else _around_count
        yield from make(pool, threshold, trial.conditions)
    if not thresholds or PromotionKind(trial.rule["kind"]) in _OFF_UNITS:
        yield from _samples(pool)


def _pool(trial: Trial) -> list[Goods]:
    """Goods that match, the cheapest first: those in stock, where there are any."""
    shelf = Shelf([one for one in trial.goods if one.is_on_sale])
    goods = [one.goods for one in shelf.chosen(shelf.mask(trial.match))]
    # What an add-on or a gift gives does not qualify for it where it is chosen or given.
    own = offered(trial.rule)
    goods = [one for one in goods if one.variant_id not in own] or goods
    goods = [one for one in goods if one.available > 0] or goods
    return sorted(goods, key=lambda one: (unit_amount(one), one.variant_id))


def _amount_of(*, is_gross: bool) -> Callable[[Goods], int]:
    return (lambda goods: goods.list_amount) if is_gross else unit_amount


def _around_amount(
    pool: Sequence[Goods], threshold: Threshold, conditions: Conditions
) -> Iterator[TrialBasket]:
    """The nearest sums that the prices make: below it, at it or just above, the next, twice."""
    price_of = _amount_of(is_gross=threshold.is_gross)
    by_price = {price: one for one in reversed(pool) if (price := price_of(one)) > 0}
    if not by_price:
        return
    prices = _spread(sorted(by_price, reverse=True))
    sums = Sums(prices, 2 * (threshold.amount + prices[-1]))
    at = sums.at_least(threshold.amount)
    wanted: dict[TrialReason, int | None] = {
        "below": sums.at_most(threshold.amount - 1),
        "at": at,
        "above": at and sums.at_least(at + 1),
        "twice": sums.at_least(2 * threshold.amount),
    }
    for reason, amount in wanted.items():
        if amount is not None:
            counts = sums.units(amount)
            units: Units = {by_price[price].variant_id: n for price, n in counts.items()}
            least = conditions.units_min or 0 if reason != "below" else 0
            units = _filled_up(units, pool, least)
            if sum(units.values()) >= least:
                yield _basket(reason, units, pool, threshold)


def _spread(prices: Sequence[int]) -> Sequence[int]:
    """At most so many of them, from the first to the last."""
    last, most = len(prices) - 1, PRICES_MAX - 1
    if last <= most:
        return prices
    return [prices[place * last // most] for place in range(PRICES_MAX)]


def _filled_up(units: Units, pool: Sequence[Goods], least: int) -> Units:
    """With units of the cheapest goods, until there are so many, or no line is left."""
    filled, missing = dict(units), least - sum(units.values())
    for goods in pool:
        if missing <= 0 or len(filled) == GOODS_MAX:
            break
        more = min(missing, QUANTITY_MAX - filled.get(goods.variant_id, 0))
        if more:
            filled[goods.variant_id] = filled.get(goods.variant_id, 0) + more
            missing -= more
    return filled


def _around_count(
    pool: Sequence[Goods], threshold: Threshold, conditions: Conditions
) -> Iterator[TrialBasket]:
    """One unit of the dearest, the others of the cheapest that meet a minimum with it."""
    count = threshold.units
    wanted: dict[TrialReason, int] = {
        "below": count - 1,
        "at": count,
        "above": count + 1,
        "twice": 2 * count,
    }
    fitting = _from_minimum_on(pool, count, conditions.minimum)
    for reason, number in wanted.items():
        if number > 0:
            units = _filled_up({pool[-1].variant_id: 1}, fitting, number)
            if sum(units.values()) == number:
                yield _basket(reason, units, pool, threshold)


def _from_minimum_on(pool: Sequence[Goods], count: int, minimum: Minimum | None) -> Sequence[Goods]:
    if minimum is None:
        return pool
    price_of = _amount_of(is_gross=minimum.basis == "gross")
    rest = minimum.amount - price_of(pool[-1])
    first = (n for n, one in enumerate(pool) if price_of(one) * (count - 1) >= rest)
    return pool[next(first, len(pool) - 1) :]


def _samples(pool: Sequence[Goods]) -> Iterator[TrialBasket]:
    cheapest, dearest = pool[0].variant_id, pool[-1].variant_id
    yield _basket("cheapest", {cheapest: 1}, pool)
    yield _basket("dearest", {dearest: 1}, pool)
    yield _basket("two_units", {dearest: 2}, pool)
    mixed = (pool[0], pool[len(pool) // 2], pool[-1])
    yield _basket("mix", dict.fromkeys((one.variant_id for one in mixed), 1), pool)


def _basket(
    reason: TrialReason,
    units: Units,
    pool: Iterable[Goods],
    threshold: Threshold | None = None,
) -> TrialBasket:
    price_of = _amount_of(is_gross=threshold is not None and threshold.is_gross)
    prices = {one.variant_id: price_of(one) for one in pool}
    return TrialBasket(
        reason=reason,
        lines=tuple(Wanted(variant_id, count) for variant_id, count in units.items()),
        threshold=threshold,
        subtotal_amount=sum(prices[variant_id] * count for variant_id, count in units.items()),
        units=sum(units.values()),
    )


# -- sets and add-ons


def _of_bundle(trial: Trial) -> Iterator[TrialBasket]:
    """A set of the dearest goods for each part; one unit less or more, and two sets."""
    shelf = Shelf([one for one in trial.goods if one.is_on_sale])
    fitting = [shelf.chosen(mask) for mask in shelf.parts(trial.rule, trial.match)]
    if not all(fitting):
        return
    units: dict[UUID, int] = {}
    for part, goods in zip(trial.rule["parts"], fitting, strict=True):
        best = max(goods, key=_worth)
        units[best.goods.variant_id] = units.get(best.goods.variant_id, 0) + part["quantity"]
    pool = {one.goods.variant_id: one.goods for goods in fitting for one in goods}
    threshold = Threshold(units=sum(units.values()))
    last = next(reversed(units))
    short = {**units, last: units[last] - 1}
    wanted: dict[TrialReason, Units] = {
        "below": {variant_id: count for variant_id, count in short.items() if count},
        "at": units,
        "above": {**units, last: units[last] + 1},
        "twice": {variant_id: 2 * count for variant_id, count in units.items()},
    }
    for reason, counts in wanted.items():
        yield _basket(reason, counts, pool.values(), threshold)


def _worth(one: Stocked) -> tuple[bool, int, UUID]:
    return one.goods.available > 0, unit_amount(one.goods), one.goods.variant_id


def _with_add_on(basket: TrialBasket, trial: Trial) -> TrialBasket:
    """With one unit chosen of the tier that the basket is about: add-ons are opt-in."""
    if trial.rule["kind"] != PromotionKind.ADD_ON:
        return basket
    on_sale = {one.goods.variant_id for one in trial.given if one.is_on_sale}
    tier = trial.rule["tiers"][basket.threshold.tier if basket.threshold else 0]
    chosen = sorted(on_sale & {UUID(each) for each in tier["variant_ids"]})[:1]
    wishes = (AddOnWish(trial.promotion_id, variant_id, 1) for variant_id in chosen)
    return replace(basket, add_ons=tuple(wishes))
