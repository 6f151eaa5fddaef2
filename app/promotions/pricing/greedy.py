"""A quick choice of sets: those that gain most for their units first, limits respected."""

from collections.abc import Mapping, Sequence

from app.promotions.pricing.components import SetOffer
from app.promotions.pricing.item_layer import Mode, UnitSet
from app.promotions.pricing.taken import Picks, saving_of

Picked = list[tuple[SetOffer, Mode, Picks]]
Open = tuple[SetOffer, Mode]


def greedy_picks(
    offers: Sequence[SetOffer], prices: Mapping[int, int], left: Mapping[int, int]
) -> Picked:
    """What each offer takes; a ladder whose step is not met steps down, or gives way."""
    open_ = [(offer, list(offer.modes)) for offer in offers if offer.modes]
    while True:
        modes = [(offer, rest[-1]) for offer, rest in open_ if rest]
        picked = _by_density(modes, prices, left)
        unmet = [
            offer.promotion.id
            for (offer, mode), picks in zip(modes, picked, strict=True)
            if picks and sum(times for _, times in picks) < mode.times_min
        ]
        if not unmet:
            return [(*row, picks) for row, picks in zip(modes, picked, strict=True) if picks]
        open_ = [
            (offer, rest[:-1] if offer.promotion.id in unmet else rest)
            for offer, rest in open_
            if rest
        ]


def _by_density(
    modes: Sequence[Open], prices: Mapping[int, int], left: Mapping[int, int]
) -> list[list[tuple[UnitSet, int]]]:
    rows = []
    for place, (offer, mode) in enumerate(modes):
        for one in mode.sets:
            cost = sum([prices[i] * n for i, n in one.units])
            gain = one.saving_amount - cost
            if gain > 0:
                size = sum([n for _, n in one.units])
                rows.append((-gain * 1_000 // size, offer.promotion.id.int, one.units, place, one))
    rows.sort(key=lambda row: row[:3])
    stock = dict(left)
    picked: list[list[tuple[UnitSet, int]]] = [[] for _ in modes]
    for _, _, _, place, one in rows:
        times = _times(modes[place], picked[place], one, (prices, stock))
        if times:
            picked[place].append((one, times))
            for i, n in one.units:
                stock[i] -= n * times
    return picked


def _times(
    open_: Open,
    picks: list[tuple[UnitSet, int]],
    one: UnitSet,
    at: tuple[Mapping[int, int], Mapping[int, int]],
) -> int:
    """How often the set fits and still gains, the caps considered."""
    prices, stock = at
    offer, mode = open_
    times = min([stock[i] // n for i, n in one.units])
    if mode.times_max is not None:
        times = min(times, mode.times_max - sum([n for _, n in picks]))
    if times <= 0 or (one.saving_max_amount is None and offer.saving_max_amount is None):
        return max(times, 0)
    cost = sum([prices[i] * n for i, n in one.units])
    rooms = [cap for cap in (one.saving_max_amount,) if cap is not None]
    if offer.saving_max_amount is not None:
        rooms.append(offer.saving_max_amount - saving_of(offer, picks))
    # The last one may save less than the others; it is taken where that still pays.
    full, rest = divmod(min(rooms), one.saving_amount)
    return min(times, full + (rest > cost))
