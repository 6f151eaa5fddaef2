"""Which kinds may meet on one basket, as data: what no row denies is allowed."""

from dataclasses import dataclass
from functools import cache

from app.promotions.pricing.reasons import ReasonCode

ANY_KIND = "*"


@dataclass(frozen=True, slots=True)
class Denial:
    """`kind` and `other` never meet, whichever of them was there first; `code` says so."""

    kind: str
    other: str
    code: ReasonCode


DENIALS: tuple[Denial, ...] = (Denial("group_price", ANY_KIND, "denied_by_group_price"),)


@cache
def denial_between(kind: str, other: str) -> ReasonCode | None:
    """The code of the row that keeps two kinds apart, in either order; None when they may meet."""
    for denial in DENIALS:
        if _joins(denial, kind, other) or _joins(denial, other, kind):
            return denial.code
    return None


def _joins(denial: Denial, kind: str, other: str) -> bool:
    return denial.kind == kind and denial.other in (other, ANY_KIND)
