"""Promotions as a quote reads them, and what saving refuses."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.catalog import service as catalog
from app.catalog.rules import NewCategory
from app.community import service as community
from app.community.models import Access, CommunityKind, Visibility
from app.community.rules import NewCommunity
from app.core.audit_log import AuditEntry
from app.core.errors import Problem, VersionMismatch
from app.core.metrics import BROKEN_PROMOTIONS
from app.core.sql import table
from app.promotions import service
from app.promotions.errors import BadPromotion, TooManyPromotions
from app.promotions.models import Promotion, PromotionStatus
from app.promotions.pricing.amount_off import AmountOffUnit
from app.promotions.pricing.conditions import Conditions
from app.promotions.pricing.match import EVERYTHING, Match
from app.promotions.pricing.percent_off import LadderStep, PercentOff
from app.promotions.repository import promotions as repository
from app.promotions.rules import LIVE_MAX, PromotionWish
from tests.conftest import rows_in
from tests.factories import Stand, statements

TWENTY = {"kind": "percent_off", "off_bp": 2_000}
FREE = {"kind": "percent_off", "off_bp": 10_000}
DAY = timedelta(days=1)


def wish(**more: Any) -> PromotionWish:
    values = {"name_zh": "八折", "name_en": "20% off", "rule": TWENTY, "match": {}, **more}
    return PromotionWish(**values)


async def create(stand: Stand, shop_id: UUID, **more: Any) -> Any:
    return await stand.database.transact(
        lambda db: service.create(db, shop_id, wish(**more), now=stand.now)
    )


async def activate(stand: Stand, row: Mapping[str, Any]) -> Any:
    return await stand.database.transact(
        lambda db: service.activate(db, row["shop_id"], row["id"], now=stand.now)
    )


async def move(stand: Stand, verb: str, row: Mapping[str, Any]) -> Any:
    use_case = getattr(service, verb)
    return await stand.database.transact(
        lambda db: use_case(db, row["shop_id"], row["id"], now=stand.now)
    )


async def end(stand: Stand, row: Mapping[str, Any]) -> Any:
    return await move(stand, "end", row)


async def edit(stand: Stand, row: Mapping[str, Any], version: int, **changes: Any) -> Any:
    return await stand.database.transact(
        lambda db: service.edit(
            db, row["shop_id"], row["id"], changes, version=version, now=stand.now
        )
    )


async def live(
    stand: Stand, shop_id: UUID, *, presented: Collection[UUID] = ()
) -> service.LivePromotions:
    async with stand.database.reading() as db:
        return await service.live(db, shop_id, now=stand.now, presented=presented)


async def refused(stand: Stand, kind: type[Problem], work: Any) -> Problem:
    before = await rows_in(stand.database)
    stored = await _promotions(stand)
    with pytest.raises(kind) as caught:
        await work
    assert await rows_in(stand.database) == before
    assert await _promotions(stand) == stored
    return caught.value


async def goods_of(stand: Stand, shop_id: UUID) -> tuple[UUID, UUID]:
    """A product and a category of the shop."""
    wanted = NewCategory("水果")
    category = await stand.database.transact(
        lambda db: catalog.create_category(db, shop_id, wanted, now=stand.now)
    )
    return (await stand.product(shop_id)).id, category.id


async def _promotions(stand: Stand) -> list[dict[str, Any]]:
    rows = table(Promotion)
    async with stand.database.reading() as db:
        found = await db.execute(sa.select(rows).order_by(rows.c.id))
        return [dict(row) for row in found.mappings()]


async def test_live_gives_the_engine_what_the_operator_said(stand: Stand) -> None:
    shop = await stand.shop()
    product, category = await goods_of(stand, shop.id)
    made = await create(
        stand,
        shop.id,
        match={
            "product_ids": [str(product)],
            "category_ids_none": [str(category)],
            "tags_any": ["fruit", "season"],
        },
        starts_at=stand.now,
        ends_at=stand.now + DAY,
        conditions={"new_buyers_only": True, "member_tags_any": ["gourmet"]},
        limits={"uses_max": 9},
        needs_coupon=True,
        exclusive=True,
        stacking_group="season",
        priority=7,
    )
    await activate(stand, made)
    assert (await live(stand, shop.id)).promotions == ()
    found = await live(stand, shop.id, presented=[made["id"]])
    assert found.promotions == (
        PercentOff(
            id=made["id"],
            version=2,
            off_bp=2_000,
            match=Match(
                product_ids=frozenset({product}),
                category_ids_none=frozenset({category}),
                tags_any=frozenset({"fruit", "season"}),
            ),
            starts_at=stand.now,
            ends_at=stand.now + DAY,
            conditions=Conditions(new_buyers_only=True, member_tags_any=frozenset({"gourmet"})),
            needs_coupon=True,
            exclusive=True,
            stacking_group="season",
            priority=7,
        ),
    )
    assert found.names == {made["id"]: {"zh": "八折", "en": "20% off"}}
    assert found.limits == {made["id"]: service.Limits(uses_max=9)}


async def test_live_keeps_future_and_just_ended_ones_and_nothing_else(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    now = stand.now
    windows = {
        "always": (None, None),
        "future": (now + 5 * DAY, None),
        "ended": (None, now + timedelta(minutes=1)),
        "long_ended": (None, now + timedelta(seconds=59)),
    }
    made = {
        name: await create(stand, shop.id, starts_at=start, ends_at=end)
        for name, (start, end) in windows.items()
    }
    for row in made.values():
        await activate(stand, row)
    await create(stand, shop.id)
    stopped = await create(stand, shop.id)
    await activate(stand, stopped)
    await end(stand, stopped)
    await activate(stand, await create(stand, other.id))
    stand.clock.advance(days=1, seconds=59)
    found = await live(stand, shop.id)
    assert [p.id for p in found.promotions] == [
        made["always"]["id"],
        made["future"]["id"],
        made["ended"]["id"],
    ]
    assert found.promotions[0].match is EVERYTHING


async def test_live_takes_one_statement_whatever_the_number(stand: Stand) -> None:
    shop = await stand.shop()
    for _ in range(12):
        await activate(stand, await create(stand, shop.id, match={"tags_any": ["fruit"]}))
    with statements(stand.database) as seen:
        found = await live(stand, shop.id)
    assert len(found.promotions) == 12
    assert len(seen) == 1, seen


async def test_an_edit_of_a_scheduled_promotion_makes_a_new_version(stand: Stand) -> None:
    shop = await stand.shop()
    made = await activate(stand, await create(stand, shop.id, starts_at=stand.now + DAY))
    after = await edit(stand, made, 2, rule={"kind": "percent_off", "off_bp": 3_000})
    assert (after["version"], after["status"]) == (3, PromotionStatus.LIVE)
    [priced] = (await live(stand, shop.id)).promotions
    assert isinstance(priced, PercentOff)
    assert (priced.version, priced.off_bp) == (3, 3_000)


async def test_an_edit_that_changes_nothing_keeps_the_version(stand: Stand) -> None:
    shop = await stand.shop()
    made = await create(stand, shop.id)
    after = await edit(stand, made, 1, name_zh="八折", conditions={"roles": frozenset()})
    assert after["version"] == 1
    assert await _actions(stand, made["id"]) == ["promotion.created"]


async def test_every_change_is_noted(stand: Stand) -> None:
    shop = await stand.shop()
    made = await create(stand, shop.id, ends_at=stand.now + DAY)
    await edit(stand, made, 1, name_en="Fifth off", ends_at=None)
    await activate(stand, made)
    await end(stand, made)
    assert await _actions(stand, made["id"]) == [
        "promotion.created",
        "promotion.edited",
        "promotion.activated",
        "promotion.ended",
    ]
    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        statement = sa.select(entries).where(entries.c.action == "promotion.edited")
        [noted] = (await db.execute(statement)).mappings()
    assert noted["shop_id"] == shop.id
    assert noted["before"] == {"name_en": "20% off", "ends_at": str(made["ends_at"])}
    assert noted["after"] == {"name_en": "Fifth off", "ends_at": None}


async def _actions(stand: Stand, promotion_id: UUID) -> list[str]:
    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        statement = sa.select(entries.c.action).where(entries.c.subject_id == promotion_id)
        return list((await db.execute(statement.order_by(entries.c.id))).scalars())


async def test_a_copy_is_a_new_draft_that_says_the_same(stand: Stand) -> None:
    shop = await stand.shop()
    made = await create(
        stand,
        shop.id,
        match={"tags_all": ["a", "b"]},
        conditions={"new_buyers_only": True},
        ends_at=stand.now,
    )
    await end(stand, made)
    copied = await stand.database.transact(
        lambda db: service.copy(db, shop.id, made["id"], now=stand.now)
    )
    assert copied["id"] != made["id"]
    same = ("name_zh", "name_en", "rule", "match", "ends_at", "conditions", "limits", "priority")
    assert {n: copied[n] for n in same} == {n: made[n] for n in same}
    assert (copied["status"], copied["version"]) == (PromotionStatus.DRAFT, 1)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"name_zh": " "}, "name_missing"),
        ({"name_en": ""}, "name_missing"),
        ({"match": {"tags_all": ["a", "b"], "tags_none": ["b"]}}, "match"),
        ({"match": {"tags_any": ["a"], "tags_none": ["a"]}}, "match"),
        ({"match": {"product_ids": ["x"], "product_ids_none": ["x", "y"]}}, "match"),
        ({"conditions": {"new_buyers_only": True, "nth_order": 2}}, "conditions"),
        ({"conditions": {"hours": [{"weekdays": [], "from_minute": 0}]}}, "conditions"),
        ({"currency": "USD"}, "currency"),
        ({"rule": FREE}, "free_orders"),
    ],
)
async def test_contradictions_are_refused_at_save(
    stand: Stand, more: dict[str, Any], reason: str
) -> None:
    shop = await stand.shop()
    refusal = await refused(stand, BadPromotion, create(stand, shop.id, **more))
    assert refusal.params["reason"] == reason


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "percent_off"},
        {"kind": "percent_off", "off_bp": 100, "ladder": [{"units": 2, "off_bp": 100}]},
        {
            "kind": "percent_off",
            "ladder": [{"units": 2, "off_bp": 200}, {"units": 3, "off_bp": 100}],
        },
        {"kind": "amount_off", "per": "line", "off_amount": 100, "units_max": 1},
    ],
)
async def test_a_rule_no_basket_could_mean_is_refused_at_save(
    stand: Stand, rule: dict[str, Any]
) -> None:
    shop = await stand.shop()
    refusal = await refused(stand, BadPromotion, create(stand, shop.id, rule=rule))
    assert refusal.params["reason"] == "rule"


async def test_limits_and_ladders_are_priced_as_they_were_saved(stand: Stand) -> None:
    shop = await stand.shop()
    steps = [{"units": 2, "off_bp": 1_000}, {"units": 3, "off_bp": 2_000}]
    rules = (
        {"kind": "percent_off", "ladder": steps, "units_max": 4, "line_off_max_amount": 700},
        {"kind": "percent_off", "off_bp": 10_000, "order_off_max_amount": 900},
        {"kind": "amount_off", "per": "unit", "off_amount": 50, "units_max": 3},
    )
    for rule in rules:
        await activate(stand, await create(stand, shop.id, rule=rule))
    ladder, capped, unit = (await live(stand, shop.id)).promotions
    assert isinstance(ladder, PercentOff)
    assert ladder.ladder == (LadderStep(2, 1_000), LadderStep(3, 2_000))
    assert (ladder.units_max, ladder.line_off_max_amount) == (4, 700)
    assert isinstance(capped, PercentOff)
    assert (capped.off_bp, capped.order_off_max_amount) == (10_000, 900)
    assert isinstance(unit, AmountOffUnit)
    assert (unit.off_amount, unit.units_max) == (50, 3)


async def test_a_ladder_up_to_everything_gives_all_away(stand: Stand) -> None:
    shop = await stand.shop()
    rule = {"kind": "percent_off", "ladder": [{"units": 2, "off_bp": 10_000}]}
    refusal = await refused(stand, BadPromotion, create(stand, shop.id, rule=rule))
    assert refusal.params["reason"] == "free_orders"


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_window_that_ends_before_it_starts_is_refused(stand: Stand, seconds: int) -> None:
    shop = await stand.shop()
    window = {"starts_at": stand.now, "ends_at": stand.now + timedelta(seconds=seconds)}
    refusal = await refused(stand, BadPromotion, create(stand, shop.id, **window))
    assert refusal.params["reason"] == "window"
    made = await create(stand, shop.id, starts_at=stand.now)
    again = await refused(stand, BadPromotion, edit(stand, made, 1, ends_at=window["ends_at"]))
    assert again.params["reason"] == "window"


async def test_what_only_looks_like_a_contradiction_is_saved(stand: Stand) -> None:
    shop = await stand.shop()
    generous = await stand.shop("generous", allow_free_orders=True)
    shipped = await stand.shop("shipped", shipping_flat_amount=800)
    await create(stand, shop.id, match={"tags_any": ["a", "b"], "tags_none": ["b"]})
    await create(stand, shop.id, rule=FREE, match={"tags_any": ["gift"]})
    await create(stand, generous.id, rule=FREE)
    await create(stand, shipped.id, rule=FREE)


async def test_a_scheduled_one_may_not_be_edited_into_free_orders(stand: Stand) -> None:
    shop = await stand.shop()
    made = await activate(stand, await create(stand, shop.id, starts_at=stand.now + DAY))
    refusal = await refused(stand, BadPromotion, edit(stand, made, 2, rule=FREE))
    assert refusal.params["reason"] == "free_orders"


async def test_one_whose_window_is_over_is_not_activated(stand: Stand) -> None:
    shop = await stand.shop()
    made = await create(stand, shop.id, ends_at=stand.now)
    refusal = await refused(stand, BadPromotion, activate(stand, made))
    assert refusal.params["reason"] == "ended"


async def test_an_edit_of_an_older_version_is_refused(stand: Stand) -> None:
    shop = await stand.shop()
    made = await create(stand, shop.id)
    await edit(stand, made, 1, name_zh="新")
    await refused(stand, VersionMismatch, edit(stand, made, 1, name_zh="更新"))


async def test_an_edit_that_lost_the_race_is_refused(stand: Stand) -> None:
    """The rival commits between our read and our write."""
    shop = await stand.shop()
    made = await create(stand, shop.id)
    await edit(stand, made, 1, name_zh="新")

    async def write(db: Any) -> Any:
        return await repository.change(db, made, {"name_zh": "旧"})

    assert await stand.database.transact(write) is None
    [stored] = await _promotions(stand)
    assert (stored["name_zh"], stored["version"]) == ("新", 2)


async def test_communities_and_audiences_must_be_the_shops_own(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    wanted = NewCommunity(
        name="杨梅群", kind=CommunityKind.FAN, access=Access.OPEN, visibility=Visibility.PUBLIC
    )
    mine, foreign = [
        await stand.database.transact(
            lambda db, at=at: community.create_community(db, at, wanted, now=stand.now)
        )
        for at in (shop.id, other.id)
    ]
    ours, theirs = [
        await stand.database.transact(
            lambda db, at=at: community.create_audience(db, at, "常客", now=stand.now)
        )
        for at in (shop.id, other.id)
    ]
    groups = {"community_ids": {mine.id}, "audience_ids": {ours.id}}
    made = await create(stand, shop.id, conditions=groups)
    await activate(stand, made)
    [priced] = (await live(stand, shop.id)).promotions
    assert priced.conditions.community_ids == {mine.id}
    assert priced.conditions.audience_ids == {ours.id}
    draft = await create(stand, shop.id)
    for wrong in ({"community_ids": {foreign.id}}, {"audience_ids": {theirs.id}}):
        [wanted_id] = next(iter(wrong.values()))
        for work in (
            create(stand, shop.id, conditions=wrong),
            edit(stand, draft, 1, conditions=wrong),
        ):
            refusal = await refused(stand, BadPromotion, work)
            assert refusal.params == {"reason": "unknown_groups", "ids": [str(wanted_id)]}


async def test_a_shop_has_so_many_live_promotions_and_no_more(stand: Stand) -> None:
    shop = await stand.shop()
    last = await create(stand, shop.id)
    await _fill(stand, last, LIVE_MAX - 1)
    beyond = await create(stand, shop.id)
    await activate(stand, last)
    refusal = await refused(stand, TooManyPromotions, activate(stand, beyond))
    assert refusal.params == {"promotions_max": LIVE_MAX}
    assert len((await live(stand, shop.id)).promotions) == LIVE_MAX
    await move(stand, "pause", last)
    await activate(stand, beyond)
    await refused(stand, TooManyPromotions, move(stand, "resume", last))


async def test_the_last_place_among_the_live_ones_goes_to_one_of_many_at_once(
    stand: Stand,
) -> None:
    shop = await stand.shop()
    drafts = [await create(stand, shop.id) for _ in range(8)]
    await _fill(stand, drafts[0], LIVE_MAX - 1)
    outcomes = await asyncio.gather(
        *(activate(stand, draft) for draft in drafts), return_exceptions=True
    )
    refusals = [o for o in outcomes if isinstance(o, BaseException)]
    assert [type(refusal) for refusal in refusals] == [TooManyPromotions] * 7
    assert sum(p["status"] is PromotionStatus.LIVE for p in await _promotions(stand)) == LIVE_MAX


async def _fill(stand: Stand, like: Mapping[str, Any], count: int) -> None:
    """So many live promotions that say the same."""
    rows = [{**like, "id": uuid4(), "status": PromotionStatus.LIVE} for _ in range(count)]

    async def insert(db: Any) -> None:
        await db.execute(sa.insert(table(Promotion)), rows)

    await stand.database.transact(insert)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "percent_off", "off_bp": 0},
        {"kind": "percent_off"},
        {"kind": "bundle", "parts": [{}], "price_amount": 1},
        {"kind": "no_such_kind"},
    ],
    ids=["out of bounds", "nothing said", "half a part", "unknown"],
)
async def test_a_broken_stored_promotion_is_left_out_of_quotes_and_counted(
    stand: Stand, rule: dict[str, Any]
) -> None:
    shop = await stand.shop()
    sound, broken = await create(stand, shop.id), await create(stand, shop.id)
    for row in (sound, broken):
        await activate(stand, row)
    rows = table(Promotion)
    breaking = sa.update(rows).where(rows.c.id == broken["id"]).values(rule=rule)
    await stand.database.transact(lambda db: db.execute(breaking))
    before = BROKEN_PROMOTIONS._value.get()
    assert [p.id for p in (await live(stand, shop.id)).promotions] == [sound["id"]]
    assert BROKEN_PROMOTIONS._value.get() == before + 1


async def test_what_is_over_by_the_clock_makes_room_for_more(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await stand.shop()
    monkeypatch.setattr("app.promotions.service.moves.LIVE_MAX", 1)
    old = await create(stand, shop.id, ends_at=stand.now + timedelta(seconds=1))
    await activate(stand, old)
    fresh = await create(stand, shop.id)
    await refused(stand, TooManyPromotions, activate(stand, fresh))
    stand.clock.advance(seconds=2)
    assert (await activate(stand, fresh))["status"] == PromotionStatus.LIVE
