"""An independent pricer of all mechanics: every unit tries every promotion, one unit at a time.

It shares nothing with the engine but the shapes of basket and promotions, and is only fit for a
handful of units.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import floor
from uuid import UUID

from app.promotions.pricing.amount_off import AmountOffLine, AmountOffOrder, AmountOffUnit
from app.promotions.pricing.basket import Basket, BasketLine
from app.promotions.pricing.bundle import Bundle
from app.promotions.pricing.buy_n_get_m import BuyNGetM
from app.promotions.pricing.percent_off import PercentOff
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.spend_threshold import SpendThreshold
from tests.promotions.pricing.brute_force import accepts, is_open, start_amount


@dataclass(frozen=True)
class Unit:
    """One piece of goods."""

    place: int
    line: BasketLine
    price: int
    room: int


Budgets = Mapping[UUID, int | None]
NO_BUDGETS: Budgets = {}
ITEM = (PercentOff, AmountOffUnit, AmountOffLine, Bundle, BuyNGetM)


def units_of(basket: Basket) -> list[Unit]:
    found: list[Unit] = []
    # Ties go to the dearer unit, then to the smaller variant id: no order of lines can matter.
    for line in sorted(basket.lines, key=lambda one: (-start_amount(basket, one), one.variant_id)):
        price = start_amount(basket, line)
        room = max(price - line.floor_amount, 0)
        found += [Unit(0, line, price, room)] * line.quantity
    return [Unit(place, one.line, one.price, one.room) for place, one in enumerate(found)]


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def spread(amount: int, units: Sequence[Unit], rooms: Sequence[int]) -> list[int]:
    """By list price, largest remainder, ties to the earlier; what one cannot take, others do."""
    given = [0] * len(units)
    while amount:
        able = [i for i, one in enumerate(units) if one.line.list_amount and given[i] < rooms[i]]
        if not able:
            break
        whole = sum(units[i].line.list_amount for i in able)
        exact = {i: Fraction(amount * units[i].line.list_amount, whole) for i in able}
        parts = {i: floor(exact[i]) for i in able}
        missing = amount - sum(parts.values())
        for i in sorted(able, key=lambda i: (parts[i] - exact[i], i))[:missing]:
            parts[i] += 1
        for i in able:
            taken = min(parts[i], rooms[i] - given[i])
            given[i] += taken
            amount -= taken
    return given


def reaches(promotion: Promotion, unit: Unit) -> bool:
    if not accepts(promotion.match, unit.line):
        return False
    if isinstance(promotion, Bundle):
        return any(accepts(part.match, unit.line) for part in promotion.parts)
    return True


def fills(bundle: Bundle, units: Sequence[Unit]) -> bool:
    """Whether these very units make one of each part."""
    slots = [part for part in bundle.parts for _ in range(part.quantity)]

    def fill(left: tuple[Unit, ...], place: int) -> bool:
        if place == len(slots):
            return not left
        return any(
            accepts(slots[place].match, one.line) and fill(left[:i] + left[i + 1 :], place + 1)
            for i, one in enumerate(left)
        )

    return len(units) == len(slots) and fill(tuple(units), 0)


def bundle_ways(bundle: Bundle, units: tuple[Unit, ...]) -> Iterator[dict[int, int]]:
    """Savings by unit for each way to make sets of all these units."""
    if not units:
        yield {}
        return
    size = sum(part.quantity for part in bundle.parts)
    first, rest = units[0], units[1:]
    for others in combinations(rest, size - 1):
        chosen = (first, *others)
        whole = sum(one.price for one in chosen)
        saving = min(whole - bundle.price_amount, sum(one.room for one in chosen))
        if saving <= 0 or not fills(bundle, chosen):
            continue
        parts = spread(saving, chosen, [one.room for one in chosen])
        mine = {one.place: part for one, part in zip(chosen, parts, strict=True)}
        for more in bundle_ways(bundle, tuple(one for one in rest if one not in others)):
            yield mine | more


def ways(
    promotion: Promotion, mine: tuple[Unit, ...], idle: Sequence[Unit], everything: Sequence[Unit]
) -> Iterator[dict[int, int]]:
    """Savings by unit for each way the promotion may treat the units it consumes.

    Units are only ever consumed where that saves something.
    """
    if isinstance(promotion, PercentOff):
        yield from percent_ways(promotion, mine)
    elif isinstance(promotion, AmountOffUnit):
        savings = {one.place: min(promotion.off_amount, one.room) for one in mine}
        if all(savings.values()) and len(mine) <= (promotion.units_max or len(mine)):
            yield savings
    elif isinstance(promotion, AmountOffLine):
        yield from line_ways(promotion, mine, everything)
    elif isinstance(promotion, Bundle):
        size = sum(part.quantity for part in promotion.parts)
        if promotion.times_max is None or len(mine) <= promotion.times_max * size:
            yield from bundle_ways(promotion, mine)
    elif isinstance(promotion, BuyNGetM):
        yield from free_ways(promotion, mine, idle)


def percent_ways(rule: PercentOff, mine: tuple[Unit, ...]) -> Iterator[dict[int, int]]:
    """The rate for so many units, each line capped, then the whole, spread by list price."""
    steps = [step.off_bp for step in rule.ladder if len(mine) >= step.units]
    off_bp = steps[-1] if steps else rule.off_bp
    if off_bp is None or (rule.units_max is not None and len(mine) > rule.units_max):
        return
    own = [min(half_up(Fraction(one.price * off_bp, 10_000)), one.room) for one in mine]
    if not all(own) and not rule.ladder:
        return
    savings = {one.place: part for one, part in zip(mine, own, strict=True)}
    for variant in {one.line.variant_id for one in mine}:
        of_line = [one for one in mine if one.line.variant_id == variant]
        savings |= capped(of_line, savings, rule.line_off_max_amount)
    savings = capped(mine, savings, rule.order_off_max_amount)
    if any(savings.values()):
        yield savings


def capped(units: Sequence[Unit], savings: dict[int, int], cap: int | None) -> dict[int, int]:
    """No more than the cap together, spread by list price, to none more than its own."""
    rooms = [savings[one.place] for one in units]
    parts = rooms if cap is None or sum(rooms) <= cap else spread(cap, units, rooms)
    return {one.place: part for one, part in zip(units, parts, strict=True)}


def line_ways(
    promotion: AmountOffLine, mine: tuple[Unit, ...], everything: Sequence[Unit]
) -> Iterator[dict[int, int]]:
    savings: dict[int, int] = {}
    for variant in {one.line.variant_id for one in mine}:
        of_line = [one for one in everything if one.line.variant_id == variant]
        if any(one not in mine for one in of_line):
            return
        saving = min(promotion.off_amount, sum(one.room for one in of_line))
        if saving <= 0:
            return
        parts = spread(saving, of_line, [one.room for one in of_line])
        savings |= {one.place: part for one, part in zip(of_line, parts, strict=True)}
    yield savings


def free_ways(
    rule: BuyNGetM, mine: tuple[Unit, ...], idle: Sequence[Unit]
) -> Iterator[dict[int, int]]:
    whole = [*mine, *(one for one in idle if reaches(rule, one))]
    times = len(whole) // (rule.buy + rule.get)
    if rule.times_max is not None:
        times = min(times, rule.times_max)
    if len(mine) != times * (rule.buy + rule.get):
        return
    cheapest = sorted(one.price for one in whole)[: times * rule.get]
    if sorted(one.price for one in mine)[: times * rule.get] != cheapest:
        return
    saving = sum(half_up(Fraction(price * rule.off_bp, 10_000)) for price in cheapest)
    saving = min(saving, sum(one.room for one in mine))
    if saving <= 0:
        return
    parts = spread(saving, mine, [one.room for one in mine])
    yield {one.place: part for one, part in zip(mine, parts, strict=True)}


def labellings(
    units: Sequence[Unit], promotions: Sequence[Promotion]
) -> Iterator[list[int | None]]:
    """Every way to give units to promotions; of like units only one order."""

    def label(place: int, so_far: list[int | None]) -> Iterator[list[int | None]]:
        if place == len(units):
            yield list(so_far)
            return
        choices: list[int | None] = [
            p for p, one in enumerate(promotions) if reaches(one, units[place])
        ]
        choices.append(None)
        alike = place and units[place - 1].line.variant_id == units[place].line.variant_id
        for choice in choices:
            if alike and _rank(choice) < _rank(so_far[-1]):
                continue
            yield from label(place + 1, [*so_far, choice])

    yield from label(0, [])


def _rank(choice: int | None) -> int:
    return 99 if choice is None else choice


def item_savings(
    units: Sequence[Unit], promotions: Sequence[Promotion], budgets: Budgets
) -> Iterator[tuple[int, ...]]:
    """Every lawful result of the item layer, as savings by unit."""
    for labels in labellings(units, promotions):
        idle = [one for one, label in zip(units, labels, strict=True) if label is None]
        yield from _combined(units, (promotions, labels, budgets), idle, 0, {})


def _combined(
    units: Sequence[Unit],
    labelled: tuple[Sequence[Promotion], Sequence[int | None], Budgets],
    idle: Sequence[Unit],
    place: int,
    so_far: dict[int, int],
) -> Iterator[tuple[int, ...]]:
    promotions, labels, budgets = labelled
    if place == len(promotions):
        yield tuple(so_far.get(one.place, 0) for one in units)
        return
    mine = tuple(one for one, label in zip(units, labels, strict=True) if label == place)
    if not mine:
        yield from _combined(units, labelled, idle, place + 1, so_far)
        return
    for way in ways(promotions[place], mine, idle, units):
        clipped = capped(mine, way, budgets.get(promotions[place].id))
        yield from _combined(units, labelled, idle, place + 1, so_far | clipped)


def order_saving(
    units: Sequence[Unit], savings: Sequence[int], promotions: Iterable[Promotion]
) -> int:
    """What the order layer takes off after the item layer."""
    left = [one.price - s for one, s in zip(units, savings, strict=True)]
    rooms = [one.room - s for one, s in zip(units, savings, strict=True)]
    decided = []
    for promotion in promotions:
        covered = [i for i, one in enumerate(units) if accepts(promotion.match, one.line)]
        bp, amount = given_at(promotion, sum(left[i] for i in covered))
        decided.append((bp == 0, promotion.id, bp, amount, covered))
    total = 0
    for _, _, bp, amount, covered in sorted(decided, key=lambda row: row[:2]):
        off = half_up(Fraction(sum(left[i] for i in covered) * bp, 10_000)) if bp else amount
        parts = spread(off, [units[i] for i in covered], [rooms[i] for i in covered])
        for i, part in zip(covered, parts, strict=True):
            left[i] -= part
            rooms[i] -= part
            total += part
    return total


def given_at(promotion: Promotion, subtotal: int) -> tuple[int, int]:
    if isinstance(promotion, AmountOffOrder):
        return 0, promotion.off_amount
    assert isinstance(promotion, SpendThreshold)
    met = [tier for tier in promotion.tiers if subtotal >= tier.threshold_amount]
    if not met:
        return 0, 0
    if promotion.repeat:
        return 0, subtotal // met[-1].threshold_amount * met[-1].off_amount
    return met[-1].off_bp, met[-1].off_amount


def least_total(
    basket: Basket, promotions: Iterable[Promotion], budgets: Budgets = NO_BUDGETS
) -> int:
    """The least this basket can cost, where promotions have no more than so much left to give."""
    usable = [one for one in promotions if is_open(one, basket)]
    units = units_of(basket)
    whole = sum(one.price for one in units) + basket.shipping_amount
    groups = [[one] for one in usable if one.exclusive]
    groups.append([one for one in usable if not one.exclusive])
    best = 0
    for group in groups:
        item = [one for one in group if isinstance(one, ITEM)]
        order = [one for one in group if not isinstance(one, ITEM)]
        for savings in set(item_savings(units, item, budgets)):
            best = max(best, sum(savings) + order_saving(units, savings, order))
    return whole - best
