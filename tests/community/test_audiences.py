"""Named audiences: who may be put into one, and that prices see them by one statement."""

from typing import Any
from uuid import UUID, uuid4

from app.community import service as communities
from app.community.models import CommunityRole
from app.community.rules import NewCommunity
from tests.conftest import rows_in
from tests.factories import Caller, Stand, statements


def path(shop_id: UUID, *rest: object) -> str:
    return "/".join((f"/v1/operator/shops/{shop_id}/audiences", *map(str, rest)))


async def named(owner: Caller, shop_id: UUID, name: str = "去年的杨梅客") -> str:
    answer = await owner.post(path(shop_id), {"name": name})
    assert answer.status_code == 201, answer.text
    audience_id: str = answer.json()["id"]
    return audience_id


async def fellow(stand: Stand, shop_id: UUID) -> UUID:
    """A member of a community of the shop."""
    member = await stand.member()

    async def enter(db: Any) -> None:
        made = await communities.create_community(db, shop_id, NewCommunity("群"), now=stand.now)
        await communities.join(db, member, made.id, now=stand.now)

    await stand.database.transact(enter)
    return member


async def buyer(stand: Stand, shop_id: UUID) -> UUID:
    member = await stand.member()
    await stand.database.transact(lambda db: communities.count_paid_order(db, shop_id, member))
    return member


async def add(owner: Caller, shop_id: UUID, audience_id: str, *members: UUID) -> Any:
    body = {"member_ids": [str(member) for member in members]}
    return await owner.post(path(shop_id, audience_id, "members"), body)


async def test_members_and_buyers_are_put_in_listed_and_taken_out(stand: Stand) -> None:
    shop = await stand.shop()
    owner = await stand.as_owner(shop.id)
    audience_id = await named(owner, shop.id)
    joined, bought = await fellow(stand, shop.id), await buyer(stand, shop.id)
    assert (await add(owner, shop.id, audience_id, joined)).json()["member_count"] == 1
    again = await add(owner, shop.id, audience_id, joined, bought)
    assert (again.status_code, again.json()["member_count"]) == (200, 2)
    first = (await owner.get(path(shop.id, audience_id, "members"), limit=1)).json()
    rest = await owner.get(
        path(shop.id, audience_id, "members"), limit=1, cursor=first["next_cursor"]
    )
    listed = [row["member_id"] for row in first["items"] + rest.json()["items"]]
    assert listed == sorted(map(str, (joined, bought)), reverse=True)

    gone = await owner.client.delete(
        path(shop.id, audience_id, "members", joined), headers=owner.headers
    )
    assert gone.status_code == 204
    [shown] = (await owner.get(path(shop.id))).json()["items"]
    assert (shown["id"], shown["name"], shown["member_count"]) == (
        audience_id,
        "去年的杨梅客",
        1,
    )


async def test_whom_the_shop_may_not_see_is_put_into_nothing(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    owner = await stand.as_owner(shop.id)
    audience_id = await named(owner, shop.id)
    mine, stranger, left = (
        await fellow(stand, shop.id),
        await fellow(stand, other.id),
        await fellow(stand, shop.id),
    )

    async def leave(db: Any) -> None:
        [community_id] = (await communities.membership(db, left, shop.id)).community_ids
        await communities.leave(db, left, community_id, now=stand.now)

    await stand.database.transact(leave)
    before = await rows_in(stand.database)
    for unseen in (stranger, left, uuid4()):
        refusal = await add(owner, shop.id, audience_id, mine, unseen)
        assert (refusal.status_code, refusal.json()["code"]) == (404, "member_not_visible")
        assert refusal.json()["params"] == {"member_ids": [str(unseen)]}
    found = await rows_in(stand.database)
    assert found.pop("idempotency_answers") == before.pop("idempotency_answers") + 3
    assert found == before


async def test_an_audience_of_another_shop_does_not_exist(stand: Stand) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    owner, stranger = await stand.as_owner(shop.id), await stand.as_owner(other.id)
    audience_id = await named(owner, shop.id)
    member = await fellow(stand, other.id)
    before = await rows_in(stand.database)
    for answer in (
        await add(stranger, other.id, audience_id, member),
        await stranger.get(path(other.id, audience_id, "members")),
        await stranger.client.delete(
            path(other.id, audience_id, "members", member), headers=stranger.headers
        ),
        await owner.client.delete(
            path(shop.id, audience_id, "members", member), headers=owner.headers
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    found = await rows_in(stand.database)
    assert found.pop("idempotency_answers") == before.pop("idempotency_answers") + 1
    assert found == before


async def test_a_standing_names_roles_and_audiences_of_the_shop_by_one_statement(
    stand: Stand,
) -> None:
    shop, other = await stand.shop(), await stand.shop("lake")
    member = await fellow(stand, shop.id)

    async def belong(db: Any) -> UUID:
        here, there = [
            await communities.create_audience(db, at, "常客", now=stand.now)
            for at in (shop.id, other.id)
        ]
        await communities.count_paid_order(db, other.id, member)
        for shop_id, audience in ((shop.id, here), (other.id, there)):
            await communities.add_to_audience(db, shop_id, audience.id, [member], now=stand.now)
        return here.id

    here = await stand.database.transact(belong)
    with statements(stand.database) as seen:
        async with stand.database.reading() as db:
            standing = await communities.membership(db, member, shop.id)
    assert len(seen) == 1, seen
    assert standing.audience_ids == {here}
    [community_id] = standing.community_ids
    assert standing.roles == {community_id: CommunityRole.MEMBER}
