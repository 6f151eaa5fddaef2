"""Refunds of random orders in random ways, beside a small book of their own that must agree.

The book knows the rules of docs/api.md and nothing of the code: it prices kept goods by hand, and
says of every refund what it comes to on each line.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PRICES = {"a": 9_999, "b": 4_503, "c": 1_301}
SHIPPING = 701
Units = Mapping[str, int]


def _list_price(units: Units) -> int:
    return sum(PRICES[name] * count for name, count in units.items())


def _percent(units: Units) -> int:
    """12.5 % off each unit of a, half a fen rounding up."""
    off = (PRICES["a"] * 1_250 + 5_000) // 10_000
    return _list_price(units) - off * units.get("a", 0)


def _full(units: Units) -> int:
    whole = _list_price(units)
    return whole - (3_333 if whole >= 30_000 else 1_001 if whole >= 17_104 else 0)


def _every_full(units: Units) -> int:
    """777 off every full 9,000."""
    whole = _list_price(units)
    return whole - 777 * (whole // 9_000)


def _sets(units: Units) -> int:
    """An a and a b for 13,001 together, and 1,001 off from 17,104 on what is left: the better."""
    saving = PRICES["a"] + PRICES["b"] - 13_001
    found = []
    for sets in range(min(units.get("a", 0), units.get("b", 0)) + 1):
        cost = _list_price(units) - saving * sets
        found.append(cost - (1_001 if cost >= 17_104 else 0))
    return min(found)


def _third_free(units: Units) -> int:
    """Of every three units one is free, the cheapest of all."""
    each = sorted(PRICES[name] for name, count in units.items() for _ in range(count))
    return sum(each[len(each) // 3 :])


_TIER = {"threshold_amount": 17_104, "off_amount": 1_001}
_BUNDLE = {
    "kind": "bundle",
    "parts": [{"match": {"tags_any": [name]}, "quantity": 1} for name in "ab"],
    "price_amount": 13_001,
}
Offer = tuple[Callable[[Units], int], Sequence[dict[str, Any]]]
OFFERS: Mapping[str, Offer] = {
    "nothing off": (_list_price, ()),
    "percent": (
        _percent,
        [{"rule": {"kind": "percent_off", "off_bp": 1_250}, "match": {"tags_any": ["a"]}}],
    ),
    "full": (
        _full,
        [
            {
                "rule": {
                    "kind": "spend_threshold",
                    "tiers": [_TIER, {"threshold_amount": 30_000, "off_amount": 3_333}],
                }
            }
        ],
    ),
    "every full": (
        _every_full,
        [
            {
                "rule": {
                    "kind": "spend_threshold",
                    "tiers": [{"threshold_amount": 9_000, "off_amount": 777}],
                    "repeat": True,
                }
            }
        ],
    ),
    "third free": (_third_free, [{"rule": {"kind": "buy_n_get_m", "buy": 2, "get": 1}}]),
    "sets": (_sets, [{"rule": _BUNDLE}, {"rule": {"kind": "spend_threshold", "tiers": [_TIER]}}]),
}


def portions(amount: int, weights: Sequence[int]) -> list[int]:
    """By weight; fen that are left over go where the largest fractions were, the earlier first."""
    whole = sum(weights)
    if not whole:
        return [0 for _ in weights]
    found = [amount * weight // whole for weight in weights]
    ranked = sorted(range(len(weights)), key=lambda n: (-(amount * weights[n] % whole), n))
    for n in ranked[: amount - sum(found)]:
        found[n] += 1
    return found


@dataclass
class Book:
    """What an order may still pay back; lines by name, in the order of the order's lines."""

    shares: dict[str, list[int]]
    is_repriced: bool
    price: Callable[[Units], int]
    shipping: int
    left: dict[str, int] = field(default_factory=dict)
    withheld: int = 0
    paid_back: int = 0

    def __post_init__(self) -> None:
        """Nothing is paid back yet."""
        self.left = {name: sum(shares) for name, shares in self.shares.items()}

    @property
    def kept(self) -> dict[str, int]:
        """Units that were not refunded."""
        return {name: len(shares) for name, shares in self.shares.items()}

    @property
    def rest(self) -> int:
        """All that may still be paid back."""
        return sum(self.left.values()) + self.shipping

    def units_back(self, wanted: Units, shipping: int = 0) -> tuple[dict[str, int], int]:
        """What units and shipping come to, by line, and what is withheld of it; not yet taken."""
        by_line = {n: min(sum(self.shares[n][:q]), self.left[n]) for n, q in wanted.items()}
        delta = self._delta(wanted)
        if delta > 0:
            cut = min(delta, sum(by_line.values()))
            for name, one in zip(by_line, portions(cut, list(by_line.values())), strict=True):
                by_line[name] -= one
            return by_line, cut
        room = {name: self._room(name, wanted, by_line) for name in self.left}
        given = min(-delta, sum(room.values()))
        for name, one in zip(room, portions(given, list(room.values())), strict=True):
            by_line[name] = by_line.get(name, 0) + one
        return by_line, -given

    def _delta(self, wanted: Units) -> int:
        if not self.is_repriced or not wanted:
            return 0
        kept = {n: count - wanted.get(n, 0) for n, count in self.kept.items()}
        shares = sum(sum(self.shares[n][wanted.get(n, 0) :]) for n in kept)
        dearer = max(self.price(kept) - shares, 0) if any(kept.values()) else 0
        return dearer - self.withheld

    def _room(self, name: str, wanted: Units, by_line: Mapping[str, int]) -> int:
        of_kept = sum(self.shares[name][wanted.get(name, 0) :])
        return max(self.left[name] - of_kept - by_line.get(name, 0), 0)

    def amount_back(self, amount: int) -> tuple[dict[str, int], int]:
        """How an amount lies on the lines, and what of it is for the shipping."""
        *on_lines, on_shipping = portions(amount, [*self.left.values(), self.shipping])
        return dict(zip(self.left, on_lines, strict=True)), on_shipping

    def take(self, by_line: Mapping[str, int], units: Units, shipping: int, withheld: int) -> int:
        """It was decided: that is gone; how much it was."""
        for name, amount in by_line.items():
            self.left[name] -= amount
        for name, count in units.items():
            del self.shares[name][:count]
        self.shipping -= shipping
        self.withheld += withheld
        amount = sum(by_line.values()) + shipping
        self.paid_back += amount
        return amount


def some_units(chance: random.Random, kept: Units) -> dict[str, int]:
    """Of one line or more, some of what is kept."""
    there = [name for name, count in kept.items() if count]
    names = chance.sample(there, chance.randint(1, len(there)))
    return {name: chance.randint(1, kept[name]) for name in names}
