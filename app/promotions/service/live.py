"""What the engine prices with: a shop's promotions as the operators left them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.metrics import BROKEN_PROMOTIONS
from app.promotions.pricing.conditions import NOTHING_ASKED, Conditions
from app.promotions.pricing.promotion import Promotion
from app.promotions.repository import promotions as repository
from app.promotions.rules import LIVE_MAX, match_of, mechanic
from app.promotions.service.limits import Limits

log = structlog.get_logger("promotions")
# A buyer who comes a day late still learns that the offer has ended, and when.
EXPLAINED_AFTER_END = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LivePromotions:
    """What the engine prices with, and what stays outside of it by promotion: names and limits.

    `limits` has the limited ones only.
    """

    promotions: tuple[Promotion, ...]
    names: Mapping[UUID, Mapping[str, str]]
    limits: Mapping[UUID, Limits]


async def live(
    db: AsyncSession, shop_id: UUID, *, now: datetime, presented: Collection[UUID] = ()
) -> LivePromotions:
    """The shop's active promotions, future and just ended ones too, by one statement.

    Those that need a coupon are among them only where one is `presented` for them.
    Whether one applies is for the engine to decide and explain. `names` maps a promotion's id to
    its name in `zh` and `en`. A stored promotion that the engine refuses is left out and reported:
    it must not keep a shop from selling.
    """
    rows = [
        row
        for row in await repository.live(db, shop_id, over_at=now - EXPLAINED_AFTER_END)
        if not row.needs_coupon or row.id in presented
    ]
    made = {row: promotion for row in rows if (promotion := _made(row)) is not None}
    limits = {row.id: _limits(row) for row in made}
    return LivePromotions(
        promotions=tuple(made.values()),
        names={row.id: {"zh": row.name_zh, "en": row.name_en} for row in rows},
        limits={id_: found for id_, found in limits.items() if not found.are_none},
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
    return mechanic(
        json.loads(row.rule),
        id=row.id,
        version=row.version,
        match=match_of(json.loads(row.match)),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        conditions=_conditions(row),
        exclusive=row.exclusive,
        needs_coupon=row.needs_coupon,
    )


def _conditions(row: repository.Live) -> Conditions:
    made = Conditions(
        new_buyers_only=row.new_buyers_only,
        community_ids=frozenset(map(UUID, json.loads(row.community_ids))),
        member_tags_any=frozenset(json.loads(row.member_tags_any)),
    )
    return NOTHING_ASKED if made == NOTHING_ASKED else made
