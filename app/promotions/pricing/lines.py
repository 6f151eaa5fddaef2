"""The lines of an answer: a plan's units with their adjustments and frozen shares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.core.money import BASIS_POINTS
from app.promotions.pricing.add_on import AddOn, Bargain, Chosen
from app.promotions.pricing.answer import Adjustment, QuoteLine
from app.promotions.pricing.basket import AddOnChoice, Basket, BasketLine, Points, PriceSetting
from app.promotions.pricing.plan import Plan, Use
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spread import spread
from app.promotions.pricing.units import UnitType, set_price

POINTS = "points"
DISCOUNT_CAP = "discount_cap"


@dataclass(frozen=True, slots=True)
class _Pile:
    """Like units of a line and what they cost together."""

    units: int
    amount: int


@dataclass(frozen=True, slots=True)
class _Draft:
    """A line before points: its goods, its piles, and what was taken off them."""

    key: str
    line: BasketLine
    quantity: int
    price_amount: int
    adjustments: tuple[Adjustment, ...]
    piles: tuple[_Pile, ...]
    add_on_id: UUID | None = None


def lines_of(basket: Basket, types: Sequence[UnitType], plan: Plan) -> tuple[QuoteLine, ...]:
    """The merged lines in their order, then the add-ons; points are spread over all of them."""
    drafts = [*_goods(basket, types, plan), *_add_ons(basket, plan)]
    paid = iter(_points_on([pile.amount for draft in drafts for pile in draft.piles], basket))
    return tuple(_line(draft, [next(paid) for _ in draft.piles]) for draft in drafts)


def chosen_of(basket: Basket) -> dict[UUID, dict[UUID, Chosen]]:
    """What was chosen from each add-on, by variant, at the price it has without."""
    found: dict[UUID, dict[UUID, Chosen]] = {}
    for choice in basket.add_ons:
        line = basket.offered[choice.variant_id]
        price = set_price(line, basket.price_setting)
        rows = found.setdefault(choice.promotion_id, {})
        so_far = rows[choice.variant_id].units if choice.variant_id in rows else 0
        room = max(price - line.floor_amount, 0)
        rows[choice.variant_id] = Chosen(so_far + choice.quantity, price, room)
    return found


def _line(draft: _Draft, paid: Sequence[int]) -> QuoteLine:
    shares: list[int] = []
    for pile, points in zip(draft.piles, paid, strict=True):
        shares += _even(pile.amount - points, pile.units)
    adjustments = draft.adjustments
    if any(paid):
        units = sum(p.units for p, points in zip(draft.piles, paid, strict=True) if points)
        adjustments = (*adjustments, Adjustment(None, None, POINTS, sum(paid), units))
    return QuoteLine(
        key=draft.key,
        origin="add_on" if draft.add_on_id else "goods",
        add_on_id=draft.add_on_id,
        variant_id=draft.line.variant_id,
        product_id=draft.line.product_id,
        quantity=draft.quantity,
        list_amount=draft.line.list_amount,
        price_amount=draft.price_amount,
        adjustments=adjustments,
        payable_amount=sum(shares),
        unit_share_amounts=tuple(shares),
    )


def _even(amount: int, units: int) -> list[int]:
    """Like units share alike: the first ones carry the odd minor units."""
    less, more = divmod(amount, units)
    return [less + 1] * more + [less] * (units - more)


def _points_on(amounts: Sequence[int], basket: Basket) -> list[int]:
    """What points pay of each pile, by what there is to pay."""
    points: Points | None = basket.points
    if points is None:
        return [0] * len(amounts)
    most = sum(amounts) * points.share_max_bp // BASIS_POINTS
    return spread(min(points.redeem_amount, most), [(amount, 1) for amount in amounts], amounts)


# -- goods


def _goods(basket: Basket, types: Sequence[UnitType], plan: Plan) -> Iterable[_Draft]:
    uses: dict[int, list[Use]] = {}
    for use in plan.uses:
        uses.setdefault(use.type_index, []).append(use)
    places: dict[int, list[int]] = {}
    for place, rest in enumerate(plan.rests):
        places.setdefault(rest.type_index, []).append(place)
    for unit in sorted(types, key=lambda unit: unit.position):
        own = places[unit.index]
        yield _Draft(
            unit.line.key,
            unit.line,
            unit.quantity,
            unit.price_amount,
            (
                *_set_price_adjustments(unit, basket.price_setting),
                *_item_adjustments(uses.get(unit.index, [])),
                *_order_adjustments(own, plan),
                *_given_back(own, plan),
            ),
            tuple(_pile(place, plan) for place in own),
        )


def _pile(place: int, plan: Plan) -> _Pile:
    rest, back = plan.rests[place], plan.outturn.given_back
    off = sum([row.parts[place] for row in plan.order_parts])
    more = back[place] if back else 0
    return _Pile(rest.units, rest.amount * rest.units - off + more)


def _set_price_adjustments(unit: UnitType, setting: PriceSetting) -> tuple[Adjustment, ...]:
    return _price_adjustments(unit.line, unit.price_amount, unit.quantity, setting)


def _price_adjustments(
    line: BasketLine, price_amount: int, units: int, setting: PriceSetting
) -> tuple[Adjustment, ...]:
    amount = (line.list_amount - price_amount) * units
    if amount == 0:
        return ()
    promotion_id, version = setting.source
    return (Adjustment(promotion_id, version, setting.kind, amount, units),)


def _item_adjustments(uses: Iterable[Use]) -> Iterable[Adjustment]:
    sums: dict[int, Adjustment] = {}
    for use in uses:
        if use.amount:
            known = sums.get(use.promotion.id.int)
            amount, units = (known.amount, known.units) if known else (0, 0)
            sums[use.promotion.id.int] = _adjustment(
                use.promotion, amount + use.amount, units + use.units
            )
    return sums.values()


def _order_adjustments(places: Sequence[int], plan: Plan) -> Iterable[Adjustment]:
    for row in plan.order_parts:
        amount = sum(row.parts[place] for place in places)
        if amount:
            units = sum(plan.rests[place].units for place in places if row.parts[place])
            yield _adjustment(row.promotion, amount, units)


def _given_back(places: Sequence[int], plan: Plan) -> Iterable[Adjustment]:
    back = plan.outturn.given_back
    amount = sum(back[place] for place in places) if back else 0
    if amount:
        units = sum(plan.rests[place].units for place in places if back[place])
        yield Adjustment(None, None, DISCOUNT_CAP, -amount, units)


def _adjustment(promotion: Promotion, amount: int, units: int) -> Adjustment:
    return Adjustment(promotion.id, promotion.version, promotion.kind, amount, units)


# -- add-ons


def _add_ons(basket: Basket, plan: Plan) -> Iterable[_Draft]:
    """The units of each choice: those with a token price first, the others at their own."""
    left: dict[tuple[UUID, UUID], tuple[AddOn, Bargain]] = {
        (promotion.id, one.variant_id): (promotion, one) for promotion, one in plan.bargains
    }
    taken: dict[tuple[UUID, UUID], int] = {}
    for choice in basket.add_ons:
        key = (choice.promotion_id, choice.variant_id)
        bargain = left.get(key)
        units = 0
        if bargain is not None:
            units = min(choice.quantity, bargain[1].units - taken.get(key, 0))
            taken[key] = taken.get(key, 0) + units
        yield _add_on(basket, choice, bargain if units else None, units)


def _add_on(
    basket: Basket, choice: AddOnChoice, bargain: tuple[AddOn, Bargain] | None, units: int
) -> _Draft:
    line = basket.offered[choice.variant_id]
    price = set_price(line, basket.price_setting)
    adjustments = [*_price_adjustments(line, price, choice.quantity, basket.price_setting)]
    piles = []
    if bargain is not None:
        promotion, one = bargain
        adjustments.append(_adjustment(promotion, one.saving_amount * units, units))
        piles.append(_Pile(units, one.price_amount * units))
    if choice.quantity > units:
        piles.append(_Pile(choice.quantity - units, price * (choice.quantity - units)))
    return _Draft(
        choice.key,
        line,
        choice.quantity,
        price,
        tuple(adjustments),
        tuple(piles),
        choice.promotion_id,
    )


def sums_by_origin(
    adjustments: Iterable[Adjustment],
) -> Mapping[tuple[str, UUID | None], Adjustment]:
    """Adjustments added up by the promotion, or other origin, that made them."""
    sums: dict[tuple[str, UUID | None], Adjustment] = {}
    for row in adjustments:
        origin = (row.kind, row.promotion_id)
        so_far = sums.get(origin)
        amount, units = (so_far.amount, so_far.units) if so_far else (0, 0)
        sums[origin] = Adjustment(
            row.promotion_id,
            row.promotion_version,
            row.kind,
            amount + row.amount,
            units + row.units,
        )
    return sums
