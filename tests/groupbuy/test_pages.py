"""What members see of campaigns and groups, and what nobody is told."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from app.catalog import service as catalog
from tests.factories import Stand, statements
from tests.groupbuy.party import Party
from tests.groupbuy.test_campaigns import PLAIN


async def read(stand: Stand, path: str, **params: Any) -> dict[str, Any]:
    answer = await stand.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def unknown(stand: Stand, path: str) -> None:
    answer = await stand.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_shop_shows_the_campaigns_that_run_now(stand: Stand, party: Party) -> None:
    small = await stand.variant(party.shop_id, party.product_id, list_amount=8_000)
    prices = [*party.wish().prices, type(party.wish().prices[0])(small.id, 6_000)]
    ids = [await party.campaign(prices=tuple(prices)) for _ in range(3)]
    await party.campaign(starts_at=party.now + timedelta(seconds=1))
    await party.draft()
    where = f"/v1/shops/{party.shop_id}/campaigns"
    first = await read(stand, where, limit=2)
    assert [row["id"] for row in first["items"]] == [str(ids[2]), str(ids[1])]
    assert first["items"][0] == {
        "id": str(ids[2]),
        "shop_id": str(party.shop_id),
        "product_id": str(party.product_id),
        "name": "杨梅三人团",
        "size": 3,
        "ends_at": "2026-06-25T04:00:00Z",
        "currency": "CNY",
        "lowest_group_amount": 6_000,
    }
    rest = await read(stand, where, limit=2, cursor=first["next_cursor"])
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == ([str(ids[0])], None)
    stand.clock.advance(days=7)
    assert (await read(stand, where))["items"] == []
    await unknown(stand, f"/v1/shops/{uuid4()}/campaigns")


async def test_the_list_takes_as_many_statements_for_many_as_for_few(
    stand: Stand, party: Party
) -> None:
    for _ in range(6):
        await party.campaign()
    with statements(stand.database) as seen:
        found = await read(stand, f"/v1/shops/{party.shop_id}/campaigns")
    assert (len(found["items"]), len(seen)) == (6, 3), seen


async def test_a_campaign_shows_its_three_prices(stand: Stand, party: Party) -> None:
    sold_out = await stand.variant(party.shop_id, party.product_id, list_amount=8_000)
    gone = await stand.variant(party.shop_id, party.product_id, list_amount=8_000)
    await stand.variant(party.shop_id, party.product_id, list_amount=1_000)
    price = type(party.wish().prices[0])
    prices = (*party.wish().prices, price(sold_out.id, 6_000), price(gone.id, 6_000))
    campaign_id = await party.campaign(prices=prices, units_per_order_max=2)
    await stand.database.transact(
        lambda db: catalog.archive_variant(db, party.shop_id, gone.id, now=party.now)
    )
    stand.clock.advance(minutes=5)
    shown = await read(stand, f"/v1/campaigns/{campaign_id}")
    assert shown == {
        "id": str(campaign_id),
        "shop_id": str(party.shop_id),
        "product_id": str(party.product_id),
        "name": "杨梅三人团",
        "phase": "running",
        "size": 3,
        "group_seconds": 3_600,
        "units_per_order_max": 2,
        **PLAIN,
        "starts_at": "2026-06-18T04:00:00Z",
        "ends_at": "2026-06-25T04:00:00Z",
        "server_now": "2026-06-18T04:05:00Z",
        "currency": "CNY",
        "prices": [
            {
                "variant_id": str(sold_out.id),
                "title": "2.5kg",
                "list_amount": 8_000,
                "solo_amount": None,
                "group_amount": 6_000,
                "leader_amount": None,
                "is_available": False,
            },
            {
                "variant_id": str(party.variant_id),
                "title": "2.5kg",
                "list_amount": 19_900,
                "solo_amount": 15_900,
                "group_amount": 9_900,
                "leader_amount": None,
                "is_available": True,
            },
        ],
    }


async def test_a_campaign_is_seen_from_its_scheduling_to_after_its_end(
    stand: Stand, party: Party
) -> None:
    drafted = (await party.draft()).campaign["id"]
    scheduled = await party.campaign(
        starts_at=party.now + timedelta(hours=1), ends_at=party.now + timedelta(hours=2)
    )
    for phase in ("scheduled", "running", "ended"):
        assert (await read(stand, f"/v1/campaigns/{scheduled}"))["phase"] == phase
        stand.clock.advance(hours=1)
    for campaign_id in (drafted, uuid4()):
        await unknown(stand, f"/v1/campaigns/{campaign_id}")
        await unknown(stand, f"/v1/campaigns/{campaign_id}/groups")


async def test_open_groups_come_most_urgent_first_and_only_with_a_free_seat(
    stand: Stand, party: Party
) -> None:
    campaign = await party.campaign()
    groups = []
    for _ in range(5):
        groups.append((await party.opened(campaign)).group_id)
        stand.clock.advance(minutes=10)
    urgent, full, middle, ended, calm = groups
    await party.join(full)
    await party.join(full)
    await party.joined(middle)
    await party.open(campaign)
    await party.opened(await party.campaign())
    where = f"/v1/campaigns/{campaign}/groups"
    first = await read(stand, where, limit=3)
    assert [row["id"] for row in first["items"]] == [str(g) for g in (urgent, middle, ended)]
    assert first["items"][1] == {
        "id": str(middle),
        "community_id": None,
        "is_near": False,
        "size": 3,
        "paid": 2,
        "seats_left": 1,
        "deadline_at": "2026-06-18T05:20:00Z",
        "server_now": "2026-06-18T04:50:00Z",
    }
    rest = await read(stand, where, limit=3, cursor=first["next_cursor"])
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == ([str(calm)], None)
    stand.clock.advance(minutes=10)
    later = [row["id"] for row in (await read(stand, where))["items"]]
    assert later == [str(g) for g in (middle, ended, calm)]


async def test_groups_of_one_deadline_are_paged_without_loss(stand: Stand, party: Party) -> None:
    campaign = await party.campaign()
    groups = [str((await party.opened(campaign)).group_id) for _ in range(5)]
    where, seen, cursor = f"/v1/campaigns/{campaign}/groups", [], None
    for _ in range(3):
        page = await read(stand, where, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (sorted(groups), None)


async def test_a_group_counts_those_who_are_in(stand: Stand, party: Party) -> None:
    campaign = await party.campaign(size=6)
    leader = await party.opened(campaign)
    await party.joined(leader.group_id)
    paid = await party.joined(leader.group_id)
    await party.join(leader.group_id)
    await party.leave(await party.joined(leader.group_id))
    page = await read(stand, f"/v1/groups/{leader.group_id}")
    assert page == {
        "id": str(leader.group_id),
        "shop_id": str(party.shop_id),
        "campaign_id": str(campaign),
        "campaign_name": "杨梅三人团",
        "product_id": str(party.product_id),
        "status": "open",
        "size": 6,
        "paid_min": 6,
        "paid": 3,
        "seats_left": 2,
        "opened_at": "2026-06-18T04:00:00Z",
        "deadline_at": "2026-06-18T05:00:00Z",
        "server_now": "2026-06-18T04:00:00Z",
        "leader_name": None,
        "member_names": [],
        "others_count": 3,
        "fellows_count": 0,
        "fill_chance_bp": None,
        "is_short": False,
        "mine": False,
    }
    assert str(paid.member_id) not in str(page)


async def test_the_caller_learns_whether_the_seat_is_its_own(stand: Stand, party: Party) -> None:
    leader = await party.opened(await party.campaign())
    unpaid, gone = await party.join(leader.group_id), await party.join(leader.group_id)
    await party.release(gone)
    mine = {}
    for name, member_id in {
        "leader": leader.member_id,
        "unpaid": unpaid.member_id,
        "gone": gone.member_id,
        "stranger": await party.member(),
    }.items():
        caller = await stand.as_member(member_id)
        mine[name] = (await caller.get(f"/v1/groups/{leader.group_id}")).json()["mine"]
    assert mine == {"leader": True, "unpaid": True, "gone": False, "stranger": False}


async def test_a_group_is_seen_at_every_stage_of_its_life(stand: Stand, party: Party) -> None:
    campaign = await party.campaign(size=2)
    pending = await party.open(campaign)
    page = await read(stand, f"/v1/groups/{pending.group_id}")
    assert (page["status"], page["deadline_at"], page["others_count"]) == ("pending", None, 0)
    await party.pay(pending)
    await party.joined(pending.group_id)
    page = await read(stand, f"/v1/groups/{pending.group_id}")
    assert (page["status"], page["seats_left"], page["others_count"]) == ("succeeded", 0, 2)
    failing = await party.opened(campaign)
    stand.clock.advance(seconds=3_660)
    await party.settle(failing.group_id)
    page = await read(stand, f"/v1/groups/{failing.group_id}")
    assert (page["status"], page["seats_left"], page["others_count"]) == ("failed", 2, 0)
    await unknown(stand, f"/v1/groups/{uuid4()}")


async def test_a_group_page_costs_the_same_whatever_the_group(stand: Stand, party: Party) -> None:
    leader = await party.opened(await party.campaign(size=9))
    viewer = await stand.as_member(await party.member())

    async def costs() -> tuple[int, int]:
        path = f"/v1/groups/{leader.group_id}"
        with statements(stand.database) as seen:
            await read(stand, path)
        with statements(stand.database) as seen_by_member:
            assert (await viewer.get(path)).status_code == 200
        return len(seen), len(seen_by_member)

    alone = await costs()
    for _ in range(6):
        await party.joined(leader.group_id)
    assert (
        await costs() == alone == (3, 6)
    )  # a member's last keeps what was shown, after the answer


async def test_bad_credentials_are_refused_on_public_pages_too(stand: Stand, party: Party) -> None:
    leader = await party.opened(await party.campaign())
    headers = {"Authorization": "Bearer forged"}
    answer = await stand.client.get(f"/v1/groups/{leader.group_id}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_members_see_their_own_seats_newest_first(stand: Stand, party: Party) -> None:
    member = await party.member()
    leader = await party.opened(await party.campaign(size=2))
    mine = await party.join(leader.group_id, member)
    await party.pay(mine)
    pending = await party.open(await party.campaign(), member, 2)
    await party.release(pending)
    caller = await stand.as_member(member)
    first = (await caller.get("/v1/me/groups", limit=1)).json()
    assert [row["order_id"] for row in first["items"]] == [str(pending.order_id)]
    rest = (await caller.get("/v1/me/groups", limit=1, cursor=first["next_cursor"])).json()
    [seat] = rest["items"]
    assert rest["next_cursor"] is None
    assert UUID(seat.pop("id"))
    campaign_id = (await party.group(leader.group_id))["campaign_id"]
    assert seat == {
        "order_id": str(mine.order_id),
        "shop_id": str(party.shop_id),
        "campaign_id": str(campaign_id),
        "campaign_name": "杨梅三人团",
        "product_id": str(party.product_id),
        "group_id": str(leader.group_id),
        "quantity": 1,
        "status": "confirmed",
        "group_status": "succeeded",
        "size": 2,
        "paid": 2,
        "seats_left": 0,
        "created_at": "2026-06-18T04:00:00Z",
        "expires_at": "2026-06-18T04:15:00Z",
        "deadline_at": "2026-06-18T05:00:00Z",
    }
    released = first["items"][0]
    assert (released["status"], released["group_status"]) == ("released", "cancelled")
    other = await stand.as_member(await party.member())
    assert (await other.get("/v1/me/groups")).json() == {"items": [], "next_cursor": None}


async def test_own_seats_are_for_members_only(stand: Stand, party: Party) -> None:
    owner = await stand.as_owner(party.shop_id)
    assert (await stand.client.get("/v1/me/groups")).status_code == 401
    assert (await owner.get("/v1/me/groups")).status_code == 403
