"""A promotion tried beside the live ones, without a row being written."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.rules import ShopTerms
from app.promotions.pricing.promotion import Promotion
from app.promotions.pricing.terms import Left
from app.promotions.rules import PromotionWish
from app.promotions.rules.drafts import DRAFT_ID, Draft
from app.promotions.rules.trials import Stage
from app.promotions.service.checks import check
from app.promotions.service.limits import Limits, standing
from app.promotions.service.live import LivePromotions, live, terms_of
from app.promotions.service.records import check_readable, promotion


async def draft_of(db: AsyncSession, shop_id: UUID, said: PromotionWish | UUID) -> Draft:
    """A stored promotion of the shop in any status, or one that could be stored as it is.

    `NotFound` for another shop's; what could not be saved is refused as it would be then, and so
    is a stored one that the engine cannot read.
    """
    if not isinstance(said, UUID):
        await check(db, shop_id, DRAFT_ID, said)
        return Draft(DRAFT_ID, 1, said.stored())
    row = await promotion(db, shop_id, said)
    check_readable(row)
    return Draft(row["id"], row["version"], row)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A draft among the shop's live promotions, itself included."""

    draft: Draft
    shop: ShopTerms
    live: LivePromotions

    @property
    def others(self) -> tuple[Promotion, ...]:
        """The live ones beside it."""
        return tuple(one for one in self.live.promotions if one.id != self.draft.id)

    def stage(self, *, at_any_time: bool = False, left: dict[UUID, Left] | None = None) -> Stage:
        """What the baskets are priced on; without `left` nothing is limited."""
        tried = self.draft.at_any_time() if at_any_time else self.draft.promotion
        return Stage(tried, self.others, terms_of(self.shop), left or {})


async def rehearsal(
    db: AsyncSession,
    shop: ShopTerms,
    draft: Draft,
    *,
    at: datetime,
    presented: Collection[UUID] = (),
) -> Rehearsal:
    """Put a draft among the live ones, by one statement."""
    shown = {*presented, draft.id}
    found = await live(db, shop.id, now=at, presented=shown)
    others = tuple(one for one in found.promotions if one.id != draft.id)
    limits = {id_: each for id_, each in found.limits.items() if id_ != draft.id}
    own = Limits.of(draft.said["limits"], draft.said["rule"])
    with_it = replace(
        found,
        promotions=tuple(sorted((*others, draft.promotion), key=lambda one: one.id.int)),
        names={**found.names, draft.id: draft.names},
        limits=limits if own.are_none else {**limits, draft.id: own},
    )
    return Rehearsal(draft, shop, with_it)


async def left_for_a_newcomer(db: AsyncSession, tried: Rehearsal) -> dict[UUID, Left]:
    """What limits leave of all of them for somebody who has used none, by one statement at most."""
    left = await standing(db, tried.live.limits, None)
    if tried.draft.id == DRAFT_ID and DRAFT_ID in left:
        # Nothing is counted of what is not stored: all of it is left.
        limits = tried.live.limits[DRAFT_ID]
        left[DRAFT_ID] = limits.left(limits.slots())
    return left
