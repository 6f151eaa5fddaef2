"""What the engine prices with: a shop's promotions as the operators left them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.rules import ShopTerms
from app.core.metrics import BROKEN_PROMOTIONS
from app.promotions.pricing.add_on import AddOn
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Terms
from app.promotions.repository import promotions as repository
from app.promotions.rules import LIVE_MAX, fault_of, promotion_of
from app.promotions.rules.baskets import added_variant_ids
from app.promotions.service.limits import Limits

log = structlog.get_logger("promotions")
# A buyer who comes a day late still learns that the offer has ended, and when.
EXPLAINED_AFTER_END = timedelta(days=1)
_DOCUMENTS = ("rule", "match", "conditions", "limits")


@dataclass(frozen=True, slots=True)
class LivePromotions:
    """What the engine prices with, and what stays outside of it by promotion: names and limits.

    `limits` has the limited ones only.
    """

    promotions: tuple[Promotion, ...]
    names: Mapping[UUID, Mapping[str, str]]
    limits: Mapping[UUID, Limits]

    @property
    def added_variant_ids(self) -> frozenset[UUID]:
        """The goods that they could add to a basket."""
        return added_variant_ids(self.promotions)

    def tier_of(self, promotion_id: UUID, variant_id: UUID) -> int:
        """The tier of an add-on that offers a variant; StopIteration where none does."""
        tiers = next(
            one.tiers
            for one in self.promotions
            if one.id == promotion_id and isinstance(one, AddOn)
        )
        return next(place for place, tier in enumerate(tiers) if variant_id in tier.variant_ids)


async def live(
    db: AsyncSession, shop_id: UUID, *, now: datetime, presented: Collection[UUID] = ()
) -> LivePromotions:
    """The shop's live promotions, future and just ended ones too, by one statement.

    Those that need a coupon are among them only where one is `presented` for them.
    Whether one applies is for the engine to decide and explain. `names` maps a promotion's id to
    its name in `zh` and `en`, `limits` the id of each limited one to its limits. A stored promotion
    that the engine refuses is left out and reported: it must not keep a shop from selling.
    """
    rows = [
        row
        for row in await repository.live(db, shop_id, over_at=now - EXPLAINED_AFTER_END, now=now)
        if not row.needs_coupon or row.id in presented
    ]
    made = {row: promotion for row in rows if (promotion := _made(row)) is not None}
    limits = {row.id: _limits(row) for row in made}
    return LivePromotions(
        promotions=tuple(made.values()),
        names={row.id: {"zh": row.name_zh, "en": row.name_en} for row in rows},
        limits={id_: found for id_, found in limits.items() if not found.are_none},
    )


def terms_of(shop: ShopTerms) -> Terms:
    """What the shop lays down for all its promotions, as the engine takes it."""
    return Terms(
        time_zone=ZoneInfo(shop.time_zone),
        policy=shop.promotion_policy.value,
        discount_cap_bp=shop.discount_cap_bp,
        denials=tuple(
            Denial(Party(**row["one"]), Party(**row["other"])) for row in shop.promotion_denials
        ),
    )


@lru_cache(maxsize=20 * LIVE_MAX)
def _limits(row: repository.Live) -> Limits:
    return Limits.of(json.loads(row.limits), json.loads(row.rule))


def _made(row: repository.Live) -> Promotion | None:
    try:
        return _mechanic(row)
    except (ValueError, TypeError, KeyError):
        BROKEN_PROMOTIONS.inc()
        log.exception("promotion_broken", promotion_id=str(row.id), version=row.version)
        return None


# Every quote needs all of a shop; the same row always makes the same mechanic.
@lru_cache(maxsize=20 * LIVE_MAX)
def _mechanic(row: repository.Live) -> Promotion:
    documents = {name: json.loads(getattr(row, name)) for name in _DOCUMENTS}
    fault = fault_of(**documents)
    if fault is not None:
        raise ValueError(fault)
    stored = {**row._asdict(), **documents}
    return promotion_of(stored, id=row.id, version=row.version)
