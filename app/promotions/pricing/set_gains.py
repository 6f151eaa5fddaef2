"""What sets could gain at most when every unit has a price: bounds, and the units behind them.

A gain is the saving less the prices of the units it takes. Nothing here asks whether other
promotions want the units too: the prices do that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.promotions.pricing.components import SetOffer
from app.promotions.pricing.item_layer import Mode, Parts, UnitSet
from app.promotions.pricing.units import UnitType

Amounts = Mapping[int, int]
Wanted = dict[int, int]
NOTHING: tuple[int, Wanted] = (0, {})


@dataclass(frozen=True, slots=True)
class Piece:
    """A set that may be taken `count` times, saving so much and giving up `cost` each time."""

    one: UnitSet
    saving: int
    cost: int
    count: int

    @property
    def gain(self) -> int:
        """What one more is worth."""
        return self.saving - self.cost


@dataclass(frozen=True, slots=True)
class Room:
    """How much of a mode is still open: so many times, and so much to save."""

    times_min: int
    times_max: int
    saving_max_amount: int | None


def offer_gain(
    offer: SetOffer, types: Sequence[UnitType], prices: Amounts, left: Amounts
) -> tuple[int, Wanted]:
    """The most the offer could gain in any of its modes, and the units it would take for it."""
    best = NOTHING
    for mode in offer.modes:
        found = _mode_gain(offer, mode, types, prices, left)
        if found[0] > best[0]:
            best = found
    return best


def _mode_gain(
    offer: SetOffer, mode: Mode, types: Sequence[UnitType], prices: Amounts, left: Amounts
) -> tuple[int, Wanted]:
    by_parts = None
    if offer.parts is not None:
        by_parts = _parts_gain(offer.parts, mode.times_max, types, (prices, left))
        if by_parts[0] <= 0 or not offer.is_whole:
            return by_parts
    times_max = sum(left[i] for i in offer.type_indexes)
    if mode.times_max is not None:
        times_max = min(times_max, mode.times_max)
    room = Room(mode.times_min, times_max, offer.saving_max_amount)
    listed = pieces_gain(pieces(mode.sets, prices, left), room)
    return by_parts if by_parts is not None and by_parts[0] <= listed[0] else listed


def pieces(sets: Sequence[UnitSet], prices: Amounts, left: Amounts) -> list[Piece]:
    """The sets that still fit, those with a cap divided where it cuts."""
    found = []
    for one in sets:
        times = min([left[i] // n for i, n in one.units])
        if not times:
            continue
        cost = sum([prices[i] * n for i, n in one.units])
        saving, cap = one.saving_amount, one.saving_max_amount
        if cap is None or saving * times <= cap:
            found.append(Piece(one, saving, cost, times))
            continue
        full, rest = divmod(cap, saving)
        for part, count in ((saving, full), (rest, 1), (0, times - full - 1)):
            if count > 0:
                found.append(Piece(one, part, cost, count))
    return found


def pieces_gain(rows: Sequence[Piece], room: Room) -> tuple[int, Wanted]:
    """The most that so many of the pieces could gain, each by itself."""
    ranked = sorted(rows, key=lambda piece: -piece.gain)
    total, times, wanted = 0, 0, Wanted()
    for piece in ranked:
        needed = room.times_min - times
        most = room.times_max - times
        count = min(piece.count, most if piece.gain > 0 else min(needed, most))
        if count <= 0:
            break
        total += piece.gain * count
        times += count
        _want(wanted, piece.one, count)
    if total <= 0 or times < room.times_min:
        return NOTHING
    if room.saving_max_amount is not None:
        capped = _capped_gain(rows, room.saving_max_amount)
        if capped[0] < total:
            return capped
    return total, wanted


def _capped_gain(rows: Sequence[Piece], cap: int) -> tuple[int, Wanted]:
    """The same when no more than the cap can be saved, however many are taken.

    Each minor unit of the cap is given the price that the piece which reaches it sets. Any price
    makes a bound, so the order may be rough.
    """
    paying = [piece for piece in rows if piece.gain > 0]
    paying.sort(key=lambda piece: (piece.cost << 32) // piece.saving)
    saved, wanted = 0, Wanted()
    last = None
    for piece in paying:
        count = min(piece.count, -((saved - cap) // piece.saving))
        saved += piece.saving * count
        _want(wanted, piece.one, count)
        last = piece
        if saved >= cap:
            break
    if last is None or saved < cap:
        return sum(piece.gain * piece.count for piece in paying), wanted
    beyond = sum(
        max(last.cost * piece.saving - piece.cost * last.saving, 0) * piece.count
        for piece in paying
    )
    return (last.gain * cap + beyond) // last.saving, wanted


def _want(wanted: Wanted, one: UnitSet, times: int) -> None:
    for i, n in one.units:
        wanted[i] = wanted.get(i, 0) + n * times


def _parts_gain(
    parts: Parts, limit: int | None, types: Sequence[UnitType], at: tuple[Amounts, Amounts]
) -> tuple[int, Wanted]:
    """The most that whole sets could gain, each part filled with the best units by itself."""
    prices, left = at
    slots = []
    for fits, quantity in parts.slots:
        rows = [(types[i].price_amount - prices[i], left[i], i) for i in fits if left[i]]
        rows.sort(key=lambda row: (-row[0], row[2]))
        slots.append((rows, quantity))
    times = min([sum([n for _, n, _ in rows]) // quantity for rows, quantity in slots])
    if limit is not None:
        times = min(times, limit)
    taken = _sets_worth(slots, parts.price_amount, times)
    if not taken:
        return NOTHING
    total, wanted = -parts.price_amount * taken, Wanted()
    for rows, quantity in slots:
        open_units = quantity * taken
        for worth, n, i in rows:
            count = min(n, open_units)
            if not count:
                break
            total += worth * count
            wanted[i] = wanted.get(i, 0) + count
            open_units -= count
    return (total, wanted) if total > 0 else NOTHING


Slots = Sequence[tuple[Sequence[tuple[int, int, int]], int]]


def _sets_worth(slots: Slots, price: int, times_max: int) -> int:
    """How many sets gain each for itself: the worth of the next one only ever falls."""
    low, high = 0, times_max
    while low < high:
        middle = (low + high + 1) >> 1
        if sum([_worth_of(rows, quantity, middle) for rows, quantity in slots]) > price:
            low = middle
        else:
            high = middle - 1
    return low


def _worth_of(rows: Sequence[tuple[int, int, int]], quantity: int, nth: int) -> int:
    """What the units of the nth set are worth, the best ones being in the sets before."""
    start, end = quantity * (nth - 1), quantity * nth
    reached = total = 0
    for worth, n, _ in rows:
        overlap = min(end, reached + n) - max(start, reached)
        if overlap > 0:
            total += worth * overlap
        reached += n
        if reached >= end:
            break
    return total
