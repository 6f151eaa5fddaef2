"""What a campaign may say beyond its price: kept as it was said, and refused where it cannot be."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from app.community import service as community
from app.community.rules import NewCommunity
from app.core.audit_log import AuditEntry
from app.core.sql import table
from tests.factories import Caller, Stand
from tests.groupbuy.party import Party
from tests.groupbuy.test_campaigns import (
    PLAIN,
    act,
    body,
    path,
    prices_of,
    refused,
    untouched,
)

NO_GROUPS = PLAIN["audience"]


async def community_in(stand: Stand, shop_id: UUID, name: str = "杨梅群") -> str:
    made = await stand.database.transact(
        lambda db: community.create_community(db, shop_id, NewCommunity(name), now=stand.now)
    )
    return str(made.id)


async def audience_in(stand: Stand, shop_id: UUID) -> str:
    made = await stand.database.transact(
        lambda db: community.create_audience(db, shop_id, "常客", now=stand.now)
    )
    return str(made.id)


def tier(party: Party, size: int, group_amount: int, variant_id: object = None) -> dict[str, Any]:
    price = {"variant_id": str(variant_id or party.variant_id), "group_amount": group_amount}
    return {"size": size, "prices": [price]}


async def drafted(owner: Caller, party: Party, **more: Any) -> dict[str, Any]:
    answer = await owner.post(path(party.shop_id), body(party, **more))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_every_term_comes_back_as_it_was_said(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    audience = {
        **NO_GROUPS,
        "community_ids": [await community_in(stand, party.shop_id)],
        "audience_ids": [await audience_in(stand, party.shop_id)],
        "member_tags_any": ["parent"],
        "member_tags_all": ["cook"],
        "member_tags_none": ["trader"],
    }
    said = {
        "member_units_max": 4,
        "newcomers_only": True,
        "audience": audience,
        "ladder": [tier(party, 5, 8_800), tier(party, 10, 7_700)],
        "min_paid": 2,
        "late_payment": "reseat",
    }
    made = await drafted(owner, party, **said, prices=prices_of(party, leader_amount=9_000))
    assert {name: made[name] for name in said} == said
    assert made["prices"] == prices_of(party, leader_amount=9_000)
    one = path(party.shop_id, made["id"])
    assert (await owner.get(one)).json() == made

    changes = {**PLAIN, "leader_reward_amount": 500, "prices": prices_of(party)}
    edited = await owner.patch(one, changes, version=1)
    assert edited.json() == {**made, **changes, "version": 2}, edited.text
    back = await owner.patch(one, {**said, "leader_reward_amount": None}, version=2)
    assert back.json() == {**made, "prices": prices_of(party), "version": 3}, back.text

    scheduled = await act(owner, party, made["id"], "schedule", 3)
    assert scheduled.json() == {**back.json(), "phase": "scheduled", "version": 4}
    shown = (await stand.client.get(f"/v1/campaigns/{made['id']}")).json()
    assert {name: shown[name] for name in said} == said
    assert (shown["leader_reward_amount"], shown["prices"][0]["leader_amount"]) == (None, None)


async def test_an_edit_touches_only_what_was_sent(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    said = {
        "member_units_max": 4,
        "newcomers_only": True,
        "audience": {**NO_GROUPS, "member_tags_any": ["parent"]},
        "ladder": [tier(party, 5, 8_800)],
        "min_paid": 2,
        "leader_reward_amount": 500,
        "late_payment": "reseat",
    }
    made = await drafted(owner, party, **said)
    one, version = path(party.shop_id, made["id"]), 1
    for name, value in {**PLAIN, "min_paid": None}.items():
        answer = await owner.patch(one, {name: value}, version=version)
        version += 1
        made = {**made, name: value, "version": version}
        assert answer.json() == made, (name, answer.text)


async def test_the_audit_log_has_what_was_said_of_each_term(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = await drafted(owner, party, ladder=[tier(party, 5, 8_800)])
    change = {"newcomers_only": True, "ladder": [], "min_paid": 2}
    await owner.patch(path(party.shop_id, made["id"]), change, version=1)
    entries = table(AuditEntry)
    async with stand.database.reading() as db:
        wanted = sa.select(entries).where(entries.c.action == "campaign.edited")
        [noted] = (await db.execute(wanted)).mappings().all()
    kept = [{"size": 5, "amounts": {str(party.variant_id): 8_800}}]
    assert noted["before"] == {"newcomers_only": False, "ladder": kept, "min_paid": None}
    assert noted["after"] == change


async def save(
    stand: Stand, party: Party, params: dict[str, Any] | None, **more: Any
) -> dict[str, Any]:
    """Save a campaign: refused with these parameters and nothing written, or taken."""
    owner = await stand.as_owner(party.shop_id)
    if params is None:
        return await drafted(owner, party, **more)
    before = await untouched(party)
    answer = await owner.post(path(party.shop_id), body(party, **more))
    await refused(party, answer, 409, "bad_campaign", **params)
    assert await untouched(party) == before
    return {}


@pytest.mark.parametrize(
    ("size", "min_paid", "params"),
    [
        (5, 2, None),
        (5, 4, None),
        (5, 5, {"reason": "min_paid", "size": 5}),
        (5, 6, {"reason": "min_paid", "size": 5}),
        (3, 2, None),
        (2, 2, {"reason": "min_paid", "size": 2}),
    ],
)
async def test_a_short_group_has_two_members_and_one_less_than_a_whole_one(
    stand: Stand, party: Party, size: int, min_paid: int, params: dict[str, Any] | None
) -> None:
    await save(stand, party, params, size=size, min_paid=min_paid)


@pytest.mark.parametrize(
    ("tiers", "reason"),
    [
        ([(4, 9_800)], None),
        ([(3, 9_800)], "ladder_sizes"),
        ([(2, 9_800)], "ladder_sizes"),
        ([(5, 8_800), (6, 8_700)], None),
        ([(5, 8_800), (5, 8_700)], "ladder_sizes"),
        ([(6, 8_800), (5, 8_700)], "ladder_sizes"),
        ([(5, 9_899)], None),
        ([(5, 9_900)], "ladder_not_falling"),
        ([(5, 9_901)], "ladder_not_falling"),
        ([(5, 8_800), (7, 8_800)], "ladder_not_falling"),
        ([(5, 8_800), (7, 8_801)], "ladder_not_falling"),
        ([(5, 8_800), (7, 0)], None),
    ],
)
async def test_a_ladder_rises_in_size_and_falls_in_price(
    stand: Stand, party: Party, tiers: list[tuple[int, int]], reason: str | None
) -> None:
    ladder = [tier(party, *one) for one in tiers]
    params = None if reason is None else {"reason": reason}
    made = await save(stand, party, params, ladder=ladder)
    assert made.get("ladder", ladder) == ladder


async def test_a_ladder_names_goods_that_take_part_and_keeps_the_floor(
    stand: Stand, party: Party
) -> None:
    low = await stand.variant(
        party.shop_id, party.product_id, list_amount=5_000, floor_amount=3_000
    )
    prices = [*prices_of(party), {"variant_id": str(low.id), "group_amount": 4_000}]
    strange = {"reason": "ladder_variant", "variant_ids": [str(low.id)]}
    await save(stand, party, strange, ladder=[tier(party, 5, 3_500, low.id)])
    for amount, params in (
        (3_001, None),
        (3_000, None),
        (2_999, {"reason": "below_floor", "variant_id": str(low.id), "least_amount": 3_000}),
    ):
        ladder = [tier(party, 5, amount, low.id)]
        await save(stand, party, params, prices=prices, ladder=ladder)
    # A tier may leave a variant as it was, but not all of them, and none may become dearer.
    both = {"size": 5, "prices": [*tier(party, 5, 9_900)["prices"]]}
    for amount, params in ((3_999, None), (4_000, {"reason": "ladder_not_falling", "size": 5})):
        cheap = {"variant_id": str(low.id), "group_amount": amount}
        wanted = [{**both, "prices": [*both["prices"], cheap]}]
        await save(stand, party, params, prices=prices, ladder=wanted)


@pytest.mark.parametrize(
    ("leader_amount", "reason"),
    [(9_899, None), (9_900, None), (9_901, "leader_above_group"), (0, None)],
)
async def test_a_leader_pays_no_more_than_the_others(
    stand: Stand, party: Party, leader_amount: int, reason: str | None
) -> None:
    params = {
        "reason": reason,
        "variant_id": str(party.variant_id),
        "most_amount": 9_900,
    }
    prices = prices_of(party, leader_amount=leader_amount)
    await save(stand, party, params if reason else None, prices=prices)


async def test_a_leader_pays_no_less_than_the_floor(stand: Stand, party: Party) -> None:
    low = await stand.variant(
        party.shop_id, party.product_id, list_amount=5_000, floor_amount=3_000
    )
    floor = {"reason": "below_floor", "variant_id": str(low.id), "least_amount": 3_000}
    for amount, params in ((3_001, None), (3_000, None), (2_999, floor)):
        price = {"variant_id": str(low.id), "group_amount": 4_000, "leader_amount": amount}
        await save(stand, party, params, prices=[price])


@pytest.mark.parametrize(
    ("reward", "ladder", "most"),
    [
        (999, [], None),
        (1_000, [], None),
        (1_001, [], 1_000),
        (1, [(5, 3_001)], None),
        (2, [(5, 3_001)], 1),
        (1, [(5, 3_000)], 0),
    ],
)
async def test_a_reward_leaves_the_floor_of_the_lowest_tier(
    stand: Stand, party: Party, reward: int, ladder: list[tuple[int, int]], most: int | None
) -> None:
    low = await stand.variant(
        party.shop_id, party.product_id, list_amount=5_000, floor_amount=3_000
    )
    price = {"variant_id": str(low.id), "group_amount": 4_000}
    params = {"reason": "reward_too_high", "variant_id": str(low.id), "most_amount": most}
    await save(
        stand,
        party,
        None if most is None else params,
        prices=[price],
        ladder=[tier(party, *one, low.id) for one in ladder],
        leader_reward_amount=reward,
    )


@pytest.mark.parametrize("reward", [9_899, 9_900, 9_901])
async def test_a_reward_is_no_more_than_the_price(stand: Stand, party: Party, reward: int) -> None:
    params = None if reward <= 9_900 else {"reason": "reward_too_high", "most_amount": 9_900}
    await save(stand, party, params, leader_reward_amount=reward)


async def test_a_leader_has_a_price_or_a_reward(stand: Stand, party: Party) -> None:
    prices = prices_of(party, leader_amount=9_000)
    await save(stand, party, {"reason": "leader_twice"}, prices=prices, leader_reward_amount=100)


async def test_an_audience_is_of_groups_that_the_shop_has(stand: Stand, party: Party) -> None:
    foreign = await stand.shop("lake")
    own = [await community_in(stand, party.shop_id), await audience_in(stand, party.shop_id)]
    others = [
        await community_in(stand, foreign.id),
        await audience_in(stand, foreign.id),
        str(uuid4()),
    ]
    for name, other_kind in (("community_ids", own[1]), ("audience_ids", own[0])):
        params = {"reason": "unknown_groups", "ids": [other_kind]}
        await save(stand, party, params, audience={name: [other_kind]})
    for name in ("community_ids", "audience_ids"):
        for unknown in others:
            params = {"reason": "unknown_groups", "ids": [unknown]}
            mixed = {name: [own[name == "audience_ids"], unknown]}
            await save(stand, party, params, audience=mixed)


@pytest.mark.parametrize(
    "more",
    [
        {"audience": {"member_tags_any": ["parent"], "member_tags_none": ["parent"]}},
        {"audience": {"member_tags_any": ["a", "b"], "member_tags_none": ["a", "b", "c"]}},
        {"audience": {"member_tags_all": ["a", "b"], "member_tags_none": ["b"]}},
        {"audience": {"tags": ["parent"]}},
        {"audience": None},
        {"newcomers_only": None},
        {"newcomers_only": 1},
        {"member_units_max": 0},
        {"min_paid": 1},
        {"min_paid": 0},
        {"min_paid": 2.0},
        {"leader_reward_amount": 0},
        {"leader_reward_amount": -1},
        {"late_payment": "keep"},
        {"late_payment": None},
        {"ladder": None},
        {"ladder": [{"size": 5, "prices": []}]},
        {"ladder": [{"size": 101, "prices": [{"variant_id": str(uuid4()), "group_amount": 1}]}]},
        {"ladder": [{"size": 5, "prices": [{"variant_id": str(uuid4()), "group_amount": -1}]}]},
        {
            "ladder": [
                {
                    "size": 5,
                    "prices": [{"variant_id": str(UUID(int=7)), "group_amount": a} for a in (1, 2)],
                }
            ]
        },
        {"stop_ends_groups": True},
    ],
)
async def test_terms_that_do_not_fit_the_schema_are_refused_at_save_and_at_edit(
    stand: Stand, party: Party, more: dict[str, Any]
) -> None:
    owner = await stand.as_owner(party.shop_id)
    made = await drafted(owner, party)
    before = await untouched(party)
    created = await owner.post(path(party.shop_id), body(party, **more))
    await refused(party, created, 422, "validation_failed")
    edited = await owner.patch(path(party.shop_id, made["id"]), more, version=1)
    await refused(party, edited, 422, "validation_failed")
    assert await untouched(party) == before
    assert (await owner.get(path(party.shop_id, made["id"]))).json() == made


async def test_an_edit_is_held_against_what_stands(stand: Stand, party: Party) -> None:
    """Each change is fine by itself; together with what was said before it is not."""
    owner = await stand.as_owner(party.shop_id)
    said = {"size": 4, "min_paid": 3, "ladder": [tier(party, 5, 8_800)]}
    made = await drafted(owner, party, **said, leader_reward_amount=8_800)
    one = path(party.shop_id, made["id"])
    before = await untouched(party)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"size": 3}, "min_paid"),
        ({"size": 5}, "ladder_sizes"),
        ({"prices": prices_of(party, 8_800)}, "ladder_not_falling"),
        ({"prices": prices_of(party, leader_amount=9_000)}, "leader_twice"),
        ({"ladder": [tier(party, 5, 8_799)]}, "reward_too_high"),
        ({"leader_reward_amount": 8_801}, "reward_too_high"),
    ]
    for change, reason in cases:
        answer = await owner.patch(one, change, version=1)
        await refused(party, answer, 409, "bad_campaign", reason=reason)
    assert await untouched(party) == before
    assert (await owner.get(one)).json() == made
