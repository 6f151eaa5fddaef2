"""A campaign's groups and their seats as the shop sees them."""

from typing import Any
from uuid import UUID, uuid4

from app.groupbuy.models import GroupStatus
from app.identity.rules import ShopRole
from tests.factories import Caller, Stand, statements
from tests.groupbuy.party import Party
from tests.groupbuy.test_campaigns import path, refused


def group_path(shop_id: UUID, group_id: object) -> str:
    return f"/v1/operator/shops/{shop_id}/groups/{group_id}"


async def items(caller: Caller, where: str, **params: Any) -> list[str]:
    answer = await caller.get(where, **params)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["items"]]


async def test_the_groups_of_a_campaign_are_listed_newest_first_by_status(
    stand: Stand, party: Party
) -> None:
    campaign_id = await party.campaign(size=2)
    await party.opened(await party.campaign())
    whole = await party.opened(campaign_id)
    await party.joined(whole.group_id)
    late = await party.opened(campaign_id)
    stand.clock.advance(seconds=3_660)
    await party.settle(late.group_id)
    gone = await party.open(campaign_id)
    await party.release(gone)
    open_, pending = await party.opened(campaign_id), await party.open(campaign_id)
    ids = [str(p.group_id) for p in (pending, open_, gone, late, whole)]
    owner, where = await stand.as_owner(party.shop_id), path(party.shop_id, campaign_id, "groups")
    assert await items(owner, where) == ids
    wanted = dict(zip(("pending", "open", "cancelled", "failed", "succeeded"), ids, strict=True))
    assert wanted.keys() == {status.value for status in GroupStatus}
    for status, group_id in wanted.items():
        assert await items(owner, where, status=status) == [group_id]
    first = (await owner.get(where, limit=3)).json()
    rest = (await owner.get(where, limit=3, cursor=first["next_cursor"])).json()
    assert [row["id"] for row in (*first["items"], *rest["items"])] == ids
    assert rest["next_cursor"] is None
    assert first["items"][1] == {
        "id": str(open_.group_id),
        "campaign_id": str(campaign_id),
        "community_id": None,
        "leader_member_id": str(open_.member_id),
        "status": "open",
        "capacity": 2,
        "paid_min": 2,
        "taken": 1,
        "paid": 1,
        "opened_at": "2026-06-18T05:01:00Z",
        "deadline_at": "2026-06-18T06:01:00Z",
        "succeeded_at": None,
        "ended_at": None,
        "server_now": "2026-06-18T05:01:00Z",
    }
    with statements(stand.database) as seen:
        await owner.get(where)
    assert len(seen) == 3, seen  # who asks, the campaign, its groups
    await refused(party, await owner.get(where, status="full"), 422, "validation_failed")


async def test_a_group_is_shown_with_all_its_seats(stand: Stand, party: Party) -> None:
    campaign_id = await party.campaign(size=6, min_paid=4)
    leader = await party.open(campaign_id, quantity=2)
    stand.clock.advance(minutes=1)
    await party.pay(leader)
    paid, held, gone, left = [await party.join(leader.group_id) for _ in range(4)]
    await party.pay(paid)
    await party.release(gone)
    await party.pay(left)
    await party.leave(left)
    owner = await stand.as_owner(party.shop_id)
    with statements(stand.database) as seen:
        answer = await owner.get(group_path(party.shop_id, leader.group_id))
    assert len(seen) == 3, seen  # who asks, the group, its seats
    shown = answer.json()
    seats = shown.pop("seats")
    [listed] = (await owner.get(path(party.shop_id, campaign_id, "groups"))).json()["items"]
    assert shown == listed
    assert (shown["capacity"], shown["paid_min"], shown["taken"], shown["paid"]) == (6, 4, 3, 2)
    places = (leader, paid, held, gone, left)
    statuses = ("paid", "paid", "reserved", "released", "refund_due")
    told = [(seat["order_id"], seat["member_id"], seat["status"]) for seat in seats]
    wanted = zip(places, statuses, strict=True)
    assert told == [(str(p.order_id), str(p.member_id), status) for p, status in wanted]
    assert UUID(seats[0].pop("id"))
    assert seats[0] == {
        "order_id": str(leader.order_id),
        "member_id": str(leader.member_id),
        "variant_id": str(party.variant_id),
        "quantity": 2,
        "unit_amount": 9_900,
        "status": "paid",
        "created_at": "2026-06-18T04:00:00Z",
        "paid_at": "2026-06-18T04:01:00Z",
    }
    assert (seats[2]["paid_at"], seats[4]["paid_at"]) == (None, "2026-06-18T04:01:00Z")


async def test_another_shops_groups_do_not_exist(stand: Stand, party: Party) -> None:
    other = await stand.shop("lake")
    campaign_id = await party.campaign()
    leader = await party.opened(campaign_id)
    owner, stranger = await stand.as_owner(party.shop_id), await stand.as_owner(other.id)
    for caller, where in (
        (stranger, path(party.shop_id, campaign_id, "groups")),
        (stranger, path(other.id, campaign_id, "groups")),
        (stranger, group_path(party.shop_id, leader.group_id)),
        (stranger, group_path(other.id, leader.group_id)),
        (owner, path(party.shop_id, uuid4(), "groups")),
        (owner, group_path(party.shop_id, uuid4())),
    ):
        await refused(party, await caller.get(where), 404, "not_found")


async def test_the_board_is_for_who_may_read_it(stand: Stand, party: Party) -> None:
    campaign_id = await party.campaign()
    leader = await party.opened(campaign_id)
    auditor = await stand.as_operator(await stand.operator(party.shop_id, role=ShopRole.AUDITOR))
    member = await stand.as_member(leader.member_id)
    callers = (auditor, member, Caller(stand.client, {}))
    for where in (
        path(party.shop_id, campaign_id, "groups"),
        group_path(party.shop_id, leader.group_id),
    ):
        assert [(await c.get(where)).status_code for c in callers] == [200, 403, 401]
