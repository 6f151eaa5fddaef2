"""What the engine prices with: a shop's promotions as the operators left them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.rules import ShopTerms
from app.core.metrics import BROKEN_PROMOTIONS
from app.promotions.pricing.conflicts import Denial, Party
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Terms
from app.promotions.repository import promotions as repository
from app.promotions.rules import LIVE_MAX, conditions_of, match_of, mechanic

log = structlog.get_logger("promotions")
# A buyer who comes a day late still learns that the offer has ended, and when.
EXPLAINED_AFTER_END = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LivePromotions:
    """What the engine prices with, and by promotion what stays outside of it: names and limits."""

    promotions: tuple[Promotion, ...]
    names: Mapping[UUID, Mapping[str, str]]
    limits: Mapping[UUID, Mapping[str, int | None]]


async def live(db: AsyncSession, shop_id: UUID, *, now: datetime) -> LivePromotions:
    """The shop's live promotions, future and just ended ones too, by one statement.

    Whether one applies is for the engine to decide and explain. `names` maps a promotion's id to
    its name in `zh` and `en`, `limits` the id of each limited one to its limits. A stored promotion
    that the engine refuses is left out and reported: it must not keep a shop from selling.
    """
    rows = await repository.live(db, shop_id, over_at=now - EXPLAINED_AFTER_END)
    return LivePromotions(
        promotions=tuple(made for row in rows if (made := _made(row)) is not None),
        names={row.id: {"zh": row.name_zh, "en": row.name_en} for row in rows},
        limits={row.id: limits for row in rows if any((limits := _limits(row.limits)).values())},
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
    return mechanic(
        json.loads(row.rule),
        id=row.id,
        version=row.version,
        match=match_of(json.loads(row.match)),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        conditions=conditions_of(json.loads(row.conditions)),
        needs_coupon=row.needs_coupon,
        exclusive=row.exclusive,
        stacking_group=row.stacking_group,
        priority=row.priority,
    )


# Shops have few sets of limits, and each is read at every quote.
@lru_cache(maxsize=LIVE_MAX)
def _limits(text: str) -> Mapping[str, int | None]:
    limits: dict[str, int | None] = json.loads(text)
    return limits
