"""The shop itself: found by its slug, or made in one transaction as of a month ago."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog import service as catalog
from app.catalog.models import ProductStatus
from app.catalog.rules import (
    NewCategory,
    NewProduct,
    NewShop,
    NewVariant,
    ProductFilter,
    ProductSort,
)
from app.community import service as community
from app.community.models import CommunityKind
from app.community.rules import NewCommunity
from app.groupbuy.rules.campaigns import CampaignWish, GroupPriceWish
from app.groupbuy.service import campaigns
from app.identity.adapters.wechat import sandbox_openid
from app.identity.rules import PlatformRole
from app.identity.service import create_member, create_operator
from app.identity.service.members import change_me
from app.promotions import service as promotions
from app.promotions.pricing.group_price import LadderTier
from app.promotions.rules import PromotionWish
from app.seed.goods import (
    ARTICLES,
    BAYBERRIES,
    CARE_OFF_BP,
    CATEGORIES,
    DEPARTMENTS,
    GROUP_AMOUNT,
    GROUP_SIZE,
    KETTLE,
    KETTLE_AMOUNT,
    KETTLE_TIERS,
    TOWELS,
    TOWELS_AMOUNT,
    Article,
)
from app.seed.people import people
from app.seed.planting import Ground, Planting, read_all

SLUG = "bayberry-hill"
COMMUNITY = "杨梅山好物群"
FINANCE_COMMUNITY = "理财读书会"
CAMPAIGN = "东魁杨梅三人团"
HISTORY = timedelta(days=30)
GROUP_SECONDS = 3_600
# A third agrees to be named beside a group.
NAMED_EVERY = 3


async def find(planting: Planting) -> Ground | None:
    """The shop of an earlier run."""
    tokens = planting.tokens
    async with planting.database.reading() as db:
        shops = await read_all(db, tokens, lambda db, page: catalog.list_shops(db, None, page))
        shop = next((s for s in shops if s.slug == SLUG), None)
        if shop is None:
            return None
        found = await read_all(
            db, tokens, lambda db, page: community.list_all_communities(db, shop.id, page)
        )
        running = await read_all(
            db,
            tokens,
            lambda db, page: campaigns.list_campaigns(db, shop.id, None, page, now=planting.now),
        )
        variant_ids = await _variants(db, planting, shop.id)
    return Ground(
        shop_id=shop.id,
        opened_at=shop.created_at,
        variant_ids=variant_ids,
        campaign_id=[c for c in running if c.campaign["name"] == CAMPAIGN][-1].campaign["id"],
        community_id=next(c.id for c in found if c.name == COMMUNITY),
        member_ids=await planting.database.transact(lambda db: _members(db, planting.now)),
    )


async def _variants(db: AsyncSession, planting: Planting, shop_id: UUID) -> dict[str, UUID]:
    products = await read_all(
        db,
        planting.tokens,
        lambda db, page: catalog.list_products(
            db, shop_id, ProductFilter(), ProductSort.NEWEST, page
        ),
    )
    cards = [v for p in products for v in await catalog.variants_of_product(db, p.id)]
    return {card.sku: card.id for card in cards}


async def make(planting: Planting, password_hash: str, email: str) -> Ground:
    """Open the shop a month ago: goods, communities, members, a promotion and campaigns."""
    day = (planting.now - HISTORY).replace(hour=0, minute=0, second=0, microsecond=0)

    async def work(db: AsyncSession) -> Ground:
        owner_id = await create_operator(
            db,
            email=email,
            password_hash=password_hash,
            platform_role=PlatformRole.ADMIN,
            now=day,
        )
        shop = await catalog.create_shop(
            db, NewShop(SLUG, "杨梅山社群店", "CNY"), owner_id=owner_id, now=day
        )
        made = await _goods(db, shop.id, day)
        await _promotion(db, shop.id, day)
        campaign_id = await _campaigns(db, shop.id, made, day)
        member_ids = await _members(db, day)
        community_id = await _communities(db, shop.id, member_ids, day)
        return Ground(
            shop_id=shop.id,
            opened_at=day,
            variant_ids={sku: variant_id for sku, (_, variant_id) in made.items()},
            campaign_id=campaign_id,
            community_id=community_id,
            member_ids=member_ids,
        )

    return await planting.database.transact(work)


async def _goods(db: AsyncSession, shop_id: UUID, day: datetime) -> dict[str, tuple[UUID, UUID]]:
    """Product and variant by SKU."""
    categories = await _categories(db, shop_id, day)
    return {a.sku: await _article(db, shop_id, a, categories[a.category], day) for a in ARTICLES}


async def _categories(db: AsyncSession, shop_id: UUID, day: datetime) -> Mapping[str, UUID]:
    departments = {
        key: (await catalog.create_category(db, shop_id, NewCategory(name, position=n), now=day)).id
        for n, (key, name) in enumerate(DEPARTMENTS.items())
    }
    made: dict[str, UUID] = {}
    for position, (key, (name, department, domain)) in enumerate(CATEGORIES.items()):
        wanted = NewCategory(name, departments[department], domain, position)
        made[key] = (await catalog.create_category(db, shop_id, wanted, now=day)).id
    return made


async def _article(
    db: AsyncSession, shop_id: UUID, article: Article, category_id: UUID, day: datetime
) -> tuple[UUID, UUID]:
    product = await catalog.create_product(
        db,
        shop_id,
        NewProduct(article.title, category_id=category_id, tags=frozenset(article.tags)),
        now=day,
    )
    variant = await catalog.create_variant(
        db,
        shop_id,
        product.id,
        NewVariant(
            sku=article.sku,
            title=article.variant,
            list_amount=article.list_amount,
            solo_amount=article.solo_amount,
            cost_amount=article.cost_amount,
        ),
        now=day,
    )
    await catalog.adjust_stock(db, shop_id, variant.id, article.on_hand, "首批入库", day)
    await catalog.move_product(db, shop_id, product.id, ProductStatus.ON_SALE, now=day)
    return product.id, variant.id


async def _promotion(db: AsyncSession, shop_id: UUID, day: datetime) -> None:
    wish = PromotionWish(
        name_zh="护肤彩妆八折",
        name_en="20% off skin care and make-up",
        rule={"kind": "percent_off", "off_bp": CARE_OFF_BP},
        match={"tags_any": ["care"]},
    )
    made = await promotions.create(db, shop_id, wish, now=day)
    await promotions.activate(db, shop_id, made["id"], now=day)


def _offers(made: Mapping[str, tuple[UUID, UUID]], day: datetime) -> Iterator[CampaignWish]:
    """What can be bought together; the bayberries come last, so that lists show them first."""

    def offer(name: str, sku: str, amount: int, **terms: Any) -> CampaignWish:
        product_id, variant_id = made[sku]
        return CampaignWish(
            name=name,
            product_id=product_id,
            group_seconds=GROUP_SECONDS,
            starts_at=day,
            ends_at=day + timedelta(days=365),
            prices=(GroupPriceWish(variant_id, amount),),
            **terms,
        )

    kettle = made[KETTLE][1]
    ladder = tuple(LadderTier(size, {kettle: amount}) for size, amount in KETTLE_TIERS)
    yield offer("电热水壶阶梯团", KETTLE, KETTLE_AMOUNT, size=2, ladder=ladder)
    yield offer("厨房纸巾七人团", TOWELS, TOWELS_AMOUNT, size=7, min_paid=4)
    size = GROUP_SIZE
    yield offer(CAMPAIGN, BAYBERRIES, GROUP_AMOUNT, size=size, units_per_order_max=2)


async def _campaigns(
    db: AsyncSession, shop_id: UUID, made: Mapping[str, tuple[UUID, UUID]], day: datetime
) -> UUID:
    """Let them run; returns the one for bayberries."""
    for wish in _offers(made, day):
        view = await campaigns.create_campaign(db, shop_id, wish, now=day)
        campaign_id: UUID = view.campaign["id"]
        version = view.campaign["version"]
        await campaigns.schedule_campaign(db, shop_id, campaign_id, version=version, now=day)
    return campaign_id


async def _members(db: AsyncSession, now: datetime) -> list[UUID]:
    """The sixty, in their order; whoever has signed in before is the same member."""
    return [
        await create_member(db, openid=sandbox_openid(p.name), nickname=p.nickname, now=now)
        for p in people()
    ]


async def _communities(
    db: AsyncSession, shop_id: UUID, member_ids: Sequence[UUID], day: datetime
) -> UUID:
    """Everybody is in the first one, those who declare finance in the second too."""
    wanted = (NewCommunity(COMMUNITY), NewCommunity(FINANCE_COMMUNITY, CommunityKind.LEAD))
    everybody, readers = [
        (await community.create_community(db, shop_id, w, now=day)).id for w in wanted
    ]
    for number, (person, member_id) in enumerate(zip(people(), member_ids, strict=True)):
        at = day + timedelta(minutes=number)
        await community.join(db, member_id, everybody, now=at)
        if "finance" in person.tags:
            await community.join(db, member_id, readers, now=at)
        await community.declare_tags(db, member_id, person.tags, now=at)
        if number % NAMED_EVERY == 0:
            await change_me(db, member_id, {"shown_to_fellows": True})
    return everybody
