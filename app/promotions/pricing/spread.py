"""Dividing an amount over units by list price: largest remainder per unit, floors kept."""

from collections.abc import Sequence


def spread(amount: int, groups: Sequence[tuple[int, int]], rooms: Sequence[int]) -> list[int]:
    """Divide over groups of (weight of a unit, units), none taking more than its room.

    Units of a group are alike, so each group's part is all there is to say; ties go to the earlier
    group. What a group cannot take is divided among the others; what none can take is not given.
    """
    parts = [0] * len(groups)
    open_ = [g for g, (weight, _) in enumerate(groups) if weight and rooms[g]]
    while amount and open_:
        shares = _by_weight(amount, [groups[g] for g in open_])
        for g, share in zip(open_, shares, strict=True):
            part = min(share, rooms[g] - parts[g])
            parts[g] += part
            amount -= part
        open_ = [g for g in open_ if parts[g] < rooms[g]]
    return parts


def _by_weight(amount: int, groups: Sequence[tuple[int, int]]) -> list[int]:
    whole = sum(weight * units for weight, units in groups)
    parts = [amount * weight // whole * units for weight, units in groups]
    missing = amount - sum(parts)
    order = sorted(range(len(groups)), key=lambda g: -(amount * groups[g][0] % whole))
    for group in order:
        extra = min(missing, groups[group][1])
        parts[group] += extra
        missing -= extra
    return parts
